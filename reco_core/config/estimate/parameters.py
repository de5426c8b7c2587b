"""How many numbers a model learns, and which of them its files hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reco_core.config.encoders import Cnn, EncoderConfig, Gru, Rnn, Transformer
from reco_core.config.estimate.workload import Workload
from reco_core.config.features import ActivityGroup, Feature, FloatFeature, GlobalGroup, TimeGapFeature
from reco_core.config.job import JobConfig

GUESSED_ROWS = 100  # of a feature's vocabulary, where nobody has counted it


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
    dim = config.model.embedding_dim
    length = config.examples.max_history_length
    yield from _matrices(config.encoder, dim + sequence_width(config.features.history), dim, length)


def encoder_width(config: JobConfig) -> int:
    """Size of the context encoder's output."""
    dim = config.model.embedding_dim
    return _width(config.encoder, dim + sequence_width(config.features.history), dim)


def group_matrices(config: JobConfig) -> Iterator[Matrix]:
    """Matrices of the encoders of the feature groups."""
    for group in feature_groups(config):
        width = sequence_width(group.features)
        yield from _matrices(group.encoder, width, width, config.examples.max_history_length)


def feature_tables(config: JobConfig, work: Workload) -> Iterator[Matrix]:
    """The embeddings of features."""
    for feature in config.features.every():
        if not isinstance(feature, FloatFeature):
            guess = feature.buckets + 1 if isinstance(feature, TimeGapFeature) else GUESSED_ROWS
            yield Matrix(work.feature_rows.get(feature.name, guess), feature.embedding_dim, 0)


def feature_groups(config: JobConfig) -> list[ActivityGroup | GlobalGroup]:
    """All groups with an encoder of their own."""
    return [*config.features.activity_groups, *config.features.global_groups]


def sequence_width(features: Iterable[Feature]) -> int:
    """Numbers per position of features put side by side."""
    return sum(1 if isinstance(feature, FloatFeature) else feature.embedding_dim for feature in features)


def dense_matrices(config: JobConfig) -> Iterator[Matrix]:
    """The hidden layers and the projection after them."""
    width = encoder_width(config)
    for group in feature_groups(config):
        own = sequence_width(group.features)
        width += _width(group.encoder, own, own)
    projection = (config.model.embedding_dim,) if config.projects else ()
    for units in (*config.model.hidden_layers, *projection):
        yield Matrix(width, units, units)
        width = units


def parameters(config: JobConfig, work: Workload) -> int:
    """The number of trained values, exactly."""
    dim = config.model.embedding_dim
    tables = work.vocabulary * dim + (work.vocabulary if config.model.item_bias else 0)
    if config.model.similarity == "cosine":
        tables += 1  # the temperature
    if work.attribute_values:
        tables += (work.attribute_values + 1) * dim  # a row for padding
    matrices = (
        *encoder_matrices(config),
        *dense_matrices(config),
        *group_matrices(config),
        *feature_tables(config, work),
    )
    return tables + sum(matrix.weights + matrix.bias for matrix in matrices)


def _matrices(encoder: EncoderConfig, width: int, dim: int, length: int) -> Iterator[Matrix]:
    """An encoder's over `length` vectors of `width` numbers; filters are multiples of `dim`."""
    if isinstance(encoder, Cnn):
        for ratio in encoder.num_filter_ratios:
            yield Matrix(encoder.kernel_size * width, ratio * dim, ratio * dim)
            width = ratio * dim
    elif isinstance(encoder, Rnn):
        units = encoder.num_units
        yield Matrix(width, 4 * units, 4 * units)
        yield Matrix(units, 4 * units, 0)
    elif isinstance(encoder, Gru):
        units = encoder.num_units
        yield Matrix(width, 3 * units, 3 * units)
        yield Matrix(units, 3 * units, 3 * units)
    elif isinstance(encoder, Transformer):
        yield from _attention(encoder, width, dim, length)


def _attention(encoder: Transformer, width: int, dim: int, length: int) -> Iterator[Matrix]:
    """A transformer's over `length` vectors of `width` numbers; what isn't a matrix goes with one as its bias."""
    inner = _width(encoder, width, dim)
    if width > dim:
        yield Matrix(width - dim, inner, 0)
    for _ in range(encoder.blocks):
        yield Matrix(inner, inner, inner + encoder.heads * length)  # queries; a gain, the numbers for recency
        if encoder.smoothing:
            yield Matrix(0, 0, inner + encoder.heads * length)
        yield from (Matrix(inner, inner, 0),) * 3
        wide = encoder.feed_forward_ratio * inner
        yield Matrix(inner, wide, wide + inner)
        yield Matrix(wide, inner, inner)
    yield Matrix(0, 0, inner)  # the last gain


def _width(encoder: EncoderConfig, width: int, dim: int) -> int:
    """Size of an encoder's output."""
    if isinstance(encoder, Cnn):
        return encoder.num_filter_ratios[-1] * dim
    if isinstance(encoder, Transformer):
        return encoder.heads * -(-dim // encoder.heads)
    return encoder.num_units if isinstance(encoder, Rnn | Gru) else width
