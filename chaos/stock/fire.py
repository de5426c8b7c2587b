"""Everything at once for plain Celery: the schedule of `chaos.figures.fire`, as far as there is something to hit."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter

from chaos.figures.fire import SECONDS_BETWEEN
from chaos.stock.service import Stock

JOB_SECONDS, PATIENCE_SECONDS = 0.6, 30.0


class _Fire:
    def __init__(self, stock: Stock) -> None:
        self._stock = stock
        self._random = stock.random
        self._alive = [stock.start() for _ in range(2)]
        self._frozen: list[tuple[float, subprocess.Popen[bytes]]] = []
        self.done: Counter[str] = Counter()

    def strike(self) -> None:
        """One fault, drawn by the seed."""
        faults = {
            "kill_worker": lambda: self._signal_one(signal.SIGKILL),
            "terminate_worker": lambda: self._signal_one(signal.SIGTERM),
            "kill_process": self._kill_a_process,
            "freeze_worker": self._freeze_one,
            "wipe_broker": self._wipe,
        }
        name = self._random.choice(sorted(faults))
        faults[name]()
        self.done[name] += 1

    def thaw(self, *, all_of_them: bool = False) -> None:
        """Let frozen workers go on whose time is over, and start others for those that have ended."""
        for until, worker in list(self._frozen):
            if all_of_them or time.monotonic() > until:
                os.killpg(worker.pid, signal.SIGCONT)
                self._frozen.remove((until, worker))
        for worker in list(self._alive):
            if worker.poll() is not None:
                self._alive.remove(worker)
                self._alive.append(self._stock.start())

    def _awake(self) -> list[subprocess.Popen[bytes]]:
        asleep = [worker for _, worker in self._frozen]
        return [worker for worker in self._alive if worker.poll() is None and worker not in asleep]

    def _signal_one(self, number: signal.Signals) -> None:
        if awake := self._awake():
            worker = self._random.choice(awake)
            # SIGTERM is for the worker, which lets its processes finish; the machine kills all of them.
            (os.killpg if number == signal.SIGKILL else os.kill)(worker.pid, number)
            if number == signal.SIGKILL:
                worker.wait()

    def _kill_a_process(self) -> None:
        processes = [process for worker in self._awake() for process in self._stock.pool(worker)]
        if processes:
            self._random.choice(processes).kill()

    def _freeze_one(self) -> None:
        if len(awake := self._awake()) > 1:
            worker = self._random.choice(awake)
            os.killpg(worker.pid, signal.SIGSTOP)
            self._frozen.append((time.monotonic() + self._random.uniform(1, 8), worker))

    def _wipe(self) -> None:
        self._stock.redis.kill()
        self._stock.redis.start()


def fire(stock: Stock, n: int) -> tuple[int, str]:
    """N jobs, a quarter of them revoked at some time, under all faults; over once nothing comes of them any more."""
    fire = _Fire(stock)
    sent: list[str] = []
    revoked: set[int] = set()
    to_revoke: list[int] = []
    next_fault = time.monotonic()
    done, changed = 0, time.monotonic()
    while len(sent) < n or time.monotonic() < changed + PATIENCE_SECONDS:
        if len(sent) < n:
            sent.append(stock.send(len(sent), JOB_SECONDS))
            if stock.random.random() < 0.25:
                to_revoke.append(len(sent) - 1)
        if to_revoke and (len(sent) == n or stock.random.random() < 0.3):
            number = to_revoke.pop(0)
            stock.sender.control.revoke(sent[number])
            revoked.add(number)
        if time.monotonic() >= next_fault:
            fire.strike()
            next_fault = time.monotonic() + stock.random.uniform(*SECONDS_BETWEEN)
        fire.thaw()
        results = len(stock.results())
        if results > done or len(sent) < n:
            done, changed = results, time.monotonic()
        if all(number in revoked or stock.results()[number] for number in range(n)):
            break
        time.sleep(0.05)
    fire.thaw(all_of_them=True)
    time.sleep(10)  # what is under way comes to its end
    found = stock.results()
    lost = sum(not found[number] for number in range(n) if number not in revoked)
    twice = sum(found[number] > 1 for number in range(n))
    good = sum(found[number] == 1 or (number in revoked and not found[number]) for number in range(n))
    ran = sum(bool(found[number]) for number in revoked)
    faults = sum(fire.done.values())
    return (
        good,
        f"{faults} faults; {lost} lost, {twice} done twice, {ran} of {len(revoked)} revoked were done all the same",
    )
