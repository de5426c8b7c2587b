"""Datasets as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.problems import recorded
from app.schemas import FileView, RecordedProblem, show_file
from registry import records


class DatasetView(BaseModel):
    """An uploaded interaction log. Immutable once `ready`."""

    id: str
    name: str
    status: Literal["validating", "ready", "invalid"]
    bytes: int = Field(description="Size of the upload.")
    files: list[FileView] = Field(description="The files as they were uploaded.")
    spec: dict[str, Any] = Field(description="How it is read: format, mapping and so on; `auto` where detected.")
    source: dict[str, Any] = Field(description="Where it came from.")
    content_hash: str | None = Field(description="sha256 of the parsed content; the same log has the same hash.")
    report: dict[str, Any] | None = Field(description="Rows in, accepted and rejected; the mapping that was used.")
    error: RecordedProblem | None = Field(description="Why it is invalid.")
    validation_job_id: str
    last_seq: int = Field(description="The seq of its newest event.")
    created_at: datetime
    updated_at: datetime
    ready_at: datetime | None


def show_dataset(dataset: records.Dataset) -> DatasetView:
    """A dataset as JSON."""
    error = recorded(dataset.error)
    return DatasetView(
        id=dataset.id,
        name=dataset.name,
        status=dataset.status,
        bytes=sum(entry.bytes for entry in dataset.upload),
        files=[show_file(entry) for entry in dataset.upload],
        spec=dataset.spec,
        source=dataset.source,
        content_hash=dataset.content_hash,
        report=dataset.report,
        error=None if error is None else RecordedProblem.model_validate(error),
        validation_job_id=dataset.validation_job_id,
        last_seq=dataset.last_seq,
        created_at=dataset.created_at,
        updated_at=dataset.updated_at,
        ready_at=dataset.ready_at,
    )


REPORT_EXAMPLE: dict[str, Any] = {
    "format": "csv",
    "mapping": {"user": "user_id", "item": "item_id", "timestamp": "ts", "rating": None},
    "mapping_detected": True,
    "rows": {"in": 100000, "accepted": 99998, "rejected": {"timestamp_missing": 2}},
    "examples": [{"file": "ratings.csv", "line": 812, "code": "timestamp_missing", "detail": "timestamp missing"}],
    "users": 943,
    "items": 1682,
}
_SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
DATASET_EXAMPLE: dict[str, Any] = {
    "id": "ds_0199f0c2a5b47c3e8d1f2a3b4c5d6e7f",
    "name": "ratings.csv",
    "status": "ready",
    "bytes": 1979173,
    "files": [{"path": "ratings.csv", "bytes": 1979173, "sha256": _SHA}],
    "spec": {"format": "auto"},
    "source": {"filename": "ratings.csv"},
    "content_hash": "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
    "report": REPORT_EXAMPLE,
    "error": None,
    "validation_job_id": "job_0199f0c2a5b57a1c9e2b4d6f8a0c1e3d",
    "last_seq": 2,
    "created_at": "2026-01-31T12:00:00.000000Z",
    "updated_at": "2026-01-31T12:00:02.000000Z",
    "ready_at": "2026-01-31T12:00:02.000000Z",
}
VALIDATING_EXAMPLE = DATASET_EXAMPLE | {
    "status": "validating",
    "content_hash": None,
    "report": None,
    "last_seq": 1,
    "ready_at": None,
}
EVENTS_EXAMPLE: dict[str, Any] = {
    "data": [
        {
            "id": "evt_0199f0c2a5b67d02c2d3e4f5a6b70819",
            "subject": DATASET_EXAMPLE["id"],
            "seq": 2,
            "type": "dataset.ready",
            "data": {"content_hash": DATASET_EXAMPLE["content_hash"]},
            "created_at": "2026-01-31T12:00:02.000000Z",
        }
    ],
    "has_more": False,
    "next_cursor": None,
}
