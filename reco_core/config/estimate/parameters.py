"""How many numbers a model learns, and which of them its files hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reco_core.config.encoders import Cnn, Rnn
from reco_core.config.estimate.workload import Workload
from reco_core.config.models import JobConfig


@dataclass(frozen=True)
class Matrix:
    """A weight matrix of the model with the bias that goes with it."""

    rows: int
    columns: int
    bias: int

    @property
    def weights(self) -> int:
        """Numbers without the bias."""
        return self.rows * self.columns


def encoder_matrices(config: JobConfig) -> Iterator[Matrix]:
    """The context encoder's matrices, as reco_core.model.context_encoders builds them."""
    dim, encoder = config.model.embedding_dim, config.encoder
    if isinstance(encoder, Cnn):
        width = dim
        for ratio in encoder.num_filter_ratios:
            yield Matrix(encoder.kernel_size * width, ratio * dim, ratio * dim)
            width = ratio * dim
    elif isinstance(encoder, Rnn):
        units = encoder.num_units
        yield Matrix(dim, 4 * units, 4 * units)
        yield Matrix(units, 4 * units, 0)


def encoder_width(config: JobConfig) -> int:
    """Size of the context encoder's output."""
    dim, encoder = config.model.embedding_dim, config.encoder
    if isinstance(encoder, Cnn):
        return encoder.num_filter_ratios[-1] * dim
    return encoder.num_units if isinstance(encoder, Rnn) else dim


def dense_matrices(config: JobConfig) -> Iterator[Matrix]:
    """The hidden layers and the projection after them."""
    width = encoder_width(config)
    for units in (*config.model.hidden_layers, config.model.embedding_dim):
        yield Matrix(width, units, units)
        width = units


def parameters(config: JobConfig, work: Workload) -> int:
    """The number of trained values, exactly."""
    dim = config.model.embedding_dim
    tables = work.vocabulary * dim + (work.vocabulary if config.model.item_bias else 0)
    if work.attribute_values:
        tables += (work.attribute_values + 1) * dim  # a row for padding
    return tables + sum(matrix.weights + matrix.bias for matrix in (*encoder_matrices(config), *dense_matrices(config)))
