"""What backups are made of, and restored into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from registry import (
    checkpoints,
    datasets,
    jobs,
    leases,
    models,
    tables,
)
from registry.blobs import BlobStore
from registry.database import Database
from registry.records import FileEntry


class Source:
    """A service with a dataset, a version, and a job that is half done."""

    def __init__(self, url: str, folder: Path) -> None:
        self.store = BlobStore(folder / "blobs")
        self.database = Database(url, blobs=self.store)
        upload = self.store.put_bytes(b"user,item\nu,i\n")
        with self.database.write() as session:
            spec = {"note": "Übung\0"}
            entry = FileEntry("log.csv", upload.bytes, upload.sha256)
            dataset = datasets.create(session, name="log", spec=spec, upload=[entry])
            claim = leases.claim(session, job_id=dataset.validation_job_id, worker="w", lease_seconds=60)
            assert claim is not None
            datasets.mark_ready(session, claim, report={}, content_hash="c" * 64, files=[entry])
            jobs.succeed(session, claim, {})
            done = jobs.create(session, type="train", dataset_id=dataset.id, config={"seed": 1}, metadata={"k": "v"})
            claim = leases.claim(session, job_id=done.id, worker="w", lease_seconds=60)
            assert claim is not None
        model = self.store.put_bytes(b"model")
        with self.database.write() as session:
            jobs.append_log(session, claim, ["one", "two"])
            jobs.record_epoch(session, claim, 1, {"loss": float("nan"), "ndcg": 0.1 + 0.2})
            entry = FileEntry("model.tflite", model.bytes, model.sha256)
            version = models.publish_version(session, claim, model="m", files=[entry], metrics={"a": 1}, manifest={})
            jobs.succeed(session, claim, models.result_of(version))
            self.done = done.id
            self.running = jobs.create(session, type="train", dataset_id=dataset.id, config={}, retry_of=done.id).id
            self.claim = leases.claim(session, job_id=self.running, worker="w", lease_seconds=0.01)
            assert self.claim is not None
        self.checkpoint(b"state 1", 1)

    def checkpoint(self, content: bytes, epoch: int) -> str:
        blob = self.store.put_bytes(content)
        with self.database.write() as session:
            assert self.claim is not None
            checkpoints.promote_checkpoint(session, self.claim, blob.sha256, blob.bytes, epoch, 0)
        return blob.sha256


def rows(database: Database) -> dict[str, list[Any]]:
    with database.read() as session:
        return {
            table.name: sorted(map(repr, session.execute(select(table)).mappings()))
            for table in tables.metadata.sorted_tables
            if table.name not in ("duties", "blobs")
        }


@pytest.fixture
def source(url, tmp_path):
    found = Source(url, tmp_path / "source")
    yield found
    found.database.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def target(request, tmp_path):
    """An empty database and store."""
    url = f"sqlite:///{tmp_path}/target/registry.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("empty_postgresql")
    store = BlobStore(tmp_path / "target" / "blobs")
    database = Database(url, blobs=store)
    yield database, store
    database.dispose()


@pytest.fixture
def empty(tmp_path):
    """An empty SQLite database and store, for what is the same on both."""
    store = BlobStore(tmp_path / "empty" / "blobs")
    database = Database(f"sqlite:///{tmp_path}/empty/registry.db", blobs=store)
    yield database, store
    database.dispose()
