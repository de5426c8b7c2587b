"""Real trainings in plain Celery, killed as `chaos.figures.training` kills ours."""

from __future__ import annotations

import os
import signal
import time

from chaos.figures.training import BRIEF, SMALL
from chaos.stack import LOG
from chaos.stock.app import LOG_NAME
from chaos.stock.service import Stock

PATIENCE_SECONDS = 600.0


def killed_training(stock: Stock, n: int) -> tuple[int, str]:
    """kill -9 of the process that trains, or of the worker, at a random moment of it."""
    (stock.folder / LOG_NAME).write_text(LOG)
    document = {**(BRIEF if stock.short else SMALL), "preset": "bow", "seed": 1}
    worker = stock.start()
    # The first two bring TensorFlow into both processes of the pool.
    for number in (-2, -3):
        stock.train(number, document)
    if not stock.wait(lambda: stock.sums(-2) and stock.sums(-3), PATIENCE_SECONDS):
        raise RuntimeError("plain Celery does not train")
    began = time.monotonic()
    stock.train(-4, document)
    stock.wait(lambda: stock.sums(-4), PATIENCE_SECONDS)
    lasts = time.monotonic() - began
    reference = stock.sums(-4)
    killed = {"process": 0, "worker": 0}
    for number in range(n):
        stock.train(number, document)
        stock.wait(lambda number=number: stock.runs()[number], 60)  # type: ignore[misc]
        time.sleep(stock.random.uniform(0, 0.9 * lasts))
        what = stock.random.choice(sorted(killed))
        killed[what] += 1
        if what == "worker":
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
            worker = stock.start()
        else:
            for process in stock.pool(worker):
                process.kill()
        # As long as ours may take; what a dead worker held waits for an hour.
        patience = 60 + 6 * lasts if what == "process" else 0
        stock.wait(lambda number=number: stock.sums(number), patience)  # type: ignore[misc]
    good = sum(stock.sums(number) == reference for number in range(n))
    again = sum(stock.runs()[number] > 1 for number in range(n))
    told = ", ".join(f"{what} {count}" for what, count in killed.items())
    return good, f"killed: {told}; {again} began again from the start, the others wait for an hour"
