"""`pocketrec model compare --a ... --b ...`: two configurations, each trained with several seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from app.cli.children import Child
from app.cli.errors import CommandFailed, Status, from_problem
from app.cli.output import console, print_json
from app.cli.recommend import WITHOUT_TENSORFLOW
from app.cli.results import TITLES

if TYPE_CHECKING:
    from app.client import Client

_RANKS = "ranks.npz"
_COLOURS = {"better": "green", "worse": "red", "not distinguishable": "yellow"}
_SECONDS = 10.0


def compare_seeds(
    name: str | None,
    numbers: Sequence[int] | None,
    a: Sequence[str],
    b: Sequence[str],
    connect: Callable[[], Client],
    as_json: bool,
) -> None:
    """Compare and print; `a` and `b` are bundles or, of the model `name`, versions, with or without commas.

    Raises:
        CommandFailed: a side is empty, an entry is no version or holds no ranks, or the two can't be paired.
    """
    sides = [[entry for text in side for entry in text.split(",") if entry] for side in (a, b)]
    if numbers or not all(sides):
        lines = ["give both --a and --b, each with the bundles or versions of its seeds, and nothing else"]
        raise CommandFailed(Status.BAD_INPUT, "usage", lines)
    with TemporaryDirectory(prefix="pocketrec-") as scratch:
        paths = sides if name is None else _fetched(name, sides, connect, Path(scratch))
        compared = _compared(paths[0], paths[1], Path(scratch) / "log")
    if as_json:
        print_json(compared)
        return
    print_sides(compared)


def print_sides(compared: Mapping[str, Any]) -> None:
    """The figures of both sides, and what can be told from them."""
    out, sides = console(), (compared["a"], compared["b"])
    out.print(
        f"A ({_seeds(sides[0])}) against B ({_seeds(sides[1])}), on the same {compared['examples']:,} examples of "
        f"{compared['users']:,} users (95% intervals, paired bootstrap)",
        style="bold",
    )
    for metric, found in compared["metrics"].items():
        figures = " ".join(f"{_mean(metric, side['metrics'][metric]):>17}" for side in sides)
        low, high = (_signed(metric, end) for end in found["ci95"])
        line = f"  {TITLES.get(metric, metric):<10}{figures}  {_signed(metric, found['difference'])} [{low}, {high}]  "
        out.print(line, end="")
        out.print(found["verdict"], style=_COLOURS[found["verdict"]])
    out.print("  A, B: mean over the seeds ± their standard deviation; then A minus B, seeds averaged user by user.")
    if 1 in (side["seeds"] for side in sides):
        out.print(
            "  With one seed on a side this tells of one training, not of its configuration: train again with other "
            "seeds (--set seed=1) and name them all.",
            style="yellow",
        )


def _fetched(
    name: str, sides: Sequence[Sequence[str]], connect: Callable[[], Client], scratch: Path
) -> list[list[str]]:
    """The ranks of versions, downloaded."""
    for entry in (entry for side in sides for entry in side):
        if not (entry.isascii() and entry.isdigit()):
            lines = [f"{entry!r} is no version of {name}; name versions, or leave {name} out to compare folders"]
            raise CommandFailed(Status.BAD_INPUT, "usage", lines)
    paths = [[str(scratch / f"{entry}.npz") for entry in side] for side in sides]
    with connect() as client:
        for entry in sorted({entry for side in sides for entry in side}, key=int):
            client.download(f"/v1/models/{name}/versions/{int(entry)}/files/{_RANKS}", scratch / f"{entry}.npz")
    return paths


def _compared(a: Sequence[str], b: Sequence[str], log: Path) -> dict[str, Any]:
    with Child(["-c", WITHOUT_TENSORFLOW, "compare", "--a", *a, "--b", *b], log=log) as child:
        answer = child.message()
        status = child.wait(_SECONDS)
        if answer is None or answer.get("event") == "error" or status != 0:
            raise from_problem(answer, f"python -m reco_core compare ended with status {status}{child.log_tail()}")
        return answer


def _seeds(side: Mapping[str, Any]) -> str:
    return "1 seed" if side["seeds"] == 1 else f"{side['seeds']} seeds"


def _mean(metric: str, found: Mapping[str, Any]) -> str:
    digits = 1 if metric == "mean_rank" else 4
    spread = "" if found["spread"] is None else f" ± {found['spread']:.{digits}f}"
    return f"{found['mean']:.{digits}f}{spread}"


def _signed(metric: str, value: float) -> str:
    return f"{value:+.1f}" if metric == "mean_rank" else f"{value:+.4f}"
