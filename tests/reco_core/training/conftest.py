from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reco_core.examples import generate


@pytest.fixture(scope="session")
def small(make_planted):
    return make_planted(21, users=60, items=30)


@pytest.fixture
def train(tensorflow_runtime, small, make_config, tmp_path, monkeypatch) -> Callable[..., Any]:
    """Trains a model of its own; `one_step`: a call of the compiled loop is a single step, so it stops anywhere."""
    from reco_core import model, training
    from reco_core.training import steps

    def run(config=None, *, identity="run", folder="checkpoints", one_step=False, data=small, **options):
        config = config or make_config(training={"max_epochs": 3})
        if one_step:
            monkeypatch.setattr(steps, "_CALL_SECONDS", 0.0)
        example_set = generate(config, data)
        built = model.build(config, example_set.vocabulary)
        return training.train(config, built, example_set, checkpoints=tmp_path / folder, identity=identity, **options)

    return run
