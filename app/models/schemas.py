"""Models and versions as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.jobs.examples import SUCCEEDED_EXAMPLE
from app.jobs.schemas import file_url
from app.schemas import ArtifactView
from registry import records


class ModelView(BaseModel):
    """A name under which versions are published."""

    name: str
    latest_version: int = Field(description="The highest version number.")
    url: str
    created_at: datetime
    updated_at: datetime


class VersionView(BaseModel):
    """An immutable published version."""

    model: str
    version: int = Field(description="Counts from 1; never reused.")
    job_id: str
    dataset_id: str | None
    metrics: dict[str, Any]
    artifacts: list[ArtifactView]
    bundle_url: str | None = Field(description="All files in one zip, byte for byte the same at each download.")
    manifest: dict[str, Any]
    created_at: datetime
    yanked_at: datetime | None


def show_model(model: records.Model) -> ModelView:
    """A model as JSON."""
    return ModelView(
        name=model.name,
        latest_version=model.last_version,
        url=f"/v1/models/{model.name}",
        created_at=model.created_at,
        updated_at=model.updated_at,
    )


def show_version(version: records.ModelVersion) -> VersionView:
    """A version as JSON."""
    artifacts = [
        ArtifactView(**entry.as_dict(), url=file_url(version.model, version.version, entry.path))
        for entry in version.files
    ]
    bundle = next((artifact.url for artifact in artifacts if artifact.path == "bundle.zip"), None)
    return VersionView(
        model=version.model,
        version=version.version,
        job_id=version.job_id,
        dataset_id=version.dataset_id,
        metrics=version.metrics,
        artifacts=artifacts,
        bundle_url=bundle,
        manifest=version.manifest,
        created_at=version.created_at,
        yanked_at=version.yanked_at,
    )


MODEL_EXAMPLE: dict[str, Any] = {
    "name": "films",
    "latest_version": 1,
    "url": "/v1/models/films",
    "created_at": "2026-01-31T12:01:58.000000Z",
    "updated_at": "2026-01-31T12:01:58.000000Z",
}
VERSION_EXAMPLE: dict[str, Any] = {
    "model": "films",
    "version": 1,
    "job_id": SUCCEEDED_EXAMPLE["id"],
    "dataset_id": SUCCEEDED_EXAMPLE["dataset_id"],
    "metrics": SUCCEEDED_EXAMPLE["result"]["metrics"],
    "artifacts": SUCCEEDED_EXAMPLE["result"]["artifacts"],
    "bundle_url": "/v1/models/films/versions/1/bundle.zip",
    "manifest": {"default_variant": "float16"},
    "created_at": "2026-01-31T12:01:58.000000Z",
    "yanked_at": None,
}
