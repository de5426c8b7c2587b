"""What training gives, and how it scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from reco_core.evaluation import HistoryBatch, Scorer
from reco_core.model import DualEncoder
from reco_core.training.weights import WeightsInfo


@dataclass(frozen=True)
class TrainedModel:
    """Stage 4's result: the model holds the weights of `best_epoch`, or of `epoch` where that is given."""

    model: DualEncoder
    epochs: int
    best_epoch: int
    validation_ndcg: float
    examples: int
    examples_per_second: float | None  # of this process's own epochs; None when training was already complete
    epoch: int | None = None  # another epoch than the best, if the weights are its
    history: tuple[Mapping[str, float], ...] = ()  # loss and validation metrics by epoch; weights alone don't know it


def restored(model: DualEncoder, info: WeightsInfo, examples: int) -> TrainedModel:
    """A model that was given the weights that `info` describes; its training set had `examples` examples."""
    return TrainedModel(
        model=model,
        epochs=info.epochs,
        best_epoch=info.best_epoch,
        validation_ndcg=info.metrics["ndcg@10"],
        examples=examples,
        examples_per_second=None,
        epoch=info.epoch,
    )


def model_scorer(model: DualEncoder) -> Scorer:
    """Scores by the Keras model itself, as early stopping and the parity gate need them."""
    names = tuple(model.input_specs())
    compiled = tf.function(
        lambda inputs: tf.pad(model.scores(inputs), [[0, 0], [1, 0]]),
        input_signature=[model.input_specs()],
    )

    def score(batch: HistoryBatch) -> NDArray[np.float32]:
        inputs = batch.inputs(model.history_length)
        scores: NDArray[np.float32] = compiled({name: tf.constant(inputs[name]) for name in names}).numpy()
        return scores

    return score
