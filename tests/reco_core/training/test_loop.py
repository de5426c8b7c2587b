"""The loop: exact resume, early stopping, divergence, and that something is learned."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import CheckpointMismatch, Diverged
from reco_core.evaluation import BASELINES, evaluate
from reco_core.examples import generate
from tests.reco_core.training.runs import Recorder, interrupted, weights


@pytest.mark.slow
def test_stopped_anywhere_and_resumed_it_is_as_if_nothing_had_happened(train):
    # after the first epoch's last step, before its validation; in the middle of the last epoch
    for calls, place in [(8, (0, 8)), (2 * 8 + 5, (2, 3))]:
        stopped_and_resumed(train, calls, place)


@pytest.mark.slow
def test_resumed_with_a_step_that_is_compiled_anew_it_is_the_same(train, steps_of_their_own):
    stopped_and_resumed(train, 2 * 8 + 5, (2, 3))


def stopped_and_resumed(train, calls: int, place: tuple[int, int]) -> None:
    undisturbed = Recorder()
    expected = train(reporter=undisturbed)
    assert undisturbed.shares[-1][1] == 3 * 8
    path, *found = interrupted(train, calls, folder=f"stopped-{calls}")
    assert tuple(found) == place
    recorder = Recorder()
    resumed = train(folder=f"stopped-{calls}", resume_from=path, reporter=recorder)
    assert weights(resumed) == weights(expected)
    assert (resumed.epochs, resumed.best_epoch, resumed.validation_ndcg) == (
        expected.epochs,
        expected.best_epoch,
        expected.validation_ndcg,
    )
    assert recorder.epochs == undisturbed.epochs[place[0] :]


@pytest.mark.slow
def test_stopped_again_and_again_it_is_still_the_same(train):
    expected = weights(train())
    path = None
    for _ in range(2):
        path, *_ = interrupted(train, 5, resume_from=path)
    assert weights(train(resume_from=path)) == expected


@pytest.mark.slow
def test_a_finished_run_resumes_to_its_end(train):
    recorder = Recorder()
    expected = train(reporter=recorder)
    last, epoch, step = recorder.checkpoints[-1]
    assert (epoch, step) == (3, 0)
    again = Recorder()
    found = train(resume_from=last, reporter=again)
    assert weights(found) == weights(expected)
    assert (found.best_epoch, again.epochs, found.examples_per_second) == (expected.best_epoch, [], None)


def test_checkpoints_of_other_runs_are_refused(train, make_config):
    path, *_ = interrupted(train, 2)
    with pytest.raises(CheckpointMismatch, match="another config"):
        train(identity="other", resume_from=path)
    with pytest.raises(CheckpointMismatch, match="shapes"):
        train(make_config(model={"embedding_dim": 4}), resume_from=path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CheckpointMismatch, match="not a readable checkpoint"):
        train(resume_from=path)


@pytest.mark.slow
def test_checkpoints_come_as_often_as_asked(train, make_config):
    often, seldom = Recorder(), Recorder()
    train(make_config(training={"max_epochs": 2, "checkpoint_seconds": 0}), reporter=often, one_step=True)
    train(make_config(training={"max_epochs": 2, "checkpoint_seconds": 1000}), reporter=seldom, folder="seldom")
    assert [(epoch, step) for _, epoch, step in often.checkpoints] == [
        *((0, step) for step in range(1, 9)),
        *((1, step) for step in range(9)),
        (2, 0),
    ]
    assert [(epoch, step) for _, epoch, step in seldom.checkpoints] == [(2, 0)]


def test_a_learning_rate_beyond_reason_is_a_typed_error(train, make_config):
    config = make_config(
        training={"learning_rate": 10, "gradient_clip_norm": None, "warmup_steps": 0, "max_epochs": 500}
    )
    config = config.model_copy(update={"training": config.training.model_copy(update={"learning_rate": 1e30})})
    with pytest.raises(Diverged, match=r"lower training\.learning_rate"):
        train(config)


@pytest.mark.slow
def test_it_stops_when_patience_ends_and_keeps_the_best_weights(train, make_config, monkeypatch):
    from reco_core.training import loop

    scripted = iter([0.1, 0.3, 0.2, 0.3, 0.25, 0.9])
    seen = []

    def fake(scorer, example_set, split, **_):
        assert split == "validation"
        seen.append(None)
        return {"ndcg@10": next(scripted), "recall@10": 0.0}

    monkeypatch.setattr(loop, "evaluate", fake)
    # a cosine ends at max_epochs, so that the first epochs of a shorter run would differ
    constant = {"patience": 3, "learning_rate_decay": "none"}
    kept = train(make_config(training={"max_epochs": 10, "warmup_steps": 1, **constant}))
    # .3 again in epoch 4 is no improvement
    assert (kept.epochs, kept.best_epoch, kept.validation_ndcg) == (5, 2, 0.3)
    scripted = iter([0.1, 0.3])
    shorter = train(make_config(training={"max_epochs": 2, "warmup_steps": 1, **constant}), folder="two")
    assert weights(shorter) == weights(kept)


@pytest.mark.slow
def test_seeds_make_other_models_and_the_same_seed_the_same(train, make_config):
    short = {"training": {"max_epochs": 1}}
    first = weights(train(make_config(**short)))
    assert weights(train(make_config(**short))) == first
    assert weights(train(make_config(seed=8, **short))) != first


@pytest.mark.slow
def test_a_batch_larger_than_the_log_is_the_whole_log(train, make_config):
    recorder = Recorder()
    found = train(make_config(training={"batch_size": 60_000, "max_epochs": 2}), reporter=recorder)
    assert recorder.shares[-1] == (2, 2)
    assert found.examples > 100
    assert all(np.isfinite(metrics["loss"]) for _, metrics in recorder.epochs)


@pytest.mark.parametrize("encoder", ["bow", "cnn", pytest.param("rnn", marks=pytest.mark.slow)])
def test_it_learns_more_than_popularity(trained, encoder):
    from reco_core.training import model_scorer

    config, example_set, found = trained(encoder)
    scorers = {"model": model_scorer(found.model), "popular": BASELINES["popular"](example_set)}
    test = {
        name: evaluate(scorer, example_set, "test", bootstrap_samples=0)["ndcg@10"] for name, scorer in scorers.items()
    }
    assert test["model"] > 1.3 * test["popular"]
    # the model that is handed on is the best one, as measured on validation
    again = evaluate(scorers["model"], example_set, "validation", seed=config.seed, bootstrap_samples=0)
    assert again["ndcg@10"] == pytest.approx(found.validation_ndcg, abs=1e-9)


SEQUENCES = {"examples": "sequences", "batch_size": 128, "learning_rate": 0.01, "max_epochs": 12}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "loss"),
    [
        ("transformer", "full_softmax"),
        ("transformer", "sampled_softmax"),
        ("gru", "sampled_softmax"),
        ("rnn", "full_softmax"),
    ],
)
def test_whole_sequences_teach_more_than_popularity(train, make_config, make_planted, encoder, loss):
    from reco_core.training import model_scorer

    data = make_planted(3, users=300, items=40)
    negatives = {"negatives": 20} if loss == "sampled_softmax" else {}
    config = make_config(encoder, training={**SEQUENCES, "loss": loss, **negatives})
    found = train(config, data=data)
    example_set = generate(config, data)
    scorers = {"model": model_scorer(found.model), "popular": BASELINES["popular"](example_set)}
    test = {
        name: evaluate(scorer, example_set, "test", bootstrap_samples=0)["ndcg@10"] for name, scorer in scorers.items()
    }
    assert test["model"] > 1.3 * test["popular"]


@pytest.mark.slow
def test_sampled_steps_resume_as_if_nothing_had_happened(train, make_config):
    training = {**SEQUENCES, "loss": "sampled_softmax", "negatives": 12, "max_epochs": 3}
    config = make_config("bow", training=training)
    whole = train(config, folder="whole", one_step=True)
    checkpoint = interrupted(train, 5, config=config, folder="part")[0]
    resumed = train(config, folder="part", one_step=True, resume_from=checkpoint)
    assert weights(resumed) == weights(whole)
    assert resumed.history == whole.history
