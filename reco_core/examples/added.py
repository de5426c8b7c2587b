"""Items that joined a vocabulary after training: they come after all others, whose indices never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from reco_core.config import FeaturesConfig
from reco_core.datasets.types import Interactions
from reco_core.examples.feature_tables import encode
from reco_core.examples.timelines import RawTimelines
from reco_core.examples.types import ExampleSet, FeatureTable, ItemAttribute, Vocabulary
from reco_core.examples.vocabulary import rank_of_raw_ids


@dataclass(frozen=True)
class AddedItem:
    """An item that training knew nothing of."""

    id: str
    title: str | None = None
    attributes: tuple[str, ...] = ()  # of the values that the model knows; () where it has none of them
    features: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # by name of the model's input, encoded

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        features = {name: list(values) for name, values in self.features.items()}
        return {"id": self.id, "title": self.title, "attributes": list(self.attributes), "features": features}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> AddedItem:
        """The inverse of `as_dict`."""
        features = {name: tuple(values) for name, values in document["features"].items()}
        return cls(document["id"], document["title"], tuple(document["attributes"]), features)


def in_index_order(added: Sequence[AddedItem]) -> tuple[AddedItem, ...]:
    """As they come to stand behind the others: all have been seen as often, never, so by raw id."""
    rank = rank_of_raw_ids(tuple(item.id for item in added))
    return tuple(added[i] for i in np.argsort(rank))


def with_added(
    vocabulary: Vocabulary, features: Mapping[str, FeatureTable], added: Sequence[AddedItem]
) -> tuple[Vocabulary, dict[str, FeatureTable]]:
    """Vocabulary and features of the model that knows `added` too, in this order behind the items that it knew."""
    attribute = vocabulary.attribute
    longer = replace(
        vocabulary,
        item_ids=(*vocabulary.item_ids, *(item.id for item in added)),
        counts=np.concatenate([vocabulary.counts, np.zeros(len(added), np.int64)]),
        titles=(*vocabulary.titles, *(item.title for item in added)),
        attribute=None if attribute is None else _longer_attribute(attribute, added),
    )
    tables = {name: _longer_table(table, added) if table.scope == "item" else table for name, table in features.items()}
    return longer, tables


def widened(example_set: ExampleSet, added: Sequence[AddedItem]) -> ExampleSet:
    """The same examples among more candidates."""
    vocabulary, features = with_added(example_set.vocabulary, example_set.timelines.features, added)
    return replace(example_set, vocabulary=vocabulary, timelines=replace(example_set.timelines, features=features))


def item_features(
    features: FeaturesConfig, log: Interactions, fitted: Mapping[str, FeatureTable]
) -> dict[str, list[tuple[Any, ...]]]:
    """Name of each feature of items -> the values of every item of `log`, encoded as `fitted` are.

    Args:
        features: resolved; those of users and interactions are passed over.
        log: one without interactions will do.

    Raises:
        ConfigInvalid: a column is of another type than the feature can have.
    """
    nothing = np.zeros(0, np.int64)
    raw = RawTimelines(
        offsets=np.zeros(1, np.int64),
        codes=nothing.astype(np.int32),
        rows=nothing,
        timestamps=None,
        seen_offsets=np.zeros(1, np.int64),
        seen_codes=nothing.astype(np.int32),
        seen_before=nothing,
        users=nothing.astype(np.int32),
        dropped_users=0,
    )
    items = len(log.item_ids)
    index = np.arange(1, items + 1, dtype=np.int32)
    tables = encode(features, log, raw, index=index, items=items, in_training=nothing.astype(bool), fitted=fitted)
    return {name: _rows(table, items) for name, table in tables.items() if table.scope == "item"}


def _rows(table: FeatureTable, items: int) -> list[tuple[Any, ...]]:
    values = table.values.tolist()
    bounds = (np.arange(items + 2) if table.offsets is None else table.offsets).tolist()
    return [tuple(values[bounds[index] : bounds[index + 1]]) for index in range(1, items + 1)]


def _longer_attribute(attribute: ItemAttribute, added: Sequence[AddedItem]) -> ItemAttribute:
    index = {value: place for place, value in enumerate(attribute.values) if place}
    rows = [[index[value] for value in item.attributes if value in index] for item in added]
    offsets = attribute.offsets[-1] + np.cumsum([len(row) for row in rows], dtype=np.int64)
    return replace(
        attribute,
        offsets=np.concatenate([attribute.offsets, offsets]).astype(np.int64),
        indices=np.concatenate([attribute.indices, np.array([i for row in rows for i in row], np.int32)]),
    )


def _longer_table(table: FeatureTable, added: Sequence[AddedItem]) -> FeatureTable:
    rows = [list(item.features.get(table.name, ())) for item in added]
    if table.offsets is None:
        rows = [row[:1] or [table.fill] for row in rows]
    values = np.concatenate([table.values, np.array([value for row in rows for value in row], table.values.dtype)])
    if table.offsets is None:
        return replace(table, values=values)
    offsets = table.offsets[-1] + np.cumsum([len(row) for row in rows], dtype=np.int64)
    return replace(table, values=values, offsets=np.concatenate([table.offsets, offsets]).astype(np.int64))
