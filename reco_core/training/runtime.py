"""TensorFlow's process-wide switches, set once before anything runs."""

from __future__ import annotations

import os
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Runtime:
    """What, besides config and data, decides over the bytes that come out."""

    threads: int
    xla: bool


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def configure(threads: int | None = None) -> Runtime:
    """Deterministic operations, and as many threads as there are cores; call before the first operation."""
    count = threads or available_cores()
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
    tf.config.experimental.enable_op_determinism()
    return Runtime(threads=count, xla=True)
