"""Receiving a multipart upload: straight to disk while hashing, in flat memory, cut at the limit."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.idempotency import form_fingerprint
from app.problems import Problem

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELD_BYTES = 64 * 1024
MAX_PARTS = 32
MAX_FILENAME = 100
IDLE_SECONDS = 60.0
_FORM_SLACK = 1 << 20  # boundaries, part headers and text fields, on top of the files
_BLOCK = 1 << 20
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True)
class ReceivedFile:
    """A file part: the client's name for it, and what lies at `path`."""

    filename: str
    path: Path
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Form:
    """A complete form. Each name occurs once."""

    fields: Mapping[str, str]
    files: Mapping[str, ReceivedFile]

    def fingerprint(self) -> str:
        """The same for the same fields and files, whatever the boundary between them."""
        return form_fingerprint(self.fields, {name: (file.filename, file.sha256) for name, file in self.files.items()})


async def receive(request: Request, folder: Path, max_bytes: int, file_parts: frozenset[str]) -> Form:
    """The form in the body of `request`; parts named in `file_parts` go to `folder`, at most `max_bytes` in all.

    Raises:
        Problem: `payload_too_large`, `malformed_multipart`, `unsupported_media_type`, or `request_timeout`.
    """
    boundary = _boundary(request)
    body = _Body(request)
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > max_bytes + _FORM_SLACK:
        # A client that asked first (Expect: 100-continue) is told before it has sent anything.
        if request.headers.get("expect", "").lower() != "100-continue":
            await body.drain()
        raise _too_large(max_bytes)
    try:
        with _Sink(folder, max_bytes, file_parts, boundary) as sink:
            async for block in body.blocks():
                await run_in_threadpool(sink.write, block)
            return await run_in_threadpool(sink.finish)
    except FormParserError as error:
        raise Problem("malformed_multipart", f"The multipart body is broken: {error}.") from None
    except Problem as problem:
        if problem.code != "request_timeout":
            await body.drain()
        raise


def safe_name(filename: str, otherwise: str) -> str:
    """A client's file name made safe for any folder and log line, or `otherwise` if nothing is left of it."""
    base = PurePosixPath(PureWindowsPath(filename).name).name
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", base).strip("._-")
    if len(plain) > MAX_FILENAME:
        suffix = PurePosixPath(plain).suffix[-16:]
        plain = plain[: MAX_FILENAME - len(suffix)] + suffix
    return plain or otherwise


class _Sink:
    """Callbacks of the parser. Runs on one worker thread at a time, never on the event loop."""

    def __init__(self, folder: Path, max_bytes: int, file_parts: frozenset[str], boundary: bytes) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._file_parts = file_parts
        self._received = 0
        self._parts = 0
        self._complete = False
        self._fields: dict[str, str] = {}
        self._files: dict[str, ReceivedFile] = {}
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._headers: dict[str, bytes] = {}
        self._part: _FilePart | _TextPart | None = None
        self._open = ExitStack()
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open_part,
            "on_part_data": self._data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        self._parser = MultipartParser(boundary, callbacks)

    def __enter__(self) -> _Sink:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, block: bytes) -> None:
        self._parser.write(block)

    def finish(self) -> Form:
        self._parser.finalize()
        if not self._complete:
            raise Problem("malformed_multipart", "The multipart body ends before its closing boundary.")
        return Form(self._fields, self._files)

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise Problem("malformed_multipart", f"A form may have at most {MAX_PARTS} parts.")
        self._headers = {}

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _open_part(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if not name:
            raise Problem("malformed_multipart", "A part has no name in its Content-Disposition header.")
        if name in self._fields or name in self._files:
            raise Problem("malformed_multipart", f"The part {name[:80]!r} occurs twice{self._remedy(name)}.")
        if name in self._file_parts and (b"filename" in options or name == "file"):
            path = self._folder / f"part{self._parts}"
            filename = options.get(b"filename", b"").decode("utf-8", "replace")
            self._part = _FilePart(name, filename, path, self._open.enter_context(path.open("xb")))
        elif b"filename" in options:
            raise Problem(
                "validation_failed",
                f"The file part {name[:80]!r} is unknown; file parts are {', '.join(sorted(self._file_parts))}.",
            )
        else:
            self._part = _TextPart(name)

    def _remedy(self, name: str) -> str:
        # a table's columns have the name of its part: `items` as a file, then `items` as what it says of the table
        if name in self._file_parts and name != "file":
            return "; the file goes in the part of this name, what its columns are in the JSON of the part 'spec'"
        return ""

    def _data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        if isinstance(self._part, _FilePart):
            self._received += len(piece)
            if self._received > self._max_bytes:
                raise _too_large(self._max_bytes)
            self._part.write(piece)
        elif self._part is not None:
            self._part.value += piece
            if len(self._part.value) > MAX_FIELD_BYTES:
                raise Problem("payload_too_large", f"A text field may have at most {MAX_FIELD_BYTES} bytes.")

    def _end_part(self) -> None:
        part, self._part = self._part, None
        if isinstance(part, _FilePart):
            self._files[part.name] = part.close()
        elif part is not None:
            try:
                self._fields[part.name] = part.value.decode("utf-8")
            except UnicodeDecodeError:
                raise Problem("malformed_multipart", f"The field {part.name[:80]!r} is not UTF-8.") from None

    def _end(self) -> None:
        self._complete = True


@dataclass
class _TextPart:
    name: str
    value: bytearray = field(default_factory=bytearray)


class _FilePart:
    def __init__(self, name: str, filename: str, path: Path, stream: IO[bytes]) -> None:
        self.name = name
        self._filename = filename
        self._path = path
        self._stream = stream
        self._digest = hashlib.sha256()
        self._bytes = 0

    def write(self, piece: bytes) -> None:
        self._stream.write(piece)
        self._digest.update(piece)
        self._bytes += len(piece)

    def close(self) -> ReceivedFile:
        self._stream.close()
        return ReceivedFile(self._filename, self._path, self._bytes, self._digest.hexdigest())


class _Body:
    """The body of a request as it comes in."""

    def __init__(self, request: Request) -> None:
        self._receive = request.receive
        self._ended = False

    async def blocks(self) -> AsyncIterator[bytes]:
        """Blocks of about a megabyte, so that a thread is woken rarely.

        Raises:
            Problem: `request_timeout`.
            ClientDisconnect: the client went away.
        """
        buffer = bytearray()
        while not self._ended:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    buffer += await self._next()
            except TimeoutError:
                raise Problem("request_timeout", f"Nothing came for {IDLE_SECONDS:g} seconds.") from None
            if len(buffer) >= _BLOCK or self._ended:
                yield bytes(buffer)
                buffer.clear()

    async def drain(self) -> None:
        """Read on for a moment: closing a connection with unread data makes most clients lose the answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._ended:
                    await self._next()

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))


def _boundary(request: Request) -> bytes:
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if media_type != b"multipart/form-data" or not boundary:
        raise Problem(
            "unsupported_media_type",
            "Send the file as multipart/form-data with a boundary, as `curl -F file=@ratings.csv` does, or name "
            "a source in application/json.",
        )
    return boundary


def _too_large(max_bytes: int) -> Problem:
    return Problem("payload_too_large", f"An upload may have at most {max_bytes} bytes in its files.")
