"""Jobs as JSON, in and out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.jobs.originals import OriginalConfig
from app.problems import recorded
from app.schemas import ArtifactView, RecordedProblem, RemovedView, show_removed
from registry import records

MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512)]
JobStatus = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
OrderedType = Literal["train", "examples", "export", "evaluate"]
JobType = Literal["train", "examples", "export", "evaluate", "validate_dataset"]


BASE_VERSION = r"^[a-z0-9._-]{1,64}@[1-9][0-9]{0,8}$"
"""A published version in short."""


class BaseRequest(BaseModel):
    """A published version to begin with."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(max_length=64)
    version: int = Field(ge=1, lt=2**31)
    checkpoint: str | None = Field(
        None,
        max_length=64,
        description="Of types export and train: which of the version's `weights`, such as `epoch-00003`; by default "
        "`best`.",
    )


class NewItem(BaseModel):
    """An item that a version is to know besides its own."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=256)
    title: str | None = Field(None, max_length=1000)
    attributes: list[Annotated[str, StringConstraints(min_length=1, max_length=256)]] = Field(
        [], max_length=256, description="Values of the attribute that the model was trained with, such as genres."
    )
    features: dict[str, str | int | float | list[str] | list[int]] = Field(
        {}, max_length=32, description="Further columns of the item table that the model reads, by name."
    )


class JobRequest(BaseModel):
    """What to do with what.

    `train` and `examples` begin with `dataset_id`, and take a whole config. `export` and `evaluate` begin with `base`,
    and take what may differ from its config. `train` may begin with both.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "type": "train",
                    "dataset_id": "ds_0199f0c2a5b47c3e8d1f2a3b4c5d6e7f",
                    "preset": "bow",
                    "config": {"training": {"max_epochs": 20}},
                    "model": "films",
                    "metadata": {"commit": "4f2a91c"},
                },
                {
                    "type": "train",
                    "dataset_id": "ds_0199f0c2a5b47c3e8d1f2a3b4c5d6e7f",
                    "base_version": "films@1",
                    "config": {"training": {"max_epochs": 5}},
                },
                {
                    "type": "examples",
                    "dataset_id": "ds_0199f0c2a5b47c3e8d1f2a3b4c5d6e7f",
                    "config": {"examples": {"tfrecord": {"layout": "original"}}},
                },
                {
                    "type": "export",
                    "base": {"model": "films", "version": 1, "checkpoint": "epoch-00003"},
                    "config": {"export": {"top_k": 20}},
                },
                {
                    "type": "export",
                    "base": {"model": "films", "version": 1},
                    "new_items": [{"id": "1683", "title": "A New Film (2024)", "attributes": ["Comedy", "Drama"]}],
                },
                {
                    "type": "evaluate",
                    "base": {"model": "films", "version": 1},
                    "dataset_id": "ds_0199f0c2a5b47c3e8d1f2a3b4c5d6e7f",
                    "config": {"evaluation": {"k": [5, 10]}},
                },
                {
                    "type": "train",
                    "dataset_id": "ds_0199f0c2a5b47c3e8d1f2a3b4c5d6e7f",
                    "original": {
                        "sample_config": {"context_embedding_dim": 32, "label_embedding_dim": 32},
                        "flags": {"encoder_type": "bow", "learning_rate": 0.01},
                    },
                },
            ]
        },
    )

    type: OrderedType = Field(
        "train",
        description="`train` a model and publish it; `examples`: write TFRecords and vocabularies; `export` a "
        "version's weights again, as a new version, without training; `evaluate` a version, on its own dataset or "
        "another one.",
    )
    dataset_id: str | None = Field(
        None,
        max_length=64,
        description="A dataset that is `ready`. Needed by train and examples; evaluate takes the base version's by "
        "default, export always.",
    )
    base: BaseRequest | None = Field(
        None,
        description="A published version. Needed by export and evaluate. Of train: training begins with its weights, "
        "matched by raw ids, and the architecture must be the same; by default the config is the version's, and the "
        "result its model's next version.",
    )
    base_version: str | None = Field(
        None,
        pattern=BASE_VERSION,
        description="`base` in short: `films@3` is version 3 of films.",
    )
    preset: str | None = Field(
        None, max_length=64, description="Supplies what `config` doesn't set; of train and examples."
    )
    config: dict[str, Any] | None = Field(
        None,
        description="See `GET /v1/config_schema`. Of type train with a base, unless there is a preset here or in it: "
        "what is to differ from the version's config. Of type export only what follows the training (`export`, and of "
        "`evaluation` k, baselines and bootstrap_samples), of type evaluate only what the version is measured on and "
        "how (`evaluation`, the filters in `examples`, `repeats`, `seed`); the rest is the base version's.",
    )
    new_items: list[NewItem] | None = Field(
        None,
        min_length=1,
        max_length=10_000,
        description="Of type export: items that the new version knows besides the base version's, by their attributes "
        "alone. They come after all others; no index changes. An id that the version has already fails the job.",
    )
    skip_existing: bool = Field(False, description="Pass over those of `new_items` that the version has already.")
    original: OriginalConfig | None = Field(
        None,
        description="In place of `config` and `preset`, of train and examples: a config of TensorFlow's on-device "
        "recommendation example. The job's event `job.config_converted` says what is not as it was.",
    )
    model: str | None = Field(
        None,
        description="The name under which the result of train or export becomes the next version; by default the "
        "base version's, or made of the dataset's name.",
    )
    metadata: dict[MetadataKey, MetadataValue] = Field({}, max_length=16, description="Your own notes.")


