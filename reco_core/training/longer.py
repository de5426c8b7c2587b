"""Weights of a longer item table: those that training gave, and a row for each item that joined after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.examples import AddedItem, ExampleSet, Vocabulary
from reco_core.model import DualEncoder, build, config_for_export, new_row
from reco_core.training.files import Arrays
from reco_core.training.row_labels import item_tables
from reco_core.training.weights import ModelWeights, weight_names


def lengthened(
    weights: ModelWeights,
    longer: DualEncoder,
    counts: NDArray[np.int64],
    added: Sequence[AddedItem],
    extends: Mapping[str, Any],
) -> ModelWeights:
    """`weights` with a row for each of `added`, behind those of the items that they know.

    Args:
        longer: a model for all of the items; only the names of its item tables are looked at.
        counts: [items + 1] training interactions of the items that `weights` knows.
        extends: what `added_facts` is to say of them.
    """
    return replace(
        weights,
        item_ids=(*weights.item_ids, *(item.id for item in added)),
        arrays=_longer(weights.names, weights.arrays, longer, counts, len(added)),
        added=(*weights.added, *added),
        extends=dict(extends),
    )


def completed(weights: ModelWeights, longer: DualEncoder, vocabulary: Vocabulary) -> ModelWeights:
    """`weights` with rows for the cold items, which training was kept from and which come last in `vocabulary`."""
    ids = vocabulary.item_ids
    missing = len(ids) - len(weights.item_ids)
    if missing <= 0 or not weights.info.config.evaluation.cold_items or ids[:-missing] != weights.item_ids:
        return weights
    arrays = _longer(weights.names, weights.arrays, longer, vocabulary.counts, missing)
    return replace(weights, item_ids=ids, arrays=arrays)


def with_cold_items(trained: DualEncoder, example_set: ExampleSet) -> DualEncoder:
    """A model that knows the cold items of `example_set` as new ones are known; `trained` itself where there are none.

    Args:
        trained: a model of `examples.warm_only(example_set)`, of the history length that is exported.
    """
    if len(example_set.cold_items) == 0:
        return trained
    vocabulary, features = example_set.vocabulary, example_set.timelines.features
    longer = build(config_for_export(trained.config), vocabulary, {name: features[name] for name in trained.features})
    arrays = tuple(variable.numpy() for variable in trained.trainable_variables)
    names = weight_names(trained)
    given = _longer(names, arrays, longer, vocabulary.counts, len(example_set.cold_items))
    for variable, array in zip(longer.trainable_variables, given, strict=True):
        variable.assign(array)
    return longer


def added_facts(weights: ModelWeights) -> dict[str, Any] | None:
    """What manifest and report say of items that joined after training; None where there are none."""
    if not weights.added:
        return None
    first = len(weights.item_ids) - len(weights.added)
    return {"items": len(weights.added), "first_index": first, **(weights.extends or {})}


def _longer(
    names: Sequence[str], arrays: Arrays, longer: DualEncoder, counts: NDArray[np.int64], further: int
) -> Arrays:
    tables = set(item_tables(longer))
    return tuple(
        np.concatenate([array, np.stack([new_row(array, counts)] * further)]) if name in tables else array
        for name, array in zip(names, arrays, strict=True)
    )
