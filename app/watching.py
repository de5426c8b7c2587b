"""Waiting for news without holding a thread or a connection: one look at the database serves all who wait.

While anybody waits, the numbers of the watched subjects are read every `POLL_SECONDS`, in one query and one thread,
however many wait. What is new is read once per subject and handed to all its readers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from registry import events
from registry.database import Database
from registry.records import Event

POLL_SECONDS = 0.25
PAUSE_SECONDS = 1.0  # after a look that failed
TAIL = 500
PAGE = 1000
log = structlog.get_logger("pocketrec.watching")


@dataclass(frozen=True)
class Frame:
    """An event, encoded once for all who read it."""

    seq: int
    type: str
    encoded: bytes


@dataclass
class _Subject:
    """`last_seq` is the newest number seen. While it has readers, `tail` has all events after `tail_start` up to it."""

    last_seq: int = 0
    tail_start: int = 0
    tail: deque[Frame] = field(default_factory=deque)
    users: int = 0
    readers: int = 0
    waiting: set[asyncio.Future[None]] = field(default_factory=set)

    def wake(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)


@dataclass(frozen=True)
class _News:
    last_seq: int
    frames: list[Frame]


class Watcher:
    """One per process. Everything but `_look` runs in the event loop's thread; `encode` makes the readers' bytes."""

    def __init__(self, database: Database, encode: Callable[[Event], bytes]) -> None:
        self.closing = False
        self.readers = 0
        self._database = database
        self._encode = encode
        self._subjects: dict[str, _Subject] = {}
        self._thread = ThreadPoolExecutor(1, "watching")
        self._task: asyncio.Task[None] | None = None

    async def wait(self, subject: str, known: int, seconds: float) -> bool:
        """Wait for an event of `subject` with a seq above `known`; False after `seconds`, or when the service stops."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + seconds
        with self._watched(subject) as watched:
            while watched.last_seq <= known and not self.closing:
                woken: asyncio.Future[None] = loop.create_future()
                watched.waiting.add(woken)
                try:
                    await asyncio.wait_for(woken, give_up - loop.time())
                except TimeoutError:
                    return False
                finally:
                    watched.waiting.discard(woken)
            return watched.last_seq > known

    @contextmanager
    def reading(self, subject: str, position: int) -> Iterator[Callable[[int], list[Frame] | None]]:
        """While the block lasts, what is new after `position` is kept for this reader, and `wait` says when it comes.

        Gives `take(position)`: the events after `position` that have been seen; None where this reader is further
        behind than what is kept, and must read them from the database.
        """
        with self._watched(subject) as watched:
            if watched.readers == 0:
                watched.last_seq = watched.tail_start = position
                watched.tail.clear()
            watched.readers += 1
            self.readers += 1

            def take(position: int) -> list[Frame] | None:
                if position < watched.tail_start:
                    return None
                return [frame for frame in watched.tail if frame.seq > position]

            try:
                yield take
            finally:
                watched.readers -= 1
                self.readers -= 1

    def encoded(self, found: list[Event]) -> list[Frame]:
        """Events as `take` gives them."""
        return [Frame(event.seq, event.type, self._encode(event)) for event in found]

    def close(self) -> None:
        """The service stops: everybody who waits is sent home at once, and nobody waits again."""
        self.closing = True
        for watched in self._subjects.values():
            watched.wake()
        self._thread.shutdown(wait=False)

    @contextmanager
    def _watched(self, subject: str) -> Iterator[_Subject]:
        watched = self._subjects.setdefault(subject, _Subject())
        watched.users += 1
        loop = asyncio.get_running_loop()
        if not self.closing and (self._task is None or self._task.done() or self._task.get_loop() is not loop):
            self._task = loop.create_task(self._run())
        try:
            yield watched
        finally:
            watched.users -= 1
            if watched.users == 0:
                self._subjects.pop(subject, None)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        away = False
        while self._subjects and not self.closing:
            await asyncio.sleep(PAUSE_SECONDS if away else POLL_SECONDS)
            wanted = {subject: watched.last_seq for subject, watched in self._subjects.items()}
            read = {subject for subject, watched in self._subjects.items() if watched.readers}
            if not wanted or self.closing:
                continue
            try:
                found = await loop.run_in_executor(self._thread, self._look, wanted, read)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are better off waiting on
                if not away and not self.closing:
                    log.warning("watching_paused", error=repr(error)[:300], watched=len(wanted))
                away = True
                continue
            if away:
                log.info("watching_again", watched=len(wanted))
            away = False
            for subject, news in found.items():
                self._tell(subject, wanted[subject], news)

    def _look(self, wanted: Mapping[str, int], read: set[str]) -> dict[str, _News]:
        """What is newer than the numbers in `wanted`, with the events themselves for the subjects in `read`."""
        found = {}
        with self._database.read() as session:
            for subject, last_seq in events.last_seqs(session, wanted).items():
                if last_seq <= wanted[subject]:
                    continue
                frames = []
                if subject in read:
                    frames = self.encoded(events.list_after(session, subject, wanted[subject], PAGE))
                    last_seq = frames[-1].seq if frames else last_seq
                found[subject] = _News(last_seq, frames)
        return found

    def _tell(self, subject: str, asked_from: int, news: _News) -> None:
        watched = self._subjects.get(subject)
        if watched is None or watched.last_seq != asked_from or bool(watched.readers) != bool(news.frames):
            return  # others watch it than those that were asked for; the next look is for them
        watched.last_seq = news.last_seq
        watched.tail.extend(news.frames)
        while len(watched.tail) > TAIL:
            watched.tail_start = watched.tail.popleft().seq
        watched.wake()
