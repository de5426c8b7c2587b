"""Versions compared example by example: computed once for each pair, in a child process, and then remembered.

The arithmetic needs NumPy, which the API doesn't load, and seconds of a processor, which its event loop doesn't have.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog
from starlette.concurrency import run_in_threadpool

from registry.errors import RegistryError
from registry.records import FileEntry

log = structlog.get_logger(__name__)

SECONDS = 60.0
AT_ONCE = 2
REMEMBERED = 2000
_COMMAND = (sys.executable, "-m", "reco_core", "compare")
# The machine trains meanwhile, and one thread adds up in the same order everywhere.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Store(Protocol):
    """What this needs of the blob store."""

    def fetch(self, sha256: str, to: Path) -> None: ...


class NotComputed(Exception):
    """The comparison could not be made; the message says why, in words for a client."""


@dataclass(frozen=True)
class Pair:
    """How a version differs from the base: `metrics` is `{name: {difference, ci95, verdict}}`."""

    examples: int
    users: int
    samples: int
    seed: int
    metrics: dict[str, dict[str, Any]]


class Pairs:
    """Compares files of ranks that lie in the blob store.

    Args:
        store: where they lie.
        seconds: how long one computation may take.
        command: what to run, with the paths of the files behind it (tests).
    """

    def __init__(self, store: Store, *, seconds: float = SECONDS, command: Sequence[str] = _COMMAND) -> None:
        self._store = store
        self._seconds = seconds
        self._command = tuple(command)
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], Pair | None] = OrderedDict()

    async def compare(self, base: FileEntry, others: Sequence[FileEntry]) -> list[Pair | None]:
        """Each of `others` beside `base`; None where the two were ranked on different test examples.

        Who waits for a place holds no thread. Files of the same sha256 have the same content, so that what is
        remembered never goes stale.

        Raises:
            NotComputed: a file is damaged, or the computation failed or took too long.
        """
        if self._missing(base, others):
            async with self._gate:
                missing = self._missing(base, others)  # somebody else may have asked for the same meanwhile
                if missing:
                    await run_in_threadpool(self._compute, base, missing)
        with self._lock:
            return [self._known[base.sha256, other.sha256] for other in others]

    def _missing(self, base: FileEntry, others: Sequence[FileEntry]) -> list[FileEntry]:
        with self._lock:
            return [other for other in others if (base.sha256, other.sha256) not in self._known]

    def _compute(self, base: FileEntry, others: Sequence[FileEntry]) -> None:
        with tempfile.TemporaryDirectory(prefix="pocketrec-compare-") as folder:
            paths = []
            for number, entry in enumerate([base, *others]):
                paths.append(Path(folder, f"{number}.npz"))
                try:
                    self._store.fetch(entry.sha256, paths[-1])
                except RegistryError as error:
                    raise NotComputed(
                        "the file of ranks of a version is missing or damaged in the blob store"
                    ) from error
            answer = self._run(paths)
        shared = {name: answer[name] for name in ("examples", "users", "samples", "seed")}
        with self._lock:
            for entry, found in zip(others, answer["others"], strict=True):
                pair = None if found is None else Pair(**shared, metrics=found["metrics"])
                self._known[base.sha256, entry.sha256] = pair
            while len(self._known) > max(REMEMBERED, len(others)):
                self._known.popitem(last=False)

    def _run(self, paths: Sequence[Path]) -> dict[str, Any]:
        try:
            done = subprocess.run(
                [*self._command, *map(str, paths)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._seconds,
                env={**os.environ, **_ONE_THREAD},
                check=True,
            )
            answer: dict[str, Any] = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            raise NotComputed(f"the comparison took longer than {self._seconds:.0f} s and was stopped") from None
        except (subprocess.CalledProcessError, ValueError) as error:
            said = getattr(error, "stderr", b"") or b""
            log.error("comparison_failed", error=repr(error)[:300], said=said[-2000:].decode("utf-8", "replace"))
            raise NotComputed("the comparison failed; the service's log says why") from None
        return answer
