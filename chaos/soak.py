"""`make soak`: a thousand small jobs through two workers, and what the processes hold meanwhile.

    make soak ARGS="--jobs 1000 --on postgresql --plot soak.svg"

Resident memory, open files, threads, zombies and disk are read every second. What must be flat is judged by the slope
of a straight line through its second half, for each thousand jobs: in the first, caches fill and the heap settles.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_args

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from chaos.figures.run import Result, Run, submit, unfinished
from chaos.stack import CALM, Kind, Process, Stack, running, stop_in_order_when_told

WAITING = 20  # jobs in the queue, so that the table doesn't hold all of them from the beginning
BOUNDS: dict[str, float] = {"worker_mb": 10.0, "api_mb": 15.0, "worker_files": 3.0, "api_files": 5.0, "threads": 3.0}
"""How much each may grow over a thousand jobs."""
ENOUGH = 300  # of fewer jobs the slope says nothing
CURVES = {
    "worker_mb": "resident memory of the larger worker, MB",
    "api_mb": "resident memory of the API, MB",
    "worker_files": "open files of the larger worker",
    "api_files": "open files of the API",
    "threads": "threads of the larger worker",
    "zombies": "zombies",
    "attempts_kb": "disk of attempts at work, KB",
    "disk_kb_per_job": "disk beside it for each job done, KB",
}
WIDTH, ROW, LEFT = 800, 80, 60


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment. Megabytes are resident; `worker_*` and `threads` are of the larger worker."""

    seconds: float
    jobs: int
    worker_mb: float
    api_mb: float
    worker_files: int
    api_files: int
    threads: int
    zombies: int
    attempts_kb: float
    disk_kb_per_job: float


def main() -> int:
    """Run the jobs. Returns 1 if something is not flat."""
    parser = argparse.ArgumentParser(prog="python -m chaos.soak")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--on", choices=get_args(Kind), default="sqlite")
    parser.add_argument("--plot", type=Path, help="write the curves there as SVG")
    parser.add_argument("--work-seconds", type=float, default=0.1)
    options = parser.parse_args()
    console = Console(width=150)
    samples, left, bad = _soak(options.on, options.jobs, options.work_seconds)
    console.print(_table(samples))
    console.print(f"in the second half, for each 1,000 jobs: {_told(samples)}")
    found = verdict(samples, left)
    console.print(f"jobs that did not succeed: {bad}; violations: {'; '.join(found) or 'none'}")
    if options.plot is not None:
        options.plot.write_text(plot(samples), encoding="utf-8")
    return 1 if found or bad else 0


def soaked(run: Run) -> Result:
    """The same as one of the figures; the plot lies beside the table."""
    samples, left, bad = _soak(run.kind, run.n, 0.1)
    if run.pictures is not None:
        run.pictures.joinpath(f"soak-{run.kind}.svg").write_text(plot(samples), encoding="utf-8")
    return Result(run.n, run.n - bad, f"for each 1,000 jobs: {_told(samples)}", verdict(samples, left))


def verdict(samples: Sequence[Sample], left: Sequence[str]) -> list[str]:
    """What is not flat, and what was left."""
    found = [*left, *([f"{samples[-1].zombies} zombies at the end"] if samples[-1].zombies else [])]
    if samples[-1].jobs < ENOUGH:
        return found
    # A shorter run may grow by as much as one of a thousand jobs: a thread that starts late, a block of the heap.
    share = min(1.0, samples[-1].jobs / 1000)
    steep = {name: slope for name, slope in slopes(samples).items() if slope * share > BOUNDS[name]}
    return found + [f"{name} grows by {slope:.1f}, bound {BOUNDS[name]:g}" for name, slope in steep.items()]


def _told(samples: Sequence[Sample]) -> str:
    zombies = max(sample.zombies for sample in samples)
    return ", ".join(
        [*(f"{name} {slope:+.1f}" for name, slope in slopes(samples).items()), f"zombies at most {zombies}"]
    )


def slopes(samples: Sequence[Sample]) -> dict[str, float]:
    """Growth of each bounded quantity for 1,000 jobs: of a line through the second half of the samples."""
    half = [sample for sample in samples if sample.jobs >= samples[-1].jobs / 2]
    jobs = np.array([sample.jobs for sample in half], float)
    if len(half) < 2 or np.ptp(jobs) == 0:
        return dict.fromkeys(BOUNDS, 0.0)
    return {
        name: float(np.polyfit(jobs, [float(getattr(sample, name)) for sample in half], 1)[0]) * 1000 for name in BOUNDS
    }


