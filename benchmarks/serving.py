"""The real service as processes for a benchmark, and the files it publishes; nothing is left afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from registry import datasets, jobs, leases, models
from registry.blobs import BlobStore
from registry.database import Database
from registry.records import FileEntry
from registry.settings import Settings

MODEL = "films"


class Service:
    """`pocketrec serve` on a free port of this machine, with its state in `folder`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("POCKETREC_")}
        command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", "--json", "--stop-with-stdin"]
        self.log = folder / "serve.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--state-dir", str(folder / "state")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**clean, **settings},
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the service did not start:\n{self.log.read_text()[-3000:]}")
        self.url: str = json.loads(line)["url"]
        self.port = int(self.url.rpartition(":")[2])
        self.api = psutil.Process(self._process.pid)

    def resident(self) -> float:
        """Resident memory of the API process, in MB (10^6 bytes)."""
        return self.api.memory_info().rss / 1e6

    def cpu_seconds(self) -> float:
        """CPU time of the API process so far."""
        times = self.api.cpu_times()
        return times.user + times.system

    def stop(self) -> None:
        """Stop it and everything that it started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            assert self._process.stdout is not None
            self._process.stdout.close()


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Service]:
    """A service that is stopped at the end of the block."""
    service = Service(folder, **settings)
    try:
        yield service
    finally:
        service.stop()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="pocketrec-bench-") as name:
        yield Path(name)


def publish(folder: Path, files: Mapping[str, Path]) -> dict[str, str]:
    """Publish `files` as version 1 of a model, as a worker does, before the service starts: the address of each."""
    settings = Settings(state_dir=folder / "state")
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    database, blobs = Database(settings.database_url), BlobStore(settings.blob_url)
    database.migrate()
    upload = folder / "upload.csv"
    upload.write_text("user,item,ts\n1,2,3\n")
    stored = [(name, blobs.put_file(path)) for name, path in files.items()]
    with database.write() as session:
        source = blobs.put_file(upload)
        dataset = datasets.create(
            session,
            name="log",
            spec={"format": "csv"},
            source={"filename": "upload.csv"},
            upload=[FileEntry("upload.csv", source.bytes, source.sha256)],
        )
        claim = leases.claim(session, job_id=dataset.validation_job_id, worker="benchmark", lease_seconds=60)
        assert claim is not None
        datasets.mark_ready(session, claim, report={}, content_hash="c" * 64, files=[])
        jobs.succeed(session, claim, {"dataset_id": dataset.id})
        job = jobs.create(session, type="train", dataset_id=dataset.id, config={}, model=MODEL)
        claim = leases.claim(session, job_id=job.id, worker="benchmark", lease_seconds=60)
        assert claim is not None
        entries = [FileEntry(name, blob.bytes, blob.sha256) for name, blob in stored]
        version = models.publish_version(session, claim, model=MODEL, files=entries, metrics={}, manifest={})
        jobs.succeed(session, claim, models.result_of(version))
    database.dispose()
    return {name: f"/v1/models/{MODEL}/versions/1/files/{name}" for name in files}


def wait_for(port: int, seconds: float = 10.0) -> None:
    """Until something listens on the port of this machine."""
    import socket

    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
