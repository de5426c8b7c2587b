"""What the log of a job says when something went wrong, and what it never says."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry import jobs
from worker import log_lines, slot


def lines(service, job_id):
    with service.database.read() as session:
        return [(line.attempt, line.line) for line in jobs.list_log(session, job_id)]


def test_a_trainer_that_dies_leaves_its_last_words(service, fake_trainer):
    job_id = service.train_job()
    body = """
    say("phase", phase="train")
    if resumed() is None:
        checkpoint(3, "state")
        say("log", message="about to break")
        print("Traceback ...\\nValueError: postgresql://me:hunter2@db/x in", folder, file=sys.stderr)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGABRT)
    bundle("model")
    """
    slot.work(service.runtime(fake_trainer(body)), job_id)

    assert lines(service, job_id) == [
        (1, "attempt 1 on worker test-worker"),
        (1, "phase train"),
        (1, "about to break"),
        (1, "stderr: Traceback ..."),
        (1, "stderr: ValueError: postgresql://***@db/x in ."),
        (1, "attempt 1 lost: trainer_died: the trainer was ended by SIGABRT"),
        (2, "attempt 2 on worker test-worker, going on from the checkpoint after epoch 3"),
        (2, "phase train"),
        (2, "attempt 2 succeeded"),
    ]


def test_an_attempt_whose_worker_fell_silent_is_told_of_by_the_next(service, fake_trainer, wait_until):
    job_id = service.train_job()
    service.claim(job_id, lease_seconds=0.01)
    wait_until(lambda: slot.work(service.runtime(fake_trainer('bundle("model")')), job_id))
    assert [line for _, line in lines(service, job_id)] == [
        "attempt 1 was lost: its worker test-worker fell silent",
        "attempt 2 on worker test-worker",
        "attempt 2 succeeded",
    ]


def test_a_typed_error_is_the_last_line(service, fake_trainer):
    job_id = service.train_job()
    slot.work(service.runtime(fake_trainer('say("error", code="diverged", message="NaN"); sys.exit(2)')), job_id)
    assert lines(service, job_id)[-1] == (1, "attempt 1 failed: diverged: NaN")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("s3://AKIA:abc/def@bucket", "s3://AKIA:abc/def@bucket"),
        ("redis://:pw@host:6379", "redis://***@host:6379"),
        ("password='hunter2', user=me", "password='***', user=me"),
        ('"aws_secret_access_key": "abc"', '"aws_secret_access_key": "***"'),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("HF_TOKEN=abc", "HF_TOKEN=***"),
        ("tokens = 12 of 40", "tokens = 12 of 40"),
    ],
)
def test_no_credentials(said, kept):
    assert log_lines.stderr(said, Path("/attempt")) == [f"stderr: {kept}"]


def test_only_the_last_lines():
    assert log_lines.stderr("\n".join(map(str, range(100))), Path("/attempt"))[0] == "stderr: 60"
