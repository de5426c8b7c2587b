"""Figures 1, 9 and 12, on real trainings: killed, stopped, and the API beside them."""

from __future__ import annotations

import http.client
import signal
import time
from typing import Any

from app.client.models import Progress
from chaos.figures.run import Result, Run, model_sum, undisturbed, unfinished, wait_for_all
from chaos.stack import Stack
from registry import checkpoints

# Tiny: TensorFlow's start is most of what a job takes. A checkpoint at every epoch.
SMALL: dict[str, Any] = {
    "model": {"embedding_dim": 16},
    "training": {"max_epochs": 60, "patience": 60, "batch_size": 16, "checkpoint_seconds": 0},
    "evaluation": {"bootstrap_samples": 100, "baselines": ["popular"]},
    "export": {"variants": ["float16"], "top_k": 10},
}
# Where the length of the training doesn't matter.
BRIEF: dict[str, Any] = {**SMALL, "training": {**SMALL["training"], "max_epochs": 8}}
MIDDLE: dict[str, Any] = {**SMALL, "training": {**SMALL["training"], "max_epochs": 30}}
EXIT_SECONDS = 20.0


def killed_training(run: Run) -> Result:
    """Figure 1: kill -9 of the trainer, the worker, or the API and the worker, at a random moment of a real job."""
    good, killed = 0, {"trainer": 0, "worker": 0, "everything": 0}
    config = BRIEF if run.is_short else SMALL
    with run.service() as stack:
        worker = stack.start_worker(light=False)
        dataset = stack.dataset()
        began = time.monotonic()
        reference = undisturbed(stack, train(stack, dataset, config))
        lasts = time.monotonic() - began
        for _ in range(4 * run.n):
            if sum(killed.values()) == run.n:
                break
            job_id = train(stack, dataset, config)
            time.sleep(run.random.uniform(0, lasts))
            what = run.random.choice(sorted(killed))
            # One that was faster than the first counts for nothing.
            if is_hit := bool(unfinished(stack, [job_id])):
                killed[what] += 1
                if what == "trainer":
                    for trainer in worker.trainers():
                        trainer.kill()
                else:
                    worker.kill()
                    if what == "everything" and stack.api is not None:
                        stack.api.kill()
                        stack.start_api()
                    worker = stack.replace_worker(worker)
            found = model_sum(wait_for_all(stack, [job_id], 60 + 6 * lasts)[0])
            if found != reference:
                run.violations.append(f"{job_id} ended as {found[:200]}, undisturbed as {reference}")
            elif is_hit:
                good += 1
    told = ", ".join(f"{what} {count}" for what, count in killed.items())
    return Result(run.n, good, f"same bytes; killed: {told}")


def sigterm(run: Run) -> Result:
    """Figure 9: SIGTERM in the middle of an epoch: gone in time, no batch lost, and the same bytes in the end."""
    good, slowest, caught, most_repeated = 0, 0.0, 0, 0
    config = MIDDLE if run.is_short else SMALL
    with run.service(stop_seconds=14) as stack:
        worker = stack.start_worker(light=False)
        dataset = stack.dataset()
        began = time.monotonic()
        reference = undisturbed(stack, train(stack, dataset, config))
        lasts = time.monotonic() - began
        for _ in range(run.n):
            job_id = train(stack, dataset, config)
            seen = stack.wait(lambda job_id=job_id: _progress(stack, job_id), 600)  # type: ignore[misc]
            if seen is None:
                run.violations.append(f"{job_id} was not caught in its training")
                continue
            time.sleep(run.random.uniform(0, 1))
            seen = _progress(stack, job_id) or seen
            began = time.monotonic()
            worker.signal(signal.SIGTERM)
            worker.process.wait(60)
            took = time.monotonic() - began
            kept = _kept_steps(stack, job_id, seen.total // int(config["training"]["max_epochs"]))
            was_at_it = bool(unfinished(stack, [job_id]))
            worker = stack.replace_worker(worker)
            same = model_sum(wait_for_all(stack, [job_id], 60 + 6 * lasts)[0]) == reference
            # What it had told of before the signal; by the signal it may have been further.
            repeated = max(0, seen.done - kept) if was_at_it else 0
            caught += was_at_it
            slowest, most_repeated = max(slowest, took), max(most_repeated, repeated)
            good += same and took <= EXIT_SECONDS and repeated <= 1
    told = f"{caught} caught at it, exit within {slowest:.1f} s, at most {most_repeated} batches repeated, same bytes"
    return Result(run.n, good, told)


def latency(run: Run) -> Result:
    """Figure 12: how long the API takes to answer while two jobs train on the same machine."""
    slow = {**SMALL, "training": {**SMALL["training"], "max_epochs": 1000, "patience": 1000}}
    seconds: list[float] = []
    errors = 0
    with run.service(slots=2, heartbeat_seconds=10, lease_seconds=60, trainer_nice=10) as stack:
        stack.start_worker(light=False)
        dataset = stack.dataset()
        ids = [train(stack, dataset, slow) for _ in range(2)]
        stack.wait(lambda: all(stack.client.job(job_id).phase == "train" for job_id in ids), 180)
        assert stack.api is not None
        port = int(stack.api.facts["url"].rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for number in range(run.n):
            began = time.perf_counter()
            connection.request("GET", ("/v1/jobs", f"/v1/jobs/{ids[0]}", "/healthz")[number % 3])
            answer = connection.getresponse()
            answer.read()
            seconds.append(time.perf_counter() - began)
            errors += answer.status != 200
            time.sleep(0.03)
        connection.close()
        for job_id in ids:
            stack.client.cancel_job(job_id)
        wait_for_all(stack, ids, 60)
    ordered = sorted(seconds)
    p50, p99 = ordered[len(ordered) // 2] * 1000, ordered[int(0.99 * len(ordered))] * 1000
    found = [] if p50 <= 20 and p99 <= 150 else [f"p50 {p50:.0f} ms, p99 {p99:.0f} ms"]
    return Result(run.n, run.n - errors, f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", found)


def train(stack: Stack, dataset: str, config: dict[str, Any] = SMALL, seed: int = 1) -> str:
    """Queue a real training; its id."""
    return stack.client.submit_job(dataset, preset="bow", config={**config, "seed": seed}, model="chaos").id


def _progress(stack: Stack, job_id: str) -> Progress | None:
    """What the trainer has told of its batches; None before the first."""
    progress = stack.client.job(job_id).progress
    return progress if progress is not None and progress.unit == "steps" and progress.done else None


def _kept_steps(stack: Stack, job_id: str, per_epoch: int) -> int:
    """How many batches the newest checkpoint holds."""
    with stack.database.read() as session:
        checkpoint = checkpoints.latest_checkpoint(session, job_id)
    return 0 if checkpoint is None else checkpoint.epoch * per_epoch + checkpoint.step
