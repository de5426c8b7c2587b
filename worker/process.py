"""A trainer as a child process: started fresh, listened to, stopped, and its end put into words."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from worker import exit_status, messages, priority, process_memory

log = structlog.get_logger(__name__)

MAX_LINE = 1 << 20
DRAIN_SECONDS = 5.0
POLL_SECONDS = 0.02
# Names that begin so may hold credentials of the database or the blob store; a trainer has no use for them.
PRIVATE_PREFIXES = ("POCKETREC_", "AWS_", "AZURE_", "GOOGLE_", "PG", "CELERY_")


class TrainerProcess:
    """A running trainer. It ends by itself when this object's process ends, because its standard input then closes."""

    def __init__(self, command: Sequence[str], attempt_dir: Path, nice: int = 0) -> None:
        """Start `command` with `attempt_dir` as its last argument; standard error goes to `trainer.log` in there.

        `nice` is how far it gives way to other processes, see `priority.lower`.
        """
        self.log_path = attempt_dir / "trainer.log"
        scratch = attempt_dir / "tmp"
        scratch.mkdir()
        with self.log_path.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, str(attempt_dir)],
                cwd=attempt_dir,
                # What libraries leave in TMPDIR when they are killed goes with the attempt's folder.
                env=clean_environment(os.environ) | {"TMPDIR": str(scratch)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        priority.lower(self._process.pid, nice)
        priority.offer(self._process.pid)
        self._lock = threading.Lock()  # between looking at it and reaping it: another thread may do so too
        self._messages: queue.Queue[messages.Message | None] = queue.Queue()
        read = partial(copy_context().run, self._read)  # its lines carry the attempt's fields
        self._reader = threading.Thread(target=read, name="trainer-stdout", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def next_message(self, timeout: float) -> messages.Message | None:
        """The next message, or None if none comes within `timeout` seconds. Raises EOFError after the last one."""
        try:
            message = self._messages.get(timeout=timeout)
        except queue.Empty:
            if not self._has_exited():
                return None
            self.end()
            # What it wrote before it ended is still to come. Not for ever: one that it started and that has left its
            # group could hold the pipe open.
            self._reader.join(DRAIN_SECONDS)
            message = None if self._messages.empty() else self._messages.get()
        if message is None:
            raise EOFError
        return message

    def backlog(self) -> int:
        """How many messages wait to be taken."""
        return self._messages.qsize()

    def terminate(self) -> None:
        """Ask it to checkpoint and stop."""
        with self._lock:
            if not self._has_ended():
                os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and whatever it started, if anything still runs. On a busy machine its end may take a while."""
        with self._lock:
            if self._process.returncode is None:
                # Not reaped yet, so its id, which is also its group's, can't belong to anybody else.
                with suppress(ProcessLookupError, PermissionError):  # some systems say so where all of it has ended
                    os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Kill it and whatever it started, if anything still runs, and return its exit status; negative: a signal."""
        self.kill()
        while (status := self._reaped()) is None:
            time.sleep(POLL_SECONDS)
        if self._process.stdin is not None:
            self._process.stdin.close()
        return status

    def _reaped(self) -> int | None:
        with self._lock:
            return self._process.poll()

    def wait(self, timeout: float) -> int | None:
        """Its exit status, or None if it still runs after `timeout` seconds. What it started ends with it."""
        give_up = time.monotonic() + timeout
        while not self._has_exited():
            if time.monotonic() > give_up:
                return None
            time.sleep(POLL_SECONDS)
        return self.end()

    def _has_exited(self) -> bool:
        with self._lock:
            return self._has_ended()

    def _has_ended(self) -> bool:
        """Whether it has ended by itself. It isn't reaped here, but by `end`, which needs its id for the others."""
        if self._process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):  # macOS: there, what it started may stay
            return self._process.poll() is not None
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def held_bytes(self) -> int | None:
        """Its memory, see `process_memory.held_bytes`; None where that can't be told, or once it has ended."""
        return process_memory.held_bytes(self._process.pid) if self._process.returncode is None else None

    def log_tail(self, characters: int = 2000) -> str:
        """The end of its standard error."""
        try:
            with self.log_path.open("rb") as stream:
                stream.seek(max(0, self.log_path.stat().st_size - characters))
                return stream.read().decode(errors="replace")
        except OSError as error:
            return f"({error})"

    def _read(self) -> None:
        if self._process.stdout is None:
            raise RuntimeError("the trainer was started without a pipe")
        with self._process.stdout as stream:
            while line := stream.readline(MAX_LINE):
                if message := messages.parse(line):
                    self._messages.put(message)
                elif line.strip():
                    log.warning("trainer_line_ignored", pid=self._process.pid, line=repr(line[:200]))
        self._messages.put(None)


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without credentials, and such that our packages are found from any working directory."""
    clean = {name: value for name, value in environment.items() if not name.startswith(PRIVATE_PREFIXES)}
    root = str(Path(__file__).resolve().parent.parent)
    clean["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [clean.get("PYTHONPATH")])])
    return clean


def describe_death(status: int, *, over_limit: bool = False) -> dict[str, Any]:
    """`{code, message, errors}` for a trainer that ended without a result and without an error of its own."""
    if over_limit:
        code, message = "out_of_memory", "the trainer used more memory than its limit (memory_bytes) and was killed"
    elif status == exit_status.OUT_OF_MEMORY:
        code, message = "out_of_memory", "the trainer could not get the memory it asked for"
    elif status == -signal.SIGKILL:
        code, message = "out_of_memory", "the trainer was killed (SIGKILL); most often the system ran out of memory"
    elif status < 0:
        code, message = "trainer_died", f"the trainer was ended by {_signal_name(-status)}"
    else:
        code, message = "trainer_died", f"the trainer ended with exit status {status} and without a result"
    return {"code": code, "message": message, "errors": []}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
