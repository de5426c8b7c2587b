"""Runs a broker server for exactly as long as the process at the other end of standard input lives.

Started as `python -I -S server_guard.py SPEC` with the standard library only, so that it costs a few megabytes. SPEC is
a JSON object: `argv` of the server, `scratch` (a folder to remove at the end), `log` (where the server's output goes).
The parent writes a byte once the server answers. A server that ends before that is not started again, since its parent
knows better what to do; one that ends after it is.

A pipe is watched, rather than the parent's death signal asked for, because that signal follows the thread that
started the child; here the one thread is the process, so the server itself can have it as a second safety net.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
MAX_QUICK_EXITS = 3
QUICK_SECONDS = 5.0
STOP_SECONDS = 5.0


class _StopRequested(Exception):
    """SIGTERM arrived."""


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _raise_stop(_signum: int, _frame: FrameType | None) -> None:
    raise _StopRequested


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _run(argv: list[str], log: Path) -> int:
    """Keep the server running until standard input closes. Returns 0 then, 1 if the server won't stay up."""
    quick_exits = 0
    was_ready = False
    while True:
        started = time.monotonic()
        with log.open("ab") as output:
            server = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_parent,
            )
        try:
            while server.poll() is None:
                readable, _, _ = select.select([0], [], [], 0.2)
                if readable:
                    if not os.read(0, 4096):
                        return 0
                    was_ready = True
        finally:
            if server.poll() is None:
                _stop(server)
        quick_exits = quick_exits + 1 if time.monotonic() - started < QUICK_SECONDS else 0
        if not was_ready or quick_exits >= MAX_QUICK_EXITS:
            return 1
        time.sleep(0.1)


def main() -> int:
    """Run the server that the first argument describes. Returns the exit status."""
    spec = json.loads(sys.argv[1])
    signal.signal(signal.SIGTERM, _raise_stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when we end
    try:
        return _run(spec["argv"], Path(spec["log"]))
    except _StopRequested:
        return 0
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(spec["scratch"])


if __name__ == "__main__":
    sys.exit(main())
