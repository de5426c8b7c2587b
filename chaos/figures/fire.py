"""Everything at once: a seeded schedule of faults while jobs are submitted, cancelled and tried again."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from app.client.errors import ApiError, Unreachable
from chaos.figures.run import Result, Run, model_sum, undisturbed, unfinished, wait_for_all
from chaos.parts import points
from chaos.stack import Process, Stack

SECONDS_BETWEEN = (0.3, 1.5)
HOUR = 3600.0
SEEDS = 5  # of jobs: each must give the bytes of its undisturbed run


class _Fire:
    def __init__(self, run: Run, stack: Stack) -> None:
        self._run = run
        self._stack = stack
        self._random = run.random
        self._clock_file = stack.folder / "clock"
        self._clock_file.write_text("0")
        self.clock = {points.CLOCK_FILE: str(self._clock_file)} if stack.postgres is None else {}
        self._options: dict[str, Any] = {"work_seconds": 0.6, **self.clock}
        self.done: Counter[str] = Counter()
        self._frozen: list[tuple[float, Process]] = []

    def faults(self) -> dict[str, Callable[[], object]]:
        """What may happen, by name."""
        found: dict[str, Callable[[], object]] = {
            "kill_worker": lambda: self._end_a_worker(signal.SIGKILL),
            "terminate_worker": lambda: self._end_a_worker(signal.SIGTERM),
            "kill_trainer": self._kill_a_trainer,
            "freeze_worker": self._freeze_a_worker,
            "kill_api": self._kill_the_api,
            "wipe_broker": self._stack.wipe_broker,
        }
        if self._stack.postgres is None:
            # Leases go by the clock of the machine there, which somebody may set.
            found["set_the_clock"] = self._set_the_clock
        else:
            found["restart_database"] = lambda: self._stack.postgres.restart(self._random.uniform(0, 1))  # type: ignore[union-attr]
        return found

    def strike(self) -> None:
        """One fault, drawn by the seed."""
        name = self._random.choice(sorted(self.faults()))
        self.faults()[name]()
        self.done[name] += 1

    def thaw(self, *, all_of_them: bool = False) -> None:
        """Let frozen workers go on whose time is over, and start others for those that have ended."""
        for until, worker in list(self._frozen):
            if all_of_them or time.monotonic() > until:
                worker.signal(signal.SIGCONT)
                self._frozen.remove((until, worker))
        for worker in list(self._stack.workers):
            if not worker.alive:
                self._stack.replace_worker(worker)

    def start(self, **more: Any) -> None:
        """One more worker."""
        self._stack.start_worker(**self._options, **more)

    def _awake(self) -> list[Process]:
        asleep = [worker for _, worker in self._frozen]
        return [worker for worker in self._stack.workers if worker.alive and worker not in asleep]

    def _end_a_worker(self, number: int) -> None:
        if awake := self._awake():
            self._random.choice(awake).signal(number)

    def _kill_a_trainer(self) -> None:
        trainers = [trainer for worker in self._awake() for trainer in worker.trainers()]
        if trainers:
            self._random.choice(trainers).kill()

    def _freeze_a_worker(self) -> None:
        # One stays awake, or the fire is only a pause.
        if len(awake := self._awake()) > 1:
            worker = self._random.choice(awake)
            worker.signal(signal.SIGSTOP)
            seconds = self._random.uniform(1, 8)
            self._frozen.append((time.monotonic() + seconds, worker))
            # By a thread of its own: on SQLite it may hold the write lock, and this one then waits for the API.
            threading.Timer(seconds, worker.signal, [signal.SIGCONT]).start()

    def _kill_the_api(self) -> None:
        if self._stack.api is not None:
            self._stack.api.kill()
        self._stack.start_api(**self.clock)

    def _set_the_clock(self) -> None:
        """An hour forward. Back, the jobs of dead workers would wait for an hour more; see docs/reliability.md."""
        part = self._clock_file.with_suffix(".part")
        part.write_text(str(float(self._clock_file.read_text()) + HOUR))
        part.replace(self._clock_file)


def fire(run: Run) -> Result:
    """N jobs, a quarter of them cancelled at some time, under all faults; one worker's clock is an hour off."""
    # Attempts are lost all the time: what is looked at is what becomes of the jobs, not when they are given up.
    with run.service(slots=2, max_attempts_without_progress=20) as stack:
        fire = _Fire(run, stack)
        if stack.api is not None:
            stack.api.kill()
        stack.start_api(**fire.clock)
        fire.start()
        dataset = stack.dataset()
        calm = [_post(stack, dataset, seed, f"calm-{seed}") for seed in range(min(SEEDS, run.n))]
        reference = [undisturbed(stack, job_id) for job_id in calm]
        # SQLite's leases go by the clock of the machine, which all its processes share.
        fire.start(**({points.CLOCK_SECONDS: str(HOUR)} if stack.postgres is not None else {}))
        ids: list[str] = []
        to_cancel: list[str] = []
        next_fault = time.monotonic()
        deadline = time.monotonic() + 120 + 4 * run.n
        while (len(ids) < run.n or unfinished_or_busy(stack, ids)) and time.monotonic() < deadline:
            if len(ids) < run.n:
                ids.append(_post(stack, dataset, len(ids) % SEEDS, f"fire-{len(ids)}"))
                if run.random.random() < 0.25:
                    to_cancel.append(ids[-1])
            # Also while others are still to come, or those that wait for it are done before.
            if to_cancel and (len(ids) == run.n or run.random.random() < 0.3):
                _cancel(stack, to_cancel.pop(0))
            if time.monotonic() >= next_fault:
                fire.strike()
                next_fault = time.monotonic() + run.random.uniform(*SECONDS_BETWEEN)
            fire.thaw()
            time.sleep(0.05)
        fire.thaw(all_of_them=True)
        jobs = wait_for_all(stack, ids, 60)
        ended = Counter(job.status for job in jobs)
        wrong = [
            f"{job.id} has other bytes than its undisturbed run"
            for number, job in enumerate(jobs)
            if job.status == "succeeded" and model_sum(job) != reference[number % SEEDS]
        ]
        good = sum(ended[status] for status in ("succeeded", "cancelled"))
        found = wrong + [f"{job.id} is {job.status}: {job.error}" for job in jobs if not job.finished]
        faults = sum(fire.done.values())
        told = f"{faults} faults, {sum(job.attempt for job in jobs)} attempts; {dict(ended)}"
        return Result(run.n, good, told, found + ([] if len(set(ids)) == run.n else ["one key, two jobs"]))


def unfinished_or_busy(stack: Stack, ids: list[str]) -> bool:
    """Whether any has not ended; also while the database doesn't tell."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return bool(unfinished(stack, ids))
    except SQLAlchemyError:
        return True


def _post(stack: Stack, dataset: str, seed: int, key: str) -> str:
    """Asked for again and again under the same key until it is answered."""
    body = {"type": "train", "dataset_id": dataset, "preset": "bow", "config": {"seed": seed}, "model": "fire"}

    def post() -> str:
        headers = {"Idempotency-Key": key}
        return str(stack.client.transport.request("POST", "/v1/jobs", json=body, headers=headers).json()["id"])

    found = stack.wait(post, 300)
    if found is None:
        raise RuntimeError("the API accepts nothing for five minutes")
    return str(found)


def _cancel(stack: Stack, job_id: str) -> None:
    try:
        stack.client.cancel_job(job_id)
    except (ApiError, Unreachable):
        return
