"""Shared by the worker's tests: a real registry on SQLite, short leases, and trainers whose behaviour tests choose."""

from __future__ import annotations

import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from registry import datasets, events, jobs, leases
from registry.blobs import BlobStore
from registry.database import Database
from registry.records import Claim, FileEntry, Job
from registry.settings import Settings
from worker.runtime import Runtime

REDIS = "redis://127.0.0.1:6379/0"
CSV = "user_id,item_id,timestamp\n" + "".join(
    f"u{user},i{(user * 3 + step) % 11},{1_000_000 + step}\n" for user in range(12) for step in range(6)
)


@dataclass
class Service:
    """A registry and a blob store and what fills them."""

    settings: Settings
    database: Database
    blobs: BlobStore
    nudged: list[str] = field(default_factory=list)

    def runtime(self, trainer: tuple[str, ...] | None = None, **settings: Any) -> Runtime:
        """A worker process's state; `trainer` replaces the command of the trainer."""
        runtime = Runtime(self.settings.model_copy(update=settings), self.database, self.blobs, worker="test-worker")
        runtime.nudge = lambda job_ids, _: self.nudged.extend(job_ids)  # type: ignore[method-assign,assignment]
        if trainer is not None:
            runtime.trainer = trainer
        return runtime

    def upload(self, content: str, name: str = "log.csv", spec: dict[str, Any] | None = None) -> tuple[str, str]:
        """A dataset of one file: its id and the id of the job that validates it."""
        path = self.settings.state_dir / name
        path.write_text(content)
        blob = self.blobs.put_file(path)
        with self.database.write() as session:
            dataset = datasets.create(
                session, name="log", spec=spec or {}, upload=[FileEntry(name, blob.bytes, blob.sha256)]
            )
        return dataset.id, dataset.validation_job_id

    def ready_dataset(self) -> str:
        """A dataset that is ready, with a canonical form that only fake trainers can read."""
        dataset_id, job_id = self.upload(CSV)
        path = self.settings.state_dir / "canonical"
        path.write_text("canonical")
        blob = self.blobs.put_file(path)
        with self.database.write() as session:
            claim = leases.claim(session, job_id=job_id, worker="fixture", lease_seconds=60)
            assert claim is not None
            files = [FileEntry("interactions.parquet", blob.bytes, blob.sha256)]
            datasets.mark_ready(session, claim, report={}, content_hash="0" * 64, files=files)
            jobs.succeed(session, claim, {})
        return dataset_id

    def train_job(self, **fields: Any) -> str:
        """A queued job of type train."""
        with self.database.write() as session:
            values = {"type": "train", "dataset_id": self.ready_dataset_id, "config": {}, "model": "films"} | fields
            return jobs.create(session, **values).id

    @property
    def ready_dataset_id(self) -> str:
        if not hasattr(self, "_ready"):
            self._ready = self.ready_dataset()
        return self._ready

    def job(self, job_id: str) -> Job:
        with self.database.read() as session:
            return jobs.get(session, job_id)

    def event_types(self, subject: str) -> list[str]:
        """The types of all events of a subject, oldest first."""
        with self.database.read() as session:
            return [event.type for event in events.list_after(session, subject)]

    def claim(self, job_id: str, lease_seconds: float | None = None) -> Claim:
        with self.database.write() as session:
            claim = leases.claim(
                session, job_id=job_id, worker="test-worker", lease_seconds=lease_seconds or self.settings.lease_seconds
            )
        assert claim is not None
        return claim


@contextmanager
def empty_service(folder: Path) -> Iterator[Service]:
    """A service with a lease of 2 s and a heartbeat of 0.2 s, whose files are in `folder`."""
    settings = Settings(
        trainer_nice=0,  # tests run side by side
        state_dir=folder / "state",
        heartbeat_seconds=0.2,
        lease_seconds=2,
        reaper_seconds=0.2,
        republish_seconds=0.1,
        stop_seconds=5,
    )
    settings.state_dir.mkdir()
    database = Database(settings.database_url)
    database.migrate()
    yield Service(settings, database, BlobStore(settings.blob_url))
    database.dispose()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """An empty service."""
    with empty_service(tmp_path) as service:
        yield service


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for all tests of a file, which must not mind what the others have left."""
    with empty_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def log_csv() -> str:
    """A log of 12 users and 6 interactions each."""
    return CSV


@pytest.fixture
def redis_url() -> Iterator[str]:
    """The URL of a running Redis with a key prefix of our own; skips where none answers."""
    client = redis.Redis.from_url(REDIS, socket_connect_timeout=1)
    try:
        client.ping()
    except redis.RedisError:
        pytest.skip(f"no Redis answers at {REDIS}")
    prefix = f"pocketrec-test-{uuid.uuid4().hex}:"
    yield f"{REDIS}?key_prefix={prefix}"
    if keys := client.keys(f"{prefix}*"):
        client.delete(*keys)
    client.close()


FAKE = """
import json, os, signal, sys, threading, time
from pathlib import Path

folder = Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())

def orphan():
    while os.read(0, 100):
        pass
    os._exit(76)

threading.Thread(target=orphan, daemon=True).start()

def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)

def checkpoint(epoch, text):
    path = folder / "outputs" / "checkpoint.npz"
    path.with_suffix(".part").write_text(text)
    path.with_suffix(".part").replace(path)
    say("checkpoint", path=str(path), epoch=epoch, step=0)

def resumed():
    path = folder / "inputs" / "checkpoint.npz"
    return path.read_text() if path.exists() else None

def bundle(text):
    import hashlib
    out = folder / "outputs" / "bundle"
    out.mkdir()
    (out / "model.tflite").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    files = [{"path": "model.tflite", "bytes": len(text), "sha256": digest}]
    (out / "manifest.json").write_text(json.dumps({"files": files}))
    (out / "report.json").write_text(json.dumps({"test": {"ndcg@10": {"value": 0.1, "ci95": None}}}))
    (folder / "outputs" / "bundle.zip").write_text("zip")
    (folder / "outputs" / "measurements.json").write_text("{}")
    say("result", path=str(out))
"""


@pytest.fixture
def fake_trainer(tmp_path: Path) -> Callable[[str], tuple[str, ...]]:
    """The command of a trainer that does what the given lines of Python say (see FAKE for what they can use)."""

    def make(body: str) -> tuple[str, ...]:
        path = tmp_path / "fake_trainer.py"
        path.write_text(FAKE + textwrap.dedent(body))
        return (sys.executable, str(path))

    return make


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """Call a function until what it returns is true, and return that; fail after some seconds."""

    def wait(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
        give_up = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < give_up, "what was waited for did not happen"
            time.sleep(0.02)
        return found

    return wait
