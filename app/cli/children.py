"""Child processes that never outlive this one.

Each child gets a pipe of ours as its standard input: the kernel closes it when this process ends, however it ends,
and the child takes that as the order to stop. Each runs in a session of its own, so that a Ctrl-C in the terminal
reaches only this process, which then stops its children in order.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import IO, Any, Self

OUTPUT_SECONDS = 5.0


class ChildEnded(Exception):
    """A child ended before it said what was expected of it."""


class Child:
    """A Python module run as a child process, its standard output read as JSON lines.

    Args:
        arguments: what follows `python`, such as `["-m", "worker"]`.
        environment: added to this process's environment.
        log: file for its standard error; None: ours.
    """

    def __init__(
        self, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None, log: Path | None = None
    ) -> None:
        self.name = " ".join(arguments[:2])
        self.log = log
        self._messages: Queue[dict[str, Any] | None] = Queue()
        with _signals_deferred(), contextlib.ExitStack() as stack:
            stderr: IO[bytes] | None = stack.enter_context(log.open("ab")) if log is not None else None
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
            _alive.add(self)
            self._reader = threading.Thread(target=self._read, name=f"read {self.name}", daemon=True)
            try:
                self._reader.start()
            except RuntimeError:  # no thread to be had: nobody would know of the child
                self.kill()
                self._forget()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def message(self, timeout: float | None = None) -> dict[str, Any] | None:
        """The next JSON object from its standard output; None once that has ended.

        Raises:
            TimeoutError: nothing came within `timeout` seconds.
        """
        try:
            message = self._messages.get(timeout=timeout)
        except Empty:
            raise TimeoutError(f"{self.name} said nothing for {timeout:.0f} s") from None
        if message is None:
            self._messages.put(None)  # the end stays the end
        return message

    def expect(self, timeout: float, event: str | None = None) -> dict[str, Any]:
        """Its next message; with `event`, its next one of this event: what it says before that is passed over.

        Raises:
            ChildEnded: it ended, or didn't say it in time; with the end of its log.
        """
        give_up = time.monotonic() + timeout
        while True:
            try:
                message = self.message(max(0.0, give_up - time.monotonic()))
            except TimeoutError:
                missing = "nothing" if event is None else f"no {event!r}"
                raise ChildEnded(f"{self.name} said {missing} for {timeout:.0f} s{self.log_tail()}") from None
            if message is None:
                status = self.process.wait()
                raise ChildEnded(f"{self.name} ended with status {status} before it was ready{self.log_tail()}")
            if event is None or message.get("event") == event:
                return message

    @property
    def running(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    def wait(self, timeout: float) -> int:
        """Its exit status once it has ended by itself; stopped after `timeout` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)
        return self.stop()

    def stop(self, grace: float = 25.0) -> int:
        """Ask it to stop, kill it after `grace` seconds; its exit status. A second call does nothing more."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                self.kill()
            except KeyboardInterrupt:
                self.kill()
                raise
        status = self._forget()
        self._reader.join(OUTPUT_SECONDS)
        return status

    def _forget(self) -> int:
        status = self.process.wait()
        _alive.discard(self)
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        return status

    def kill(self) -> None:
        """Kill it and everything in its session's process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _read(self) -> None:
        """Read to the end always, so that a child never blocks on a full pipe; lines that aren't JSON are passed on."""
        stream = self.process.stdout
        if stream is None:
            raise ChildEnded(f"{self.name} has no standard output")
        with stream:
            for line in stream:
                try:
                    message = json.loads(line)
                except ValueError:
                    message = None
                if isinstance(message, dict):
                    self._messages.put(message)
                else:
                    with contextlib.suppress(OSError):  # a full disk
                        sys.stderr.buffer.write(line)
        self._messages.put(None)

    def log_tail(self) -> str:
        """The end of its standard error, as text to add to a message; empty where that isn't kept."""
        if self.log is None or not self.log.exists():
            return ""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        return "".join(f"\n  {line}" for line in [f"the end of {self.log}:", *lines])


_alive: set[Child] = set()


def stop_all() -> None:
    """Stop the children that nobody has stopped: an interrupt may come between a child's start and its `with`."""
    for child in list(_alive):
        child.stop()


@contextlib.contextmanager
def _signals_deferred() -> Iterator[None]:
    """Deliver SIGINT, SIGTERM and SIGHUP only at the end of the block, so that no child is started and forgotten."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is interrupted by signals
        return
    arrived: list[int] = []
    names = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {name: signal.signal(name, lambda number, _frame: arrived.append(number)) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
        for number in arrived[:1]:
            signal.raise_signal(number)


def stop_on_signals() -> None:
    """Make SIGTERM and SIGHUP unwind this process as Ctrl-C does, so that `finally` and `with` stop its children."""

    def interrupt(number: int, _frame: object) -> None:
        # Once is enough: a second signal must not cut the clean-up short.
        for name in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
