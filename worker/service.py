"""One worker process: Celery's loop with a thread for each slot, the reaper, and an embedded broker if none is set."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

import structlog
from celery.worker import WorkController, state
from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError
from registry.settings import Settings
from registry.urls import without_password
from worker import alive, broker, logs, tasks
from worker.celery_app import make_app
from worker.housekeeping import Housekeeper
from worker.reaper import Reaper
from worker.runtime import Runtime
from worker.slots import capacities

log = structlog.get_logger(__name__)

EXIT_SECONDS = 19.0
PARENT_POLL_SECONDS = 0.5
BROKER_SECONDS = 10.0  # after which a worker is ready without its broker
PULSE_SECONDS = 5.0
# A pass waits for the database, for half a minute at most on SQLite; on PostgreSQL for as long as the network lets it.
STUCK_SECONDS = 600.0


def run(settings: Settings, *, die_with_parent: bool = False) -> int:
    """Run a worker until it is told to stop. Returns the exit status."""
    logs.configure(settings.log_level, settings.log_format)
    try:
        running = broker.start(settings)
    except broker.BrokerUnavailable as error:
        return _refuse(f"no broker: {error}")
    with running:
        return _run(settings.model_copy(update={"broker_url": running.url}), running, die_with_parent)


def _run(settings: Settings, running: broker.RunningBroker, die_with_parent: bool) -> int:
    app = make_app(settings)
    runtime = Runtime.open(settings, app)
    _stop_on_signals(runtime)
    if die_with_parent:
        threading.Thread(target=_stop_with_parent, name="parent-watch", daemon=True).start()
        threading.Thread(target=_pulse, args=(runtime,), name="pulse", daemon=True).start()
    try:
        if not runtime.make_ready():
            return 0
    except RegistryError as error:
        return _refuse(error.message)
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        return _refuse(f"the database {runtime.database.shown}: {reason}")
    tasks.register(app, runtime)
    slots = capacities(settings)
    announced = threading.Lock()

    def announce(*, without_broker: bool = False) -> None:
        if not announced.acquire(blocking=False):  # a reconnection
            return
        description = running.description + (", which does not answer yet" if without_broker else "")
        about = {"kind": running.kind, "url": without_password(running.url), "description": description}
        _say({"event": "ready", "slots": slots, "broker": about, "durability": "database"})

    alive.sweep(settings)
    Reaper(runtime).start()
    Housekeeper(runtime).start()
    # The reaper finds waiting jobs by itself, so a broker that is away keeps nobody waiting.
    patience = threading.Timer(BROKER_SECONDS, partial(announce, without_broker=True))
    patience.daemon = True
    patience.start()
    log.info("worker_started", broker=running.description, slots=slots, durability="database")
    worker = _Controller(
        announce,
        app=app,
        pool_cls="threads",
        concurrency=sum(slots.values()),
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    patience.cancel()
    runtime.stopping.set()
    runtime.wait_until_idle(EXIT_SECONDS)
    alive.forget(settings)
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


def _pulse(runtime: Runtime) -> None:
    """Tell the parent that this process runs; it kills one that says nothing for long.

    A process that is frozen, or in which native code holds the interpreter, says nothing by itself. One whose reaper
    hangs would take up no lost job any more, so it falls silent too.
    """
    while not runtime.stopping.wait(PULSE_SECONDS):
        if time.monotonic() - runtime.came_round < STUCK_SECONDS:
            _say({"event": "alive"})


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
