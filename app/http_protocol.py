"""HTTP/1.1 over sockets as uvicorn does it, with files sent by the kernel and an end to request heads.

Adds the ASGI extension `http.response.zerocopysend`: the application names an open file, an offset and a count, and the
bytes go from the page cache into the socket without passing through Python (sendfile). Under another server, or in
tests without one, the extension isn't offered and the application sends the bytes itself.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.file_responses import ZERO_COPY
from app.problems import MEDIA_TYPE, document

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# httptools takes heads of any size; nothing that we answer needs more than this.
MAX_HEAD_BYTES = 64 * 1024
MAX_HEAD_SECONDS = 20.0
# A client on a fast line takes a file of 200 MB in one call of 60 ms, in which nobody else would get an answer.
TURN_BYTES = 2 << 20
# Of the file and not of the line; everything else that can end a transfer is a client that can't be reached any more.
_OUR_FAULTS = frozenset({errno.EIO, errno.EINVAL, errno.EBADF, errno.ENOMEM, errno.EOVERFLOW})
_TOO_LARGE = b"request head too large"
_TOO_SLOW = json.dumps(
    document(
        "request_timeout",
        f"The head of the request didn't end within {MAX_HEAD_SECONDS:.0f} seconds.",
        instance="",
        trace_id="",
    )
).encode()


class HttpProtocol(HttpToolsProtocol):
    """One connection. Give the class to `uvicorn.Config(http=...)`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inner = cast("ASGIApp", self.app)
        self.app = cast("Any", self._with_zero_copy)
        self._head_bytes: int | None = 0  # of the request whose head is being read; None within a body
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes and self._head_timer is None:
            self._wait_for_head()  # of the next request on this connection
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._head_bytes or 0

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        super().on_message_complete()

    def _wait_for_head(self) -> None:
        # One timer for the whole head: each byte that trickles in would put a timer of its own off for ever.
        self._head_timer = self.loop.call_later(MAX_HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait_for_head()  # a request sent ahead; the answer to the one before is under way
            return
        if self._head_bytes:
            self.transport.write(
                b"HTTP/1.1 408 Request Timeout\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (MEDIA_TYPE.encode(), len(_TOO_SLOW), _TOO_SLOW)
            )
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # an answer is under way, and nothing may get into it
            return
        super().send_400_response(msg)

    def _refuse_head(self) -> None:
        self.logger.warning("Request head over %s bytes refused.", MAX_HEAD_BYTES)
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # an answer to an earlier request is under way, and nothing may get into it
            return
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_TOO_LARGE), _TOO_LARGE)
        )
        self.transport.close()

    async def _with_zero_copy(self, scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn's `send` is a method of the object that keeps the state of this request and its response.
        cycle = cast("Any", send).__self__

        async def send_any(message: Message) -> None:
            if message["type"] == ZERO_COPY:
                await self._send_file(cycle, message)
            else:
                await send(message)

        scope["extensions"] = {**(scope.get("extensions") or {}), ZERO_COPY: {}}
        await self._inner(scope, receive, send_any)

    async def _from_page_cache(self, file: BinaryIO, offset: int, count: int) -> int:
        """How many bytes went out: fewer than `count` only where the file ends.

        `loop.sendfile` does the same with two changes of the selector and a future for each bufferful, which costs a
        fifth of the speed; here one registration lasts for all of them.
        """
        if self.transport.get_write_buffer_size():  # the head of the response is still on its way
            return await self.loop.sendfile(self.transport, file, offset, count)
        source, left = file.fileno(), count
        done: asyncio.Future[None] = self.loop.create_future()
        # A descriptor of its own: that of the transport belongs to the transport in the loop's selector.
        target = os.dup(self.transport.get_extra_info("socket").fileno())

        def push() -> None:
            nonlocal offset, left
            if done.done():
                return
            if self.transport.is_closing():  # the descriptor is another one, and knows nothing of that
                done.set_exception(ConnectionAbortedError())
                return
            try:
                sent = os.sendfile(target, source, offset, min(left, TURN_BYTES))
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                done.set_exception(error)
                return
            offset += sent
            left -= sent
            if not left or not sent:
                done.set_result(None)

        try:
            push()
            if not done.done():
                self.loop.add_writer(target, push)
                try:
                    await done
                finally:
                    self.loop.remove_writer(target)
            else:
                done.result()
        finally:
            os.close(target)
        return count - left

    async def _send_file(self, cycle: RequestResponseCycle, message: Message) -> None:
        """Send `count` bytes of `file` from `offset`.

        Raises:
            ClientDisconnect: the client has gone.
            RuntimeError: the response hasn't started, takes no such bytes, or the file is too short.
        """
        count = message["count"]
        if not cycle.response_started or cycle.response_complete or cycle.chunked_encoding:
            raise RuntimeError("a file is sent as the body of a response with a Content-Length")
        if count > cycle.expected_content_length:
            raise RuntimeError("Response content longer than Content-Length")
        if cycle.disconnected or self.transport.is_closing():
            raise ClientDisconnect
        try:
            sent = await self._from_page_cache(message["file"], message["offset"], count)
        except (OSError, asyncio.IncompleteReadError) as error:
            if isinstance(error, OSError) and error.errno in _OUR_FAULTS:
                raise
            self.transport.abort()
            raise ClientDisconnect from error
        if sent != count:
            raise RuntimeError(f"the file ended after {sent} of {count} bytes")
        cycle.expected_content_length -= count
        if not message.get("more_body", False):
            await cycle.send({"type": "http.response.body", "body": b"", "more_body": False})
