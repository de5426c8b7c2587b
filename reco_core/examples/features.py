"""Which columns the model reads as features: what the config names, checked, or what the dataset has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.config import (
    ActivityGroup,
    FeaturesConfig,
    FloatFeature,
    GlobalGroup,
    IntFeature,
    StringFeature,
    TimeGapFeature,
)
from reco_core.config.feature_columns import (
    ACTIVITY_SCOPES,
    Scope,
    no_timestamps,
    placed,
    unknown_column,
    wrong_type,
)
from reco_core.config.features import RESERVED_NAMES, ColumnFeature, Feature
from reco_core.datasets.column_types import kind_of
from reco_core.datasets.feature_columns import RATING, available, column
from reco_core.datasets.types import Interactions
from reco_core.errors import ConfigInvalid, FieldError

MOST_LIST_VALUES = 8  # of a list per interaction or user, where the config says nothing
_MOST_FEATURES = 32  # of a group, as the config has it
_Group = TypeVar("_Group", ActivityGroup, GlobalGroup)


def resolve(
    features: FeaturesConfig,
    interactions: Interactions,
    *,
    item_attribute: str | None = "auto",
    learnable: Mapping[Scope, NDArray[np.integer]] | None = None,
) -> FeaturesConfig:
    """`features` with every choice made for this dataset: names of columns, lengths, and what `automatic` stands for.

    Args:
        item_attribute: `model.item_attribute`; `automatic` leaves out what the item embedding holds already.
        learnable: which rows of a scope's columns may be learned from, if not all; `automatic` judges by these.

    Raises:
        ConfigInvalid: a column that the data lack, one of the wrong type, or one without a value; time gaps of a log
            without timestamps.
    """
    if features.automatic:
        features = _automatic(interactions, item_attribute, learnable or {})
    if not any(True for _ in features.every()):
        return features
    return FeaturesConfig(
        history=tuple(
            _with_lengths(features.history, interactions, ACTIVITY_SCOPES, "/features/history", together=False)
        ),
        activity_groups=tuple(
            ActivityGroup(
                features=tuple(_with_lengths(group.features, interactions, ACTIVITY_SCOPES, pointer, together=False)),
                encoder=group.encoder,
            )
            for group, pointer in _groups(features.activity_groups, "activity_groups")
        ),
        global_groups=tuple(
            GlobalGroup(
                features=tuple(_with_lengths(group.features, interactions, ("user",), pointer, together=True)),
                encoder=group.encoder,
            )
            for group, pointer in _groups(features.global_groups, "global_groups")
        ),
    )


def find_column(
    feature: ColumnFeature, interactions: Interactions, scopes: Sequence[Scope], pointer: str
) -> tuple[Scope, pl.Series]:
    """The feature's column and where it stands.

    Raises:
        ConfigInvalid: there is none, or not of a type that the feature can have.
    """
    name = feature.source_column
    for scope in scopes:
        found = column(interactions, scope, name)
        if found is not None:
            wrong = wrong_type(feature, pointer, kind_of(found))
            if wrong is not None:
                raise ConfigInvalid(wrong.detail, [wrong])
            if found.null_count() == len(found):
                raise fault(pointer, "no_values", f"the column {name!r} holds no value; leave the feature out")
            return scope, found
    there = available(interactions)
    unknown = unknown_column(feature, pointer, {scope: there[scope] for scope in scopes})
    raise ConfigInvalid(unknown.detail, [unknown])


def without_values(features: FeaturesConfig, interactions: Interactions) -> tuple[str, ...]:
    """Names of the features that the data say nothing of: their column isn't there, or holds no value."""
    return tuple(feature.name for feature, _, scopes in placed(features) if is_without(feature, interactions, scopes))


def is_without(feature: Feature, interactions: Interactions, scopes: Sequence[Scope]) -> bool:
    """Whether the data say nothing of the feature."""
    if isinstance(feature, TimeGapFeature):
        return interactions.timestamps is None
    every = (column(interactions, scope, feature.source_column) for scope in scopes)
    found = next((one for one in every if one is not None), None)
    return found is None or found.null_count() == len(found)


def require_times(feature: TimeGapFeature, interactions: Interactions, pointer: str) -> None:
    """Raise ConfigInvalid where the log only gives the order."""
    if interactions.timestamps is None:
        missing = no_timestamps(feature, pointer)
        raise ConfigInvalid(missing.detail, [missing])


def missing_column(feature: ColumnFeature, interactions: Interactions, scope: str) -> pl.Series:
    """A column of the scope without a value, of a type that the feature can have."""
    rows = {
        "item": len(interactions.item_ids),
        "user": len(interactions.user_ids),
        "interaction": len(interactions),
    }
    types = {"int": pl.Int64, "string": pl.String, "float": pl.Float64}
    return pl.repeat(None, rows[scope], dtype=types[feature.type], eager=True)


