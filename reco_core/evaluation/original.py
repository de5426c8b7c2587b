"""The metrics of TensorFlow's on-device recommendation example under its names, computed as their names promise.

Its definitions: *global* metrics rank the label among the whole vocabulary, *batch* metrics among the labels of the
same batch; nothing is left out, so items seen before are candidates too; ranks count from 0.

What the original gets wrong, and what happens here:

- `global_mean_rank` looks for every label of the batch in every ranking, a mean over batch x batch places: here one
  place per example.
- `Batch_Recall/Recall_k` fails where k exceeds the batch: here every label is found then.
- A label that stands twice in a batch is two candidates with one score, so that the later one lies behind itself: here
  it is one candidate.
- Padding and ids that no item has are candidates: here the items alone.
- Evaluation data are shuffled and repeated, and a last batch that isn't full is dropped: here each example counts once,
  and the order in which they fall into batches is drawn by seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.evaluation.histories import HistoryBatch, Scorer
from reco_core.evaluation.ranking import mask_scores, rank_masked
from reco_core.examples import Examples, ExampleSet, Split

_DIGITS = 6


def original_metrics(
    scorer: Scorer, example_set: ExampleSet, split: Split, *, batch_size: int, ks: Iterable[int], seed: int
) -> dict[str, Any]:
    """`{split, batch_size, values}`, the values by the original's names, rounded to six digits.

    A label at minus infinity is a miss, behind all candidates.

    Args:
        batch_size: examples whose labels are each other's candidates in the batch metrics.
        ks: cut-offs of both recalls.
        seed: of the order in which the examples fall into batches.
    """
    examples = example_set.split(split)
    order = np.random.default_rng([seed, 3]).permutation(len(examples))
    overall, within, scored = [], [], []
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        batch = Examples(examples.users[rows], examples.labels[rows])
        scores = scorer(HistoryBatch.of(example_set.timelines, batch))
        labels = example_set.timelines.items[batch.labels]
        overall.append(global_ranks(scores, labels))
        within.append(batch_ranks(scores, labels))
        scored.append(~np.isneginf(scores[np.arange(len(labels)), labels]))
    ranks = {"global": np.concatenate(overall), "batch": np.concatenate(within)}
    known = np.concatenate(scored)  # an item that the scorer doesn't know is never found
    values: dict[str, float] = {}
    for name, found in ranks.items():
        values |= {f"{name.title()}_Recall/Recall_{k}": float(((found < k) & known).mean()) for k in sorted(set(ks))}
        values[f"{name}_mean_rank"] = float(found.mean())
    rounded = {name: round(value, _DIGITS) for name, value in values.items()}
    return {"split": split, "batch_size": batch_size, "values": rounded}


def global_ranks(scores: NDArray[np.float32], labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Each label's place among all items, from 0; of equal scores the lower index comes first.

    Args:
        scores: float32 [batch, items + 1]; column 0 is padding.
        labels: int32 [batch], indices from 1.
    """
    # scores [pad .1 .9 .2], label 3 -> place 1
    nothing = np.empty(0, np.int64)
    masked = mask_scores(scores, nothing, nothing.astype(np.int32), repeats=True)
    return rank_masked(masked, labels, scores.shape[1] - 1).ranks - 1


def batch_ranks(scores: NDArray[np.float32], labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Each label's place among the different labels of the batch, from 0; arguments as of `global_ranks`.

    One at minus infinity stands behind all of them.
    """
    # labels [7 9 7]: candidates 7 and 9; scores of row 2 .3 and .5 -> place 1
    candidates, column = np.unique(labels, return_inverse=True)
    among = scores[:, candidates]  # [batch, candidates]
    own = np.take_along_axis(among, column[:, None], axis=1)
    ahead = (among == own) & (np.arange(len(candidates)) < column[:, None])
    ranks = ((among > own) | ahead).sum(axis=1)
    return np.where(np.isneginf(own[:, 0]), len(candidates), ranks).astype(np.int64)
