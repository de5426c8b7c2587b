"""Writes what a trainer says into the registry, under the lease."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from registry import checkpoints, jobs
from registry.errors import BlobMissing
from worker import log_lines
from worker.attempt_folder import pinned
from worker.messages import (
    CheckpointMessage,
    EpochMessage,
    ErrorMessage,
    ExamplesMessage,
    LogMessage,
    Message,
    PhaseMessage,
    ProgressMessage,
    ResultMessage,
    StartedOverMessage,
)
from worker.put_files import TRIES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from registry.blobs import BlobStore
    from registry.records import Blob, Claim
    from worker.lease import Lease

log = structlog.get_logger(__name__)

SECONDS_BETWEEN_PROGRESS = 1.0
MAX_LOG_LINES = 200


class Recorder:
    """Records the messages of one attempt. Progress, log lines and checkpoints that come thick are thinned out.

    `keep_examples` gets the folder of examples that the trainer has built; None: they aren't kept. `forget` gets the
    sha256 of a checkpoint of this attempt once a newer one has taken its place.
    """

    def __init__(
        self,
        lease: Lease,
        blobs: BlobStore,
        folder: Path,
        keep_examples: Callable[[Path], None] | None = None,
        forget: Callable[[str], None] | None = None,
    ) -> None:
        self.result: ResultMessage | None = None
        self.error: ErrorMessage | None = None
        self._lease = lease
        self._blobs = blobs
        self.folder = folder
        self._keep_examples = keep_examples
        self._forget = forget
        self._promoted: str | None = None
        self._phase: str | None = None
        self._progress: ProgressMessage | None = None
        self._lines: list[str] = []
        self._checkpoint: CheckpointMessage | None = None
        self._next_write = 0.0

    def take(self, message: Message) -> None:
        """Record `message`, at once or with the next `flush`. Raises LeaseLost."""
        match message:
            case PhaseMessage(phase=phase):
                self._progress = None  # it belongs to the phase before
                if phase != self._phase:
                    self.say([f"phase {phase}"])
                self._phase = phase
                self._write(lambda session, claim: jobs.set_phase(session, claim, phase))
            case EpochMessage(epoch=epoch, metrics=metrics):
                self.say([log_lines.epoch(epoch, metrics)])
                self._write(lambda session, claim: jobs.record_epoch(session, claim, epoch, metrics))
            case ProgressMessage():
                self._progress = message
            case CheckpointMessage():
                self._checkpoint = message
            case ExamplesMessage(path=path):
                if self._keep_examples is not None and self._is_ours(Path(path)):
                    self._keep_examples(Path(path))
            case StartedOverMessage(reason=reason):
                self._checkpoint = None
                self.say([log_lines.started_over(reason)])
                self._write(lambda session, claim: checkpoints.start_over(session, claim, reason))
            case LogMessage(message=line):
                self.say([line])
            case ResultMessage():
                self.result = message
            case ErrorMessage():
                self.error = message

    def say(self, lines: Sequence[str]) -> None:
        """Add lines to the job's log, with the next write."""
        self._lines = [*self._lines, *lines][-MAX_LOG_LINES:]

    def flush(self, *, now: bool = False) -> None:
        """Write what waits: the newest checkpoint always, the rest now and then. Raises LeaseLost."""
        if self._checkpoint is not None:
            message, self._checkpoint = self._checkpoint, None
            self._promote(message)
        if not now and time.monotonic() < self._next_write:
            return
        progress, self._progress = self._progress, None
        if progress is None and not self._lines:
            return
        self._next_write = time.monotonic() + SECONDS_BETWEEN_PROGRESS

        def write(session: Session, claim: Claim) -> None:
            if progress is not None:
                jobs.record_progress(
                    session,
                    claim,
                    done=progress.done,
                    total=progress.total,
                    unit=progress.unit,
                    eta_seconds=progress.eta_seconds,
                )

        self._write(write)

    def _write(self, work: Callable[[Session, Claim], object]) -> None:
        """Do `work` and write the lines that wait, in one transaction."""
        lines, self._lines = self._lines, []
        self._lease.write(log_lines.then(work, lines) if lines else work)

    def _is_ours(self, path: Path) -> bool:
        if path.resolve().is_relative_to(self.folder):
            return True
        log.warning("path_ignored", reason="outside the attempt folder", path=str(path)[:200])
        return False

    def _promote(self, message: CheckpointMessage) -> None:
        path = Path(message.path)
        if not self._is_ours(path):
            return
        try:
            with pinned(path) as file:
                blob = self._put_and_promote(file, message)
        except FileNotFoundError:
            log.debug("checkpoint_gone", path=message.path)  # a newer one has taken its place, and its message follows
            return
        log.debug("checkpoint_promoted", job_id=self._lease.claim.job_id, epoch=message.epoch, step=message.step)
        before, self._promoted = self._promoted, blob.sha256
        if before is not None and before != blob.sha256 and self._forget is not None:
            self._forget(before)

    def _put_and_promote(self, file: Path, message: CheckpointMessage) -> Blob:
        for left in reversed(range(TRIES)):
            blob = self._blobs.put_file(file)
            try:
                self._lease.write(partial(_promote, blob, message))
            except BlobMissing:  # it lay there unused, and the sweep took it just now: put it again
                if not left:
                    raise
            else:
                break
        return blob


def _promote(blob: Blob, message: CheckpointMessage, session: Session, claim: Claim) -> None:
    checkpoints.promote_checkpoint(session, claim, blob.sha256, blob.bytes, message.epoch, message.step)
