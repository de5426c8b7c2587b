"""A Redis and plain Celery workers with default settings, and what they have done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from celery import Celery

from chaos.servers import Redis
from chaos.stack import ROOT

WORK_SECONDS = 0.3


@dataclass
class Stock:
    """A Redis, some plain Celery workers and what they have done."""

    redis: Redis
    folder: Path
    random: random.Random
    short: bool
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    sender: Celery = field(init=False)

    def __post_init__(self) -> None:
        self.sender = Celery("sender", broker=self.redis.url, set_as_current=False)

    def start(self, **more: str) -> subprocess.Popen[bytes]:
        """A worker with default settings, two processes; returns once it takes messages."""
        command = [sys.executable, "-m", "celery", "-A", "chaos.stock.app", "worker", "-c", "2", "-l", "info"]
        log = self.folder / f"worker-{len(self.workers)}.log"
        command += ["-n", f"w{len(self.workers)}@%h"]
        with log.open("wb") as output:
            worker = subprocess.Popen(
                command, cwd=ROOT, env=self._environment() | more, stdout=output, stderr=output, start_new_session=True
            )
        self.workers.append(worker)
        self.wait(lambda: b" ready." in log.read_bytes() or worker.poll() is not None, 120)
        return worker

    def send(self, number: int, seconds: float = WORK_SECONDS, times: int = 1) -> str:
        """The message of a job, `times` times; the id of the last one."""
        return [str(self.sender.send_task("stock.work", args=(number, seconds)).id) for _ in range(times)][-1]

    def train(self, number: int, document: dict[str, Any]) -> None:
        """The message of a real training."""
        self.sender.send_task("stock.train", args=(number, document))

    def results(self) -> Counter[int]:
        """How many results each job has."""
        return Counter(int(path.name.partition(".")[0]) for path in (self.folder / "results").iterdir())

    def runs(self) -> Counter[int]:
        """How many times each job has begun."""
        path = self.folder / "runs"
        return Counter(map(int, path.read_text().split())) if path.exists() else Counter()

    def sums(self, number: int) -> list[str]:
        """The sha256 of each model that the training `number` has made."""
        return [path.read_text() for path in (self.folder / "results").glob(f"{number}.*")]

    def wait(self, condition: Callable[[], Any], seconds: float) -> Any:
        """The first true value of `condition()`, or its last when the time is over."""
        deadline = time.monotonic() + seconds
        while not (found := condition()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def once(self, numbers: Sequence[int], seconds: float) -> int:
        """How many of these jobs have exactly one result when all have one, or the time is over."""
        self.wait(lambda: all(self.results()[number] for number in numbers), seconds)
        time.sleep(1)
        return sum(self.results()[number] == 1 for number in numbers)

    def pool(self, worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """The processes in which a worker's jobs run."""
        try:
            return psutil.Process(worker.pid).children()
        except psutil.NoSuchProcess:
            return []

    def kill_all(self) -> None:
        """kill -9 of every worker, and of the pools of those that are gone."""
        for worker in self.workers:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.environ().get("STOCK_FOLDER") == str(self.folder):
                    process.kill()

    def _environment(self) -> dict[str, str]:
        mine = {"STOCK_BROKER": self.redis.url, "STOCK_FOLDER": str(self.folder), "PYTHONPATH": str(ROOT)}
        return {**os.environ, **mine, "C_FORCE_ROOT": "1"}


@contextmanager
def running(short: bool, seed: int) -> Iterator[Stock]:
    """A Redis without workers yet, and an empty folder; at the end nothing is left."""
    with tempfile.TemporaryDirectory(prefix="stock-", ignore_cleanup_errors=True) as folder, Redis() as redis:
        stock = Stock(redis, Path(folder), random.Random(seed), short)
        (stock.folder / "results").mkdir()
        try:
            yield stock
        finally:
            stock.kill_all()
            stock.sender.close()
