"""How much memory a process holds that the system can't take back from it."""

from __future__ import annotations

import os
import re
from pathlib import Path

PROC = Path("/proc")
_HELD = re.compile(rb"^(RssAnon|RssShmem|VmSwap):\s+(\d+) kB$", re.MULTILINE)


def held_bytes(pid: int) -> int | None:
    """Anonymous and shared memory of the process `pid`, in place or swapped out; None where the system doesn't tell.

    Pages of mapped files are left out: the system drops them when it needs room, so a process that reads much doesn't
    take more than it has asked for. Where they can't be told apart, all that is resident counts.
    """
    try:
        # As bytes: the process's name is in there too.
        found = dict(_HELD.findall((PROC / str(pid) / "status").read_bytes()))
        if b"RssAnon" in found:
            return 1024 * sum(map(int, found.values()))
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return None
