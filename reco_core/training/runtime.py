"""TensorFlow's process-wide switches, set once before anything runs."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from reco_core.environment import available_cores


@dataclass(frozen=True)
class Runtime:
    """What, besides config and data, decides over the bytes that come out."""

    threads: int
    xla: bool


def configure(threads: int | None = None) -> Runtime:
    """Deterministic operations, and as many threads as there are cores; call before the first operation."""
    count = threads or available_cores()
    # of both: programs that run side by side have the threads of operations in common
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
    tf.config.experimental.enable_op_determinism()
    return Runtime(threads=count, xla=True)
