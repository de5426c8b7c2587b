"""AdamW, Adam or Adagrad with warm-up and decay, as the config asks."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from reco_core.config import TrainingConfig


class WarmUpAndDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear rise over `warmup_steps`, then constant or down to a hundredth at the last step.

    With s the share of steps done, the factor is 1 - .99 s (linear), .01 + .99 (1 + cos(pi s)) / 2 (cosine) or
    .01 ** s (exponential).
    """

    def __init__(self, peak: float, warmup_steps: int, decay: str, total_steps: int) -> None:
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.decay = decay
        self.total_steps = total_steps

    def __call__(self, step: Any) -> Any:
        """The learning rate of step `step` (from 0)."""
        done = tf.cast(step, tf.float32)
        rate = self.peak * tf.minimum(1.0, (done + 1.0) / max(1, self.warmup_steps))
        share = tf.clip_by_value(done / max(1, self.total_steps), 0.0, 1.0)
        if self.decay == "linear":
            rate *= 1.0 - 0.99 * share
        elif self.decay == "cosine":
            rate *= 0.01 + 0.99 * 0.5 * (1.0 + tf.cos(3.141592653589793 * share))
        elif self.decay == "exponential":
            rate *= tf.pow(0.01, share)
        return rate

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return dict(vars(self))


def learning_rates(config: TrainingConfig, steps_per_epoch: int) -> WarmUpAndDecay:
    """The learning rate of each step."""
    total = config.max_epochs * steps_per_epoch
    return WarmUpAndDecay(
        config.learning_rate, min(config.warmup_steps, total // 10), config.learning_rate_decay, total
    )


def build_optimizer(config: TrainingConfig, variables: list[Any], steps_per_epoch: int) -> Any:
    """A Keras optimizer built for `variables`; biases are not decayed.

    Adagrad's accumulators begin at 0.1, as Keras has it, and so in the original toolkit.
    """
    rate = learning_rates(config, steps_per_epoch)
    clip = config.gradient_clip_norm
    if config.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, global_clipnorm=clip)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    elif config.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, global_clipnorm=clip)
    else:
        optimizer = keras.optimizers.Adagrad(rate, global_clipnorm=clip)
    optimizer.build(variables)
    return optimizer
