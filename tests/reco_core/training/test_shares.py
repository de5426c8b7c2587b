"""A step whose examples are divided among the cores learns what an undivided one learns."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.examples import generate


@pytest.fixture
def shares_of(tensorflow_runtime, monkeypatch):
    """How many shares a step of so many examples has on a machine of so many cores."""
    import tensorflow as tf

    from reco_core.training.shares import shares_for

    def find(cores: int, examples: int, rows: int) -> int:
        monkeypatch.setattr(tf.config.threading, "get_inter_op_parallelism_threads", lambda: cores)
        return shares_for(examples, rows)

    return find


def test_there_is_a_share_for_each_core_where_it_is_worth_it(shares_of):
    assert shares_of(1, 512, 512) == 1
    assert shares_of(2, 512, 512) == 2
    assert shares_of(8, 512, 512) == 8
    assert shares_of(16, 512, 512) == 8  # of 64 examples each
    assert shares_of(2, 512, 1) == 1  # a row isn't divided
    assert shares_of(2, 60, 60) == 1
    assert shares_of(4, 320, 5) == 3  # of 2 rows each


@pytest.mark.parametrize(("rows", "shares", "filled"), [(6, 2, 6), (7, 2, 8), (1, 3, 3), (4, 1, 4)])
def test_padding_is_put_behind(tensorflow_runtime, rows, shares, filled):
    from reco_core.training.shares import filled_up

    for order in (np.arange(rows), np.arange(rows * 5).reshape(rows, 5)):
        found = np.asarray(filled_up(np.asarray(order, np.int32), shares))
        assert found.shape == (filled, *order.shape[1:])
        assert np.array_equal(found[:rows], order)
        assert (found[rows:] == -1).all()


@pytest.fixture
def losses_and_weights(tensorflow_runtime, make_planted, make_config, monkeypatch):
    """What a few steps come to, divided into so many shares."""
    from reco_core import model
    from reco_core.training import sampled_step, steps
    from reco_core.training.layouts import training_examples
    from reco_core.training.updates import Updates

    log = make_planted(3, users=40, items=30)

    def run(shares: int, encoder: str, examples: str, loss: str, optimizer: str):
        for module in (steps, sampled_step):
            monkeypatch.setattr(module, "shares_for", lambda *_: shares)
        sections = {"training": {"examples": examples, "loss": loss, "optimizer": optimizer, "batch_size": 150}}
        config = make_config(encoder, model={"dropout": 0.0}, **sections)
        example_set = generate(config, log)
        built = model.build(config, example_set.vocabulary)
        data = training_examples(config, example_set)
        updates = Updates(config.training, built, data.steps)
        calls = steps.CompiledSteps(config, built, updates, data)
        order, losses = data.order(0, 0), []
        for step in range(2):
            losses += calls.run(order, 0, step, data.steps)[:1].tolist()
        updates.settle()
        return losses, built.get_weights()

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "examples", "loss"),
    [
        ("bow", "windows", "full_softmax"),
        ("bow", "windows", "sampled_softmax"),
        ("bow", "windows", "batch_softmax"),  # stays in one piece
        ("transformer", "sequences", "full_softmax"),
        ("transformer", "sequences", "sampled_softmax"),
    ],
)
def test_the_shares_add_up_to_the_step(losses_and_weights, encoder, examples, loss):
    # adagrad: a step of Adam has the size of the learning rate even where the gradient is a rounding error
    given = (encoder, examples, loss, "adagrad")
    expected_losses, expected = losses_and_weights(1, *given)
    losses, weights = losses_and_weights(4, *given)
    assert np.allclose(losses, expected_losses, rtol=1e-5)
    for one, other in zip(weights, expected, strict=True):
        assert np.allclose(one, other, atol=2e-5)
    again_losses, again = losses_and_weights(4, *given)
    assert losses == again_losses
    assert all(np.array_equal(one, other) for one, other in zip(weights, again, strict=True))
