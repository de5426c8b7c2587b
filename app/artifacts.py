"""How immutable files are served: sha256 as the entity tag, one range, preconditions, never a changed byte."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from app import byte_ranges, conditional
from app.file_responses import ChunksResponse, FileResponse
from app.problems import Problem
from registry.errors import RegistryError
from registry.verified_files import VerifiedFile

IMMUTABLE = "private, max-age=31536000, immutable, no-transform"
_MEDIA_TYPES = {
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".sha256": "text/plain; charset=utf-8",
    # sent as an attachment only, and under the policy that all answers have: no script of it runs
    ".html": "text/html; charset=utf-8",
    ".zip": "application/zip",
}


class Blobs(Protocol):
    """What serving needs of the blob store."""

    def size(self, sha256: str) -> int: ...

    def verify(self, sha256: str) -> None: ...

    def open_verified(self, sha256: str) -> VerifiedFile | None: ...

    def open_range(self, sha256: str, start: int, end: int) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Artifact:
    """A published file: `path` in its bundle and what was recorded about its bytes."""

    path: str
    bytes: int
    sha256: str


def serve(request: Request, blobs: Blobs, artifact: Artifact) -> Response:
    """The response to GET or HEAD of a stored file.

    Raises:
        Problem: `artifact_corrupt`, `precondition_failed` or `range_not_satisfiable`.
    """
    headers = _headers(artifact)
    early, span = _evaluate(request, artifact, headers)
    if early is not None:
        return early
    if request.method == "HEAD":
        return Response(None, 200, {**headers, "Content-Length": str(artifact.bytes)})
    file = _verified(blobs, artifact)
    status, start, end = 200, 0, artifact.bytes
    if span is not None:
        status, start, end = 206, span.start, span.end
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{artifact.bytes}"
    if file is not None:
        return FileResponse(file, start, end, status, headers)
    return ChunksResponse(blobs.open_range(artifact.sha256, start, end), end - start, status, headers)


def serve_bytes(request: Request, path: str, body: bytes) -> Response:
    """The response to GET or HEAD of a small immutable file made from recorded facts, such as SHA256SUMS."""
    artifact = Artifact(path, len(body), hashlib.sha256(body).hexdigest())
    headers = _headers(artifact)
    early, span = _evaluate(request, artifact, headers)
    if early is not None:
        return early
    if request.method == "HEAD":
        return Response(None, 200, {**headers, "Content-Length": str(len(body))})
    if span is None:
        return Response(body, 200, headers)
    content_range = f"bytes {span.start}-{span.end - 1}/{len(body)}"
    return Response(body[span.start : span.end], 206, {**headers, "Content-Range": content_range})


def _headers(artifact: Artifact) -> dict[str, str]:
    name = PurePosixPath(artifact.path).name
    digest = base64.b64encode(bytes.fromhex(artifact.sha256)).decode()
    return {
        "Content-Type": _MEDIA_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream"),
        "ETag": f'"{artifact.sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Accept-Ranges": "bytes",
        "Cache-Control": IMMUTABLE,
        "Content-Disposition": _disposition(name),
        "X-Content-Type-Options": "nosniff",
    }


def _disposition(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._+-]+", name):
        return f'attachment; filename="{name}"'
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


def _evaluate(
    request: Request, artifact: Artifact, headers: dict[str, str]
) -> tuple[Response | None, byte_ranges.ByteRange | None]:
    """Preconditions in the order of RFC 9110, 13.2.2: an answer that ends the matter, or the range to send."""
    etag = headers["ETag"]
    required = conditional.header_list(request, "if-match")
    if required is not None and not conditional.strong_match(required, etag):
        raise Problem("precondition_failed", f"The file's entity tag is {etag}.", headers={"ETag": etag})
    known = conditional.header_list(request, "if-none-match")
    if known is not None and conditional.weak_match(known, etag):
        kept = ("ETag", "Cache-Control", "Repr-Digest", "Content-Disposition", "X-Content-Type-Options")
        return Response(status_code=304, headers={name: headers[name] for name in kept}), None
    wanted = request.headers.getlist("range")
    if request.method != "GET" or len(wanted) != 1:
        return None, None
    if_range = request.headers.get("if-range")
    if if_range is not None and if_range.strip() != etag:
        return None, None
    try:
        return None, byte_ranges.parse(wanted[0], artifact.bytes)
    except byte_ranges.Unsatisfiable:
        raise Problem(
            "range_not_satisfiable",
            f"The file has {artifact.bytes} bytes.",
            headers={"Content-Range": f"bytes */{artifact.bytes}", "Accept-Ranges": "bytes", "ETag": etag},
        ) from None


def _verified(blobs: Blobs, artifact: Artifact) -> VerifiedFile | None:
    """Compare the hash before the first byte is sent: a tampered or truncated file is never passed on.

    The file compared, or None where the store isn't a folder.
    """
    try:
        file = blobs.open_verified(artifact.sha256)
        if file is None:
            blobs.verify(artifact.sha256)
        size = blobs.size(artifact.sha256) if file is None else file.size
    except (OSError, RegistryError) as error:
        raise Problem("artifact_corrupt", f"{artifact.path} is missing or damaged in the blob store.") from error
    if size != artifact.bytes:
        if file is not None:
            file.close()
        raise Problem("artifact_corrupt", f"{artifact.path} is not the file that was published; it is not sent.")
    return file
