"""A full disk costs the job that found it, not all that wait behind it."""

from __future__ import annotations

import errno
import shutil
from typing import Any

import pytest

from registry import jobs
from worker import slot
from worker.disk_gate import DiskGate

FULL = 'say("error", code="insufficient_storage", message="full", errors=[])\nsys.exit(2)'


@pytest.mark.parametrize("whose", ["supervisor", "trainer"])
def test_no_other_job_is_taken_until_there_is_space(
    service: Any, fake_trainer: Any, monkeypatch: pytest.MonkeyPatch, wait_until: Any, whose: str
) -> None:
    waiting = [service.train_job() for _ in range(5)]
    runtime = service.runtime(fake_trainer(FULL if whose == "trainer" else 'bundle("model")'))
    free = 0
    monkeypatch.setattr(DiskGate, "_free_bytes", lambda _: free)
    with monkeypatch.context() as patch:
        if whose == "supervisor":
            patch.setattr(service.blobs, "fetch", _full)
        assert slot.work(runtime) == 1
    assert [service.job(job_id).status for job_id in waiting] == ["failed"] + ["queued"] * 4
    assert slot.work(runtime, waiting[2]) == 0

    runtime.trainer = fake_trainer('bundle("model")')
    free = runtime.settings.min_free_bytes
    assert wait_until(lambda: slot.work(runtime)) == 4
    assert [service.job(job_id).status for job_id in waiting[1:]] == ["succeeded"] * 4


def test_another_worker_goes_on(service: Any, fake_trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = [service.train_job() for _ in range(2)]
    full = service.runtime(fake_trainer(FULL))
    assert slot.work(full) == 1
    assert slot.work(service.runtime(fake_trainer('bundle("model")'))) == 1
    assert [service.job(job_id).status for job_id in waiting] == ["failed", "succeeded"]


def test_the_disk_with_less_space_counts(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = DiskGate(service.settings.model_copy(update={"reaper_seconds": 0.0, "min_free_bytes": 1}), service.blobs)
    assert gate.is_open()
    gate.shut()
    monkeypatch.setattr(service.blobs, "free_bytes", lambda: 0)
    assert not gate.is_open()
    monkeypatch.setattr(service.blobs, "free_bytes", lambda: None)  # an object store
    assert gate.is_open()
    gate.shut()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))  # type: ignore[attr-defined]
    assert not gate.is_open()


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_waits_can_be_cancelled_meanwhile(service: Any, fake_trainer: Any) -> None:
    waiting = [service.train_job() for _ in range(2)]
    runtime = service.runtime(fake_trainer(FULL), min_free_bytes=1 << 60)
    slot.work(runtime)
    with service.database.write() as session:
        jobs.request_cancel(session, waiting[1])
    assert service.job(waiting[1]).status == "cancelled"
