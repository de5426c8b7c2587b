"""What the routes are given: the wired services, and a way to wait for a change without holding a thread."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from app import path_types as path_types  # its names are used in the routes' addresses
from app.models.pairs import Pairs
from app.queue import Nudge
from app.watching import Watcher
from registry.blobs import BlobStore
from registry.database import Database
from registry.settings import Settings
from registry.signing import Signer

MAX_WAIT_SECONDS = 30
_ID = re.compile(r"[a-z]{2,5}_[0-9a-z]{1,40}", re.ASCII)


@dataclass(frozen=True)
class Services:
    """Made once per process by `create_app`."""

    settings: Settings
    database: Database
    blobs: BlobStore
    nudge: Nudge
    watcher: Watcher
    signer: Callable[[], Signer]
    pairs: Pairs


def services(request: Request) -> Services:
    """The services of this app."""
    wired: Services = request.app.state.services
    return wired


async def _services(request: Request) -> Services:
    # Dependencies that don't wait for anything are coroutines: FastAPI runs every other one in a thread, and the way
    # there and back costs more than they do, most of all while trainings use the processor.
    return services(request)


Wired = Annotated[Services, Depends(_services)]


def plausible_id(value: str) -> bool:
    """Whether `value` has the form of an id; anything else names nothing and never reaches the database."""
    return _ID.fullmatch(value) is not None


@dataclass(frozen=True)
class LongPoll:
    """How long to hold an answer, and the seq of the last event that the client knows."""

    wait: int
    after: int | None


async def long_poll(
    wait: Annotated[
        int, Query(ge=0, le=MAX_WAIT_SECONDS, description="Hold the answer up to this many seconds for a change.")
    ] = 0,
    after: Annotated[
        int | None, Query(ge=0, lt=2**31, description="Answer at once when `last_seq` is greater than this.")
    ] = None,
) -> LongPoll:
    """The dependency that reads `wait` and `after`."""
    return LongPoll(wait, after)


LongPollQuery = Annotated[LongPoll, Depends(long_poll)]


class Numbered(Protocol):
    """Anything with events."""

    @property
    def id(self) -> str: ...

    @property
    def last_seq(self) -> int: ...


Row = TypeVar("Row", bound=Numbered)


async def read_when_changed(
    request: Request, poll: LongPoll, read: Callable[[], Row], is_final: Callable[[Row], bool]
) -> Row:
    """`read()`, held until the row is final, has an event after `poll.after`, or `poll.wait` seconds are over.

    A row becomes final with an event. Held requests are answered at once when the service stops.
    """
    row = await run_in_threadpool(read)
    known = row.last_seq if poll.after is None else poll.after
    if poll.wait == 0 or is_final(row) or row.last_seq > known:
        return row
    news = asyncio.ensure_future(services(request).watcher.wait(row.id, known, poll.wait))
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((news, gone), return_when=asyncio.FIRST_COMPLETED)
        # Read again also without news: progress changes a row and is no event.
        return row if gone.done() else await run_in_threadpool(read)
    finally:
        news.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    """Return once the client is gone; what it still sends is of no interest."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
