"""An example set as files: one `.npy` a column, texts as Parquet, and last of all meta.json with their checksums."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.config import FeaturesConfig
from reco_core.errors import ExamplesUnreadable
from reco_core.examples.types import Examples, ExampleSet, FeatureTable, ItemAttribute, Timelines, Vocabulary

_TIMELINES = ("offsets", "items", "timestamps", "seen_offsets", "seen_items", "seen_before")
_SPLITS = ("train", "validation", "test")
# Those of a feature that are neither columns nor texts.
_FEATURE_FIELDS = tuple(
    field.name for field in fields(FeatureTable) if field.name not in ("values", "offsets", "vocabulary")
)
_DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError)
_POLARS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


def write(folder: Path, version: int, meta: Mapping[str, Any], example_set: ExampleSet) -> None:
    """Write `example_set`, and `meta` with it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").unlink(missing_ok=True)
    for path in _files(folder):
        path.unlink()
    shared: dict[str, str] = {}
    written: dict[int, str] = {}
    for name, column in _columns(example_set):
        if id(column) in written:  # nothing was filtered: what was seen is what is learned from
            shared[name] = written[id(column)]
            continue
        written[id(column)] = name
        save_column(folder / f"{name}.npy", column)
    for name, texts in _texts(example_set):
        frame = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
        frame.write_parquet(folder / f"{name}.parquet", compression="lz4", statistics=False)
    attribute = example_set.vocabulary.attribute
    document = {
        **meta,
        "version": version,
        "protocol": example_set.protocol,
        "dropped_users": example_set.dropped_users,
        "attribute": None if attribute is None else attribute.name,
        "features": [
            {
                "input": name,
                "has_vocabulary": table.vocabulary is not None,
                "fields": {field: getattr(table, field) for field in _FEATURE_FIELDS},
            }
            for name, table in example_set.timelines.features.items()
        ],
        "feature_groups": example_set.features.model_dump(mode="json"),
        "shared": shared,
        "files": {path.name: _describe(path) for path in _files(folder)},
    }
    temporary = folder / "meta.json.part"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False, indent=1, allow_nan=False, default=_plain)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / "meta.json")


class _Stream:
    """A file of which NumPy sees nothing but that it can be written to."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def save_column(path: Path, column: NDArray[Any]) -> None:
    """As `numpy.save`, which hands a real file to C and then doesn't say why a write was short: a full disk, say."""
    with path.open("wb") as file:
        np.lib.format.write_array(_Stream(file), column, allow_pickle=False)


def read(folder: Path, version: int) -> tuple[dict[str, Any], ExampleSet]:
    """The `meta` that was given to `write`, and the example set, its columns mapped into memory.

    Raises:
        ExamplesUnreadable: the folder is incomplete, damaged, or of another version.
    """
    try:
        meta: dict[str, Any] = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if meta["version"] != version:
            raise ExamplesUnreadable(f"{folder}: written by another version of PocketRec; make the examples again")
        for name, expected in meta["files"].items():
            if _describe(folder / name) != expected:
                raise ExamplesUnreadable(f"{folder}: {name} isn't as it was written; make the examples again")
        example_set = _assemble(folder, meta)
    except (*_DAMAGED, *_POLARS) as error:
        raise ExamplesUnreadable(
            f"{folder}: not a complete set of examples ({error}); make the examples again"
        ) from None
    return meta, example_set


def _columns(example_set: ExampleSet) -> Iterator[tuple[str, NDArray[Any]]]:
    timelines, vocabulary = example_set.timelines, example_set.vocabulary
    for name in _TIMELINES:
        column = getattr(timelines, name)
        if column is not None:
            yield f"timelines.{name}", column
    for name in _SPLITS:
        split: Examples = getattr(example_set, name)
        yield f"{name}.users", split.users
        yield f"{name}.labels", split.labels
    yield "in_training", example_set.in_training
    if len(example_set.cold_items):
        yield "cold_items", example_set.cold_items
    yield "vocabulary.counts", vocabulary.counts
    if vocabulary.attribute is not None:
        yield "attribute.offsets", vocabulary.attribute.offsets
        yield "attribute.indices", vocabulary.attribute.indices
    for number, table in enumerate(timelines.features.values()):
        yield f"feature-{number}.values", table.values
        if table.offsets is not None:
            yield f"feature-{number}.offsets", table.offsets


