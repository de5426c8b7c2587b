"""Which weights learn at which rate."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.examples import generate


@pytest.mark.parametrize(("loss", "tables"), [("full_softmax", True), ("sampled_softmax", False)])
def test_the_encoder_learns_at_a_share_of_the_tables_rate(tensorflow_runtime, planted, make_config, loss, tables):
    import tensorflow as tf

    from reco_core import model
    from reco_core.training.updates import Updates

    settings = {"learning_rate": 0.01, "encoder_learning_rate_factor": 0.25, "warmup_steps": 0, "loss": loss}
    config = make_config(training={**settings, "gradient_clip_norm": None, "learning_rate_decay": "none"})
    built = model.build(config, generate(config, planted).vocabulary)
    updates = Updates(config.training, built, 10)
    of_items = {id(table) for table in built.label_encoder.tables}
    assert any(id(variable) in of_items for variable in updates.dense) == tables
    before = [variable.numpy() for variable in updates.dense]
    # the first step of Adam is the learning rate, whatever the gradient
    updates.apply([tf.ones_like(variable.value) for variable in updates.dense])
    for variable, was in zip(updates.dense, before, strict=True):
        rate = 0.01 if id(variable) in of_items else 0.0025
        assert np.allclose(was - variable.numpy(), rate, rtol=1e-3), variable.path
    assert float(updates.learning_rate) == pytest.approx(0.01)
