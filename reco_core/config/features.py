"""What the model reads besides item ids: features in groups, each group with an encoder of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from reco_core.config.encoders import Bow, Cnn, EncoderConfig
from reco_core.config.section import Section

# The signatures' own names, which no feature may have.
RESERVED_NAMES = frozenset({"history", "exclude_ids", "ids", "scores", "context", "items"})
DEFAULT_FLAT_LENGTH = 32


_NAME = r"^[A-Za-z][A-Za-z0-9_]*$"


class _Feature(Section):
    name: str = Field(pattern=_NAME, max_length=64, description="Name of the model's input for this feature.")
    column: str | None = Field(
        None, min_length=1, max_length=256, description="Column of the data that it is read from; null: as its name."
    )
    layout: Literal["aligned", "flat"] = Field(
        "aligned",
        description="`aligned`: the values of interaction i stand at position i. `flat`: all values of the context one "
        "after the other, as the original toolkit has genres.",
    )
    length: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Values kept: per interaction or user, or with `flat` in all. Null: 1 for columns with one value, "
        "the most that any row has (at most 8) for lists, 32 with `flat`.",
    )

    @property
    def source_column(self) -> str:
        """Column of the data."""
        return self.column or self.name

    @property
    def flat_length(self) -> int:
        """Values in all; `flat` only."""
        return self.length or DEFAULT_FLAT_LENGTH


class IntFeature(_Feature):
    """Whole numbers that name something, each with an embedding."""

    type: Literal["int"] = "int"
    vocabulary: bool = Field(True, description="False: the values themselves, from 0 to `vocabulary_size` - 1, index.")
    vocabulary_size: int | None = Field(
        None, ge=1, le=10_000_000, description="The most frequent values to tell apart; null: all."
    )
    embedding_dim: int = Field(16, ge=1, le=512, description="Size of the embeddings.")

    @model_validator(mode="after")
    def _size_is_known(self) -> Self:
        if not self.vocabulary and self.vocabulary_size is None:
            raise ValueError("without a vocabulary, vocabulary_size must say how many values there are; set it")
        return self


class StringFeature(_Feature):
    """Words, each with an embedding."""

    type: Literal["string"] = "string"
    vocabulary_size: int | None = Field(
        None, ge=1, le=10_000_000, description="The most frequent values to tell apart; null: all."
    )
    embedding_dim: int = Field(16, ge=1, le=512, description="Size of the embeddings.")


class FloatFeature(_Feature):
    """Quantities; standardised inside the model, so that an app passes them as they are."""

    type: Literal["float"] = "float"

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if self.layout == "aligned" and self.length not in (None, 1):
            raise ValueError("a float feature has one value per interaction or user; leave length out")
        return self


class TimeGapFeature(Section):
    """The time between an interaction and the one before it, as one of a few buckets, each with an embedding.

    It is made of the log's timestamps and known when an interaction happens, so that nothing of the label is in it.
    """

    type: Literal["time_gap"] = "time_gap"
    name: str = Field(
        "time_gap", pattern=_NAME, max_length=64, description="Name of the model's input for this feature."
    )
    buckets: int = Field(
        16,
        ge=2,
        le=256,
        description="Ranges of time to tell apart, about equally many gaps of the training data in each; fewer where "
        "many gaps are equal.",
    )
    embedding_dim: int = Field(8, ge=1, le=512, description="Size of the embeddings.")

    # As the other features have them: one value stands beside each interaction.
    layout: ClassVar[Literal["aligned"]] = "aligned"
    length: ClassVar[int] = 1
    flat_length: ClassVar[int] = 1


ColumnFeature = IntFeature | StringFeature | FloatFeature
Feature = ColumnFeature | TimeGapFeature
FeatureConfig = Annotated[Feature, Field(discriminator="type")]
UserFeatureConfig = Annotated[ColumnFeature, Field(discriminator="type")]


class ActivityGroup(Section):
    """Features of the interactions in the context, put side by side and encoded together."""

    features: tuple[FeatureConfig, ...] = Field(min_length=1, max_length=32, description="At least one.")
    encoder: EncoderConfig = Field(Bow(), description="Encodes the group's sequence into one vector.")

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        _require_same_sequence(self.features)
        return self


class GlobalGroup(Section):
    """Features of the user, put side by side and encoded together."""

    features: tuple[UserFeatureConfig, ...] = Field(min_length=1, max_length=32, description="At least one.")
    encoder: EncoderConfig = Field(Bow(), description="Encodes the values; of use where features have several.")

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        lengths = {feature.name: feature.length for feature in self.features if feature.length not in (None, 1)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"features of a group must have the same length or 1, found {_pairs(lengths)}")
        for feature in self.features:
            if feature.layout == "flat":
                raise ValueError(f"feature {feature.name!r}: `flat` is for activity groups; leave layout out")
        return self


class FeaturesConfig(Section):
    """The groups. Together with the item ids they are the inputs of the model."""

    automatic: bool = Field(
        False,
        description="Use what the dataset has: ratings and the item table's columns beside the items, those of the "
        "user table as a global group. `features: auto` means this.",
    )
    history: tuple[FeatureConfig, ...] = Field(
        (), max_length=32, description="Features put beside each item's embedding, read by the main encoder."
    )
    activity_groups: tuple[ActivityGroup, ...] = Field(
        (), max_length=8, description="Further groups of features of the interactions."
    )
    global_groups: tuple[GlobalGroup, ...] = Field((), max_length=8, description="Groups of features of the user.")

    def every(self) -> Iterator[Feature]:
        """All features, in the order history, activity groups, global groups."""
        yield from self.history
        for activity in self.activity_groups:
            yield from activity.features
        for user in self.global_groups:
            yield from user.features

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if self.automatic and any(True for _ in self.every()):
            raise ValueError("`automatic` chooses the features by itself; leave it out, or the groups")
        names = Counter(feature.name for feature in self.every())
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise ValueError(f"two features are called {twice[0]!r}; each is an input of its own: rename one")
        for name in names:
            if name in RESERVED_NAMES:
                raise ValueError(f"{name!r} is the name of one of the model's own tensors; rename the feature")
        for feature in self.history:
            if feature.layout == "flat":
                raise ValueError(
                    f"feature {feature.name!r}: `flat` values stand beside no item; put it into an activity group"
                )
        return self

    def check_length(self, history_length: int) -> None:
        """Raise ValueError where a kernel is wider than the sequence it runs over."""
        for number, group in enumerate(self.activity_groups):
            flat = group.features[0].layout == "flat"
            length = group.features[0].flat_length if flat else history_length
            if isinstance(group.encoder, Cnn) and group.encoder.kernel_size > length:
                raise ValueError(
                    f"features.activity_groups[{number}].encoder.kernel_size {group.encoder.kernel_size} is wider than "
                    f"its sequence of {length}; lower it"
                )


def _require_same_sequence(features: tuple[Feature, ...]) -> None:
    """An encoder reads one sequence: all of a group's features are aligned, or flat and of one length."""
    layouts = {feature.name: feature.layout for feature in features}
    if len(set(layouts.values())) > 1:
        raise ValueError(f"a group is either aligned or flat, found {_pairs(layouts)}; make two groups of it")
    if "flat" in layouts.values():
        lengths = {feature.name: feature.flat_length for feature in features}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"flat features of a group must have the same length, found {_pairs(lengths)}")


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in values.items())
