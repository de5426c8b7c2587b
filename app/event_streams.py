"""Events as `text/event-stream` (server-sent events): replayed from any number on, then as they happen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from fastapi import Request, Response
from fastapi.sse import EventSourceResponse, format_sse_event
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from app.schemas import show_event
from app.watching import PAGE, Frame, Watcher
from registry import events
from registry.database import Database
from registry.records import Event

KEEP_ALIVE_SECONDS = 15.0
RETRY_MILLISECONDS = 2000
MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept"}
_OPENING = format_sse_event(retry=RETRY_MILLISECONDS)
_KEEP_ALIVE = format_sse_event(comment="nothing new")
# No line ends for an EventSource, but for clients that split by whatever their language takes for one.
_LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}
_QUALITY = re.compile(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", re.IGNORECASE)


def encode(event: Event) -> bytes:
    """An event as it is sent: `event:`, `data:` (the EventView as JSON) and `id:` (its seq)."""
    text = show_event(event).model_dump_json().translate(_LINE_ENDS)
    return format_sse_event(data_str=text, event=event.type, id=str(event.seq))


def is_asked_for(request: Request) -> bool:
    """Whether the client names event streams in `Accept`, and likes JSON no better."""
    accept = ", ".join(request.headers.getlist("accept"))
    stream = _quality(accept, MEDIA_TYPE)
    return stream > 0 and stream >= _quality(accept, "application/json")


async def answer(
    request: Request, watcher: Watcher, database: Database, subject: str, after: int, *, is_final: bool
) -> Response:
    """The events of `subject` after the seq `after`, until the last one if there is one.

    `is_final` says that `subject` has come to its end: it must have been read before. A final one without any event
    after `after` answers 204, which tells an EventSource not to come again.

    Raises:
        DBAPIError: the database is away, and nothing has been sent yet.
    """
    first = await run_in_threadpool(_page, watcher, database, subject, after)
    if is_final and not first:
        return Response(status_code=204, headers=HEADERS)
    if request.method == "HEAD":
        return Response(headers=HEADERS, media_type=MEDIA_TYPE)
    return _EventStream(_chunks(watcher, database, subject, after, first, is_final), headers=HEADERS)


class _EventStream(EventSourceResponse):
    """Ends its generator with itself: a client that went away must not count as a reader until somebody tidies up."""

    def __init__(self, chunks: AsyncIterator[bytes], headers: dict[str, str]) -> None:
        super().__init__(chunks, headers=headers)
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._chunks):  # type: ignore[type-var]
            await super().__call__(scope, receive, send)


async def _chunks(
    watcher: Watcher, database: Database, subject: str, position: int, first: list[Frame], is_final: bool
) -> AsyncIterator[bytes]:
    """What is sent, from `position` on; `first` are the frames that were read already.

    A database that goes away in between costs a pause: what has been sent can't become an error answer, and an
    EventSource that is answered 503 when it comes again gives up for ever.
    """
    yield _OPENING
    batch: list[Frame] | None = first
    with watcher.reading(subject, first[-1].seq if first else position) as take:
        while True:
            if batch is None:
                try:
                    batch = await run_in_threadpool(_page, watcher, database, subject, position)
                except SQLAlchemyError:
                    batch = []
            if batch:
                yield b"".join(frame.encoded for frame in batch)
                position = batch[-1].seq
                is_final = is_final or any(frame.type in events.TERMINAL_TYPES for frame in batch)
                batch = None if len(batch) == PAGE else take(position)
                continue
            if is_final or watcher.closing:
                return
            if not await watcher.wait(subject, position, KEEP_ALIVE_SECONDS) and not watcher.closing:
                yield _KEEP_ALIVE
            batch = take(position)


def _page(watcher: Watcher, database: Database, subject: str, after: int) -> list[Frame]:
    with database.read() as session:
        return watcher.encoded(events.list_after(session, subject, after, PAGE))


def _quality(accept: str, media_type: str) -> float:
    """How much a client likes exactly this media type, from 0 (not at all, or not named) to 1."""
    found = 0.0
    for part in accept.split(","):
        name, *parameters = part.split(";")
        if name.strip().lower() == media_type:
            given: Callable[[str], re.Match[str] | None] = _QUALITY.fullmatch
            qualities = [float(match.group(1)) for match in map(given, parameters) if match]
            found = max(found, qualities[0] if qualities else 1.0)
    return min(found, 1.0)
