"""One file over HTTPS, of known size and checksum."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, cast
from urllib import request
from urllib.error import URLError
from urllib.parse import urlsplit

from reco_core.errors import DatasetUnavailable

CONNECT_SECONDS = 5.0
_TOTAL_SECONDS = 180.0
_BLOCK = 1 << 16
MOST_BYTES = 1 << 30  # of a file whose size isn't known beforehand


Connect = Callable[[str], AbstractContextManager[IO[bytes]]]


class _HttpsOnly(request.HTTPRedirectHandler):
    """Refuses to be led away from HTTPS."""

    def redirect_request(
        self, req: request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> request.Request | None:
        """See the base class."""
        if urlsplit(newurl).scheme != "https":
            raise URLError(f"redirected to {newurl}, which is not HTTPS")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str) -> AbstractContextManager[IO[bytes]]:
    return cast(
        "AbstractContextManager[IO[bytes]]", request.build_opener(_HttpsOnly).open(url, timeout=CONNECT_SECONDS)
    )


def fetch(url: str, target: Path, *, size: int | None, sha256: str, connect: Connect = _open) -> None:
    """Download `url` to `target`, which appears only when it is complete and right.

    Args:
        size: bytes that it must have; None: any number up to MOST_BYTES.

    Raises:
        DatasetUnavailable: not HTTPS, not reachable, of another size or checksum; `target` is as it was.
    """
    host = urlsplit(url).hostname
    if urlsplit(url).scheme != "https":
        raise DatasetUnavailable(f"{url} is not an HTTPS address")
    part = target.with_name(target.name + ".part")
    digest = hashlib.sha256()
    try:
        with connect(url) as answer, part.open("wb") as file:
            _copy(answer, file, digest, size)
        if digest.hexdigest() != sha256:
            raise DatasetUnavailable(f"{url} has SHA-256 {digest.hexdigest()}, not the pinned {sha256}")
        part.replace(target)
    except (OSError, HTTPException) as error:  # URLError, time-outs and a full disk are OSErrors
        reason = getattr(error, "reason", None) or error
        raise DatasetUnavailable(f"{host} could not be reached ({reason})") from None
    finally:
        part.unlink(missing_ok=True)


def _copy(answer: IO[bytes], file: IO[bytes], digest: Any, size: int | None) -> None:
    deadline = time.monotonic() + _TOTAL_SECONDS
    received = 0
    while block := answer.read(_BLOCK):
        received += len(block)
        if received > (size or MOST_BYTES):
            raise DatasetUnavailable(f"the download is longer than the {size or MOST_BYTES:,} bytes it may have")
        if time.monotonic() > deadline:
            raise DatasetUnavailable(f"the download took longer than {_TOTAL_SECONDS:.0f} seconds")
        digest.update(block)
        file.write(block)
    if size is not None and received != size:
        raise DatasetUnavailable(f"the download ended after {received:,} of {size:,} bytes")
