"""The section `examples`: how interactions become training examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from reco_core.config.section import Section


class TfrecordConfig(Section):
    """TFRecord files and vocabularies as TensorFlow's on-device recommendation example makes them."""

    layout: Literal["original", "original_2020"] = Field(
        "original",
        description="`original`: the features of its movie examples, pairs split at random. `original_2020`: int64 "
        "`context` and `label`, each user's last item as test.",
    )
    max_genre_length: int = Field(10, ge=1, le=10000, description="Genres kept of a whole context; its app reads 32.")
    shards: int = Field(1, ge=1, le=1000, description="Files per split; above 1, names end in -00000-of-0000N.")
    build_vocabs: bool = Field(True, description="Also write the vocabularies.")


def _tfrecord(given: object) -> object:
    if given is None or isinstance(given, bool):
        return TfrecordConfig() if given else None
    if not isinstance(given, Mapping | TfrecordConfig):
        raise ValueError(f"expected true, false or an object with fields, found {given!r}")
    return given


class ExamplesConfig(Section):
    """How interactions become (context, label) examples."""

    max_history_length: int = Field(10, ge=1, le=200, description="The newest interactions that the model reads (L).")
    min_timeline_length: int = Field(
        3,
        ge=1,
        le=1000,
        description="Users with fewer interactions take no part in training or evaluation. The protocol "
        "`leave_one_out` needs three a user and `user_disjoint` two, whatever is set here; TFRecords don't.",
    )
    min_rating: float | None = Field(
        None, description="Interactions rated lower are neither context nor label, but still count as seen."
    )
    train_data_fraction: float = Field(
        0.9, gt=0, lt=1, description="Share of training pairs; the protocol `reference` and TFRecords only."
    )
    # the schema is of what may be written, the value of what comes of it
    tfrecord: Annotated[
        TfrecordConfig | None, BeforeValidator(_tfrecord, json_schema_input_type=TfrecordConfig | bool | None)
    ] = Field(None, description="Also write TFRecord files; true: with all defaults, false as null: none.")
