"""Shapes that several resources share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.problems import FaultDocument
from registry import records


class RecordedProblem(BaseModel):
    """Why a job failed or a dataset is invalid: a problem object without the request's own members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str = Field(description="Cause and remedy in plain words.")
    code: str
    errors: list[FaultDocument]


class FileView(BaseModel):
    """A file and its sha256."""

    path: str
    bytes: int
    sha256: str


class ArtifactView(FileView):
    """A published file. `url` is stable and its content never changes."""

    url: str


class RemovedView(BaseModel):
    """What a retention policy has removed, and which one; what it was a part of stays."""

    at: datetime
    reason: str = Field(description="What the service keeps, for how long, and the setting that says so.")


class EventView(BaseModel):
    """Something that happened to a job or a dataset; `seq` counts from 1 without gaps."""

    id: str
    subject: str
    seq: int
    type: str
    data: dict[str, Any]
    created_at: datetime


class EventPage(BaseModel):
    """Events with a seq greater than `after`, oldest first."""

    data: list[EventView]
    has_more: bool
    next_cursor: str | None = Field(description="The last seq of a page that another follows; pass it as `after`.")


def show_removed(removal: records.Removal) -> RemovedView:
    """A removal as JSON."""
    return RemovedView(at=removal.at, reason=removal.reason)


def show_event(event: records.Event) -> EventView:
    """An event as JSON."""
    return EventView(
        id=event.id,
        subject=event.subject,
        seq=event.seq,
        type=event.type,
        data=event.data,
        created_at=event.created_at,
    )


def show_file(entry: records.FileEntry) -> FileView:
    """A file entry as JSON."""
    return FileView(path=entry.path, bytes=entry.bytes, sha256=entry.sha256)
