"""A baseline's own setting is chosen as a model's would be: by NDCG@10 on validation, never on test."""

from __future__ import annotations

from collections.abc import Iterable

from reco_core.environment import ranking_threads
from reco_core.evaluation.evaluate import evaluate
from reco_core.evaluation.histories import Scorer
from reco_core.examples import ExampleSet

_USERS = 2_000  # enough to tell settings apart that matter, in seconds


def best_on_validation(example_set: ExampleSet, scorers: Iterable[Scorer], *, repeats: bool) -> Scorer:
    """The scorer with the highest NDCG@10 on at most 2,000 validation examples; the first of equals.

    Raises:
        ValueError: there is no scorer to choose from.
    """
    best: Scorer | None = None
    best_value = -1.0
    for scorer in scorers:
        found = evaluate(
            scorer,
            example_set,
            "validation",
            repeats=repeats,
            bootstrap_samples=0,
            lists=False,
            at_most=_USERS,
            threads=ranking_threads(),
        )
        if found["ndcg@10"] > best_value:
            best, best_value = scorer, found["ndcg@10"]
    if best is None:
        raise ValueError("there is no scorer to choose from")
    return best
