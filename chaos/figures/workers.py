"""Figures 3, 5, 7, 17 and 18: workers that die, freeze or are starved, and a database that goes away."""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime

from chaos.figures.run import (
    Result,
    Run,
    model_sum,
    other_bytes,
    percentiles,
    submit,
    undisturbed,
    unfinished,
    wait_for_all,
)
from chaos.parts import trainer
from chaos.stack import CALM
from registry import jobs as registry_jobs

FOR_EVER = 3600.0
DEFAULTS = {"heartbeat_seconds": 10, "lease_seconds": 60, "reaper_seconds": 30, "republish_seconds": 30}


def database_restarted(run: Run) -> Result:
    """Figure 3: PostgreSQL crashes every 5 to 20 s and is down for up to 5 s."""
    with run.service(slots=2, **CALM) as stack:
        assert stack.postgres is not None
        for _ in range(2):
            stack.start_worker(work_seconds=0.05)
        dataset = stack.dataset()
        over = threading.Event()
        restarts = 0

        def restart() -> None:
            nonlocal restarts
            pause = (1.0, 3.0) if run.is_short else (5.0, 20.0)
            while not over.wait(run.random.uniform(*pause)):
                stack.postgres.restart(run.random.uniform(0, 1 if run.is_short else 5))  # type: ignore[union-attr]
                restarts += 1

        thread = threading.Thread(target=restart)
        thread.start()
        try:
            ids: list[str] = []
            while len(ids) < run.n:
                number = len(ids)
                key = {"Idempotency-Key": f"{run.seed}-{number}"}
                body = {
                    "type": "train",
                    "dataset_id": dataset,
                    "preset": "bow",
                    "config": {"seed": number},
                    "model": "m",
                }

                def post(body: object = body, key: dict[str, str] = key) -> str:
                    answer = stack.client.transport.request("POST", "/v1/jobs", json=body, headers=key)
                    return str(answer.json()["id"])

                ids.append(stack.wait(post, 60) or f"never accepted: {number}")
            stack.wait(lambda: not unfinished(stack, ids), 120 + 3 * run.n)
        finally:
            over.set()
            thread.join()
        jobs = wait_for_all(stack, ids, 180)  # a lease that an outage has cost runs for a minute
        found = [f"{job.id} is {job.status}: {job.error}" for job in jobs if job.status != "succeeded"]
        found += other_bytes(jobs) + ([] if len(set(ids)) == run.n else ["one key, two jobs"])
        return Result(run.n, sum(job.status == "succeeded" for job in jobs), f"{restarts} restarts", found)


def recovery(run: Run, **settings: object) -> Result:
    """Figure 5: how long until somebody else works on the jobs of a worker that was killed."""
    per_kill = min(run.n, 4 if run.is_short else 8)
    limit = 10.0 if not settings else 90.0
    seconds: list[float] = []
    with run.service(slots=per_kill, **settings) as stack:
        stack.start_worker(work_seconds=FOR_EVER)
        dataset = stack.dataset()
        while len(seconds) < run.n:
            victim = stack.workers[0]
            ids = [submit(stack, dataset, number) for number in range(per_kill)]
            stack.wait(lambda ids=ids: all(_attempt(stack, id_) == 1 for id_ in ids), 120)  # type: ignore[misc]
            stack.start_worker(work_seconds=FOR_EVER)
            time.sleep(run.random.uniform(0, stack.settings.heartbeat_seconds))
            killed_at = datetime.now(UTC)
            victim.kill()
            stack.workers.remove(victim)
            stack.wait(lambda ids=ids: all(_attempt(stack, id_) == 2 for id_ in ids), limit + 60)  # type: ignore[misc]
            with stack.database.read() as session:
                tries = [registry_jobs.list_attempts(session, id_) for id_ in ids]
            seconds += [
                (found[1].started_at - killed_at).total_seconds() if len(found) > 1 else limit + 60 for found in tries
            ]
            for id_ in ids:
                stack.client.cancel_job(id_)
            wait_for_all(stack, ids, 60)  # the heir is the next victim
    within = sum(value <= limit for value in seconds)
    return Result(len(seconds), within, percentiles(seconds))


def recovery_with_defaults(run: Run) -> Result:
    """Figure 5 with a lease of a minute."""
    return recovery(run, **DEFAULTS)


