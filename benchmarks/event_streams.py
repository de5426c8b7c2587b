"""How many event streams one API process holds, how late events arrive in them, and what that costs.

    python benchmarks/event_streams.py [--readers 200] [--jobs 20] [--seconds 20] [--rate 10]

Starts the service, opens the readers (spread over the jobs) and writes events into the database at a fixed rate, as
workers do, in transactions of their own. An event's lag is from the commit until a reader has the whole of it. Half of
the readers break off in the middle and open their stream again with Last-Event-ID. At the end each job gets its last
event, which ends its streams; a gap or a repeat in any of them fails the run.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass, field

import serving
from rich.console import Console
from rich.table import Table

from registry import events, jobs
from registry.database import Database
from registry.settings import Settings


@dataclass
class Written:
    """When each event of each job was committed, by (job, seq)."""

    at: dict[tuple[str, int], float] = field(default_factory=dict)


@dataclass
class Reader:
    """One client, and what it has got."""

    job_id: str
    breaks_off: bool
    got: list[tuple[int, float]] = field(default_factory=list)
    opened: int = 0
    status: int = 0

    async def follow(self, port: int, opened: asyncio.Semaphore, middle: asyncio.Event) -> None:
        """Read until the service says that there is no more (204)."""
        while self.status != 204:
            async with opened:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            last = self.got[-1][0] if self.got else 0
            writer.write(
                f"GET /v1/jobs/{self.job_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
                f"Last-Event-ID: {last}\r\nConnection: close\r\n\r\n".encode()
            )
            self.status = int((await reader.readline()).split()[1])
            self.opened += 1
            await self._read(reader, middle)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, middle: asyncio.Event) -> None:
        broke_off = self.opened > 1
        while line := await reader.readline():
            if line.startswith(b"id: "):
                self.got.append((int(line[4:]), time.perf_counter()))
            if self.breaks_off and not broke_off and middle.is_set():
                return


async def _write(
    database: Database, job_ids: list[str], written: Written, seconds: float, rate: float, middle: asyncio.Event
) -> None:
    began = time.perf_counter()
    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        job_id = job_ids[number % len(job_ids)]
        await asyncio.to_thread(_one, database, job_id, written)
        if number >= seconds * rate / 2:
            middle.set()
    for job_id in job_ids:
        await asyncio.to_thread(_last, database, job_id, written)


def _one(database: Database, job_id: str, written: Written) -> None:
    with database.write() as session:
        seq = events.append(session, job_id, "job.epoch_completed", {"epoch": 1, "metrics": {"loss": 0.5}})
    written.at[job_id, seq] = time.perf_counter()


def _last(database: Database, job_id: str, written: Written) -> None:
    with database.write() as session:
        job = jobs.request_cancel(session, job_id)
    written.at[job_id, job.last_seq] = time.perf_counter()


async def _run(service: serving.Service, database: Database, job_ids: list[str], options: argparse.Namespace) -> None:
    readers = [Reader(job_ids[number % len(job_ids)], number % 2 == 0) for number in range(options.readers)]
    written, middle, opened = Written(), asyncio.Event(), asyncio.Semaphore(20)
    idle = service.resident()
    following = [asyncio.create_task(reader.follow(service.port, opened, middle)) for reader in readers]
    while not all(reader.got for reader in readers):
        await asyncio.sleep(0.05)
    settled, cpu, began = service.resident(), service.cpu_seconds(), time.perf_counter()
    await _write(database, job_ids, written, options.seconds, options.rate, middle)
    await asyncio.wait_for(asyncio.gather(*following), 30)
    cpu, wall = service.cpu_seconds() - cpu, time.perf_counter() - began
    _check(readers, database)
    _report(readers, written, options, cpu, wall, (idle, settled, service.resident()))


def _check(readers: list[Reader], database: Database) -> None:
    with database.read() as session:
        last = events.last_seqs(session, {reader.job_id for reader in readers})
    for reader in readers:
        seqs = [seq for seq, _ in reader.got]
        if seqs != list(range(1, last[reader.job_id] + 1)):
            raise SystemExit(f"a reader of {reader.job_id} got {seqs}, not 1 to {last[reader.job_id]}")


def _report(
    readers: list[Reader],
    written: Written,
    options: argparse.Namespace,
    cpu: float,
    wall: float,
    resident: tuple[float, float, float],
) -> None:
    lags = sorted(
        at - written.at[reader.job_id, seq]
        for reader in readers
        for seq, at in reader.got
        if (reader.job_id, seq) in written.at
    )
    table = Table(title=f"{len(readers)} event streams, {options.rate:g} events per second in {options.jobs} jobs")
    table.add_column("measured")
    table.add_column("value", justify="right")
    for name, value in (
        ("events written", f"{len(written.at)}"),
        ("events delivered, none missing or repeated", f"{sum(len(reader.got) for reader in readers)}"),
        ("streams opened, those opened again included", f"{sum(reader.opened for reader in readers)}"),
        ("lag p50", f"{lags[len(lags) // 2] * 1000:.0f} ms"),
        ("lag p99", f"{lags[len(lags) * 99 // 100] * 1000:.0f} ms"),
        ("lag max", f"{lags[-1] * 1000:.0f} ms"),
        ("CPU of the API process", f"{cpu:.2f} s in {wall:.1f} s"),
        ("resident memory idle / with the streams open / at the end", " / ".join(f"{mb:.0f} MB" for mb in resident)),
    ):
        table.add_row(name, value)
    Console(width=110).print(table)


def main() -> None:
    options = _parser().parse_args()
    with serving.scratch() as folder:
        settings = Settings(state_dir=folder / "state")
        settings.state_dir.mkdir(parents=True)
        database = Database(settings.database_url)
        database.migrate()
        with database.write() as session:
            # In a queue that no worker takes jobs from.
            made = [
                jobs.create(session, type="train", dataset_id=None, config={}, queue="benchmark")
                for _ in range(options.jobs)
            ]
        try:
            with serving.running(folder) as service:
                asyncio.run(_run(service, database, [job.id for job in made], options))
        finally:
            database.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=200, help="streams held open")
    parser.add_argument("--jobs", type=int, default=20, help="that the readers are spread over")
    parser.add_argument("--seconds", type=float, default=20, help="of writing")
    parser.add_argument("--rate", type=float, default=10, help="events per second, over all jobs")
    return parser


if __name__ == "__main__":
    main()
