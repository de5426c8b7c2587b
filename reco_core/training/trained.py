"""What training gives, and how it scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from reco_core.evaluation import HistoryBatch, Scorer
from reco_core.model import DualEncoder, NeighbourHead
from reco_core.training.weights import WeightsInfo


@dataclass(frozen=True)
class FittedNeighbours:
    """The neighbour head, and what it was chosen by."""

    head: NeighbourHead | None  # None: no weight made the model's lists better
    followers: int  # of each item
    decay: float  # of an item for each that comes after it
    weight: float  # of the table beside the dense scores; 0 without a head
    validation_ndcg: Mapping[str, float]  # NDCG@10 of `dense`, `table` and `blended`

    def as_dict(self) -> dict[str, Any]:
        """As the report states it."""
        return {
            "followers": self.followers,
            "decay": self.decay,
            "weight": self.weight,
            "validation": {f"{name}_ndcg@10": value for name, value in self.validation_ndcg.items()},
        }


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
    neighbours: FittedNeighbours | None = None  # fitted after training, where the config asks for it

    @property
    def head(self) -> NeighbourHead | None:
        """The neighbour head that is part of the model, if there is one."""
        return None if self.neighbours is None else self.neighbours.head


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


def model_scorer(model: DualEncoder, head: NeighbourHead | None = None) -> Scorer:
    """Scores by the Keras model itself, as early stopping and the parity gate need them; `head` adds its own."""
    names = tuple(model.input_specs())
    compiled = tf.function(
        lambda inputs: tf.pad(model.scores(inputs), [[0, 0], [1, 0]]),
        input_signature=[model.input_specs()],
        autograph=False,
    )

    def score(batch: HistoryBatch) -> NDArray[np.float32]:
        inputs = batch.inputs(model.history_length)
        scores: NDArray[np.float32] = compiled({name: tf.constant(inputs[name]) for name in names}).numpy()
        if head is not None:
            head.add_to(scores, inputs["history"])
        return scores

    return score
