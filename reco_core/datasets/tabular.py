"""Logs as tables with named columns: CSV, Parquet, JSONL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from reco_core.datasets import detect, items, users
from reco_core.datasets.delimited import DelimitedFile
from reco_core.datasets.dialect import detected
from reco_core.datasets.jsonl import JsonlFile
from reco_core.datasets.limits import Limits
from reco_core.datasets.mapping import resolve
from reco_core.datasets.parquet import ParquetFile
from reco_core.datasets.parse import Compact
from reco_core.datasets.sources import Files
from reco_core.datasets.spec import AUTO, DatasetSpec, Format
from reco_core.datasets.tables import RawItems, RawLog, RawUsers, Table, TableFile
from reco_core.errors import PocketRecError

_TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson")


def open_table(path: Path, name: str, format_: Format, spec: DatasetSpec, limits: Limits) -> TableFile:
    """The file as a table; `format_` is csv, parquet or jsonl."""
    if format_ == "parquet":
        return ParquetFile(path, name, limits)
    if format_ == "jsonl":
        return JsonlFile(path, name, limits)
    return DelimitedFile(path, name, detected(path, spec), limits)


def read(files: Files, name: str, format_: Format, spec: DatasetSpec, limits: Limits) -> RawLog:
    """The log `name` by its mapping, and the tables of items and users that the spec names or that lie beside it.

    Raises:
        DatasetInvalid: columns that are mapped or needed are missing.
    """
    file = open_table(files.path(name), name, format_, spec, limits)
    mapping, found = resolve(file.columns, spec.mapping, name)
    table, features = read_roles(file, mapping, spec.mapping.features)
    raw_items, notes = read_items(files, name, spec, limits)
    raw_users, more_notes = read_users(files, name, spec, limits)
    notes = (*notes, *more_notes)
    if spec.mapping.timestamp is None:
        notes = (*notes, "no timestamps: the order of the file is the order in time")
    return RawLog(
        format_,
        table,
        mapping,
        found,
        columns=tuple(zip(file.columns, file.kinds(), strict=True)),
        items=raw_items,
        users=raw_users,
        features=features,
        notes=notes,
    )


def read_roles(
    file: TableFile, mapping: Mapping[str, str | None], features: Sequence[str]
) -> tuple[Table, pl.DataFrame]:
    """The log's table with a column per role, and the columns wanted as features under their own names.

    Args:
        mapping: role -> column of the file, or None.
    """
    used = {role: column for role, column in mapping.items() if column}
    ratings = mapping.get("rating")
    table = file.read([*used.values(), *features], Compact(numbers=[ratings] if ratings else []))
    frame = table.frame.select([pl.col(column).alias(role) for role, column in used.items()])
    return Table(table.name, frame, table.lines, table.faults), table.frame.select(features)


def read_items(files: Files, log: str, spec: DatasetSpec, limits: Limits) -> tuple[RawItems | None, tuple[str, ...]]:
    """The item table for `log`, and a note that says where it came from."""
    if spec.items is None:
        return None, ()
    if spec.items.path != AUTO:
        name = files.named(spec.items.path, "/items/path")
        return items.read(_open_beside(files, name, spec, limits), spec.items, limits), (f"item table: {name}",)
    for name in _siblings(files, log, detect.is_item_table):
        file = _open_beside(files, name, spec, limits)
        # a file that merely has such a name must not spoil a log that is fine
        if spec.items.id != AUTO or items.has_ids(file.columns):
            return items.read(file, spec.items, limits), (f"item table: {name}",)
    return None, ()


def read_users(files: Files, log: str, spec: DatasetSpec, limits: Limits) -> tuple[RawUsers | None, tuple[str, ...]]:
    """The user table for `log`, and a note that says where it came from."""
    if spec.users is None:
        return None, ()
    if spec.users.path != AUTO:
        name = files.named(spec.users.path, "/users/path")
        return users.read(_open_beside(files, name, spec, limits), spec.users, limits), (f"user table: {name}",)
    for name in _siblings(files, log, detect.is_user_table):
        try:
            file = _open_beside(files, name, spec, limits)
        except PocketRecError as error:
            return None, (f"{name}: left out as a user table ({error.message})",)
        if spec.users.id != AUTO or users.has_ids(file.columns):
            return users.read(file, spec.users, limits), (f"user table: {name}",)
    return None, ()


def _siblings(files: Files, log: str, is_wanted: Callable[[str], bool]) -> Iterator[str]:
    """The tables beside the log that are named as wanted."""
    folder = PurePosixPath(log).parent
    for name in files.names:
        path = PurePosixPath(name)
        if path.parent == folder and name != log and is_wanted(name) and path.suffix.casefold() in _TABLE_SUFFIXES:
            yield name


def _open_beside(files: Files, name: str, spec: DatasetSpec, limits: Limits) -> TableFile:
    path = files.path(name)
    format_ = detect.format_of(path, name)
    # separator and header given in the spec are the log's; those of tables beside it are detected
    own = spec.model_copy(update={"separator": None, "header": None})
    return open_table(path, name, format_ if format_ in ("parquet", "jsonl") else "csv", own, limits)
