"""The database goes away: every operation says so, with 503, and works again when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from obstore.exceptions import GenericError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout


@pytest.fixture
def away(service: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A service with a published version, whose database has gone since."""
    version = service.published({"model.tflite": b"m"})
    service.ids = {"job_id": version.job_id, "dataset_id": version.dataset_id, "name": "films", "version": 1}
    service.calls = 0
    service.error = OperationalError("SELECT 1", {}, psycopg.OperationalError("connection refused"))

    @contextmanager
    def gone() -> Iterator[Any]:
        service.calls += 1
        raise service.error
        yield

    for name in ("read", "write"):
        monkeypatch.setattr(service.database, name, gone)
    return service


def test_every_operation_that_reads_says_so(away: Any) -> None:
    asked = 0
    for path, methods in away.client.get("/openapi.json").json()["paths"].items():
        if "get" not in methods or not path.startswith("/v1/") or "{path}" in path:
            continue
        away.calls = 0
        answer = away.client.get(path.format(**(dict.fromkeys(_names(path), "1") | away.ids)))
        if not away.calls:
            continue  # it needs no database
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), path
        assert answer.headers["Retry-After"] == "2"
        assert "connection refused" not in answer.text
        asked += 1
    assert asked > 10


def _names(path: str) -> list[str]:
    return [part.split("}")[0] for part in path.split("{")[1:]]


@pytest.mark.parametrize("headers", [{}, {"Accept": "text/event-stream"}])
def test_events_too(away: Any, headers: dict[str, str]) -> None:
    answer = away.client.get(f"/v1/jobs/{away.ids['job_id']}/events", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


def test_writes_too(away: Any) -> None:
    for answer in (
        away.upload(),
        away.client.post("/v1/jobs", json={"dataset_id": away.ids["dataset_id"], "preset": "bow"}),
        away.client.post(f"/v1/jobs/{away.ids['job_id']}:cancel"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


def test_a_full_pool_too_and_a_full_disk_not(away: Any) -> None:
    away.error = PoolTimeout("QueuePool limit of size 10 overflow 40 reached")
    assert away.client.get("/v1/jobs").json()["code"] == "database_unavailable"
    away.error = OperationalError(
        "INSERT", {}, psycopg.errors.DiskFull("could not extend file: No space left on device")
    )
    assert away.client.get("/v1/jobs").status_code == 507


def test_a_wrong_statement_stays_a_fault_of_ours(away: Any) -> None:
    from sqlalchemy.exc import ProgrammingError

    away.error = ProgrammingError("SELEC", {}, psycopg.errors.SyntaxError("syntax error"))
    assert away.client.get("/v1/jobs").status_code == 500


def test_it_works_again(service: Any) -> None:
    service.database.dispose()
    path = service.settings.state_dir / "registry.db"
    aside = path.with_suffix(".aside")
    path.rename(aside)
    path.mkdir()  # nothing can be opened under this name
    assert service.client.get("/v1/jobs").json()["code"] == "database_unavailable"
    path.rmdir()
    aside.rename(path)
    assert service.client.get("/v1/jobs").status_code == 200


def test_a_blob_store_that_is_away_is_no_fault_of_ours(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service.published({"model.tflite": b"model"})

    def away(*_: Any) -> Any:
        raise GenericError("Generic S3 error: connection refused")

    for name in ("open_verified", "verify", "size", "open_range"):
        monkeypatch.setattr(service.blobs, name, away)
    answer = service.client.get("/v1/models/films/versions/1/files/model.tflite")
    assert (answer.status_code, answer.json()["code"]) == (503, "blob_store_unavailable")
    assert answer.headers["Retry-After"]
