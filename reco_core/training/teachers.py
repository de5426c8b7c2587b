"""Teachers: models that are trained first, and whose averaged scores the one that ships learns from as well.

Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; that a pupil of its teachers' own form learns to be
better than each of them, and so can teach the next: Furlanello et al. 2018, "Born-Again Neural Networks".
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from reco_core.config import JobConfig
from reco_core.examples import ExampleSet
from reco_core.model import build
from reco_core.training.batches import Batch
from reco_core.training.files import Arrays
from reco_core.training.losses import Taught
from reco_core.training.sampled_step import encoded
from reco_core.training.shares import standing_for

# Between the seeds of a run's models: people try seeds 0, 1, 2, ..., and those runs are to be no copies of each other.
_SEEDS_APART = 1_000_003


def teacher_config(config: JobConfig, number: int) -> JobConfig:
    """How teacher `number`, from 0, is trained: as the model itself, but from another seed."""
    alone = {"teachers": 0, "max_epochs": config.training.epochs_of_teachers, "keep_checkpoints": 0}
    training = config.training.model_copy(update={**alone, "tensorboard": False})
    seed = (config.seed + _SEEDS_APART * (number + 1)) % 2**32
    return config.model_copy(update={"seed": seed, "training": training})


class Teachers:
    """Trained models of the form that `config` describes; `weights` are theirs, as `trainable_variables` has them."""

    def __init__(self, config: JobConfig, example_set: ExampleSet, weights: Sequence[Arrays]) -> None:
        self._weight = config.training.teacher_weight
        self._model = build(config, example_set.vocabulary, example_set.timelines.features)
        # made here and not within a step: a program is then given them, and holds no copies as constants
        self._values = [[tf.constant(array) for array in arrays] for arrays in weights]
        self._tables, with_biases = [], []
        for values in self._values:
            with standing_for(self._model.trainable_variables, values):
                self._tables.append(tf.convert_to_tensor(self._model.label_encoder.rows(None)))
                with_biases += [self._tables[-1], tf.convert_to_tensor(self._model.label_encoder.biases())[:, None]]
        self._rows = tf.concat(with_biases, axis=1)

    def say(self, batch: Batch) -> Taught:
        """What they say of a batch, without dropout: the mean of their scores."""
        contexts = []
        for values, table in zip(self._values, self._tables, strict=True):
            embedded = tf.gather(table, tf.maximum(batch.inputs["history"] - 1, 0))
            with standing_for(self._model.trainable_variables, values):
                found = encoded(self._model, embedded, batch, None)
            contexts += [found, tf.ones_like(found[:, :1])]
        return Taught(tf.concat(contexts, axis=1) / len(self._values), self._rows, self._weight)
