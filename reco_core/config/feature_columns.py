"""Features held against the columns of a dataset: which scope each is looked up in, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal

from reco_core.config.features import ColumnFeature, Feature, FeaturesConfig, TimeGapFeature
from reco_core.errors import ConfigInvalid, FieldError

Scope = Literal["item", "user", "interaction"]
ACTIVITY_SCOPES: tuple[Scope, ...] = ("interaction", "item")
_PLACES = {"interaction": "the log", "item": "the item table", "user": "the user table"}
# The kinds of columns that a dataset's report names, and which of them each type of feature can read.
_HOLDS = {
    "integer": "whole numbers",
    "number": "fractions",
    "text": "text",
    "integer_list": "lists of whole numbers",
    "text_list": "lists of text",
}
_READS = {
    "int": ("integer", "integer_list"),
    "string": ("text", "text_list", "integer", "integer_list"),
    "float": ("integer", "number"),
}


def placed(features: FeaturesConfig) -> Iterator[tuple[Feature, str, tuple[Scope, ...]]]:
    """Each feature with its JSON pointer and the scopes that its column is looked up in, in this order."""
    for number, feature in enumerate(features.history):
        yield feature, f"/features/history/{number}", ACTIVITY_SCOPES
    for place, group in enumerate(features.activity_groups):
        for number, feature in enumerate(group.features):
            yield feature, f"/features/activity_groups/{place}/features/{number}", ACTIVITY_SCOPES
    for place, user in enumerate(features.global_groups):
        for number, feature in enumerate(user.features):
            yield feature, f"/features/global_groups/{place}/features/{number}", ("user",)


def require_columns(features: FeaturesConfig, report: Mapping[str, Any]) -> None:
    """Refuse features that the dataset with this report can't have. What it doesn't say is left to the job.

    Raises:
        ConfigInvalid: a column that isn't there or of the wrong type, or time gaps without timestamps; each is named.
    """
    faults = list(_faults(features, report))
    if faults:
        raise ConfigInvalid("; ".join(fault.detail for fault in faults[:3]), faults)


def unknown_column(feature: ColumnFeature, pointer: str, there: Mapping[Scope, Sequence[str]]) -> FieldError:
    """No scope of `there`, in which the column was looked for, has it; `there` says what each has instead."""
    name = feature.source_column
    close = get_close_matches(name, [one for names in there.values() for one in names], n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    known = "; ".join(
        f"{_PLACES[scope]} has {', '.join(names) or 'no further column'}" for scope, names in there.items()
    )
    detail = f"no column {name!r} to read the feature {feature.name!r} from: {hint}{known}"
    return FieldError(f"{pointer}/column", "unknown_column", detail)


def wrong_type(feature: ColumnFeature, pointer: str, kind: str) -> FieldError | None:
    """What is wrong with a column of this kind, if anything."""
    if kind in _READS[feature.type]:
        return None
    able = ", ".join(name for name, kinds in _READS.items() if kind in kinds)
    remedy = f"type {able} can read it" if able else "no feature can read it"
    detail = f"the feature {feature.name!r} is {feature.type}, but its column holds {_HOLDS.get(kind, kind)}; {remedy}"
    return FieldError(f"{pointer}/column", "wrong_column_type", detail)


def no_timestamps(feature: TimeGapFeature, pointer: str) -> FieldError:
    """The log only gives the order."""
    detail = (
        f"the feature {feature.name!r} is made of timestamps, and the log has none; name their column (--map "
        "timestamp=COLUMN, in the API mapping.timestamp), or leave the feature out"
    )
    return FieldError(pointer, "no_timestamps", detail)


def _faults(features: FeaturesConfig, report: Mapping[str, Any]) -> Iterator[FieldError]:
    columns, mapping = report.get("feature_columns"), report.get("mapping")
    for feature, pointer, scopes in placed(features):
        if isinstance(feature, TimeGapFeature):
            if isinstance(mapping, Mapping) and "timestamp" in mapping and mapping["timestamp"] is None:
                yield no_timestamps(feature, pointer)
            continue
        if not columns:  # a report from before they were listed
            continue
        there = {scope: {one["name"]: one["kind"] for one in columns.get(scope, ())} for scope in scopes}
        kind = next((kinds[feature.source_column] for kinds in there.values() if feature.source_column in kinds), None)
        found = (
            wrong_type(feature, pointer, kind)
            if kind is not None
            else unknown_column(feature, pointer, {scope: list(kinds) for scope, kinds in there.items()})
        )
        if found is not None:
            yield found
