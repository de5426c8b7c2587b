"""The whole config of a job, section by section. Every field has a default that works; unknown fields are errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from reco_core.config.dual_encoder import ModelConfig
from reco_core.config.encoders import Bow, Cnn, EncoderConfig, Transformer
from reco_core.config.evaluation import EvaluationConfig, ProtocolName
from reco_core.config.examples import ExamplesConfig
from reco_core.config.export import ExportConfig
from reco_core.config.features import FeaturesConfig
from reco_core.config.section import Section
from reco_core.config.training import TrainingConfig

LONG_HISTORY = 32  # interactions from which windows cost so much more than sequences that these are the default
# What a protocol needs of a timeline: with leave_one_out one interaction to learn from, one to validate, one to test.
_SHORTEST: dict[ProtocolName, int] = {"leave_one_out": 3, "temporal": 1, "user_disjoint": 2, "reference": 1}


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

    def without_teachers(self) -> JobConfig:
        """How the model is trained where nobody teaches it: for as many epochs as a teacher would have been."""
        if not self.training.teachers:
            return self
        alone = {"teachers": 0, "max_epochs": self.training.epochs_of_teachers}
        return self.model_copy(update={"training": self.training.model_copy(update=alone)})

    def for_items(self, items: int) -> JobConfig:
        """How the model is trained where there are `items` items: teachers need a loss that looks at all of them."""
        return self if self.training.teachers_for(items) else self.without_teachers()

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
