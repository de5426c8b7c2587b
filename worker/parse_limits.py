"""How much a stranger's file may cost to read, and whose fault it is that a reader was killed.

Memory is watched from outside, as resident size: a limit on the address space stops readers that map files and reserve
room they never touch (measured: a file that needs 1.1 GB resident needs 2.9 GB of addresses). A limit on data, twice as
high, is the net for what grows between two looks.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reco_core.config.estimate.machine import machine_memory
from reco_core.errors import DatasetTooLarge
from worker import exit_status

if TYPE_CHECKING:
    from registry.settings import Settings

_SLACK = 512 << 20
_LEAST_MEMORY = 4 << 30  # reads some 20 million rows of CSV
_MAX_FILE_BYTES = 9 << 30  # more than an archive may unpack to
_MAX_OPEN_FILES = 512


@dataclass(frozen=True)
class Limits:
    """What one attempt may take: resident bytes (None: any number), seconds by the clock, and of these for reading."""

    memory_bytes: int | None
    seconds: float
    parse_seconds: float = 0.0


def of(job_type: str, settings: Settings) -> Limits:
    """The limits of an attempt at a job of this type."""
    if job_type != "validate_dataset":
        return Limits(settings.memory_bytes, settings.deadline_seconds)
    memory = settings.parse_memory_bytes or max(_LEAST_MEMORY, (machine_memory() or 0) // 2)
    if settings.memory_bytes is not None:
        memory = min(memory, settings.memory_bytes)
    # `apply` counts the seconds of reading; this is for a process that doesn't get so far.
    seconds = min(settings.parse_seconds + settings.download_seconds, settings.deadline_seconds)
    return Limits(memory, seconds, settings.parse_seconds)


def order(settings: Settings) -> dict[str, Any]:
    """What `apply` is given, as JSON."""
    return {"memory_bytes": of("validate_dataset", settings).memory_bytes, "seconds": settings.parse_seconds}


def apply(limits: Mapping[str, Any]) -> None:
    """Limit this process for the rest of its life: data, time, size of files, open files; no core dumps.

    The time is an alarm that nobody handles, so it also ends a reader that never comes back from native code.
    """
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    cpu = int(used + limits["seconds"] * (os.cpu_count() or 1)) + 1
    for what, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_CPU, cpu, cpu + 5),
        (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES, _MAX_FILE_BYTES),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES, _MAX_OPEN_FILES),
        (resource.RLIMIT_DATA, 2 * limits["memory_bytes"] + _SLACK, 2 * limits["memory_bytes"] + _SLACK),
    ):
        with suppress(ValueError, OSError):  # a lower one is in force, or the system doesn't know this one
            resource.setrlimit(what, (soft, hard))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limits["seconds"])


def blame(
    job_type: str, limits: Limits, status: int, *, over_memory: bool, over_time: bool, log_tail: str
) -> dict[str, Any] | None:
    """The error of a dataset whose reader was ended by these limits; None: it ended for another reason.

    A second attempt would end the same way, so there is none.
    """
    if job_type != "validate_dataset":
        return None
    if over_time or status in (-signal.SIGALRM, -signal.SIGXCPU):
        return DatasetTooLarge(
            f"reading it took longer than this service allows ({limits.parse_seconds:g} s, POCKETREC_PARSE_SECONDS); "
            "upload a part of it, such as the last months, or raise the limit"
        ).as_dict()
    starved = status == -signal.SIGABRT and "memory allocation of" in log_tail
    if over_memory or starved or status == exit_status.OUT_OF_MEMORY:
        return DatasetTooLarge(
            f"reading it takes more memory than this service allows ({limits.memory_bytes:,} bytes, "
            "POCKETREC_PARSE_MEMORY_BYTES); upload a part of it, such as the last months, or raise the limit"
        ).as_dict()
    return None
