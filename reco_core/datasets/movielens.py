"""MovieLens: 100K (`u.data`, Latin-1), 1M and 10M (`ratings.dat`), latest, 20M, 25M and 32M (`ratings.csv`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import polars as pl

from reco_core.datasets import items, tabular, users
from reco_core.datasets.delimited import DelimitedFile, Dialect
from reco_core.datasets.limits import Limits
from reco_core.datasets.mapping import resolve
from reco_core.datasets.names import MOVIELENS_FILES, MOVIELENS_GENRES, MOVIELENS_USERS
from reco_core.datasets.sources import Files
from reco_core.datasets.spec import AUTO, DatasetSpec, ItemsSpec
from reco_core.datasets.tables import Further, RawItems, RawLog, RawUsers, Table
from reco_core.errors import DatasetInvalid, FieldError

_LOG_COLUMNS = ("user", "item", "rating", "timestamp")
_CSV_COLUMNS = ("userId", "movieId", "rating", "timestamp")
_EITHER = "utf-8-or-latin-1"  # GroupLens writes Latin-1, copies on the web are often UTF-8
_USERS = {
    "u.user": ("|", ("id", "age", "gender", "occupation", "zip_code")),
    "users.dat": ("::", ("id", "gender", "age", "occupation", "zip_code")),
}
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
    table, features = tabular.read_roles(log, mapping, spec.mapping.features)
    movies, notes = _beside(files, name, spec, limits)
    people, more_notes = _users_beside(files, name, spec, limits)
    return RawLog(
        "movielens",
        table,
        mapping,
        True,
        columns=tuple(zip(log.columns, log.kinds(), strict=True)),
        items=movies,
        users=people,
        features=features,
        notes=(*notes, *more_notes),
    )


def _beside(files: Files, log: str, spec: DatasetSpec, limits: Limits) -> tuple[RawItems | None, tuple[str, ...]]:
    path = PurePosixPath(log)
    movies = str(path.with_name(MOVIELENS_FILES.get(path.name, "movies.dat")))
    if spec.items is None or spec.items.path != AUTO or movies not in files.names:
        return tabular.read_items(files, log, spec, limits)
    return _movies(files, movies, limits, spec.items), (f"item table: {movies}",)


def _users_beside(files: Files, log: str, spec: DatasetSpec, limits: Limits) -> tuple[RawUsers | None, Sequence[str]]:
    path = PurePosixPath(log)
    if spec.users is None or spec.users.path != AUTO or path.name not in MOVIELENS_USERS:
        return tabular.read_users(files, log, spec, limits)
    name = str(path.with_name(MOVIELENS_USERS[path.name]))
    if name not in files.names:
        return tabular.read_users(files, log, spec, limits)
    separator, columns = _USERS[PurePosixPath(name).name]
    dialect = Dialect(separator, quoting=False, header=False, names=columns, encoding=_EITHER)
    file = DelimitedFile(files.path(name), name, dialect, limits)
    if tuple(file.columns) != columns:
        return None, (f"{name}: left out, since it doesn't have the columns {separator.join(columns)}",)
    wanted, left_out = users.selected(columns, "id", limits)
    return users.build(file.read(["id", *wanted]), "id", left_out, limits), (f"user table: {name}",)


def _movies(files: Files, name: str, limits: Limits, spec: ItemsSpec) -> RawItems:
    kind = PurePosixPath(name).name
    if kind == "u.item":
        return _movies_100k(files, name, limits, spec)
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
    return _built(table, ids, titles, items.lists(genres, "|"), spec)


def _built(table: Table, ids: pl.Series, titles: pl.Series, genres: pl.Series, spec: ItemsSpec) -> RawItems:
    """The movies with their genres, and the year of their titles: the first four digits in brackets, wherever."""
    years = titles.str.extract(r"\(([0-9]{4})\)").cast(pl.Int64).alias("year")
    return items.build(
        table,
        ids=ids,
        titles=titles if spec.title is not None else None,
        attribute=genres if spec.categories is not None else None,
        attribute_name="genres" if spec.categories is not None else None,
        further=Further(pl.DataFrame([years])),
    )


def _movies_100k(files: Files, name: str, limits: Limits, spec: ItemsSpec) -> RawItems:
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
    return _built(table, table.frame["id"], table.frame["title"], lists, spec)


def _genre_names(files: Files, name: str, limits: Limits) -> list[str]:
    if name not in files.names:
        return list(MOVIELENS_GENRES)
    dialect = Dialect("|", quoting=False, header=False, names=("genre", "number"), encoding=_EITHER)
    file = DelimitedFile(files.path(name), name, dialect, limits)
    genre, number = (pl.col(column) for column in file.columns[:2])
    table = file.read(file.columns[:2]).frame.with_columns(number.cast(pl.Int64, strict=False))
    return table.drop_nulls().sort(number).select(genre).to_series().to_list()