def _texts(example_set: ExampleSet) -> Iterator[tuple[str, Sequence[str | None]]]:
    vocabulary = example_set.vocabulary
    yield "timelines.user_ids", example_set.timelines.user_ids
    yield "vocabulary.item_ids", vocabulary.item_ids
    yield "vocabulary.titles", vocabulary.titles
    if vocabulary.attribute is not None:
        yield "attribute.values", vocabulary.attribute.values
    for number, table in enumerate(example_set.timelines.features.values()):
        if table.vocabulary is not None:
            yield f"feature-{number}.vocabulary", table.vocabulary


class _Folder:
    """Reads what `meta` names; a file that it doesn't name is not there."""

    def __init__(self, folder: Path, meta: Mapping[str, Any]) -> None:
        self._folder, self._files, self._shared = folder, set(meta["files"]), dict(meta["shared"])
        self._mapped: dict[str, NDArray[Any]] = {}

    def column(self, name: str) -> NDArray[Any]:
        name = self._shared.get(name, name)
        if name not in self._mapped:
            file = self._named(f"{name}.npy")
            mapped = np.load(file, mmap_mode="r", allow_pickle=False)
            self._mapped[name] = mapped.view(np.ndarray)  # a plain array; it keeps the mapping alive
        return self._mapped[name]

    def column_or_none(self, name: str) -> NDArray[Any] | None:
        known = f"{name}.npy" in self._files or name in self._shared
        return self.column(name) if known else None

    def texts(self, name: str) -> tuple[Any, ...]:
        return tuple(pl.read_parquet(self._named(f"{name}.parquet"), glob=False)["text"].to_list())

    def _named(self, file: str) -> Path:
        if file not in self._files:
            raise KeyError(f"{file} is missing")
        return self._folder / file


def _assemble(folder: Path, meta: Mapping[str, Any]) -> ExampleSet:
    files = _Folder(folder, meta)
    attribute = None
    if meta["attribute"] is not None:
        attribute = ItemAttribute(
            name=meta["attribute"],
            values=files.texts("attribute.values"),
            offsets=files.column("attribute.offsets"),
            indices=files.column("attribute.indices"),
        )
    features = {}
    for number, entry in enumerate(meta["features"]):
        bounds = entry["fields"].get("bounds")
        features[entry["input"]] = FeatureTable(
            **{**entry["fields"], "bounds": None if bounds is None else tuple(bounds)},
            values=files.column(f"feature-{number}.values"),
            offsets=files.column_or_none(f"feature-{number}.offsets"),
            vocabulary=files.texts(f"feature-{number}.vocabulary") if entry["has_vocabulary"] else None,
        )
    timelines: dict[str, Any] = {name: files.column(f"timelines.{name}") for name in _TIMELINES if name != "timestamps"}
    cold = files.column_or_none("cold_items")
    return ExampleSet(
        protocol=meta["protocol"],
        vocabulary=Vocabulary(
            item_ids=files.texts("vocabulary.item_ids"),
            counts=files.column("vocabulary.counts"),
            titles=files.texts("vocabulary.titles"),
            attribute=attribute,
        ),
        timelines=Timelines(
            **timelines,
            timestamps=files.column_or_none("timelines.timestamps"),
            user_ids=files.texts("timelines.user_ids"),
            features=features,
        ),
        **{name: Examples(files.column(f"{name}.users"), files.column(f"{name}.labels")) for name in _SPLITS},
        in_training=files.column("in_training"),
        dropped_users=meta["dropped_users"],
        features=FeaturesConfig.model_validate(meta["feature_groups"]),
        cold_items=np.zeros(0, np.int32) if cold is None else cold,
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".npy", ".parquet"))


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in meta.json")


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
