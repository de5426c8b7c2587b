"""Figures 2, 4, 6 and 8: what becomes of jobs whose messages are lost, or come forty times."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress

from app.client.errors import Unreachable
from chaos.figures.run import Result, Run, other_bytes, run_again, submit, unfinished, wait_for_all
from chaos.parts import points
from chaos.stack import CALM, Stack
from worker import publish
from worker.celery_app import make_app


def broker_wiped(run: Run) -> Result:
    """Figure 2: the broker is killed and comes back empty, again and again, while jobs wait."""
    every, work_seconds = (0.5, 1.0) if run.is_short else (10.0, 0.1)
    with run.service(slots=2, **CALM) as stack:
        for _ in range(2):
            stack.start_worker(work_seconds=work_seconds)
        dataset = stack.dataset()
        ids = [submit(stack, dataset, number) for number in range(run.n)]
        wipes, next_wipe = 0, time.monotonic()
        deadline = time.monotonic() + 120 + 3 * run.n
        while unfinished(stack, ids) and time.monotonic() < deadline:
            if time.monotonic() >= next_wipe:
                stack.wipe_broker()
                wipes, next_wipe = wipes + 1, time.monotonic() + every * run.random.uniform(0.7, 1.3)
            time.sleep(0.1)
        jobs = wait_for_all(stack, ids, 1)
        good = sum(job.status == "succeeded" and job.attempt == 1 for job in jobs)
        again = sum(job.attempt > 1 for job in jobs)
        found = other_bytes(jobs) + run_again(stack, jobs)
        return Result(run.n, good, f"{wipes} wipes, {again} run twice", found)


def killed_after_brpop(run: Run) -> Result:
    """Figure 4: a worker dies with a message in its hand, which no broker setting brings back."""
    with run.service() as stack:
        armed = stack.folder / "die-after-brpop"
        options = {points.DIE_AFTER_BRPOP: str(armed), "work_seconds": 0.05}
        worker = stack.start_worker(**options)  # type: ignore[arg-type]
        dataset = stack.dataset()
        ids: list[str] = []
        died = 0
        for number in range(run.n):
            armed.touch()
            job_id = submit(stack, dataset, number)
            if not stack.wait(lambda worker=worker: not worker.alive, 30):  # type: ignore[misc]
                # The watchdog was faster than the message: give it another one to die of.
                _nudge(stack, [job_id])
                stack.wait(lambda worker=worker: not worker.alive, 30)  # type: ignore[misc]
            if not worker.alive:
                died += 1
                worker = stack.replace_worker(worker)
            ids.append(job_id)
            wait_for_all(stack, [job_id], 60)
        jobs = [stack.job(job_id) for job_id in ids]
        found = other_bytes(jobs) + ([] if died == run.n else [f"only {died} workers died of their message"])
        return Result(run.n, sum(job.status == "succeeded" for job in jobs), f"{died} workers killed", found)


def forty_copies(run: Run) -> Result:
    """Figure 6: each message comes forty times, to two workers."""
    with run.service(**CALM) as stack:
        for _ in range(2):
            stack.start_worker(work_seconds=0.1)
        dataset = stack.dataset()
        ids = [submit(stack, dataset, number) for number in range(run.n)]
        copies = [job_id for job_id in ids for _ in range(40)]
        run.random.shuffle(copies)
        sent = threading.Thread(target=_nudge, args=(stack, copies))
        sent.start()
        jobs = wait_for_all(stack, ids, 120 + 3 * run.n)
        sent.join()
        versions = {(job.result.model, job.result.version) for job in jobs if job.result is not None}
        good = sum(job.status == "succeeded" and job.attempt == 1 for job in jobs)
        found = [] if len(versions) == good else [f"{len(versions)} versions of {good} jobs"]
        found += other_bytes(jobs)
        return Result(run.n, good, f"{len(copies)} messages, {len(versions)} results", found)


def killed_before_publish(run: Run) -> Result:
    """Figure 8: the API dies between the commit of a job and its message; its client asks again with the same key."""
    with run.service() as stack:
        stack.start_worker(work_seconds=0.05)
        dataset = stack.dataset()
        armed = stack.folder / "die-before-publish"
        deadly = {points.DIE_BEFORE_PUBLISH: str(armed)}
        assert stack.api is not None
        stack.api.kill()
        api = stack.start_api(**deadly)
        ids: list[str] = []
        for number in range(run.n):
            armed.touch()
            body = {"type": "train", "dataset_id": dataset, "preset": "bow", "config": {"seed": number}, "model": "m"}
            key = {"Idempotency-Key": str(uuid.UUID(int=run.random.getrandbits(128)))}
            with suppress(Unreachable):
                stack.client.transport.request("POST", "/v1/jobs", json=body, headers=key)
                run.violations.append("the API answered, and should have died")
            api.close()
            api = stack.start_api(**deadly)
            ids.append(stack.client.transport.request("POST", "/v1/jobs", json=body, headers=key).json()["id"])
        jobs = wait_for_all(stack, list(dict.fromkeys(ids)), 60 + run.n)
        with_key = len(stack.client.jobs(limit=1000))
        found = other_bytes(jobs) + ([] if with_key == run.n else [f"{with_key} jobs of {run.n} requests"])
        return Result(run.n, sum(job.status == "succeeded" for job in jobs), "each asked for twice, made once", found)


def _nudge(stack: Stack, ids: list[str]) -> None:
    app = make_app(stack.settings.model_copy(update={"broker_url": stack.broker_url()}))
    for job_id in ids:
        publish.nudge(app, [job_id], "train", wait_seconds=5)
    app.close()
