"""The original's groups of features as ours: the one with the item ids is the history, the others are groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reco_core.config.features import RESERVED_NAMES
from reco_core.config.original.conversion import Draft, Place
from reco_core.config.original.encoders import EncoderParameters
from reco_core.config.original.text_proto import InputConfig, OriginalFeature, OriginalGroup

GENRES = "context_movie_genre"
MOVIE_IDS = "context_movie_id"
# What the original's example generator calls its features, by the column of a MovieLens log or movie table.
COLUMNS = {"context_movie_rating": "rating", GENRES: "genres", "context_movie_year": "year"}


@dataclass(frozen=True)
class Ids:
    """The feature with the item ids, and its group."""

    group: OriginalGroup
    feature: OriginalFeature


def place(path: str, field: str = "") -> Place:
    """Where something stands in the text."""
    return Place("/input_config", f"{path}.{field}" if field else path)


def find_ids(config: InputConfig, draft: Draft) -> Ids | None:
    """The item ids among the activity features; None, and a fault, where it isn't one of them.

    Nothing in the original says which feature has the ids. By name it is `context_x` beside the label `label_x`, as in
    its example; or else the only INT feature over as many values as the label has.
    """
    label = config.label
    whole = [Ids(group, one) for group in config.activity_groups for one in group.features if one.kind == "int"]
    names = {MOVIE_IDS, "context"} | ({f"context_{label.name.removeprefix('label_')}"} if label else set())
    found = [ids for ids in whole if ids.feature.name in names]
    if not found and label is not None:
        found = [ids for ids in whole if ids.feature.vocab_size == label.vocab_size]
        for ids in found[:1]:
            why = "no feature has the label's name; this one is INT and has as many values"
            draft.change(ids.feature.path, ids.feature.name, "the item ids", why)
    if not config.activity_groups:
        return None  # which is a fault of its own
    if not found:
        wanted = f"context_{label.name.removeprefix('label_')}" if label and label.name else MOVIE_IDS
        detail = f"no feature of type INT has the item ids of the history; add one called {wanted!r}"
        draft.fault(place("activity_feature_groups"), "no_item_ids", detail)
        return None
    for other in found[1:]:
        detail = (
            f"item ids stand in {found[0].feature.path} already; the history has one group, so leave one of them out"
        )
        draft.fault(place(other.feature.path, "feature_name"), "several_item_ids", detail)
    return found[0]


def put_features(draft: Draft, config: InputConfig, ids: Ids, parameters: EncoderParameters) -> None:
    """The main encoder, what stands beside the item ids, and the groups."""
    length = ids.feature.length or 0
    draft.derive("/encoder", place(ids.group.path, "encoder_type"))
    draft.put("encoder", parameters.encoder(draft, ids.group.encoder, "/encoder", length))
    beside = [feature for feature in ids.group.features if feature is not ids.feature]
    if beside:
        draft.put("features.history", [], place(ids.group.path))
        entries = [_entry(draft, one, f"/features/history/{at}", "aligned") for at, one in enumerate(beside)]
        draft.put("features.history", entries)
        _note_shared_mask(draft, ids.group)
    others = [group for group in config.activity_groups if group is not ids.group]
    if others:
        entries = [
            _activity_group(draft, group, f"/features/activity_groups/{number}", length, parameters)
            for number, group in enumerate(others)
        ]
        draft.put("features.activity_groups", entries, place("activity_feature_groups"))
    if config.global_groups:
        entries = [
            _global_group(draft, group, f"/features/global_groups/{number}", parameters)
            for number, group in enumerate(config.global_groups)
        ]
        draft.put("features.global_groups", entries, place("global_feature_groups"))


def fits_the_app(config: InputConfig, ids: Ids) -> bool:
    """Whether the original's Android app can feed the model: it knows ids, by name, and the flat list of genres."""
    if config.global_groups or ids.feature.name != MOVIE_IDS or ids.feature.vocab_name or len(ids.group.features) > 1:
        return False
    others = [group.features for group in config.activity_groups if group is not ids.group]
    known = [(GENRES, "string")]
    return not others or (len(others) == 1 and [(one.name, one.kind) for one in others[0]] == known)


