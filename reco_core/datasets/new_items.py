"""A table of items that a model is to learn of after its training: a CSV, Parquet or JSONL file by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from reco_core.datasets import detect, items, tabular, values
from reco_core.datasets.faults import shown
from reco_core.datasets.limits import Limits
from reco_core.datasets.spec import AUTO, DatasetSpec, ItemsSpec
from reco_core.errors import DatasetInvalid, DatasetUnreadable, FieldError

_ANY_ATTRIBUTE = "attributes"


@dataclass(frozen=True)
class NewItems:
    """Items in file order, each id once; row i of `further`, the other columns, belongs to `ids[i]`."""

    ids: tuple[str, ...]
    titles: tuple[str | None, ...]
    attributes: tuple[tuple[str, ...], ...]  # () where an item has none
    attribute_name: str | None  # the column that they are from
    further: pl.DataFrame
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


def load_items(path: Path, attribute_names: Sequence[str] = (), limits: Limits | None = None) -> NewItems:
    """The item table in `path`; columns of ids and titles are detected as those of a log's item table are.

    Args:
        attribute_names: what the column of the attribute may be called, the likeliest first; then comes `attributes`,
            then what is detected.

    Raises:
        DatasetInvalid: no id column, no rows, a row without id, or an id that can't stand in a vocabulary.
        DatasetTooLarge, DatasetUnreadable: as `load`.
    """
    limits = limits or Limits()
    try:
        return _load(path, attribute_names, limits)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DatasetUnreadable(f"{path.name}: can't be read ({str(error)[:300]})") from error


def _load(path: Path, attribute_names: Sequence[str], limits: Limits) -> NewItems:
    format_ = detect.format_of(path, path.name)
    file = tabular.open_table(
        path, path.name, format_ if format_ in ("parquet", "jsonl") else "csv", DatasetSpec(), limits
    )
    column = next((name for name in (*attribute_names, _ANY_ATTRIBUTE) if name in file.columns), AUTO)
    raw = items.read(file, ItemsSpec(categories=column), limits)
    frame = raw.frame
    faults = [FieldError("/items", one.code, f"line {one.line}: {one.detail}") for one in raw.faults.examples()]
    unusable = values.unusable(frame["id"], limits)
    if unusable is not None:
        refused = frame["id"].filter(pl.Series(unusable)).to_list()
        faults += [
            FieldError("/items", "id_unusable", f"{shown(one)} can't be an id: it is too long or no line of text")
            for one in refused[:20]
        ]
    if not frame.height:
        faults.append(FieldError("/items", "no_items", "the table has no row with an id"))
    if faults:
        raise DatasetInvalid(f"{path.name}: {faults[0].detail}", faults)
    return NewItems(
        ids=tuple(frame["id"].to_list()),
        titles=tuple(frame["title"].to_list()),
        attributes=tuple(tuple(values_) for values_ in frame["attribute"].to_list()),
        attribute_name=raw.attribute_name,
        further=raw.further.frame[frame["row"]] if raw.further.frame.width else pl.DataFrame(),
        notes=tuple(f"{path.name}: {finding.detail} ({finding.count})" for finding in raw.findings),
    )
