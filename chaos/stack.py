"""One service for one measurement: the API, workers, their servers, all of them processes that may be killed."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil
from sqlalchemy.exc import SQLAlchemyError

from app.client import Client
from app.client.errors import ApiError, Unreachable
from app.client.models import Job
from chaos.parts import points
from chaos.servers import Postgres, Rabbit, Redis
from registry.blobs import BlobStore
from registry.broker_address import in_use
from registry.database import Database
from registry.settings import Settings

Kind = Literal["sqlite", "postgresql", "rabbitmq"]
KINDS: dict[Kind, str] = {
    "sqlite": "SQLite, embedded broker",
    "postgresql": "PostgreSQL, Redis",
    "rabbitmq": "SQLite, RabbitMQ",
}
ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 300.0
# Short, since the harness waits for them all the time. The defaults are measured by figure 5 and 17.
FAST: dict[str, object] = {
    "heartbeat_seconds": 0.5,
    "lease_seconds": 4,
    "reaper_seconds": 1,
    "republish_seconds": 2,
    "stop_seconds": 10,
    "trainer_nice": 0,
}
# For measurements in which no worker dies: a machine that is busy loses no lease of these.
CALM: dict[str, object] = {"heartbeat_seconds": 5, "lease_seconds": 60}
LOG = "user_id,item_id,timestamp\n" + "".join(
    f"u{user},i{(user + step) % 40},{1000 + step}\n" for user in range(300) for step in range(12)
)


@dataclass
class Process:
    """A process of the service, its log, what it said when it was ready, and how a worker was started."""

    process: subprocess.Popen[bytes]
    log: Path
    facts: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.alive:
            self.process.send_signal(number)

    def freeze(self) -> None:
        """Stop it, and wait until none of its threads is on its way out of the kernel any more, with a lock maybe."""
        self.signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.process.pid}/task")
        while self.alive and any(_state(task) not in "TZX" for task in tasks.iterdir()):
            time.sleep(0.005)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Wait for its end and close its pipes."""
        self.process.wait(60)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def trainers(self) -> list[psutil.Process]:
        """The trainers that it supervises."""
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.pid).children()
            return [child for child in children if "trainer" in " ".join(_command_of(child))]
        return []


