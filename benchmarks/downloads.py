"""Downloads of published files, side by side with nginx serving the same files on the same machine.

    python benchmarks/downloads.py [--seconds 1.5]

Needs nginx on PATH (Debian: apt-get install nginx-light); without it only the service is measured. Both are asked by
the same client: plain sockets that are kept open, one and eight at a time. nginx runs with sendfile and its own
configuration; it knows nothing of verification, keys, versions or entity tags made from content.

"first" is the first download of a file by a service just started, which hashes the file before it sends a byte; "warm"
are those after it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
import serving
from rich.console import Console
from rich.table import Table

SIZES = {"400 kB": 400_000, "10 MB": 10_000_000, "200 MB": 200_000_000}
COPIES = 3  # files of each size, so that there are several first downloads
BUFFER = 1 << 20
NGINX = """
{user}
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  default_type application/octet-stream;
  access_log {folder}/access.log;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclass(frozen=True)
class Side:
    """One of the two servers: where it listens, the address of each file, and the CPU time it has used."""

    name: str
    port: int
    paths: dict[str, str]
    cpu_seconds: Callable[[], float]


@dataclass(frozen=True)
class Figure:
    """Many downloads of one size: seconds of each, all bytes, the time from first to last and the server's CPU time."""

    seconds: list[float]
    bytes: int
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        """MB (10^6 bytes) per second."""
        return self.bytes / self.wall / 1e6

    @property
    def cpu_per_download(self) -> float:
        """Seconds."""
        return self.cpu / len(self.seconds)


class Connection:
    """Downloads one file after the other over one socket, into one buffer."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._view = memoryview(bytearray(BUFFER))

    def download(self, path: str, size: int) -> float:
        """Seconds from the request to the last byte."""
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        began = time.perf_counter()
        self._socket.sendall(request)
        got = 0
        while (end := bytes(self._view[:got]).find(b"\r\n\r\n")) < 0:
            got += self._receive(got)
        head = bytes(self._view[:end]).lower()
        if not head.startswith(b"http/1.1 200 ") or f"content-length: {size}".encode() not in head:
            raise SystemExit(f"unexpected answer to {path}:\n{head.decode(errors='replace')}")
        left = size - (got - end - 4)
        while left:
            left -= self._receive(0)
        return time.perf_counter() - began

    def close(self) -> None:
        self._socket.close()

    def _receive(self, at: int) -> int:
        count = self._socket.recv_into(self._view[at:])
        if count == 0:
            raise SystemExit("the server closed the connection in the middle")
        return count


def main() -> None:
    options = _parser().parse_args()
    console = Console(width=120)
    with serving.scratch() as folder:
        sources = _write(folder / "files")
        addresses = serving.publish(folder, sources)
        with serving.running(folder) as service, _nginx(folder, sources) as nginx:
            ours = Side("pocketrec", service.port, addresses, service.cpu_seconds)
            sides = [ours] if nginx is None else [nginx, ours]
            if nginx is None:
                console.print("nginx is not on PATH: measuring the service alone")
            console.print(_first(ours))
            for readers in (1, 8):
                console.print(_warm(sides, readers, options.seconds))


def _first(side: Side) -> Table:
    table = Table("size", "ms", "MB/s", title="First download after the start: hashed, then sent (median of 3)")
    connection = Connection(side.port)
    for label, size in SIZES.items():
        seconds = median(connection.download(side.paths[f"{size}-{copy}.tflite"], size) for copy in range(COPIES))
        table.add_row(label, f"{seconds * 1000:.1f}", f"{size / seconds / 1e6:,.0f}")
    connection.close()
    return table


def _warm(sides: list[Side], readers: int, seconds: float) -> Table:
    title = f"Warm, {readers} at a time (median of 5 rounds, servers taking turns)"
    table = Table("size", "server", "MB/s", "of nginx", "ms p50", "ms p99", "CPU ms per download", title=title)
    for label, size in SIZES.items():
        rounds: dict[str, list[Figure]] = {side.name: [] for side in sides}
        for _ in range(5):
            for side in sides:
                rounds[side.name].append(measure(side, size, readers, seconds / 5))
        rates = {name: median(figure.rate for figure in figures) for name, figures in rounds.items()}
        for name, figures in rounds.items():
            every = sorted(value for figure in figures for value in figure.seconds)
            table.add_row(
                label,
                name,
                f"{rates[name]:,.0f}",
                f"{rates[name] / rates['nginx']:.0%}" if "nginx" in rates else "",
                f"{every[len(every) // 2] * 1000:.2f}",
                f"{every[min(len(every) - 1, len(every) * 99 // 100)] * 1000:.2f}",
                f"{median(figure.cpu_per_download for figure in figures) * 1000:.2f}",
            )
    return table


def measure(side: Side, size: int, readers: int, seconds: float) -> Figure:
    """Download for about `seconds`, at least twice per reader, with `readers` connections at a time."""
    path, found = side.paths[f"{size}-0.tflite"], list[float]()
    connections = [Connection(side.port) for _ in range(readers)]
    for connection in connections[:1]:
        connection.download(path, size)
    cpu, began = side.cpu_seconds(), time.perf_counter()
    deadline = began + seconds

    def read(connection: Connection) -> None:
        for number in range(1_000_000):
            if number >= 2 and time.perf_counter() > deadline:
                return
            found.append(connection.download(path, size))

    threads = [threading.Thread(target=read, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return Figure(found, len(found) * size, wall, side.cpu_seconds() - cpu)


@contextmanager
def _nginx(folder: Path, sources: dict[str, Path]) -> Iterator[Side | None]:
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        yield None
        return
    own = folder / "nginx"
    own.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Started by root it would serve as another user, who can't read a private folder.
    user = "user root;" if os.geteuid() == 0 else ""
    config = own / "nginx.conf"
    config.write_text(NGINX.format(user=user, folder=own, port=port, root=folder / "files"))
    process = subprocess.Popen(
        [program, "-p", str(own), "-c", str(config), "-g", "daemon off;"], stderr=subprocess.DEVNULL
    )
    try:
        serving.wait_for(port)
        workers = psutil.Process(process.pid).children()
        yield Side("nginx", port, {name: f"/{name}" for name in sources}, lambda: sum(map(_cpu, workers)))
    finally:
        process.terminate()
        process.wait(10)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _write(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    made = {}
    for size in SIZES.values():
        for copy in range(COPIES):
            made[f"{size}-{copy}.tflite"] = folder / f"{size}-{copy}.tflite"
            block = os.urandom(1_000_000)
            with made[f"{size}-{copy}.tflite"].open("wb") as file:
                for start in range(0, size, len(block)):
                    file.write(block[: size - start])
    return made


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.5, help="of downloading, per size, server and readers")
    return parser


if __name__ == "__main__":
    main()
