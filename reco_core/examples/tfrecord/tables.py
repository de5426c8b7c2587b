"""What TFRecords say about items: ids as numbers, titles, genres, years."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets import feature_columns
from reco_core.datasets.types import Interactions, ItemTable
from reco_core.errors import ConfigInvalid, FieldError
from reco_core.examples import feature_tables

PAD_ID = 0
UNKNOWN = feature_tables.UNKNOWN
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_YEAR = re.compile(r"\(([0-9]{4})\)")
_POINTER = "/examples/tfrecord"


@dataclass(frozen=True)
class ItemFacts:
    """By item code, as in `Interactions.item_ids`."""

    ids: NDArray[np.int64]
    titles: tuple[str | None, ...]
    genres: tuple[tuple[str, ...], ...]
    years: NDArray[np.int64]  # 0 where the title names none
    order: NDArray[np.int64]  # codes in the order of the item table; those that it lacks come last, by rising id


def item_facts(interactions: Interactions) -> ItemFacts:
    """Ids, titles, genres and years of the items; empty where there is no item table.

    Raises:
        ConfigInvalid: ids that int64 features can't hold, or that 0, the padding, or another id can't be told from.
    """
    ids = _integers(interactions.item_ids)
    table = interactions.item_table
    titles = (None,) * len(ids) if table is None else table.titles
    return ItemFacts(
        ids=ids,
        titles=titles,
        genres=_genres(interactions, table),
        years=np.fromiter((year_of(title) for title in titles), np.int64, len(ids)),
        order=_order(ids, table),
    )


def year_of(title: str | None) -> int:
    """The first four digits in brackets: `Alien (1979)` -> 1979; 0 where there are none."""
    found = _YEAR.search(title or "")
    return int(found[1]) if found else 0


def _integers(raw_ids: tuple[str, ...]) -> NDArray[np.int64]:
    strange = next((raw for raw in raw_ids if not _INTEGER.fullmatch(raw) or not -(2**63) <= int(raw) < 2**63), None)
    if strange is not None:
        raise _refused(
            "ids_not_integers",
            f"TFRecords hold item ids as 64-bit integers, and {strange!r} is none; "
            "number the items, or leave examples.tfrecord out",
        )
    ids = np.array([int(raw) for raw in raw_ids], np.int64)
    if (ids == PAD_ID).any():
        raise _refused(
            "id_is_padding",
            "an item has the id 0, which pads contexts in TFRecords; "
            "number the items from 1, or leave examples.tfrecord out",
        )
    distinct, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        twice = int(distinct[counts > 1][0])
        same = " and ".join(repr(raw) for raw in raw_ids if int(raw) == twice)
        raise _refused(
            "ids_not_distinct",
            f"the item ids {same} are the same number, and TFRecords hold numbers; "
            "write every id in one way, or leave examples.tfrecord out",
        )
    return ids


def _order(ids: NDArray[np.int64], table: ItemTable | None) -> NDArray[np.int64]:
    if table is None or table.file_rows is None:
        return np.argsort(ids, kind="stable")  # MovieLens' own tables are in this order
    known = table.file_rows >= 0
    return np.lexsort((np.where(known, table.file_rows, ids), ~known))


def _genres(interactions: Interactions, table: ItemTable | None) -> tuple[tuple[str, ...], ...]:
    if table is None or table.attribute_name is None:
        return ((),) * len(interactions.item_ids)
    # the column as the table has it; the attribute leaves out what comes twice
    column = feature_columns.column(interactions, "item", table.attribute_name)
    if column is None:
        return table.attributes
    if not isinstance(column.dtype, pl.List):
        column = column.cast(pl.String).reshape((-1, 1)).arr.to_list()
    values = column.cast(pl.List(pl.String)).list.drop_nulls().to_list()
    return tuple(tuple(entry) if entry else () for entry in values)


def _refused(code: str, detail: str) -> ConfigInvalid:
    return ConfigInvalid(detail, [FieldError(_POINTER, code, detail)])
