"""Models and versions as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.jobs.examples import SUCCEEDED_EXAMPLE
from app.jobs.schemas import file_url
from app.models import facts
from app.schemas import ArtifactView, RemovedView, show_removed
from registry import records


class ModelView(BaseModel):
    """A name under which versions are published."""

    name: str
    latest_version: int | None = Field(description="The highest version that isn't yanked; null where all are.")
    last_version: int = Field(description="The highest version number ever given out.")
    url: str
    created_at: datetime
    updated_at: datetime


class YankedView(BaseModel):
    """Why a version should be built into no further app. Its files stay, unless a policy removes them."""

    at: datetime
    reason: str | None


class VariantView(BaseModel):
    """One conversion of the model, as a file of its own."""

    name: str
    default: bool = Field(description="Whether model.tflite is this one.")
    bytes: int
    sha256: str
    url: str
    operators: dict[str, int] | None = Field(
        description="How often each TensorFlow Lite operation stands in the file: what the app's runtime must have."
    )


class WeightsView(BaseModel):
    """Weights that the version can be exported from again."""

    checkpoint: str = Field(description="`best`, or the epoch after which they are, such as `epoch-00003`.")
    bytes: int
    sha256: str
    url: str


class VersionBaseView(BaseModel):
    """The version whose weights another one was made of, or began with."""

    model: str
    version: int
    checkpoint: str | None = Field(description="Which of its weights: `best`, or an epoch such as `epoch-00003`.")


class VersionView(BaseModel):
    """An immutable published version. Only `yanked` may change, and a retention policy may remove its files."""

    model: str
    version: int = Field(description="Counts from 1; never reused.")
    url: str
    job_id: str
    job_type: str | None = Field(description="`train`, or `export`: made of weights that were there already.")
    base: VersionBaseView | None = Field(description="The version that its job began with; null where with none.")
    dataset_id: str | None
    dataset_content_hash: str | None = Field(description="The same for the same content, whatever the dataset's id.")
    metrics: dict[str, Any] = Field(description="Of model.tflite on test; the manifest has their intervals.")
    baselines: dict[str, dict[str, float]] = Field(description="The same metrics of each baseline, on the same test.")
    variants: list[VariantView]
    weights: list[WeightsView] = Field(
        description="What `base.checkpoint` of an export may name: the best first, then the epochs kept by "
        "`training.keep_checkpoints`. Empty where an earlier release made the version."
    )
    signatures: dict[str, Any] = Field(description="Inputs and outputs of the files, with their types and shapes.")
    artifacts: list[ArtifactView]
    bundle_url: str | None = Field(description="All files in one zip, byte for byte the same at each download.")
    files_url: str = Field(description="The files as a list.")
    manifest: dict[str, Any]
    created_at: datetime
    yanked: YankedView | None = Field(description="Set where it was withdrawn; no `latest_version` names it then.")
    removed: RemovedView | None = Field(
        description="Set where a retention policy has removed its files: `artifacts` is empty then, and their "
        "addresses answer 410."
    )


class FilesView(BaseModel):
    """The files of a version: those of the bundle and those published beside it."""

    data: list[ArtifactView]


class YankRequest(BaseModel):
    """Why a version is withdrawn."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "trained on a log with test accounts in it"}]}
    )

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        None, description="Shown wherever the version is."
    )


def show_model(model: records.Model) -> ModelView:
    """A model as JSON."""
    return ModelView(
        name=model.name,
        latest_version=model.latest_version,
        last_version=model.last_version,
        url=f"/v1/models/{model.name}",
        created_at=model.created_at,
        updated_at=model.updated_at,
    )


def show_version(version: records.ModelVersion) -> VersionView:
    """A version as JSON."""
    artifacts = show_files(version)
    default = facts.default_variant(version)
    bundle = next((artifact.url for artifact in artifacts if artifact.path == "bundle.zip"), None)
    return VersionView(
        model=version.model,
        version=version.version,
        url=version_url(version),
        job_id=version.job_id,
        job_type=version.job_type,
        base=show_base(version),
        dataset_id=version.dataset_id,
        dataset_content_hash=facts.content_hash(version),
        metrics=version.metrics,
        baselines={
            name: {metric: entry["value"] for metric, entry in metrics.items()}
            for name, metrics in facts.baselines(version).items()
        },
        variants=[
            VariantView(
                name=name,
                default=name == default,
                bytes=entry.bytes,
                sha256=entry.sha256,
                url=file_url(version.model, version.version, entry.path),
                operators=facts.operators(version, name),
            )
            for name, entry in facts.variant_files(version).items()
        ],
        weights=[
            WeightsView(
                checkpoint=name,
                bytes=entry.bytes,
                sha256=entry.sha256,
                url=file_url(version.model, version.version, entry.path),
            )
            for name, entry in facts.kept_weights(version).items()
        ],
        signatures=facts.signatures(version),
        artifacts=artifacts,
        bundle_url=bundle,
        files_url=f"{version_url(version)}/files",
        manifest=version.manifest,
        created_at=version.created_at,
        yanked=show_yanked(version),
        removed=None if version.removed is None else show_removed(version.removed),
    )


