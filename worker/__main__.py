"""`python -m worker`: one Celery worker with `slots` threads, the reaper, and an embedded broker if none is configured.

Standard output gets one JSON line, `ready`; the log goes to standard error. SIGTERM or SIGINT: no more claims, trainers
checkpoint at the next batch, leases are released, and the process is gone within 20 s.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import structlog
from celery.worker import WorkController, state

from registry.broker_address import without_password
from registry.settings import Settings
from worker import broker, logs, tasks
from worker.celery_app import make_app
from worker.reaper import Reaper
from worker.runtime import Runtime

log = structlog.get_logger(__name__)

EXIT_SECONDS = 19.0
PARENT_POLL_SECONDS = 0.5


def main(arguments: list[str] | None = None) -> int:
    """Run a worker until it is told to stop. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m worker", description="Runs jobs. Settings: POCKETREC_* variables.")
    parser.add_argument(
        "--die-with-parent",
        action="store_true",
        help="stop when the parent process ends; if standard input is a pipe, when that closes",
    )
    options = parser.parse_args(arguments)
    settings = Settings()
    logs.configure(settings.log_level)
    try:
        running = broker.start(settings)
    except broker.BrokerUnavailable as error:
        print(f"no broker: {error}", file=sys.stderr)
        return 1
    with running:
        return _run(settings.model_copy(update={"broker_url": running.url}), running, options.die_with_parent)


def _run(settings: Settings, running: broker.RunningBroker, die_with_parent: bool) -> int:
    app = make_app(settings)
    runtime = Runtime.open(settings, app)
    runtime.make_ready()
    tasks.register(app, runtime)
    _stop_on_signals(runtime)
    if die_with_parent:
        threading.Thread(target=_stop_with_parent, name="parent-watch", daemon=True).start()

    announced = threading.Event()

    def announce() -> None:
        if announced.is_set():  # a reconnection
            return
        announced.set()
        about = {"kind": running.kind, "url": without_password(running.url), "description": running.description}
        _say({"event": "ready", "slots": settings.slots, "broker": about, "durability": "database"})

    Reaper(runtime).start()
    log.info("worker_started", broker=running.description, slots=settings.slots, durability="database")
    worker = _Controller(
        announce,
        app=app,
        pool_cls="threads",
        concurrency=settings.slots,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    runtime.stopping.set()
    runtime.wait_until_idle(EXIT_SECONDS)
    runtime.database.dispose()
    log.info("worker_stopped", status=worker.exitcode or 0)
    return worker.exitcode or 0


class _Controller(WorkController):  # type: ignore[misc]  # Celery ships no types
    """Calls `on_ready` once it takes messages; Celery's own signal for that comes only from its command line."""

    def __init__(self, on_ready: Callable[[], None], **options: object) -> None:
        self._on_ready = on_ready
        super().__init__(**options)

    def on_consumer_ready(self, _consumer: object) -> None:
        self._on_ready()


def _stop_on_signals(runtime: Runtime) -> None:
    def stop(_signum: int, _frame: FrameType | None) -> None:
        if runtime.stopping.is_set():
            return
        runtime.stopping.set()
        state.should_stop = 0  # Celery's loop looks at this; 0 is the exit status
        threading.Thread(target=_exit_in_time, args=(runtime,), name="exit-watch", daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)


def _exit_in_time(runtime: Runtime) -> None:
    """End the process when Celery doesn't: it may sit in a wait for a broker that is away. Trainers go with us."""
    give_up = time.monotonic() + EXIT_SECONDS
    runtime.wait_until_idle(EXIT_SECONDS)
    time.sleep(min(4.0, max(0.0, give_up - time.monotonic())))
    log.warning("worker_exit_forced", active=runtime.active)
    os._exit(0 if runtime.active == 0 else 1)


def _stop_with_parent() -> None:
    parent = os.getppid()
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        while os.read(0, 4096):
            pass
    else:
        while os.getppid() == parent:
            time.sleep(PARENT_POLL_SECONDS)
    log.info("parent_ended")
    os.kill(os.getpid(), signal.SIGTERM)


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
