"""Jobs as most people would write them: tasks acknowledged late, given back when a worker dies, default settings.

A job leaves a line in `runs` when it begins and a file in `results` when it is done, in the folder STOCK_FOLDER.
"""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.transport.redis import Transport

from chaos.parts import points

HUNGRY = -1
EPOCHS = 4
LOG_NAME = "log.csv"

app = Celery("stock", broker=os.environ.get("STOCK_BROKER"))


@app.task(name="stock.work", acks_late=True, reject_on_worker_lost=True)  # type: ignore[untyped-decorator]
def work(number: int, seconds: float) -> None:
    """The job `number`, which takes `seconds`. HUNGRY dies as by the hand of the system when memory runs out."""
    _begun(number)
    if number == HUNGRY:
        os.kill(os.getpid(), signal.SIGKILL)
    for _ in range(EPOCHS):
        time.sleep(seconds / EPOCHS)
    _done(number)


@app.task(name="stock.train", acks_late=True, reject_on_worker_lost=True)  # type: ignore[untyped-decorator]
def train(number: int, document: dict[str, Any]) -> None:
    """The job `number`: a real training of the log, by the code that our own trainer runs."""
    _begun(number)
    from reco_core import config, datasets, pipeline

    log = datasets.load(_folder() / LOG_NAME)
    with tempfile.TemporaryDirectory(dir=_folder()) as place:
        pipeline.run(config.load(document), log, Path(place) / "bundle", work=Path(place) / "work")
        model = (Path(place) / "bundle" / "model.tflite").read_bytes()
    _done(number, hashlib.sha256(model).hexdigest())


def _folder() -> Path:
    return Path(os.environ["STOCK_FOLDER"])


def _begun(number: int) -> None:
    with (_folder() / "runs").open("a") as runs:
        runs.write(f"{number}\n")


def _done(number: int, what: str = "") -> None:
    (_folder() / "results" / f"{number}.{uuid.uuid4()}").write_text(what)


def _die_after_brpop() -> None:
    deliver = Transport._deliver

    def deadly(self: Transport, message: object, queue: str) -> None:
        points.die_if_armed(points.DIE_AFTER_BRPOP)
        deliver(self, message, queue)

    Transport._deliver = deadly


_die_after_brpop()