def fault(pointer: str, code: str, detail: str) -> ConfigInvalid:
    """The error for the feature at `pointer`."""
    return ConfigInvalid(detail, [FieldError(f"{pointer}/column", code, detail)])


def _groups(groups: Sequence[_Group], kind: str) -> Iterator[tuple[_Group, str]]:
    for number, group in enumerate(groups):
        yield group, f"/features/{kind}/{number}/features"


def _with_lengths(
    features: Sequence[Feature],
    interactions: Interactions,
    scopes: Sequence[Scope],
    pointer: str,
    *,
    together: bool,
) -> Iterator[Feature]:
    """The features with `column` and `length` filled in; `together`: lists of one group share the longest's length."""
    lengths: list[int] = []
    for number, feature in enumerate(features):
        if isinstance(feature, TimeGapFeature):
            require_times(feature, interactions, f"{pointer}/{number}")
            lengths.append(feature.length)
            continue
        _, found = find_column(feature, interactions, scopes, f"{pointer}/{number}")
        lengths.append(feature.flat_length if feature.layout == "flat" else feature.length or _longest(found))
    longest = max(lengths, default=1)
    given = [feature.length for feature in features if feature.length not in (None, 1)]
    shared = given[0] if given else longest
    for feature, length in zip(features, lengths, strict=True):
        if isinstance(feature, TimeGapFeature):
            yield feature
            continue
        own = shared if together and length > 1 else length
        yield feature.model_copy(update={"column": feature.source_column, "length": own})


def _longest(found: pl.Series) -> int:
    if not isinstance(found.dtype, pl.List):
        return 1
    longest = found.list.len().max()
    return min(MOST_LIST_VALUES, max(1, int(longest) if isinstance(longest, int) else 1))


def _automatic(
    interactions: Interactions, item_attribute: str | None, learnable: Mapping[Scope, NDArray[np.integer]]
) -> FeaturesConfig:
    def chosen(scope: Scope, name: str) -> Feature | None:
        return _chosen(interactions, scope, name, taken, learnable.get(scope))

    there = available(interactions)
    table = interactions.item_table
    folded = table.attribute_name if table is not None and item_attribute is not None else None
    taken: set[str] = set()
    history = [chosen("interaction", RATING)] if RATING in there["interaction"] else []
    history += [chosen("item", name) for name in there["item"] if name != folded]
    users = [chosen("user", name) for name in there["user"]]
    of_users = tuple(feature for feature in users if feature is not None)[:_MOST_FEATURES]
    return FeaturesConfig(
        history=tuple(feature for feature in history if feature is not None)[:_MOST_FEATURES],
        global_groups=(GlobalGroup(features=of_users),) if of_users else (),
    )


def _chosen(
    interactions: Interactions, scope: Scope, name: str, taken: set[str], rows: NDArray[np.integer] | None
) -> Feature | None:
    """The feature for a column, by its type; None for one that says nothing, or names each row."""
    found = column(interactions, scope, name)
    if found is None:
        return None
    values = (found if rows is None else found.gather(rows)).drop_nulls()
    if isinstance(found.dtype, pl.List):
        values = values.list.drop_nulls().explode().drop_nulls()
    if values.dtype == pl.Float64:
        values = values.filter(values.cast(pl.Float32).is_finite())  # as the model reads them
    different = values.n_unique()
    if different < 2:
        return None
    label = _label(name, scope, taken)
    # telephone numbers and post codes: a value that hardly anybody shares can't be learned from
    names_rows = 2 * different > len(values)
    inner = values.dtype
    if inner == pl.Float64 or (inner == pl.Int64 and names_rows):
        return None if isinstance(found.dtype, pl.List) else FloatFeature(name=label, column=name)
    if names_rows:
        return None
    return IntFeature(name=label, column=name) if inner == pl.Int64 else StringFeature(name=label, column=name)


def _label(name: str, scope: Scope, taken: set[str]) -> str:
    """A column's name as the name of a tensor and of a file: letters, digits and underscores, and no other's."""
    # "Année de sortie" -> Ann_e_de_sortie; "2nd" -> item_2nd; a second "age" -> user_age
    label = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:48]
    if not re.match(r"[A-Za-z]", label) or label.lower() in RESERVED_NAMES | taken:
        label = f"{scope}_{label}"
    plain, number = label, 2
    while label.lower() in taken:
        label, number = f"{plain}_{number}", number + 1
    taken.add(label.lower())
    return label
