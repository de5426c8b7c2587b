"""How many jobs of each queue this process runs at once: a training must never keep an upload waiting."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from registry import queues

if TYPE_CHECKING:
    from registry.settings import Settings


def capacities(settings: Settings) -> dict[str, int]:
    """The slots of each queue that this worker takes jobs from, in the order of the setting `queues`."""
    of_queue = {queues.TRAIN: settings.slots, queues.VALIDATE: settings.validate_slots}
    return {queue: of_queue[queue] for queue in settings.queues}


class Slots:
    """The slots of one queue. A hint that finds none free is not kept, it is only remembered that one came."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._busy = 0
        self._turned_away = 0
        self._lock = threading.Lock()

    @property
    def busy(self) -> int:
        """How many are at work."""
        return self._busy

    @property
    def free(self) -> int:
        """How many are not."""
        return self._capacity - self._busy

    def enter(self) -> bool:
        """Take a slot. False if none is free; then one that is at work looks for another job before it leaves."""
        with self._lock:
            if self._busy == self._capacity:
                # One for each slot is enough: each looks for another job after its own.
                self._turned_away = min(self._turned_away + 1, self._capacity)
                return False
            self._busy += 1
            return True

    def leave(self) -> bool:
        """Give the slot back. False, and it isn't given back, if a hint was turned away since the last call.

        Its job may have been committed just after this slot had looked for one in vain.
        """
        with self._lock:
            if self._turned_away:
                self._turned_away -= 1
                return False
            self._busy -= 1
            return True

    def abandon(self) -> None:
        """Give the slot back, whatever has come."""
        with self._lock:
            self._busy -= 1
