"""The parity gate: the file shipped and the trained model rank alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reco_core.config import VariantName
from reco_core.evaluation import Evaluation, HistoryBatch, Scorer, overlap, top_items
from reco_core.examples import Examples, ExampleSet
from reco_core.inference import FileScorer, Recommender
from reco_core.tensor_forms import IndexForm

# Figures of the gate; docs/evaluation.md says why.
LEAST_OVERLAP: Mapping[VariantName, float] = {"float32": 1.0, "float16": 0.99, "dynamic_int8": 0.93}
MOST_NDCG_LOSS: Mapping[VariantName, float] = {"float32": 0.01, "float16": 0.01, "dynamic_int8": 0.03}
_TIE = 1e-4  # scores closer than this, relative to the largest, may swap places between two runtimes


@dataclass(frozen=True)
class Parity:
    """How a variant ranks beside the Keras model on the validation split."""

    overlap: float  # mean share of the Keras model's top 10 that the file also has
    ndcg_loss: float  # relative
    refused: str | None  # why the variant may not be shipped


def check_parity(
    variant: VariantName, file: Evaluation, keras: Evaluation, keras_scorer: Scorer, example_set: ExampleSet
) -> Parity:
    """Compare two evaluations of the same validation examples, both with top-10 lists.

    Raises:
        ValueError: they have no lists.
    """
    if file.top is None or keras.top is None:
        raise ValueError("the parity gate needs evaluations with lists")
    shared = overlap(file.top, keras.top)
    gains = [_ndcg_values(evaluation.ranks) for evaluation in (keras, file)]
    difference = gains[0] - gains[1]
    loss = float(difference.mean() / max(float(gains[0].mean()), 1e-12))
    error = float(difference.std() / np.sqrt(len(difference)))
    allowed = max(MOST_NDCG_LOSS[variant] * float(gains[0].mean()), error)
    refused = None
    if variant == "float32":
        unequal = _unequal_beyond_ties(file.top, keras.top, keras_scorer, example_set, keras)
        if unequal:
            refused = f"{unequal} of {len(file.top)} top-10 lists differ from the trained model's by more than ties"
    elif shared < LEAST_OVERLAP[variant]:
        refused = f"overlap@10 with the trained model is {shared:.4f}, at least {LEAST_OVERLAP[variant]} is required"
    if refused is None and float(difference.mean()) > allowed:
        refused = f"NDCG@10 on validation is {loss:.1%} below the trained model's"
    return Parity(shared, loss, refused)


def check_recommend(
    path: Path, example_set: ExampleSet, *, repeats: bool, users: int, seed: int, form: IndexForm | None = None
) -> int:
    """How many of up to `users` validation histories get another list from `recommend` than from `score_all`."""
    examples = example_set.validation
    chosen = np.random.default_rng(seed).permutation(len(examples))[:users]
    recommender = Recommender(path, form=form)
    batch = HistoryBatch.of(example_set.timelines, Examples(examples.users[chosen], examples.labels[chosen]))
    inputs = batch.inputs(recommender.history_length)
    histories = inputs["history"]
    with FileScorer(path, form=form) as scorer:
        scores = scorer(batch)
    scores[:, 0] = -np.inf
    if not repeats:
        np.put_along_axis(scores, histories.astype(np.intp), -np.inf, axis=1)
    wrong = 0
    for row, history in enumerate(histories):
        features = {name: inputs[name][row] for name in recommender.features}
        ids, _ = recommender.recommend(history[history > 0], features=features)
        filled = ids[ids > 0]
        expected = top_items(scores[row : row + 1], len(ids))[0]
        wrong += not np.array_equal(filled, expected[expected > 0])
    return wrong


def _ndcg_values(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(ranks <= 10, 1.0 / np.log2(ranks + 1.0), 0.0)


def _unequal_beyond_ties(
    file: NDArray[np.int32],
    keras: NDArray[np.int32],
    keras_scorer: Scorer,
    example_set: ExampleSet,
    evaluation: Evaluation,
) -> int:
    """Lists that differ although, by the Keras model's own scores, the items swapped are not tied."""
    rows = np.flatnonzero((file != keras).any(axis=1))
    if len(rows) == 0:
        return 0
    ranked = evaluation.examples_ranked
    scores = keras_scorer(HistoryBatch.of(example_set.timelines, Examples(ranked.users[rows], ranked.labels[rows])))
    theirs = np.take_along_axis(scores, file[rows].astype(np.intp), axis=1)
    own = np.take_along_axis(scores, keras[rows].astype(np.intp), axis=1)
    tolerance = _TIE * np.maximum(np.abs(own).max(axis=1, keepdims=True), 1.0)
    return int((np.abs(theirs - own) > tolerance).any(axis=1).sum())