class ProgressView(BaseModel):
    """`done` of `total` `unit`s of the present phase."""

    done: int
    total: int
    unit: str
    eta_seconds: float | None


class JobResultView(BaseModel):
    """What a job made: train and export a version, examples and evaluate files of the job's own.

    A validation job has nothing but its dataset.
    """

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    version: int | None = None
    metrics: dict[str, Any] = {}
    artifacts: list[ArtifactView] = []


class BaseView(BaseModel):
    """The published version that a job begins with, and which of its weights, where they are what it needs."""

    model: str
    version: int
    checkpoint: str | None
    new_items: int = Field(
        0, exclude_if=lambda count: count == 0, description="How many items the job adds to it, if it adds any."
    )


class CheckpointView(BaseModel):
    """The state from which the job, or a `:retry` of it, goes on: all of training so far, the best weights included."""

    epoch: int = Field(description="This many epochs are complete in it; those of `training.teachers` do not count.")
    bytes: int


class JobView(BaseModel):
    """A run. `status` goes queued -> running -> succeeded, failed or cancelled, and then stays."""

    id: str
    type: JobType
    queue: str = Field(description="Where it waits; workers are started for some queues or for all.")
    status: JobStatus
    phase: str | None = Field(
        description="validate, build_examples, train, export, evaluate, verify or publish; the last one it entered. "
        "No type but train enters all of them."
    )
    progress: ProgressView | None
    attempt: int = Field(description="Counts the tries, from 1; 0 while it has not begun.")
    last_seq: int = Field(description="The seq of its newest event.")
    error: RecordedProblem | None
    dataset_id: str | None
    base: BaseView | None = Field(description="The version that it begins with, if it does.")
    config: dict[str, Any] = Field(description="Complete: presets and defaults filled in.")
    preset: str | None
    model: str | None
    metadata: dict[str, str]
    estimate: dict[str, Any] | None = Field(description="What was expected of it when it was queued.")
    checkpoint: CheckpointView | None = Field(description="The newest one that is kept; it stays when the job ends.")
    result: JobResultView | None
    removed: dict[Literal["logs", "events", "checkpoint", "files"], RemovedView] = Field(
        {}, description="What retention policies have removed of it; `files` are what `result.artifacts` lists."
    )
    retry_of: str | None = Field(description="The job that this one was made from by `:retry`.")
    request_id: str | None = Field(description="X-Request-ID of the request that queued it, as in the service's log.")
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class EpochView(BaseModel):
    """The metrics of one epoch, counted from 1; null where one was not finite."""

    epoch: int
    metrics: dict[str, float | None]
    created_at: datetime


class EpochList(BaseModel):
    """All completed epochs, in order."""

    data: list[EpochView]


