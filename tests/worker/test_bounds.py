"""What one attempt may take, and what a job that ruins its attempts, or its workers, comes to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from registry import backup, checkpoints, leases
from registry.blobs import BlobStore
from registry.database import Database
from worker import priority, slot
from worker.process import TrainerProcess
from worker.reaper import reap_once
from worker.runtime import Runtime

FILLS_THE_DISK = """
with open(folder / "outputs" / "large", "wb") as file:
    while True:
        file.write(os.urandom(1 << 20))
        file.flush()
        time.sleep(0.01)
"""
# One process for each core and one more, without ever giving way.
HOGS_THE_MACHINE = """
import subprocess
spin = [sys.executable, "-c", "while True: pass"]
others = [subprocess.Popen(spin) for _ in range((os.cpu_count() or 1) + 1)]
time.sleep(3)
for other in others:
    other.kill()
bundle("model")
"""
KILLS_ITS_SUPERVISOR = """
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(30)
"""


def test_an_attempt_that_fills_the_disk_fails_at_once(service, fake_trainer, monkeypatch):
    monkeypatch.setattr("worker.warden.DISK_SECONDS", 0.1)
    job_id = service.train_job()
    runtime = service.runtime(fake_trainer(FILLS_THE_DISK), attempt_disk_bytes=5_000_000)
    assert slot.work(runtime, job_id) == 1
    job = service.job(job_id)
    assert (job.status, job.error["code"]) == ("failed", "disk_limit_exceeded")
    assert "attempt_disk_bytes" in job.error["message"]
    assert list(runtime.attempts_dir.iterdir()) == []


@pytest.mark.slow
def test_a_job_that_takes_its_worker_along_fails_after_three_of_them(service, fake_trainer, wait_until):
    """Poison: nobody is left to say what happened. Its neighbour is taken by another worker and succeeds."""
    poison = service.train_job()
    neighbour = service.train_job()
    command = fake_trainer(KILLS_ITS_SUPERVISOR)
    script = "\n".join(
        (
            "import sys",
            "from registry.settings import Settings",
            "from worker import slot",
            "from worker.runtime import Runtime",
            "runtime = Runtime.open(Settings())",
            "runtime.trainer = tuple(sys.argv[2:])",
            "slot.work(runtime, sys.argv[1])",
        )
    )
    environment = {
        **os.environ,
        "POCKETREC_STATE_DIR": str(service.settings.state_dir),
        "POCKETREC_HEARTBEAT_SECONDS": "0.2",
        "POCKETREC_LEASE_SECONDS": "0.5",
        "POCKETREC_TRAINER_NICE": "0",
    }
    for attempt in (1, 2, 3):
        worker = subprocess.run([sys.executable, "-c", script, poison, *command], env=environment, check=False)
        assert worker.returncode == -9
        assert service.job(poison).attempt == attempt
        time.sleep(0.6)
    found = wait_until(lambda: reap_once(service.runtime()).failed)
    assert found == (poison,)
    assert service.job(poison).error["code"] == "worker_lost"
    assert service.job(neighbour).status == "queued"
    runtime = service.runtime(fake_trainer('bundle("model")'))
    runtime.tidy_disk()
    assert list(runtime.attempts_dir.iterdir()) == []
    slot.work(runtime, neighbour)
    assert service.job(neighbour).status == "succeeded"


def test_heartbeats_go_on_while_a_trainer_hogs_the_machine(service, fake_trainer, monkeypatch):
    beats = []
    real = leases.heartbeat

    def heartbeat(*given):
        beats.append(time.monotonic())
        return real(*given)

    monkeypatch.setattr(leases, "heartbeat", heartbeat)
    job_id = service.train_job()
    # the same share for hogs as for us: what trainer_nice adds makes it easier only
    runtime = service.runtime(fake_trainer(HOGS_THE_MACHINE), heartbeat_seconds=0.5, lease_seconds=10)
    assert slot.work(runtime, job_id) == 1
    assert service.job(job_id).status == "succeeded"
    gaps = [later - earlier for earlier, later in pairwise(beats)]
    assert len(beats) >= 2
    assert max(gaps) < 5


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="the system has no such score")
def test_the_system_ends_a_trainer_first_where_memory_runs_out(tmp_path):
    process = TrainerProcess((sys.executable, "-c", "import sys; sys.stdin.read()"), tmp_path)
    try:
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip() == str(priority.FIRST_TO_GO)
    finally:
        process.end()


def test_what_killed_processes_left_goes_and_what_is_in_use_stays(service):
    runtime = service.runtime()
    left = runtime.attempts_dir / "job_x.1"
    left.mkdir(parents=True)
    (left / "lock").touch()
    part = service.settings.state_dir / "blobs" / "tmp" / "put-new"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"somebody writes this right now")
    runtime.tidy_disk()
    assert (left.exists(), part.exists()) == (False, True)


CHECKPOINTS = """
if resumed() is None:
    for epoch in (1, 2, 3):
        checkpoint(epoch, f"state {epoch}")
        time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)
bundle("made from " + resumed())
"""


def test_old_checkpoints_leave_the_store_and_a_restored_service_goes_on(service, fake_trainer, tmp_path):
    job_id = service.train_job()
    database = Database(service.settings.database_url, blobs=service.blobs)
    runtime = Runtime(service.settings, database, service.blobs, worker="test-worker")
    runtime.trainer = fake_trainer(CHECKPOINTS)
    runtime.nudge = lambda *_: None  # type: ignore[method-assign]
    claim = service.claim(job_id)
    from worker import supervisor

    assert supervisor.run_attempt(runtime, claim) is True
    with database.read() as session:
        found = checkpoints.latest_checkpoint(session, job_id)
    assert found is not None
    stored = [b"".join(service.blobs.open_range(blob.sha256)) for blob, _ in service.blobs.listed()]
    assert [content for content in stored if content.startswith(b"state")] == [b"state 3"]

    backup.backup(database, service.blobs, tmp_path / "backup")
    settings = service.settings.model_copy(
        update={
            "state_dir": tmp_path / "new",
            "database_url": f"sqlite:///{tmp_path}/new/registry.db",
            "blob_url": str(tmp_path / "new" / "blobs"),
        }
    )
    blobs = BlobStore(settings.blob_url)
    new = Database(settings.database_url, blobs=blobs)
    backup.restore(new, blobs, tmp_path / "backup")
    runtime = Runtime(settings, new, blobs, worker="another")
    runtime.trainer = fake_trainer(CHECKPOINTS)
    runtime.nudge = lambda *_: None  # type: ignore[method-assign]
    assert slot.work(runtime, job_id) == 1
    with new.read() as session:
        from registry import jobs

        job = jobs.get(session, job_id)
    assert job.status == "succeeded"
    model = next(entry for entry in job.result["artifacts"] if entry["path"] == "model.tflite")
    assert b"".join(blobs.open_range(model["sha256"])) == b"made from state 3"
    new.dispose()
    database.dispose()
