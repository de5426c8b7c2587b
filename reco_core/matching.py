"""A shipped file on a log that it wasn't trained on: items are matched by raw id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reco_core.evaluation import HistoryBatch, Scorer
from reco_core.examples import ExampleSet, FeatureTable, Split, Timelines, Vocabulary, taken


@dataclass(frozen=True)
class Matched:
    """A log's examples among the items of the log and of the model together, and where each item stands in the model.

    Items of the model that the log lacks are candidates too, as they are on the phone; they come last.
    """

    example_set: ExampleSet
    to_model: NDArray[np.int32]  # [items + 1] the model's index of each item, 0 where it doesn't know it
    model_items: int  # V of the model

    def unknown_labels(self, split: Split) -> int:
        """Labels of a split that the model doesn't know."""
        labels = self.example_set.timelines.items[self.example_set.split(split).labels]
        return int(np.count_nonzero(self.to_model[labels] == 0))

    @property
    def unknown_interactions(self) -> int:
        """Interactions that no context shows the model."""
        return int(np.count_nonzero(self.to_model[self.example_set.timelines.items] == 0))

    def scorer(self, of_the_model: Scorer) -> Scorer:
        """Scores of the examples' items, from those of the model's: minus infinity for items that it doesn't know."""
        if np.array_equal(self.to_model, np.arange(self.model_items + 1)):
            return of_the_model
        timelines, before = _known_only(self.example_set.timelines, self.to_model)
        unknown = self.to_model == 0

        def score(batch: HistoryBatch) -> NDArray[np.float32]:
            scores = of_the_model(HistoryBatch(timelines, batch.users, before[batch.ends]))
            matched = scores[:, self.to_model]
            matched[:, unknown] = -np.inf
            return matched

        return score


def match(example_set: ExampleSet, item_ids: Sequence[str]) -> Matched:
    """The examples beside a model with this vocabulary, `item_ids[0]` being padding."""
    vocabulary = example_set.vocabulary
    own = set(vocabulary.item_ids)
    further = [raw for raw in item_ids[1:] if raw not in own]
    index = {raw: place for place, raw in enumerate(item_ids) if place}
    ids = (*vocabulary.item_ids, *further)
    to_model = np.array([0, *(index.get(raw, 0) for raw in ids[1:])], np.int32)
    widened = example_set if not further else replace(example_set, vocabulary=_widened(vocabulary, further))
    return Matched(widened, to_model, len(item_ids) - 1)


def _widened(vocabulary: Vocabulary, further: Sequence[str]) -> Vocabulary:
    attribute = vocabulary.attribute
    if attribute is not None:
        offsets = np.concatenate([attribute.offsets, np.full(len(further), attribute.offsets[-1])])
        attribute = replace(attribute, offsets=offsets)
    return replace(
        vocabulary,
        item_ids=(*vocabulary.item_ids, *further),
        counts=np.concatenate([vocabulary.counts, np.zeros(len(further), vocabulary.counts.dtype)]),
        titles=(*vocabulary.titles, *(None for _ in further)),
        attribute=attribute,
    )


def _known_only(timelines: Timelines, to_model: NDArray[np.int32]) -> tuple[Timelines, NDArray[np.int64]]:
    """Timelines of the model's indices without what it doesn't know, and each old position's place in the new ones."""
    # items 5 8 6, the model knows 5 as 2 and 6 as 1 -> items 2 1; positions 0 1 2 3 -> 0 1 1 2
    indices = to_model[timelines.items]
    kept = indices > 0
    before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    translated = replace(
        timelines,
        offsets=before[timelines.offsets],
        items=indices[kept],
        timestamps=None if timelines.timestamps is None else timelines.timestamps[kept],
        features={name: _features(table, kept, to_model) for name, table in timelines.features.items()},
    )
    return translated, before


def _features(table: FeatureTable, kept: NDArray[np.bool_], to_model: NDArray[np.int32]) -> FeatureTable:
    """A feature's rows where its interactions and items now stand."""
    if table.scope == "user":
        return table
    if table.scope == "interaction":
        return taken(table, np.flatnonzero(kept))
    own = len(
        table.values if table.offsets is None else table.offsets[1:]
    )  # the log's items; those of the model follow
    rows = np.full(int(to_model.max()) + 1, -1, np.int64)
    rows[to_model[:own]] = np.arange(own)
    rows[0] = -1
    return taken(table, rows)
