"""A job as most people would write it: one task, acknowledged late, given back when its worker dies, default settings.

It leaves a line in `runs` when it begins and a file in `results` when it is done, in the folder STOCK_FOLDER.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from pathlib import Path

from celery import Celery
from kombu.transport.redis import Transport

from chaos.parts import points

HUNGRY = -1
EPOCHS = 4

app = Celery("stock", broker=os.environ.get("STOCK_BROKER"))


@app.task(name="stock.work", acks_late=True, reject_on_worker_lost=True)  # type: ignore[untyped-decorator]
def work(number: int, seconds: float) -> None:
    """The job `number`, which takes `seconds`. HUNGRY dies as by the hand of the system when memory runs out."""
    folder = Path(os.environ["STOCK_FOLDER"])
    with (folder / "runs").open("a") as runs:
        runs.write(f"{number}\n")
    if number == HUNGRY:
        os.kill(os.getpid(), signal.SIGKILL)
    for _ in range(EPOCHS):
        time.sleep(seconds / EPOCHS)
    (folder / "results" / f"{number}.{uuid.uuid4()}").touch()


def _die_after_brpop() -> None:
    deliver = Transport._deliver

    def deadly(self: Transport, message: object, queue: str) -> None:
        points.die_if_armed(points.DIE_AFTER_BRPOP)
        deliver(self, message, queue)

    Transport._deliver = deadly


_die_after_brpop()