def frozen_past_the_lease(run: Run) -> Result:
    """Figure 7: a worker is stopped past its lease and goes on when another has its job.

    One that is caught in the milliseconds in which it holds SQLite's only lock for writing keeps everybody from
    everything; it is let go, and stopped again a moment later.
    """
    good = holders = 0
    with run.service(lease_seconds=2, heartbeat_seconds=0.4) as stack:
        calm = stack.start_worker(work_seconds=0.6)
        dataset = stack.dataset()
        reference = undisturbed(stack, submit(stack, dataset, 7))
        calm.process.terminate()
        calm.close()
        stack.workers.clear()
        for _ in range(run.n):
            frozen = stack.start_worker(work_seconds=0.6)
            job_id = submit(stack, dataset, 7)
            stack.wait(lambda job_id=job_id: _attempt(stack, job_id) == 1, 30)  # type: ignore[misc]
            time.sleep(run.random.uniform(0, 0.5))
            frozen.freeze()
            while stack.is_locked():
                holders += 1
                frozen.signal(signal.SIGCONT)
                time.sleep(0.05)
                frozen.freeze()
            other = stack.start_worker(work_seconds=0.6)
            if run.random.random() < 0.5:
                wait_for_all(stack, [job_id], 60)
            else:  # it comes back while the other one is at work
                stack.wait(lambda job_id=job_id: _attempt(stack, job_id) == 2, 30)  # type: ignore[misc]
            frozen.signal(signal.SIGCONT)
            job = wait_for_all(stack, [job_id], 60)[0]
            time.sleep(0.5)  # for a stale write that might still come; the reader would see it
            good += model_sum(job) == reference
            for worker in (frozen, other):
                worker.signal(signal.SIGTERM)
                worker.close()
            stack.workers.clear()
        stack.start_worker()  # sweeps what the frozen ones left
        let_go = f"; {holders} held the database's lock and were let go" if holders else ""
        return Result(run.n, good, "" if run.violations else f"stale writes: none{let_go}")


def cancel(run: Run) -> Result:
    """Figure 17: with the default heartbeat; queued ones while no worker runs, and one whose worker is killed."""
    waits: dict[str, list[float]] = {"running": [], "queued": []}
    good = 0
    short = {"heartbeat_seconds": 2, "lease_seconds": 6} if run.is_short else DEFAULTS
    with run.service(**short) as stack:
        worker = stack.start_worker(work_seconds=120)
        dataset = stack.dataset()
        for _ in range(run.n):
            job_id, waiting = submit(stack, dataset, 1), submit(stack, dataset, 2)
            stack.wait(lambda job_id=job_id: stack.client.job(job_id).phase == "train", 60)  # type: ignore[misc]
            time.sleep(run.random.uniform(0, 1))
            began = time.monotonic()
            status = stack.client.cancel_job(waiting).status
            waits["queued"].append(time.monotonic() - began)
            began = time.monotonic()
            stack.client.cancel_job(job_id)
            job = wait_for_all(stack, [job_id], 60)[0]
            waits["running"].append(time.monotonic() - began)
            good += status == "cancelled" and job.status == "cancelled"
            good -= waits["running"][-1] > 15 or waits["queued"][-1] > 1
        job_id = submit(stack, dataset, 3)
        stack.wait(lambda: stack.client.job(job_id).phase == "train", 60)
        stack.client.cancel_job(job_id)
        worker.kill()
        stack.workers.clear()
        stack.start_worker()
        survived = wait_for_all(stack, [job_id], 120)[0]
        found = [] if survived.status == "cancelled" else [f"cancelled, worker killed: the job is {survived.status}"]
    told = f"running: max {max(waits['running']):.1f} s; queued: max {max(waits['queued']):.2f} s; outlives its worker"
    return Result(run.n, good, told, found)


def out_of_memory(run: Run) -> Result:
    """Figure 18: jobs that always take more memory than they may, among others that don't."""
    with run.service(slots=2, memory_bytes=300 << 20, max_job_memory_bytes=8 << 30, **CALM) as stack:
        stack.start_worker(work_seconds=0.5)
        dataset = stack.dataset()
        hungry = [submit(stack, dataset, trainer.HUNGRY) for _ in range(run.n)]
        others = [submit(stack, dataset, number) for number in range(2 * run.n)]
        ended = wait_for_all(stack, hungry, 60 + 60 * run.n)
        neighbours = wait_for_all(stack, others, 60)
        good = sum(
            job.status == "failed" and job.attempt == 3 and (job.error or {})["code"] == "worker_lost" for job in ended
        )
        calm = sum(job.status == "succeeded" and job.attempt == 1 for job in neighbours)
        found = [] if calm == len(others) else [f"{calm} of {len(others)} neighbours were left alone"]
        return Result(run.n, good, f"3 attempts each; {calm} of {len(others)} neighbours unaffected", found)


def _attempt(stack: object, job_id: str) -> int:
    from chaos.stack import Stack

    assert isinstance(stack, Stack)
    return stack.client.job(job_id).attempt
