"""Context encoders: embedded history -> one vector. A new one is a module here and a line in `build`."""

from __future__ import annotations

from typing import Any

from reco_core.config import Bow, Cnn, EncoderConfig
from reco_core.model.context_encoders.bow import BowEncoder
from reco_core.model.context_encoders.cnn import CnnEncoder
from reco_core.model.context_encoders.rnn import RnnEncoder

__all__ = ["BowEncoder", "CnnEncoder", "RnnEncoder", "build"]


def build(config: EncoderConfig, embedding_dim: int, name: str = "context_encoder") -> Any:
    """The layer that `config` describes: `(embedded [batch, length, dim], mask [batch, length]) -> [batch, width]`.

    Rows of `mask` are ones and then zeros (left-aligned). What stands under a zero never changes the result.
    """
    if isinstance(config, Bow):
        return BowEncoder(name=name)
    if isinstance(config, Cnn):
        filters = tuple(ratio * embedding_dim for ratio in config.num_filter_ratios)
        return CnnEncoder(filters, config.kernel_size, name=name)
    return RnnEncoder(config.num_units, name=name)
