"""Options of the loop: steps per epoch, validation steps, loss, kept weights and summaries; all resume exactly."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from reco_core.errors import Interrupted
from reco_core.examples import generate
from reco_core.progress import SilentReporter

DATA_HASH = "cd" * 32


class Recorder(SilentReporter):
    """Remembers epochs and checkpoints."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, dict[str, float]]] = []
        self.checkpoints: list[tuple[Path, int, int]] = []

    def epoch(self, epoch, metrics) -> None:
        self.epochs.append((epoch, dict(metrics)))

    def checkpoint(self, path, epoch, step) -> None:
        self.checkpoints.append((path, epoch, step))


@pytest.fixture(scope="module")
def small(make_planted):
    return make_planted(21, users=60, items=30)


@pytest.fixture
def train(tensorflow_runtime, small, make_config, tmp_path, monkeypatch):
    """`train(**training)` trains with these options in the folder `folder`."""
    from reco_core import model, training
    from reco_core.training import steps

    def run(*, folder="run", stop_after=None, resume_from=None, reporter=None, **options):
        config = make_config(training={"max_epochs": 4, **options})
        if stop_after is not None:
            monkeypatch.setattr(steps, "_CALL_SECONDS", 0.0)  # a call is a single step
        asked = 0

        def should_stop() -> bool:
            nonlocal asked
            asked += 1
            return stop_after is not None and asked >= stop_after

        example_set = generate(config, small)
        work = tmp_path / folder
        return training.train(
            config,
            model.build(config, example_set.vocabulary),
            example_set,
            checkpoints=work / "checkpoints",
            identity="run",
            weights=training.WeightsFolder(work / "weights", config, DATA_HASH, example_set.vocabulary.item_ids),
            summaries=training.Summaries(work / "tensorboard") if config.training.tensorboard else None,
            resume_from=resume_from,
            reporter=reporter,
            should_stop=should_stop,
        )

    return run


@pytest.fixture
def interrupted(train):
    """The last checkpoint of a run that is stopped after so many steps and pauses."""

    def run(stop_after: int, **options) -> Path:
        recorder = Recorder()
        with pytest.raises(Interrupted):
            train(stop_after=stop_after, reporter=recorder, **options)
        return recorder.checkpoints[-1][0]

    return run


def weights(found) -> list[bytes]:
    return [array.tobytes() for array in found.model.get_weights()]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows_of(monkeypatch):
    """The rows of every step from now on, in order."""
    from reco_core.training.steps import CompiledSteps

    seen: list[list[int]] = []
    numbers: list[int] = []
    original = CompiledSteps.run

    def run(self, order, before, first, last):
        losses = original(self, order, before, first, last)
        for step in range(first, first + len(losses)):
            seen.append(order[step].numpy().tolist())
            numbers.append(before + step)
        return losses

    monkeypatch.setattr(CompiledSteps, "run", run)
    return seen, numbers


@pytest.mark.slow
def test_an_epoch_of_fewer_steps_goes_on_where_the_last_one_ended(train, monkeypatch):
    seen, numbers = rows_of(monkeypatch)
    recorder = Recorder()
    train(steps_per_epoch=3, max_epochs=4, reporter=recorder)  # a pass has 8 steps
    assert len(recorder.epochs) == 4
    assert numbers == list(range(12))
    first = [row for step in seen[:8] for row in step if row >= 0]
    assert sorted(first) == list(range(len(first)))  # one whole pass
    second = [row for step in seen[8:] for row in step]
    assert len(set(second)) == len(second)
    assert second != first[: len(second)]  # another order


@pytest.mark.slow
def test_an_epoch_of_more_steps_takes_several_passes(train, monkeypatch):
    seen, numbers = rows_of(monkeypatch)
    recorder = Recorder()
    train(steps_per_epoch=20, max_epochs=1, reporter=recorder)
    assert (len(recorder.epochs), numbers) == (1, list(range(20)))
    counts = np.bincount([row for step in seen[:16] for row in step if row >= 0])
    assert (counts == 2).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"steps_per_epoch": 3, "optimizer": "adagrad", "learning_rate": 0.1},
        {"steps_per_epoch": 11, "loss": "batch_softmax", "learning_rate_decay": "linear"},
    ],
)
def test_stopped_in_any_epoch_it_resumes_exactly(train, interrupted, options):
    whole, resumed = Recorder(), Recorder()
    expected = train(reporter=whole, **options)
    checkpoint = interrupted(9, folder="stopped", **options)
    found = train(folder="stopped", resume_from=checkpoint, reporter=resumed, **options)
    assert weights(found) == weights(expected)
    assert resumed.epochs == whole.epochs[-len(resumed.epochs) :]
    assert 0 < len(resumed.epochs) <= len(whole.epochs)


@pytest.mark.slow
def test_as_many_steps_as_a_pass_are_the_default(train):
    assert weights(train(steps_per_epoch=8, folder="eight")) == weights(train())


@pytest.mark.slow
def test_the_in_batch_loss_learns_more_than_popularity(trained, planted, make_config, tmp_path):
    from reco_core import model, training
    from reco_core.evaluation import BASELINES, evaluate

    config = make_config(training={"loss": "batch_softmax"})
    example_set = generate(config, planted)
    built = model.build(config, example_set.vocabulary)
    found = training.train(config, built, example_set, checkpoints=tmp_path, identity="batch")
    scorers = {"model": training.model_scorer(found.model), "popular": BASELINES["popular"](example_set)}
    test = {
        name: evaluate(scorer, example_set, "test", bootstrap_samples=0)["ndcg@10"] for name, scorer in scorers.items()
    }
    assert test["model"] > 1.2 * test["popular"]


