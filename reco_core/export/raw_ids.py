"""Raw item ids at a graph's inputs and outputs; inside it there are indices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from reco_core.export.item_table import ItemTable
from reco_core.export.serving import ServingModule, ServingShape
from reco_core.item_numbers import ItemNumbers
from reco_core.model import DualEncoder, NeighbourHead

# A table with a place for every number up to the largest costs four bytes each; where ids lie further apart than this,
# a search among them is smaller.
MOST_PLACES_PER_ITEM = 8


class RawIds(tf.Module):
    """Lookups in both directions, as built-in operations."""

    def __init__(self, numbers: ItemNumbers) -> None:
        super().__init__(name="raw_ids")
        self._by_index = tf.constant(numbers.by_index)
        ids, order = numbers.ascending
        self._ids, self._order, self._count = tf.constant(ids), tf.constant(order), len(ids)
        self._largest = int(ids[-1])
        self._places: Any = None
        if self._largest <= MOST_PLACES_PER_ITEM * len(ids):
            places = np.zeros(self._largest + 1, np.int32)
            places[ids] = order
            self._places = tf.constant(places)

    def raw(self, indices: Any) -> Any:
        """int32 indices -> int32 raw ids of the same shape; 0 stays 0."""
        return tf.gather(self._by_index, indices)

    def indices(self, raw: Any) -> Any:
        """int32 raw ids -> int32 indices of the same shape; 0 where there is no such item."""
        if self._places is not None:
            inside = tf.logical_and(raw >= 0, raw <= self._largest)
            return tf.gather(self._places, tf.where(inside, raw, 0))
        return self._searched(raw)

    def _searched(self, raw: Any) -> Any:
        """Binary search, all at once: the last place whose id is at most the one sought."""
        # ids 0 3 8 9, sought 8: step 2 from place 0, ids[2] = 8 is not above it; step 1, ids[3] = 9 is -> place 2
        place = tf.zeros_like(raw)
        for bit in reversed(range((self._count - 1).bit_length())):
            step = 1 << bit
            further = tf.minimum(place + step, self._count - 1)
            place = tf.where(tf.gather(self._ids, further) <= raw, further, place)
        return tf.where(tf.equal(tf.gather(self._ids, place), raw), tf.gather(self._order, place), 0)


def packing(history: Any) -> Any:
    """int32 [..., L] -> int32 [..., L]: positions of the real items in their order, then those of the zeros.

    Encoders read left-aligned histories, and an id that the model doesn't know would leave a hole in one.
    """
    # history 5 0 7 0 -> keys 4 0 2 0 -> the greatest first, ties to the lower position: 0 2 1 3
    length = history.shape[-1]
    keys = tf.where(history > 0, tf.range(length, 0, -1), 0)
    return tf.math.top_k(keys, k=length)[1]


class RawIdServing(ServingModule):
    """The default layout's signatures with raw ids in `history`, `exclude_ids` and `ids`.

    Ids that the model doesn't know are as if they weren't there; features of the interactions beside them go with them.
    """

    def __init__(
        self,
        model: DualEncoder,
        shape: ServingShape,
        numbers: ItemNumbers,
        head: NeighbourHead | None = None,
        items: ItemTable | None = None,
    ) -> None:
        super().__init__(model, shape, head, items)
        self.ids = RawIds(numbers)

    def recommend(self, exclude_ids: Any = None, **inputs: Any) -> dict[str, Any]:
        """`shape.recommend_inputs` -> `ids` int32 [1, K], raw, and `scores` float32 [1, K], best first."""
        excluded = None if exclude_ids is None else self.ids.indices(exclude_ids)
        found = super().recommend(excluded, **self._indexed(inputs))
        return {**found, "ids": self.ids.raw(found["ids"])}

    def score_all(self, **inputs: Any) -> dict[str, Any]:
        """`shape.inputs` -> `scores` float32 [1, V] in index order, nothing excluded."""
        return super().score_all(**self._indexed(inputs))

    def encode_context(self, **inputs: Any) -> dict[str, Any]:
        """`shape.inputs` -> `context` float32 [1, dim]."""
        return super().encode_context(**self._indexed(inputs))

    def _indexed(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        history = self.ids.indices(inputs["history"])
        order = packing(history)
        beside = [spec.name for spec in self._shape.features if spec.stands_beside_items]
        moved = {name: tf.gather(inputs[name], order, batch_dims=1) for name in beside}
        return {**inputs, **moved, "history": tf.gather(history, order, batch_dims=1)}
