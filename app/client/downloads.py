"""Downloads that resume where they broke off and keep nothing but the published bytes."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from app.client.errors import ApiError, ChecksumMismatch, ClientError, Unreachable
from app.client.transport import Transport

ReceivedReport = Callable[[int, int], None]  # bytes received, bytes in all
TRIES = 6
_PASSING = frozenset({502, 503, 504})  # a service that restarts, or the proxy before it


def download(
    transport: Transport, path: str, target: Path, sha256: str | None = None, report: ReceivedReport | None = None
) -> str:
    """Fetch `path` to `target`; the sha256 of what lies there then.

    The service's ETags are sha256 sums, so bytes of an earlier, broken-off download are taken up again with `If-Range`
    and can't be mixed with another file's. `target` appears in one step, once its sum is right; if it is there with
    that sum already, nothing is fetched.

    Args:
        transport: where to.
        path: path or address of an artifact.
        target: the file to write; its folder is made.
        sha256: the sum to expect; by default the one that the service names in its ETag.
        report: called with (bytes received, bytes in all).

    Raises:
        ChecksumMismatch: the bytes don't have the sum.
        ApiError, Unreachable: the service said no, or went away and didn't come back.
    """
    expected = sha256 or _published_sum(transport, path)
    if target.is_file() and file_sum(target) == expected:
        return expected
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{expected[:16]}.part")
    resumed = _complete(transport, path, part, expected, report)
    if resumed and file_sum(part) != expected:
        part.unlink()  # what an earlier process left may be torn, by a power cut for example: fetch all of it once more
        _complete(transport, path, part, expected, report)
    actual = file_sum(part)
    if actual != expected:
        part.unlink()
        raise ChecksumMismatch(
            f"{target.name}: expected sha256 {expected}, received {actual}; the file was refused. Try again; if it "
            "stays so, the file was altered on its way or in the store"
        )
    _sync(part)
    part.replace(target)
    return actual


def file_sum(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _published_sum(transport: Transport, path: str) -> str:
    etag = str(_headers(transport, path).get("ETag", "")).strip('"')
    if len(etag) != 64 or not set(etag) <= set("0123456789abcdef"):
        raise ClientError(f"{path}: the service names no sha256 for this file (ETag {etag!r}), so it can't be verified")
    return etag


def _headers(transport: Transport, path: str) -> httpx.Headers:
    """Those of the file, without its bytes.

    Raises:
        ApiError, Unreachable: see `download`.
    """
    try:
        return transport.request("HEAD", path).headers
    except ApiError:
        # The answer to a HEAD has no body that could say why. That to a GET has; should it succeed, its headers do.
        response = transport.stream(path, {"Accept-Encoding": "identity"})
        response.close()
        return response.headers


def _complete(transport: Transport, path: str, part: Path, expected: str, report: ReceivedReport | None) -> bool:
    """Fetch what is missing of `part`, however often that breaks off; whether an earlier call had left some of it.

    Raises:
        ApiError, Unreachable: see `download`.
    """
    resumed = part.exists()
    for attempt in range(1, TRIES + 1):
        try:
            _receive(transport, path, part, expected, report)
            return resumed
        except (Unreachable, ApiError, httpx.TransportError) as error:
            if isinstance(error, ApiError) and error.status not in _PASSING:
                raise
            if attempt == TRIES:
                raise Unreachable(
                    f"the download of {part.name} broke off {TRIES} times ({error}); the part received is kept: "
                    "run the same command to go on"
                ) from error
            time.sleep(min(0.2 * 2**attempt, 5))
    raise AssertionError("the last try returns or raises")


def _receive(transport: Transport, path: str, part: Path, expected: str, report: ReceivedReport | None) -> None:
    """Append to `part` what is missing of it."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": f'"{expected}"'}
    try:
        response = transport.stream(path, headers)
    except ClientError as error:
        if getattr(error, "status", None) == 416:  # the part is complete already, or too long: the sum will tell
            return
        raise
    try:
        resumed = response.status_code == 206
        done = have if resumed else 0
        total = done + int(response.headers.get("Content-Length", 0))
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_raw():
                file.write(chunk)
                done += len(chunk)
                if report is not None:
                    report(done, total)
    finally:
        response.close()


def _sync(path: Path) -> None:
    """On disk before it gets its name: a power cut must not leave that name on an empty file."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
