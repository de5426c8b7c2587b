"""Many blends of one model and one table, ranked at the cost of a single pass: what the neighbour head is chosen by.

The table adds to few items of each history. Whether a label is among the first ten of a blend follows from those, from
the best ten of all others by dense score, and from the label itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reco_core.evaluation import HistoryBatch, Scorer, mask_scores, top_items
from reco_core.examples import Examples, ExampleSet, seen_pairs
from reco_core.model import NeighbourHead, ages

CUT = 10  # of the NDCG


@dataclass(frozen=True)
class Block:
    """Some examples. An entry is a pair of example and candidate whose score the table adds to."""

    labels: NDArray[np.int32]  # [examples]
    found: NDArray[np.bool_]  # [examples] whether the label can be found at all
    label_dense: NDArray[np.float32]
    label_added: NDArray[np.float64]  # [decays, examples]
    rows: NDArray[np.int64]  # [entries] the example
    items: NDArray[np.int64]
    dense: NDArray[np.float32]
    added: NDArray[np.float64]  # [decays, entries]
    rest: NDArray[np.int32]  # [examples, 10] best other candidates by dense score, 0 where there are fewer
    rest_dense: NDArray[np.float32]
    first: NDArray[np.int32]  # [examples, 10] other candidates of the lowest index, likewise
    spread: float  # mean standard deviation of an example's dense scores
    strongest: NDArray[np.float64]  # [decays] mean of what the table adds at most, of examples that it adds to

    @classmethod
    def of(
        cls,
        examples: Examples,
        dense: Scorer,
        table: NeighbourHead,
        decays: tuple[float, ...],
        example_set: ExampleSet,
        *,
        length: int,
        repeats: bool,
    ) -> Block:
        """Rank nothing yet; `table` is taken with each of `decays`, and of a history its newest `length` items.

        Raises:
            Diverged: a dense score isn't a number.
        """
        batch = HistoryBatch.of(example_set.timelines, examples)
        labels = example_set.timelines.items[examples.labels]
        scores = dense(batch)
        masked = mask_scores(scores, *seen_pairs(example_set.timelines, examples), repeats=repeats)
        cells, added = _entries(table, batch.window(length), decays, masked.shape[1])
        flat = masked.reshape(-1)
        label_cells = np.arange(len(labels)) * masked.shape[1] + labels
        label_dense = flat[label_cells]
        candidate = ~np.isneginf(flat[cells])
        cells, added = cells[candidate], added[:, candidate]
        values = flat[cells]
        flat[cells] = -np.inf
        rest = top_items(masked, CUT)
        rest_dense = np.where(rest > 0, np.take_along_axis(masked, rest.astype(np.int64), axis=1), -np.inf)
        masked[~np.isneginf(masked)] = 0
        rows = cells // masked.shape[1]
        return cls(
            labels=labels,
            found=(example_set.vocabulary.counts > 0)[labels] & ~np.isneginf(label_dense),
            label_dense=label_dense,
            label_added=_at(label_cells, cells, added),
            rows=rows,
            items=cells % masked.shape[1],
            dense=values,
            added=added,
            rest=rest,
            rest_dense=rest_dense.astype(np.float32),
            first=top_items(masked, CUT),
            spread=float(scores[:, 1:].std(axis=1).mean()),
            strongest=_strongest(rows, added),
        )

    def blended(self, decay: int, weight: float) -> float:
        """Sum of the examples' NDCG@10 by dense score plus `weight` times what the table adds at that decay."""
        own = self.label_dense + np.float32(weight) * self.label_added[decay].astype(np.float32)
        entries = self.dense + np.float32(weight) * self.added[decay].astype(np.float32)
        return self._gain(own, entries, self.rest, self.rest_dense)

    def alone(self, decay: int) -> float:
        """The same by the table alone."""
        nothing = np.where(self.first > 0, 0, -np.inf).astype(np.float32)
        return self._gain(
            self.label_added[decay].astype(np.float32), self.added[decay].astype(np.float32), self.first, nothing
        )

    def _gain(
        self,
        own: NDArray[np.float32],
        entries: NDArray[np.float32],
        rest: NDArray[np.int32],
        rest_scores: NDArray[np.float32],
    ) -> float:
        # a label's place is the number of candidates before it; of equals the lower index comes first
        theirs = own[self.rows]
        before = (entries > theirs) | ((entries == theirs) & (self.items < self.labels[self.rows]))
        own, labels = own[:, None], self.labels[:, None]
        others = (rest_scores > own) | ((rest_scores == own) & (rest < labels))
        places = np.bincount(self.rows[before], minlength=len(self.labels)) + others.sum(axis=1)
        places = places[self.found & (places < CUT)]
        return float((1 / np.log2(places + 2.0)).sum())


def _entries(
    table: NeighbourHead, history: NDArray[np.int32], decays: tuple[float, ...], width: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What a table without decay adds: cells, `row * width + item`, ascending, and the sums [decays, cells]."""
    items, strengths = table.entries(history)
    stronger = strengths > 0
    rows, places, _ = np.nonzero(stronger)
    cells, codes = np.unique(rows * width + items[stronger], return_inverse=True)
    age = ages(history)[rows, places]
    added = [np.bincount(codes, strengths[stronger] * decay**age, len(cells)) for decay in decays]
    return cells.astype(np.int64), np.stack(added).astype(np.float64)


def _at(wanted: NDArray[np.int64], cells: NDArray[np.int64], added: NDArray[np.float64]) -> NDArray[np.float64]:
    """[decays, wanted] what is added at some cells; 0 where nothing is."""
    if len(cells) == 0:
        return np.zeros((len(added), len(wanted)))
    places = np.minimum(np.searchsorted(cells, wanted), len(cells) - 1)
    return np.where(cells[places] == wanted, added[:, places], 0.0)


def _strongest(rows: NDArray[np.int64], added: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(rows) == 0:
        return np.zeros(len(added))
    begins = np.flatnonzero(np.diff(rows, prepend=-1))
    return np.maximum.reduceat(added, begins, axis=1).mean(axis=1)
