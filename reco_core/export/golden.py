"""Golden vectors: inputs and the outputs that a correct client gets for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.evaluation import HistoryBatch
from reco_core.examples import ExampleSet
from reco_core.inference import Recommender
from reco_core.tensor_forms import IndexForm

GOLDEN_TOLERANCE = 1e-3  # absolute, on scores; processors differ in the last bits
_CASES = 8


def golden_cases(
    path: Path, example_set: ExampleSet, exclude_ids: int, seed: int, form: IndexForm | None = None
) -> list[dict[str, Any]]:
    """`{inputs, ids, scores}` as the file computes them here: an empty history, a single item, real histories.

    Inputs and ids are those of the file: raw ids where it has raw ids, by its own names.
    """
    form = form or IndexForm()
    recommender = Recommender(path, form=form)
    validation = example_set.validation
    chosen = np.random.default_rng([seed, 2]).permutation(len(validation))[: _CASES - 2]
    timelines = example_set.timelines
    real = HistoryBatch(timelines, validation.users[chosen], validation.labels[chosen]).inputs(
        recommender.history_length
    )
    histories = [np.zeros(0, np.int32), np.ones(1, np.int32), *(row[row > 0] for row in real["history"])]
    nothing = {
        name: np.full(empty.shape, timelines.features[name].fill, empty.dtype)
        for name, empty in recommender.features.items()
    }
    features = [nothing, nothing, *({name: real[name][row] for name in nothing} for row in range(len(chosen)))]
    excluded = np.arange(1, min(exclude_ids, 3, example_set.vocabulary.size) + 1, dtype=np.int32)
    return [
        _case(recommender, form, history, excluded, beside) for history, beside in zip(histories, features, strict=True)
    ]


def reproduces(
    path: Path, cases: list[dict[str, Any]], tolerance: float = GOLDEN_TOLERANCE, form: IndexForm | None = None
) -> bool:
    """Whether the file, loaded afresh, gives the same lists but for ties within `tolerance`."""
    form = form or IndexForm()
    recommender = Recommender(path, form=form)
    for case in cases:
        outputs = recommender.run(recommender.typed(case["inputs"]))
        ids, scores = outputs[form.ids].reshape(-1), outputs[form.scores].reshape(-1)
        expected = np.array(case["scores"], np.float32)
        if not np.abs(scores - expected).max() <= tolerance:  # NaN fails too
            return False
        moved = ids != np.array(case["ids"])
        if moved.any() and not _tied(expected, moved, tolerance):
            return False
    return True


def _tied(scores: NDArray[np.float32], moved: NDArray[np.bool_], tolerance: float) -> bool:
    """Whether each moved position has a neighbour of nearly the same score."""
    gaps = np.abs(np.diff(scores))
    nearest = np.minimum(np.append(gaps, 0.0), np.append(np.inf, gaps))  # the last may trade with what lies outside
    return bool((nearest[moved] <= 2 * tolerance).all())


def _case(
    recommender: Recommender,
    form: IndexForm,
    history: NDArray[np.int32],
    excluded: NDArray[np.int32],
    features: Mapping[str, NDArray[Any]],
) -> dict[str, Any]:
    tensors = recommender.tensors(history, excluded, features)
    outputs = recommender.run(tensors)
    return {
        "inputs": {name: tensor.tolist() for name, tensor in tensors.items()},
        "ids": outputs[form.ids].reshape(-1).tolist(),
        "scores": [float(f"{score:.6g}") for score in outputs[form.scores].reshape(-1)],
    }
