"""The API over SQLite and a folder of blobs, without workers: what they would do is done through the registry."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.datasets.examples import PREVIEW_EXAMPLE
from app.main import create_app
from app.settings import ApiSettings
from registry import datasets, job_files, jobs, leases, models
from registry.blobs import BlobStore
from registry.database import Database
from registry.records import Claim, Dataset, FileEntry, Job, ModelVersion
from registry.settings import Settings

REPORT: dict[str, Any] = {
    "format": "csv",
    "mapping": {"user": "user", "item": "item", "timestamp": "ts", "rating": None},
    "mapping_detected": True,
    "rows": {"in": 1000, "accepted": 998, "rejected": {"timestamp_missing": 2}},
    "examples": [],
    "users": 50,
    "items": 80,
}


@dataclass
class Service:
    """The API and, behind it, the registry that a worker would use."""

    app: FastAPI
    client: TestClient
    settings: Settings
    database: Database
    blobs: BlobStore
    nudged: list[str] = field(default_factory=list)

    def upload(self, content: bytes = b"user,item,ts\n1,2,3\n", filename: str = "ratings.csv", **fields: str) -> Any:
        return self.client.post("/v1/datasets", files={"file": (filename, content)}, data=fields)

    def claim(self, job_id: str) -> Claim:
        with self.database.write() as session:
            claim = leases.claim(session, job_id=job_id, worker="test", lease_seconds=60)
        assert claim is not None
        return claim

    def validated(self, *, report: dict[str, Any] | None = None, error: dict[str, Any] | None = None) -> Dataset:
        """A dataset that its validation found ready, or invalid if `error` is given."""
        job_id = self.upload().json()["validation_job_id"]
        claim = self.claim(job_id)
        with self.database.write() as session:
            if error is None:
                dataset = datasets.mark_ready(
                    session,
                    claim,
                    report=report or REPORT,
                    preview=PREVIEW_EXAMPLE,
                    content_hash="c" * 64,
                    files=[],
                )
            else:
                dataset = datasets.mark_invalid(session, claim, error=error, report=report)
            jobs.succeed(session, claim, {"dataset_id": dataset.id})
        return dataset

    def job(self, **body: Any) -> Any:
        return self.client.post("/v1/jobs", json={"dataset_id": self.validated().id, **body})

    def published(
        self, files: dict[str, bytes], model: str = "films", manifest: dict[str, Any] | None = None
    ) -> ModelVersion:
        """A version with `files`, published by a job as a worker does it."""
        claim = self.claim(self.job(preset="bow", model=model).json()["id"])
        entries = []
        for path, content in files.items():
            blob = self.blobs.put_bytes(content)
            entries.append(FileEntry(path, blob.bytes, blob.sha256))
        with self.database.write() as session:
            manifest = manifest or {"default_variant": "f16"}
            version = models.publish_version(
                session, claim, model=model, files=entries, metrics={"hr@10": 0.1}, manifest=manifest
            )
            jobs.succeed(session, claim, models.result_of(version))
        return version

    def made_files(self, job_id: str, files: dict[str, bytes], metrics: dict[str, float] | None = None) -> Job:
        """The job, ended with `files` of its own, as a worker ends one of type examples or evaluate."""
        claim = self.claim(job_id)
        blobs = {path: self.blobs.put_bytes(content) for path, content in files.items()}
        entries = [FileEntry(path, blob.bytes, blob.sha256) for path, blob in blobs.items()]
        with self.database.write() as session:
            result = job_files.publish(session, claim, files=entries, metrics=metrics or {})
            return jobs.succeed(session, claim, result)

    def read_job(self, job_id: str) -> Job:
        with self.database.read() as session:
            return jobs.get(session, job_id)


Maker = Callable[..., Service]


@pytest.fixture
def new_schema() -> Iterator[Callable[[], str]]:
    """Makes URLs of empty PostgreSQL schemas, which are dropped at the end; skips where no PostgreSQL answers."""
    with ExitStack() as stack:

        def make() -> str:
            try:
                connection = psycopg.connect("host=127.0.0.1 user=root dbname=test connect_timeout=3", autocommit=True)
            except psycopg.OperationalError as error:
                pytest.skip(f"no PostgreSQL answers at 127.0.0.1:5432: {error}")
            stack.enter_context(connection)
            name = f"pocketrec_app_{secrets.token_hex(6)}"
            connection.execute(f"CREATE SCHEMA {name}")
            stack.callback(connection.execute, f"DROP SCHEMA {name} CASCADE")
            return f"postgresql://root@127.0.0.1:5432/test?options=-csearch_path%3D{name}"

        yield make


@pytest.fixture
def make_service(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Maker]:
    """Builds services; keyword arguments are settings, `api_key` included.

    On SQLite, or with POCKETREC_TEST_DATABASE=postgresql in the environment each on a PostgreSQL schema of its own.
    """
    opened: list[Service] = []
    on_postgresql = os.environ.get("POCKETREC_TEST_DATABASE") == "postgresql"
    new_schema = request.getfixturevalue("new_schema") if on_postgresql else None

    def make(*, api_key: str | None = None, base_url: str = "http://127.0.0.1:8000", **given: Any) -> Service:
        folder = tmp_path / f"service{len(opened)}"
        if new_schema is not None:
            given.setdefault("database_url", new_schema())
        settings = Settings(state_dir=folder, **given)
        nudged: list[str] = []

        def nudge(job_ids: Sequence[str], queue: str) -> None:
            nudged.extend(job_ids)

        database, blobs = Database(settings.database_url), BlobStore(settings.blob_url)
        api = ApiSettings(api_key=api_key)  # type: ignore[arg-type]
        app = create_app(settings, nudge=nudge, database=database, blobs=blobs, api=api)
        client = TestClient(app, base_url=base_url, raise_server_exceptions=False)
        client.__enter__()
        service = Service(app, client, settings, database, blobs, nudged)
        opened.append(service)
        return service

    yield make
    for service in opened:
        service.client.__exit__(None, None, None)


@pytest.fixture
def service(make_service: Maker) -> Service:
    """One service without a key, on loopback."""
    return make_service()
