"""What contexts look like, measured on histories of the training set: eight bits go where they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from reco_core.evaluation import HistoryBatch
from reco_core.examples import Examples, ExampleSet
from reco_core.model import DualEncoder

MOST_HISTORIES = 4096
_BATCH = 256


def training_histories(
    example_set: ExampleSet, history_length: int, seed: int, at_most: int = MOST_HISTORIES
) -> dict[str, NDArray[Any]]:
    """A model's inputs by name for seeded training examples, `at_most` of them."""
    train = example_set.train
    chosen = np.random.default_rng([seed, 4]).permutation(len(train))[:at_most]
    batch = HistoryBatch.of(example_set.timelines, Examples(train.users[chosen], train.labels[chosen]))
    return batch.inputs(history_length)


def context_moments(
    model: DualEncoder, rows: NDArray[np.float32], inputs: Mapping[str, NDArray[Any]]
) -> NDArray[np.float64]:
    """[dim + 1, dim + 1]: means of the products of two numbers of a context, and of a last one that is always 1.

    Args:
        rows: float32 [V + 1, dim], the item table with padding first.
        inputs: what the model reads, by name, at least one example; more is left alone.
    """
    contexts = np.concatenate(list(_contexts(model, rows, inputs))).astype(np.float64)
    known = np.pad(contexts, [(0, 0), (0, 1)], constant_values=1.0)
    # not by way of BLAS, whose sums depend on the number of threads
    return np.einsum("ni,nj->ij", known, known) / len(known)


def _contexts(
    model: DualEncoder, rows: NDArray[np.float32], inputs: Mapping[str, NDArray[Any]]
) -> Iterator[NDArray[np.float32]]:
    for begin in range(0, len(inputs["history"]), _BATCH):
        some = {name: tf.constant(inputs[name][begin : begin + _BATCH]) for name in model.input_specs()}
        yield model.encode(tf.gather(rows, some["history"]), some).numpy()
