"""The training loop: compiled steps, early stopping on validation NDCG@10, exact resume."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from reco_core.config import JobConfig
from reco_core.errors import Diverged, Interrupted
from reco_core.evaluation import HistoryBatch, Scorer, evaluate
from reco_core.examples import ExampleSet
from reco_core.model import DualEncoder
from reco_core.progress import Reporter, SilentReporter
from reco_core.training.batches import TrainingExamples
from reco_core.training.checkpoint import Arrays, Checkpoint, Progress, read_checkpoint, write_checkpoint
from reco_core.training.optimizer import build_optimizer
from reco_core.training.steps import CompiledSteps

MOST_VALIDATION_EXAMPLES = 10_000


@dataclass(frozen=True)
class TrainedModel:
    """Stage 4's result: the model holds the weights of `best_epoch`."""

    model: DualEncoder
    epochs: int
    best_epoch: int
    validation_ndcg: float
    examples: int
    examples_per_second: float | None  # of this process's own epochs; None when training was already complete


def model_scorer(model: DualEncoder) -> Scorer:
    """Scores by the Keras model itself, as early stopping and the parity gate need them."""
    compiled = tf.function(
        lambda inputs: tf.pad(model.scores(inputs), [[0, 0], [1, 0]]),
        input_signature=[{"history": tf.TensorSpec([None, model.history_length], tf.int32)}],
    )

    def score(batch: HistoryBatch) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = compiled({"history": tf.constant(batch.window(model.history_length))}).numpy()
        return scores

    return score


