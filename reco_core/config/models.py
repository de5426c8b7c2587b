"""The fields of a job config. Every field has a default that works; unknown fields are errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from reco_core.config.encoders import Bow, Cnn, EncoderConfig, Transformer
from reco_core.config.features import FeaturesConfig
from reco_core.config.neighbours import NeighboursConfig, as_section
from reco_core.config.section import Section

VariantName = Literal["float32", "float16", "dynamic_int8"]
BaselineName = Literal["popular", "recent_popular", "markov", "cooccurrence", "ease"]
ProtocolName = Literal["leave_one_out", "temporal", "user_disjoint", "reference"]

EASE_MOST_ITEMS = 5_000  # its inverse grows with the cube of the items: seconds here, a minute at 12,000
# What a protocol needs of a timeline: with leave_one_out one interaction to learn from, one to validate, one to test.
_SHORTEST: dict[ProtocolName, int] = {"leave_one_out": 3, "temporal": 1, "user_disjoint": 2, "reference": 1}


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
        description="Share of the items that each training step knows by their attributes alone, as items are known "
        "that are added later.",
    )


MOST_ITEMS_IN_FULL = 20_000  # from which on the loss over all items takes most of a training step's time
LONG_HISTORY = 32  # interactions from which windows cost so much more than sequences that these are the default


def automatic_batch_size(examples: int) -> int:
    """A hundredth of the examples, so that a small log still gets a hundred steps an epoch; between 32 and 512."""
    return min(512, max(32, examples // 100))


class TrainingConfig(Section):
    """Optimisation."""

    batch_size: int | None = Field(
        None,
        ge=1,
        le=65536,
        description="Examples per step; null takes a hundredth of the training examples, between 32 and 512.",
    )
    examples: Literal["auto", "windows", "sequences"] = Field(
        "auto",
        description="`sequences`: one causal pass gives an example at every position, which is many times faster where "
        "histories are long. `windows`: each example has its own history, as any encoder and all features allow. "
        "`auto` takes sequences where the encoder allows them and max_history_length is 32 or more.",
    )
    loss: Literal["auto", "full_softmax", "sampled_softmax", "batch_softmax"] = Field(
        "full_softmax",
        description="Softmax over all items; over the label and `negatives` drawn items (for large vocabularies: the "
        "cost of a step doesn't depend on them); or over the labels of the batch only (less accurate). `auto`: "
        "full_softmax up to 20,000 items, beyond that sampled_softmax.",
    )
    negatives: int = Field(
        512, ge=1, le=65536, description="Items drawn for each step of sampled_softmax; all examples share them."
    )
    optimizer: Literal["adamw", "adam", "adagrad"] = Field("adamw", description="What turns gradients into steps.")
    learning_rate: float = Field(0.004, gt=0, le=10, description="Step size after warm-up.")
    weight_decay: float = Field(0.0, ge=0, le=10, description="Decoupled weight decay; AdamW only.")
    max_epochs: int = Field(10, ge=1, le=10000, description="The most passes over the training examples.")
    steps_per_epoch: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Steps between two validations; null: one pass. With fewer, an epoch goes on where the one before "
        "it ended.",
    )
    validation_steps: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Batches of validation examples ranked after each epoch; null: all, at most 10,000 examples.",
    )
    patience: int = Field(5, ge=1, le=1000, description="Epochs without a better validation NDCG@10 before stopping.")
    warmup_steps: int = Field(
        100, ge=0, description="Steps over which the learning rate rises linearly; at most a tenth of all steps."
    )
    learning_rate_decay: Literal["none", "linear", "cosine", "exponential"] = Field(
        "cosine", description="After warm-up: constant, or down to a hundredth at `max_epochs` along this curve."
    )
    gradient_clip_norm: float | None = Field(5.0, gt=0, description="Global norm that gradients are clipped to.")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Probability mass spread evenly over all items; of full_softmax only."
    )
    checkpoint_seconds: float = Field(
        10.0,
        ge=0,
        description="A checkpoint to resume from is written at most this often, and at the end of training; large ones "
        "more rarely, so that a twentieth of the time goes into them. 0: as often as can be.",
    )
    keep_checkpoints: int | None = Field(
        0,
        ge=0,
        le=10000,
        description="Epochs whose weights are kept to export from, besides the best: the newest so many; null: all. "
        "They are held in memory and are part of each checkpoint to resume from; the estimate counts them.",
    )
    tensorboard: bool = Field(False, description="Write summaries that TensorBoard opens.")

    @model_validator(mode="after")
    def _fields_apply(self) -> Self:
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError(f"weight_decay is AdamW's, and the optimizer is {self.optimizer!r}; change one of them")
        if self.label_smoothing and self.loss not in ("auto", "full_softmax"):
            raise ValueError("label_smoothing needs the loss full_softmax; set it to 0 or change loss")
        chosen = "negatives" in self.model_fields_set and self.negatives != 512
        if chosen and self.loss not in ("auto", "sampled_softmax"):
            raise ValueError(
                f"negatives are drawn for sampled_softmax, and the loss is {self.loss!r}; change one of them"
            )
        return self

    def loss_for(self, items: int) -> str:
        """The loss where there are `items` items to choose from."""
        if self.loss != "auto":
            return self.loss
        return "full_softmax" if items <= MOST_ITEMS_IN_FULL else "sampled_softmax"

    @property
    def most_kept(self) -> int:
        """Epochs whose weights there are at the most, besides the best."""
        return self.max_epochs if self.keep_checkpoints is None else min(self.keep_checkpoints, self.max_epochs)

    def batch_size_for(self, examples: int) -> int:
        """Examples per step where there are `examples` to train on."""
        return min(self.batch_size or automatic_batch_size(examples), examples)


class EvaluationConfig(Section):
    """What is held out, and what is reported about it."""

    protocol: ProtocolName = Field(
        "leave_one_out",
        description="`leave_one_out` holds out each user's last two items; `temporal` holds out what came after a cut "
        "in time, and needs timestamps; `user_disjoint` holds out users; `reference` splits pairs at random and is "
        "only for comparison with the original toolkit.",
    )
    test_fraction: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="Share held out for test, and as much again for validation: of the interactions with `temporal`, "
        "of the users with `user_disjoint`. The other protocols don't read it.",
    )
    split_seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="Draws the users that `user_disjoint` holds out. Apart from `seed`, so that trainings with several "
        "seeds are tested on the same users and can be compared.",
    )
    k: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (1, 5, 10, 20, 50),
        min_length=1,
        max_length=10,
        description="Cut-offs of the ranking metrics; 10 is always added.",
    )
    baselines: tuple[BaselineName, ...] | None = Field(
        None,
        description="Baselines fitted on the same training data. Null takes all of them, `ease` up to 5,000 items "
        "only: its time grows with their cube. Name it to have it all the same.",
    )
    bootstrap_samples: int = Field(1000, ge=100, le=100000, description="Resamples behind each 95% interval.")
    cold_items: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of the items that training is kept from wholly, so that the report can say how well items "
        "are ranked by their attributes alone; 0: none. The files that ship know them as items added later.",
    )

    @model_validator(mode="after")
    def _training_ends_before_test(self) -> Self:
        if self.cold_items and self.protocol == "reference":
            raise ValueError(
                "cold_items needs a protocol that holds out what comes last, and `reference` splits at random; "
                "set cold_items to 0 or protocol to leave_one_out"
            )
        return self

    def baselines_for(self, items: int) -> tuple[BaselineName, ...]:
        """The baselines to fit where there are `items` items."""
        if self.baselines is not None:
            return self.baselines
        return tuple(name for name in get_args(BaselineName) if name != "ease" or items <= EASE_MOST_ITEMS)

    def baselines_left_out(self, items: int) -> dict[str, str]:
        """Why a baseline that is usually fitted isn't where there are `items` items, by its name."""
        if self.baselines is not None or items <= EASE_MOST_ITEMS:
            return {}
        return {
            "ease": f"its time grows with the cube of the items, of which there are {items:,}; above "
            f"{EASE_MOST_ITEMS:,} it is fitted only where evaluation.baselines names it"
        }


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


