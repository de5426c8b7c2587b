"""Whole attempts with trainers that behave in a chosen way; everything else is real."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from registry import checkpoints, datasets, jobs, leases, models
from worker import slot, supervisor

pytestmark = pytest.mark.timeout(60)


def test_a_result_is_published_with_all_its_files(service, fake_trainer):
    job_id = service.train_job()
    body = """
    say("phase", phase="train")
    say("progress", done=1, total=2, unit="steps", eta_seconds=1.5)
    say("epoch", epoch=1, metrics={"loss": 2.0})
    checkpoint(1, "state")
    say("log", message="hello")
    bundle("model")
    """
    slot.work(service.runtime(fake_trainer(body)), job_id)

    job = service.job(job_id)
    assert job.status == "succeeded"
    assert job.phase == "publish"
    assert job.result["metrics"] == {"ndcg@10": 0.1}
    assert {artifact["path"] for artifact in job.result["artifacts"]} == {
        "model.tflite",
        "manifest.json",
        "report.json",
        "bundle.zip",
        "measurements.json",
    }
    with service.database.read() as session:
        version = models.get_version(session, "films", 1)
        assert models.get_file(version, "model.tflite").bytes == len("model")
        assert [epoch.metrics for epoch in jobs.list_epochs(session, job_id)] == [{"loss": 2.0}]
        assert [line.line for line in jobs.list_log(session, job_id)] == [
            "attempt 1 on worker test-worker",
            "phase train",
            "epoch 1: loss 2.0000",
            "hello",
            "attempt 1 succeeded",
        ]
        assert checkpoints.latest_checkpoint(session, job_id).epoch == 1
    for artifact in job.result["artifacts"]:
        service.blobs.verify(artifact["sha256"])
    assert list(service.runtime().attempts_dir.iterdir()) == []


def test_a_killed_trainer_goes_on_at_once_from_its_promoted_checkpoint(service, fake_trainer):
    job_id = service.train_job()
    body = """
    say("phase", phase="train")
    if resumed() is None:
        checkpoint(1, "state after epoch 1")
        time.sleep(0.6)
        os.kill(os.getpid(), signal.SIGKILL)
    bundle("resumed from " + resumed())
    """
    attempts = slot.work(service.runtime(fake_trainer(body)), job_id)

    job = service.job(job_id)
    assert (job.status, attempts, job.attempt) == ("succeeded", 2, 2)
    model = next(entry for entry in job.result["artifacts"] if entry["path"] == "model.tflite")
    assert b"".join(service.blobs.open_range(model["sha256"])) == b"resumed from state after epoch 1"
    with service.database.read() as session:
        assert [attempt.outcome for attempt in jobs.list_attempts(session, job_id)] == ["lost", "succeeded"]


def test_a_trainer_that_always_dies_gets_exactly_three_attempts_and_neighbours_go_on(service, fake_trainer):
    doomed = service.train_job(metadata={"doomed": True})
    body = """
    say("phase", phase="train")
    if job["job_id"] == "%s":
        os.kill(os.getpid(), signal.SIGKILL)
    bundle("model")
    """
    neighbour = service.train_job()
    attempts = slot.work(service.runtime(fake_trainer(body % doomed)), doomed)

    assert attempts == 4
    job = service.job(doomed)
    assert (job.status, job.attempt, job.error["code"]) == ("failed", 3, "worker_lost")
    assert "SIGKILL" in job.error["message"]
    assert service.job(neighbour).status == "succeeded"


def test_a_typed_error_fails_the_job_without_another_attempt(service, fake_trainer):
    job_id = service.train_job()
    error = {"pointer": "/training/learning_rate", "code": "too_large", "detail": "try 0.001"}
    body = f"""
    say("error", code="diverged", message="the loss became NaN", errors=[{error!r}])
    sys.exit(2)
    """
    slot.work(service.runtime(fake_trainer(body)), job_id)

    job = service.job(job_id)
    assert (job.status, job.attempt) == ("failed", 1)
    assert job.error == {"code": "diverged", "message": "the loss became NaN", "errors": [error]}


def test_garbage_on_standard_output_is_ignored(service, fake_trainer):
    job_id = service.train_job()
    body = """
    sys.stdout.buffer.write(b"\\xff\\xfe not json\\n[1, 2]\\n{}\\n" + b"x" * 3_000_000 + b"\\n")
    say("phase", phase="nonsense")
    say("epoch", epoch="many", metrics={})
    say("checkpoint", path="/etc/hostname", epoch=1, step=1)
    bundle("model")
    """
    slot.work(service.runtime(fake_trainer(body)), job_id)

    assert service.job(job_id).status == "succeeded"
    with service.database.read() as session:
        assert checkpoints.latest_checkpoint(session, job_id) is None


def test_cancel_keeps_the_checkpoint_that_the_trainer_writes_when_asked_to_stop(service, fake_trainer, wait_until):
    job_id = service.train_job()
    body = """
    say("phase", phase="train")
    checkpoint(1, "early")
    stop.wait()
    checkpoint(2, "at the end")
    sys.exit(75)
    """
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(slot.work, service.runtime(fake_trainer(body)), job_id)
        wait_until(lambda: "job.checkpointed" in service.event_types(job_id))
        with service.database.write() as session:
            assert jobs.request_cancel(session, job_id).status == "cancelling"
        done.result(10)

    assert service.job(job_id).status == "cancelled"
    with service.database.read() as session:
        kept = checkpoints.latest_checkpoint(session, job_id)
    assert kept.epoch == 2
    assert b"".join(service.blobs.open_range(kept.sha256)) == b"at the end"


def test_a_trainer_deaf_to_sigterm_is_killed_and_the_job_cancelled(service, fake_trainer, wait_until):
    job_id = service.train_job()
    body = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("phase", phase="train")
    time.sleep(60)
    """
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(slot.work, service.runtime(fake_trainer(body), stop_seconds=0.3), job_id)
        wait_until(lambda: service.job(job_id).phase == "train")
        with service.database.write() as session:
            jobs.request_cancel(session, job_id)
        done.result(10)
    assert service.job(job_id).status == "cancelled"


