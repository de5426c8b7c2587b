"""The section `model`: the dual encoder around the context encoder."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from reco_core.config.neighbours import NeighboursConfig, as_section
from reco_core.config.section import Section


class ModelConfig(Section):
    """The dual encoder around the context encoder."""

    embedding_dim: int = Field(
        64,
        ge=2,
        le=512,
        description="Size of the item embeddings and of both encoders' output; with `export.max_bytes`, at most.",
    )
    hidden_layers: tuple[Annotated[int, Field(ge=1, le=2048)], ...] = Field(
        (), max_length=4, description="Widths of the ReLU layers between the context encoder and the projection."
    )
    similarity: Literal["dot", "cosine"] = Field(
        "dot",
        description="What compares history and item: the dot product, or the cosine times a learned temperature, under "
        "which no item gains from the length of its embedding.",
    )
    item_bias: bool = Field(True, description="Add a learned bias per item to the dot product.")
    item_attribute: str | None = Field(
        "auto",
        description="A multi-valued item attribute (such as genres) whose mean embedding is added to the item's own; "
        "`auto` takes the item table's if it has one, null uses ids only.",
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout on the encoder's input and output, in training.")
    neighbours: Annotated[
        NeighboursConfig | None,
        BeforeValidator(as_section, json_schema_input_type=NeighboursConfig | bool | None),
    ] = Field(
        None,
        description="Add what tends to follow the items of the history to the model's scores; true: with all defaults, "
        "false as null: not.",
    )
    id_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the items that a training step (on several cores, each core's part of it) knows by their "
        "attributes alone, as items are known that are added later.",
    )
