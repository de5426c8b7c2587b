"""The calls of `Client` about models, and what is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from app.client.bundles import require_inside
from app.client.calls import Calls
from app.client.downloads import ReceivedReport, download
from app.client.models import Job, Model, ModelVersion


class ModelCalls(Calls):
    """Look at, compare, withdraw and fetch versions."""

    def models(self, limit: int = 20) -> list[Model]:
        """The models, the newest name first, at most `limit`."""
        return self._many("/v1/models", Model, limit)

    def model(self, name: str) -> Model:
        """One model."""
        return self._one(f"/v1/models/{name}", Model)

    def model_versions(self, name: str, limit: int = 100, yanked: bool | None = None) -> list[ModelVersion]:
        """The versions of a model, newest first, at most `limit`; only those (not) yanked, if `yanked` says so."""
        asked = {} if yanked is None else {"yanked": yanked}
        return self._many(f"/v1/models/{name}/versions", ModelVersion, limit, asked)

    def model_version(self, name: str, version: int) -> ModelVersion:
        """One version with its files."""
        return self._one(f"/v1/models/{name}/versions/{version}", ModelVersion)

    def compare_versions(self, name: str, versions: Sequence[int]) -> dict[str, Any]:
        """Versions side by side; the first is the base that the others are compared with."""
        asked = {"versions": ",".join(map(str, versions))}
        # The service may have to compute for as long as a minute.
        timeout = httpx.Timeout(120.0, connect=5.0)
        answer = self.transport.request("GET", f"/v1/models/{name}:compare", params=asked, timeout=timeout)
        compared: dict[str, Any] = answer.json()
        return compared

    def yank_version(self, name: str, version: int, reason: str | None = None) -> ModelVersion:
        """Withdraw a version: it is the latest no more. Its files stay while the service is set to keep them."""
        path = f"/v1/models/{name}/versions/{version}:yank"
        return ModelVersion.model_validate(self.transport.request("POST", path, json={"reason": reason}).json())

    def unyank_version(self, name: str, version: int) -> ModelVersion:
        """Take back that a version was withdrawn."""
        path = f"/v1/models/{name}/versions/{version}:unyank"
        return ModelVersion.model_validate(self.transport.request("POST", path).json())

    def download(self, path: str, target: Path, sha256: str | None = None, report: ReceivedReport | None = None) -> str:
        """Fetch one file, resumable and verified: see `app.client.downloads.download`."""
        return download(self.transport, path, target, sha256, report)

    def download_files(
        self, job: Job, folder: Path, paths: Sequence[str] | None = None, report: ReceivedReport | None = None
    ) -> list[Path]:
        """Fetch what a job has made into `folder`, each file under its path there; those in `paths`, or all.

        Each appears once its sha256 is right. `report` is called with (bytes received, bytes in all) of each file.

        Raises:
            BundleInvalid: a path leads out of the folder.
        """
        artifacts = () if job.result is None else job.result.artifacts
        wanted = [artifact for artifact in artifacts if paths is None or artifact.path in paths]
        for artifact in wanted:
            require_inside(artifact.path, job.id)
        for artifact in wanted:
            self.download(artifact.url, folder / artifact.path, artifact.sha256, report)
        return [folder / artifact.path for artifact in wanted]

    def download_bundle(self, name: str, version: int, target: Path, report: ReceivedReport | None = None) -> str:
        """Fetch a version's `bundle.zip`; its sha256."""
        return self.download(f"/v1/models/{name}/versions/{version}/bundle.zip", target, None, report)