def test_a_lost_lease_kills_the_trainer_and_nothing_more_is_written(service, fake_trainer, wait_until, tmp_path):
    job_id = service.train_job()
    pid_file = tmp_path / "pid"
    body = f"""
    Path({str(pid_file)!r}).write_text(str(os.getpid()))
    say("phase", phase="train")
    while True:
        say("progress", done=1, total=2, unit="steps")
        time.sleep(0.02)
    """
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(slot.work, service.runtime(fake_trainer(body)), job_id)
        wait_until(lambda: service.job(job_id).phase == "train")
        thief = steal(service, job_id)
        done.result(10)

    job = service.job(job_id)
    assert (job.status, job.fence, job.worker) == ("running", thief.fence, "thief")
    assert job.progress is None
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def steal(service, job_id):
    """Claim a job whose lease still runs, as if its worker had been frozen for longer than that."""
    from datetime import timedelta

    from registry.database import Database, now

    with service.database.read() as session:
        later = now(session) + timedelta(hours=1)
    future = Database(service.settings.database_url, clock=lambda: later)
    with future.write() as session:
        claim = leases.claim(session, job_id=job_id, worker="thief", lease_seconds=3600)
    future.dispose()
    assert claim is not None
    return claim


def test_shutdown_lets_the_trainer_checkpoint_and_gives_the_job_back_without_counting(
    service, fake_trainer, wait_until
):
    job_id = service.train_job()
    body = """
    say("phase", phase="train")
    if resumed() is None:
        stop.wait()
        checkpoint(3, "interrupted")
        sys.exit(75)
    bundle(resumed())
    """
    first = service.runtime(fake_trainer(body))
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(slot.work, first, job_id)
        wait_until(lambda: service.job(job_id).phase == "train")
        first.stopping.set()
        done.result(10)

    assert service.nudged == [job_id]
    with service.database.read() as session:
        assert [attempt.outcome for attempt in jobs.list_attempts(session, job_id)] == ["released"]
    slot.work(service.runtime(fake_trainer(body)), job_id)
    assert service.job(job_id).status == "succeeded"
    assert service.job(job_id).attempts_without_progress <= 1


