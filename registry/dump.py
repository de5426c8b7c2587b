"""All rows of the database as files, the same for SQLite and PostgreSQL, and back.

One `<table>.jsonl.gz` for each table: the first line names the columns, each further one is a row as a JSON list. Times
are RFC 3339 in UTC. So a backup of either database can be restored into the other.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Table, and_, bindparam, func, insert, inspect, select, text, update
from sqlalchemy.orm import Session

from registry import tables
from registry.batches import batched
from registry.errors import BackupDamaged, BackupInvalid

BATCH = 500
# What is of this moment and this service only.
LEFT_OUT = frozenset({"duties"})


@dataclass(frozen=True)
class DumpedTable:
    """A table as a file: how many rows, and the sha256 of the file."""

    name: str
    rows: int
    sha256: str


def dumped_tables() -> list[Table]:
    """The tables of a dump, each after those that it refers to."""
    return [table for table in tables.metadata.sorted_tables if table.name not in LEFT_OUT]


def write(session: Session, folder: Path) -> list[DumpedTable]:
    """Write all tables into `folder`, as they are in the one state that `session` sees."""
    return [_write_table(session, table, folder / f"{table.name}.jsonl.gz") for table in dumped_tables()]


def read(connection: Connection, folder: Path, dumped: list[DumpedTable]) -> None:
    """Insert the rows of a dump into the empty tables of the schema that it was made with.

    Raises:
        BackupInvalid: it has tables that this release doesn't know.
        BackupDamaged: a file is missing or damaged.
    """
    known = {table.name: table for table in dumped_tables()}
    for name in sorted(known, key=[table.name for table in dumped_tables()].index):
        found = next((entry for entry in dumped if entry.name == name), None)
        if found is not None:
            _read_table(connection, known[name], folder / f"{name}.jsonl.gz", found.rows)
    unknown = {entry.name for entry in dumped} - known.keys()
    if unknown:
        raise BackupInvalid(f"the backup has tables that this release doesn't know: {', '.join(sorted(unknown))}")


def is_empty(connection: Connection) -> bool:
    """Whether the database has no schema yet, or none but the rows that every new one has."""
    there = set(inspect(connection).get_table_names())
    for table in tables.metadata.sorted_tables:
        if table.name in there and table.name not in LEFT_OUT | {"projects"}:
            first = connection.execute(text(f"SELECT 1 FROM {table.name} LIMIT 1"))  # noqa: S608 - our own names
            if first.one_or_none() is not None:
                return False
    return True


def sha256_of(path: Path) -> str:
    """The hash of a file. Raises BackupDamaged where it is missing."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise BackupDamaged(f"its file {path.name} is missing") from None


def _write_table(session: Session, table: Table, path: Path) -> DumpedTable:
    rows = 0
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=BATCH)
    with gzip.GzipFile(path, "wb", compresslevel=5, mtime=0) as file:
        file.write(_line([column.name for column in table.columns]))
        for row in session.execute(query):
            file.write(_line([_plain(value) for value in row]))
            rows += 1
    return DumpedTable(table.name, rows, sha256_of(path))


def _read_table(connection: Connection, table: Table, path: Path, expected: int) -> None:
    lines = _lines(path)
    columns = [table.columns[name] for name in next(lines)]
    times = {column.name for column in columns if isinstance(column.type, tables.UtcDateTime)}
    later = [column for column in _self_references(table) if column in columns]
    rows = 0
    if table.name == "projects":
        connection.execute(table.delete())
    for some in batched(lines, BATCH):
        values = [
            {
                column.name: datetime.fromisoformat(value) if value is not None and column.name in times else value
                for column, value in zip(columns, line, strict=True)
            }
            for line in some
        ]
        connection.execute(insert(table), [{**row, **{column.name: None for column in later}} for row in values])
        rows += len(values)
    if rows != expected:
        raise BackupDamaged(f"{path.name} has {rows} rows, the backup says {expected}")
    for column in later:
        _refer(connection, column, path)
    if connection.dialect.name == "postgresql":
        _set_sequences(connection, table)


def _self_references(table: Table) -> list[Column[Any]]:
    """The columns that refer to rows of their own table.

    No order of ids puts the one before the other: two processes that make ids have two clocks, and one clock may be
    set back. So these columns are filled in once all rows are there, and must be nullable.
    """
    return [column for column in table.columns if any(key.column.table is table for key in column.foreign_keys)]


def _refer(connection: Connection, column: Column[Any], path: Path) -> None:
    """Fill in a column that refers to its own table, whose rows are all there without it."""
    table = column.table
    keys = list(table.primary_key.columns)
    lines = _lines(path)
    names = next(lines)
    places = [names.index(key.name) for key in keys]
    value = names.index(column.name)
    this = and_(*(key == bindparam(f"this_{key.name}") for key in keys))
    statement = update(table).where(this).values({column.name: bindparam("refers_to")})
    for some in batched((line for line in lines if line[value] is not None), BATCH):
        parameters = [
            {"refers_to": line[value], **{f"this_{key.name}": line[at] for key, at in zip(keys, places, strict=True)}}
            for line in some
        ]
        connection.execute(statement, parameters)


def _set_sequences(connection: Connection, table: Table) -> None:
    """Numbers that the database gives out go on after the highest one."""
    for column in table.primary_key.columns:
        if column.autoincrement is True or table.autoincrement_column is column:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            highest = select(func.max(column)).scalar_subquery()
            connection.execute(select(func.setval(sequence, func.coalesce(highest, 1), highest.is_not(None))))


def _lines(path: Path) -> Iterator[Any]:
    try:
        with gzip.open(path, "rb") as file:
            for line in file:
                yield json.loads(line)
    except (OSError, EOFError, ValueError) as error:
        raise BackupDamaged(f"{path.name} can't be read: {error}") from error


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
