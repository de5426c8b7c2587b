"""A round of housekeeping: what policies say, then the blobs that nothing refers to. One process at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry import duties, retention, sweeping
from registry.reserve import Reserve

if TYPE_CHECKING:
    from registry.blobs import BlobStore
    from registry.database import Database
    from registry.settings import Settings

LEASE_SECONDS = 600.0


@dataclass(frozen=True)
class Round:
    """What a round has removed, or would remove: by rule, and of blobs. `later` are unused for less than the grace."""

    rules: tuple[retention.Due, ...]
    swept: sweeping.Swept
    later: sweeping.Swept | None = None


def go_round(
    database: Database,
    blobs: BlobStore,
    settings: Settings,
    owner: str,
    *,
    every_seconds: float = 0,
    go_on: Callable[[], bool] = lambda: True,
) -> Round | None:
    """One round, unless somebody else is at it or it was done less than `every_seconds` ago: then None.

    `go_on` is asked now and then; once it says no the rest is left for another time.
    """

    def take(every: float = 0) -> bool:
        with database.write() as session:
            return duties.take(session, duties.HOUSEKEEPING, owner, seconds=LEASE_SECONDS, every_seconds=every)

    def stay() -> bool:
        return go_on() and take()

    with _room(database):
        if not take(every_seconds):
            return None
        done = False
        try:
            rules = retention.apply(database, settings, go_on=stay)
            swept = sweeping.Swept()
            if stay():
                # Stays at the duty meanwhile: a store that is slow may take longer than one lease.
                swept = sweeping.sweep(database, blobs, grace_seconds=settings.blob_grace_seconds, go_on=stay)
                done = stay()
            return Round(tuple(rules), swept)
        finally:
            with database.write() as session:
                duties.leave(session, duties.HOUSEKEEPING, owner, done=done)


def _room(database: Database) -> AbstractContextManager[None]:
    folder = database.folder
    return nullcontext() if folder is None else Reserve(folder).room()


def preview(database: Database, settings: Settings) -> Round:
    """What a round would remove now. What its rules free are blobs that go only after the grace."""
    rules = retention.preview(database, settings)
    due, later = sweeping.preview(database, grace_seconds=settings.blob_grace_seconds)
    return Round(tuple(rules), due, later)
