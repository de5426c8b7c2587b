"""Stage 2 of 7: interactions -> timelines, split, vocabulary."""

from reco_core.examples.generate import generate
from reco_core.examples.types import (
    Examples,
    ExampleSet,
    ItemAttribute,
    Split,
    Timelines,
    Vocabulary,
    seen_pairs,
    windows,
)

__all__ = [
    "ExampleSet",
    "Examples",
    "ItemAttribute",
    "Split",
    "Timelines",
    "Vocabulary",
    "generate",
    "seen_pairs",
    "windows",
]
