"""What the service answers, as frozen models. Fields that a later service adds are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

TERMINAL = frozenset({"succeeded", "failed", "cancelled"})


class Answer(BaseModel):
    """Base of the models."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Dataset(Answer):
    """An uploaded log; `status` goes from `validating` to `ready` or `invalid` and then stays."""

    id: str
    status: str
    name: str | None = None
    bytes: int | None = None
    content_hash: str | None = None
    report: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    source: dict[str, Any] = {}
    labels: dict[str, str] = {}
    created_at: datetime | None = None


class Progress(Answer):
    """`done` of `total` `unit`s of the present phase."""

    done: int = 0
    total: int = 0
    unit: str = ""
    eta_seconds: float | None = None


class Artifact(Answer):
    """One file of a result; `url` is stable and may be relative to the service's address."""

    path: str
    bytes: int
    sha256: str
    url: str


class JobResult(Answer):
    """What a job that succeeded has made: a version of a model, or, where `model` is None, files of its own."""

    model: str | None = None
    version: int | None = None
    metrics: dict[str, Any] = {}
    artifacts: tuple[Artifact, ...] = ()


class Base(Answer):
    """The published version that a job begins with, and which of its weights."""

    model: str
    version: int
    checkpoint: str | None = None


class Checkpoint(Answer):
    """The state from which a job, or a retry of it, goes on."""

    epoch: int
    bytes: int = 0


class Removed(Answer):
    """That a retention policy of the service has removed something, and which one."""

    at: datetime
    reason: str

    def __str__(self) -> str:
        return f"removed on {self.at:%Y-%m-%d}: {self.reason}"


class Job(Answer):
    """A pipeline run."""

    id: str
    status: str
    type: str = "train"
    phase: str | None = None
    progress: Progress | None = None
    attempt: int = 0
    last_seq: int = 0
    dataset_id: str | None = None
    base: Base | None = None
    preset: str | None = None
    model: str | None = None
    metadata: dict[str, str] = {}
    estimate: dict[str, Any] | None = None  # what was expected of it when it was queued
    error: dict[str, Any] | None = None
    checkpoint: Checkpoint | None = None
    removed: dict[str, Removed] = {}  # of `logs`, `events`, `checkpoint` and `files`
    retry_of: str | None = None
    result: JobResult | None = None  # not of validations
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @field_validator("result", mode="before")
    @classmethod
    def _with_files_only(cls, value: Any) -> Any:
        return None if isinstance(value, dict) and not (value.get("model") or value.get("artifacts")) else value

    @property
    def finished(self) -> bool:
        """Whether the status is a terminal one."""
        return self.status in TERMINAL


class Event(Answer):
    """Something that happened to a job; `seq` rises by one per job."""

    seq: int
    type: str
    data: dict[str, Any] = {}
    created_at: datetime | None = None


class LogLine(Answer):
    """A line of a job's log; `id` grows."""

    id: int
    attempt: int
    line: str
    created_at: datetime | None = None


class Attempt(Answer):
    """One try of a job."""

    number: int
    outcome: str
    worker: str = ""
    error: dict[str, Any] | None = None
    phases: dict[str, float] = {}
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Model(Answer):
    """A name under which versions are published; `latest_version` is None where all of them are yanked."""

    name: str
    latest_version: int | None = None
    last_version: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Yanked(Answer):
    """Since when a version is withdrawn, and why."""

    at: datetime
    reason: str | None = None


class Variant(Answer):
    """One conversion of a model, as a file of its own; the `default` one is model.tflite."""

    name: str
    default: bool = False
    bytes: int
    sha256: str
    url: str
    operators: dict[str, int] | None = None


class Weights(Answer):
    """Weights that a version can be exported from again."""

    checkpoint: str
    bytes: int
    sha256: str
    url: str


class ModelVersion(Answer):
    """An immutable result of a job under a model's name. Only `yanked` may change, and its files may be `removed`."""

    model: str = ""
    version: int
    job_id: str | None = None
    job_type: str | None = None
    base: Base | None = None  # the version that its job began with
    dataset_id: str | None = None
    dataset_content_hash: str | None = None
    metrics: dict[str, Any] = {}
    baselines: dict[str, dict[str, float]] = {}
    variants: tuple[Variant, ...] = ()
    weights: tuple[Weights, ...] = ()
    signatures: dict[str, Any] = {}
    artifacts: tuple[Artifact, ...] = ()
    created_at: datetime | None = None
    yanked: Yanked | None = None
    removed: Removed | None = None  # its files: `artifacts` is empty then


class Check(Answer):
    """What one part of the service says. One that isn't `required` is a warning where it isn't `ok`."""

    name: str
    ok: bool
    required: bool = True
    detail: str = ""
    remedy: str | None = None


class Readiness(Answer):
    """Whether the service can do its work."""

    status: str
    checks: tuple[Check, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether all that the service needs is sound."""
        return self.status == "ready"


class QueueStatus(Answer):
    """A queue now; `looked_at` is when a worker last looked through it."""

    name: str
    waiting: int
    running: int
    oldest_seconds: float | None = None
    looked_at: datetime | None = None


class HeldJob(Answer):
    """A job that a worker is at."""

    id: str
    type: str
    phase: str | None = None
    attempt: int = 0


class WorkerStatus(Answer):
    """A worker that holds jobs, `host:pid`."""

    name: str
    seen_at: datetime
    busy: int = 0
    jobs: tuple[HeldJob, ...] = ()


class ServiceStatus(Answer):
    """Queues and workers at the time `now` by the service's clock."""

    now: datetime
    queues: tuple[QueueStatus, ...] = ()
    workers: tuple[WorkerStatus, ...] = ()


class Page(Answer):
    """One page of a list; `next_cursor` leads to the next."""

    data: tuple[dict[str, Any], ...]
    has_more: bool = False
    next_cursor: str | None = None
