"""AdamW with warm-up and decay, as the config asks."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reco_core.config import TrainingConfig


class WarmUpAndDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear rise over `warmup_steps`, then constant or a half cosine down to a hundredth at the last step."""

    def __init__(self, peak: float, warmup_steps: int, decay: str, total_steps: int) -> None:
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.decay = decay
        self.total_steps = total_steps

    def __call__(self, step: Any) -> Any:
        """The learning rate of step `step` (from 0)."""
        done = tf.cast(step, tf.float32)
        rate = self.peak * tf.minimum(1.0, (done + 1.0) / max(1, self.warmup_steps))
        if self.decay == "cosine":
            share = tf.clip_by_value(done / max(1, self.total_steps), 0.0, 1.0)
            rate *= 0.01 + 0.99 * 0.5 * (1.0 + tf.cos(3.141592653589793 * share))
        return rate

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return dict(vars(self))


def build_optimizer(config: TrainingConfig, variables: list[Any], steps_per_epoch: int) -> Any:
    """A Keras AdamW built for `variables`; biases are not decayed."""
    total = config.max_epochs * steps_per_epoch
    optimizer = keras.optimizers.AdamW(
        WarmUpAndDecay(config.learning_rate, min(config.warmup_steps, total // 10), config.learning_rate_decay, total),
        weight_decay=config.weight_decay,
        global_clipnorm=config.gradient_clip_norm,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(variables)
    return optimizer
