"""A held lease: renewed by a thread of its own, and the only way to read and write about the job while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from reco_core.errors import is_disk_full
from registry import leases
from registry.errors import LeaseLost
from registry.outages import is_outage

if TYPE_CHECKING:
    from registry.database import Database
    from registry.records import Claim

T = TypeVar("T")
log = structlog.get_logger(__name__)

SECONDS_BETWEEN_WARNINGS = 30.0


class Lease:
    """Renews `claim` every `heartbeat_seconds` while the `with` block lasts.

    `lost` is set once another worker may have the job; `cancel_requested` once somebody asked for the end.
    """

    def __init__(self, database: Database, claim: Claim, *, heartbeat_seconds: float, lease_seconds: float) -> None:
        self.claim = claim
        self.lost = threading.Event()
        self.cancel_requested = threading.Event()
        self._database = database
        self._heartbeat_seconds = heartbeat_seconds
        self._lease_seconds = lease_seconds
        self._expires = time.monotonic() + lease_seconds
        self._tell_again = 0.0
        self._closed = threading.Event()
        # With the fields that the supervisor's lines carry.
        beat = partial(copy_context().run, self._beat)
        self._thread = threading.Thread(target=beat, name=f"heartbeat-{claim.job_id}", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._closed.set()
        self._thread.join()

    def write(self, work: Callable[[Session, Claim], T]) -> T:
        """Do `work` in one transaction.

        A database that is away, or to which no connection is free, is waited for, for as long as the lease lasts.

        Raises:
            LeaseLost: the job is another's now, or the lease ran out while the database was away.
        """

        def once() -> T:
            with self._database.write() as session:
                return work(session, self.claim)

        return self._once_it_answers(once)

    def read(self, work: Callable[[Session], T]) -> T:
        """What `work` finds in one consistent state. Waits and raises as `write`, but doesn't look whose the job is."""

        def once() -> T:
            with self._database.read() as session:
                return work(session)

        return self._once_it_answers(once)

    def _once_it_answers(self, once: Callable[[], T]) -> T:
        while True:
            try:
                return once()
            except LeaseLost:
                self.lost.set()
                raise
            except SQLAlchemyError as error:
                if not is_outage(error):
                    raise
                self._tell(error)
            self.check()
            time.sleep(min(0.5, self._heartbeat_seconds))

    def _tell(self, error: SQLAlchemyError) -> None:
        """Say why it waits; now and then again, as long as it does."""
        if time.monotonic() < self._tell_again:
            return
        self._tell_again = time.monotonic() + SECONDS_BETWEEN_WARNINGS
        why = "disk_full" if is_disk_full(error) else "database_away"
        log.warning(why, job_id=self.claim.job_id, error=repr(getattr(error, "orig", None) or error)[:200])

    def check(self) -> None:
        """Raise LeaseLost if the lease is known to be lost, or has run out by this machine's clock."""
        if time.monotonic() > self._expires:
            self.lost.set()
        if self.lost.is_set():
            raise LeaseLost(f"{self.claim.job_id}: the lease under fence {self.claim.fence} is over")

    def _beat(self) -> None:
        pause = self._heartbeat_seconds
        while not self._closed.wait(pause):
            if self.lost.is_set():
                return  # given up, after a long freeze say; renewing it would keep the job from others
            pause = self._heartbeat_seconds
            asked_at = time.monotonic()
            try:
                with self._database.write() as session:
                    cancel = leases.heartbeat(session, self.claim, self._lease_seconds)
            except LeaseLost:
                # The supervisor itself may just have ended the job; then nobody looks at this any more.
                self.lost.set()
                return
            except Exception as error:  # noqa: BLE001 - the lease decides: it either gets renewed in time or runs out
                log.warning("heartbeat_failed", job_id=self.claim.job_id, error=repr(error)[:300])
                pause = min(1.0, self._heartbeat_seconds)
                if time.monotonic() > self._expires:
                    self.lost.set()
                    return
                continue
            self._expires = asked_at + self._lease_seconds
            if cancel:
                self.cancel_requested.set()
