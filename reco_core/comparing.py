"""Models compared by the ranks that were kept beside their bundles: what `python -m reco_core compare` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reco_core.evaluation import Comparison, compare_ranks, read_ranks

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


def _plain(found: Comparison) -> dict[str, Any]:
    return {
        "difference": round(found.difference, _DIGITS) + 0.0,  # no negative zero
        "ci95": [round(end, _DIGITS) + 0.0 for end in found.ci95],
        "verdict": found.verdict,
    }
