"""Figure 10: a disk that fills up at each write of a real job, and gets space again."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from app.client.errors import ApiError, Unreachable
from app.client.models import Job
from chaos.figures.run import Result, Run, model_sum, undisturbed, unfinished, wait_for_all
from chaos.figures.training import BRIEF, train
from chaos.servers import NotHere
from chaos.stack import Stack

DISK_BYTES = 128 << 20
TYPED = "insufficient_storage"


def disk_full(run: Run) -> Result:
    """The free space is so small that some write of the job fails: each time another one, of a job not seen before.

    With space again it must come to the bytes of a job of the same seed that nothing happens to.
    """
    good, ended = 0, {"typed error": 0, "waited": 0, "had enough": 0, "refused": 0}
    with _small_disk() as disk, run.service(state_dir=str(disk), min_free_bytes=0) as stack:
        stack.start_worker(light=False)
        dataset = stack.dataset()
        # The first one leaves things behind that later ones use again: examples, SQLite's log of full size.
        undisturbed(stack, train(stack, dataset, BRIEF, run.n + 1))
        began = time.monotonic()
        with _Highest(disk) as used:
            undisturbed(stack, train(stack, dataset, BRIEF, 0))
        lasts = time.monotonic() - began
        needs = used.most - used.first
        for number in range(run.n):
            # Over all that a job writes, with some luck, and more often little than much: a later one needs less, since
            # it uses again what SQLite's log has taken of the disk.
            free = int(needs * ((number + run.random.random()) / run.n) ** 2)
            queue = partial(train, stack, dataset, BRIEF, number + 1)
            how, job = _starved(run, stack, disk, free, queue, lasts)
            ended[how] += 1
            if (found := model_sum(job)) == (calm := undisturbed(stack, queue())):
                good += 1
            else:
                run.violations.append(f"{free} bytes free: {job.id} ended as {found}, not {calm}")
    told = ", ".join(f"{count} {how}" for how, count in ended.items() if count)
    never = [] if ended["had enough"] < run.n else ["the disk was never full"]
    return Result(run.n, good, f"{told} (a job writes {needs >> 10:,} KiB); then the same bytes", never)


def _starved(run: Run, stack: Stack, disk: Path, free: int, queue: Callable[[], str], lasts: float) -> tuple[str, Job]:
    """A job that is left `free` bytes of the disk, from the start or some moment on: what it did, and its end.

    It ends with enough.
    """
    job_id = ""
    if run.random.random() < 0.5:
        job_id = queue()
        time.sleep(run.random.uniform(0, lasts))
    with _ballast(disk, free):
        try:
            job_id = job_id or queue()
        except (ApiError, Unreachable) as error:
            if getattr(error, "code", TYPED) != TYPED:
                run.violations.append(f"{free} bytes free: the API said {error}")
        else:
            stack.wait(lambda: not unfinished(stack, [job_id]), 20 + 2 * lasts)
        stuck = bool(job_id) and bool(unfinished(stack, [job_id]))
    if not job_id:
        return "refused", wait_for_all(stack, [queue()], 60 + 4 * lasts)[0]
    job = wait_for_all(stack, [job_id], 60 + 4 * lasts)[0]
    if job.status != "failed":
        return "waited" if stuck else "had enough", job
    reason = job.error or {}
    if reason.get("code") != TYPED:
        run.violations.append(f"{free} bytes free: failed as {reason}")
    return "typed error", wait_for_all(stack, [stack.client.retry_job(job_id).id], 60 + 4 * lasts)[0]


class _Highest(threading.Thread):
    """How many bytes of the disk were in use at first, and at the most."""

    def __init__(self, disk: Path) -> None:
        super().__init__(daemon=True)
        self._disk = disk
        self._over = threading.Event()
        self.first = self.most = shutil.disk_usage(disk).used

    def __enter__(self) -> _Highest:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(0.01):
            self.most = max(self.most, shutil.disk_usage(self._disk).used)


@contextmanager
def _small_disk() -> Iterator[Path]:
    """A file system of its own, in memory. Raises NotHere where it can't be mounted."""
    disk = Path(f"/tmp/prc-disk-{os.getpid()}")
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "pocketrec-chaos", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotHere(f"a small disk can't be mounted here: {done.stderr.strip()[:200]}")
        try:
            yield disk
        finally:
            for _ in range(50):
                if subprocess.run(["umount", str(disk)], capture_output=True, check=False).returncode == 0:
                    break
                time.sleep(0.2)
    finally:
        disk.rmdir()


@contextmanager
def _ballast(disk: Path, free: int) -> Iterator[None]:
    """Leave only `free` bytes of the disk."""
    path = disk / "ballast"
    try:
        with path.open("wb") as file:
            for _ in range(100):
                if (size := shutil.disk_usage(disk).free - free) <= 0:
                    break
                with suppress(OSError):  # the job has taken some of it meanwhile
                    os.posix_fallocate(file.fileno(), 0, size)
                    break
        yield
    finally:
        path.unlink()
