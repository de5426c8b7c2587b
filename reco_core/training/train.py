"""Stage 4 as a whole: the teachers that the config asks for, each taught by those before, then the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reco_core.config import JobConfig
from reco_core.errors import Interrupted
from reco_core.examples import ExampleSet
from reco_core.model import DualEncoder, build
from reco_core.progress import Reporter, SilentReporter
from reco_core.training.checkpoint import NOTHING_BEFORE, Before, no_points, read_checkpoint
from reco_core.training.kept import WeightsFolder
from reco_core.training.loop import Loop, Surroundings
from reco_core.training.stages import Stage
from reco_core.training.summaries import Summaries
from reco_core.training.teachers import teacher_config
from reco_core.training.trained import TrainedModel


def train(
    config: JobConfig,
    model: DualEncoder,
    example_set: ExampleSet,
    *,
    checkpoints: Path,
    identity: str,
    weights: WeightsFolder | None = None,
    summaries: Summaries | None = None,
    resume_from: Path | None = None,
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainedModel:
    """Train until validation NDCG@10 stops rising.

    Args:
        checkpoints: folder for checkpoints; each is announced to `reporter`.
        identity: hash of all that a checkpoint must agree with to be resumed from.
        weights: where the weights of the best epoch and of those kept go, if anywhere.
        summaries: curves for TensorBoard, if wanted.
        resume_from: a checkpoint to go on from; the result is the same as without the interruption.
        should_stop: asked between calls of the compiled loop, some four times a second.

    Raises:
        Diverged: the loss is no longer finite.
        Interrupted: `should_stop` said so; a checkpoint was written first.
        CheckpointMismatch: `resume_from` belongs to another run.
    """
    reporter = reporter or SilentReporter()
    checkpoint = None if resume_from is None else read_checkpoint(resume_from, identity)
    before = NOTHING_BEFORE if checkpoint is None else checkpoint.before
    vocabulary, features = example_set.vocabulary, example_set.timelines.features
    teachers = config.training.teachers_for(vocabulary.size)

    def surroundings(number: int) -> Surroundings:
        stage = Stage(reporter, config.training, teachers, number)
        return Surroundings(checkpoints, identity, stage, should_stop, stage.teacher, stage.later_epochs)

    if len(before.teachers) < teachers:  # of what lies there nothing belongs to this run
        if weights is not None:
            weights.begin(model, (), (), {})
        if summaries is not None:
            summaries.begin(no_points(), (), 1)
    try:
        for number in range(len(before.teachers), teachers):
            taught = teacher_config(config, number)
            loop = Loop(taught, build(taught, vocabulary, features), example_set, surroundings(number), before=before)
            loop.begin(checkpoint)
            loop.to_the_end()
            before = Before((*before.teachers, loop.best), before.steps + loop.progress.epoch * loop.steps)
            checkpoint = None
            if should_stop():
                raise Interrupted("stopped between two models; a checkpoint holds all that was done")
        around = surroundings(teachers)
        loop = Loop(config, model, example_set, around, weights_folder=weights, summaries=summaries, before=before)
        loop.begin(checkpoint)
        return loop.to_the_end()
    finally:
        if summaries is not None:
            summaries.close()
