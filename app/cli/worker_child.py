"""The worker of `pocketrec serve`: a child process that is replaced whenever it ends or falls silent."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from app.cli.children import Child, ChildEnded
from app.cli.errors import CommandFailed, Status
from app.cli.output import say
from registry.setting_names import variable

if TYPE_CHECKING:
    from registry.settings import Settings

START_SECONDS = 60.0
# Before a new worker is started; twice as long after each one that didn't get ready, as while the database is away.
RESTART_SECONDS = 2.0
LONGEST_RESTART_SECONDS = 60.0
# A worker says every 5 seconds that it runs.
SILENT_LOOKS = 60


class WorkerChild:
    """The worker process, started again for as long as the service runs.

    `looks` is how many seconds in a row it may say nothing.
    """

    def __init__(self, settings: Settings, looks: int = SILENT_LOOKS) -> None:
        self._looks = looks
        self._silent = 0
        self._pause = RESTART_SECONDS
        self._leaving = threading.Event()
        self._environment = _environment(settings)
        self._child = self._start()
        self._watch = threading.Thread(target=self._keep, name="keep the worker", daemon=True)

    def __enter__(self) -> WorkerChild:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
        if self._watch.is_alive():
            self._watch.join()
        self._child.stop()

    def leave(self) -> None:
        """From now on a worker that ends isn't replaced."""
        self._leaving.set()

    def ready(self) -> dict[str, Any]:
        """Wait until the worker takes jobs; what it says about its broker.

        Raises:
            CommandFailed: it ended, or wasn't ready in time.
        """
        try:
            facts = self._child.expect(START_SECONDS, "ready")  # one that takes its time says meanwhile that it lives
        except ChildEnded as error:
            raise CommandFailed(Status.UNREACHABLE, "start_failed", [f"the worker did not start: {error}"]) from None
        self._watch.start()
        broker: dict[str, Any] = facts["broker"]
        return broker

    def _start(self) -> Child:
        return Child(["-m", "worker", "--die-with-parent"], environment=self._environment)

    def _keep(self) -> None:
        """Until the service ends, whatever happens: without this thread a worker that ends would be the last one."""
        while not self._leaving.is_set():
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - the next look may fare better
                _tell(f"looking after the worker failed, trying again: {error!r}")
                self._leaving.wait(RESTART_SECONDS)

    def _look(self) -> None:
        # Looks are counted, and not time: while this process itself is stopped it can't hear anything.
        self._silent = 0 if self._spoke() else self._silent + 1
        if self._silent > self._looks and self._child.running:
            _tell(f"the worker has said nothing for {self._silent} s; killing it")
            self._child.kill()  # its trainers end with it, and its jobs go on once their leases are over
            self._child.process.wait()
        if not self._child.running:
            self._replace()

    def _replace(self) -> None:
        # The stop ends nothing any more, but closes its pipe and forgets it.
        problem = f"the worker ended with status {self._child.stop()}"
        while not self._leaving.is_set():
            pause, self._pause = self._pause, min(2 * self._pause, LONGEST_RESTART_SECONDS)
            _tell(f"{problem}; no job runs until it is started again, in {pause:g} s")
            if self._leaving.wait(pause):
                return
            try:
                self._child = self._start()
            except (OSError, RuntimeError) as error:  # no memory or no thread for it
                problem = f"the worker can't be started: {error}"
            else:
                self._silent = -int(START_SECONDS)  # it has more to do at first than to talk
                return

    def _spoke(self) -> bool:
        """Whether the worker has said something in the second that this takes at most, in which it may also end."""
        give_up = time.monotonic() + 1
        while self._child.running and not self._leaving.is_set() and time.monotonic() < give_up:
            with suppress(TimeoutError):
                message = self._child.message(0.2)
                if message is None:  # its output has ended, and so will it
                    self._leaving.wait(0.2)
                    continue
                if message.get("event") == "ready":
                    self._pause = RESTART_SECONDS
                return True
        return False


def _tell(line: str) -> None:
    """Say it if that is possible: standard error may be a file on a full disk, or a pipe that nobody reads any more."""
    with suppress(Exception, SystemExit):  # rich ends the program, in our case this thread, when a pipe is closed
        say(line, style="yellow")


def _environment(settings: Settings) -> dict[str, str]:
    """The settings as a child reads them."""
    found = {}
    for name, value in settings.model_dump(mode="json").items():
        found[variable(name)] = value if isinstance(value, str) else json.dumps(value)
    return found
