"""What a measurement came to, and the table of them all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


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
    skipped: str | None = field(default=None)

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


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """The table, with the stock column beside ours, and below it every violation with how to see it again."""
    table = Table("figure", "configuration", "target", "pocketrec", "stock celery", "seed", "s", title="Under fire")
    stock = {outcome.name: outcome for outcome in outcomes if outcome.column != "pocketrec"}
    shown: set[str] = set()
    for outcome in outcomes:
        if outcome.column != "pocketrec":
            continue
        beside = "" if outcome.name in shown or outcome.name not in stock else stock[outcome.name].told
        shown.add(outcome.name)
        ours = outcome.told if outcome.ok else f"[red]{outcome.told}[/red]"
        seed, seconds = str(outcome.seed), f"{outcome.seconds:.0f}"
        table.add_row(outcome.name, outcome.configuration, outcome.target, ours, beside, seed, seconds)
    for name, outcome in stock.items():
        if name not in shown:
            table.add_row(name, "", outcome.target, "", outcome.told, str(outcome.seed), f"{outcome.seconds:.0f}")
    console.print(table)
    for outcome in outcomes:
        for violation in outcome.violations if outcome.column == "pocketrec" else ():
            again = f'make chaos ARGS="--seed {outcome.seed} --only {outcome.name} --on {outcome.configuration}"'
            console.print(f"[red]violated[/red] {outcome.name}: {violation}\n    again: {again}", soft_wrap=True)


def save(outcomes: Sequence[Outcome], path: Path) -> None:
    """All of it as JSON."""
    path.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1), encoding="utf-8")