def plot(samples: Sequence[Sample]) -> str:
    """The curves as SVG, one below the other, each from zero to its own maximum, over the number of jobs done."""
    most_jobs = max(1, samples[-1].jobs)
    panels = [_panel(row, *item, samples, most_jobs) for row, item in enumerate(CURVES.items())]
    bottom = len(CURVES) * ROW + 30
    end = f'<text x="{WIDTH}" y="{bottom}" text-anchor="end">{most_jobs} jobs</text>'
    axis = f'<text x="{LEFT}" y="{bottom}">0</text>{end}'
    style = "font-family:sans-serif;font-size:12px;background:#fff"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 20} {bottom + 15}" style="{style}">'
    return "".join([head, *panels, axis, "</svg>\n"])


def _panel(row: int, name: str, label: str, samples: Sequence[Sample], most_jobs: int) -> str:
    values = [float(getattr(sample, name)) for sample in samples]
    top, floor = 20 + row * ROW, (row + 1) * ROW
    highest = max(values) or 1.0
    points = " ".join(
        f"{LEFT + sample.jobs / most_jobs * (WIDTH - LEFT):.1f},{floor - value / highest * (floor - top):.1f}"
        for sample, value in zip(samples, values, strict=True)
    )
    return (
        f'<path d="M{LEFT} {top}V{floor}H{WIDTH}" fill="none" stroke="#888"/>'
        f'<polyline fill="none" stroke="#1f77b4" stroke-width="1.5" points="{points}"/>'
        f'<text x="{LEFT - 6}" y="{top + 8}" text-anchor="end">{max(values):.0f}</text>'
        f'<text x="{LEFT - 6}" y="{floor}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{top - 5}">{label}, at the end {values[-1]:.0f}</text>'
    )


def _soak(kind: Kind, count: int, work_seconds: float) -> tuple[list[Sample], list[str], int]:
    samples: list[Sample] = []
    with running(kind, **CALM) as stack:
        for _ in range(2):
            stack.start_worker(work_seconds=work_seconds)
        dataset = stack.dataset()
        base, began = _disk_kb(stack.state), time.monotonic()
        ids: list[str] = []
        waiting: list[str] = []
        while len(ids) < count or waiting:
            while len(ids) < count and len(waiting) < WAITING:
                # Two kinds of content, so that the blobs of most jobs are there already.
                ids.append(submit(stack, dataset, len(ids) % 7))
                waiting.append(ids[-1])
            waiting = unfinished(stack, waiting)
            samples.append(_sample(stack, time.monotonic() - began, len(ids) - len(waiting), base))
            time.sleep(1.0)
        done = sum(stack.job(job_id).status == "succeeded" for job_id in ids)
        stack.wait(lambda: not stack.litter(), 15)
        left = stack.litter() + stack.stop()
        stack.keep_logs()
    return samples, left, count - done


def _sample(stack: Stack, seconds: float, jobs: int, base_kb: float) -> Sample:
    assert stack.api is not None
    workers = [_of(worker) for worker in stack.workers]
    api = _of(stack.api)
    zombies = 0
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            parents = {worker.pid for worker in stack.workers} | {stack.api.pid}
            zombies += process.status() == psutil.STATUS_ZOMBIE and process.ppid() in parents
    attempts = _disk_kb(stack.state / "attempts")
    return Sample(
        seconds=seconds,
        jobs=jobs,
        worker_mb=max(worker[0] for worker in workers),
        api_mb=api[0],
        worker_files=max(worker[1] for worker in workers),
        api_files=api[1],
        threads=max(worker[2] for worker in workers),
        zombies=zombies,
        attempts_kb=attempts,
        disk_kb_per_job=(_disk_kb(stack.state) - attempts - base_kb) / max(1, jobs),
    )


def _of(process: Process) -> tuple[float, int, int]:
    """Resident megabytes, open files and threads."""
    found = psutil.Process(process.pid)
    return found.memory_info().rss / (1 << 20), found.num_fds(), found.num_threads()


def _disk_kb(folder: Path) -> float:
    """What lies there now; what goes away meanwhile, folders too, doesn't count."""
    total = 0
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with suppress(OSError):
                total += Path(place, name).lstat().st_blocks * 512
    return total / 1024


def _table(samples: Sequence[Sample]) -> Table:
    table = Table(*(field.name for field in fields(Sample)), title="Two workers, one job after the other")
    for index in np.linspace(0, len(samples) - 1, min(15, len(samples))).astype(int):
        sample = samples[int(index)]
        table.add_row(*(f"{getattr(sample, field.name):.0f}" for field in fields(Sample)))
    return table


if __name__ == "__main__":
    stop_in_order_when_told()
    sys.exit(main())
