"""Context encoders: embedded history -> one vector. A new one is a module here and a line in `build`."""

from __future__ import annotations

from typing import Any

from reco_core.config import Bow, Cnn, EncoderConfig, Gru, Transformer
from reco_core.model.context_encoders.bow import BowEncoder
from reco_core.model.context_encoders.cnn import CnnEncoder
from reco_core.model.context_encoders.gru import GruEncoder
from reco_core.model.context_encoders.rnn import RnnEncoder
from reco_core.model.context_encoders.transformer import TransformerEncoder

__all__ = ["BowEncoder", "CnnEncoder", "GruEncoder", "RnnEncoder", "TransformerEncoder", "build"]


def build(config: EncoderConfig, embedding_dim: int, name: str = "context_encoder") -> Any:
    """The layer that `config` describes: `(embedded [batch, length, dim], mask [batch, length]) -> [batch, width]`.

    Rows of `mask` are ones and then zeros (left-aligned). What stands under a zero never changes the result. The
    keyword `drop(value, site)` applies dropout within, where the encoder has places for it.
    """
    if isinstance(config, Bow):
        return BowEncoder(name=name)
    if isinstance(config, Cnn):
        filters = tuple(ratio * embedding_dim for ratio in config.num_filter_ratios)
        return CnnEncoder(filters, config.kernel_size, name=name)
    if isinstance(config, Transformer):
        return TransformerEncoder(
            embedding_dim, config.blocks, config.heads, config.feed_forward_ratio, config.smoothing, name=name
        )
    return (GruEncoder if isinstance(config, Gru) else RnnEncoder)(config.num_units, name=name)