class Stack:
    """The service of one kind in one folder. Use `running`."""

    def __init__(self, kind: Kind, folder: Path, closer: ExitStack, settings: dict[str, object]) -> None:
        self.kind = kind
        self.folder = folder
        self.state = Path(str(settings.pop("state_dir", folder / "state")))
        self.redis: Redis | None = None
        self.postgres: Postgres | None = None
        self.rabbit: Rabbit | None = None
        self.workers: list[Process] = []
        self.api: Process | None = None
        self._given = {**FAST, **settings, "state_dir": str(self.state)}
        if kind == "postgresql":
            self.redis = closer.enter_context(Redis())
            self.postgres = closer.enter_context(Postgres())
            self._given |= {"broker_url": self.redis.url, "database_url": self.postgres.url}
        elif kind == "rabbitmq":
            self.rabbit = closer.enter_context(Rabbit())
            self._given |= {"broker_url": self.rabbit.url}
        self.state.mkdir(exist_ok=True)
        self.settings = Settings(**self._given)  # type: ignore[arg-type]
        self.database = Database(self.settings.database_url)
        self.client: Client
        self._started = 0
        self._port = 0

    # --- processes

    def start_api(self, **more: str) -> Process:
        """Start the API; where it ran before, on the same port."""
        arguments = ["serve", "--port", str(self._port), "--json", "--api-only"]
        self.api = self._start("api", [sys.executable, "-m", "chaos.parts.api", *arguments], more)
        self._port = int(self.api.facts["url"].rpartition(":")[2])
        if not hasattr(self, "client"):
            self.client = Client(self.api.facts["url"])
        return self.api

    def start_worker(self, *, light: bool = True, work_seconds: float = 0.2, **more: str) -> Process:
        """One more worker. `light`: with the stand-in for the trainer, which works for `work_seconds`."""
        variables = {points.TRAINER: "light" if light else "", points.WORK_SECONDS: str(work_seconds), **more}
        worker = self._start("worker", [sys.executable, "-m", "chaos.parts.worker"], variables)
        worker.options = {"light": light, "work_seconds": work_seconds, **more}
        self.workers.append(worker)
        return worker

    def replace_worker(self, worker: Process) -> Process:
        """What systemd or Compose do with a worker that has ended: start another like it."""
        worker.close()
        self.workers.remove(worker)
        return self.start_worker(**worker.options)

    def wipe_broker(self) -> None:
        """The broker is killed and comes back empty."""
        if self.redis is not None:
            self.redis.kill()
            self.redis.start()
        elif self.rabbit is not None:
            self.rabbit.wipe()
        else:
            self._wipe_embedded()

    def broker_url(self) -> str:
        """Where messages go."""
        found = in_use(self.settings)
        if found is None:
            raise RuntimeError("no broker runs")
        return found

    # --- jobs

    def dataset(self, log: str = LOG) -> str:
        """The id of a dataset that is ready; some worker must be running."""
        path = self.folder / "log.csv"
        path.write_text(log)
        dataset = self.client.wait_for_dataset(self.client.upload_dataset(path).id)
        if dataset.status != "ready":
            raise RuntimeError(f"the dataset is {dataset.status}: {dataset.error}")
        return dataset.id

    def wait(self, condition: Callable[[], Any], seconds: float) -> Any:
        """The first true value of `condition()`, or its last when the time is over. Until then anything may be away."""
        deadline = time.monotonic() + seconds
        while True:
            found = None
            with suppress(Unreachable, ApiError, SQLAlchemyError):
                found = condition()
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def job(self, job_id: str) -> Job:
        """The job, asked for until the API answers."""
        found = self.wait(lambda: self.client.job(job_id), 60)
        if found is None:
            raise RuntimeError(f"the API does not tell of {job_id}")
        return found  # type: ignore[no-any-return]

    # --- the end

    def stop(self) -> list[str]:
        """Stop everything in order, and say what is left that should not be."""
        for process in [*self.workers, *filter(None, [self.api])]:
            process.signal(signal.SIGCONT)
            process.signal(signal.SIGTERM)
        found = []
        for process in [*self.workers, *filter(None, [self.api])]:
            try:
                process.process.wait(25)
            except subprocess.TimeoutExpired:
                found.append(f"process {process.pid} did not end within 25 s of SIGTERM")
                process.signal(signal.SIGKILL)
            process.close()
        self.client.transport.close()
        self.database.dispose()
        deadline = time.monotonic() + 10
        while (left := [*processes_of(self.folder), *processes_of(self.state)]) and time.monotonic() < deadline:
            time.sleep(0.1)
        found += [f"process left: {' '.join(_command_of(one))[:150]}" for one in left]
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        return found + self._left_in_the_store()

    def _left_in_the_store(self) -> list[str]:
        """Temporary files of killed publishers that no sweep would take; it does so once they are a minute old."""
        BlobStore(self.settings.blob_url).sweep(fresh_seconds=-1)
        return [f"left: {path.relative_to(self.state)}" for path in (self.state / "blobs" / "tmp").glob("*")]

    def keep_logs(self) -> None:
        """Copy the logs to CHAOS_KEEP_LOGS, if that is set."""
        if keep := os.environ.get("CHAOS_KEEP_LOGS"):
            target = Path(keep) / self.folder.name
            target.mkdir(parents=True, exist_ok=True)
            for log in self.folder.glob("*.log"):
                shutil.copy(log, target)

    def is_locked(self) -> bool:
        """Whether some process holds SQLite's lock for writing, for longer than any of ours does."""
        if self.database.dialect != "sqlite":
            return False
        try:
            with closing(sqlite3.connect(str(self.database.url.database), timeout=1, isolation_level=None)) as found:
                found.execute("BEGIN IMMEDIATE")
                found.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            return True
        return False

    def litter(self) -> list[str]:
        """Folders of attempts; look when the service is idle."""
        found = [path for path in (self.state / "attempts").glob("*") if path.is_dir()]
        return [f"left: {path.relative_to(self.state)}" for path in found]

    # --- how it is done

    def _start(self, name: str, command: list[str], more: dict[str, str]) -> Process:
        self._started += 1
        log = self.folder / f"{name}-{self._started}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment() | more,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else b""
        if not line:
            process.kill()
            process.wait()
            raise RuntimeError(f"{name} did not start: {log.read_text()[-1500:]}")
        return Process(process, log, json.loads(line))

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("POCKETREC_", "CHAOS_"))}
        given = {f"POCKETREC_{name.upper()}": str(value) for name, value in self._given.items()}
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        return {**clean, **given, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch)}

    def _wipe_embedded(self) -> None:
        import redis

        for process in processes_of(self.folder):
            if "appendonly" in " ".join(_command_of(process)) and "server_guard" not in " ".join(_command_of(process)):
                path = self.broker_url().removeprefix("redis+socket://")
                with suppress(redis.RedisError), redis.Redis(unix_socket_path=path, socket_timeout=5) as client:
                    client.flushall()
                with suppress(psutil.NoSuchProcess):
                    process.kill()


@contextmanager
def running(kind: Kind, **settings: object) -> Iterator[Stack]:
    """A stack with its API; workers, and to `stop` it, are up to the caller.

    With CHAOS_KEEP_LOGS=FOLDER the logs are copied there at the end.
    """
    with ExitStack() as closer:
        # A short path: the embedded broker's socket lies in there.
        folder = Path(closer.enter_context(tempfile.TemporaryDirectory(prefix="prc-", ignore_cleanup_errors=True)))
        stack = Stack(kind, folder, closer, settings)
        stack.start_api()
        try:
            yield stack
        except BaseException:
            stack.keep_logs()
            stack.stop()
            raise


def stop_in_order_when_told() -> None:
    """SIGTERM ends the harness as Ctrl-C does: with all that it has started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process that works for the service in `folder`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            names = [*process.cmdline(), process.environ().get("POCKETREC_STATE_DIR", "")]
            if any(str(folder) in name for name in names):
                found.append(process)
    return found


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def _state(task: Path) -> str:
    """The letter for what a thread does; X for one that is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return task.joinpath("stat").read_text().rpartition(")")[2].split()[0]
    return "X"
