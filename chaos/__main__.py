"""`make chaos`: the service under fire, and the table of what it came to.

make chaos ARGS="--short"                       # some minutes
make chaos ARGS="--stock --table chaos.md"      # hours: the numbers of the reliability table
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
from chaos.outcome import BROKE, Outcome
from chaos.record import Record
from chaos.servers import NotHere
from chaos.stack import Kind, stop_in_order_when_told
from chaos.stock import measure as stock

STOCK = "stock"


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for. Returns 1 if anything was violated."""
    options = _options(arguments)
    console = Console(width=170)
    record = Record(options.table)
    seed = options.seed if options.seed is not None else record.seed
    if seed is None:
        seed = random.SystemRandom().randrange(10**6)
    for figure in FIGURES:
        if options.only and figure.name not in options.only:
            continue
        for kind in figure.kinds:
            if options.on and kind not in options.on:
                continue
            n = options.n or (figure.short if options.short else figure.long)
            if not record.has(figure.name, kind, n, seed, short=options.short):
                _add(_measured(figure, kind, seed, n, options), record, console)
        if (options.stock or STOCK in options.on) and figure.name in stock.MEASURES:
            n = options.n or stock.count(figure.name, short=options.short)
            if not record.has(figure.name, stock.CONFIGURATION, n, seed, short=options.short):
                _add(stock.measured(figure.name, seed, n, short=options.short), record, console)
    outcome.show(record.outcomes, console)
    if options.out is not None:
        outcome.save(record.outcomes, options.out)
    return 0 if all(found.ok for found in record.outcomes if found.column == "pocketrec") else 1


def _add(found: Outcome, record: Record, console: Console) -> None:
    mark = "skipped" if found.skipped else "ok" if found.ok else "VIOLATED"
    whose = f"{found.name} on {found.configuration}" if found.column == "pocketrec" else f"{found.name}, stock Celery"
    console.print(
        f"{whose}: {f'{mark}: ' if found.column == 'pocketrec' else ''}{found.told} ({found.seconds:.0f} s)",
        highlight=False,
    )
    record.add(found)


def _measured(figure: Figure, kind: Kind, seed: int, n: int, options: argparse.Namespace) -> Outcome:
    target, short = f"{figure.number}: {figure.target}", options.short
    pictures = None if options.table is None else options.table.parent
    try:
        return measure(figure, kind, seed, n, short=short, pictures=pictures)
    except NotHere as error:
        return Outcome(figure.name, kind, target, n, 0, "", seed, 0.0, short=short, skipped=str(error))
    except Exception as error:  # noqa: BLE001 - one that breaks must not take the others' figures with it
        traceback.print_exc()
        found = (f"{type(error).__name__}: {error}",)
        return Outcome(figure.name, kind, target, n, 0, BROKE, seed, 0.0, found, short=short)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description="The service under fire.")
    names = [figure.name for figure in FIGURES]
    parser.add_argument("--only", nargs="*", choices=names, default=[], help="these figures; by default all")
    parser.add_argument(
        "--on", nargs="*", choices=[*get_args(Kind), STOCK], default=[], help=f"on these; by default on all but {STOCK}"
    )
    parser.add_argument("--seed", type=int, help="the luck of faults and times; by default another one each time")
    parser.add_argument("--n", type=int, help="how often, instead of the number of the form")
    parser.add_argument("--short", action="store_true", help="small numbers")
    parser.add_argument(
        "--stock",
        action="store_true",
        help=f"also the same fire on plain Celery, as a second column; alone: --on {STOCK}",
    )
    parser.add_argument("--out", type=Path, help="write the outcomes there as JSON")
    parser.add_argument(
        "--table",
        type=Path,
        help="write the table there as Markdown, anew after each measurement, and the outcomes beside it as JSON "
        "lines; what is there already isn't measured again, so the same command goes on after a break",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    stop_in_order_when_told()
    sys.exit(main())
