"""Stage 7 of 7: everything an app needs in one folder, with nothing in it that depends on clock, host or run."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reco_core import bundled_features, stored_zip
from reco_core.errors import OutputExists
from reco_core.examples import FeatureTable, Vocabulary
from reco_core.examples.words import one_line
from reco_core.tensor_forms import IndexForm

FORMAT_VERSION = 1
_ITEM_FIELDS = ("index", "id", "title", "count", "features")
_NONE: Mapping[str, FeatureTable] = MappingProxyType({})


@dataclass(frozen=True)
class Manifest:
    """The bundle's manifest.json as an object."""

    document: Mapping[str, Any]

    @property
    def files(self) -> list[dict[str, Any]]:
        """`{path, bytes, sha256}` of every file but the manifest itself."""
        return list(self.document["files"])


def write(
    folder: Path,
    *,
    vocabulary: Vocabulary,
    variants: Mapping[str, Path],
    default_variant: str,
    report: Mapping[str, Any],
    golden: Mapping[str, Any],
    details: Mapping[str, Any],
    features: Mapping[str, FeatureTable] = _NONE,
    form: IndexForm | None = None,
    assets: Path | None = None,
) -> Manifest:
    """Write the bundle to `folder` in one atomic step: a reader sees all of it or nothing.

    Args:
        variants: file of each variant; all of them are copied, `default_variant` also as model.tflite.
        details: further fields of the manifest (signatures, config, versions, ...).
        features: what the model reads besides the history, by name of the input.
        form: how the variants have it; by default as the model does.
        assets: a folder of files for an app, which goes into the bundle as `assets`.

    Raises:
        OutputExists: `folder` is there already and is not empty.
    """
    form = form or IndexForm()
    require_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(folder.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / "variants").mkdir(parents=True)
    (temporary / "vocabulary").mkdir()
    for name, path in variants.items():
        shutil.copyfile(path, temporary / "variants" / f"{name}.tflite")
    shutil.copyfile(variants[default_variant], temporary / "model.tflite")
    if assets is not None:
        shutil.copytree(assets, temporary / "assets")
    bundled_features.write_vocabularies(temporary / "vocabulary", features)
    _write_vocabularies(temporary, vocabulary, features, form)
    _write_json(temporary / "report.json", report)
    _write_json(temporary / "golden.json", golden)
    document = {
        "format_version": FORMAT_VERSION,
        "default_variant": default_variant,
        **details,
        **({"features": bundled_features.describe(features, form)} if features else {}),
        "files": [describe(path, temporary) for path in sorted(temporary.rglob("*")) if path.is_file()],
    }
    _write_json(temporary / "manifest.json", document)
    for path in temporary.rglob("*"):
        if path.is_file():
            stored_zip.sync(path)
    if folder.exists():
        folder.rmdir()
    temporary.rename(folder)
    stored_zip.sync(folder.parent)
    return Manifest(document)


def require_free(folder: Path) -> None:
    """Check that a bundle may be written to `folder`.

    Raises:
        OutputExists: something is there already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputExists(f"{folder} is there already and is not an empty folder; choose another or remove it")


def describe(path: Path, root: Path) -> dict[str, Any]:
    """`{path, bytes, sha256}` of a file, its path relative to `root`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": path.relative_to(root).as_posix(), "bytes": path.stat().st_size, "sha256": digest}


def zip_bundle(folder: Path, path: Path) -> None:
    """All files of `folder`, stored, in fixed order with fixed times: the same files give the same bytes."""
    stored_zip.write(folder, path)


def _write_vocabularies(
    folder: Path, vocabulary: Vocabulary, features: Mapping[str, FeatureTable], form: IndexForm
) -> None:
    _write_lines(folder / "vocabulary" / "items.txt", vocabulary.item_ids)
    attribute = vocabulary.attribute
    if attribute is not None:
        name = feature_name(attribute.name)
        file = folder / "vocabulary" / attribute_file(name, features)
        _write_lines(file, tuple(map(one_line, attribute.values)))
    of_items = bundled_features.of_items(features, vocabulary.size, form)
    items = []
    for index in range(1, vocabulary.size + 1):
        item: dict[str, Any] = {
            "index": index,
            "id": vocabulary.item_ids[index],
            "title": vocabulary.titles[index],
            "count": int(vocabulary.counts[index]),
        }
        if attribute is not None:
            own = attribute.indices[attribute.offsets[index] : attribute.offsets[index + 1]]
            item[name] = [attribute.values[value] for value in own]
        if of_items is not None:
            item["features"] = of_items[index]
        items.append(item)
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    (folder / "items.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8", newline="\n")


def attribute_file(key: str, features: Collection[str]) -> str:
    """The vocabulary file of the attribute that items.json calls `key`; `features` are the model's inputs."""
    # the file {key}.txt may belong to a feature, whose indices an app passes; these are folded into the model
    while key in features:
        key = f"item_{key}"
    return f"{key}.txt"


def attribute_key(item: Mapping[str, Any]) -> str | None:
    """What an object of items.json calls the item's attribute; None where there is none."""
    return next((key for key in item if key not in _ITEM_FIELDS), None)


def feature_name(column: str) -> str:
    """An attribute's column name as a file name and JSON key; it comes from the data, so it may be anything."""
    # "../genres" -> genres; "items" -> item_items, since vocabulary/items.txt is taken
    name = re.sub(r"\W+", "_", column).strip("_") or "attribute"
    return f"item_{name}" if name in (*_ITEM_FIELDS, "items") else name


def _write_lines(path: Path, lines: tuple[str, ...]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