def _activity_group(
    draft: Draft, group: OriginalGroup, pointer: str, history: int, parameters: EncoderParameters
) -> dict[str, Any]:
    flat = all(feature.name == GENRES for feature in group.features) or group.features[0].length != history
    layout = "flat" if flat else "aligned"
    draft.derive(pointer, place(group.path))
    draft.derive(f"{pointer}/encoder", place(group.path, "encoder_type"))
    _note_shared_mask(draft, group)
    return {
        "features": [_entry(draft, one, f"{pointer}/features/{at}", layout) for at, one in enumerate(group.features)],
        "encoder": parameters.encoder(
            draft, group.encoder, f"{pointer}/encoder", group.features[0].length or 0 if flat else history
        ),
    }


def _global_group(draft: Draft, group: OriginalGroup, pointer: str, parameters: EncoderParameters) -> dict[str, Any]:
    draft.derive(pointer, place(group.path))
    draft.derive(f"{pointer}/encoder", place(group.path, "encoder_type"))
    _note_shared_mask(draft, group)
    return {
        "features": [_entry(draft, one, f"{pointer}/features/{at}", "global") for at, one in enumerate(group.features)],
        "encoder": parameters.encoder(draft, group.encoder, f"{pointer}/encoder", group.features[0].length or 0),
    }


def _entry(draft: Draft, feature: OriginalFeature, pointer: str, layout: str) -> dict[str, Any]:
    """A feature of ours. `layout` is `aligned`, `flat` or `global`."""
    draft.derive(pointer, place(feature.path))
    entry: dict[str, Any] = {"type": feature.kind, "name": feature.name}
    draft.derive(f"{pointer}/name", place(feature.path, "feature_name"))
    if feature.name in RESERVED_NAMES:
        detail = f"{feature.name!r} is the name of one of the model's own tensors; rename the feature"
        draft.fault(place(feature.path, "feature_name"), "name_reserved", detail)
    column = COLUMNS.get(feature.name) if layout != "global" else None
    if column is not None:
        entry["column"] = column
        draft.change(
            f"{feature.path}.feature_name", feature.name, f"column: {column}", "the log's or movie table's column"
        )
    if layout == "flat":
        entry["layout"] = "flat"
        if feature.name != GENRES:
            why = "its length isn't that of the history, so its values don't stand beside the items one by one"
            draft.change(
                f"{feature.path}.feature_length", feature.length, f"layout: flat, length: {feature.length}", why
            )
    elif feature.name == GENRES:
        why = "each movie's genres stand at its own position; the original has them one after the other"
        draft.change(feature.path, "beside other features", "layout: aligned", why)
    if layout != "aligned":
        entry["length"] = feature.length
        draft.derive(f"{pointer}/length", place(feature.path, "feature_length"))
    return {**entry, **_values(draft, feature, pointer)}


def _values(draft: Draft, feature: OriginalFeature, pointer: str) -> dict[str, Any]:
    """What there is to say about a feature's values: their embeddings, and which are told apart."""
    if not feature.embedded:
        for field in ("vocab_name", "vocab_size", "embedding_dim"):
            if (said := getattr(feature, field)) is not None:
                draft.change(f"{feature.path}.{field}", said, None, "FLOAT features are quantities without embeddings")
        return {}
    found: dict[str, Any] = {"embedding_dim": feature.embedding_dim}
    draft.derive(f"{pointer}/embedding_dim", place(feature.path, "embedding_dim"))
    if feature.vocab_name is None:
        draft.derive(f"{pointer}/vocabulary_size", place(feature.path, "vocab_size"))
        return {**found, "vocabulary": False, "vocabulary_size": feature.vocab_size}
    draft.change(
        f"{feature.path}.vocab_name",
        f"{feature.vocab_name} with {feature.vocab_size} values",
        "the data's values",
        "the vocabulary is made of the data and comes in the bundle; other values have an embedding of their own there",
    )
    return found


def _note_shared_mask(draft: Draft, group: OriginalGroup) -> None:
    if sum(feature.embedded for feature in group.features) > 1:
        draft.change(
            group.path,
            "a position counts where no feature is 0",
            "a position counts where there is an interaction"
            if "activity" in group.path
            else "absent values are left out",
            "one absent value took the whole position away",
        )
