"""Models that are trained first: what they say is what the shipped one learns from, and nothing of them is lost."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.config import load
from reco_core.errors import ConfigInvalid
from reco_core.evaluation import HistoryBatch
from reco_core.examples import generate
from tests.reco_core.training.runs import Recorder, interrupted, weights

EPOCHS = {"max_epochs": 2, "teachers": 2, "teacher_epochs": 1}


class Listener(Recorder):
    """Remembers lines, too."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def log(self, message: str) -> None:
        self.lines.append(message)


def test_they_are_trained_from_seeds_of_their_own_and_teach_nobody(tensorflow_runtime, make_config):
    from reco_core.training.teachers import teacher_config

    config = make_config(training={**EPOCHS, "keep_checkpoints": 3, "tensorboard": True}, seed=2**32 - 1)
    found = [teacher_config(config, number) for number in range(2)]
    assert len({config.seed, *(one.seed for one in found)}) == 3
    for one in found:
        assert load(one.model_dump(mode="json")) == one
        assert (one.training.teachers, one.training.max_epochs) == (0, 1)
        assert (one.training.keep_checkpoints, one.training.tensorboard) == (0, False)
        assert (one.model, one.encoder) == (config.model, config.encoder)


@pytest.mark.parametrize("layout", ["windows", "sequences"])
def test_they_say_the_mean_of_their_scores(tensorflow_runtime, small, make_config, layout):
    from reco_core import model
    from reco_core.training.layouts import training_examples
    from reco_core.training.teachers import Teachers
    from reco_core.training.trained import model_scorer

    training = {**EPOCHS, "examples": layout, "teacher_weight": 0.25}
    # as long as any timeline, so that sequences aren't cut
    examples = {"max_history_length": 40}
    config = make_config("transformer", training=training, model={"dropout": 0.5}, examples=examples)
    example_set = generate(config, small)
    models = [model.build(config.model_copy(update={"seed": seed}), example_set.vocabulary) for seed in (1, 2)]
    for built in models:
        built.label_encoder.bias.assign(np.random.default_rng(0).normal(size=example_set.vocabulary.size))
    arrays = [tuple(one.numpy() for one in built.trainable_variables) for built in models]
    data = training_examples(config, example_set)
    batch = data.gather(data.order(0, 0)[0])
    said = Teachers(config, example_set, arrays).say(batch)
    assert said.weight == 0.25
    scores = said.contexts.numpy() @ said.rows.numpy().T
    real = batch.weights.numpy().reshape(-1) > 0
    labels = batch.labels.numpy().reshape(-1)[real]
    # each history scored by itself, as the file would
    items = example_set.timelines.items[example_set.train.labels]
    whole = HistoryBatch.of(example_set.timelines, example_set.train)
    expected = np.mean([model_scorer(built)(whole)[:, 1:] for built in models], axis=0)
    assert scores[real].shape == (len(labels), example_set.vocabulary.size)
    for row, label in zip(scores[real], labels, strict=True):
        distances = np.abs(expected[items == label] - row).max(axis=1)
        assert distances.min() < 1e-4


@pytest.mark.slow
def test_what_ships_learns_from_them(train, make_config):
    alone = Listener()
    expected = train(make_config(training={"max_epochs": 2}), reporter=alone)
    listener = Listener()
    found = train(make_config(training=EPOCHS), folder="taught", reporter=listener)
    assert weights(found) != weights(expected)
    assert weights(found) == weights(train(make_config(training=EPOCHS), folder="again"))
    # the curve is that of the model which ships; the others are told of
    assert [epoch for epoch, _ in listener.epochs] == [1, 2]
    assert found.epochs == 2
    told = [line for line in listener.lines if "NDCG@10" in line]
    assert [line.split(":")[0] for line in told] == ["teacher 1 of 2, epoch 1", "teacher 2 of 2, epoch 1"]
    # checkpoints count epochs of the model that ships, and before its first the steps of all
    assert listener.checkpoints[-1][1:] == (2, 0)
    places = [place[1:] for place in listener.checkpoints]
    assert places == sorted(places)
    done = [share for share, _ in listener.shares]
    assert done == sorted(done)
    assert listener.shares[-1] == (4 * 8, 4 * 8)
    at_the_teachers_end = listener.etas[done.index(8)]
    assert at_the_teachers_end is not None
    assert at_the_teachers_end > 0


@pytest.mark.slow
def test_while_they_are_trained_nothing_of_an_older_run_lies_there(train, make_config, tmp_path):
    from reco_core.training import Summaries, WeightsFolder

    config = make_config(training=EPOCHS)
    left = [tmp_path / "weights" / "best.npz", tmp_path / "board" / "train" / "events.out.tfevents.1"]
    for path in left:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"of another run")
    interrupted(
        train,
        3,
        config=config,
        weights=WeightsFolder(tmp_path / "weights", config, "data", ("<pad>",)),
        summaries=Summaries(tmp_path / "board"),
    )
    assert not any(path.exists() for path in left)


def test_the_time_left_is_that_of_all_models():
    from reco_core.progress import SilentReporter
    from reco_core.training.stages import Stage

    training = load({"training": {"max_epochs": 10, "teacher_epochs": 20}}).training
    first, second, last = (Stage(SilentReporter(), training, 2, number) for number in range(3))
    assert first.later_epochs == pytest.approx(1.7 * (20 + 10))
    assert (second.later_epochs, last.later_epochs) == (10, 0)
    assert (first.teacher, second.teacher, last.teacher) == ("teacher 1 of 2", "teacher 2 of 2", "")


@pytest.mark.slow
def test_stopped_in_any_of_the_models_it_is_as_if_nothing_had_happened(train, make_config):
    config = make_config(training=EPOCHS)
    expected = weights(train(config))
    # within the first teacher; at the second's end, before its validation; within the model that ships
    ends = 8 + 1  # calls of an epoch, its validation's among them; another one asks between two models
    for calls, place in [
        (3, (0, 3)),
        (ends, (0, 8)),  # it has ended, and is a teacher
        (ends + 1 + 8, (0, 16)),
        (2 * (ends + 1) + 3, (0, 16 + 3)),
        (2 * (ends + 1) + ends + 2, (1, 2)),
    ]:
        path, *found = interrupted(train, calls, config=config, folder=f"stopped-{calls}")
        assert tuple(found) == place
        assert weights(train(config, folder=f"stopped-{calls}", resume_from=path)) == expected


def test_losses_that_do_not_look_at_all_items_have_none(make_config):
    assert make_config(training={"loss": "auto", "teachers": 1}).training.teachers_for(20_000) == 1
    assert make_config(training={"loss": "auto", "teachers": 1}).training.teachers_for(20_001) == 0
    for loss in ("sampled_softmax", "batch_softmax"):
        with pytest.raises(ConfigInvalid, match="teachers need the loss full_softmax"):
            make_config(training={"loss": loss, "teachers": 1})
