"""Stage 2 of 7: interactions -> timelines, split, vocabulary."""

from reco_core.examples.generate import generate
from reco_core.examples.types import (
    Examples,
    ExampleSet,
    FeatureTable,
    ItemAttribute,
    Split,
    Timelines,
    Vocabulary,
    seen_pairs,
    windows,
)
from reco_core.examples.workload import measured_workload

__all__ = [
    "ExampleSet",
    "Examples",
    "FeatureTable",
    "ItemAttribute",
    "Split",
    "Timelines",
    "Vocabulary",
    "generate",
    "measured_workload",
    "seen_pairs",
    "windows",
]
