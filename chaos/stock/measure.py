"""The second column: plain Celery over Redis under the faults that `chaos.figures` gives our own worker.

Redis hands a message that was not acknowledged to another worker after the visibility timeout, an hour by default. So
what is not done within the time that our targets allow counts as not done.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable

from chaos.outcome import BROKE, Outcome
from chaos.parts import points
from chaos.servers import NotHere
from chaos.stock import fire, training
from chaos.stock.app import HUNGRY
from chaos.stock.service import WORK_SECONDS, Stock, running

COLUMN, CONFIGURATION = "stock celery", "redis"


def broker_wiped(stock: Stock, n: int) -> tuple[int, str]:
    """Redis is killed and comes back empty while jobs wait."""
    stock.start()
    for number in range(n):
        stock.send(number)
    wipes = 0
    deadline = time.monotonic() + 15 + n * WORK_SECONDS
    while time.monotonic() < deadline and len(stock.results()) < n:
        stock.redis.kill()
        stock.redis.start()
        wipes += 1
        time.sleep(2 if stock.short else 10)
    done = stock.once(range(n), 1)
    return done, f"{n - len(stock.results())} lost after {wipes} wipes"


def killed_after_brpop(stock: Stock, n: int) -> tuple[int, str]:
    """Its worker dies with the message in hand."""
    armed = stock.folder / "armed"
    for number in range(n):
        worker = stock.start(**{points.DIE_AFTER_BRPOP: str(armed)})
        armed.touch()
        stock.send(number)
        stock.wait(lambda worker=worker: worker.poll() is not None, 30)  # type: ignore[misc]
        stock.kill_all()
    stock.start()
    return stock.once(range(n), 20), "the others are in no queue any more"


def recovery(stock: Stock, n: int) -> tuple[int, str]:
    """kill -9 of a worker at work; another one is there."""
    seconds = 20 if stock.short else 90
    for number in range(n):
        stock.send(number, 3)
    victim = stock.start()
    stock.wait(lambda: len(stock.runs()) >= min(2, n), 30)
    at_work = [number for number in stock.runs() if not stock.results()[number]]
    os.killpg(victim.pid, signal.SIGKILL)
    stock.start()
    done = stock.once(range(n), seconds + 3 * n)
    lost = sum(not stock.results()[number] for number in at_work)
    return done, f"{lost} of {len(at_work)} at work not taken up within {seconds} s (visibility timeout 3,600 s)"


def forty_copies(stock: Stock, n: int) -> tuple[int, str]:
    """Each message comes forty times."""
    stock.start()
    for number in range(n):
        stock.send(number, 0.02, times=40)
    stock.wait(lambda: sum(stock.results().values()) >= 40 * n, 30 + 2 * n)
    return stock.once(range(n), 1), f"{sum(stock.results().values())} results of {n} jobs"


def frozen(stock: Stock, n: int) -> tuple[int, str]:
    """A worker is stopped at work, for longer than our lease; another one is idle."""
    taken_over = 0
    for number in range(n):
        worker = stock.start()
        stock.send(number, 2)
        stock.wait(lambda number=number: stock.runs()[number], 30)  # type: ignore[misc]
        os.killpg(worker.pid, signal.SIGSTOP)
        other = stock.start()
        taken_over += bool(stock.wait(lambda number=number: stock.results()[number], 10))  # type: ignore[misc]
        os.killpg(worker.pid, signal.SIGCONT)
        stock.wait(lambda number=number: stock.results()[number], 10)  # type: ignore[misc]
        for one in (worker, other):
            os.killpg(one.pid, signal.SIGKILL)
            one.wait()
    return taken_over, "the others waited until their worker came back"


def killed_before_publish(stock: Stock, n: int) -> tuple[int, str]:
    """The process that has noted the job down dies before it sends the message."""
    stock.start()
    code = "import os, pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); os.kill(os.getpid(), signal.SIGKILL)"
    for number in range(n):
        subprocess.run([sys.executable, "-S", "-c", code, str(stock.folder / f"row-{number}")], check=False)
    return stock.once(range(n), 10), "rows that no message ever told of"


def cancel(stock: Stock, n: int) -> tuple[int, str]:
    """Revoked while it waits; then the worker is started again."""
    stock.start()
    blocked = [stock.send(1000 + number, 60) for number in range(2)]
    stock.wait(lambda: len(stock.runs()) == 2, 30)
    ids = [stock.send(number, 0.1) for number in range(n)]
    time.sleep(1)
    for id_ in ids:
        stock.sender.control.revoke(id_)
    time.sleep(1)
    os.killpg(stock.workers[0].pid, signal.SIGKILL)
    del blocked
    stock.start()
    # What the killed worker had prefetched is gone for an hour, whether revoked or not; new ones show the difference.
    later = [stock.send(2000 + number, 0.1) for number in range(n)]
    for id_ in later:
        stock.sender.control.revoke(id_)
    stock.wait(lambda: False, 8)
    ran = sum(bool(stock.runs()[number]) for number in range(n)) + sum(bool(stock.runs()[2000 + i]) for i in range(n))
    return n - min(n, ran), f"{ran} of {2 * n} revoked jobs ran all the same"


def out_of_memory(stock: Stock, n: int) -> tuple[int, str]:
    """A job whose process is killed each time."""
    stock.start()
    for _ in range(n):
        stock.send(HUNGRY)
    time.sleep(20)
    for number in range(2 * n):
        stock.send(number)
    calm = stock.once(range(2 * n), 20)
    runs = stock.runs()[HUNGRY]
    return (n if runs <= 3 * n else 0), f"{runs} attempts in 20 s, without an end; {calm} of {2 * n} neighbours done"


def sigterm(stock: Stock, n: int) -> tuple[int, str]:
    """SIGTERM in the middle of a job that takes a minute."""
    good, took = 0, 0.0
    for number in range(n):
        worker = stock.start()
        stock.send(number, 60)
        stock.wait(lambda number=number: stock.runs()[number], 30)  # type: ignore[misc]
        began = time.monotonic()
        worker.terminate()
        good += stock.wait(lambda worker=worker: worker.poll() is not None, 20) is True  # type: ignore[misc]
        took = max(took, time.monotonic() - began)
        stock.kill_all()
    return good, f"still waiting for its job after {took:.0f} s"


MEASURES: dict[str, tuple[Callable[[Stock, int], tuple[int, str]], int, int]] = {
    "killed_training": (training.killed_training, 1, 20),
    "broker_wiped": (broker_wiped, 12, 1000),
    "killed_after_brpop": (killed_after_brpop, 2, 50),
    "recovery": (recovery, 4, 40),
    "forty_copies": (forty_copies, 5, 100),
    "frozen": (frozen, 2, 10),
    "killed_before_publish": (killed_before_publish, 2, 200),
    "sigterm": (sigterm, 1, 5),
    "cancel": (cancel, 1, 10),
    "out_of_memory": (out_of_memory, 1, 10),
    "fire": (fire.fire, 12, 500),
}


def count(name: str, *, short: bool) -> int:
    """N of the measure `name` in the short or the long form."""
    _, few, many = MEASURES[name]
    return few if short else many


def measured(name: str, seed: int, n: int, *, short: bool) -> Outcome:
    """Measure `name` once."""
    began = time.monotonic()
    good, told, why = 0, "", None
    try:
        with running(short, seed) as stock:
            good, told = MEASURES[name][0](stock, n)
    except NotHere as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001 - one that breaks must not take the others' figures with it
        traceback.print_exc()
        told = f"{BROKE}: {type(error).__name__}"
    took = time.monotonic() - began
    return Outcome(name, CONFIGURATION, "", n, good, told, seed, took, column=COLUMN, short=short, skipped=why)
