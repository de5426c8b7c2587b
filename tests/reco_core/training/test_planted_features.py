"""Features that decide what comes next are learned from; without them there is nothing to go by."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from reco_core.datasets.types import Interactions, LoadReport
from reco_core.evaluation import evaluate
from reco_core.examples import ExampleSet, generate

USERS, LENGTH, ITEMS, CLASSES = 250, 8, 60, 6
TRAINING = {"max_epochs": 12, "batch_size": 64, "learning_rate": 0.03, "patience": 12}


def log_of(users: np.ndarray, items: np.ndarray, **frames: pl.DataFrame) -> Interactions:
    return Interactions(
        users=users.astype(np.int32),
        items=items.astype(np.int32),
        timestamps=np.tile(np.arange(LENGTH), USERS).astype(np.int64),
        ratings=None,
        user_ids=tuple(f"u{user}" for user in range(USERS)),
        item_ids=tuple(f"i{item}" for item in range(ITEMS)),
        item_table=None,
        report=LoadReport("csv", {}, False, len(users), len(users), {}, (), USERS, ITEMS),
        **frames,
    )


@pytest.fixture(scope="module")
def of_teams() -> Interactions:
    """Half of what users take is everybody's, half is their team's, so what they took last often says nothing."""
    random = np.random.default_rng(1)
    users = np.repeat(np.arange(USERS), LENGTH)
    team = random.integers(0, CLASSES, USERS)
    own = random.random(len(users)) < 0.5
    items = np.where(own, team[users] * 5 + random.integers(0, 5, len(users)), 30 + random.integers(0, 30, len(users)))
    return log_of(users, items, user_features=pl.DataFrame({"team": [f"team {one}" for one in team]}))


@pytest.fixture(scope="module")
def of_hours() -> Interactions:
    """The hour at which somebody took something decides among which ten items the next one is."""
    random = np.random.default_rng(2)
    users = np.repeat(np.arange(USERS), LENGTH)
    hour = random.integers(0, CLASSES, len(users))
    before = np.concatenate([[0], hour[:-1]])
    items = before * 10 + random.integers(0, 10, len(users))
    mood = np.where(hour < CLASSES // 2, -3.0, 3.0) + random.normal(size=len(users))
    return log_of(users, items, row_features=pl.DataFrame({"hour": hour, "mood": mood}))


@pytest.fixture(scope="module")
def recall(tensorflow_runtime, make_config, tmp_path_factory) -> Any:
    """`recall(log, features, **sections)`: Recall@10 on test after a short training, with its example set and model.

    What was measured once isn't trained again; tests must not change the model.
    """
    from reco_core import model, training

    done: dict[str, Any] = {}

    def measured(log: Interactions, features: dict[str, Any], encoder: str = "bow", **sections: Any) -> Any:
        key = json.dumps([id(log), features, encoder, sections], sort_keys=True)
        if key not in done:
            done[key] = measure(log, features, encoder, **sections)
        return done[key]

    def measure(log: Interactions, features: dict[str, Any], encoder: str, **sections: Any) -> Any:
        sections = {"examples": {"max_history_length": 3}, "training": TRAINING, **sections}
        config = make_config(encoder, features=features, repeats=True, **sections)
        example_set: ExampleSet = generate(config, log)
        config = config.model_copy(update={"features": example_set.features})
        built = model.build(config, example_set.vocabulary, example_set.timelines.features)
        folder = tmp_path_factory.mktemp("planted")
        training.train(config, built, example_set, checkpoints=folder, identity="planted")
        scorer = training.model_scorer(built)
        found = evaluate(scorer, example_set, "test", repeats=True, bootstrap_samples=0, lists=False)
        return found["recall@10"], example_set, built

    return measured


def test_what_users_are_decides_what_they_like(recall, of_teams):
    short = {"examples": {"max_history_length": 1}}
    without, _, _ = recall(of_teams, {}, **short)
    group = {"features": [{"type": "string", "name": "team"}]}
    with_it, _, _ = recall(of_teams, {"global_groups": [group]}, **short)
    assert with_it > without + 0.07


@pytest.mark.parametrize("encoder", ["bow", "cnn", "rnn"])
def test_when_something_was_taken_decides_what_comes_next(recall, of_hours, encoder):
    hour = {"type": "int", "name": "hour"}
    one = {"examples": {"max_history_length": 1}}  # order is no part of a mean
    where = {} if encoder == "rnn" else one
    kernel = {"type": "cnn", "kernel_size": 1} if encoder == "cnn" else {"type": encoder}
    without, _, _ = recall(of_hours, {}, **where)
    beside, _, _ = recall(of_hours, {"history": [hour]}, encoder="rnn" if encoder == "rnn" else "bow", **where)
    grouped, _, _ = recall(of_hours, {"activity_groups": [{"features": [hour], "encoder": kernel}]}, **where)
    assert without < 0.35  # one of six tens, by chance
    assert beside > without + 0.4
    assert grouped > without + 0.4


def test_a_quantity_alone_is_a_group(recall, of_hours):
    one = {"examples": {"max_history_length": 1}}
    without, _, _ = recall(of_hours, {}, **one)
    mood = {"features": [{"type": "float", "name": "mood"}]}
    with_it, _, _ = recall(of_hours, {"activity_groups": [mood]}, **one)
    assert with_it > without + 0.08  # of the three tens of a mood


def test_what_is_out_of_the_vocabulary_is_learned_of_apart_from_padding(recall, of_teams):
    rare = {"features": [{"type": "string", "name": "team", "vocabulary_size": 3}]}
    _, example_set, built = recall(of_teams, {"global_groups": [rare]})
    assert (example_set.timelines.features["team"].values == 1).any()
    rows = np.asarray(built.groups[0].sequence.parts[0].embeddings)
    assert rows.shape == (5, 16)
    assert not rows[0].any()
    assert np.abs(rows[1]).max() > 0.05


def test_training_goes_on_from_a_checkpoint_as_if_nothing_had_happened(
    tensorflow_runtime, make_config, make_groups, featured, tmp_path
):
    from reco_core import model, training

    config = make_config(features=make_groups(), training={"max_epochs": 2, "batch_size": 256, "checkpoint_seconds": 0})
    example_set = generate(config, featured)
    config = config.model_copy(update={"features": example_set.features})

    def run(folder: str, resume_from: Any = None) -> list[np.ndarray]:
        built = model.build(config, example_set.vocabulary, example_set.timelines.features)
        training.train(config, built, example_set, checkpoints=tmp_path / folder, identity="x", resume_from=resume_from)
        return list(built.get_weights())

    whole = run("whole")
    first = min((tmp_path / "whole").glob("checkpoint-*.npz"))
    assert "final" not in first.name
    for one, other in zip(run("again", first), whole, strict=True):
        assert np.array_equal(one, other)
