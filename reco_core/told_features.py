"""A model's features for one request: items' from items.json, the user's and the interactions' as told in text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reco_core.bundled_features import BundledFeature
from reco_core.errors import ConfigInvalid, FieldError
from reco_core.examples.time_gaps import bucket_of
from reco_core.examples.words import one_line

_NEAREST = 3


def feature_values(
    features: Mapping[str, BundledFeature],
    history: Sequence[Mapping[str, Any]],
    told: Mapping[str, str],
    history_length: int,
) -> dict[str, NDArray[Any]]:
    """What `Recommender.recommend` takes as `features`; what is not told counts as missing.

    Args:
        features: those of the bundle.
        history: the items as in items.json, oldest first.
        told: values by name, separated by commas: of the user, or one for each item of the history. Several of one
            interaction are separated by `|`, and a missing one is empty. Of time gaps it is the time itself, in the
            unit of the log's timestamps.
        history_length: how many of the newest items the model reads.

    Raises:
        ConfigInvalid: the bundle has no such feature, or a value or the number of values doesn't fit it.
    """
    for name in told:
        if name not in features:
            known = f"the bundle has {', '.join(features)}" if features else "the bundle's model reads ids alone"
            raise _refused(name, f"no feature {name!r}; {known}")
    found = {}
    for name, feature in features.items():
        if feature.scope == "user":
            rows = [_encoded(feature, told[name].split(","))] if name in told else []
        elif name in told:
            rows = _per_interaction(feature, told[name], len(history))
        elif feature.scope == "item":
            rows = [item["features"][name] for item in history]
        else:
            rows = []
        if rows:
            found[name] = _window(feature, rows[-history_length:])
    return found


def unknown_values(features: Mapping[str, BundledFeature], told: Mapping[str, str]) -> list[str]:
    """A warning for each value told that the model doesn't know; all such values are the same to it.

    Args:
        told: as `feature_values` takes it, which has found no fault in it.
    """
    return [
        f"{name}={word}: the model doesn't know this value, and it counts as unknown; {remedy}"
        for name, text in told.items()
        for word, remedy in _unknown(features[name], dict.fromkeys(text.replace("|", ",").split(",")))
    ]


def _unknown(feature: BundledFeature, values: Mapping[str, None]) -> Iterator[tuple[str, str]]:
    words = [word for value in values if (word := one_line(value))]
    if feature.vocabulary is not None:
        known = feature.vocabulary[2:]
        there = set(known)
        for word in words:
            if word not in there:
                yield word, f"the nearest that it knows: {', '.join(_nearest(word, known)) or 'none'}"
    elif feature.kind == "int":
        for word in words:
            if not 0 <= int(word) < feature.values:
                yield word, f"it knows 0 to {feature.values - 1}"


def _nearest(word: str, known: Sequence[str]) -> Sequence[str]:
    """Of numbers those nearest, of words those spelt most alike, and else the most frequent."""
    try:
        return sorted(known, key=lambda other: abs(int(other) - int(word)))[:_NEAREST]
    except ValueError:
        return get_close_matches(word, known, n=_NEAREST) or known[:_NEAREST]


def _per_interaction(feature: BundledFeature, text: str, items: int) -> list[list[Any]]:
    values = text.split(",") if text else []
    if len(values) != items:
        raise _refused(
            feature.name,
            f"{feature.name} has {len(values)} values for a history of {items}; give one for each item, oldest first",
        )
    return [_encoded(feature, value.split("|")) for value in values]


def _encoded(feature: BundledFeature, values: Sequence[str]) -> list[Any]:
    """Words and numbers as the model's input has them; empty ones are left out, or of quantities NaN."""
    words = [one_line(value) for value in values]  # as values are in the vocabulary
    try:
        if feature.kind == "float":
            return [_quantity(word) if word else float("nan") for word in words]
        if feature.vocabulary is not None:
            index = {word: place for place, word in enumerate(feature.vocabulary) if place > 1}
            return [index.get(word, 1) for word in words if word]
        if feature.bounds is not None:
            return [_bucket(word, feature.bounds) for word in words if word]
        numbers = [int(word) for word in words if word]
        return [number if 0 <= number < feature.values else feature.values for number in numbers]
    except ValueError:
        kind = {"float": "number", "time_gap": "positive number"}.get(feature.kind, "whole number")
        raise _refused(feature.name, f"{feature.name} takes {kind}s, found {','.join(values)!r}") from None


def _bucket(word: str, bounds: Sequence[int]) -> int:
    """The bucket of a time since the interaction before."""
    gap = np.float64(word)
    if not gap >= 0:
        raise ValueError(word)
    return int(bucket_of(np.array([gap]), bounds)[0])


def _quantity(word: str) -> float:
    """A number that float32 can hold, or NaN, which is missing."""
    number = float(word)
    if not np.isnan(number) and abs(number) > float(np.finfo(np.float32).max):
        raise ValueError(word)
    return number


def _window(feature: BundledFeature, rows: Sequence[Sequence[Any]]) -> NDArray[Any]:
    """Rows of values, one a position -> the array of the input, without what follows the last."""
    dtype = np.float32 if feature.kind == "float" else np.int32
    if feature.scope == "user" or feature.layout == "flat":
        flat = [value for row in rows for value in row]
        return np.array(flat[: feature.length], dtype)
    empty = np.nan if feature.kind == "float" else 0
    filled = np.full((len(rows), feature.length), empty, dtype)
    for place, row in enumerate(rows):
        kept = row[: feature.length]
        filled[place, : len(kept)] = kept
    return filled[:, 0] if feature.length == 1 else filled


def _refused(name: str, detail: str) -> ConfigInvalid:
    return ConfigInvalid(detail, [FieldError(f"/features/{name}", "feature_value", detail)])
