"""How the API process stays small: few threads, and few heaps that they share."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

import anyio.to_thread

# Requests that talk to the database or a disk at the same time; the others wait their turn. Each thread costs a
# connection with its cache and a share of a heap, and on two cores more of them only wait for each other.
THREADS = 20
_M_ARENA_MAX = -8  # <malloc.h>
_ARENAS = 2


def share_heaps() -> None:
    """Let all threads share two heaps where the C library is glibc, which would give each core eight.

    What one thread frees another can then use: the same reads cost a tenth less memory. MALLOC_ARENA_MAX in the
    environment does the same, but only from before the start of the process.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def limit_threads() -> None:
    """Bound the threads that requests run in; call it in the event loop."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
