"""The files of a version, by their path in its bundle, and the checksum files beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response

from app import artifacts
from app.dependencies import Services
from app.models import signing
from app.problems import not_found
from app.responses import ETAG, NOT_MODIFIED, problems
from registry import retention
from registry.records import FileEntry, ModelVersion

BUNDLE = "bundle.zip"
SUMS = "SHA256SUMS"
MEASUREMENTS = "measurements.json"
RANKS = "ranks.npz"
SAVED_MODEL = "saved_model.zip"
PAGE = "report.html"
# Published with the bundle, but not files of it.
BESIDE = (BUNDLE, MEASUREMENTS, RANKS, SAVED_MODEL, PAGE)
BESIDE_FOLDERS = ("weights/", "tensorboard/", "examples/")
YANKED = "X-Yanked"

_BYTES = {"schema": {"type": "string", "format": "binary"}}
_CONTENT: dict[str, Any] = {
    **dict.fromkeys(("application/octet-stream", "application/zip", "text/plain", "text/html"), _BYTES),
    "application/json": {"schema": {}, "example": {"format_version": 1, "default_variant": "float16"}},
}
_YANKED = {
    YANKED: {
        "description": "`true` where the version was withdrawn; without the header it wasn't.",
        "schema": {"type": "string"},
    }
}

FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes as published.",
        "content": _CONTENT,
        "headers": {
            **ETAG,
            "Repr-Digest": {"description": "sha-256 of the whole file (RFC 9530).", "schema": {"type": "string"}},
            "Accept-Ranges": {"schema": {"type": "string"}},
            **_YANKED,
        },
    },
    206: {
        "description": "The range asked for.",
        "content": _CONTENT,
        "headers": {"Content-Range": {"schema": {"type": "string"}}, **_YANKED},
    },
    **NOT_MODIFIED,
    **problems(
        "not_found",
        "removed_by_policy",
        "precondition_failed",
        "range_not_satisfiable",
        "validation_failed",
        "artifact_corrupt",
        "blob_store_unavailable",
    ),
}


def serve_file(request: Request, services: Services, version: ModelVersion, path: str) -> Response:
    """The version's file of exactly this path; the list of files is all that is ever looked up.

    Raises:
        Problem: `not_found`, and those of `artifacts.serve`.
        RemovedByPolicy: its files are gone.
    """
    if not version.files:
        with services.database.read() as session:
            retention.require_kept(session, version.id, "yanked_versions", "old_versions")
    bundled = [entry for entry in version.files if not is_beside_the_bundle(entry.path)]
    answer = _serve(request, services, version.files, bundled, path)
    if version.yanked_at is not None:
        answer.headers[YANKED] = "true"
    return answer


def serve_job_file(request: Request, services: Services, files: Sequence[FileEntry], path: str) -> Response:
    """The same for a file of those that a job owns itself."""
    return _serve(request, services, files, files, path)


def is_beside_the_bundle(path: str) -> bool:
    """Whether a version's file is none of its bundle."""
    return path in BESIDE or path.startswith(BESIDE_FOLDERS)


def _serve(
    request: Request, services: Services, entries: Sequence[FileEntry], summed: Sequence[FileEntry], path: str
) -> Response:
    """The file at `path` of `entries`, or a checksum file made of what is recorded; SHA256SUMS is about `summed`."""
    files = {entry.path: entry for entry in entries}
    if (entry := files.get(path)) is not None:
        return artifacts.serve(request, services.blobs, artifacts.Artifact(entry.path, entry.bytes, entry.sha256))
    if path == SUMS:
        lines = [f"{entry.sha256}  {entry.path}\n" for entry in summed]
        return artifacts.serve_bytes(request, SUMS, "".join(lines).encode())
    if path == signing.SIGNATURE and (entry := files.get(signing.MANIFEST)) is not None:
        return artifacts.serve_bytes(request, path, signing.signature(services, entry))
    if (entry := files.get(path.removesuffix(".sha256"))) is not None:
        name = entry.path.rpartition("/")[2]
        return artifacts.serve_bytes(request, path, f"{entry.sha256}  {name}\n".encode())
    return not_found("file")
