"""Learning rates worked out by hand, and what is decayed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reco_core.config import TrainingConfig


@pytest.fixture
def schedule(tensorflow_runtime):
    from reco_core.training.optimizer import WarmUpAndDecay

    return lambda *arguments: WarmUpAndDecay(*arguments)


@pytest.mark.parametrize(("step", "rate"), [(0, 0.1), (1, 0.2), (8, 0.9), (9, 1.0), (10, 1.0), (10**6, 1.0)])
def test_it_rises_linearly_and_stays(schedule, step, rate):
    assert float(schedule(1.0, 10, "none", 100)(step)) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.5),
        (25, 0.5 * (0.01 + 0.99 * (1 + math.sqrt(0.5)) / 2)),
        (50, 0.5 * (0.01 + 0.99 / 2)),
        (100, 0.005),
        (400, 0.005),
    ],
)
def test_a_half_cosine_ends_at_a_hundredth(schedule, step, rate):
    assert float(schedule(0.5, 0, "cosine", 100)(step)) == pytest.approx(rate, rel=1e-5)


@pytest.mark.parametrize(
    ("decay", "step", "rate"),
    [
        ("linear", 0, 0.5),
        ("linear", 50, 0.5 * 0.505),
        ("linear", 100, 0.005),
        ("linear", 400, 0.005),
        ("exponential", 0, 0.5),
        ("exponential", 50, 0.05),
        ("exponential", 100, 0.005),
        ("exponential", 400, 0.005),
    ],
)
def test_the_other_curves_end_at_a_hundredth_too(schedule, decay, step, rate):
    assert float(schedule(0.5, 0, decay, 100)(step)) == pytest.approx(rate, rel=1e-5)


def test_warm_up_and_decay_multiply(schedule):
    assert float(schedule(1.0, 100, "cosine", 100)(49)) == pytest.approx(
        0.5 * (0.01 + 0.99 * (1 + math.cos(math.pi * 0.49)) / 2), rel=1e-5
    )


def test_it_survives_its_config(schedule):
    first = schedule(0.5, 3, "cosine", 10)
    again = type(first).from_config(first.get_config())
    assert [float(again(step)) for step in range(12)] == [float(first(step)) for step in range(12)]


def stepped(config: TrainingConfig, gradient: float) -> dict[str, float]:
    """What a weight and a bias, both 1, are after one step."""
    import keras

    from reco_core.training.optimizer import build_optimizer

    variables = [keras.Variable(np.ones(2, np.float32), name=name) for name in ("kernel", "bias")]
    optimizer = build_optimizer(config, variables, 10)
    optimizer.apply([np.full(2, gradient, np.float32)] * 2, variables)
    return {variable.name: float(variable.numpy()[0]) for variable in variables}


def test_biases_are_not_decayed(tensorflow_runtime):
    found = stepped(TrainingConfig(learning_rate=0.1, weight_decay=0.5, warmup_steps=0), gradient=0.0)
    assert found == {"kernel": pytest.approx(1 - 0.1 * 0.5), "bias": 1.0}


def test_the_first_step_of_adam_is_the_learning_rate(tensorflow_runtime):
    found = stepped(TrainingConfig(learning_rate=0.1, warmup_steps=4), gradient=3.0)
    assert found["kernel"] == pytest.approx(1 - 0.1 / 4, rel=1e-4)


def test_the_first_steps_of_each_optimizer(tensorflow_runtime):
    """Adam and AdamW: the learning rate; Adagrad: rate * g / sqrt(.1 + g * g), the accumulators begin at .1."""
    constant = {"learning_rate": 0.1, "warmup_steps": 0, "learning_rate_decay": "none"}
    for name, change in (("adam", 0.1), ("adamw", 0.1), ("adagrad", 0.1 * 3 / math.sqrt(0.1 + 9))):
        config = TrainingConfig(optimizer=name, gradient_clip_norm=None, **constant)
        assert stepped(config, gradient=3.0)["kernel"] == pytest.approx(1 - change, rel=1e-4)


@pytest.mark.parametrize("name", ["adam", "adagrad"])
def test_every_optimizer_clips(tensorflow_runtime, name):
    constant = {"learning_rate": 0.1, "warmup_steps": 0, "learning_rate_decay": "none"}
    # two variables of two entries each: norm 1 is .5 an entry
    found = stepped(TrainingConfig(optimizer=name, gradient_clip_norm=1.0, **constant), gradient=80.0)
    expected = 0.1 if name == "adam" else 0.1 * 0.5 / math.sqrt(0.1 + 0.25)
    assert found["kernel"] == pytest.approx(1 - expected, rel=1e-4)


@pytest.mark.parametrize(("norm", "clipped"), [(None, False), (1.0, True)])
def test_gradients_are_clipped_to_their_global_norm(tensorflow_runtime, norm, clipped):
    import keras

    from reco_core.training.optimizer import build_optimizer

    variable = keras.Variable(np.zeros(4, np.float32), name="kernel")
    optimizer = build_optimizer(TrainingConfig(gradient_clip_norm=norm), [variable], 10)
    optimizer.apply([np.full(4, 50, np.float32)], [variable])
    first_moment = next(v for v in optimizer.variables if "momentum" in v.path).numpy()
    # Adam's first moment is a tenth of the gradient; four entries of 1/2 have norm 1
    assert first_moment[0] == pytest.approx(0.05 if clipped else 5.0, rel=1e-4)
