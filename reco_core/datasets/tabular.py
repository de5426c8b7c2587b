"""Logs as tables with named columns: CSV, Parquet, JSONL."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import polars as pl

from reco_core.datasets import detect, items
from reco_core.datasets.delimited import DelimitedFile
from reco_core.datasets.dialect import detected
from reco_core.datasets.jsonl import JsonlFile
from reco_core.datasets.limits import Limits
from reco_core.datasets.mapping import resolve
from reco_core.datasets.parquet import ParquetFile
from reco_core.datasets.sources import Files
from reco_core.datasets.spec import AUTO, DatasetSpec, Format
from reco_core.datasets.tables import RawItems, RawLog, Table, TableFile

_ITEM_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson")


def open_table(path: Path, name: str, format_: Format, spec: DatasetSpec, limits: Limits) -> TableFile:
    """The file as a table; `format_` is csv, parquet or jsonl."""
    if format_ == "parquet":
        return ParquetFile(path, name, limits)
    if format_ == "jsonl":
        return JsonlFile(path, name, limits)
    return DelimitedFile(path, name, detected(path, spec), limits)


def read(files: Files, name: str, format_: Format, spec: DatasetSpec, limits: Limits) -> RawLog:
    """The log `name` by its mapping, and the item table that the spec names or that lies beside it.

    Raises:
        DatasetInvalid: columns that are mapped or needed are missing.
    """
    file = open_table(files.path(name), name, format_, spec, limits)
    mapping, found = resolve(file.columns, spec.mapping, name)
    used = {role: column for role, column in mapping.items() if column}
    table = file.read(list(used.values()))
    frame = table.frame.select([pl.col(column).alias(role) for role, column in used.items()])
    raw_items, notes = read_items(files, name, spec, limits)
    if spec.mapping.timestamp is None:
        notes = (*notes, "no timestamps: the order of the file is the order in time")
    return RawLog(
        format_,
        Table(table.name, frame, table.lines, table.faults),
        mapping,
        found,
        columns=tuple(zip(file.columns, file.kinds(), strict=True)),
        items=raw_items,
        notes=notes,
    )


def read_items(files: Files, log: str, spec: DatasetSpec, limits: Limits) -> tuple[RawItems | None, tuple[str, ...]]:
    """The item table for `log`, and a note that says where it came from."""
    if spec.items is None:
        return None, ()
    if spec.items.path != AUTO:
        name = files.named(spec.items.path, "/items/path")
        return items.read(_open_items(files, name, spec, limits), spec.items), (f"item table: {name}",)
    folder = PurePosixPath(log).parent
    for name in files.names:
        path = PurePosixPath(name)
        if path.parent != folder or name == log or not detect.is_item_table(name):
            continue
        if path.suffix.casefold() in _ITEM_SUFFIXES:
            file = _open_items(files, name, spec, limits)
            # a file that merely has such a name must not spoil a log that is fine
            if spec.items.id != AUTO or items.has_ids(file.columns):
                return items.read(file, spec.items), (f"item table: {name}",)
    return None, ()


def _open_items(files: Files, name: str, spec: DatasetSpec, limits: Limits) -> TableFile:
    path = files.path(name)
    format_ = detect.format_of(path, name)
    # separator and header given in the spec are the log's; the item table's are detected
    own = spec.model_copy(update={"separator": None, "header": None})
    return open_table(path, name, format_ if format_ in ("parquet", "jsonl") else "csv", own, limits)
