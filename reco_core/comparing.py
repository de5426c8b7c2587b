"""Models compared by the ranks that were kept beside their bundles: what `python -m reco_core compare` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from reco_core.errors import ConfigInvalid, RanksUnreadable
from reco_core.evaluation import Comparison, RanksFile, compare_ranks, compare_seeds, read_ranks
from reco_core.evaluation.metrics import metric_values

METRICS = ("recall@10", "ndcg@10", "mrr@10", "mean_rank")
_DIGITS = 6


def compare_files(base: Path, others: Sequence[Path], *, samples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Paired differences of each of `others` from `base` on the same test examples.

    Returns:
        `{examples, users, samples, seed, others: [...]}`, and for each of the others
        `{metrics: {name: {difference, ci95, verdict}}}`, or None where it was ranked on a test set of another kind.

    Raises:
        RanksUnreadable: one of the files isn't what `evaluation.write_ranks` writes.
    """
    first = read_ranks(base)
    second = {str(number): read_ranks(path) for number, path in enumerate(others)}
    same = {
        number: found.ranks
        for number, found in second.items()
        if found.test_set == first.test_set and found.ranks.shape == first.ranks.shape
    }
    compared = compare_ranks(first.users, first.ranks, same, METRICS, samples=samples, seed=seed) if same else {}
    return {
        "examples": len(first.ranks),
        "users": int(first.users.max()) + 1,
        "samples": samples,
        "seed": seed,
        "others": [
            {"metrics": {name: _plain(found) for name, found in compared[number].items()}}
            if number in compared
            else None
            for number in second
        ],
    }


def compare_sides(a: Sequence[Path], b: Sequence[Path], *, samples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Two models of several seeds each, on the same test examples: each user's metric averaged over the seeds first.

    Args:
        a: of each seed's training the bundle, or its file of ranks; see `find_ranks`. `b` likewise.

    Returns:
        `{examples, users, samples, seed, a, b, metrics}`: `metrics` is `{name: {difference, ci95, verdict}}`, a minus b
        and what that says of a; `a` and `b` are `{seeds, metrics: {name: {mean, spread, values}}}`, the spread being
        the seeds' standard deviation, null where there is one.

    Raises:
        RanksUnreadable: there are no ranks, or the file is damaged.
        ConfigInvalid: not all were ranked on the same test examples.
    """
    sides = [[read_ranks(find_ranks(path)) for path in paths] for paths in (a, b)]
    base = sides[0][0]
    for path, found in zip([*a, *b], [*sides[0], *sides[1]], strict=True):
        if found.test_set != base.test_set or found.ranks.shape != base.ranks.shape:
            raise ConfigInvalid(
                f"{path} was tested on other examples than {a[0]}, so nothing can be paired; train both on the same "
                "log with the same protocol and the same examples.min_timeline_length, examples.min_rating and repeats"
            )
    first, second = ([run.ranks for run in runs] for runs in sides)
    compared = compare_seeds(base.users, first, second, METRICS, samples=samples, seed=seed)
    return {
        "examples": len(base.ranks),
        "users": int(base.users.max()) + 1,
        "samples": samples,
        "seed": seed,
        "a": _side(sides[0]),
        "b": _side(sides[1]),
        "metrics": {name: _plain(found) for name, found in compared.items()},
    }


def find_ranks(path: Path) -> Path:
    """The file of ranks that `path` is, or that lies in that folder or, of a bundle, in the work folder beside it.

    Raises:
        RanksUnreadable: there is none.
    """
    places = (path / "ranks.npz", path.with_name(f"{path.name}.work") / "ranks.npz")
    if path.is_file():
        return path
    for place in places:
        if place.is_file():
            return place
    raise RanksUnreadable(
        f"{path}: no ranks there, neither {places[0]} nor {places[1]}; give a bundle with its work folder beside it, "
        "the folder of an evaluation, or a ranks.npz"
    )


def _side(runs: Sequence[RanksFile]) -> dict[str, Any]:
    values = {name: [float(metric_values(name, run.ranks.astype(np.int64)).mean()) for run in runs] for name in METRICS}
    return {
        "seeds": len(runs),
        "metrics": {
            name: {
                "mean": round(mean(found), _DIGITS),
                "spread": round(stdev(found), _DIGITS) if len(found) > 1 else None,
                "values": [round(value, _DIGITS) for value in found],
            }
            for name, found in values.items()
        },
    }


def _plain(found: Comparison) -> dict[str, Any]:
    return {
        "difference": round(found.difference, _DIGITS) + 0.0,  # no negative zero
        "ci95": [round(end, _DIGITS) + 0.0 for end in found.ci95],
        "verdict": found.verdict,
    }