def _features(given: object) -> object:
    if given == "auto":
        return FeaturesConfig(automatic=True)
    if not isinstance(given, Mapping | FeaturesConfig):
        raise ValueError(f"expected auto or an object with fields, found {given!r}")
    return given


class JobConfig(Section):
    """The whole config of a run. `preset` comes first, everything else overrides it."""

    preset: str | None = Field(None, description="Name of the preset that supplies the values not given here.")
    seed: int = Field(0, ge=0, lt=2**32, description="All randomness comes from it: same config and data, same bytes.")
    repeats: bool = Field(False, description="Recommend items again that are in the history.")
    examples: ExamplesConfig = ExamplesConfig()
    encoder: EncoderConfig = Bow()
    features: Annotated[
        FeaturesConfig, BeforeValidator(_features, json_schema_input_type=FeaturesConfig | Literal["auto"])
    ] = Field(FeaturesConfig(), description="What the model reads besides item ids; `auto`: what the dataset has.")
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    export: ExportConfig = ExportConfig()

    @model_validator(mode="after")
    def _kernels_fit(self) -> Self:
        lengths = {
            "examples.max_history_length": self.examples.max_history_length,
            "export.history_length": self.export_history_length,
        }
        for field, length in lengths.items():
            if isinstance(self.encoder, Cnn) and self.encoder.kernel_size > length:
                raise ValueError(
                    f"encoder.kernel_size {self.encoder.kernel_size} is wider than {field} {length}; "
                    "lower the kernel or raise the history length"
                )
        self.features.check_length(min(lengths.values()))
        return self

    @model_validator(mode="after")
    def _sequences_are_possible(self) -> Self:
        if self.training.examples == "sequences" and (why := self._no_sequences()):
            raise ValueError(f"training.examples: sequences {why}; use windows or auto")
        return self

    def _no_sequences(self) -> str | None:
        """Why there can be no causal pass over whole sequences, or None."""
        if isinstance(self.encoder, Cnn):
            return "can't be read by the encoder cnn, whose maximum over time is one for each example"
        if self.features.activity_groups or self.features.global_groups:
            return "have no place for feature groups with an encoder of their own"
        return None

    @property
    def projects(self) -> bool:
        """Whether a matrix stands between the context encoder and the dot product.

        A transformer adds to the embeddings of the items that it reads; compared with the item table as they are, its
        states begin where the last item is, which a matrix in between would have to learn first.
        """
        grouped = self.features.activity_groups or self.features.global_groups
        if not isinstance(self.encoder, Transformer) or self.model.hidden_layers or grouped:
            return True
        return self.model.embedding_dim % self.encoder.heads != 0

    @property
    def trains_on_sequences(self) -> bool:
        """Whether examples are the positions of whole sequences; else each is a window of its own."""
        if self.training.examples == "auto":
            return self.examples.max_history_length >= LONG_HISTORY and self._no_sequences() is None
        return self.training.examples == "sequences"

    @property
    def min_timeline_length(self) -> int:
        """The shortest timeline that takes part: as the config says, or longer where the protocol needs it."""
        return max(_SHORTEST[self.evaluation.protocol], self.examples.min_timeline_length)

    @property
    def export_history_length(self) -> int:
        """The history that exported files read."""
        return self.export.history_length or self.examples.max_history_length
