"""Keeps a worker whose disk has run full from taking one waiting job after the other, only to fail each."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from registry.blobs import BlobStore
    from registry.settings import Settings

log = structlog.get_logger(__name__)


class DiskGate:
    """Shut by a job that found a disk full; opens once `min_free_bytes` are free again, not before `reaper_seconds`."""

    def __init__(self, settings: Settings, blobs: BlobStore) -> None:
        self._settings = settings
        self._blobs = blobs
        self._lock = threading.Lock()
        self._shut_until: float | None = None

    def shut(self) -> None:
        """A disk of this worker was full."""
        with self._lock:
            self._shut_until = time.monotonic() + self._settings.reaper_seconds
        log.error("disk_full", reason="no job is taken until there is space", needed=self._settings.min_free_bytes)

    def is_open(self) -> bool:
        """Whether jobs may be taken. Looks at the disks at most every `reaper_seconds`."""
        with self._lock:
            if self._shut_until is None:
                return True
            if time.monotonic() < self._shut_until:
                return False
            if (free := self._free_bytes()) < self._settings.min_free_bytes:
                self._shut_until = time.monotonic() + self._settings.reaper_seconds
                log.warning("disk_still_full", free=free, needed=self._settings.min_free_bytes)
                return False
            self._shut_until = None
        log.info("disk_has_space", free=free)
        return True

    def _free_bytes(self) -> int:
        """Of the disk that has less: the worker's own or the blob store's, where that is one."""
        kept = self._blobs.free_bytes()
        own = shutil.disk_usage(self._settings.state_dir).free
        return own if kept is None else min(own, kept)
