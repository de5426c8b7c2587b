"""The section `training`: loss, optimizer, and how long."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from reco_core.config.section import Section

MOST_ITEMS_IN_FULL = 20_000  # from which on the loss over all items takes most of a training step's time


def automatic_batch_size(examples: int) -> int:
    """A hundredth of the examples, so that a small log still gets a hundred steps an epoch; between 32 and 512."""
    return min(512, max(32, examples // 100))


def packed_columns(history_length: int) -> int:
    """Columns of the rows that whole sequences are packed into.

    The wider, the less is left over at a row's end; but a recurrent encoder goes through them one by one, and attention
    compares each with all others.
    """
    return max(64 if history_length > 32 else 32, history_length)


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
    teachers: int = Field(
        0,
        ge=0,
        le=8,
        description="Models of the same form that are trained first, each from a seed of its own. Each learns from the "
        "averaged scores of those before it beside the labels, and so does the one that ships: it is more accurate "
        "and no larger, and takes as much longer. Of full_softmax only; a training that begins with the weights of "
        "another version has none.",
    )
    teacher_epochs: int | None = Field(
        None,
        ge=1,
        le=10000,
        description="The most passes of each teacher over the training examples; null: max_epochs.",
    )
    teacher_weight: float = Field(
        0.5, gt=0, le=1, description="How much of the target comes from the teachers; the rest is the label."
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
        if self.teachers and self.loss not in ("auto", "full_softmax"):
            raise ValueError("teachers need the loss full_softmax; set them to 0 or change loss")
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

    def teachers_for(self, items: int) -> int:
        """Teachers where there are `items` items to choose from: none where the loss doesn't look at all of them."""
        return self.teachers if self.loss_for(items) == "full_softmax" else 0

    @property
    def epochs_of_teachers(self) -> int:
        """The most epochs of each teacher."""
        return self.teacher_epochs or self.max_epochs

    @property
    def most_kept(self) -> int:
        """Epochs whose weights there are at the most, besides the best."""
        return self.max_epochs if self.keep_checkpoints is None else min(self.keep_checkpoints, self.max_epochs)

    def batch_size_for(self, examples: int) -> int:
        """Examples per step where there are `examples` to train on."""
        return min(self.batch_size or automatic_batch_size(examples), examples)
