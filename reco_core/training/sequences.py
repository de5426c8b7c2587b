"""Training examples as whole sequences: one causal pass gives an example at every position.

Timelines are cut into sequences of at most the history length, at places that differ from pass to pass, so that the
model also learns from short histories; and sequences are packed into rows of equal width, several in each, so that
next to no arithmetic is spent on padding.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from reco_core.config.training import automatic_batch_size, packed_columns
from reco_core.examples import ExampleSet
from reco_core.training.batches import Batch
from reco_core.training.feature_windows import FeatureWindows

_SHORT = 4  # items of a sequence that is kept to fill rows up
_PADDING = -1


class SequenceExamples:
    """The timelines on the device, and how a pass lays out their sequences.

    A batch is [rows, columns] positions in `Timelines.items`: the items there are read, those after them are labels.
    """

    def __init__(self, example_set: ExampleSet, batch_size: int | None, history_length: int) -> None:
        timelines, train = example_set.timelines, example_set.train
        self.count = len(train)
        self._length = history_length
        self.columns = packed_columns(history_length)
        self._runs = _runs(timelines.offsets, train.users, train.labels)
        self.rows = max(1, round((batch_size or automatic_batch_size(self.count)) / self.columns))
        needed = _rows_needed(self._layout(np.random.default_rng([0, 0]))[1], self.columns)
        self.rows = min(self.rows, needed)
        # cut at other places, sequences may need a row more; what finds no room is left out of that pass
        self.steps = -(-(needed + 1 + needed // 200) // self.rows)
        self.batch_size = self.rows * self.columns
        self._items = tf.constant(timelines.items)
        # positions with a gap after each user, wider than a row: so far apart as their columns only one user's can be
        users = np.repeat(np.arange(timelines.users), np.diff(timelines.offsets))
        self._places = tf.constant((np.arange(len(users)) + users * self.columns).astype(np.int64))
        learnable = np.zeros(len(timelines.items) + 1, np.bool_)
        learnable[train.labels] = True
        self._learnable = tf.constant(learnable)
        self._features = [FeatureWindows(table) for table in timelines.features.values()]

    @property
    def order_shape(self) -> tuple[int, ...]:
        """Shape of a step's part of `order`."""
        return (self.rows, self.columns)

    @property
    def examples_per_step(self) -> float:
        """Labels in a step, on average."""
        return self.count / self.steps

    def order(self, seed: int, epoch: int) -> NDArray[np.int32]:
        """int32 [steps, rows, columns]: positions of the items that are read in this pass; -1 is padding."""
        generator = np.random.default_rng([seed, epoch])
        begin, lengths = self._layout(generator)
        row, column, rows = _packed(lengths, self.columns)
        row = generator.permutation(rows)[row]  # rows of short sequences come last
        # the rows are spread evenly over the steps, so that none has none
        first = (np.arange(self.steps + 1) * min(rows, self.steps * self.rows)) // self.steps
        step = np.searchsorted(first, np.arange(rows), side="right") - 1
        place = step * self.rows + np.arange(rows) - first[np.minimum(step, self.steps - 1)]
        fits = row < first[-1]
        begin, lengths, row, column = begin[fits], lengths[fits], row[fits], column[fits]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        order = np.full(self.steps * self.batch_size, _PADDING, np.int32)
        order[np.repeat(place[row] * self.columns + column, lengths) + within] = np.repeat(begin, lengths) + within
        return order.reshape(self.steps, self.rows, self.columns)

    def gather(self, positions: tf.Tensor) -> Batch:
        """int32 [rows, columns] positions of a step -> the batch."""
        real = positions >= 0
        inside = tf.maximum(positions, 0)
        history = tf.where(real, tf.gather(self._items, inside), 0)
        learnable = real & tf.gather(self._learnable, inside + 1)
        # a step to the right is a step in the timeline: one is in the other's history
        places = tf.where(real, tf.gather(self._places, inside), -self.columns)
        column = tf.range(self.columns, dtype=places.dtype)
        apart = column[:, None] - column[None, :]  # [columns, columns], from the one that looks to the one looked at
        seen = (places[:, :, None] - places[:, None, :] == apart) & (apart >= 0) & (apart < self._length)
        inputs = {"history": history}
        inputs |= {one.name: one.gather(None, inside, history, real) for one in self._features}
        return Batch(inputs, tf.gather(self._items, inside + 1), tf.cast(learnable, tf.float32), seen)

    def _layout(self, generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Begin and length of the sequences of a pass, in random order."""
        begin, lengths = self._runs
        long = lengths > self._length
        # 7 items, at most 3 at once, first cut after 2 -> 2 3 2
        first = np.where(long, generator.integers(1, self._length + 1, len(lengths)), lengths)
        pieces = 1 + -(-(lengths - first) // self._length)
        run = np.repeat(np.arange(len(lengths)), pieces)
        piece = np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        skipped = np.where(piece > 0, first[run] + (piece - 1) * self._length, 0)
        size = np.where(piece > 0, np.minimum(self._length, lengths[run] - skipped), first[run])
        order = generator.permutation(len(run))
        return (begin[run] + skipped)[order], size[order]


def _runs(
    offsets: NDArray[np.int64], users: NDArray[np.int32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the timeline of each user with examples begins, and how many items stand before its last label."""
    # labels rise within a user, and users rise
    last = np.flatnonzero(np.append(users[1:] != users[:-1], True))
    begin = offsets[users[last]]
    return begin, labels[last] - begin


def _packed(lengths: NDArray[np.int64], columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Sequences laid into rows, the long ones first, the short ones into what is left over at the ends of rows.

    Returns:
        The row and the column at which each begins, and the number of rows.
    """
    # lengths 3 5 2 1, 6 columns, short up to 2 -> the long ones in rows 0 and 1, 2 behind the 3, 1 behind the 5
    short = lengths <= _SHORT
    row, column = np.zeros(len(lengths), np.int64), np.zeros(len(lengths), np.int64)
    row[~short], column[~short], rows = _one_after_the_other(lengths[~short], columns)
    ends = np.concatenate([[0], np.cumsum(lengths[short])])
    taken = np.bincount(row[~short], weights=lengths[~short], minlength=rows).astype(np.int64)
    first = _filled(ends, columns - taken)  # [rows + 1] which short sequences each row takes
    counts = np.diff(first)
    row_of_short = np.repeat(np.arange(rows), counts)
    fitted = np.flatnonzero(short)[: len(row_of_short)]
    row[fitted] = row_of_short
    column[fitted] = taken[row_of_short] + ends[: len(fitted)] - ends[first[row_of_short]]
    rest = np.flatnonzero(short)[len(fitted) :]
    more, column[rest], further = _one_after_the_other(lengths[rest], columns)
    row[rest] = rows + more
    return row, column, rows + further


def _filled(ends: NDArray[np.int64], gaps: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many sequences are laid down before each gap, each gap taking as many as it holds: [gaps + 1].

    Args:
        ends: where each would end if they lay one after the other, from 0.
        gaps: columns that are free.
    """
    listed, last = ends.tolist(), len(ends) - 1
    at, found = 0, [0]
    for gap in gaps.tolist():
        at = min(last, bisect_right(listed, listed[at] + gap, at) - 1)
        found.append(at)
    return np.array(found)


def _one_after_the_other(lengths: NDArray[np.int64], columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Row and column of each sequence, and the number of rows; one that doesn't fit any more begins a row."""
    # lengths 3 3 2, 6 columns -> rows 0 0 1, columns 0 3 0
    if len(lengths) == 0:
        return lengths, lengths, 0
    ends = np.concatenate([[0], np.cumsum(lengths)])
    # the sequence that begins the next row if this one begins a row
    following = (np.searchsorted(ends, ends[:-1] + columns, side="right") - 1).tolist()
    begins, at = [], 0
    while at < len(lengths):
        begins.append(at)
        at = following[at]
    opens = np.zeros(len(lengths), np.int64)
    opens[begins[1:]] = 1
    row = np.cumsum(opens)
    return row, ends[:-1] - ends[np.array(begins)][row], len(begins)


def _rows_needed(lengths: NDArray[np.int64], columns: int) -> int:
    return _packed(lengths, columns)[2]
