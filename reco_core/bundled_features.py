"""Features in a bundle: what an app needs to fill the model's inputs, and what is needed to encode other data alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reco_core.examples import FeatureTable
from reco_core.examples.words import one_line
from reco_core.tensor_forms import IndexForm, ReferenceForm

GENRE_LINES = "assets/movie_genre_vocab.txt"  # of the layout `reference`


@dataclass(frozen=True)
class BundledFeature:
    """A feature as manifest.json and its vocabulary file describe it."""

    name: str
    kind: str  # "category": an index of the vocabulary; "int": the number itself; "float": a quantity; "time_gap"
    scope: str  # "item", "user" or "interaction"
    layout: str  # "aligned" or "flat"
    length: int  # values per interaction or user, or with `flat` in all
    values: int  # of kind "int": numbers from here on, and below 0, are out of vocabulary; else 0
    vocabulary: tuple[str, ...] | None
    mean: float
    deviation: float
    bounds: tuple[int, ...] | None = None  # of kind "time_gap": upper bounds of all buckets but the last


def write_vocabularies(folder: Path, features: Mapping[str, FeatureTable]) -> None:
    """A file {name}.txt for each feature with a vocabulary: line n (from 0) is the value of index n."""
    for name, table in features.items():
        if table.vocabulary is not None:
            lines = "".join(f"{one_line(value)}\n" for value in table.vocabulary)
            (folder / f"{name}.txt").write_text(lines, encoding="utf-8", newline="\n")


def describe(features: Mapping[str, FeatureTable], form: IndexForm | None = None) -> dict[str, Any]:
    """What the manifest says of each, as the file takes it.

    In the layout `reference` that is lines of the app's list; `model_vocabulary` then says what the model uses inside.
    """
    facts = {name: describe_one(table) for name, table in features.items()}
    if isinstance(form, ReferenceForm) and form.genre_feature is not None:
        genres = facts[form.genre_feature]
        genres["model_vocabulary"] = genres["vocabulary"]
        genres["vocabulary"] = GENRE_LINES
        genres["out_of_vocabulary"] = 0
    return facts


def describe_one(table: FeatureTable) -> dict[str, Any]:
    """What the manifest says of a feature; `fill` is what stands where there is no value."""
    facts: dict[str, Any] = {"scope": table.scope, "layout": table.layout, "length": table.length, "fill": table.fill}
    if table.is_float:
        return {"kind": "float", **facts, "mean": table.mean, "deviation": table.deviation}
    if table.bounds is not None:
        return {"kind": "time_gap", **facts, "buckets": len(table.bounds) + 1, "upper_bounds": list(table.bounds)}
    if table.vocabulary is None:
        return {"kind": "int", **facts, "values": table.table_rows - 1}
    return {"kind": "category", **facts, "vocabulary": f"vocabulary/{table.name}.txt", "out_of_vocabulary": table.oov}


def of_items(features: Mapping[str, FeatureTable], items: int, form: IndexForm) -> list[dict[str, list[Any]]] | None:
    """By item index, the values of each item's features as the file's inputs have them; None where there are none."""
    tables = [table for table in features.values() if table.scope == "item"]
    if not tables:
        return None
    rows: list[dict[str, list[Any]]] = [{} for _ in range(items + 1)]
    for table in tables:
        values = table.values.tolist()
        bounds = (np.arange(len(values) + 1) if table.offsets is None else table.offsets).tolist()
        for index in range(1, items + 1):
            rows[index][table.name] = values[bounds[index] : bounds[index + 1]]
    return [form.file_values(row) for row in rows]


def read_features(folder: Path, manifest: Mapping[str, Any]) -> dict[str, BundledFeature]:
    """The features of an unpacked bundle, by name of the input.

    Raises:
        OSError, KeyError: a file is missing, or the manifest isn't one.
    """
    return {name: _read(folder, name, facts) for name, facts in manifest.get("features", {}).items()}


def _read(folder: Path, name: str, facts: Mapping[str, Any]) -> BundledFeature:
    vocabulary = None
    if facts["kind"] == "category":
        text = (folder / facts.get("model_vocabulary", facts["vocabulary"])).read_text(encoding="utf-8")
        vocabulary = tuple(text.removesuffix("\n").split("\n"))
    return BundledFeature(
        name=name,
        kind=facts["kind"],
        scope=facts["scope"],
        layout=facts["layout"],
        length=facts["length"],
        values=facts.get("values", 0),
        vocabulary=vocabulary,
        mean=facts.get("mean", 0.0),
        deviation=facts.get("deviation", 1.0),
        bounds=tuple(facts["upper_bounds"]) if facts["kind"] == "time_gap" else None,
    )
