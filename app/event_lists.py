"""`GET .../events`: the events of one subject, oldest first, as JSON pages or as `text/event-stream`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, Response
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app import conditional, event_streams
from app.dependencies import Services
from app.pagination import link_next
from app.responses import ETAG, LINK, NOT_MODIFIED, Responses, ok, problems
from app.schemas import EventPage, EventView, show_event
from registry import events


@dataclass(frozen=True)
class EventsAfter:
    """Which events a client wants. `last_event_id` is what an event stream that broke off had sent last."""

    after: int
    limit: int
    last_event_id: int | None

    @property
    def position(self) -> int:
        """The seq after which a stream goes on, or a page begins."""
        return self.after if self.last_event_id is None else self.last_event_id


@dataclass(frozen=True)
class Subject:
    """What the events are about, and whether it has come to its end."""

    id: str
    is_final: bool
    last_seq: int


def _digits(value: object) -> object:
    # As a stream sends it; pydantic would also read "+0.0" as a number.
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise PydanticCustomError("int_parsing", "expected the id of an event of this stream, a number")
    return value


async def events_after(
    after: Annotated[int, Query(ge=0, lt=2**31, description="Only events with a greater seq.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Events per page; a stream sends all.")] = 100,
    last_event_id: Annotated[
        int | None,
        BeforeValidator(_digits),
        Header(ge=0, lt=2**31, description="Of a stream that is opened again: goes on after this seq, not `after`."),
    ] = None,
) -> EventsAfter:
    """The dependency that reads `after`, `limit` and `Last-Event-ID`."""
    return EventsAfter(after, limit, last_event_id)


EventsQuery = Annotated[EventsAfter, Depends(events_after)]


def event_responses(example: dict[str, Any]) -> Responses:
    """The documented answers of an operation that lists events; `example` is a page of them."""
    found = ok(
        "Events, oldest first: a page, or with `Accept: text/event-stream` all of them and each new one as it happens, "
        "until the last.",
        example,
        LINK | ETAG,
    )
    first = EventView.model_validate(example["data"][0])
    stream = f"event: {first.type}\ndata: {first.model_dump_json()}\nid: {first.seq}\n\n"
    found[200]["content"][event_streams.MEDIA_TYPE] = {"schema": {"type": "string"}, "example": stream}
    over: Responses = {204: {"description": "As a stream only: everything has been sent already. Don't come again."}}
    return {**found, **over, **NOT_MODIFIED, **problems("not_found", "validation_failed")}


async def answer_events(
    request: Request, services: Services, wanted: EventsAfter, find: Callable[[], Subject]
) -> Response:
    """The events of what `find` finds, in the form that the client asked for."""
    subject = await run_in_threadpool(find)
    if not event_streams.is_asked_for(request):
        return await run_in_threadpool(_page, request, services, subject.id, wanted)
    # A number that was never given out, such as one from before a restore of the database, must not be waited for.
    after = min(wanted.position, subject.last_seq)
    return await event_streams.answer(
        request, services.watcher, services.database, subject.id, after, is_final=subject.is_final
    )


def _page(request: Request, services: Services, subject: str, wanted: EventsAfter) -> Response:
    with services.database.read() as session:
        return list_events(session, request, subject, wanted)


def list_events(session: Session, request: Request, subject: str, wanted: EventsAfter) -> Response:
    """A page of the events of `subject`, or 304 where the client has it."""
    found = events.list_after(session, subject, wanted.after, wanted.limit + 1)
    shown, has_more = found[: wanted.limit], len(found) > wanted.limit
    cursor = str(shown[-1].seq) if has_more else None
    events_shown = EventPage(data=[show_event(event) for event in shown], has_more=has_more, next_cursor=cursor)
    return conditional.respond_with(request, events_shown, {**link_next(request, cursor), "Vary": "Accept"})