class LogLineView(BaseModel):
    """A line for people; `id` grows within the job."""

    id: int
    attempt: int
    line: str
    created_at: datetime


class LogPage(BaseModel):
    """Lines with an id greater than `after`, oldest first."""

    data: list[LogLineView]
    has_more: bool
    next_cursor: str | None = Field(description="The last id of a page that another follows; pass it as `after`.")


class AttemptView(BaseModel):
    """One try of the job, counted from 1."""

    number: int
    outcome: Literal["running", "succeeded", "failed", "cancelled", "released", "lost"] = Field(
        description="`released`: its worker shut down and gave the job back; `lost`: its trainer or its worker died."
    )
    worker: str
    error: RecordedProblem | None
    phases: dict[str, float] = Field(description="Seconds spent in each phase that it has left.")
    started_at: datetime
    ended_at: datetime | None


class AttemptList(BaseModel):
    """All attempts, the first one first."""

    data: list[AttemptView]


# An attempt that was lost could say why only where its worker lived on.
_SILENT = {
    "code": "lease_expired",
    "message": "its worker fell silent until the lease ran out: killed, frozen, or cut off from the database",
}


def show_line(line: records.LogLine) -> LogLineView:
    """A log line as JSON."""
    return LogLineView(id=line.id, attempt=line.attempt, line=line.line, created_at=line.created_at)


def show_attempt(attempt: records.Attempt) -> AttemptView:
    """An attempt as JSON."""
    return AttemptView.model_validate(
        {
            "number": attempt.number,
            "outcome": attempt.outcome,
            "worker": attempt.worker,
            "error": recorded(_SILENT if attempt.outcome == "lost" and attempt.error is None else attempt.error),
            "phases": attempt.phases or {},
            "started_at": attempt.started_at,
            "ended_at": attempt.ended_at,
        }
    )


def file_url(model: str, version: int, path: str) -> str:
    """The stable address of a published file."""
    base = f"/v1/models/{quote(model, safe='')}/versions/{version}"
    return f"{base}/bundle.zip" if path == "bundle.zip" else f"{base}/files/{quote(path)}"


def job_file_url(job_id: str, path: str) -> str:
    """The stable address of a file that a job owns."""
    return f"/v1/jobs/{job_id}/artifacts/{quote(path)}"


def show_base(base: Mapping[str, Any]) -> dict[str, Any]:
    """What a job keeps of its base as JSON: of the items that it adds only their number."""
    return {**base, "new_items": len(base.get("new_items", ()))}


def show_job(
    job: records.Job,
    checkpoint: records.Checkpoint | None = None,
    removed: Mapping[str, records.Removal] | None = None,
) -> JobView:
    """A job as JSON, with what other tables know of it."""
    error = recorded(job.error)
    return JobView.model_validate(
        {
            "id": job.id,
            "type": job.type,
            "queue": job.queue,
            "status": job.status,
            "phase": job.phase,
            "progress": job.progress,
            "attempt": job.attempt,
            "last_seq": job.last_seq,
            "error": error,
            "dataset_id": job.dataset_id,
            "base": None if job.base is None else show_base(job.base),
            "config": job.config,
            "preset": job.preset,
            "model": job.model,
            "metadata": job.metadata,
            "result": None if job.result is None else _show_result(job.id, job.result),
            "estimate": job.estimate,
            "checkpoint": None if checkpoint is None else {"epoch": checkpoint.epoch, "bytes": checkpoint.bytes},
            "removed": {what: show_removed(removal) for what, removal in (removed or {}).items()},
            "retry_of": job.retry_of,
            "request_id": job.request_id,
            "cancel_requested_at": job.cancel_requested_at,
            "created_at": job.created_at,
            "started_at": job.started_at,
            "finished_at": job.finished_at,
        }
    )


def _show_result(job_id: str, result: dict[str, Any]) -> dict[str, Any]:
    if "artifacts" not in result:
        return result

    def url(path: str) -> str:
        model, version = result.get("model"), result.get("version")
        return job_file_url(job_id, path) if model is None or version is None else file_url(model, version, path)

    return {**result, "artifacts": [{**entry, "url": url(entry["path"])} for entry in result["artifacts"]]}
