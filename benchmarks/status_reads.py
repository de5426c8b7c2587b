"""How long the API takes to answer while two real jobs train on the same machine.

    python benchmarks/status_reads.py [--seconds 45] [--rate 40]

Starts the service with two slots, uploads a log with a planted pattern, starts two trainings and, once both are in the
phase `train`, asks for the state of a job in the ways that clients do, one request after the other at a fixed rate.
Times are from before the request is written until the whole answer is read; a request that was due while the one before
was still under way starts late, and its time counts from when it was due.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import serving
from rich.console import Console
from rich.table import Table

from app.client import Client

USERS, ITEMS, EVENTS = 6000, 2000, 60
# Long enough to train for the whole measurement on any machine; they are cancelled at the end.
CONFIG = {
    "training": {"max_epochs": 1000, "patience": 1000, "batch_size": 256},
    "evaluation": {"bootstrap_samples": 100, "baselines": ["popular"]},
}
PRESETS = ("bow", "rnn")
MAX_WAIT_SECONDS = 90.0


@dataclass
class Kind:
    """One kind of request, and what it took: seconds each."""

    name: str
    path: str
    conditional: bool = False
    etag: str | None = None
    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


def main() -> None:
    options = _parser().parse_args()
    console = Console(width=110)
    with serving.scratch() as folder:
        log = _write_log(folder / "log.csv")
        with serving.running(folder, POCKETREC_SLOTS="2") as service:
            jobs = _start(service.url, log, console)
            idle_cpu = service.cpu_seconds()
            kinds = _kinds(jobs)
            began = time.perf_counter()
            count = _poll(service.port, kinds, options.seconds, options.rate)
            wall, cpu = time.perf_counter() - began, service.cpu_seconds() - idle_cpu
            phases = _cancel(service.url, jobs)
            console.print(_table(kinds, options.rate))
            console.print(
                f"{count} requests in {wall:.0f} s; both jobs in phase {' and '.join(phases)} at the end; "
                f"API: {cpu / count * 1000:.1f} ms CPU per request, {service.resident():.0f} MB resident"
            )


def _start(url: str, log: Path, console: Console) -> list[str]:
    """Two jobs that train: their ids."""
    with Client(url) as client:
        dataset = client.upload_dataset(log)
        dataset = client.wait_for_dataset(dataset.id)
        ids = []
        for preset in PRESETS:
            job = client.submit_job(dataset.id, preset=preset, config=CONFIG, model=f"bench-{preset}")
            ids.append(job.id)
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        while not all(client.job(job_id).phase == "train" for job_id in ids):
            if time.monotonic() > deadline:
                raise SystemExit("the jobs did not begin to train in time")
            time.sleep(0.2)
    console.print(f"two jobs train ({', '.join(PRESETS)})")
    return ids


def _kinds(jobs: list[str]) -> list[Kind]:
    first, second = jobs
    return [
        Kind("GET /v1/jobs/{id}", f"/v1/jobs/{first}"),
        Kind("GET /v1/jobs/{id}, If-None-Match", f"/v1/jobs/{second}", conditional=True),
        Kind("GET /v1/jobs", "/v1/jobs"),
        Kind("GET /v1/jobs/{id}/metrics", f"/v1/jobs/{first}/metrics"),
        Kind("GET /healthz", "/healthz"),
    ]


def _poll(port: int, kinds: list[Kind], seconds: float, rate: float) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    began, number = time.perf_counter(), 0
    while (due := number / rate) < seconds:
        time.sleep(max(0.0, began + due - time.perf_counter()))
        kind = kinds[number % len(kinds)]
        headers = {"If-None-Match": kind.etag} if kind.conditional and kind.etag else {}
        connection.request("GET", kind.path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        kind.seconds.append(time.perf_counter() - began - due)
        kind.statuses[answer.status] = kind.statuses.get(answer.status, 0) + 1
        kind.etag = answer.headers["ETag"]
        number += 1
    connection.close()
    return number


def _table(kinds: list[Kind], rate: float) -> Table:
    title = f"Milliseconds, {rate:g} requests per second while two jobs train"
    table = Table("request", "n", "p50", "p90", "p99", "max", "statuses", title=title)
    every = Kind("all", "", seconds=[value for kind in kinds for value in kind.seconds])
    for kind in kinds:
        for status, count in kind.statuses.items():
            every.statuses[status] = every.statuses.get(status, 0) + count
    for kind in [*kinds, every]:
        ordered = sorted(kind.seconds)
        shown = [f"{_percentile(ordered, share) * 1000:.1f}" for share in (0.5, 0.9, 0.99, 1.0)]
        table.add_row(kind.name, str(len(ordered)), *shown, json.dumps(kind.statuses)[1:-1].replace('"', ""))
    return table


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _cancel(url: str, jobs: list[str]) -> list[str]:
    """The phases that the jobs were in; they end with the service."""
    with Client(url) as client:
        phases = [str(client.job(job_id).phase) for job_id in jobs]
        for job_id in jobs:
            client.cancel_job(job_id)
        return phases


def _write_log(path: Path) -> Path:
    """Users who walk through the items, mostly from one to the next."""
    chance = random.Random(7)
    with path.open("w", encoding="utf-8") as file:
        file.write("user,item,timestamp\n")
        for user in range(USERS):
            item = chance.randrange(ITEMS)
            for step in range(EVENTS):
                file.write(f"u{user},i{item},{1_600_000_000 + user + step * 60}\n")
                item = (item + 1) % ITEMS if chance.random() < 0.8 else chance.randrange(ITEMS)
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=45, help="of asking")
    parser.add_argument("--rate", type=float, default=40, help="requests per second")
    return parser


if __name__ == "__main__":
    main()
