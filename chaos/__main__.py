"""`make chaos`: the service under fire, and the table of what it came to.

make chaos ARGS="--short"                       # a minute and a half: what CI runs
make chaos                                      # hours: the numbers of the reliability table
make chaos ARGS="--seed 7 --only frozen --on postgresql"
"""

from __future__ import annotations

import argparse
import random
import sys
import traceback
from pathlib import Path
from typing import get_args

from rich.console import Console

from chaos import outcome
from chaos.figures.run import Figure, measure
from chaos.figures.table import FIGURES
from chaos.outcome import Outcome
from chaos.servers import NotHere
from chaos.stack import Kind, stop_in_order_when_told


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for. Returns 1 if anything was violated."""
    options = _options(arguments)
    console = Console(width=170)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    outcomes: list[Outcome] = []
    for figure in FIGURES:
        if options.only and figure.name not in options.only:
            continue
        for kind in figure.kinds:
            if options.on and kind not in options.on:
                continue
            found = _measured(figure, kind, seed, options)
            outcomes.append(found)
            mark = "ok" if found.ok else "VIOLATED"
            console.print(f"{figure.name} on {kind}: {mark}: {found.told} ({found.seconds:.0f} s)", highlight=False)
    if options.stock:
        from chaos.stock.measure import measure_all

        outcomes += measure_all(options.only, short=options.short, seed=seed, n=options.n, console=console)
    outcome.show(outcomes, console)
    if options.out is not None:
        outcome.save(outcomes, options.out)
    return 0 if all(found.ok for found in outcomes if found.column == "pocketrec") else 1


def _measured(figure: Figure, kind: Kind, seed: int, options: argparse.Namespace) -> Outcome:
    target = f"{figure.number}: {figure.target}"
    try:
        return measure(figure, kind, seed, short=options.short, n=options.n)
    except NotHere as error:
        return Outcome(figure.name, kind, target, 0, 0, "", seed, 0.0, skipped=str(error))
    except Exception as error:  # noqa: BLE001 - one that breaks must not take the others' figures with it
        traceback.print_exc()
        return Outcome(figure.name, kind, target, 1, 0, "broke", seed, 0.0, (f"{type(error).__name__}: {error}",))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description="The service under fire.")
    names = [figure.name for figure in FIGURES]
    parser.add_argument("--only", nargs="*", choices=names, default=[], help="these figures; by default all")
    parser.add_argument("--on", nargs="*", choices=get_args(Kind), default=[], help="on these; by default on all")
    parser.add_argument("--seed", type=int, help="the luck of faults and times; by default another one each time")
    parser.add_argument("--n", type=int, help="how often, instead of the number of the form")
    parser.add_argument("--short", action="store_true", help="small numbers")
    parser.add_argument("--stock", action="store_true", help="also the same fire on plain Celery, as a second column")
    parser.add_argument("--out", type=Path, help="write the outcomes there as JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    stop_in_order_when_told()
    sys.exit(main())
