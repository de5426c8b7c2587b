"""Programs that tests share lend nothing but themselves: the weights are those of runs that compile their own."""

from __future__ import annotations

from reco_core.examples import generate
from tests import shared_steps


def test_the_weights_are_the_same_and_no_run_touches_another(
    tensorflow_runtime, make_planted, make_config, tmp_path, monkeypatch
):
    from reco_core import model, training

    monkeypatch.setattr(shared_steps, "_programs", {})
    log = make_planted(21, users=60, items=30)
    config = make_config(training={"max_epochs": 2})
    example_set = generate(config, log)

    def train(name: str):
        built = model.build(config, example_set.vocabulary)
        return training.train(config, built, example_set, checkpoints=tmp_path / name, identity="run")

    def weights(found) -> list[bytes]:
        return [array.tobytes() for array in found.model.get_weights()]

    with monkeypatch.context() as patch:
        patch.setattr(shared_steps, "enabled", False)
        expected = train("alone")
    assert shared_steps._programs == {}
    first = train("first")
    assert weights(first) == weights(expected)
    second = train("second")
    assert len(shared_steps._programs) == 1
    assert weights(second) == weights(first) == weights(expected)
    assert second.model is not first.model
    assert second.history == first.history == expected.history


def test_another_log_or_another_config_has_its_own_program(tensorflow_runtime, make_planted, make_config):
    from reco_core import model
    from reco_core.training.updates import Updates

    def key(log, **options):
        config = make_config(**options)
        example_set = generate(config, log)
        built = model.build(config, example_set.vocabulary)
        variables = [*built.trainable_variables, *Updates(config.training, built, 8).variables]
        return shared_steps._key(config, example_set, variables)

    log = make_planted(21, users=60, items=30)
    one = key(log)
    assert key(log, training={"patience": 3}, export={"top_k": 3}) == one
    others = [key(make_planted(22, users=60, items=30)), key(log, seed=8), key(log, training={"learning_rate": 0.1})]
    assert len({one, *others}) == 4
