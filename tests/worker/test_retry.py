"""`:retry` of a job that was cancelled or failed: the new job trains only what is left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from registry import checkpoints, jobs, retries
from worker import slot

BODY = """
say("phase", phase="train")
if resumed() is None:
    say("epoch", epoch=1, metrics={"loss": 2.0})
    checkpoint(1, "best weights after epoch 1")
    stop.wait()
    sys.exit(75)
say("epoch", epoch=2, metrics={"loss": 1.0})
bundle("made from " + resumed())
"""


def test_a_cancelled_job_is_gone_on_with_from_its_checkpoint(service, fake_trainer, wait_until):
    job_id = service.train_job(metadata={"commit": "abc"}, config={"seed": 7})
    runtime = service.runtime(fake_trainer(BODY))

    def newest(of):
        with service.database.read() as session:
            return checkpoints.latest_checkpoint(session, of)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(slot.work, runtime, job_id)
        wait_until(lambda: newest(job_id))
        with service.database.write() as session:
            jobs.request_cancel(session, job_id)
        done.result(20)
    old = service.job(job_id)
    assert old.status == "cancelled"
    assert newest(job_id).epoch == 1

    with service.database.write() as session:
        new = retries.retry(session, job_id)
    assert (new.retry_of, new.config, new.metadata, new.model) == (job_id, old.config, old.metadata, old.model)
    slot.work(runtime, new.id)

    job = service.job(new.id)
    assert (job.status, job.attempt) == ("succeeded", 1)
    model = next(entry for entry in job.result["artifacts"] if entry["path"] == "model.tflite")
    assert b"".join(service.blobs.open_range(model["sha256"])) == b"made from best weights after epoch 1"
    with service.database.read() as session:
        assert [row.epoch for row in jobs.list_epochs(session, new.id)] == [1, 2]
        first = jobs.list_log(session, new.id)[0].line
    assert first == f"attempt 1 on worker test-worker, going on from the checkpoint of {job_id} after epoch 1"
    assert service.job(job_id) == old
