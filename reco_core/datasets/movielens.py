"""MovieLens: 100K (`u.data`, Latin-1), 1M and 10M (`ratings.dat`), latest, 20M, 25M and 32M (`ratings.csv`)."""

from __future__ import annotations

from pathlib import PurePosixPath

import polars as pl

from reco_core.datasets import items, tabular
from reco_core.datasets.delimited import DelimitedFile, Dialect
from reco_core.datasets.limits import Limits
from reco_core.datasets.mapping import resolve
from reco_core.datasets.names import MOVIELENS_FILES, MOVIELENS_GENRES
from reco_core.datasets.sources import Files
from reco_core.datasets.spec import AUTO, DatasetSpec
from reco_core.datasets.tables import RawItems, RawLog, Table
from reco_core.errors import DatasetInvalid, FieldError

_LOG_COLUMNS = ("user", "item", "rating", "timestamp")
_CSV_COLUMNS = ("userId", "movieId", "rating", "timestamp")
_EITHER = "utf-8-or-latin-1"  # GroupLens writes Latin-1, copies on the web are often UTF-8
_FIRST_FLAG = 5  # u.item: id, title, release date, video release date, URL, then a flag per genre


def read(files: Files, name: str, spec: DatasetSpec, limits: Limits) -> RawLog:
    """The log `name` and the movie table beside it.

    Raises:
        DatasetInvalid: the columns are not MovieLens'.
    """
    kind = PurePosixPath(name).name
    if kind == "ratings.csv":
        dialect = Dialect(",")
    else:
        separator = "\t" if kind == "u.data" else "::"
        dialect = Dialect(separator, quoting=False, header=False, names=_LOG_COLUMNS, encoding=_EITHER)
    log = DelimitedFile(files.path(name), name, dialect, limits)
    wanted = _CSV_COLUMNS if kind == "ratings.csv" else _LOG_COLUMNS
    if tuple(log.columns) != wanted:
        expected = dialect.separator.join(wanted)
        raise DatasetInvalid(
            f"{name} line 1: {len(log.columns)} columns; expected {expected} as MovieLens has it",
            [FieldError("", "columns_invalid", f"expected {expected}")],
        )
    mapping, _ = resolve(log.columns, spec.mapping, name)
    used = {role: column for role, column in mapping.items() if column}
    table = log.read(list(used.values()))
    frame = table.frame.select([pl.col(column).alias(role) for role, column in used.items()])
    movies, notes = _beside(files, name, spec, limits)
    return RawLog(
        "movielens",
        Table(table.name, frame, table.lines, table.faults),
        mapping,
        True,
        columns=tuple(zip(log.columns, log.kinds(), strict=True)),
        items=movies,
        notes=notes,
    )


def _beside(files: Files, log: str, spec: DatasetSpec, limits: Limits) -> tuple[RawItems | None, tuple[str, ...]]:
    path = PurePosixPath(log)
    movies = str(path.with_name(MOVIELENS_FILES.get(path.name, "movies.dat")))
    if spec.items is None or spec.items.path != AUTO or movies not in files.names:
        return tabular.read_items(files, log, spec, limits)
    return _movies(files, movies, limits), (f"item table: {movies}",)


def _movies(files: Files, name: str, limits: Limits) -> RawItems:
    kind = PurePosixPath(name).name
    if kind == "u.item":
        return _movies_100k(files, name, limits)
    if kind == "movies.csv":
        file = DelimitedFile(files.path(name), name, Dialect(","), limits)
        table = file.read(file.columns[:3])
    else:
        dialect = Dialect("::", quoting=False, header=False, names=("movieId", "title", "genres"), encoding=_EITHER)
        file = DelimitedFile(files.path(name), name, dialect, limits)
        table = file.read(file.columns[:3])
    if table.frame.width < 3:
        raise DatasetInvalid(
            f"{name} line 1: {table.frame.width} columns; expected movieId, title, genres",
            [FieldError("", "columns_invalid", "expected movieId, title, genres")],
        )
    ids, titles, genres = table.frame.get_columns()
    return items.build(table, ids=ids, titles=titles, attribute=items.split(genres, "|"), attribute_name="genres")


def _movies_100k(files: Files, name: str, limits: Limits) -> RawItems:
    dialect = Dialect("|", quoting=False, header=False, names=("id", "title"), encoding=_EITHER)
    file = DelimitedFile(files.path(name), name, dialect, limits)
    genres = _genre_names(files, str(PurePosixPath(name).with_name("u.genre")), limits)
    if len(file.columns) != _FIRST_FLAG + len(genres):
        raise DatasetInvalid(
            f"{name} line 1: {len(file.columns)} fields; "
            f"expected {_FIRST_FLAG} and a flag for each of {len(genres)} genres",
            [FieldError("", "columns_invalid", f"expected {_FIRST_FLAG + len(genres)} fields")],
        )
    flags = file.columns[_FIRST_FLAG:]
    table = file.read([*file.columns[:2], *flags])
    named = [
        pl.when(pl.col(flag).str.strip_chars() == "1").then(pl.lit(genre))
        for flag, genre in zip(flags, genres, strict=True)
    ]
    lists = table.frame.select(pl.concat_list(named).list.drop_nulls()).to_series()
    return items.build(
        table, ids=table.frame["id"], titles=table.frame["title"], attribute=lists, attribute_name="genres"
    )


def _genre_names(files: Files, name: str, limits: Limits) -> list[str]:
    if name not in files.names:
        return list(MOVIELENS_GENRES)
    dialect = Dialect("|", quoting=False, header=False, names=("genre", "number"), encoding=_EITHER)
    file = DelimitedFile(files.path(name), name, dialect, limits)
    genre, number = (pl.col(column) for column in file.columns[:2])
    table = file.read(file.columns[:2]).frame.with_columns(number.cast(pl.Int64, strict=False))
    return table.drop_nulls().sort(number).select(genre).to_series().to_list()
