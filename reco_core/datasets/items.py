"""Item tables: id, title, one multi-valued attribute, and columns that features of items are made of."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from reco_core.datasets import column_types, keyed, mapping, names
from reco_core.datasets.limits import Limits
from reco_core.datasets.spec import AUTO, ItemsSpec
from reco_core.datasets.tables import Further, RawItems, Table, TableFile
from reco_core.errors import DatasetInvalid, FieldError

_EMPTY_LIST = pl.lit([], dtype=pl.List(pl.String))
_NO_GENRES = "(no genres listed)"  # MovieLens


_IDS = (*names.ITEM, "id")


def has_ids(columns: Sequence[str]) -> bool:
    """Whether a column is named like one of item ids."""
    return bool(mapping.candidates(columns, _IDS))


def read(file: TableFile, spec: ItemsSpec, limits: Limits) -> RawItems:
    """The item table in `file`, its columns detected where the spec leaves them open.

    Raises:
        DatasetInvalid: no id column, or a column is named that isn't there.
    """
    chosen: dict[str, str | None] = {}
    unwanted: set[str] = set()
    errors: list[FieldError] = []
    roles = {"id": _IDS, "title": names.TITLE, "categories": names.CATEGORIES}
    for role, known in roles.items():
        wanted: str | None = getattr(spec, role)
        found = [column for column in mapping.candidates(file.columns, known) if column not in chosen.values()]
        if wanted == AUTO:
            chosen[role] = found[0] if found else None
        else:
            chosen[role] = wanted
            if wanted is None:
                unwanted.update(found[:1])  # who wants no titles wants no feature of them either
            elif wanted not in file.columns:
                errors.append(mapping.unknown_column(f"/items/{role}", wanted, file.columns))
    if chosen["id"] is None:
        found_columns = ",".join(file.columns[:20])
        errors.append(
            FieldError("/items/id", "item_column_missing", f"no column with item ids; found: {found_columns}")
        )
    if errors:
        raise DatasetInvalid(f"{file.name}: " + "; ".join(error.detail for error in errors), errors)
    used = [column for column in dict.fromkeys(chosen.values()) if column is not None]
    categories = chosen["categories"]
    others = [column for column in file.columns if column not in {*used, *unwanted} or column == categories]
    wanted_columns, left_out = keyed.chosen(others, limits)
    table = file.read(list(dict.fromkeys([*used, *wanted_columns])))
    frame = table.frame
    attribute = lists(frame[categories]) if categories else None
    further = keyed.further(frame.select(wanted_columns).drop(categories or [], strict=False), left_out, limits)
    return build(
        table,
        ids=frame[chosen["id"] or ""],
        titles=frame[chosen["title"]] if chosen["title"] else None,
        attribute=attribute,
        attribute_name=categories,
        further=further,
    )


def build(
    table: Table,
    *,
    ids: pl.Series,
    titles: pl.Series | None,
    attribute: pl.Series | None,
    attribute_name: str | None,
    further: Further,
) -> RawItems:
    """An item table from its columns; rows without id are faults, the first row of a repeated id counts.

    Args:
        titles: text, or None.
        attribute: list of text as `lists` gives it, or None. It comes first among the columns for features.
    """
    rows_in = table.rows_in
    rows, findings = keyed.rows(table, ids, "item")
    if attribute is not None:
        attribute = column_types.clean_lists(attribute)
    if attribute is not None and attribute_name is not None:
        further = Further(pl.DataFrame([attribute.alias(attribute_name), *further.frame]), further.left_out)
    frame = pl.DataFrame(
        {
            "title": titles.cast(pl.String).str.strip_chars() if titles is not None else [None] * ids.len(),
            "attribute": distinct(attribute) if attribute is not None else [[]] * ids.len(),
        },
        schema={"title": pl.String, "attribute": pl.List(pl.String)},
    ).with_columns(
        title=pl.when(pl.col("title") != "").then("title"), attribute=pl.col("attribute").fill_null(_EMPTY_LIST)
    )
    frame = pl.concat([rows, frame[rows["row"]]], how="horizontal")
    return RawItems(frame, attribute_name, further, table.faults, rows_in, findings)


def lists(column: pl.Series, separator: str | None = None) -> pl.Series:
    """Categories as lists of text: lists stay, JSON arrays are read, text is split by `|`, or else by `,`.

    Values are stripped and empty ones dropped; repeated ones stay. Null where there is no text at all.
    """
    if isinstance(column.dtype, pl.List | pl.Array):
        found = column.cast(pl.List(pl.String), strict=False)
    else:
        text = column.cast(pl.String, strict=False).str.strip_chars()
        arrays = (text.str.starts_with("[") & text.str.ends_with("]")).fill_null(False)
        if separator is None:
            separator = "|" if text.str.contains("|", literal=True).any() else ","
        found = text.set(arrays, None).str.split(separator)
        if arrays.any():
            found = found.zip_with(~arrays, column_types.from_arrays(text.set(~arrays, None)))
    element = pl.element().str.strip_chars()
    return found.list.eval(element.filter(element.is_not_null() & (element != "")))


def split(column: pl.Series, separator: str | None = None) -> pl.Series:
    """`lists`, then `distinct`."""
    return distinct(lists(column, separator))


def distinct(found: pl.Series) -> pl.Series:
    """Of lists each value once, MovieLens' `(no genres listed)` left out: what the attribute of an item is."""
    element = pl.element()
    return found.list.eval(element.filter(element != _NO_GENRES).unique(maintain_order=True))
