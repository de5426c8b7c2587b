"""The training loop: compiled steps, early stopping on validation NDCG@10, exact resume."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from reco_core.config import JobConfig
from reco_core.environment import ranking_threads
from reco_core.errors import Diverged, Interrupted
from reco_core.evaluation import evaluate
from reco_core.examples import ExampleSet
from reco_core.model import DualEncoder
from reco_core.progress import Reporter
from reco_core.training.checkpoint import NOTHING_BEFORE, Before, Checkpoint, Progress, no_points, write_checkpoint
from reco_core.training.files import Arrays
from reco_core.training.kept import WeightsFolder
from reco_core.training.layouts import training_examples
from reco_core.training.steps import CompiledSteps
from reco_core.training.summaries import Point, Summaries
from reco_core.training.teachers import Teachers
from reco_core.training.trained import TrainedModel, model_scorer
from reco_core.training.updates import Updates

MOST_VALIDATION_EXAMPLES = 10_000
# Between two checkpoints passes at least so many times as long as the last one took to write: a twentieth of the time
# at most goes into them, however large kept weights have made them.
_PAUSE_PER_WRITING = 20


@dataclass(frozen=True)
class Surroundings:
    """Of a run: where it writes, whom it tells, and who stops it."""

    checkpoints: Path  # folder
    identity: str  # hash of all that a checkpoint must agree with to be resumed from
    reporter: Reporter
    should_stop: Callable[[], bool]  # asked between calls of the compiled loop, some four times a second
    teacher: str = ""  # which one is trained, in words; the model that ships: none
    later_epochs: float = 0.0  # of models that are trained after this one, in epochs of this one


class Loop:
    """One model's training, or this process's share of it.

    Args:
        weights_folder: where the weights of the best epoch and of those kept go, if anywhere.
        summaries: curves for TensorBoard, if wanted.
        before: what was trained before and teaches this one; each checkpoint carries it along.
    """

    def __init__(
        self,
        config: JobConfig,
        model: DualEncoder,
        example_set: ExampleSet,
        surroundings: Surroundings,
        *,
        weights_folder: WeightsFolder | None = None,
        summaries: Summaries | None = None,
        before: Before = NOTHING_BEFORE,
    ) -> None:
        self.config = config
        self.model = model
        self.example_set = example_set
        self.surroundings = surroundings
        self.reporter = surroundings.reporter
        self.weights_folder = weights_folder
        self.summaries = summaries
        self.before = before
        self.data = training_examples(config, example_set)
        self.steps = config.training.steps_per_epoch or self.data.steps
        self.weights = model.trainable_variables
        self.optimizer = Updates(config.training, model, self.steps)
        self.scorer = model_scorer(model)
        self.progress = Progress()
        self.best: Arrays = ()
        self.last_saved = time.monotonic()
        self.saving_seconds = 0.0  # that the last checkpoint took
        teachers = Teachers(config, example_set, before.teachers) if before.teachers else None
        self.calls = CompiledSteps(config, model, self.optimizer, self.data, teachers)
        self._order: tuple[int, Any] = (-1, None)

    def begin(self, checkpoint: Checkpoint | None) -> None:
        """Take up what the checkpoint holds, or nothing; bring the folders to the same state.

        Raises:
            CheckpointMismatch: it is of another architecture.
        """
        points, kept = no_points(), dict[int, Arrays]()
        if checkpoint is not None:
            checkpoint.require({"model": _shapes(self.weights), "optimizer": _shapes(self.optimizer.variables)})
            _assign(self.weights, checkpoint.model)
            _assign(self.optimizer.variables, checkpoint.optimizer)
            self.progress, self.best = checkpoint.progress, checkpoint.best
            points, kept = checkpoint.points, dict(checkpoint.kept)
            self.reporter.log(f"resuming after epoch {self.progress.epoch}, step {self.progress.step}")
        if self.weights_folder is not None:
            self.weights_folder.begin(self.model, self.progress.history, self.best, kept)
        if self.summaries is not None:
            self.summaries.begin(points, self.progress.history, self.steps)

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
            history=self.progress.history,
        )

    def epoch(self) -> None:
        """The rest of the present epoch, then validation."""
        while self.progress.step < self.steps:
            # where an epoch isn't a pass over the examples, it goes on in the order where the last one ended
            passes, first = divmod(self.progress.epoch * self.steps + self.progress.step, self.data.steps)
            last = min(self.data.steps, first + self.steps - self.progress.step)
            losses = self.calls.run(self.order(passes), passes * self.data.steps, first, last)
            if not np.isfinite(losses).all():
                raise Diverged(
                    f"the loss became {losses[~np.isfinite(losses)][0]} in {self.present_epoch}; "
                    "lower training.learning_rate or set training.gradient_clip_norm"
                )
            loss_sum = self.progress.loss_sum
            for loss in losses.tolist():  # one by one, so that the sum doesn't depend on where a call ended
                loss_sum += loss
            self.progress = replace(self.progress, step=self.progress.step + len(losses), loss_sum=loss_sum)
            self.draw(float(losses.mean()))
            self.report_progress()
            self.pause()
        self.validate()
        self.pause()

    def order(self, passes: int) -> Any:
        """The order of the examples in pass `passes`, as a tensor."""
        if self._order[0] != passes:
            self._order = (passes, tf.constant(self.data.order(self.config.seed, passes)))
        return self._order[1]

    def draw(self, loss: float) -> None:
        """Put a call of the compiled loop into the summaries."""
        if self.summaries is not None:
            done = self.progress.epoch * self.steps + self.progress.step
            rate = self.calls.last_rate
            speed = float("nan") if rate is None else rate
            self.summaries.call(Point(time.time(), done, loss, float(self.optimizer.learning_rate), speed))

    def validate(self) -> None:
        """Complete the epoch: measure, keep the best weights, decide whether to go on."""
        steps = self.config.training.validation_steps
        self.optimizer.settle()
        found = evaluate(
            self.scorer,
            self.example_set,
            "validation",
            repeats=self.config.repeats,
            seed=self.config.seed,
            bootstrap_samples=0,
            lists=False,
            at_most=MOST_VALIDATION_EXAMPLES if steps is None else steps * self.data.batch_size,
            threads=ranking_threads(),
        )
        now = self.progress
        metrics = {
            "loss": now.loss_sum / self.steps,
            "ndcg@10": found["ndcg@10"],
            "recall@10": found["recall@10"],
        }
        epoch = now.epoch + 1
        better = metrics["ndcg@10"] > now.best_value
        values = _values(self.weights)
        if better:
            self.best = values
        best_epoch = epoch if better else now.best_epoch
        training = self.config.training
        self.progress = Progress(
            epoch=epoch,
            best_epoch=best_epoch,
            best_value=metrics["ndcg@10"] if better else now.best_value,
            finished=epoch >= training.max_epochs or epoch - best_epoch >= training.patience,
            history=(*now.history, metrics),
        )
        self.keep(values, write_best=better or self.progress.finished)
        self.reporter.epoch(epoch, metrics)

    def keep(self, values: Arrays, write_best: bool) -> None:
        """Leave the epoch's weights and metrics where they may be wanted."""
        history = self.progress.history
        if self.weights_folder is not None:
            self.weights_folder.keep(self.model, history, values)
            if write_best:
                self.weights_folder.best(self.model, history, self.best)
        if self.summaries is not None:
            self.summaries.epoch(len(history) * self.steps, history[-1])

    def pause(self) -> None:
        """Between two calls: write a checkpoint if one is due, stop if asked to."""
        stop = self.surroundings.should_stop()
        least = self.config.training.checkpoint_seconds
        if least > 0:  # 0 asks for one at every call, whatever that takes
            least = max(least, _PAUSE_PER_WRITING * self.saving_seconds)
        due = time.monotonic() - self.last_saved >= least
        if stop or due or self.progress.finished:
            self.save()
        if stop and not self.progress.finished:
            raise Interrupted(f"stopped in {self.present_epoch}; a checkpoint holds all that was done")

    def save(self) -> None:
        began = time.monotonic()
        checkpoint = Checkpoint(
            self.surroundings.identity,
            self.progress,
            _values(self.weights),
            _values(self.optimizer.variables),
            self.best,
            {} if self.weights_folder is None else self.weights_folder.kept,
            no_points() if self.summaries is None else self.summaries.points(),
            self.before,
        )
        path = write_checkpoint(self.surroundings.checkpoints, checkpoint, self.place)
        self.last_saved = time.monotonic()
        self.saving_seconds = self.last_saved - began
        self.reporter.checkpoint(path, *self.place)

    @property
    def present_epoch(self) -> str:
        """In words."""
        of_whom = f" of {self.surroundings.teacher}" if self.surroundings.teacher else ""
        return f"epoch {self.progress.epoch + 1}{of_whom}"

    @property
    def place(self) -> tuple[int, int]:
        """Complete epochs of the model that ships, and steps of its next; before its first come its teachers' steps."""
        epoch, step = self.progress.epoch, self.progress.step
        if self.surroundings.teacher:
            return 0, self.before.steps + epoch * self.steps + step
        return epoch, step + (0 if epoch else self.before.steps)

    def report_progress(self) -> None:
        training = self.config.training
        done = self.progress.epoch * self.steps + self.progress.step
        # the best guess at the end: no further improvement from here on
        last_epoch = min(training.max_epochs, max(1, self.progress.best_epoch) + training.patience)
        rate = self.calls.examples_per_second
        left = max(0, last_epoch * self.steps - done) + self.surroundings.later_epochs * self.steps
        eta = left * self.data.examples_per_step / rate if rate else None
        self.reporter.progress(done, training.max_epochs * self.steps, "steps", eta)


def _values(variables: list[Any]) -> Arrays:
    return tuple(variable.numpy() for variable in variables)


def _shapes(variables: list[Any]) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in variables]


def _assign(variables: list[Any], arrays: Arrays) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
