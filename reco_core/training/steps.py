"""Training steps, compiled once: gradient and update as XLA programs, several steps per call."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from reco_core.config import JobConfig
from reco_core.model import DualEncoder
from reco_core.training.batches import TrainingExamples
from reco_core.training.losses import batch_softmax, full_softmax
from reco_core.training.sampled_step import SampledStep, encoded
from reco_core.training.sequences import SequenceExamples
from reco_core.training.shares import added, filled_up, shares_for, standing_for, values_of
from reco_core.training.teachers import Teachers
from reco_core.training.updates import Updates

# One call of the compiled loop lasts about this long: it answers a stop request soon, and costs nothing.
_CALL_SECONDS = 0.25


class CompiledSteps:
    """Several steps per call of a compiled function; how many never changes the result."""

    def __init__(
        self,
        config: JobConfig,
        model: DualEncoder,
        updates: Updates,
        data: TrainingExamples | SequenceExamples,
        teachers: Teachers | None = None,
    ) -> None:
        self.data = data
        self.steps_per_call = 1
        self.first_call_seconds: float | None = None  # a single step, and the compilation
        self.last_rate: float | None = None  # examples per second in the call before; None where it compiled
        self._seconds = 0.0
        self._steps = 0
        if config.training.loss_for(model.label_encoder.items) == "sampled_softmax":
            step: Callable[[Any, Any], Any] = SampledStep(config, model, updates, data)
        else:
            step = _whole_step(config, model, updates, data, teachers)
        scalar = tf.TensorSpec([], tf.int32)
        order_spec = tf.TensorSpec([None, *data.order_shape], tf.int32)

        # The number of steps in an epoch is left open, so that nothing is traced twice. Without AutoGraph, here and
        # wherever else: for two seconds it would rewrite all code that a step calls, in which it has nothing to do.
        @tf.function(input_signature=[order_spec, scalar, scalar, scalar], autograph=False)
        def steps(order: Any, first: Any, last: Any, number: Any) -> Any:
            def one(i: Any, losses: Any) -> tuple[Any, Any]:
                return i + 1, losses.write(i - first, step(order[i], number + i))

            empty = tf.TensorArray(tf.float32, size=last - first)
            _, losses = tf.while_loop(lambda i, _: i < last, one, (first, empty))
            return losses.stack()

        self._run = steps

    @property
    def examples_per_second(self) -> float | None:
        """Over all steps of this process, compilation not counted."""
        return self._steps * self.data.examples_per_step / self._seconds if self._seconds else None

    def run(self, order: Any, before: int, first: int, last: int) -> NDArray[np.float32]:
        """Losses of the next steps.

        Args:
            order: int32 [steps, ...] what each step of this pass is made of, as the examples' `order` gives it.
            before: steps in all passes before this one.
            first: the next step of this pass, from 0.
            last: the step to stop before, if a call gets that far.
        """
        last = min(last, first + self.steps_per_call)
        began = time.monotonic()
        losses: NDArray[np.float32] = self._run(
            order, tf.constant(first), tf.constant(last), tf.constant(before)
        ).numpy()
        seconds = time.monotonic() - began
        self.last_rate = None
        if self.first_call_seconds is None:
            self.first_call_seconds = seconds
        else:
            self._seconds += seconds
            self._steps += len(losses)
            self.last_rate = len(losses) * self.data.examples_per_step / max(seconds, 1e-6)
            self.steps_per_call = max(1, math.ceil(len(losses) * _CALL_SECONDS / max(seconds, 1e-6)))
        return losses


def _whole_step(
    config: JobConfig,
    model: DualEncoder,
    updates: Updates,
    data: TrainingExamples | SequenceExamples,
    teachers: Teachers | None,
) -> Callable[[Any, Any], Any]:
    """A step that reads and updates all rows of the item table."""
    variables = model.trainable_variables
    training, labels_encoder = config.training, model.label_encoder
    # the labels of a batch are each other's negatives, so it stays in one piece
    shares = 1 if training.loss == "batch_softmax" else shares_for(data.batch_size, data.order_shape[0])

    def gradients(order: Any, values: list[Any], number: Any, total: Any) -> list[Any]:
        """Of a share's part of the loss; the loss is the first."""
        batch = data.gather(order)
        seed = (tf.constant(config.seed % 2**31), number)
        labels, weights = tf.reshape(batch.labels, [-1]), tf.reshape(batch.weights, [-1])
        taught = None if teachers is None else teachers.say(batch)
        with tf.GradientTape() as tape, standing_for(variables, values):
            tape.watch(values)
            rows, biases = labels_encoder.rows(model.id_drop_seed(seed)), labels_encoder.biases()
            embedded = tf.gather(rows, tf.maximum(batch.inputs["history"] - 1, 0))
            contexts = encoded(model, embedded, batch, seed)
            if training.loss == "batch_softmax":
                scores = tf.matmul(contexts, tf.gather(rows, labels - 1), transpose_b=True)
                loss = batch_softmax(scores + tf.gather(biases, labels - 1), labels, weights)
            else:
                smoothing = training.label_smoothing
                loss = full_softmax(contexts, rows, biases, labels, weights, smoothing, total, taught)
        # dense, so that every optimizer treats rows that took no part in the same way
        return [loss, *(tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, values))]

    def updated(found: list[Any]) -> Any:
        updates.apply(found[1:])
        return found[0]

    if shares == 1:

        @tf.function(jit_compile=True, autograph=False)
        def whole(order: Any, number: Any) -> Any:
            return updated(gradients(order, values_of(variables), number, None))

        return whole

    one_share = tf.function(gradients, jit_compile=True, autograph=False)
    last = tf.function(updated, jit_compile=True, autograph=False)

    def step(order: Any, number: Any) -> Any:
        order = filled_up(order, shares)
        total = tf.reduce_sum(data.gather(order).weights)
        values = values_of(variables)
        parts = tf.split(order, shares)
        return last(added(one_share, [(part, values, number * shares + i, total) for i, part in enumerate(parts)]))

    return step
