"""Attempts at validating a dataset, with the real trainer where its limits matter."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry import datasets, jobs
from registry.records import Dataset
from registry.settings import Settings
from worker import exit_status, parse_limits, slot
from worker.parse_limits import Limits, blame

pytestmark = pytest.mark.timeout(60)


def read(service: Any, dataset_id: str) -> Dataset:
    with service.database.read() as session:
        return datasets.get(session, dataset_id)


def put(service: Any, path: Path) -> tuple[str, str]:
    from registry.records import FileEntry

    blob = service.blobs.put_file(path)
    with service.database.write() as session:
        made = datasets.create(session, name="log", spec={}, upload=[FileEntry(path.name, blob.bytes, blob.sha256)])
    return made.id, made.validation_job_id


def test_a_bomb_ends_one_attempt_and_is_called_too_large(service: Any, tmp_path: Path) -> None:
    # 4 million equal rows: 200 kB on the disk, a gigabyte when they are read
    codes = pa.array(np.zeros(500_000, np.int32))
    text = {name: pa.DictionaryArray.from_arrays(codes, pa.array([name * 50])) for name in ("user", "item")}
    group = pa.table({**text, "ts": codes})
    with pq.ParquetWriter(tmp_path / "bomb.parquet", group.schema, store_schema=False) as writer:
        for _ in range(8):
            writer.write_table(group)
    assert (tmp_path / "bomb.parquet").stat().st_size < 300_000
    dataset_id, job_id = put(service, tmp_path / "bomb.parquet")
    slot.work(service.runtime(parse_memory_bytes=150 << 20), job_id)
    dataset = read(service, dataset_id)
    assert (dataset.status, dataset.error["code"]) == ("invalid", "dataset_too_large")  # type: ignore[index]
    assert "157,286,400 bytes" in dataset.error["message"]  # type: ignore[index]
    job = service.job(job_id)
    assert (job.status, job.attempt) == ("succeeded", 1)
    assert list(service.runtime().attempts_dir.iterdir()) == []


def test_too_long_is_too_large_too(service: Any, fake_trainer: Any) -> None:
    dataset_id, job_id = service.upload("user,item,ts\n")
    runtime = service.runtime(fake_trainer("time.sleep(60)"), parse_seconds=0.2, download_seconds=0.2, stop_seconds=0.5)
    slot.work(runtime, job_id)
    dataset = read(service, dataset_id)
    assert (dataset.status, dataset.error["code"]) == ("invalid", "dataset_too_large")  # type: ignore[index]
    assert "POCKETREC_PARSE_SECONDS" in dataset.error["message"]  # type: ignore[index]
    assert service.job(job_id).attempt == 1


def test_the_clock_of_reading_runs_in_the_reader(service: Any, fake_trainer: Any) -> None:
    body = """
    from worker import parse_limits
    parse_limits.apply(job["limits"])
    time.sleep(30)
    """
    dataset_id, job_id = service.upload("user,item,ts\n")
    slot.work(service.runtime(fake_trainer(body), parse_seconds=0.1), job_id)
    error = read(service, dataset_id).error
    assert error is not None
    assert (error["code"], "0.1 s, POCKETREC_PARSE_SECONDS" in error["message"]) == ("dataset_too_large", True)


def test_a_worker_that_shuts_down_blames_nobody(service: Any, fake_trainer: Any) -> None:
    dataset_id, job_id = service.upload("user,item,ts\n")
    runtime = service.runtime(fake_trainer("os.kill(os.getppid(), 0); time.sleep(60)"), stop_seconds=0.5)
    runtime.stopping.set()
    from worker.supervisor import run_attempt

    run_attempt(runtime, service.claim(job_id))
    assert read(service, dataset_id).status == "validating"
    assert service.job(job_id).status == "running", "released: free to be claimed"
    assert service.job(job_id).lease_until is not None


def test_a_killed_reader_is_tried_again_since_the_system_may_have_been_short_of_memory(
    service: Any, fake_trainer: Any
) -> None:
    dataset_id, job_id = service.upload("user,item,ts\n")
    slot.work(service.runtime(fake_trainer("os.kill(os.getpid(), signal.SIGKILL)")), job_id)
    dataset = read(service, dataset_id)
    assert (dataset.status, dataset.error["code"]) == ("invalid", "worker_lost")  # type: ignore[index]
    assert service.job(job_id).attempt == 3


@pytest.mark.parametrize(
    ("status", "tail", "guilty"),
    [
        (exit_status.OUT_OF_MEMORY, "", True),
        (-signal.SIGXCPU, "", True),
        (-signal.SIGALRM, "", True),
        (-signal.SIGABRT, "memory allocation of 1379104 bytes failed", True),
        (-signal.SIGABRT, "assertion failed", False),
        (-signal.SIGKILL, "", False),
        (-signal.SIGSEGV, "", False),
        (1, "", False),
    ],
)
def test_which_ends_are_the_files_fault(status: int, tail: str, guilty: bool) -> None:
    for job_type in ("validate_dataset", "train"):
        found = blame(job_type, Limits(1, 1), status, over_memory=False, over_time=False, log_tail=tail)
        assert (found is not None) == (guilty and job_type == "validate_dataset")


def test_the_lower_of_two_limits_counts_and_trainings_have_their_own(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, memory_bytes=100, parse_memory_bytes=200, parse_seconds=5)
    assert parse_limits.of("validate_dataset", settings) == Limits(100, 605, 5)
    assert parse_limits.of("train", settings) == Limits(100, settings.deadline_seconds)
    assert parse_limits.of("train", Settings(state_dir=tmp_path)).memory_bytes is None


def test_the_preview_and_the_first_lines_are_kept(service: Any, log_csv: str) -> None:
    runtime = service.runtime()
    good, job_id = service.upload(log_csv)
    slot.work(runtime, job_id)
    preview = read(service, good).preview
    assert preview is not None
    assert (len(preview["rows"]), preview["rows"][0]["user"], preview["lines"]) == (72, "u0", [])
    bad, job_id = service.upload("who;what\n1;2\n")
    slot.work(runtime, job_id)
    dataset = read(service, bad)
    assert dataset.status == "invalid"
    assert dataset.preview is not None
    assert dataset.preview["lines"][:2] == ["who;what", "1;2"]


def test_a_url_that_the_worker_does_not_allow_makes_the_dataset_invalid(service: Any) -> None:
    source = {"url": "https://files.example.com/a.csv", "filename": "a.csv"}
    with service.database.write() as session:
        made = datasets.create(session, name="far", spec={}, source=source)
    slot.work(service.runtime(), made.validation_job_id)
    dataset = read(service, made.id)
    assert (dataset.status, dataset.error["code"]) == ("invalid", "url_not_allowed")  # type: ignore[index]
    assert service.job(made.validation_job_id).attempt == 1


def test_what_the_trainer_fetched_becomes_the_upload_also_of_an_invalid_dataset(
    service: Any, fake_trainer: Any
) -> None:
    body = """
    assert job["source"] == {"builtin": "movielens-100k"} and "upload" not in job and job["cache"]
    (folder / "outputs" / "fetching").mkdir()
    (folder / "outputs" / "fetching" / "part").write_text("half")
    (folder / "outputs" / "upload").mkdir()
    (folder / "outputs" / "upload" / "movielens-100k.zip").write_text("zip")
    say("error", code="dataset_unreadable", message="no", errors=[])
    sys.exit(2)
    """
    with service.database.write() as session:
        made = datasets.create(session, name="films", spec={}, source={"builtin": "movielens-100k"})
    slot.work(service.runtime(fake_trainer(body)), made.validation_job_id)
    dataset = read(service, made.id)
    assert dataset.status == "invalid"
    assert [(entry.path, entry.bytes) for entry in dataset.upload] == [("movielens-100k.zip", 3)]
    assert json.loads(json.dumps(dataset.error))["code"] == "dataset_unreadable"
    with service.database.read() as session:
        assert jobs.get(session, made.validation_job_id).status == "succeeded"