def train(
    config: JobConfig,
    model: DualEncoder,
    example_set: ExampleSet,
    *,
    checkpoints: Path,
    identity: str,
    resume_from: Path | None = None,
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainedModel:
    """Train until validation NDCG@10 stops rising.

    Args:
        checkpoints: folder for checkpoints; each is announced to `reporter`.
        identity: hash of all that a checkpoint must agree with to be resumed from.
        resume_from: a checkpoint to go on from; the result is the same as without the interruption.
        should_stop: asked between calls of the compiled loop, some four times a second.

    Raises:
        Diverged: the loss is no longer finite.
        Interrupted: `should_stop` said so; a checkpoint was written first.
        CheckpointMismatch: `resume_from` belongs to another run.
    """
    run = _Run(config, model, example_set, checkpoints, identity, reporter or SilentReporter(), should_stop)
    if resume_from is not None:
        run.restore(resume_from)
    return run.to_the_end()


class _Run:
    """One process's share of a training run."""

    def __init__(
        self,
        config: JobConfig,
        model: DualEncoder,
        example_set: ExampleSet,
        checkpoints: Path,
        identity: str,
        reporter: Reporter,
        should_stop: Callable[[], bool],
    ) -> None:
        self.config = config
        self.model = model
        self.example_set = example_set
        self.checkpoints = checkpoints
        self.identity = identity
        self.reporter = reporter
        self.should_stop = should_stop
        self.data = TrainingExamples(example_set, config.training.batch_size, config.examples.max_history_length)
        self.weights = model.trainable_variables
        self.optimizer = build_optimizer(config.training, self.weights, self.data.steps)
        self.scorer = model_scorer(model)
        self.progress = Progress()
        self.best: Arrays = ()
        self.last_saved = time.monotonic()
        self.calls = CompiledSteps(config, model, self.optimizer, self.data)

    def restore(self, path: Path) -> None:
        shapes = {"model": _shapes(self.weights), "optimizer": _shapes(self.optimizer.variables)}
        checkpoint = read_checkpoint(path, self.identity, shapes)
        _assign(self.weights, checkpoint.model)
        _assign(self.optimizer.variables, checkpoint.optimizer)
        self.progress, self.best = checkpoint.progress, checkpoint.best
        self.reporter.log(f"resuming after epoch {self.progress.epoch}, step {self.progress.step}")

    def to_the_end(self) -> TrainedModel:
        began = time.monotonic()
        while not self.progress.finished:
            self.epoch()
        if self.calls.first_call_seconds is not None:
            seconds = time.monotonic() - began
            self.reporter.log(f"training took {seconds:.1f} s, {self.calls.first_call_seconds:.1f} s of it to compile")
        _assign(self.weights, self.best)
        return TrainedModel(
            model=self.model,
            epochs=self.progress.epoch,
            best_epoch=self.progress.best_epoch,
            validation_ndcg=self.progress.best_value,
            examples=self.data.count,
            examples_per_second=self.calls.examples_per_second,
        )

    def epoch(self) -> None:
        """The rest of the present epoch, then validation."""
        order = tf.constant(self.data.order(self.config.seed, self.progress.epoch))
        while self.progress.step < self.data.steps:
            losses = self.calls.run(order, self.progress.epoch, self.progress.step)
            if not np.isfinite(losses).all():
                raise Diverged(
                    f"the loss became {losses[~np.isfinite(losses)][0]} in epoch {self.progress.epoch + 1}; "
                    "lower training.learning_rate or set training.gradient_clip_norm"
                )
            loss_sum = self.progress.loss_sum
            for loss in losses.tolist():  # one by one, so that the sum doesn't depend on where a call ended
                loss_sum += loss
            self.progress = replace(self.progress, step=self.progress.step + len(losses), loss_sum=loss_sum)
            self.report_progress()
            self.pause()
        self.validate()
        self.pause()

    def validate(self) -> None:
        """Complete the epoch: measure, keep the best weights, decide whether to go on."""
        found = evaluate(
            self.scorer,
            self.example_set,
            "validation",
            repeats=self.config.repeats,
            seed=self.config.seed,
            bootstrap_samples=0,
            lists=False,
            at_most=MOST_VALIDATION_EXAMPLES,
        )
        now = self.progress
        metrics = {
            "loss": now.loss_sum / self.data.steps,
            "ndcg@10": found["ndcg@10"],
            "recall@10": found["recall@10"],
        }
        epoch = now.epoch + 1
        better = metrics["ndcg@10"] > now.best_value
        if better:
            self.best = _values(self.weights)
        best_epoch = epoch if better else now.best_epoch
        training = self.config.training
        self.progress = Progress(
            epoch=epoch,
            best_epoch=best_epoch,
            best_value=metrics["ndcg@10"] if better else now.best_value,
            finished=epoch >= training.max_epochs or epoch - best_epoch >= training.patience,
            history=(*now.history, metrics),
        )
        self.reporter.epoch(epoch, metrics)

    def pause(self) -> None:
        """Between two calls: write a checkpoint if one is due, stop if asked to."""
        stop = self.should_stop()
        due = time.monotonic() - self.last_saved >= self.config.training.checkpoint_seconds
        if stop or due or self.progress.finished:
            self.save()
        if stop and not self.progress.finished:
            raise Interrupted(f"stopped in epoch {self.progress.epoch + 1}; a checkpoint holds all that was done")

    def save(self) -> None:
        checkpoint = Checkpoint(
            self.identity, self.progress, _values(self.weights), _values(self.optimizer.variables), self.best
        )
        path = write_checkpoint(self.checkpoints, checkpoint)
        self.last_saved = time.monotonic()
        self.reporter.checkpoint(path, self.progress.epoch, self.progress.step)

    def report_progress(self) -> None:
        training = self.config.training
        done = self.progress.epoch * self.data.steps + self.progress.step
        # the best guess at the end: no further improvement from here on
        last_epoch = min(training.max_epochs, max(1, self.progress.best_epoch) + training.patience)
        rate = self.calls.examples_per_second
        left = max(0, last_epoch * self.data.steps - done) * self.data.batch_size
        eta = left / rate if rate else None
        self.reporter.progress(done, training.max_epochs * self.data.steps, "steps", eta)


def _values(variables: list[Any]) -> Arrays:
    return tuple(variable.numpy() for variable in variables)


def _shapes(variables: list[Any]) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in variables]


def _assign(variables: list[Any], arrays: Arrays) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
