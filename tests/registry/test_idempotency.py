"""Keys: one transaction for key, work and answer, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import func, select

from registry import idempotency, jobs, tables
from registry.errors import IdempotencyInFlight, IdempotencyKeyReused
from registry.idempotency import Answer, Asked

ASKED = Asked("project:default", "POST /v1/jobs", "key", "f" * 64)
ANSWER = Answer(202, {"Location": "/v1/jobs/job_1"}, '{"id":"é"}')


def post(world: Any, asked: Asked = ASKED) -> tuple[str, Answer]:
    """What a POST does: the job's id, or of the one made before."""
    with world.database.write() as session:
        if (found := idempotency.reserve(session, asked)) is not None:
            return "", found
        job = jobs.create(session, type="train", dataset_id=None, config={})
        idempotency.keep(session, asked, ANSWER)
        return job.id, ANSWER


def count(world: Any, table: Any) -> int:
    return int(world.read(lambda session: session.execute(select(func.count()).select_from(table)).scalar_one()))


def test_the_answer_is_found_again(world: Any) -> None:
    assert world.read(idempotency.find, ASKED) is None
    assert post(world)[1] == ANSWER
    assert world.read(idempotency.find, ASKED) == ANSWER
    assert post(world) == ("", ANSWER)
    assert count(world, tables.jobs) == 1


def test_another_body_is_refused(world: Any) -> None:
    post(world)
    other = Asked(ASKED.owner, ASKED.route, ASKED.key, "0" * 64)
    with pytest.raises(IdempotencyKeyReused, match="another body"):
        world.read(idempotency.find, other)
    with pytest.raises(IdempotencyKeyReused):
        post(world, other)


@pytest.mark.parametrize("part", ["owner", "route", "key"])
def test_owner_route_and_key_each_tell_keys_apart(world: Any, part: str) -> None:
    post(world)
    assert post(world, Asked(**{**vars(ASKED), part: "other"}))[0] != ""


def test_a_transaction_that_fails_leaves_the_key_free(world: Any) -> None:
    def break_half_way(session: Any) -> None:
        assert idempotency.reserve(session, ASKED) is None
        jobs.create(session, type="train", dataset_id=None, config={})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.write(break_half_way)
    assert world.read(idempotency.find, ASKED) is None
    assert post(world)[0] != ""


def test_after_a_day_it_is_another_request(world: Any) -> None:
    post(world)
    world.clock.advance(idempotency.KEEP_SECONDS - 1)
    assert world.read(idempotency.find, ASKED) == ANSWER
    world.clock.advance(1)
    assert world.read(idempotency.find, ASKED) is None
    assert post(world)[0] != ""
    assert count(world, tables.jobs) == 2


def test_expired_keys_go_some_at_a_time(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "SWEPT_AT_ONCE", 2)
    for number in range(4):
        post(world, Asked(ASKED.owner, ASKED.route, f"old{number}", "f" * 64))
    world.clock.advance(idempotency.KEEP_SECONDS)
    post(world)
    assert count(world, tables.idempotency_keys) == 3
    post(world, Asked(ASKED.owner, ASKED.route, "next", "f" * 64))
    assert count(world, tables.idempotency_keys) == 2


def test_twenty_at_once_make_one_job(world: Any, in_parallel: Callable[..., list[Any]]) -> None:
    found = in_parallel(20, lambda _: post(world))
    assert len([job_id for job_id, _ in found if job_id]) == 1
    assert {answer.body for _, answer in found} == {ANSWER.body}
    assert count(world, tables.jobs) == 1


@pytest.mark.parametrize("first_commits", [True, False])
def test_a_second_waits_for_the_first_to_end(world: Any, first_commits: bool) -> None:
    begun, go_on, results = Event(), Event(), []

    def first() -> None:
        try:
            with world.database.write() as session:
                idempotency.reserve(session, ASKED)
                begun.set()
                go_on.wait(20)
                if not first_commits:
                    raise ZeroDivisionError
                jobs.create(session, type="train", dataset_id=None, config={})
                idempotency.keep(session, ASKED, ANSWER)
        except ZeroDivisionError:
            pass

    threads = [Thread(target=first), Thread(target=lambda: results.append(post(world)))]
    threads[0].start()
    assert begun.wait(20)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert [job_id == "" for job_id, _ in results] == [first_commits]
    assert count(world, tables.jobs) == 1


@pytest.mark.integration
def test_on_postgresql_nobody_waits_for_ever(postgresql_url: str, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if world.database.dialect != "postgresql":
        pytest.skip("SQLite has one writer, so that a second one waits for the lock as a whole")
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 0.1)
    with world.database.write() as session:
        idempotency.reserve(session, ASKED)
        with pytest.raises(IdempotencyInFlight):
            post(world)
        idempotency.keep(session, ASKED, ANSWER)
    assert post(world) == ("", ANSWER)
