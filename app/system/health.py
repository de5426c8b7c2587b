"""Is the process alive, and can it do its work? What is wrong is said with its remedy."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.dependencies import Services
from reco_core.durations import duration
from registry import backlog, duties, queues
from registry.backlog import LiveJobs
from registry.database import now

CHECK_SECONDS = 5.0
UNTAKEN_SECONDS = 90.0
"""A job that waits so long while its queue runs none: the reapers of live workers would have seen it by then."""
LATE_SECONDS = 15.0
"""By how much a worker on a slow machine may be late with a look."""


@dataclass(frozen=True)
class Check:
    """What one part answered. One that isn't `required` is a warning: the service does its work all the same."""

    name: str
    ok: bool
    required: bool
    detail: str
    remedy: str | None
    milliseconds: float


class Fault(Exception):
    """A probe's finding, in words of ours."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.detail, self.remedy = detail, remedy


@dataclass(frozen=True)
class _Probe:
    """`ask` returns what is to be said of a sound part, and raises otherwise; `remedy` is for what it didn't expect."""

    ask: Callable[[], str]
    remedy: str
    required: bool = True


def run_checks(services: Services) -> list[Check]:
    """Ask all parts at the same time, for at most `CHECK_SECONDS`."""
    probes = _probes(services)
    # Not as a context manager: its end would wait for a probe that hangs.
    pool = ThreadPoolExecutor(len(probes), "readiness")
    started = time.perf_counter()
    try:
        running = {name: pool.submit(_timed, probe.ask) for name, probe in probes.items()}
        found = []
        for name, future in running.items():
            probe = probes[name]
            try:
                answer = future.result(max(0.0, CHECK_SECONDS - (time.perf_counter() - started)))
            except Late:
                text = f"no answer within {duration(CHECK_SECONDS)}"
                answer = _Answer(False, text, probe.remedy, CHECK_SECONDS)
            remedy = None if answer.ok else answer.remedy or probe.remedy
            found.append(Check(name, answer.ok, probe.required, answer.detail, remedy, round(answer.seconds * 1000, 1)))
        return found
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class _Answer:
    ok: bool
    detail: str
    remedy: str | None
    seconds: float


def _timed(ask: Callable[[], str]) -> _Answer:
    started = time.perf_counter()
    remedy = None
    try:
        ok, detail = True, ask()
    except Fault as fault:
        ok, detail, remedy = False, fault.detail, fault.remedy
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        ok, detail = False, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'failed'}"
    return _Answer(ok, detail, remedy, time.perf_counter() - started)


def _probes(services: Services) -> Mapping[str, _Probe]:
    def database() -> str:
        services.database.ping()
        return "answers"

    def blob_store() -> str:
        services.blobs.probe()
        return "takes files"

    found = {
        "database": _Probe(
            database, "Start the database, or correct POCKETREC_DATABASE_URL; then nothing else is needed."
        ),
        "migrations": _Probe(lambda: _migrations(services), "See the check of the database first."),
        "blob_store": _Probe(
            blob_store,
            "Let this process write there, free some space, or correct POCKETREC_BLOB_URL and its credentials.",
        ),
    }
    broker = getattr(services.nudge, "check", None)
    if broker is not None:

        def ask_broker() -> str:
            broker()
            return "answers"

        found["broker"] = _Probe(
            ask_broker,
            "Start the broker, or correct POCKETREC_BROKER_URL. No job is lost meanwhile: workers look for those that "
            "wait by themselves too.",
        )
    found["disk"] = _Probe(lambda: _disk(services), "Free some space.", required=False)
    found["workers"] = _Probe(lambda: _workers(services), "See the check of the database first.", required=False)
    return found


def _migrations(services: Services) -> str:
    has, expected, known = services.database.schema_revision()
    if has == expected:
        return f"the schema is at {expected}"
    if has is not None and not known:
        raise Fault(
            f"the schema is at {has}, which this version doesn't know; it knows {expected}",
            "A newer PocketRec has changed the database: update this process to that version.",
        )
    raise Fault(
        f"the schema is at {has or 'no revision'}; this version needs {expected}",
        "Restart this process: the API and the workers bring the schema up to date when they start.",
    )


def _disk(services: Services) -> str:
    settings = services.settings
    free = min(_free_bytes(settings.state_dir), *([] if (kept := services.blobs.free_bytes()) is None else [kept]))
    text = f"{free / 1e9:.1f} GB free"
    if free < settings.min_free_bytes:
        raise Fault(
            f"{text}, less than the {settings.min_free_bytes / 1e9:.1f} GB of POCKETREC_MIN_FREE_BYTES",
            f"Free some space on the disk of {settings.state_dir}, or uploads and results will be refused with 507.",
        )
    return text


def _workers(services: Services) -> str:
    try:
        with services.database.read() as session:
            live = backlog.live(session)
            patience = max(UNTAKEN_SECONDS, 2 * services.settings.reaper_seconds + LATE_SECONDS)
            silent = [
                f"queue {queue}" for queue in queues.ALL if not _is_looked_through(session, queue, live, patience)
            ]
    except SQLAlchemyError as error:
        raise Fault("can't be told without the database", "See the check of the database first.") from error
    untaken = [problem for queue in sorted({jobs.queue for jobs in live}) if (problem := _untaken(queue, live))]
    if untaken:
        raise Fault(
            "; ".join(untaken),
            "Start a worker that takes these queues (`pocketrec serve`, or `python -m worker` with POCKETREC_QUEUES). "
            "If one runs, its log says why it takes none.",
        )
    if silent:
        raise Fault(
            f"no worker has looked through {' or '.join(silent)} for {duration(patience)} or more",
            "Start a worker (`pocketrec serve`, or `python -m worker`); jobs wait until one runs. One that has just "
            "begun is seen within seconds.",
        )
    waiting = sum(jobs.count for jobs in live if jobs.waiting)
    running = sum(jobs.count for jobs in live) - waiting
    return f"{running} jobs run, {waiting} wait"


def _untaken(queue: str, live: list[LiveJobs]) -> str | None:
    mine = [jobs for jobs in live if jobs.queue == queue]
    waiting = [jobs for jobs in mine if jobs.waiting]
    oldest = max((jobs.oldest_seconds for jobs in waiting), default=0.0)
    if oldest < UNTAKEN_SECONDS or any(not jobs.waiting for jobs in mine):
        return None
    count = sum(jobs.count for jobs in waiting)
    return f"queue {queue}: {count} wait, the first for {duration(oldest)}, and no worker has taken any"


def _is_looked_through(session: Session, queue: str, live: list[LiveJobs], patience: float) -> bool:
    """Whether a worker that takes jobs from the queue has shown life lately: by a look, or a job that it holds."""
    if any(jobs.queue == queue and not jobs.waiting for jobs in live):
        return True
    looked_at = duties.done_at(session, duties.look_through(queue))
    return looked_at is not None and (now(session) - looked_at).total_seconds() <= patience


def _free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
