"""Answers from a bundle: raw ids in, items with titles out. LiteRT alone, no TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from reco_core.bundled_features import read_features
from reco_core.errors import FieldError, NotABundle, UnknownItems
from reco_core.inference import Recommender
from reco_core.tensor_forms import form_of_bundle
from reco_core.told_features import feature_values, unknown_values


def recommend(
    bundle: Path, history: Sequence[str], top: int, features: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """`{history: [item], recommendations: [item with score], warnings: [text]}`, items as in items.json.

    Args:
        history: raw item ids, oldest first; the newest that the model reads are used.
        top: how many to return, at most what the file gives.
        features: values of the user and of the interactions, by name, as `told_features.feature_values` takes them;
            those of items are in items.json.

    Raises:
        NotABundle: model.tflite or items.json is missing.
        UnknownItems: an id is not in the vocabulary.
        ConfigInvalid: the bundle has no such feature, or a value doesn't fit it.
    """
    try:
        items = json.loads((bundle / "items.json").read_text(encoding="utf-8"))
        form = form_of_bundle(bundle)
        recommender = Recommender(bundle / "model.tflite", form=form)
        known = read_features(bundle, _manifest(bundle))
    except (OSError, ValueError, KeyError) as error:
        raise NotABundle(f"{bundle} doesn't hold a bundle ({error}); give the folder of an unpacked bundle") from None
    by_id = {item["id"]: item for item in items}
    unknown = [raw for raw in history if raw not in by_id]
    if unknown:
        close = get_close_matches(unknown[0], by_id, n=3)
        hint = f"did you mean {', '.join(close)}?" if close else "see vocabulary/items.txt for all ids"
        message = f"not in the vocabulary: {', '.join(unknown[:5])}; {hint}"
        raise UnknownItems(message, [FieldError("/history", "unknown_items", message)])
    indices = np.array([by_id[raw]["index"] for raw in history], np.int32)
    told = [{"features": form.model_values(by_id[raw].get("features", {}))} for raw in history]
    values = feature_values(known, told, features or {}, recommender.history_length)
    ids, scores = recommender.recommend(indices, features=values)
    best = [
        {**items[index - 1], "score": round(float(score), 4)} for index, score in zip(ids, scores, strict=True) if index
    ]
    return {
        "history": [by_id[raw] for raw in history],
        "recommendations": best[:top],
        "warnings": unknown_values(known, features or {}),
    }


def _manifest(bundle: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    return manifest
