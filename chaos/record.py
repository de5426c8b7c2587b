"""The outcomes of a long run, kept as they come: a table to read, and beside it what a broken-off run goes on from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from chaos.outcome import BROKE, Outcome, again, rows

HEADINGS = ("figure", "on", "target", "PocketRec", "violations", "plain Celery", "seed", "minutes")


class Record:
    """Outcomes in the order in which they were measured; with a `path` also in files. The newest of each is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self.outcomes: list[Outcome] = []
        self._table = path
        self._lines = None if path is None else path.with_suffix(".jsonl")
        if self._lines is not None and self._lines.exists():
            for line in self._lines.read_text(encoding="utf-8").splitlines():
                found = json.loads(line)
                self._keep(Outcome(**{**found, "violations": tuple(found["violations"])}))

    @property
    def seed(self) -> int | None:
        """The seed of what is there already."""
        return self.outcomes[-1].seed if self.outcomes else None

    def has(self, name: str, configuration: str, n: int, seed: int, *, short: bool) -> bool:
        """Whether this was measured; what broke, or lacked a server, is to be measured again."""
        wanted = (name, configuration, n, seed, short)
        return any(
            _key(one) == wanted for one in self.outcomes if not one.measured.startswith(BROKE) and one.skipped is None
        )

    def add(self, outcome: Outcome) -> None:
        """Keep it, and write the files."""
        self._keep(outcome)
        if self._table is None or self._lines is None:
            return
        with self._lines.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
        self._table.write_text(markdown(self.outcomes), encoding="utf-8")

    def _keep(self, outcome: Outcome) -> None:
        self.outcomes = [one for one in self.outcomes if _key(one) != _key(outcome)] + [outcome]


def markdown(outcomes: list[Outcome]) -> str:
    """The table, and below it each violation with how to see it again."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *rows(outcomes)]
    text = "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
    found = [f"- {one.name} on {one.configuration}: {what} (`{again(one)}`)" for one, what in _violations(outcomes)]
    return text + ("\nViolations:\n\n" + "\n".join(found) + "\n" if found else "\nNo violations.\n")


def _violations(outcomes: list[Outcome]) -> list[tuple[Outcome, str]]:
    return [(one, what) for one in outcomes if one.column == "pocketrec" for what in one.violations]


def _key(outcome: Outcome) -> tuple[str, str, int, int, bool]:
    return outcome.name, outcome.configuration, outcome.n, outcome.seed, outcome.short