@pytest.mark.slow
def test_validation_steps_are_batches_drawn_once(train, monkeypatch):
    from reco_core.training import loop

    ranked = []
    original = loop.evaluate

    def evaluate(*arguments, **options):
        found = original(*arguments, **options)
        ranked.append(found.example_users.tolist())
        return found

    monkeypatch.setattr(loop, "evaluate", evaluate)
    train(validation_steps=3, batch_size=8, max_epochs=2)
    assert [len(users) for users in ranked] == [24, 24]
    assert ranked[0] == ranked[1]
    assert ranked[0] != list(range(24))
    train(validation_steps=1000, max_epochs=1, folder="all")
    assert len(ranked[-1]) == 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keep", "names"),
    [
        (0, []),
        (2, ["epoch-00003.npz", "epoch-00004.npz"]),
        (None, [f"epoch-0000{epoch}.npz" for epoch in (1, 2, 3, 4)]),
    ],
)
def test_weights_are_kept_by_policy_and_the_best_always(train, interrupted, tmp_path, keep, names):
    from reco_core.training import read_weights

    found = train(keep_checkpoints=keep)
    folder = tmp_path / "run" / "weights"
    assert sorted(files(folder)) == sorted(["best.npz", *names])
    best = read_weights(folder / "best.npz")
    assert (best.info.epoch, best.info.epochs, best.info.best_epoch) == (found.best_epoch, 4, found.best_epoch)
    assert best.info.metrics["ndcg@10"] == found.validation_ndcg
    assert best.info.data_hash == DATA_HASH
    assert [array.tobytes() for array in best.arrays] == [
        variable.numpy().tobytes() for variable in found.model.trainable_variables
    ]
    for name in names:
        info = read_weights(folder / name).info
        assert (info.epoch, info.epochs) == (int(name[6:11]), int(name[6:11]))
    # stopped in epoch 4 and resumed on another machine, where the folder is empty
    checkpoint = interrupted(3 * 9 + 4, folder="stopped", keep_checkpoints=keep)
    train(folder="elsewhere", resume_from=checkpoint, keep_checkpoints=keep)
    assert files(tmp_path / "elsewhere" / "weights") == files(folder)


@pytest.mark.slow
def test_checkpoints_that_take_long_to_write_are_written_rarely(train, monkeypatch):
    from reco_core.training import loop

    written: list[float] = []

    def slowly(*given):
        time.sleep(0.05)
        path = write(*given)
        written.append(time.monotonic())
        return path

    write = loop.write_checkpoint
    monkeypatch.setattr(loop, "write_checkpoint", slowly)
    options = {"stop_after": 10_000, "keep_checkpoints": None}  # steps one by one, without a stop
    train(**options, max_epochs=8, checkpoint_seconds=0.01)
    rare = len(written)
    assert rare >= 2
    assert min(np.diff(written[:-1]), default=1.0) >= 20 * 0.05  # the last one is that of the end
    train(**options, max_epochs=2, checkpoint_seconds=0)
    assert len(written) - rare >= 2 * 9  # after each step, or the epoch that it ends


@pytest.mark.slow
def test_weights_of_a_run_before_do_not_stay(train, tmp_path):
    train(keep_checkpoints=None)
    train(keep_checkpoints=1, max_epochs=2)
    assert sorted(files(tmp_path / "run" / "weights")) == ["best.npz", "epoch-00002.npz"]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every curve as TensorBoard reads it: (step, value)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["tensors"]
    for tag in tags:
        assert accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "scalars"
    return {
        tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in accumulator.Tensors(tag)]
        for tag in tags
    }


@pytest.mark.slow
def test_tensorboard_opens_the_summaries_also_after_a_resume(train, interrupted, tmp_path):
    recorder = Recorder()
    train(tensorboard=True, stop_after=10**9, reporter=recorder)  # a call is a step
    drawn = curves(tmp_path / "run" / "tensorboard" / "train")
    assert sorted(drawn) == ["examples_per_second", "learning_rate", "loss"]
    assert [step for step, _ in drawn["loss"]] == list(range(1, 33))
    for epoch, metrics in recorder.epochs:
        losses = [value for step, value in drawn["loss"] if 8 * (epoch - 1) < step <= 8 * epoch]
        assert np.mean(losses) == pytest.approx(metrics["loss"], rel=1e-5)
    assert drawn["learning_rate"][-1][1] == pytest.approx(0.02 * 0.01, rel=1e-3)  # a hundredth at the end
    assert all(value > 0 for _, value in drawn["examples_per_second"])
    validated = curves(tmp_path / "run" / "tensorboard" / "validation")
    for name in ("loss", "ndcg@10", "recall@10"):
        assert validated[name] == [(8 * epoch, pytest.approx(m[name], rel=1e-5)) for epoch, m in recorder.epochs]

    # stopped in the third epoch and killed later, after the last checkpoint: then resumed, here and elsewhere
    checkpoint = interrupted(2 * 9 + 4, folder="stopped", tensorboard=True)
    for folder in ("stopped", "elsewhere"):
        train(folder=folder, resume_from=checkpoint, tensorboard=True, stop_after=10**9)
        again = curves(tmp_path / folder / "tensorboard" / "train")
        assert [step for step, _ in again["loss"]] == list(range(1, 33))
        assert again["loss"] == drawn["loss"]
        assert curves(tmp_path / folder / "tensorboard" / "validation") == validated
        for part in ("train", "validation"):
            assert len(list((tmp_path / folder / "tensorboard" / part).iterdir())) == 1


def test_without_being_asked_for_there_are_no_summaries(train, tmp_path):
    train(max_epochs=1)
    assert not (tmp_path / "run" / "tensorboard").exists()
