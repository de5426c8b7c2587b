"""The fields of a job config. Every field has a default that works; unknown fields are errors."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

VariantName = Literal["float32", "float16", "dynamic_int8"]
BaselineName = Literal["popular", "recent_popular", "markov", "cooccurrence", "ease"]


class Section(BaseModel):
    """A frozen config section that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ExamplesConfig(Section):
    """How interactions become (context, label) examples."""

    max_history_length: int = Field(10, ge=1, le=200, description="The newest interactions that the model reads (L).")
    min_timeline_length: int = Field(
        3, ge=3, le=1000, description="Users with fewer interactions take no part in training or evaluation."
    )
    min_rating: float | None = Field(
        None, description="Interactions rated lower are neither context nor label, but still count as seen."
    )
    train_data_fraction: float = Field(
        0.9, gt=0, lt=1, description="Share of training pairs; the protocol `reference` only."
    )


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


class ModelConfig(Section):
    """The dual encoder around the context encoder."""

    embedding_dim: int = Field(
        64, ge=2, le=512, description="Size of the item embeddings and of both encoders' output."
    )
    hidden_layers: tuple[Annotated[int, Field(ge=1, le=2048)], ...] = Field(
        (), max_length=4, description="Widths of the ReLU layers between the context encoder and the projection."
    )
    item_bias: bool = Field(True, description="Add a learned bias per item to the dot product.")
    item_attribute: str | None = Field(
        "auto",
        description="A multi-valued item attribute (such as genres) whose mean embedding is added to the item's own; "
        "`auto` takes the item table's if it has one, null uses ids only.",
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout on the encoder's input and output, in training.")


class TrainingConfig(Section):
    """Optimisation."""

    batch_size: int | None = Field(
        None,
        ge=1,
        le=65536,
        description="Examples per step; null takes a hundredth of the training examples, between 32 and 512.",
    )
    learning_rate: float = Field(0.004, gt=0, le=10, description="Step size of AdamW after warm-up.")
    weight_decay: float = Field(0.0, ge=0, le=10, description="Decoupled weight decay of AdamW.")
    max_epochs: int = Field(10, ge=1, le=10000, description="The most passes over the training examples.")
    patience: int = Field(5, ge=1, le=1000, description="Epochs without a better validation NDCG@10 before stopping.")
    warmup_steps: int = Field(
        100, ge=0, description="Steps over which the learning rate rises linearly; at most a tenth of all steps."
    )
    learning_rate_decay: Literal["none", "cosine"] = Field(
        "cosine", description="After warm-up: constant, or a half cosine down to a hundredth at `max_epochs`."
    )
    gradient_clip_norm: float | None = Field(5.0, gt=0, description="Global norm that gradients are clipped to.")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Probability mass spread evenly over all items.")
    checkpoint_seconds: float = Field(
        10.0, ge=0, description="A checkpoint is written at most this often, and at the end of training."
    )


class EvaluationConfig(Section):
    """What is held out, and what is reported about it."""

    protocol: Literal["leave_one_out", "reference"] = Field(
        "leave_one_out",
        description="`leave_one_out` holds out each user's last two items; `reference` splits pairs at random and "
        "is only for comparison with the original toolkit.",
    )
    k: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (1, 5, 10, 20, 50),
        min_length=1,
        max_length=10,
        description="Cut-offs of the ranking metrics; 10 is always added.",
    )
    baselines: tuple[BaselineName, ...] = Field(
        ("popular", "recent_popular", "markov", "cooccurrence"),
        description="Baselines fitted on the same training data.",
    )
    bootstrap_samples: int = Field(1000, ge=100, le=100000, description="Resamples behind each 95% interval.")


class ExportConfig(Section):
    """The files that are made."""

    variants: tuple[VariantName, ...] = Field(
        ("float32", "float16", "dynamic_int8"), min_length=1, description="Conversions to make; float32 is always made."
    )
    default_variant: VariantName = Field("float16", description="The variant that becomes model.tflite.")
    top_k: int = Field(100, ge=1, le=1000, description="Recommendations per call (K); at most the number of items.")
    exclude_ids: int = Field(
        0, ge=0, le=10000, description="Slots of the optional input `exclude_ids` (E); 0: no input."
    )
    max_bytes: int | None = Field(
        None, ge=1, description="Size budget of model.tflite in bytes; the best variant that fits is taken."
    )

    @model_validator(mode="after")
    def _default_is_made(self) -> Self:
        if self.default_variant not in self.variants:
            raise ValueError(f"default_variant {self.default_variant!r} is not among variants; add it there")
        return self


class JobConfig(Section):
    """The whole config of a run. `preset` comes first, everything else overrides it."""

    preset: str | None = Field(None, description="Name of the preset that supplies the values not given here.")
    seed: int = Field(0, ge=0, lt=2**32, description="All randomness comes from it: same config and data, same bytes.")
    repeats: bool = Field(False, description="Recommend items again that are in the history.")
    examples: ExamplesConfig = ExamplesConfig()
    encoder: EncoderConfig = Bow()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    export: ExportConfig = ExportConfig()

    @model_validator(mode="after")
    def _kernels_fit(self) -> Self:
        length = self.examples.max_history_length
        if isinstance(self.encoder, Cnn) and self.encoder.kernel_size > length:
            raise ValueError(
                f"encoder.kernel_size {self.encoder.kernel_size} is wider than examples.max_history_length {length}; "
                "lower the kernel or raise the history length"
            )
        return self
