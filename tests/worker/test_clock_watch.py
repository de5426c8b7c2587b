"""The clock of the machine is set forward while its workers are at work."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry import jobs
from registry.database import Database
from worker import slot
from worker.clock_watch import HEARTBEATS, ClockWatch
from worker.reaper import Reaper

pytestmark = pytest.mark.timeout(60)


def test_only_a_jump_forward_makes_it_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    now, wall = 1000.0, datetime(2030, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    watch = ClockWatch(10)
    assert watch.trusts(wall)
    now, wall = now + 3600, wall + timedelta(seconds=3605)  # an hour later, and slewed a little
    assert watch.trusts(wall)
    wall -= timedelta(hours=1)
    assert watch.trusts(wall)
    wall += timedelta(minutes=1)
    assert not watch.trusts(wall)
    now, wall = now + 10 * HEARTBEATS - 1, wall + timedelta(seconds=10 * HEARTBEATS - 1)
    assert not watch.trusts(wall)
    now, wall = now + 1, wall + timedelta(seconds=1)
    assert watch.trusts(wall)


@pytest.mark.parametrize("lost_before", [0, 2])
def test_jobs_at_work_stay_where_they_are(
    service: Any, fake_trainer: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch, lost_before: int
) -> None:
    """Neither is one taken by a free slot of its own worker, nor is the third attempt ended as lost."""
    shift = timedelta(0)
    monkeypatch.setattr(service, "database", Database(service.settings.database_url, clock=lambda: now() + shift))
    monkeypatch.setattr("worker.reaper.LOOK_SECONDS", 0.1)
    job_id = service.train_job()
    for _ in range(lost_before):
        service.claim(job_id, lease_seconds=0.01)
        time.sleep(0.05)
    body = 'say("phase", phase="train")\nwhile not (folder.parent / "go").exists(): time.sleep(0.05)\nbundle("model")'
    runtime = service.runtime(fake_trainer(body), slots=2, heartbeat_seconds=0.5, lease_seconds=20)
    reaper = Reaper(runtime)
    with ThreadPoolExecutor(2) as pool:
        done = pool.submit(slot.work, runtime, job_id)
        wait_until(lambda: service.job(job_id).phase == "train")
        reaper.start()
        time.sleep(0.5)
        shift = timedelta(hours=1)
        assert slot.work(runtime, job_id) == 0
        time.sleep(2)
        assert slot.work(runtime, job_id) == 0
        (runtime.attempts_dir / "go").touch()
        done.result(20)
        runtime.stopping.set()
        reaper.join()
    job = service.job(job_id)
    assert (job.status, job.attempt) == ("succeeded", lost_before + 1)
    with service.database.read() as session:
        assert [one.outcome for one in jobs.list_attempts(session, job_id)] == ["lost"] * lost_before + ["succeeded"]
    service.database.dispose()


def test_one_that_is_really_gone_is_taken_a_little_later(
    service: Any, fake_trainer: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift = timedelta(0)
    monkeypatch.setattr(service, "database", Database(service.settings.database_url, clock=lambda: now() + shift))
    job_id = service.train_job()
    service.claim(job_id, lease_seconds=60)  # by one that is killed
    runtime = service.runtime(fake_trainer('bundle("model")'))
    assert slot.work(runtime, job_id) == 0
    shift = timedelta(hours=1)
    assert slot.work(runtime, job_id) == 0
    assert wait_until(lambda: slot.work(runtime, job_id)) == 1
    assert service.job(job_id).status == "succeeded"
    service.database.dispose()


def now() -> datetime:
    return datetime.now(UTC)
