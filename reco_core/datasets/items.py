"""Item tables: id, title and one multi-valued attribute."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from reco_core.datasets import mapping, names, values
from reco_core.datasets.faults import Finding, at_lines
from reco_core.datasets.spec import AUTO, ItemsSpec
from reco_core.datasets.tables import RawItems, Table, TableFile
from reco_core.errors import DatasetInvalid, FieldError

_EMPTY_LIST = pl.lit([], dtype=pl.List(pl.String))


_IDS = (*names.ITEM, "id")


def has_ids(columns: Sequence[str]) -> bool:
    """Whether a column is named like one of item ids."""
    return bool(mapping.candidates(columns, _IDS))


def read(file: TableFile, spec: ItemsSpec) -> RawItems:
    """The item table in `file`, its columns detected where the spec leaves them open.

    Raises:
        DatasetInvalid: no id column, or a column is named that isn't there.
    """
    chosen: dict[str, str | None] = {}
    errors: list[FieldError] = []
    roles = {"id": _IDS, "title": names.TITLE, "categories": names.CATEGORIES}
    for role, known in roles.items():
        wanted: str | None = getattr(spec, role)
        if wanted == AUTO:
            found = [column for column in mapping.candidates(file.columns, known) if column not in chosen.values()]
            chosen[role] = found[0] if found else None
        else:
            chosen[role] = wanted
            if wanted is not None and wanted not in file.columns:
                errors.append(mapping.unknown_column(f"/items/{role}", wanted, file.columns))
    if chosen["id"] is None:
        found_columns = ",".join(file.columns[:20])
        errors.append(
            FieldError("/items/id", "item_column_missing", f"no column with item ids; found: {found_columns}")
        )
    if errors:
        raise DatasetInvalid(f"{file.name}: " + "; ".join(error.detail for error in errors), errors)
    table = file.read([column for column in dict.fromkeys(chosen.values()) if column is not None])
    categories = chosen["categories"]
    frame = table.frame
    return build(
        table,
        ids=frame[chosen["id"] or ""],
        titles=frame[chosen["title"]] if chosen["title"] else None,
        attribute=split(frame[categories]) if categories else None,
        attribute_name=categories,
    )


def build(
    table: Table, *, ids: pl.Series, titles: pl.Series | None, attribute: pl.Series | None, attribute_name: str | None
) -> RawItems:
    """An item table from its columns; rows without id are faults, the first row of a repeated id counts.

    Args:
        titles: text, or None.
        attribute: list of text, or None.
    """
    frame = pl.DataFrame(
        {
            "id": values.ids(ids, "item", table.name),
            "title": titles.cast(pl.String).str.strip_chars() if titles is not None else [None] * ids.len(),
            "attribute": attribute if attribute is not None else [[]] * ids.len(),
        },
        schema={"id": pl.String, "title": pl.String, "attribute": pl.List(pl.String)},
    ).with_columns(
        title=pl.when(pl.col("title") != "").then("title"), attribute=pl.col("attribute").fill_null(_EMPTY_LIST)
    )
    rows_in = table.rows_in
    absent = frame["id"].is_null().to_numpy()
    table.faults.add("item_missing", table.lines[absent], "item id missing")
    frame, lines = frame.filter(~absent), table.lines[~absent]
    # a file repeating an id says the same thing twice, or contradicts itself; either way the first row is kept
    first = frame["id"].is_first_distinct().to_numpy()
    findings = []
    if (repeated := int((~first).sum())) > 0:
        detail = "rows of the item table with an id that stands further up; the first one counts"
        findings.append(Finding("item_repeated", repeated, detail, at_lines(table.name, lines[~first])))
    return RawItems(frame.filter(pl.Series(first)), attribute_name, table.faults, rows_in, tuple(findings))


def split(column: pl.Series, separator: str | None = None) -> pl.Series:
    """Categories as lists of text: lists stay, JSON arrays are read, text is split by `|`, or else by `,`.

    Values are stripped, empty ones and MovieLens' `(no genres listed)` dropped, repeated ones kept once.
    """
    if isinstance(column.dtype, pl.List | pl.Array):
        lists = column.cast(pl.List(pl.String), strict=False)
    else:
        text = column.cast(pl.String, strict=False).str.strip_chars()
        arrays = (text.str.starts_with("[") & text.str.ends_with("]")).fill_null(False)
        if separator is None:
            separator = "|" if text.str.contains("|", literal=True).any() else ","
        lists = text.set(arrays, None).str.split(separator)
        if arrays.any():
            lists = lists.zip_with(~arrays, _from_arrays(text.set(~arrays, None)))
    element = pl.element().str.strip_chars()
    kept = element.filter(element.is_not_null() & (element != "") & (element != "(no genres listed)"))
    return lists.list.eval(kept.unique(maintain_order=True))


def _from_arrays(text: pl.Series) -> pl.Series:
    """`["a, b", "c"]` or, as Python prints lists, `['a', 'b']`."""
    try:
        return text.str.json_decode(pl.List(pl.String))
    except pl.exceptions.PolarsError:
        return text.str.strip_chars("[]").str.replace_all(r"[\"']", "").str.split(",")
