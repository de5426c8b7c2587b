"""The bundle that items are added to, read back as far as a longer one is made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reco_core.bundle import attribute_file, attribute_key, feature_name
from reco_core.bundled_features import BundledFeature, read_features
from reco_core.config import JobConfig
from reco_core.errors import NotABundle
from reco_core.examples import FeatureTable, ItemAttribute, Vocabulary
from reco_core.examples.words import one_line
from reco_core.shipped import open_bundle
from reco_core.tensor_forms import IndexForm


@dataclass(frozen=True)
class BaseBundle:
    """What a bundle says of itself, each file that was read checked against its manifest."""

    config: JobConfig
    manifest: Mapping[str, Any]
    manifest_sha256: str
    report: Mapping[str, Any]
    data_hash: str
    vocabulary: Vocabulary
    features: Mapping[str, FeatureTable]  # by name of the model's input; only those of items have values
    form: IndexForm
    float32: Path  # the file that all others are judged by


def open_base(folder: Path) -> BaseBundle:
    """The bundle in `folder`.

    Raises:
        NotABundle: a file is missing or is not what the manifest says.
    """
    shipped = open_bundle(folder, ["float32"])
    try:
        manifest, report, items = (_read(folder / name) for name in ("manifest.json", "report.json", "items.json"))
        config, features = shipped.config, read_features(folder, manifest)
        return BaseBundle(
            config=config,
            manifest=manifest,
            manifest_sha256=shipped.manifest_sha256,
            report=report,
            data_hash=shipped.data_hash,
            vocabulary=Vocabulary(
                item_ids=shipped.item_ids,
                counts=np.array([0, *(item["count"] for item in items)], np.int64),
                titles=(None, *(item["title"] for item in items)),
                attribute=_attribute(folder, config, items, features),
            ),
            features={name: _table(one, items, shipped.form) for name, one in features.items()},
            form=shipped.form,
            float32=shipped.files["float32"],
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise NotABundle(
            f"{folder} doesn't hold a bundle of this version ({type(error).__name__}: {error}); give the folder of an "
            "unpacked bundle"
        ) from None


def _attribute(
    folder: Path, config: JobConfig, items: Sequence[Mapping[str, Any]], features: Mapping[str, Any]
) -> ItemAttribute | None:
    key = attribute_key(items[0])
    if key is None:
        return None
    text = (folder / "vocabulary" / attribute_file(key, features)).read_text(encoding="utf-8")
    values = tuple(text.removesuffix("\n").split("\n"))
    index = {value: place for place, value in enumerate(values) if place}
    rows = [[index[one_line(value)] for value in item[key]] for item in items]
    wanted = config.model.item_attribute
    return ItemAttribute(
        # the config may name a column that no file can be called like
        name=wanted if wanted not in (None, "auto") and feature_name(wanted) == key else key,
        values=values,
        offsets=np.cumsum([0, 0, *map(len, rows)]).astype(np.int64),
        indices=np.array([value for row in rows for value in row], np.int32),
    )


def _table(feature: BundledFeature, items: Sequence[Mapping[str, Any]], form: IndexForm) -> FeatureTable:
    """The feature as the model has it: of items with their values, of users and interactions without any."""
    is_float = feature.kind == "float"
    rows: list[list[Any]] = []
    if feature.scope == "item":
        rows = [form.model_values({feature.name: item["features"][feature.name]})[feature.name] for item in items]
    several = any(len(row) != 1 for row in rows)
    padding = [] if several else [feature.mean if is_float else 0]
    flat = [value for row in [padding, *rows] for value in row]
    return FeatureTable(
        name=feature.name,
        scope=feature.scope,  # type: ignore[arg-type]  # the manifest has it from such a table
        values=np.array(flat, np.float32) if is_float else np.array(flat, np.int32),
        offsets=np.cumsum([0, *map(len, [padding, *rows])]).astype(np.int64) if several else None,
        length=feature.length,
        vocabulary=feature.vocabulary,
        table_rows=_table_rows(feature),
        mean=feature.mean,
        deviation=feature.deviation,
        layout=feature.layout,  # type: ignore[arg-type]
        bounds=feature.bounds,
    )


def _table_rows(feature: BundledFeature) -> int:
    if feature.kind == "float":
        return 0
    if feature.bounds is not None:
        return len(feature.bounds) + 2  # no gap, then a row for each bucket
    return len(feature.vocabulary) if feature.vocabulary is not None else feature.values + 1


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
