"""RecBole's atomic files: tab-separated `NAME.inter` and `NAME.item` with headers like `user_id:token`."""

from __future__ import annotations

from pathlib import PurePosixPath

import polars as pl

from reco_core.datasets import items, tabular
from reco_core.datasets.delimited import DelimitedFile, Dialect
from reco_core.datasets.limits import Limits
from reco_core.datasets.mapping import candidates, resolve
from reco_core.datasets.names import CATEGORIES, ITEM, TITLE, YEAR
from reco_core.datasets.sources import Files
from reco_core.datasets.spec import AUTO, DatasetSpec
from reco_core.datasets.tables import RawItems, RawLog, Table
from reco_core.errors import DatasetInvalid, FieldError

_DIALECT = Dialect("\t", quoting=False)


def read(files: Files, name: str, spec: DatasetSpec, limits: Limits) -> RawLog:
    """The log `name` and the `.item` file of the same name beside it.

    Raises:
        DatasetInvalid: columns are missing.
    """
    file = DelimitedFile(files.path(name), name, _DIALECT, limits)
    plain = _plain(file)
    mapping, detected = resolve(list(plain), spec.mapping, name)
    used = {role: plain[column] for role, column in mapping.items() if column}
    table = file.read(list(used.values()))
    frame = table.frame.select([pl.col(column).alias(role) for role, column in used.items()])
    raw_items, notes = _beside(files, name, spec, limits)
    return RawLog(
        "recbole",
        Table(table.name, frame, table.lines, table.faults),
        mapping,
        detected,
        columns=tuple(zip(plain, file.kinds(), strict=True)),
        items=raw_items,
        notes=notes,
    )


def _beside(files: Files, log: str, spec: DatasetSpec, limits: Limits) -> tuple[RawItems | None, tuple[str, ...]]:
    table = str(PurePosixPath(log).with_suffix(".item"))
    if spec.items is None or spec.items.path != AUTO or table not in files.names:
        return tabular.read_items(files, log, spec, limits)
    return _items(files, table, limits), (f"item table: {table}",)


def _plain(file: DelimitedFile) -> dict[str, str]:
    """Name without type -> name as it stands in the file."""
    return {column.rsplit(":", 1)[0]: column for column in file.columns}


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
    table = file.read(list(columns.values()))
    column = {role: table.frame[source] for role, source in columns.items()}
    titles = column.get("title")
    if titles is not None and "year" in column:
        titles = _with_year(titles, column["year"])
    categories = column.get("categories")
    # ml-100k calls its genres "class"
    label = "genres" if chosen["categories"] in ("class", "genre") else chosen["categories"]
    return items.build(
        table,
        ids=column["id"],
        titles=titles,
        attribute=items.split(categories, " ") if categories is not None else None,
        attribute_name=label,
    )


def _with_year(titles: pl.Series, years: pl.Series) -> pl.Series:
    """`Toy Story` and `1995` -> `Toy Story (1995)`; what is no year, or already there, is left out."""
    year = years.str.strip_chars().str.strip_suffix(".0")
    wanted = year.str.contains(r"^\d{4}$") & ~titles.str.contains(r"\(\d{4}\)\s*$")
    frame = pl.DataFrame({"title": titles, "year": year, "wanted": wanted.fill_null(False)})
    joined = pl.format("{} ({})", pl.col("title"), pl.col("year"))
    return frame.select(pl.when("wanted").then(joined).otherwise("title").alias("title")).to_series()