def test_a_stopping_worker_claims_nothing(service, fake_trainer):
    job_id = service.train_job()
    runtime = service.runtime(fake_trainer('bundle("model")'))
    runtime.stopping.set()
    assert slot.work(runtime, job_id) == 0
    assert service.job(job_id).status == "queued"


def test_the_deadline_ends_an_attempt_with_a_typed_error(service, fake_trainer):
    job_id = service.train_job()
    body = """
    say("phase", phase="train")
    stop.wait()
    sys.exit(75)
    """
    slot.work(service.runtime(fake_trainer(body), deadline_seconds=0.3), job_id)
    error = service.job(job_id).error
    assert error["code"] == "deadline_exceeded"
    assert "longer than 0.3 s (deadline_seconds)" in error["message"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system doesn't tell a process's memory")
def test_the_memory_limit_is_kept(service, fake_trainer):
    job_id = service.train_job()
    body = """
    say("phase", phase="train")
    hoard = bytearray(os.urandom(1)) * 300_000_000
    time.sleep(30)
    """
    slot.work(service.runtime(fake_trainer(body), memory_bytes=150_000_000), job_id)
    job = service.job(job_id)
    assert (job.status, job.attempt, job.error["code"]) == ("failed", 3, "worker_lost")
    assert "memory_bytes" in job.error["message"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system doesn't tell a process's memory")
def test_files_that_are_mapped_do_not_count_as_memory(service, fake_trainer):
    job_id = service.train_job()
    body = """
    import mmap
    path = folder / "columns"
    path.write_bytes(b"")
    os.truncate(path, 200_000_000)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        sum(mapped[at] for at in range(0, len(mapped), mmap.PAGESIZE))
        time.sleep(1)
    bundle("model")
    """
    slot.work(service.runtime(fake_trainer(body), memory_bytes=100_000_000), job_id)
    assert service.job(job_id).status == "succeeded"


def test_a_bundle_that_contradicts_its_manifest_is_never_published(service, fake_trainer):
    job_id = service.train_job()
    body = """
    bundle("model")
    (folder / "outputs" / "bundle" / "model.tflite").write_text("other")
    """
    slot.work(service.runtime(fake_trainer(body)), job_id)
    job = service.job(job_id)
    assert job.status == "failed"
    assert job.result is None
    with service.database.read() as session:
        assert models.version_of_job(session, job_id) is None


def full_disk(*_args):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("broken", ["fetch", "put_file", "adopt_file"])
def test_a_full_disk_at_any_step_fails_the_job_and_publishes_nothing(service, fake_trainer, monkeypatch, broken):
    job_id = service.train_job()
    runtime = service.runtime(fake_trainer('checkpoint(1, "state")\ntime.sleep(0.5)\nbundle("model")'))
    monkeypatch.setattr(service.blobs, broken, full_disk)
    slot.work(runtime, job_id)
    job = service.job(job_id)
    assert (job.status, job.attempt, job.error["code"]) == ("failed", 1, "insufficient_storage")
    assert "Free some space" in job.error["message"]
    with service.database.read() as session:
        assert models.version_of_job(session, job_id) is None
    assert list(runtime.attempts_dir.iterdir()) == []


def test_a_store_that_is_away_for_a_moment_costs_time_and_not_the_job(service, fake_trainer, monkeypatch, wait_until):
    job_id = service.train_job()
    runtime = service.runtime(fake_trainer('bundle("model")'), reaper_seconds=2)

    def away(*_args):
        raise RuntimeError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(service.blobs, "fetch", away)
        assert slot.work(runtime, job_id) == 1
    assert service.job(job_id).status == "running"
    assert slot.work(runtime, job_id) == 0
    wait_until(lambda: slot.work(runtime, job_id) == 1)
    assert service.job(job_id).status == "succeeded"


def test_a_database_that_is_away_when_an_attempt_begins_costs_time_and_no_attempt(service, fake_trainer, monkeypatch):
    job_id = service.train_job()
    runtime = service.runtime(fake_trainer('bundle("model")'), lease_seconds=60)
    read, calls = service.database.read, []

    @contextmanager
    def away_each_second_time():
        calls.append(None)
        if len(calls) % 2:
            raise OperationalError("SELECT", {}, Exception("the connection was closed"))
        with read() as session:
            yield session

    with monkeypatch.context() as patch:
        patch.setattr(service.database, "read", away_each_second_time)
        assert slot.work(runtime, job_id, queue="train") == 1
    job = service.job(job_id)
    assert (job.status, job.attempt) == ("succeeded", 1)


def test_a_full_disk_is_no_verdict_on_a_dataset(service, fake_trainer):
    dataset_id, job_id = service.upload("user_id,item_id\n")
    body = 'say("error", code="insufficient_storage", message="full", errors=[])\nsys.exit(2)'
    slot.work(service.runtime(fake_trainer(body)), job_id)
    assert service.job(job_id).status == "failed"
    with service.database.read() as session:
        dataset = datasets.get(session, dataset_id)
    assert (dataset.status, dataset.error["code"]) == ("invalid", "insufficient_storage")
    assert dataset.upload


def test_a_hint_that_can_not_be_claimed_gives_the_oldest_waiting_job(service, fake_trainer):
    first, second = service.train_job(), service.train_job()
    runtime = service.runtime(fake_trainer('bundle("model")'))
    assert slot.work(runtime, "job_" + "0" * 32) == 2
    assert [service.job(job_id).status for job_id in (first, second)] == ["succeeded", "succeeded"]
    assert slot.work(runtime, first) == 0


def test_forty_copies_of_each_message_give_one_result_each(service, fake_trainer):
    waiting = [service.train_job() for _ in range(4)]
    runtime = service.runtime(fake_trainer('bundle("model")'))
    with ThreadPoolExecutor(4) as pool:
        attempts = sum(pool.map(lambda job_id: slot.work(runtime, job_id), waiting * 40))
    assert attempts == 4
    with service.database.read() as session:
        assert models.get(session, "films").last_version == 4


def test_the_heartbeat_keeps_a_job_longer_than_its_lease(service, fake_trainer):
    job_id = service.train_job()
    body = """
    say("phase", phase="train")
    time.sleep(2.5)
    bundle("model")
    """
    slot.work(service.runtime(fake_trainer(body), lease_seconds=1.0, heartbeat_seconds=0.2), job_id)
    assert (service.job(job_id).status, service.job(job_id).attempt) == ("succeeded", 1)


def test_a_killed_supervisor_takes_its_trainer_along(service, fake_trainer, wait_until, tmp_path):
    job_id = service.train_job()
    pid_file = tmp_path / "trainer.pid"
    command = fake_trainer(f"""
    Path({str(pid_file)!r}).write_text(str(os.getpid()))
    say("phase", phase="train")
    time.sleep(60)
    """)
    script = (
        "from registry.settings import Settings; from worker.runtime import Runtime; from worker import slot;"
        f"runtime = Runtime.open(Settings(state_dir={str(service.settings.state_dir)!r}));"
        f"runtime.trainer = {command!r}; slot.work(runtime, {job_id!r})"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
    try:
        wait_until(lambda: service.job(job_id).phase == "train")
        trainer_pid = int(pid_file.read_text())
        os.kill(trainer_pid, 0)
    finally:
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait()

    def gone() -> bool:
        try:
            os.kill(trainer_pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(gone)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("heartbeat")]


def test_a_trainer_that_is_slow_to_exit_has_not_worked_in_vain(service, fake_trainer, monkeypatch):
    monkeypatch.setattr(supervisor, "EXIT_SECONDS", 0.1)
    job_id = service.train_job()
    body = """
    bundle("model")
    os.close(1)
    time.sleep(60)
    """
    slot.work(service.runtime(fake_trainer(body)), job_id)
    job = service.job(job_id)
    assert (job.status, job.attempt) == ("succeeded", 1)
