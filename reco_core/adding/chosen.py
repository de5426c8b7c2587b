"""Which items of a table are added, and what of them the model can make use of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reco_core.bundle import feature_name
from reco_core.config import JobConfig
from reco_core.datasets.new_items import NewItems
from reco_core.datasets.types import Interactions, ItemTable, LoadReport
from reco_core.errors import ConfigInvalid, FieldError, ItemsExist
from reco_core.examples import AddedItem, FeatureTable, Vocabulary, in_index_order, item_features

_SHOWN = 10


@dataclass(frozen=True)
class Chosen:
    """The items to add, in index order, and what a person should know of them."""

    added: tuple[AddedItem, ...]
    skipped: int  # that the model knows already
    unknown_values: Mapping[str, int]  # attribute values that it doesn't know -> items that have them
    without_attributes: tuple[str, ...]  # ids of those of which nothing is known

    def facts(self) -> dict[str, int]:
        """For manifest and report."""
        return {"unknown_values": len(self.unknown_values), "without_attributes": len(self.without_attributes)}

    def notes(self) -> list[str]:
        """In plain words."""
        lines = []
        if self.skipped:
            lines.append(f"{self.skipped:,} items were skipped, since the model knows them already")
        if self.unknown_values:
            lines.append(
                f"the model doesn't know {_listed(list(self.unknown_values))}: such values were ignored; training "
                "anew learns them"
            )
        if self.without_attributes:
            lines.append(
                f"{len(self.without_attributes):,} of the added items have no attribute value that the model knows "
                f"({_listed(list(self.without_attributes))}); all of them stand in the same place, that of the average "
                "item"
            )
        return lines


def attribute_names(vocabulary: Vocabulary) -> tuple[str, ...]:
    """What the column of the model's attribute may be called in a table of new items."""
    return () if vocabulary.attribute is None else (vocabulary.attribute.name, feature_name(vocabulary.attribute.name))


def choose(
    new: NewItems,
    config: JobConfig,
    vocabulary: Vocabulary,
    features: Mapping[str, FeatureTable],
    *,
    skip_existing: bool,
) -> Chosen:
    """What of `new` is to be added to a model with this config (its features resolved) and vocabulary.

    Raises:
        ConfigInvalid: the model knows no attribute of items, so that all new ones would be the same to it.
        ItemsExist: the model has items of these ids, and they are not to be skipped; or it has all of them.
    """
    attribute = vocabulary.attribute
    if attribute is None or config.model.item_attribute is None:
        detail = (
            "the model knows items by their ids alone, so it can't tell new ones apart; train on a dataset whose item "
            "table has a multi-valued attribute, such as genres, with model.item_attribute 'auto'"
        )
        raise ConfigInvalid(detail, [FieldError("/items", "no_item_attribute", detail)])
    known = set(vocabulary.item_ids)
    rows = [row for row, raw in enumerate(new.ids) if raw not in known]
    existing = [raw for raw in new.ids if raw in known]
    if existing and (not skip_existing or not rows):
        what = "already; " + (
            "nothing is left to add" if skip_existing else "leave them out, or skip them with --skip-existing"
        )
        detail = f"the model has {_listed(existing)} {what}"
        raise ItemsExist(detail, [FieldError("/items", "item_exists", raw) for raw in existing[:100]])
    values = set(attribute.values[1:])
    encoded = item_features(config.features, _as_log(new, attribute.name), features)
    added = tuple(
        AddedItem(
            new.ids[row],
            new.titles[row],
            tuple(value for value in new.attributes[row] if value in values),
            {name: rows_of[row] for name, rows_of in encoded.items()},
        )
        for row in rows
    )
    return Chosen(
        in_index_order(added),
        len(existing),
        dict(Counter(value for row in rows for value in new.attributes[row] if value not in values).most_common()),
        tuple(item.id for item in added if not item.attributes),
    )


def _as_log(new: NewItems, attribute_name: str) -> Interactions:
    """A log without interactions whose items are the new ones; their attribute has the name that the model knows."""
    nothing: Any = np.zeros(0, np.int32)
    return Interactions(
        users=nothing,
        items=nothing,
        timestamps=None,
        ratings=None,
        user_ids=(),
        item_ids=new.ids,
        item_table=ItemTable(new.titles, attribute_name, new.attributes),
        report=LoadReport("csv", {}, False, 0, 0, {}, (), 0, len(new)),
        item_features=new.further,
    )


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(map(repr, names[:_SHOWN])) + (f" and {more:,} more" if more > 0 else "")
