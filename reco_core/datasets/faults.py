"""Bad rows: counted by reason, with a few examples of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


@dataclass
class Faults:
    """The bad rows of one file. A row is added under one reason only, so the counts add up."""

    file: str
    counts: dict[str, int] = field(default_factory=dict)
    _examples: dict[str, list[Fault]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All bad rows."""
        return sum(self.counts.values())

    def add(self, code: str, lines: NDArray[np.int64], detail: str | Callable[[int], str]) -> None:
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


def shown(value: object) -> str:
    """A value as it may stand in a message: quoted, cut, without control characters."""
    text = str(value)
    return repr(text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…")


def combined(*parts: Faults) -> tuple[Mapping[str, int], list[Fault]]:
    """Counts and examples of several files; those after the first are prefixed with `items.`."""
    counts: dict[str, int] = dict(parts[0].counts)
    examples = parts[0].examples()
    for part in parts[1:]:
        for code, count in part.counts.items():
            counts[f"items.{code}"] = counts.get(f"items.{code}", 0) + count
        examples += part.examples()
    return counts, examples[:MAX_EXAMPLES]
