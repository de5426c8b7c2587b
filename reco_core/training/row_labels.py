"""What the rows of a model's tables stand for, so that a later model finds them again when their order has changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from reco_core.examples import FeatureTable
from reco_core.model import DualEncoder
from reco_core.model.feature_inputs import CategoryInput


def row_labels(model: DualEncoder) -> dict[str, tuple[str, ...]]:
    """Name of a weight -> the values that its rows stand for, in their order, reserved rows included.

    Attribute values and the vocabularies of features. Item tables are not among them, whose rows are the items, nor
    features whose values are indices themselves.
    """
    found = {}
    if model.label_encoder.attribute_values:
        found[model.label_encoder.attribute_embeddings.path] = model.label_encoder.attribute_values
    for path, table in feature_tables(model):
        if table.vocabulary is not None:
            found[path] = table.vocabulary
    return found


def feature_tables(model: DualEncoder) -> Iterator[tuple[str, FeatureTable]]:
    """Each embedded feature: the name of its weight, and the feature."""
    sequences = [group.sequence for group in model.groups]
    if model.beside_items is not None:
        sequences.insert(0, model.beside_items)
    for sequence in sequences:
        for part in sequence.parts:
            if isinstance(part, CategoryInput):
                yield part.embeddings.path, model.features[part.name]


def item_tables(model: DualEncoder) -> tuple[str, ...]:
    """Names of the weights with one row per item: index i stands in row i - 1."""
    attributes = model.label_encoder.attribute_embeddings
    return tuple(
        variable.path
        for variable in model.label_encoder.trainable_variables
        if variable is not attributes and variable.shape[0] == model.label_encoder.items
    )


def sources(old: Sequence[str], new: Sequence[str], reserved: int = 0) -> NDArray[np.int64]:
    """[new rows] the row of `old` with the same label, -1 for none. The first `reserved` rows are matched by place."""
    # a b c -> c a d: 2 0 -1
    place: dict[str, int] = {}
    for row, label in enumerate(old[reserved:], start=reserved):
        place.setdefault(label, row)  # a vocabulary that was read may hold a word twice
    return np.array([*range(reserved), *(place.get(label, -1) for label in new[reserved:])], np.int64)
