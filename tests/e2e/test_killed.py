"""Processes are killed while they work: jobs go on by themselves, and nothing is left running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from app.client import Client

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# Long enough to be hit in the middle: an epoch takes tens of milliseconds, so many of them, and a checkpoint each.
LONG: dict[str, Any] = {
    "preset": "bow",
    "model": {"embedding_dim": 16},
    "training": {"max_epochs": 60, "patience": 60, "batch_size": 16, "checkpoint_seconds": 0},
    "evaluation": {"bootstrap_samples": 100, "baselines": ["popular"]},
    "export": {"variants": ["float16"], "top_k": 10},
}


@pytest.fixture(scope="module")
def undisturbed(service: Any, dataset: Any, helpers: Any) -> str:
    """The sha256 of model.tflite that nobody disturbed."""
    with Client(service.url) as client:
        return model_sum(helpers.finished(client, client.submit_job(dataset.id, config=LONG, model="calm").id))


def model_sum(job: Any) -> str:
    assert job.result is not None, job.error
    found: str = next(artifact.sha256 for artifact in job.result.artifacts if artifact.path == "model.tflite")
    return found


def epochs(client: Client, job_id: str) -> int:
    return sum(event.type == "job.epoch_completed" for event in client.events(job_id))


def test_a_killed_trainer_goes_on_from_its_checkpoint_to_the_same_bytes(
    undisturbed: str, service: Any, client: Client, dataset: Any, helpers: Any
) -> None:
    job = client.submit_job(dataset.id, config=LONG, model="killed")
    helpers.wait_until(lambda: epochs(client, job.id) >= 3, 90)
    trainer = service.trainer()
    trainer.kill()
    job = helpers.finished(client, job.id)
    assert job.attempt == 2
    assert model_sum(job) == undisturbed
    checkpoints = [event for event in client.events(job.id) if event.type == "job.checkpointed"]
    assert checkpoints


def test_a_killed_worker_is_started_again_and_the_job_goes_on(
    undisturbed: str, service: Any, client: Client, dataset: Any, helpers: Any
) -> None:
    job = client.submit_job(dataset.id, config=LONG, model="killed")
    helpers.wait_until(lambda: epochs(client, job.id) >= 3, 90)
    trainer, worker = service.trainer(), service.worker()
    worker.kill()
    helpers.wait_until(lambda: not trainer.is_running(), 5)
    job = helpers.finished(client, job.id)
    assert model_sum(job) == undisturbed
    assert service.worker().pid != worker.pid


def test_nothing_is_left_when_the_service_itself_is_killed(log_file: Path, tmp_path: Path, helpers: Any) -> None:
    service = helpers.Service(tmp_path)
    with Client(service.url) as client:
        dataset = helpers.ready_dataset(client, log_file)
        job = client.submit_job(dataset.id, config=LONG, model="lost")
        helpers.wait_until(lambda: epochs(client, job.id) >= 1, 90)
    family = psutil.Process(service.process.pid).children(recursive=True)
    assert len(family) >= 2
    service.process.kill()
    helpers.wait_until(lambda: helpers.processes_of(tmp_path) == [], 30)
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    service.stop()


def test_a_running_job_is_cancelled(service: Any, client: Client, dataset: Any, helpers: Any) -> None:
    job = client.submit_job(dataset.id, config=LONG, model="cancelled")
    helpers.wait_until(lambda: epochs(client, job.id) >= 2, 90)
    client.cancel_job(job.id)
    job = helpers.finished(client, job.id)
    assert job.status == "cancelled"
    assert job.result is None
    helpers.wait_until(lambda: service.trainer() is None, 10)
