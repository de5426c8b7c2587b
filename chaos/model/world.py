"""What the random walks move in: a database with a clock that they turn, a broker that loses and repeats, processes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from chaos.invariants import Row, Snapshot, snapshot
from registry import tables
from registry.database import Database

HOUR = 3600.0
MAX_ATTEMPTS = 3
LEASE_SECONDS = 60.0
REPUBLISH_SECONDS = 30.0
# Each process has its own idea of the time: the third one is an hour ahead, the fourth an hour behind.
CLOCKS: Mapping[str, float] = {"w1": 0.0, "w2": 0.0, "ahead": HOUR, "behind": -HOUR}


class Crash(Exception):
    """The process dies here."""


class Clock:
    """The true time, which stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def shifted(self, seconds: float) -> Callable[[], datetime]:
        """The clock of a process that is `seconds` off."""
        return lambda: self.time + timedelta(seconds=seconds)


class Databases:
    """Empty migrated databases, one walk after the other: files of their own on SQLite, one schema on PostgreSQL."""

    def __init__(self, url: str | None = None) -> None:
        """`url` of a PostgreSQL schema that may be emptied; None: SQLite."""
        self.dialect = "sqlite" if url is None else "postgresql"
        self._closer = ExitStack()
        memory = Path("/dev/shm")
        parent = memory if memory.is_dir() else None
        self._folder = Path(self._closer.enter_context(tempfile.TemporaryDirectory(prefix="pocketrec-", dir=parent)))
        self._template = self._folder / "template.db"
        self._url = url
        self._walks = 0
        database = Database(url or f"sqlite:///{self._template}")
        database.migrate()
        database.dispose()
        # One pool of connections for each clock, and not for each walk: connecting takes as long as a short walk.
        self._kept: dict[str, Database] = {}

    def close(self) -> None:
        """Forget all of them."""
        for database in self._kept.values():
            database.dispose()
        self._closer.close()

    @contextmanager
    def fresh(self, clock: Clock) -> Iterator[dict[str, Database]]:
        """An empty database as each process sees it, by the names of CLOCKS."""
        if self._url is not None:
            yield self._emptied(clock)
            return
        self._walks += 1
        path = self._folder / f"{self._walks}.db"
        shutil.copy(self._template, path)
        opened = {name: Database(f"sqlite:///{path}", clock=clock.shifted(off)) for name, off in CLOCKS.items()}
        try:
            yield opened
        finally:
            for database in opened.values():
                database.dispose()
            for file in self._folder.glob(f"{path.name}*"):
                file.unlink()

    def _emptied(self, clock: Clock) -> dict[str, Database]:
        assert self._url is not None
        for name, off in CLOCKS.items():
            if name not in self._kept:
                self._kept[name] = Database(self._url)
            self._kept[name]._clock = clock.shifted(off)
        names = ", ".join(name for name in tables.metadata.tables if name != "projects")
        with self._kept["w1"].engine.begin() as connection:
            # Walks leave few rows: deleting them is faster than TRUNCATE, which makes a file for each table anew.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for name in names.split(", "):
                connection.execute(text(f"DELETE FROM {name}"))
        return self._kept


@dataclass
class Explored:
    """How much the walks have seen: states of the whole world, less what only tells ids and times apart."""

    walks: int = 0
    steps: int = 0
    states: set[tuple[Any, ...]] = field(default_factory=set, repr=False)
    transitions: set[tuple[Any, ...]] = field(default_factory=set, repr=False)
    rules: dict[str, int] = field(default_factory=dict)

    def step(self, before: tuple[Any, ...], rule: str, after: tuple[Any, ...]) -> None:
        """A rule led from one state to another."""
        self.steps += 1
        self.rules[rule] = self.rules.get(rule, 0) + 1
        self.states.add(after)
        self.transitions.add((before, rule, after))

    def __str__(self) -> str:
        return (
            f"{self.walks} walks, {self.steps} steps: {len(self.states)} different states, "
            f"{len(self.transitions)} different transitions"
        )


@dataclass
class Broker:
    """A queue of job ids that keeps no promise."""

    messages: list[str] = field(default_factory=list)

    def publish(self, job_ids: Any, _queue: str = "") -> None:
        """Add messages, as `Runtime.nudge` does."""
        self.messages.extend(job_ids)


def state_of(now: Snapshot, clock: Clock, broker: Broker, stale: Mapping[str, int]) -> tuple[Any, ...]:
    """What distinguishes this moment from others, whatever the ids and times: jobs as a sorted tuple.

    `stale`: how many claims that are no longer good somebody still holds, by job.
    """
    return tuple(sorted((_state_of(job, now, clock, broker, stale) for job in now.jobs.values()), key=repr))


def _state_of(job: Row, now: Snapshot, clock: Clock, broker: Broker, stale: Mapping[str, int]) -> tuple[Any, ...]:
    lease = job["lease_until"]
    return (
        job["type"],
        job["status"],
        job["phase"],
        job["attempts_without_progress"],
        job["cancel_requested_at"] is not None,
        None if lease is None else lease > clock.time,
        bool(now.checkpoints[job["id"]]),
        job["retry_of"] is not None,
        min(2, broker.messages.count(job["id"])),
        job["published_at"] <= clock.time - timedelta(seconds=REPUBLISH_SECONDS),
        min(2, stale.get(job["id"], 0)),
    )


def look(database: Database) -> Snapshot:
    """The database as it is."""
    with database.read() as session:
        return snapshot(session)
