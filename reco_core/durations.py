"""Lengths of time as people write them. Imports nothing: every layer says them the same way."""

from __future__ import annotations

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """Such as `20 s`, `5 min`, `2 h 30 min`, `3 d`: at most two units, and no zero beside a larger one."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    for number, (name, size) in enumerate(_UNITS[:-1]):
        smaller, least = _UNITS[number + 1]
        rounded = round(whole / least) * least
        if rounded >= size:
            rest = rounded % size // least
            return f"{rounded // size:,} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"
