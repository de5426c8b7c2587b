"""What stage 2 hands on: a vocabulary, timelines as flat arrays, and examples as positions in them.

Nothing is materialised per row: an example is two numbers, and its context is a window over its user's timeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reco_core.config import FeaturesConfig

Split = Literal["train", "validation", "test"]

# user 7's timeline starts at offsets[7] and ends before offsets[8]; items are vocabulary indices from 1


@dataclass(frozen=True)
class ItemAttribute:
    """A multi-valued item attribute in compressed rows.

    The values of item i are `values[j] for j in indices[offsets[i]:offsets[i + 1]]`; row 0 (padding) is empty.
    """

    name: str
    values: tuple[str, ...]  # values[0] is "<pad>"
    offsets: NDArray[np.int64]  # [items + 2]
    indices: NDArray[np.int32]


@dataclass(frozen=True)
class Vocabulary:
    """Raw item id <-> contiguous index. Index 0 is padding; order is falling training count, then raw id.

    The vocabulary holds all items of the dataset; those without training data come last, with count 0.
    """

    item_ids: tuple[str, ...]  # item_ids[0] is "<pad>"
    counts: NDArray[np.int64]  # [items + 1] training interactions of each item
    titles: tuple[str | None, ...]
    attribute: ItemAttribute | None

    @property
    def size(self) -> int:
        """Number of items, padding not counted (V)."""
        return len(self.item_ids) - 1


@dataclass(frozen=True)
class FeatureTable:
    """One feature's values, encoded, in compressed rows.

    A row belongs to an item (by its index; row 0 is padding), a user (by its row of the timelines) or an interaction
    (by its position in `Timelines.items`), as `scope` says; row r's values are `values[offsets[r]:offsets[r + 1]]`.
    Of INT and STRING features the values are indices: 0 is padding or missing, `vocabulary[1]` is out of vocabulary.
    INT without vocabulary: index = value, and `table_rows - 1` is out of vocabulary; a value of 0 counts as missing.
    Time gaps: index = bucket from 1, as `bounds` has them; before the first interaction of a timeline there is none.
    """

    name: str
    scope: Literal["item", "user", "interaction"]
    values: NDArray[np.int32] | NDArray[np.float32]
    offsets: NDArray[np.int64] | None  # [rows + 1]; None: one value a row
    length: int  # values that a window shows: per interaction or user, or in all where the layout is flat
    vocabulary: tuple[str, ...] | None = None  # "<pad>", "<oov>", then by falling count; None: has none
    table_rows: int = 0  # rows of the embedding table; 0 for FLOAT
    mean: float = 0.0  # FLOAT only: (value - mean) / deviation is what the model computes with
    deviation: float = 1.0
    layout: Literal["aligned", "flat"] = "aligned"
    bounds: tuple[int, ...] | None = None  # time gaps only: upper bounds of all buckets but the last

    @property
    def is_float(self) -> bool:
        """Whether the values are quantities rather than indices."""
        return self.table_rows == 0

    @property
    def oov(self) -> int:
        """The row of the embedding table for values that are not in the vocabulary; of time gaps that of no value."""
        if self.bounds is not None:
            return 0
        return 1 if self.vocabulary is not None else self.table_rows - 1

    @property
    def fill(self) -> float:
        """What stands in a window where there is no value: 0, or of FLOAT the mean."""
        return self.mean if self.is_float else 0

    def window_shape(self, history_length: int) -> tuple[int, ...]:
        """Shape of one example's window: (length,), or with positions for each interaction (L,) or (L, length)."""
        if self.scope == "user" or self.layout == "flat":
            return (self.length,)
        return (history_length,) if self.length == 1 else (history_length, self.length)


@dataclass(frozen=True)
class Timelines:
    """All users' interactions, oldest first, one user after the other.

    `items` holds what may be context or label (rated at least `min_rating`); `seen_items` holds everything. With p a
    position in `items` of user u, what u had seen before p is `seen_items[seen_offsets[u]:seen_before[p]]`.
    """

    offsets: NDArray[np.int64]  # [users + 1]
    items: NDArray[np.int32]  # [interactions] indices from 1
    timestamps: NDArray[np.int64] | None  # [interactions], whole seconds or the log's own unit; None: order only
    seen_offsets: NDArray[np.int64]  # [users + 1]
    seen_items: NDArray[np.int32]
    seen_before: NDArray[np.int64]  # [interactions] positions in seen_items
    user_ids: tuple[str, ...]
    features: Mapping[str, FeatureTable] = field(default_factory=dict)  # by name of the model's input

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.offsets) - 1


@dataclass(frozen=True)
class Examples:
    """(context, label) pairs of one split: the label is `items[labels]`, the context is what lies before it."""

    users: NDArray[np.int32]  # [examples] rows of the timelines
    labels: NDArray[np.int64]  # [examples] positions in `Timelines.items`

    def __len__(self) -> int:
        return len(self.labels)


def _none() -> NDArray[np.int32]:
    return np.zeros(0, np.int32)


@dataclass(frozen=True)
class ExampleSet:
    """Stage 2's result. `in_training[p]` tells whether the interaction at position p may be learned from."""

    protocol: str
    vocabulary: Vocabulary
    timelines: Timelines
    train: Examples
    validation: Examples
    test: Examples
    in_training: NDArray[np.bool_]  # [interactions]
    dropped_users: int  # users with timelines shorter than `min_timeline_length`
    features: FeaturesConfig = field(default_factory=FeaturesConfig)  # resolved: which group reads which feature
    cold_items: NDArray[np.int32] = field(default_factory=_none)  # indices of those that training is kept from, rising

    def split(self, name: Split) -> Examples:
        """The examples of one split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def windows(timelines: Timelines, users: NDArray[np.int32], ends: NDArray[np.int64], length: int) -> NDArray[np.int32]:
    """The newest `length` items before each position, oldest first, left-aligned, padded with 0 at the end.

    Args:
        users: [batch] rows of the timelines.
        ends: [batch] positions in `timelines.items`, exclusive.

    Returns:
        int32 [batch, length].
    """
    # timeline 5 6 7 8, end at the 8, length 2 -> 6 7; length 5 -> 5 6 7 0 0
    begin = np.maximum(timelines.offsets[users], ends - length)
    column = np.arange(length)
    position = begin[:, None] + column
    inside = position < ends[:, None]
    return np.where(inside, timelines.items[np.minimum(position, len(timelines.items) - 1)], 0).astype(np.int32)


def seen_pairs(timelines: Timelines, examples: Examples) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """What each example's user had seen before the label, as (row of the example, item index) pairs."""
    begin = timelines.seen_offsets[examples.users]
    counts = timelines.seen_before[examples.labels] - begin
    rows = np.repeat(np.arange(len(examples), dtype=np.int64), counts)
    # position inside each run: a running index minus the index at which the run began
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, timelines.seen_items[np.repeat(begin, counts) + within]
