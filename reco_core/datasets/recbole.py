"""RecBole's atomic files: tab-separated `NAME.inter`, `NAME.item` and `NAME.user` with headers like `user_id:token`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import polars as pl

from reco_core.datasets import items, keyed, tabular, users
from reco_core.datasets.delimited import DelimitedFile, Dialect
from reco_core.datasets.limits import Limits
from reco_core.datasets.mapping import candidates, resolve
from reco_core.datasets.names import CATEGORIES, ITEM, TITLE, USER, YEAR
from reco_core.datasets.sources import Files
from reco_core.datasets.spec import AUTO, DatasetSpec
from reco_core.datasets.tables import Further, RawItems, RawLog, RawUsers, Table
from reco_core.errors import DatasetInvalid, FieldError

_DIALECT = Dialect("\t", quoting=False)


def read(files: Files, name: str, spec: DatasetSpec, limits: Limits) -> RawLog:
    """The log `name` and the `.item` and `.user` files of the same name beside it.

    Raises:
        DatasetInvalid: columns are missing.
    """
    file = DelimitedFile(files.path(name), name, _DIALECT, limits)
    plain = _plain(file)
    mapping, detected = resolve(list(plain), spec.mapping, name)
    in_file = {role: plain[column] if column else None for role, column in mapping.items()}
    typed_names = [plain[column] for column in spec.mapping.features]
    table, features = tabular.read_roles(file, in_file, typed_names)
    raw_items, notes = _items_beside(files, name, spec, limits)
    raw_users, more_notes = _users_beside(files, name, spec, limits)
    return RawLog(
        "recbole",
        table,
        mapping,
        detected,
        columns=tuple(zip(plain, file.kinds(), strict=True)),
        items=raw_items,
        users=raw_users,
        features=_plainly(features),
        notes=(*notes, *more_notes),
    )


def _items_beside(files: Files, log: str, spec: DatasetSpec, limits: Limits) -> tuple[RawItems | None, Sequence[str]]:
    table = str(PurePosixPath(log).with_suffix(".item"))
    if spec.items is None or spec.items.path != AUTO or table not in files.names:
        return tabular.read_items(files, log, spec, limits)
    return _items(files, table, limits), (f"item table: {table}",)


def _users_beside(files: Files, log: str, spec: DatasetSpec, limits: Limits) -> tuple[RawUsers | None, Sequence[str]]:
    name = str(PurePosixPath(log).with_suffix(".user"))
    if spec.users is None or spec.users.path != AUTO or name not in files.names:
        return tabular.read_users(files, log, spec, limits)
    file = DelimitedFile(files.path(name), name, _DIALECT, limits)
    plain = _plain(file)
    found = candidates(list(plain), USER)
    if not found:
        return None, (f"{name}: left out as a user table (no column with user ids)",)
    wanted, left_out = users.selected(list(plain), found[0], limits)
    table = file.read([plain[column] for column in (found[0], *wanted)])
    table = Table(table.name, _plainly(table.frame), table.lines, table.faults)
    return users.build(table, found[0], left_out, limits), (f"user table: {name}",)


def _plain(file: DelimitedFile) -> dict[str, str]:
    """Name without type -> name as it stands in the file."""
    return {column.rsplit(":", 1)[0]: column for column in file.columns}


def _plainly(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns under their plain names; `token_seq` and `float_seq` split at blanks, `float` as numbers."""
    found: list[pl.Series] = []
    for column in frame.get_columns():
        name, _, kind = column.name.rpartition(":")
        if kind.endswith("_seq"):
            column = column.cast(pl.String).str.strip_chars().str.split(" ")
        elif kind == "float":
            numbers = column.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
            column = numbers if numbers.null_count() == column.null_count() else column
        found.append(column.alias(name or kind))
    return pl.DataFrame(found)


def _items(files: Files, name: str, limits: Limits) -> RawItems:
    file = DelimitedFile(files.path(name), name, _DIALECT, limits)
    plain = _plain(file)
    chosen = {
        role: next(iter(candidates(list(plain), known)), None)
        for role, known in {"id": ITEM, "title": TITLE, "year": YEAR, "categories": CATEGORIES}.items()
    }
    if chosen["id"] is None:
        raise DatasetInvalid(
            f"{name} line 1: no column with item ids; found: {','.join(plain)}",
            [FieldError("/items/id", "item_column_missing", f"found: {','.join(plain)}")],
        )
    columns = {role: plain[column] for role, column in chosen.items() if column}
    others, left_out = keyed.chosen([column for column in plain if column not in chosen.values()], limits)
    table = file.read([*columns.values(), *(plain[other] for other in others)])
    column = {role: table.frame[source] for role, source in columns.items()}
    titles = column.get("title")
    if titles is not None and "year" in column:
        titles = _with_year(titles, column["year"])
    categories = column.get("categories")
    # ml-100k calls its genres "class"
    label = "genres" if chosen["categories"] in ("class", "genre") else chosen["categories"]
    further = keyed.further(_plainly(table.frame.select([plain[other] for other in others])), left_out, limits)
    if "year" in column and "year" not in others:
        further = Further(pl.DataFrame([_years(column["year"]), *further.frame]), further.left_out)
    return items.build(
        table,
        ids=column["id"],
        titles=titles,
        attribute=items.lists(categories, " ") if categories is not None else None,
        attribute_name=label,
        further=further,
    )


def _with_year(titles: pl.Series, years: pl.Series) -> pl.Series:
    """`Toy Story` and `1995` -> `Toy Story (1995)`; what is no year, or already there, is left out."""
    year = _years(years).cast(pl.String)
    wanted = year.is_not_null() & ~titles.str.contains(r"\(\d{4}\)\s*$")
    frame = pl.DataFrame({"title": titles, "year": year, "wanted": wanted.fill_null(False)})
    joined = pl.format("{} ({})", pl.col("title"), pl.col("year"))
    return frame.select(pl.when("wanted").then(joined).otherwise("title").alias("title")).to_series()


def _years(column: pl.Series) -> pl.Series:
    """Int64, null where a text is not four digits (`1995.0` is 1995)."""
    text = column.str.strip_chars().str.strip_suffix(".0")
    return text.set(~text.str.contains(r"^[1-9][0-9]{3}$"), None).cast(pl.Int64).alias("year")
