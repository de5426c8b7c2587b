"""A response whose body is a part of a stored file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from registry.verified_files import VerifiedFile

# An ASGI extension: the server sends `count` bytes of an open `file` from `offset`.
ZERO_COPY = "http.response.zerocopysend"
# How often the file is looked at for changes. The server gives others their turn more often than that.
STEP_BYTES = 16 << 20
# Read into memory at a time where the kernel can't send the file itself.
READ_BYTES = 1 << 20
# Up to here one copy in memory is cheaper than asking the kernel for the transfer.
IN_MEMORY_BYTES = 64 << 10


class FileChanged(RuntimeError):
    """A stored file was changed while it was being sent; the connection is cut, so that nobody takes it for whole."""


class FileResponse(Response):
    """Bytes `start` up to, not including, `end` of `file`, which is closed afterwards.

    `scope["state"]["log"]["bytes_sent"]` counts the bytes of the body that were handed to the system.
    """

    def __init__(self, file: VerifiedFile, start: int, end: int, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(None, status, {**headers, "Content-Length": str(end - start)})
        self._file, self._start, self._end = file, start, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        counted = Counted(scope)
        with self._file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            copy = ZERO_COPY in (scope.get("extensions") or {}) and self._end - self._start > IN_MEMORY_BYTES
            step, at = STEP_BYTES if copy else READ_BYTES, self._start
            while True:
                count = min(step, self._end - at)
                # Asked again at each step: the last bytes of a file that changed under a download never go out.
                if not self._file.unchanged():
                    raise FileChanged(f"a stored file changed while it was being sent, at byte {at}")
                await send(await self._message(copy, at, count))
                counted.add(count)
                at += count
                if at >= self._end:
                    return

    async def _message(self, copy: bool, at: int, count: int) -> Message:
        more = at + count < self._end
        if copy:
            return {"type": ZERO_COPY, "file": self._file.file, "offset": at, "count": count, "more_body": more}
        if count <= IN_MEMORY_BYTES:  # hashed or read a moment ago: in the page cache
            body = self._file.read(at, count)
        else:
            body = await run_in_threadpool(self._file.read, at, count)
        return {"type": "http.response.body", "body": body, "more_body": more}


class ChunksResponse(Response):
    """A body of `length` bytes in `chunks` that a store hands out; `bytes_sent` is counted as in FileResponse."""

    def __init__(self, chunks: Iterator[bytes], length: int, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(None, status, {**headers, "Content-Length": str(length)})
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        counted = Counted(scope)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in iterate_in_threadpool(self._chunks):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            counted.add(len(chunk))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Counted:
    """The field `bytes_sent` of a request's access log line."""

    def __init__(self, scope: Scope) -> None:
        self._fields = scope.get("state", {}).get("log", {})

    def add(self, count: int) -> None:
        self._fields["bytes_sent"] = self._fields.get("bytes_sent", 0) + count
