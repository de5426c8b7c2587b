"""The context encoders, a tagged union by `type`: fields that don't apply can't be set."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reco_core.config.section import Section


class Bow(Section):
    """Masked mean of the item embeddings."""

    type: Literal["bow"] = "bow"


class Cnn(Section):
    """A stack of one-dimensional convolutions, then the maximum over time."""

    type: Literal["cnn"] = "cnn"
    num_filter_ratios: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field(
        (2,), min_length=1, max_length=4, description="Filters of each layer as multiples of the embedding size."
    )
    kernel_size: int = Field(4, ge=1, le=16, description="Width of each convolution, in interactions.")


class Rnn(Section):
    """An LSTM, read out after the last real item."""

    type: Literal["rnn"] = "rnn"
    num_units: int = Field(64, ge=1, le=512, description="Width of the LSTM's state.")


class Gru(Section):
    """A GRU, read out after the last real item: as an LSTM, with three gates instead of four."""

    type: Literal["gru"] = "gru"
    num_units: int = Field(64, ge=1, le=512, description="Width of the GRU's state.")


class Transformer(Section):
    """Causal self-attention over the history, positions counted back from the last real item."""

    type: Literal["transformer"] = "transformer"
    blocks: int = Field(2, ge=1, le=4, description="Layers of attention and feed-forward network.")
    heads: int = Field(2, ge=1, le=8, description="Attention heads; embedding_dim is a multiple of them.")
    feed_forward_ratio: int = Field(
        1, ge=1, le=4, description="Width of the feed-forward network as a multiple of embedding_dim."
    )
    smoothing: float = Field(
        0.7,
        ge=0,
        lt=1,
        description="Share of each block's mixing that goes by age alone: a learned average of the history, and apart "
        "from it what the newest item has beside that average. The rest is attention. 0: attention only.",
    )


EncoderConfig = Annotated[Bow | Cnn | Rnn | Gru | Transformer, Field(discriminator="type")]
