"""`GET .../events?after=`: the events of one subject, oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from app import conditional
from app.pagination import link_next
from app.schemas import EventPage, show_event
from registry import events


@dataclass(frozen=True)
class EventsAfter:
    """Which events a client wants."""

    after: int
    limit: int


def events_after(
    after: Annotated[int, Query(ge=0, lt=2**31, description="Only events with a greater seq.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Events per page.")] = 100,
) -> EventsAfter:
    """The dependency that reads `after` and `limit`."""
    return EventsAfter(after, limit)


EventsQuery = Annotated[EventsAfter, Depends(events_after)]


def list_events(session: Session, request: Request, subject: str, wanted: EventsAfter) -> Response:
    """A page of the events of `subject`, or 304 where the client has it."""
    found = events.list_after(session, subject, wanted.after, wanted.limit + 1)
    shown, has_more = found[: wanted.limit], len(found) > wanted.limit
    cursor = str(shown[-1].seq) if has_more else None
    events_shown = EventPage(data=[show_event(event) for event in shown], has_more=has_more, next_cursor=cursor)
    return conditional.respond_with(request, events_shown, link_next(request, cursor))
