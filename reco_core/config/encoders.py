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


EncoderConfig = Annotated[Bow | Cnn | Rnn, Field(discriminator="type")]
