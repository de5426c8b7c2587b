"""What a measurement came to, and the table of them all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

BROKE = "broke"
"""`measured` of one that the harness itself could not finish."""
HEADINGS = ("figure", "configuration", "target", "pocketrec", "violations", "stock celery", "seed", "min")


@dataclass(frozen=True)
class Outcome:
    """One figure, measured once: `good` of `n` as they should be. `column`: `pocketrec` or `stock celery`."""

    name: str
    configuration: str
    target: str
    n: int
    good: int
    measured: str
    seed: int
    seconds: float
    violations: tuple[str, ...] = ()
    column: str = "pocketrec"
    short: bool = False
    skipped: str | None = None

    @property
    def ok(self) -> bool:
        return self.skipped is not None or (self.good == self.n and not self.violations)

    @property
    def told(self) -> str:
        """The result in a few words."""
        if self.skipped is not None:
            return f"skipped: {self.skipped}"
        counted = f"{self.good} of {self.n}"
        return f"{counted}; {self.measured}" if self.measured else counted


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """One row for each of ours, under HEADINGS, the stock column beside the first of its figure."""
    stock = {outcome.name: outcome.told for outcome in outcomes if outcome.column != "pocketrec"}
    found: list[tuple[str, ...]] = []
    for one in outcomes:
        if one.column == "pocketrec":
            wrong = max(len(one.violations), one.n - one.good) if one.skipped is None else ""
            beside, minutes = stock.pop(one.name, ""), f"{one.seconds / 60:.1f}"
            found.append(
                (one.name, one.configuration, one.target, one.told, str(wrong), beside, str(one.seed), minutes)
            )
    by_name = {one.name: one for one in outcomes if one.column != "pocketrec"}
    for name, told in stock.items():  # measured alone
        found.append((name, "", "", "", "", told, str(by_name[name].seed), f"{by_name[name].seconds / 60:.1f}"))
    return found


def again(outcome: Outcome) -> str:
    """The command that measures it again, with the same luck."""
    form = "--short " if outcome.short else ""
    what = f"--seed {outcome.seed} --n {outcome.n} --only {outcome.name} --on {outcome.configuration}"
    return f'make chaos ARGS="{form}{what}"'


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """The table, and below it every violation with how to see it again."""
    table = Table(*HEADINGS, title="Under fire")
    bad = {(one.name, one.configuration) for one in outcomes if one.column == "pocketrec" and not one.ok}
    for row in rows(outcomes):
        table.add_row(*row, style="red" if row[:2] in bad else None)
    console.print(table)
    for outcome in outcomes:
        for violation in outcome.violations if outcome.column == "pocketrec" else ():
            told = f"{outcome.name}: {violation}\n    again: {again(outcome)}"
            console.print(f"[red]violated[/red] {told}", soft_wrap=True)


def save(outcomes: Sequence[Outcome], path: Path) -> None:
    """All of it as JSON."""
    path.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1), encoding="utf-8")
