"""Stage 2 of 7: interactions -> timelines, split, vocabulary."""

from reco_core.examples.feature_tables import Fitted, taken
from reco_core.examples.feature_windows import feature_windows
from reco_core.examples.features import resolve
from reco_core.examples.generate import generate
from reco_core.examples.prepared import Prepared, cache_key, prepare, restore_prepared, store_prepared
from reco_core.examples.tfrecord import write_tfrecords
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
from reco_core.examples.write import write_examples

__all__ = [
    "ExampleSet",
    "Examples",
    "FeatureTable",
    "Fitted",
    "ItemAttribute",
    "Prepared",
    "Split",
    "Timelines",
    "Vocabulary",
    "cache_key",
    "feature_windows",
    "generate",
    "measured_workload",
    "prepare",
    "resolve",
    "restore_prepared",
    "seen_pairs",
    "store_prepared",
    "taken",
    "windows",
    "write_examples",
    "write_tfrecords",
]
