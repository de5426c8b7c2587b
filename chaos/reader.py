"""Looks all the time, while others are being killed: at every row, at every file that can be read."""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from app.client.errors import ApiError, Unreachable
from app.client.models import Job
from chaos.invariants import Ledger, snapshot
from chaos.stack import Stack

PAUSE_SECONDS = 0.2
MOST = 20


class Reader(threading.Thread):
    """Checks the invariants, and that what can be read is whole, until `finish`. Violations are in `found`."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(name="reader", daemon=True)
        self.found: list[str] = []
        self.looks = 0
        self.artifacts = 0
        self._stack = stack
        self._ledger = Ledger(stack.settings.max_attempts_without_progress)
        self._over = threading.Event()
        self._seen_files: set[Path] = set()
        self._seen_jobs: set[str] = set()

    def __enter__(self) -> Reader:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(60)

    def finish(self) -> list[str]:
        """Look a last time; all that was found."""
        self._over.set()
        self.join(60)
        self._look()
        return self.found[:MOST]

    def run(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            self._look()
            # At most a fifth of the time, so that looking doesn't slow down what is looked at.
            self._over.wait(max(PAUSE_SECONDS, 4 * (time.monotonic() - began)))

    def _look(self) -> None:
        self.looks += 1
        with suppress(SQLAlchemyError), self._stack.database.read() as session:
            self.found += map(str, self._ledger.look(snapshot(session)))
        self._look_at_blobs()
        with suppress(Unreachable, ApiError):
            for job in self._stack.client.jobs(limit=20, status="succeeded"):
                self._download(job)

    def _look_at_blobs(self) -> None:
        """A file under its final name is whole from the first moment on."""
        for path in (self._stack.state / "blobs" / "sha256").glob("*/*"):
            if path in self._seen_files:
                continue
            self._seen_files.add(path)
            with suppress(FileNotFoundError), path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != path.name:
                    self.found.append(f"partial-artifact: {path.name} can be read before it is whole")

    def _download(self, job: Job) -> None:
        if job.id in self._seen_jobs or job.result is None:
            return
        for artifact in job.result.artifacts:
            answer = self._stack.client.transport.request("GET", artifact.url)
            self.artifacts += 1
            if hashlib.sha256(answer.content).hexdigest() != artifact.sha256 or len(answer.content) != artifact.bytes:
                self.found.append(f"partial-artifact: {artifact.path} of {job.id} is not what its sha256 says")
        self._seen_jobs.add(job.id)
