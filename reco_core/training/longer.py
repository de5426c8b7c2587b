"""Weights of a longer item table: those that training gave, and a row for each item that joined after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.examples import AddedItem, ExampleSet, Vocabulary
from reco_core.model import DualEncoder, build, config_for_export, new_bias, new_rows
from reco_core.training.files import Arrays
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
        longer: a model for all of the items, untrained; it is left with these weights.
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
    _longer(names, arrays, longer, vocabulary.counts, len(example_set.cold_items))
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
    """`arrays` for `longer`, which is given them, with rows for its last `further` items."""
    encoder = longer.label_encoder
    tables = {variable.path: variable for variable in encoder.tables}
    found = {
        name: np.pad(array, [(0, further), *[(0, 0)] * (array.ndim - 1)]) if name in tables else array
        for name, array in zip(names, arrays, strict=True)
    }
    for name, variable in zip(weight_names(longer), longer.trainable_variables, strict=True):
        variable.assign(found[name])
    own = encoder.attribute_rows().numpy()
    known = len(own) - further
    trained = np.flatnonzero(counts[1 : known + 1] > 0)
    ids = found[encoder.embeddings.path]
    rows = new_rows(own[known:], own[known:].any(axis=1), ids[trained] + own[trained], own[trained])
    ids[known:] = rows - own[known:]
    encoder.embeddings.assign(ids)
    if encoder.item_bias:
        biases = found[encoder.bias.path]
        biases[known:] = new_bias(biases[:known], counts)
        encoder.bias.assign(biases)
    return tuple(found[name] for name in names)
