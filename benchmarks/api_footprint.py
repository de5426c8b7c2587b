"""Start time and resident memory of the API process, and proof that TensorFlow is not in it.

    python benchmarks/api_footprint.py [--upload-megabytes 1000]

First the import alone, then the service as it runs: memory after each kind of work, and the highest seen during it. The
target is at most 150 MB throughout.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import psutil
import serving
from downloads import Connection
from rich.console import Console
from rich.table import Table

TARGET_MB = 150
FILE_BYTES = 200_000_000
READERS = 200
PROGRAM = """
import sys, tempfile, time
began = time.perf_counter()
import app.main
imported = time.perf_counter() - began
from pathlib import Path
from registry.settings import Settings
with tempfile.TemporaryDirectory() as folder:
    app.main.create_app(Settings(state_dir=Path(folder)))
    print(imported, time.perf_counter() - began, 'tensorflow' in sys.modules or 'keras' in sys.modules, flush=True)
    sys.stdin.read()
"""


def main() -> None:
    options = _parser().parse_args()
    console = Console(width=110)
    console.print(_imports())
    table = Table("after", "resident MB", "highest MB during it", "seconds")
    table.title = f"The API process of the running service; target: at most {TARGET_MB} MB"
    for name, resident, highest, seconds in _run(options.upload_megabytes):
        table.add_row(name, f"{resident:.0f}", f"{highest:.0f}", f"{seconds:.1f}")
    console.print(table)


def _imports() -> Table:
    table = Table("run", "import app.main, s", "ready, s", "whole process, s", "resident MB", "TensorFlow loaded")
    for number in range(1, 4):
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            imported, ready, loaded = process.stdout.readline().split()
            whole = time.perf_counter() - began
            resident = psutil.Process(process.pid).memory_info().rss / 1e6
            process.communicate()
        table.add_row(
            str(number), f"{float(imported):.2f}", f"{float(ready):.2f}", f"{whole:.2f}", f"{resident:.0f}", loaded
        )
    return table


def _run(upload_megabytes: int) -> list[tuple[str, float, float, float]]:
    """(what was done, MB after it, highest MB during it, seconds) for each kind of work, on a fresh service."""
    with serving.scratch() as folder:
        large = folder / "large"
        with large.open("wb") as file:
            block = os.urandom(1_000_000)
            for _ in range(FILE_BYTES // len(block)):
                file.write(block)
        path = serving.publish(folder, {"large.tflite": large})["large.tflite"]
        large.unlink()
        with serving.running(folder) as service, httpx.Client(base_url=service.url) as client:
            dataset = client.get("/v1/jobs").json()["data"][-1]["dataset_id"]
            work: list[tuple[str, Callable[[], None]]] = [
                ("start", lambda: None),
                ("the first job sent to the queue", lambda: _submit(client, dataset, 1)),
                ("100 jobs made, cancelled and listed 20 times", lambda: _many_jobs(client, dataset)),
                (f"{READERS} readers at once", lambda: _readers(service.port)),
                ("an upload of 200 MB", lambda: _upload(client, 200)),
                (f"an upload of {upload_megabytes:,} MB", lambda: _upload(client, upload_megabytes)),
                ("8 downloads of 200 MB at once, twice", lambda: _downloads(service.port, path)),
                ("all of the reading again", lambda: _again(client, service.port)),
            ]
            return [(name, *_watched(service, do)) for name, do in work]


def _watched(service: serving.Service, do: Callable[[], None]) -> tuple[float, float, float]:
    highest, stop, began = [service.resident()], threading.Event(), time.perf_counter()

    def watch() -> None:
        while not stop.wait(0.02):
            highest.append(service.resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        do()
    finally:
        stop.set()
        watcher.join()
    seconds = time.perf_counter() - began
    time.sleep(0.3)
    return service.resident(), max(highest), seconds


def _submit(client: httpx.Client, dataset: str, count: int) -> None:
    for _ in range(count):
        answer = client.post("/v1/jobs", json={"dataset_id": dataset, "preset": "bow"})
        if answer.status_code != 202:
            raise SystemExit(f"a job was refused: {answer.text}")
        client.post(f"/v1/jobs/{answer.json()['id']}:cancel")


def _many_jobs(client: httpx.Client, dataset: str) -> None:
    _submit(client, dataset, 100)
    for _ in range(20):
        client.get("/v1/jobs", params={"limit": 100}).raise_for_status()


def _again(client: httpx.Client, port: int) -> None:
    for _ in range(20):
        client.get("/v1/jobs", params={"limit": 100}).raise_for_status()
    _readers(port)


def _readers(port: int) -> None:
    """Each on a connection of its own, five requests each."""
    with _connections(port) as connections:
        for _ in range(5):
            for connection in connections:
                connection.request("GET", "/v1/jobs?limit=20")
            for connection in connections:
                json.loads(connection.getresponse().read())


@contextmanager
def _connections(port: int) -> Iterator[list[http.client.HTTPConnection]]:
    opened = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(READERS)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.close()


def _upload(client: httpx.Client, megabytes: int) -> None:
    """No log at all, so that the worker's check of it is over at once."""
    block = b"\0" * 1_000_000

    def body() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="log.csv"\r\n\r\n'
        for _ in range(megabytes):
            yield block
        yield b"\r\n--b--\r\n"

    form = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post("/v1/datasets", content=body(), headers=form, timeout=120)
    if answer.status_code not in (202, 422):
        raise SystemExit(f"the upload was refused: {answer.status_code} {answer.text}")


def _downloads(port: int, path: str) -> None:
    def twice() -> None:
        connection = Connection(port)
        for _ in range(2):
            connection.download(path, FILE_BYTES)
        connection.close()

    threads = [threading.Thread(target=twice) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upload-megabytes", type=int, default=1000, help="size of the largest upload")
    return parser


if __name__ == "__main__":
    main()
