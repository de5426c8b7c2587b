"""What every measurement has in common: how much, with which luck, on which servers, and who looks on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.client.models import Job
from chaos.outcome import Outcome
from chaos.parts import trainer
from chaos.reader import Reader
from chaos.stack import Kind, Stack, running

PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True)
class Figure:
    """A measurement: its number in the table, the target, N in the short and the long form, where it makes sense."""

    name: str
    number: str
    target: str
    short: int
    long: int
    kinds: tuple[Kind, ...]
    measure: Callable[[Run], Result]


@dataclass
class Result:
    """What a measurement found: `good` of `n`, what was measured, and what should not have been."""

    n: int
    good: int
    measured: str = ""
    violations: list[str] = field(default_factory=list)


@dataclass
class Run:
    """One measurement that is under way."""

    kind: Kind
    n: int
    seed: int
    is_short: bool
    random: random.Random
    pictures: Path | None = None
    violations: list[str] = field(default_factory=list)

    @contextmanager
    def service(self, **settings: object) -> Iterator[Stack]:
        """A stack under the eyes of a reader; at the end everything is stopped, and nothing may be left."""
        with running(self.kind, **settings) as stack:
            with Reader(stack) as reader:
                yield stack
                self.violations += reader.finish()
            stack.wait(lambda: not stack.litter(), 15)
            self.violations += stack.litter() + stack.stop()
            stack.keep_logs()


def measure(figure: Figure, kind: Kind, seed: int, n: int, *, short: bool, pictures: Path | None = None) -> Outcome:
    """Measure `figure` once. What it draws goes into the folder `pictures`."""
    run = Run(kind, n, seed, short, random.Random(f"{seed}/{figure.name}/{kind}"), pictures)
    began = time.monotonic()
    result = figure.measure(run)
    return Outcome(
        figure.name,
        kind,
        f"{figure.number}: {figure.target}",
        result.n,
        result.good,
        result.measured,
        seed,
        time.monotonic() - began,
        tuple(run.violations + result.violations),
        short=short,
    )


def submit(stack: Stack, dataset: str, number: int, model: str = "chaos") -> str:
    """Queue a training whose bytes depend on `number` alone; its id."""
    return stack.client.submit_job(dataset, preset="bow", config={"seed": number}, model=model).id


def unfinished(stack: Stack, ids: Mapping[str, object] | list[str]) -> list[str]:
    """Those that have not ended, read from the database, which answers while the API is down."""
    from sqlalchemy import select

    from registry import tables

    with stack.database.read() as session:
        found = select(tables.jobs.c.id).where(tables.jobs.c.status.in_(("queued", "running")))
        alive = set(session.execute(found).scalars())
    return [job_id for job_id in ids if job_id in alive]


def wait_for_all(stack: Stack, ids: Mapping[str, object] | list[str], seconds: float) -> list[Job]:
    """The jobs once all have ended, or the time is over."""
    stack.wait(lambda: not unfinished(stack, ids), seconds)
    return [stack.job(job_id) for job_id in ids]


def undisturbed(stack: Stack, job_id: str) -> str:
    """The sha256 of the model of a job that nothing happens to, however slow the machine is.

    Raises RuntimeError if it does not succeed: what is compared with it would say nothing.
    """
    job = wait_for_all(stack, [job_id], PATIENCE_SECONDS)[0]
    if job.status != "succeeded":
        raise RuntimeError(f"the undisturbed run {job_id} is {job.status} after {PATIENCE_SECONDS:.0f} s: {job.error}")
    return model_sum(job)


def model_sum(job: Job) -> str:
    """The sha256 of its model.tflite, or how it ended instead."""
    if job.result is None:
        return f"{job.status}: {job.error}"
    return next(artifact.sha256 for artifact in job.result.artifacts if artifact.path == "model.tflite")


def other_bytes(jobs: list[Job], first_seed: int = 0) -> list[str]:
    """Those of jobs of the stand-in that succeeded with other bytes than a run that nothing happens to.

    Job `number` of the list has the seed `first_seed + number`.
    """
    return [
        f"{job.id} has other bytes than its undisturbed run"
        for number, job in enumerate(jobs)
        if job.status == "succeeded" and model_sum(job) != trainer.model_sum(first_seed + number)
    ]


def run_again(stack: Stack, jobs: list[Job]) -> list[str]:
    """What became of each attempt of jobs that took more than one."""
    found = []
    for job in jobs:
        if job.attempt > 1:
            ends = [f"{one.outcome} {(one.error or {}).get('detail', '')}" for one in stack.client.attempts(job.id)]
            found.append(f"{job.id} took {job.attempt} attempts: {'; '.join(end.strip() for end in ends)}")
    return found


def percentiles(seconds: list[float]) -> str:
    """`p50 1.2 s, p99 3.4 s, max 3.5 s`."""
    ordered = sorted(seconds)
    if not ordered:
        return "nothing measured"
    at = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99)]
    return f"p50 {at[0]:.2f} s, p99 {at[1]:.2f} s, max {ordered[-1]:.2f} s"
