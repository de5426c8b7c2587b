"""What the parts of one worker process share."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import OperationalError

from registry import occupied
from registry.blobs import BlobStore
from registry.database import Database, now
from registry.reserve import Reserve
from worker import attempt_folder, publish
from worker.clock_watch import ClockWatch
from worker.disk_gate import DiskGate
from worker.slots import Slots, capacities

if TYPE_CHECKING:
    from celery import Celery
    from sqlalchemy.orm import Session

    from registry.settings import Settings

log = structlog.get_logger(__name__)

TRAINER: tuple[str, ...] = (sys.executable, "-m", "worker.trainer")


@dataclass
class Runtime:
    """Stores, settings and the wish to stop. `trainer` is the command that gets an attempt folder as its argument."""

    settings: Settings
    database: Database
    blobs: BlobStore
    app: Celery | None = None
    worker: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    trainer: Sequence[str] = TRAINER
    stopping: threading.Event = field(default_factory=threading.Event)
    slots: dict[str, Slots] = field(init=False, repr=False)
    disk_gate: DiskGate = field(init=False, repr=False)
    clock_watch: ClockWatch = field(init=False, repr=False)
    # When the reaper's loop last came round, by time.monotonic().
    came_round: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.slots = {queue: Slots(capacity) for queue, capacity in capacities(self.settings).items()}
        self.disk_gate = DiskGate(self.settings, self.blobs)
        self.clock_watch = ClockWatch(self.settings.heartbeat_seconds)

    @classmethod
    def open(cls, settings: Settings, app: Celery | None = None) -> Runtime:
        """Connect to the database and the blob store that the settings name."""
        blobs = BlobStore(settings.blob_url)
        return cls(settings, Database(settings.database_url, blobs=blobs), blobs, app)

    def make_ready(self) -> bool:
        """Bring the schema up to date, and remove what killed workers left behind.

        On SQLite a process that is frozen within a transaction keeps all others from writing. That is waited for, since
        who starts meanwhile can do nothing better. Returns False if it is told to stop before it is ready.
        """
        while not self.stopping.is_set():
            try:
                self.database.migrate()
            except OperationalError as error:
                if "database is locked" not in str(error.orig):
                    raise
                log.warning("database_locked", database=self.database.url.database, reason="another process holds it")
                self.stopping.wait(1)
            else:
                # Beside the start, and not before it: a store that is away may take minutes to say so.
                threading.Thread(target=self.tidy_disk, name="tidy", daemon=True).start()
                return True
        return False

    def trusts_leases(self, session: Session) -> bool:
        """Whether a lease that has run out by the database's clock has really done so: see ClockWatch."""
        # PostgreSQL's machine counts for all workers, and none of them can compare its clock with theirs.
        return self.database.dialect != "sqlite" or self.clock_watch.trusts(now(session))

    def tidy_disk(self) -> None:
        """Remove temporary files and folders of this machine whose owners were killed. Nobody else's are touched.

        What can't be removed, as while the blob store is away, is left for the next time.
        """
        for what, tidy in (
            ("attempts", partial(attempt_folder.sweep, self.attempts_dir)),
            ("blobs", self.blobs.sweep),
            ("reserve", self._keep_reserve),
            ("uploads", partial(occupied.remove_left_folders, self.settings.state_dir / "uploads")),
        ):
            try:
                tidy()
            except Exception as error:  # noqa: BLE001 - whatever a store says: no worker and no housekeeping ends for it
                log.warning("not_tidied", what=what, error=repr(error)[:300])

    def _keep_reserve(self) -> None:
        if self.database.folder is not None:
            Reserve(self.database.folder).keep()

    @property
    def attempts_dir(self) -> Path:
        return self.settings.state_dir / "attempts"

    @property
    def active(self) -> int:
        """How many slots are at work, of all queues."""
        return sum(slots.busy for slots in self.slots.values())

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait for all slots to finish, for at most `seconds`; whether they have."""
        give_up = time.monotonic() + seconds
        while self.active and time.monotonic() < give_up:
            time.sleep(0.05)
        return self.active == 0

    def nudge(self, job_ids: Sequence[str], queue: str) -> None:
        """Publish `job_ids`, if there is a queue to publish to."""
        if self.app is not None and job_ids:
            publish.nudge(self.app, job_ids, queue)
