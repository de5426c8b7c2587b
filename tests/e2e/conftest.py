"""The real service as processes, a log with a planted pattern, and a way to see which processes are left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.client import Client, Dataset, Job

ROOT = Path(__file__).parents[2]
ITEMS = 40
# Short lease and heartbeat: recovery is what is tested, not how long the defaults wait.
FAST = {
    "POCKETREC_HEARTBEAT_SECONDS": "0.5",
    "POCKETREC_LEASE_SECONDS": "4",
    "POCKETREC_REAPER_SECONDS": "1",
    "POCKETREC_REPUBLISH_SECONDS": "2",
    # Tests run side by side: a trainer that gives way to all of them would be as slow as the slowest.
    "POCKETREC_TRAINER_NICE": "0",
}
SMALL = {
    "preset": "bow",
    "model": {"embedding_dim": 16},
    "training": {"max_epochs": 12, "patience": 12, "learning_rate": 0.02, "warmup_steps": 0, "batch_size": 128},
    "evaluation": {"bootstrap_samples": 100, "baselines": ["popular", "markov"]},
    "export": {"top_k": 10},
}


def environment(**more: str) -> dict[str, str]:
    """The environment of the commands: this working tree, no settings of whoever runs the tests, nor of the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("POCKETREC_", "XLA_FLAGS"))}
    return {**clean, "PYTHONPATH": str(ROOT), **FAST, **more}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "app.cli", *map(str, arguments)]


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process that works for the service or demo whose files lie in `folder`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            names = [*process.cmdline(), process.environ().get("POCKETREC_STATE_DIR", "")]
            if any(str(folder) in name for name in names):
                found.append(process)
    return found


def wait_until(condition: Callable[[], Any], seconds: float, pause: float = 0.1) -> Any:
    """The first true value of `condition`, asked again and again; `pause` leaves time to what is waited for."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {seconds} s")
        time.sleep(pause)
    return value


class Service:
    """`pocketrec serve` in a process of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.log = folder / "serve.log"
        folder.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command("serve", "--port", "0", "--state-dir", folder / "state", "--json", "--stop-with-stdin"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env=environment(**settings),
                start_new_session=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.facts: dict[str, Any] = json.loads(line)
        self.url: str = self.facts["url"]

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        return status

    def trainer(self) -> psutil.Process | None:
        """The trainer process, if one runs."""
        for process in processes_of(self.folder):
            with suppress(psutil.NoSuchProcess):
                if "worker.trainer" in process.cmdline():
                    return process
        return None

    def worker(self) -> psutil.Process | None:
        """The worker process."""
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                if "worker" in process.cmdline():
                    return process
        return None


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Service]:
    service = Service(folder, **settings)
    try:
        yield service
    finally:
        status = service.stop()
        left = processes_of(folder)
    assert (status, left) == (0, [])


@pytest.fixture(scope="session")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 users who each walk a ring of items, one after the other: what comes next is certain."""
    chance = random.Random(7)
    path = tmp_path_factory.mktemp("data") / "log.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("uid,sku,ts\n")
        for user in range(300):
            start = chance.randrange(ITEMS)
            for step in range(12):
                file.write(f"u{user},i{(start + step) % ITEMS},{1000 + step}\n")
    return path


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests but those that stop it."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client


def ready_dataset(client: Client, path: Path) -> Dataset:
    dataset = client.wait_for_dataset(client.upload_dataset(path).id)
    assert dataset.status == "ready", dataset.error
    return dataset


def finished(client: Client, job_id: str) -> Job:
    for job in client.watch_job(job_id, hold=2):
        if job.finished:
            return job
    raise AssertionError


@pytest.fixture(scope="session")
def dataset(service: Service, log_file: Path) -> Dataset:
    """The planted log, uploaded and ready."""
    with Client(service.url) as client:
        return ready_dataset(client, log_file)


@pytest.fixture(scope="session")
def trained(service: Service, dataset: Dataset) -> Job:
    """A job that succeeded."""
    with Client(service.url) as client:
        job = finished(client, client.submit_job(dataset.id, config=SMALL, model="ring").id)
    assert job.status == "succeeded", job.error
    return job


@pytest.fixture(scope="session")
def trained_again(service: Service, dataset: Dataset, trained: Job) -> Job:
    """A second job with the same config on the same dataset."""
    with Client(service.url) as client:
        job = finished(client, client.submit_job(dataset.id, config=SMALL, model="ring").id)
    assert job.status == "succeeded", job.error
    return job


@pytest.fixture(scope="session")
def helpers() -> Any:
    """What this file defines, for tests: they can't import it."""
    return sys.modules[__name__]
