"""The section `export`: the files that are made."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from reco_core.config.section import Section

VariantName = Literal["float32", "float16", "dynamic_int8"]


class ExportConfig(Section):
    """The files that are made."""

    layout: Literal["default", "reference"] = Field(
        "default",
        description="`reference`: the inputs, outputs and assets that the Android app of TensorFlow's on-device "
        "recommendation example loads unchanged.",
    )
    ids: Literal["index", "raw"] | None = Field(
        None,
        description="What stands for an item in the file's tensors: its index in the vocabulary, or its raw id where "
        "all are whole numbers below ten million. Null: raw in the layout `reference`, else index.",
    )
    history_length: int | None = Field(
        None, ge=1, le=200, description="History that the file reads; null: examples.max_history_length."
    )
    saved_model: bool = Field(False, description="Also write the SavedModel, as saved_model.zip beside the bundle.")
    variants: tuple[VariantName, ...] = Field(
        ("float32", "float16", "dynamic_int8"), min_length=1, description="Conversions to make; float32 is always made."
    )
    default_variant: VariantName = Field("float16", description="The variant that becomes model.tflite.")
    top_k: int = Field(100, ge=1, le=1000, description="Recommendations per call (K); at most the number of items.")
    exclude_ids: int = Field(
        0, ge=0, le=10000, description="Slots of the optional input `exclude_ids` (E); 0: no input."
    )
    max_bytes: int | None = Field(
        None,
        ge=1,
        description="Size budget of model.tflite in bytes. Before training, dimensions are lowered until some variant "
        "fits; after it, the best variant that fits is taken.",
    )
    metadata: bool = Field(
        True,
        description="Write into each file what its tensors mean, and its vocabularies as a zip behind the model, for "
        "tools that read TensorFlow Lite metadata. The app needs neither. It takes 2 to 5 kB a file and the raw ids "
        "once more; a file that keeps to `max_bytes` only without it goes without.",
    )

    @model_validator(mode="after")
    def _default_is_made(self) -> Self:
        if self.default_variant not in self.variants:
            raise ValueError(f"default_variant {self.default_variant!r} is not among variants; add it there")
        if self.layout == "reference":
            if self.exclude_ids:
                raise ValueError("the app that the layout `reference` is for passes no exclude_ids; set it to 0")
            if self.ids == "index":
                raise ValueError("the app that the layout `reference` is for passes raw ids; leave ids out")
        return self

    @property
    def raw_ids(self) -> bool:
        """Whether raw ids stand in the file's tensors."""
        return self.ids == "raw" or self.layout == "reference"
