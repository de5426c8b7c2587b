"""Inputs and checkpoints that are gone, damaged, or of no use to whoever gets them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry import checkpoints, datasets, jobs
from worker import slot

pytestmark = pytest.mark.timeout(60)


def test_a_missing_input_is_asked_for_again_and_then_fails_the_job_with_its_code(service, fake_trainer, wait_until):
    job_id = service.train_job()
    with service.database.read() as session:
        dataset = datasets.get(session, service.job(job_id).dataset_id)
    for path in Path(service.settings.blob_url).rglob(dataset.files[0].sha256):
        path.unlink()
    runtime = service.runtime(fake_trainer('bundle("model")'))
    assert slot.work(runtime, job_id) == 1, "no other attempt at once"
    wait_until(lambda: slot.work(runtime, job_id) == 0 and service.job(job_id).is_terminal)
    job = service.job(job_id)
    assert (job.status, job.attempt, job.error["code"]) == ("failed", 3, "blob_missing")


def test_an_input_that_is_missing_for_a_moment_costs_time_and_not_the_job(service, fake_trainer, wait_until):
    job_id = service.train_job()
    with service.database.read() as session:
        dataset = datasets.get(session, service.job(job_id).dataset_id)
    (path,) = Path(service.settings.blob_url).rglob(dataset.files[0].sha256)
    path.rename(path.with_suffix(".away"))
    runtime = service.runtime(fake_trainer('bundle("model")'))
    slot.work(runtime, job_id)
    path.with_suffix(".away").rename(path)
    wait_until(lambda: slot.work(runtime, job_id) == 1)
    assert service.job(job_id).status == "succeeded"


@pytest.mark.parametrize("how", ["damaged", "gone"])
def test_a_checkpoint_that_stays_bad_costs_the_training_and_not_the_job(service, fake_trainer, wait_until, how):
    job_id = service.train_job()
    body = """
    if resumed() is None and not (folder.parent / "once").exists():
        (folder.parent / "once").touch()
        say("epoch", epoch=1, metrics={"loss": 9.0})
        checkpoint(1, "state")
        stop.wait()
        sys.exit(75)
    say("epoch", epoch=1, metrics={"loss": 2.0})
    bundle(str(resumed()))
    """
    first = service.runtime(fake_trainer(body))
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(slot.work, first, job_id)
        wait_until(lambda: "job.checkpointed" in service.event_types(job_id))
        first.stopping.set()
        done.result(10)
    with service.database.read() as session:
        sha256 = checkpoints.latest_checkpoint(session, job_id).sha256
    (path,) = Path(service.settings.blob_url).rglob(sha256)
    path.unlink()
    if how == "damaged":
        path.write_text("bad")
    runtime = service.runtime(fake_trainer(body))
    wait_until(lambda: slot.work(runtime, job_id) == 0 and service.job(job_id).is_terminal)
    assert service.job(job_id).status == "succeeded"
    with service.database.read() as session:
        assert [attempt.outcome for attempt in jobs.list_attempts(session, job_id)] == ["released", "lost", "succeeded"]
        assert [epoch.metrics for epoch in jobs.list_epochs(session, job_id)] == [{"loss": 2.0}]
        assert any("starting over" in line.line for line in jobs.list_log(session, job_id))
    assert "job.started_over" in service.event_types(job_id)


def test_a_bad_checkpoint_is_no_end_where_one_attempt_is_all(service, fake_trainer):
    job_id = service.train_job()
    claim = service.claim(job_id)
    path = service.settings.state_dir / "state"
    path.write_text("state")
    blob = service.blobs.put_file(path)
    with service.database.write() as session:
        checkpoints.promote_checkpoint(session, claim, blob.sha256, blob.bytes, 1, 0)
        jobs.release(session, claim)
    (stored,) = Path(service.settings.blob_url).rglob(blob.sha256)
    stored.unlink()
    slot.work(service.runtime(fake_trainer("bundle(str(resumed()))"), max_attempts_without_progress=1), job_id)
    assert service.job(job_id).status == "succeeded"


def test_who_starts_over_leaves_what_others_can_go_on_from(service, fake_trainer, wait_until):
    """A worker of a later version can't use the checkpoint, and is stopped before it gets as far."""
    job_id = service.train_job()

    def drained(body):
        runtime = service.runtime(fake_trainer(body))
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(slot.work, runtime, job_id)
            wait_until(lambda: service.event_types(job_id).count("job.checkpointed") >= expected)
            runtime.stopping.set()
            done.result(10)

    expected = 1
    drained('say("epoch", epoch=1, metrics={"loss": 9.0})\ncheckpoint(9, "of the version before")\nstop.wait()')
    expected = 2
    drained(
        'say("started_over", reason="of another version")\nsay("epoch", epoch=1, metrics={"loss": 2.0})\n'
        'checkpoint(1, "new")\nstop.wait()\nsys.exit(75)'
    )
    slot.work(service.runtime(fake_trainer("bundle(resumed())")), job_id)
    job = service.job(job_id)
    model = next(entry for entry in job.result["artifacts"] if entry["path"] == "model.tflite")
    assert b"".join(service.blobs.open_range(model["sha256"])) == b"new"
    with service.database.read() as session:
        assert [epoch.metrics for epoch in jobs.list_epochs(session, job_id)] == [{"loss": 2.0}]
