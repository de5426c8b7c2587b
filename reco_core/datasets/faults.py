"""Bad rows: counted by reason, with a few examples of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_EXAMPLES = 20
MAX_VALUE = 60  # characters of a value that is shown


@dataclass(frozen=True)
class Fault:
    """One bad row."""

    file: str
    line: int
    code: str
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"file": self.file, "line": self.line, "code": self.code, "detail": self.detail}


@dataclass(frozen=True)
class Finding:
    """Something odd that spoils nothing: what is counted was read, or was none of the rows."""

    code: str
    count: int
    detail: str
    examples: tuple[Mapping[str, Any], ...] = ()  # {file, line}, or {value}

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        examples = [dict(example) for example in self.examples]
        return {"code": self.code, "count": self.count, "detail": self.detail, "examples": examples}


@dataclass
class Faults:
    """The bad rows of one file. A row is added under one reason only, so the counts add up."""

    file: str
    counts: dict[str, int] = field(default_factory=dict)
    blank_lines: int = 0  # no rows, hence no faults
    _examples: dict[str, list[Fault]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All bad rows."""
        return sum(self.counts.values())

    def add(self, code: str, lines: NDArray[np.integer[Any]], detail: str | Callable[[int], str]) -> None:
        """Add the rows at `lines`; `detail(i)` describes the i-th of them and is called for a few only."""
        if not len(lines):
            return
        self.counts[code] = self.counts.get(code, 0) + len(lines)
        kept = self._examples.setdefault(code, [])
        for index in range(min(len(lines), MAX_EXAMPLES - len(kept))):
            text = detail if isinstance(detail, str) else detail(index)
            kept.append(Fault(self.file, int(lines[index]), code, text))

    def examples(self) -> list[Fault]:
        """At most `MAX_EXAMPLES`, in order of lines; every reason gets its share."""
        groups = [sorted(group, key=lambda fault: fault.line) for group in self._examples.values()]
        # reasons with 1, 30, 30 rows -> 1, 10, 9 examples: rank within the reason first, then line
        ranked = [(rank, fault.line, fault) for group in groups for rank, fault in enumerate(group)]
        chosen = [fault for _, _, fault in sorted(ranked, key=lambda entry: entry[:2])[:MAX_EXAMPLES]]
        return sorted(chosen, key=lambda fault: fault.line)


def at_lines(file: str, lines: Sequence[int] | NDArray[np.integer[Any]]) -> tuple[Mapping[str, Any], ...]:
    """The examples of a finding: at most MAX_EXAMPLES lines."""
    return tuple({"file": file, "line": int(line)} for line in lines[:MAX_EXAMPLES])


def with_values(values: Iterable[str]) -> tuple[Mapping[str, Any], ...]:
    """The examples of a finding: at most MAX_EXAMPLES values."""
    return tuple({"value": shown(value)} for value in islice(values, MAX_EXAMPLES))


def shown(value: object) -> str:
    """A value as it may stand in a message: quoted, cut, without control characters."""
    text = str(value)
    return repr(text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…")


def combined(log: Faults, beside: Mapping[str, Faults]) -> tuple[Mapping[str, int], list[Fault]]:
    """Counts and examples of a log and the tables beside it, whose codes begin with their names, as `items.`."""
    counts: dict[str, int] = dict(log.counts)
    examples = log.examples()
    for name, part in beside.items():
        counts |= {f"{name}.{code}": count for code, count in part.counts.items()}
        examples += part.examples()
    return counts, examples[:MAX_EXAMPLES]
