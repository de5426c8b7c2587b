"""What an input config must have to make sense; the original fails on it later, or trains on nonsense."""

from __future__ import annotations

from collections.abc import Iterator

from reco_core.config.original.conversion import Draft
from reco_core.config.original.features import Ids, place
from reco_core.config.original.text_proto import InputConfig, OriginalFeature, OriginalGroup


def check(config: InputConfig, draft: Draft) -> None:
    """Note every fault that doesn't depend on which feature has the item ids."""
    _check_label(config.label, draft)
    if not config.activity_groups:
        draft.fault(place("activity_feature_groups"), "missing", "there is none; one must hold the item ids")
    for group in (*config.global_groups, *config.activity_groups):
        _check_group(group, draft)


def check_names(config: InputConfig, ids: Ids, draft: Draft) -> None:
    """Each feature is an input of its own, so no two share a name. A second one with item ids has its fault already."""
    seen: dict[str, str] = {}
    for feature in _every(config):
        if feature.name in seen and feature.name != ids.feature.name:
            detail = f"{seen[feature.name]} is called {feature.name!r} already; each feature is an input of its own"
            draft.fault(place(feature.path, "feature_name"), "name_taken", detail)
        seen.setdefault(feature.name, feature.path)


def _every(config: InputConfig) -> Iterator[OriginalFeature]:
    for group in (*config.activity_groups, *config.global_groups):
        yield from group.features


def _check_label(label: OriginalFeature | None, draft: Draft) -> None:
    if label is None:
        draft.fault(place("label_feature"), "missing", "the config must say what is predicted")
        return
    if label.kind != "int":
        detail = f"labels are item ids, so its type must be INT, found {label.kind.upper()}"
        draft.fault(place(label.path, "feature_type"), "label_not_int", detail)
    else:
        _check_embedding(label, draft)
    if label.length not in (None, 1):
        draft.change("label_feature.feature_length", label.length, None, "an example has one label")


def _check_group(group: OriginalGroup, draft: Draft) -> None:
    if not group.features:
        draft.fault(place(group.path, "features"), "empty_group", "the group has no features; give it one or remove it")
        return
    for feature in group.features:
        _check_feature(feature, draft)
    first = group.features[0]
    for feature in group.features[1:]:
        if first.length and feature.length and feature.length != first.length:
            detail = (
                f"{feature.length} here, {first.length} in {first.name or first.path}: features of a group are put "
                "side by side, so their lengths must agree"
            )
            draft.fault(place(feature.path, "feature_length"), "lengths_differ", detail)


def _check_feature(feature: OriginalFeature, draft: Draft) -> None:
    if not feature.name:
        draft.fault(place(feature.path, "feature_name"), "missing", "the feature needs a name")
    if feature.length is None or feature.length < 1:
        found = "none is given" if feature.length is None else f"found {feature.length}"
        draft.fault(
            place(feature.path, "feature_length"), "missing", f"the number of values must be at least 1; {found}"
        )
    if not feature.embedded:
        return
    _check_embedding(feature, draft)
    if feature.kind == "string" and feature.vocab_name is None:
        detail = "STRING features, as those without a type are, need the name of their vocabulary"
        draft.fault(place(feature.path, "vocab_name"), "missing", detail)


def _check_embedding(feature: OriginalFeature, draft: Draft) -> None:
    kind = feature.kind.upper()
    for field, value in (("vocab_size", feature.vocab_size), ("embedding_dim", feature.embedding_dim)):
        if value is None:
            draft.fault(place(feature.path, field), "missing", f"{kind} features need it for their embeddings")
        elif value < 1:
            draft.fault(place(feature.path, field), "value_invalid", f"must be at least 1, found {value}")
