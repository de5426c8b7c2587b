"""Lists against an oracle: every combination of filters, read page by page."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from typing import Any

import pytest

from registry import job_lists, jobs, leases

STATUSES = ("queued", "running", "cancelling", "cancelled")


@pytest.fixture
def made(world: Any) -> list[Any]:
    """Sixty jobs with values drawn at random, oldest first."""
    draw = random.Random(5)
    ids = []
    with world.database.write() as session:
        for _ in range(60):
            metadata = {"team": draw.choice("ab"), "run": str(draw.randrange(9))} if draw.random() < 0.8 else {}
            values = {"type": draw.choice(["train", "validate_dataset"]), "model": draw.choice(["m", "n"])}
            ids.append(jobs.create(session, dataset_id=None, config={}, metadata=metadata, **values).id)
        for job_id in ids:
            status = draw.choice(STATUSES)
            if status in ("running", "cancelling"):
                leases.claim(session, job_id=job_id, worker="w", lease_seconds=60)
            if status in ("cancelling", "cancelled"):
                jobs.request_cancel(session, job_id)
        return [jobs.get(session, job_id) for job_id in ids]


def meets(job: Any, wanted: dict[str, Any]) -> bool:
    return (
        ("status" not in wanted or job.status == wanted["status"])
        and ("types" not in wanted or job.type in wanted["types"])
        and ("model" not in wanted or job.model == wanted["model"])
        and all(job.metadata.get(key) == value for key, value in wanted.get("metadata", {}).items())
    )


@pytest.mark.parametrize("some", [2, 1000])
def test_any_combination_of_filters_page_by_page(
    world: Any, made: list[Any], some: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_lists, "SOME", some)
    choices: dict[str, list[Any]] = {
        "status": [None, "running", "cancelling", "cancelled"],
        "types": [None, ["train"]],
        "model": [None, "m"],
        "metadata": [None, {"team": "a"}, {"team": "b", "run": "3"}, {"team": "none"}],
    }
    with world.database.read() as session:
        for drawn in itertools.product(*choices.values()):
            wanted = {name: value for name, value in zip(choices, drawn, strict=True) if value is not None}
            expected = [job.id for job in reversed(made) if meets(job, wanted)]
            found: list[str] = []
            after = None
            while True:
                page = jobs.list_page(session, limit=4, after=after, **wanted)
                found += [job.id for job in page.items]
                assert len(page.items) == 4 or page.next_after is None
                if (after := page.next_after) is None:
                    break
            assert found == expected, wanted


def test_between_two_times(world: Any, made: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock of these tests is not the one that ids are made by, so no id may be left out for its time.
    monkeypatch.setattr(job_lists, "CLOCKS_APART", timedelta(days=10_000))
    moment = world.clock.time
    world.clock.advance(10)
    later = world.job(model="m", metadata={"team": "a"})

    def ids(**filters: Any) -> list[str]:
        return [job.id for job in world.read(jobs.list_page, limit=100, **filters).items]

    assert ids(created_after=moment) == [later.id]
    assert ids(created_after=moment, model="m", metadata={"team": "a"}) == [later.id]
    assert ids(created_after=later.created_at) == []
    assert len(ids(created_before=later.created_at)) == len(made)
    assert ids(created_before=moment) == []


def test_another_projects_metadata_is_not_looked_at(world: Any, made: list[Any]) -> None:
    assert made
    assert world.read(jobs.list_page, "other", metadata={"team": "a"}).items == ()
    assert world.read(jobs.list_page, "other", metadata={"team": "a"}, model="m").items == ()
