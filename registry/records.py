"""What the registry returns: frozen dataclasses, detached from any session, times aware and in UTC.

A field has the name of its column. JSON values (`config`, `report`, `result`, ...) are plain dicts: read, don't change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

Json = dict[str, Any]
JobStatus = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
JobType = Literal["train", "examples", "export", "evaluate", "validate_dataset"]
DatasetStatus = Literal["validating", "ready", "invalid"]
AttemptOutcome = Literal["running", "succeeded", "failed", "cancelled", "released", "lost"]
FileRole = Literal["upload", "canonical", "artifact"]

TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})
"""Job statuses that never change again."""

PHASES = ("validate", "build_examples", "train", "export", "evaluate", "verify", "publish")
"""The phases of a job, in order; the same names as in `reco_core.progress`."""

DEFAULT_PROJECT = "default"

R = TypeVar("R")


@dataclass(frozen=True)
class Blob:
    """Content in the blob store: sha256 as 64 hex digits, size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class FileEntry:
    """A named file of a dataset, model version, job or example set; its content is the blob `sha256`.

    `path` is relative, with `/`.
    """

    path: str
    bytes: int
    sha256: str

    @property
    def blob(self) -> Blob:
        return Blob(self.sha256, self.bytes)

    def as_dict(self) -> Json:
        """`{path, bytes, sha256}`, as in a job's result."""
        return {"path": self.path, "bytes": self.bytes, "sha256": self.sha256}


@dataclass(frozen=True)
class Dataset:
    """An uploaded log. `spec` says how to read it; `report` is the load report once validated.

    `upload` are the files as they came; `files` the canonical form, there once `ready`.
    `validation_job_id` is the job that validates it: nudge the queue with it after the commit.
    """

    id: str
    project_id: str
    name: str
    status: DatasetStatus
    spec: Json
    source: Json
    content_hash: str | None
    report: Json | None
    preview: Json | None
    error: Json | None
    validation_job_id: str
    labels: Json
    last_seq: int
    revision: int
    created_at: datetime
    updated_at: datetime
    ready_at: datetime | None
    deleted_at: datetime | None
    upload: tuple[FileEntry, ...]
    files: tuple[FileEntry, ...]


@dataclass(frozen=True)
class Job:
    """A pipeline run. `status` is `cancelling` while it runs with `cancel_requested_at` set.

    `revision` grows with each write to the row, also those without an event (progress): make ETags from it.
    `last_seq` is the seq of its newest event. `progress` is `{done, total, unit, eta_seconds}`; `error`
    `{code, message, errors}`; `result` for `train` and `export` is `models.result_of(...)`, for `examples` and
    `evaluate` what `job_files.publish` returned. `base` is `{model, version, checkpoint}` of the version that an
    `export` or `evaluate` begins with.
    """

    id: str
    project_id: str
    type: str
    queue: str
    status: JobStatus
    phase: str | None
    phase_started_at: datetime | None
    progress: Json | None
    attempt: int
    attempts_without_progress: int
    fence: int
    lease_until: datetime | None
    worker: str | None
    cancel_requested_at: datetime | None
    published_at: datetime
    last_seq: int
    revision: int
    error: Json | None
    dataset_id: str | None
    config: Json
    preset: str | None
    model: str | None
    metadata: Json
    estimate: Json | None
    result: Json | None
    retry_of: str | None
    request_id: str | None
    base: Json | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True)
class Claim:
    """A worker's time-limited right to `job`; `fence` makes each later write fail once the right has passed on."""

    job: Job
    fence: int
    worker: str

    @property
    def job_id(self) -> str:
        return self.job.id

    @property
    def attempt(self) -> int:
        return self.job.attempt


@dataclass(frozen=True)
class Attempt:
    """One try of a job, numbered from 1. `outcome` is `running` until it has ended."""

    job_id: str
    number: int
    fence: int
    worker: str
    outcome: AttemptOutcome
    error: Json | None
    phases: Json | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Event:
    """Something that happened to `subject` (a job, dataset or model id); `seq` counts from 1 without gaps."""

    id: str
    project_id: str
    subject: str
    seq: int
    type: str
    data: Json
    created_at: datetime


@dataclass(frozen=True)
class EpochMetrics:
    """Metrics of one training epoch, counted from 1. A metric that was not finite is None."""

    job_id: str
    epoch: int
    metrics: dict[str, float | None]
    created_at: datetime


@dataclass(frozen=True)
class LogLine:
    """A line that the trainer said for people; `id` grows within the job."""

    id: int
    job_id: str
    attempt: int
    line: str
    created_at: datetime


@dataclass(frozen=True)
class Checkpoint:
    """A promoted checkpoint: `epoch` epochs and `step` steps of the next one are done."""

    id: str
    job_id: str
    fence: int
    attempt: int
    sha256: str
    bytes: int
    epoch: int
    step: int
    created_at: datetime


@dataclass(frozen=True)
class ExampleSet:
    """Examples that a job has built and another may begin with, under the `key` of all that they depend on."""

    id: str
    project_id: str
    key: str
    data_hash: str
    bytes: int
    created_at: datetime
    last_used_at: datetime
    files: tuple[FileEntry, ...]


@dataclass(frozen=True)
class Model:
    """A name under which versions are published.

    `last_version` is the highest number ever given out, `latest_version` the highest that isn't yanked, or None.
    """

    id: str
    project_id: str
    name: str
    last_version: int
    latest_version: int | None
    last_seq: int
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Removal:
    """That a retention policy has taken something from an object that is still there, and which one."""

    at: datetime
    reason: str


@dataclass(frozen=True)
class ModelVersion:
    """An immutable published version; `version` counts from 1 per model and is never reused.

    Only `yanked_at` and `yank_reason` may change: a yanked version isn't the model's latest, and is there all the same.
    And a policy may have removed its files: `removed` says so.
    `job_type` and `base` are those of the job that made it, None where that is no longer there.
    """

    id: str
    project_id: str
    model_id: str
    model: str
    version: int
    job_id: str
    dataset_id: str | None
    metrics: Json
    manifest: Json
    created_at: datetime
    yanked_at: datetime | None
    yank_reason: str | None
    job_type: str | None
    base: Json | None
    files: tuple[FileEntry, ...]
    removed: Removal | None = None


@dataclass(frozen=True)
class Page(Generic[R]):
    """A page of a list, newest first. Pass `next_after` as `after` for the next page; None on the last one."""

    items: tuple[R, ...]
    next_after: str | None


def build(cls: type[R], row: Mapping[Any, Any], **extra: Any) -> R:
    """A record of type `cls` from a row's mapping; columns that the record lacks are left out."""
    names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    return cls(**{**{name: value for name, value in row.items() if name in names}, **extra})
