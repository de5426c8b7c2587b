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
    source: dict[str, Any] = Field(description="Where it came from; of a URL all but its query, which may be a secret.")
    labels: dict[str, str] = Field(description="Your own notes.")
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
        source=_shown_source(dataset.source),
        labels=dataset.labels,
        content_hash=dataset.content_hash,
        report=_without_statistics(dataset.report),
        error=None if error is None else RecordedProblem.model_validate(error),
        validation_job_id=dataset.validation_job_id,
        last_seq=dataset.last_seq,
        created_at=dataset.created_at,
        updated_at=dataset.updated_at,
        ready_at=dataset.ready_at,
    )


class PreviewColumn(BaseModel):
    """A column of the log."""

    name: str
    type: str = Field(description="What it holds, as far as the first rows show.")


class PreviewRow(BaseModel):
    """An accepted row: user, item, time and rating as they were understood."""

    line: int = Field(description="Its line in the file, or row number in Parquet.")
    user: str
    item: str
    timestamp: datetime | None = Field(
        description="The time; null where there is none, or none that looks like a time."
    )
    timestamp_raw: str | None = Field(description="The time as it stands in the file.")
    rating: float | None


class PreviewItem(BaseModel):
    """A row of the item table."""

    item: str
    title: str | None
    categories: list[str]
    features: dict[str, Any] = Field(
        default_factory=dict, description="Further columns: a number, a text, a list of them, or null."
    )


class PreviewUser(BaseModel):
    """A row of the user table."""

    user: str
    features: dict[str, Any] = Field(description="Its columns: a number, a text, a list of them, or null.")


class PreviewView(BaseModel):
    """The first rows as they were read. Values are cut at 200 characters."""

    format: str | None
    file: str
    mapping: dict[str, str | None]
    mapping_detected: bool
    columns: list[PreviewColumn]
    timestamp_unit: Literal["seconds", "milliseconds", "microseconds", "nanoseconds"] | None = Field(
        description="The unit of numeric times, by their size; null: they don't look like times."
    )
    rows: list[PreviewRow]
    items: list[PreviewItem] = Field(description="The first rows of the item table.")
    users: list[PreviewUser] = Field(default_factory=list, description="The first rows of the user table.")
    lines: list[str] = Field(description="Of an invalid dataset: the first lines as they stand in the file.")


def show_preview(preview: dict[str, Any], limit: int) -> PreviewView:
    """At most `limit` rows of a stored preview."""
    return PreviewView.model_validate({**preview, "rows": preview["rows"][:limit]})


def _without_statistics(report: dict[str, Any] | None) -> dict[str, Any] | None:
    """What estimates are made of is long and for machines: only the report itself has it."""
    return None if report is None else {key: value for key, value in report.items() if key != "statistics"}


def _shown_source(source: dict[str, Any]) -> dict[str, Any]:
    url = source.get("url")
    return source if url is None else {**source, "url": str(url).partition("?")[0].partition("#")[0]}
