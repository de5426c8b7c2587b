"""Baselines that every report shows beside the model, fitted on the same training interactions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from reco_core.evaluation.baselines.cooccurrence import cooccurrence
from reco_core.evaluation.baselines.ease import ease
from reco_core.evaluation.baselines.markov import markov
from reco_core.evaluation.baselines.popular import popular, recent_popular
from reco_core.evaluation.histories import Scorer
from reco_core.examples import ExampleSet


class Fit(Protocol):
    """Learns from `in_training` interactions only; a setting of its own is chosen on the validation split."""

    def __call__(self, example_set: ExampleSet, *, repeats: bool = False) -> Scorer: ...


BASELINES: Mapping[str, Fit] = MappingProxyType(
    {
        "popular": popular,
        "recent_popular": recent_popular,
        "markov": markov,
        "cooccurrence": cooccurrence,
        "ease": ease,
    }
)

__all__ = ["BASELINES", "Fit", "cooccurrence", "ease", "markov", "popular", "recent_popular"]
