"""Stage 2 of 7: interactions -> timelines, split, vocabulary.

The types are imported at once, what makes them at first use: to compare evaluations, which the API does, only the types
are needed, and the libraries that read columns would triple its memory.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reco_core.examples.feature_windows import feature_windows
from reco_core.examples.out_of_range import out_of_range
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

if TYPE_CHECKING:
    from reco_core.examples.added import AddedItem, in_index_order, item_features, widened, with_added
    from reco_core.examples.cold import cold_labels, warm_only
    from reco_core.examples.feature_tables import Fitted, taken
    from reco_core.examples.features import resolve, without_values
    from reco_core.examples.generation import generate
    from reco_core.examples.prepared import Prepared, cache_key, prepare, restore_prepared, store_prepared
    from reco_core.examples.tfrecord import write_tfrecords
    from reco_core.examples.workload import measured_workload
    from reco_core.examples.write import write_examples

__all__ = [
    "AddedItem",
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
    "cold_labels",
    "feature_windows",
    "generate",
    "in_index_order",
    "item_features",
    "measured_workload",
    "out_of_range",
    "prepare",
    "resolve",
    "restore_prepared",
    "seen_pairs",
    "store_prepared",
    "taken",
    "warm_only",
    "widened",
    "windows",
    "with_added",
    "without_values",
    "write_examples",
    "write_tfrecords",
]

_HOMES = {
    "AddedItem": "added",
    "Fitted": "feature_tables",
    "Prepared": "prepared",
    "cache_key": "prepared",
    "cold_labels": "cold",
    "generate": "generation",
    "in_index_order": "added",
    "item_features": "added",
    "measured_workload": "workload",
    "prepare": "prepared",
    "resolve": "features",
    "restore_prepared": "prepared",
    "store_prepared": "prepared",
    "taken": "feature_tables",
    "warm_only": "cold",
    "widened": "added",
    "with_added": "added",
    "without_values": "features",
    "write_examples": "write",
    "write_tfrecords": "tfrecord",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
