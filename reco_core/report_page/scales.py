"""From values to places in a plot, and the round numbers along an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Linear from the values low..high to the places start..end; one value alone stands in the middle."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of `value`."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True)
class Ticks:
    """Round numbers that span what is drawn, and how each is written."""

    values: tuple[float, ...]
    labels: tuple[str, ...]

    def scale(self, start: float, end: float) -> Scale:
        """From the first tick at `start` to the last at `end`."""
        return Scale(self.values[0], self.values[-1], start, end)


def nice_ticks(low: float, high: float, wanted: int = 5) -> Ticks:
    """About `wanted` multiples of 1, 2 or 5 times a power of ten, from at most `low` to at least `high`."""
    # 0 to .26 -> 0 .1 .2 .3; 3 to 3 -> 2 3 4
    if high <= low:
        room = abs(low) / 4 or 1.0
        low, high = low - room, low + room
    rough = (high - low) / max(1, wanted - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    # what rounding leaves over must not cost a tick
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    values = tuple(round(i * step, digits) + 0.0 for i in range(first, last + 1))
    return Ticks(values, tuple(f"{value:,.{digits}f}" for value in values))


def whole_ticks(low: int, high: int, wanted: int = 6) -> Ticks:
    """The same for numbers of which there is no half, within low..high; the ends need not be ticks."""
    found = nice_ticks(low, high, wanted) if high > low else Ticks((float(low),), (str(low),))
    values = tuple(value for value in found.values if low <= value <= high and value == round(value))
    return Ticks(values, tuple(f"{value:,.0f}" for value in values))


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """The least and the greatest; 0 and 1 where there is none."""
    return (min(values), max(values)) if values else (0.0, 1.0)
