"""Real training jobs: a job whose trainer is killed ends with the same bytes as one left alone."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from registry import checkpoints, jobs, models
from worker import slot
from worker.process import TrainerProcess

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(280)]

CONFIG = {
    "encoder": {"type": "bow"},
    "model": {"embedding_dim": 16},
    "training": {
        "teachers": 1,
        "teacher_epochs": 2,
        "max_epochs": 8,
        "patience": 100,
        "batch_size": 8,
        "checkpoint_seconds": 0.0,
    },
    "evaluation": {"bootstrap_samples": 100, "baselines": ["popular"]},
    "export": {"variants": ["float32"], "default_variant": "float32"},
    "seed": 7,
}


def log_with_structure(users: int = 300, items: int = 120, steps: int = 14) -> str:
    """Users who walk along the items with a stride of their own: something that a model can learn."""
    generator = np.random.default_rng(5)
    rows = ["user_id,item_id,timestamp"]
    for user in range(users):
        at, stride = int(generator.integers(items)), int(generator.integers(1, 4))
        for step in range(steps):
            rows.append(f"u{user},i{at},{1_000_000 + user * 100 + step}")
            at = (at + stride + int(generator.integers(2))) % items
    return "\n".join(rows) + "\n"


@pytest.fixture(autouse=True)
def compiled_as_it_is_shipped(monkeypatch) -> None:
    monkeypatch.delenv("XLA_FLAGS", raising=False)


@pytest.fixture
def service(shared_service):
    return shared_service


@pytest.fixture(scope="module")
def dataset(shared_service) -> str:
    dataset_id, job_id = shared_service.upload(log_with_structure())
    slot.work(shared_service.runtime(), job_id)
    return dataset_id


def artifacts(service, job_id: str) -> dict[str, str]:
    job = service.job(job_id)
    assert job.status == "succeeded", job.error
    return {entry["path"]: entry["sha256"] for entry in job.result["artifacts"]}


def test_a_killed_and_then_interrupted_job_gives_the_bytes_of_an_undisturbed_one(service, dataset, monkeypatch):
    undisturbed = service.train_job(dataset_id=dataset, config=CONFIG)
    slot.work(service.runtime(), undisturbed)
    expected = artifacts(service, undisturbed)
    assert {"model.tflite", "manifest.json", "report.json", "golden.json", "bundle.zip"} <= set(expected)

    pids = note_pids(monkeypatch)
    disturbed = service.train_job(dataset_id=dataset, config=CONFIG)
    first = service.runtime()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(slot.work, first, disturbed)
        wait_for_place(service, disturbed, (0, 1), done)  # the teacher's first step
        os.kill(pids[-1], signal.SIGKILL)
        wait_for_place(service, disturbed, (2, 0), done)
        first.stopping.set()
        done.result(20)
    job = service.job(disturbed)
    assert (job.status, job.phase, job.worker) == ("running", "train", None)
    with service.database.read() as session:
        resumed_from = checkpoints.latest_checkpoint(session, disturbed)
    assert resumed_from is not None
    assert 2 <= resumed_from.epoch < 8
    slot.work(service.runtime(), disturbed)

    assert len(pids) == 3
    with service.database.read() as session:
        outcomes = [attempt.outcome for attempt in jobs.list_attempts(session, disturbed)]
        epochs = [row.epoch for row in jobs.list_epochs(session, disturbed)]
        version = models.version_of_job(session, disturbed)
    assert outcomes == ["lost", "released", "succeeded"]
    assert epochs == list(range(1, 9))
    assert version is not None
    assert 0 < version.metrics["ndcg@10"] <= 1
    found = artifacts(service, disturbed)
    for name in ("measurements.json", "report.html"):  # times differ
        del expected[name], found[name]
    assert found == expected


def note_pids(monkeypatch) -> list[int]:
    """The process ids of the trainers that are started from now on."""
    pids: list[int] = []
    original = TrainerProcess.__init__

    def start(self, *arguments) -> None:
        original(self, *arguments)
        pids.append(self.pid)

    monkeypatch.setattr(TrainerProcess, "__init__", start)
    return pids


def wait_for_place(service, job_id: str, place: tuple[int, int], done) -> None:
    """Until a checkpoint of that epoch and step, or a later one, is kept."""
    while not done.done():
        with service.database.read() as session:
            kept = checkpoints.latest_checkpoint(session, job_id)
        if kept is not None and (kept.epoch, kept.step) >= place:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"the job ended before {place}: {service.job(job_id)}")


def test_a_config_that_can_not_be_exported_is_a_typed_error(service, dataset):
    job_id = service.train_job(dataset_id=dataset, config={"export": {"max_bytes": 10}})
    slot.work(service.runtime(), job_id)
    job = service.job(job_id)
    assert (job.status, job.attempt, job.error["code"]) == ("failed", 1, "size_budget_impossible")


def test_a_checkpoint_that_can_not_be_used_costs_time_but_not_the_job(service, dataset):
    job_id = service.train_job(dataset_id=dataset, config=CONFIG | {"training": {"max_epochs": 1}})
    path = service.settings.state_dir / "checkpoint.npz"
    path.write_bytes(b"from another version")
    blob = service.blobs.put_file(path)
    claim = service.claim(job_id)
    with service.database.write() as session:
        checkpoints.promote_checkpoint(session, claim, blob.sha256, blob.bytes, 0, 1)
        jobs.release(session, claim)
    slot.work(service.runtime(), job_id)
    assert "model.tflite" in artifacts(service, job_id)
    with service.database.read() as session:
        assert any("starting over" in line.line for line in jobs.list_log(session, job_id))