def show_files(version: records.ModelVersion) -> list[ArtifactView]:
    """The files of a version as JSON."""
    return [
        ArtifactView(**entry.as_dict(), url=file_url(version.model, version.version, entry.path))
        for entry in version.files
    ]


def show_yanked(version: records.ModelVersion) -> YankedView | None:
    """Since when a version is yanked and why, if it is."""
    return None if version.yanked_at is None else YankedView(at=version.yanked_at, reason=version.yank_reason)


def show_base(version: records.ModelVersion) -> VersionBaseView | None:
    """What the version's job began with, if with a version."""
    found = version.base
    if found is None:
        return None
    return VersionBaseView(model=found["model"], version=found["version"], checkpoint=found.get("checkpoint"))


def version_url(version: records.ModelVersion) -> str:
    """The address of a version."""
    return f"/v1/models/{version.model}/versions/{version.version}"


MODEL_EXAMPLE: dict[str, Any] = {
    "name": "films",
    "latest_version": 1,
    "last_version": 1,
    "url": "/v1/models/films",
    "created_at": "2026-01-31T12:01:58.000000Z",
    "updated_at": "2026-01-31T12:01:58.000000Z",
}
EVENTS_EXAMPLE: dict[str, Any] = {
    "data": [
        {
            "id": "evt_0199f0c3e1a27b03b4c5d6e7f8091a2b",
            "subject": "mdl_0199f0c3e1a17c12b4c5d6e7f8091a2b",
            "seq": 1,
            "type": "model.version_created",
            "data": {"version": 1, "job_id": SUCCEEDED_EXAMPLE["id"]},
            "created_at": "2026-01-31T12:20:00.000000Z",
        }
    ],
    "has_more": False,
    "next_cursor": None,
}
VERSION_EXAMPLE: dict[str, Any] = {
    "model": "films",
    "version": 1,
    "url": "/v1/models/films/versions/1",
    "job_id": SUCCEEDED_EXAMPLE["id"],
    "job_type": "train",
    "base": None,
    "dataset_id": SUCCEEDED_EXAMPLE["dataset_id"],
    "dataset_content_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "metrics": SUCCEEDED_EXAMPLE["result"]["metrics"],
    "baselines": {"popular": {"recall@10": 0.0859, "ndcg@10": 0.0449}},
    "variants": [
        {
            "name": "float16",
            "default": True,
            "bytes": 262144,
            "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "url": "/v1/models/films/versions/1/files/variants/float16.tflite",
            "operators": {"FULLY_CONNECTED": 4, "GATHER": 3, "TOPK_V2": 1},
        }
    ],
    "weights": [
        {
            "checkpoint": "best",
            "bytes": 591240,
            "sha256": "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
            "url": "/v1/models/films/versions/1/files/weights/best.npz",
        }
    ],
    "signatures": {"recommend": {"inputs": {"history": {"dtype": "int32", "shape": [1, 10]}}, "top_k": 100}},
    "artifacts": SUCCEEDED_EXAMPLE["result"]["artifacts"],
    "bundle_url": "/v1/models/films/versions/1/bundle.zip",
    "files_url": "/v1/models/films/versions/1/files",
    "manifest": {"default_variant": "float16"},
    "created_at": "2026-01-31T12:01:58.000000Z",
    "yanked": None,
    "removed": None,
}
YANKED_EXAMPLE = VERSION_EXAMPLE | {
    "yanked": {"at": "2026-02-03T09:12:44.000000Z", "reason": "trained on a log with test accounts in it"}
}
FILES_EXAMPLE: dict[str, Any] = {"data": SUCCEEDED_EXAMPLE["result"]["artifacts"]}
