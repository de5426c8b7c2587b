"""Nudges never fail and never hold up; the reaper makes up for those that got lost."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from registry import leases
from registry.broker_address import message_queue
from worker import publish, slot, tasks
from worker.celery_app import make_app
from worker.reaper import Reaper, Watchdog, reap_once

JOB = "job_" + "0" * 32


def queued(app) -> int:
    with app.connection_for_read() as connection:
        size: int = connection.default_channel._size(message_queue("train"))
        return size


@pytest.fixture
def app(service):
    folder = service.settings.state_dir / "files"
    for name in ("messages", "control"):
        (folder / name).mkdir(parents=True)
    return make_app(service.settings.model_copy(update={"broker_url": f"filesystem://{folder}"}))


def test_a_nudge_is_out_when_the_call_returns(app):
    publish.nudge(app, [JOB, JOB], "train")
    assert queued(app) == 2


@pytest.mark.parametrize("listening", [False, True], ids=["refuses", "accepts and is silent"])
def test_a_dead_broker_costs_a_caller_a_bounded_time_and_no_exception(service, listening):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:
            server.listen()
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        app = make_app(service.settings.model_copy(update={"broker_url": url}))
        started = time.monotonic()
        for _ in range(50):
            publish.nudge(app, [JOB], "train", wait_seconds=0.2)
        assert time.monotonic() - started < 2


def test_the_reaper_publishes_waiting_rows_oldest_first_and_no_more_than_there_are_slots(service):
    waiting = [service.train_job() for _ in range(3)]
    time.sleep(1.1)
    runtime = service.runtime(slots=2, republish_seconds=1)  # more than lies between the two looks on a busy machine
    assert list(reap_once(runtime).ids) == waiting[:2]
    assert service.nudged == waiting[:2]
    assert list(reap_once(runtime).ids) == waiting[2:]


def test_the_reaper_publishes_jobs_of_silent_workers(service):
    job_id = service.train_job()
    with service.database.write() as session:
        leases.claim(session, job_id=job_id, worker="silent", lease_seconds=0.05)
    time.sleep(0.15)
    assert list(reap_once(service.runtime()).ids) == [job_id]


@pytest.fixture
def reaping(service, wait_until, monkeypatch):
    """A worker of two slots whose reaper has made its first pass and will make the next in an hour."""
    passes: list[float] = []

    def counted(*arguments, **options):
        passes.append(time.monotonic())
        return reap_once(*arguments, **options)

    monkeypatch.setattr("worker.reaper.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("worker.reaper.reap_once", counted)
    monkeypatch.setattr(Watchdog, "look", lambda _: False)
    runtime = service.runtime(slots=2, republish_seconds=0.1, reaper_seconds=3600)
    reaper = Reaper(runtime)
    reaper.start()
    wait_until(lambda: passes)
    yield runtime
    runtime.stopping.set()
    reaper.join(5)
    assert not reaper.is_alive()


def test_jobs_of_silent_workers_do_not_wait_for_the_next_pass(service, reaping, wait_until):
    ids = [service.train_job(), service.train_job()]
    for job_id in ids:
        service.claim(job_id, lease_seconds=0.3)
    wait_until(lambda: {*service.nudged} == {*ids})


def test_no_pass_is_made_for_them_where_no_slot_is_free(service, reaping, wait_until):
    slots = reaping.slots["train"]
    assert slots.enter()
    assert slots.enter()
    job_id = service.train_job()
    service.claim(job_id, lease_seconds=0.1)
    time.sleep(0.6)
    assert service.nudged == []
    slots.abandon()
    wait_until(lambda: service.nudged == [job_id])


def test_a_worker_that_starts_publishes_even_the_newest_rows(service, wait_until):
    job_id = service.train_job()
    runtime = service.runtime(republish_seconds=3600, reaper_seconds=3600)
    reaper = Reaper(runtime)
    reaper.start()
    wait_until(lambda: job_id in service.nudged)
    runtime.stopping.set()
    reaper.join(5)
    assert not reaper.is_alive()


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1,), {}), (("job_x",), {}), ((JOB, JOB), {}), ((JOB,), {"a": 1}), ((JOB + "\n",), {}), ((None,), {})],
)
def test_only_a_job_id_is_a_hint(args, kwargs):
    assert tasks.hint_from(args, kwargs) is None
    assert tasks.hint_from((JOB,), {}) == JOB


def test_the_watchdog_takes_jobs_that_idle_slots_are_not_given(service, fake_trainer, wait_until):
    job_id = service.train_job()
    watchdog = Watchdog(service.runtime(fake_trainer('bundle("model")')))
    assert [watchdog.look() for _ in range(Watchdog.PATIENCE)] == [False] * Watchdog.PATIENCE
    assert service.job(job_id).status == "queued"
    assert watchdog.look()
    wait_until(lambda: service.job(job_id).status == "succeeded")
    assert not watchdog.look()


def test_the_watchdog_fills_all_idle_slots_beside_those_at_work(service, fake_trainer, wait_until):
    runtime = service.runtime(fake_trainer("time.sleep(60)"), slots=3)
    first = service.train_job()
    threading.Thread(target=slot.work, args=(runtime, first), daemon=True).start()
    wait_until(lambda: service.job(first).status == "running")
    waiting = [service.train_job() for _ in range(3)]
    watchdog = Watchdog(runtime)
    looks = range(Watchdog.PATIENCE + 1)
    assert [watchdog.look() for _ in looks] == [False] * Watchdog.PATIENCE + [True]
    wait_until(lambda: [service.job(job_id).status for job_id in waiting] == ["running", "running", "queued"])
    assert not any(watchdog.look() for _ in looks)  # no slot is left
    runtime.stopping.set()
    assert runtime.wait_until_idle(15)
