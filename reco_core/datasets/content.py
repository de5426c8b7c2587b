"""What a dataset says, as one hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets.types import Interactions


def content_hash(interactions: Interactions) -> str:
    """SHA-256 (hex) of ids, columns and tables; the report doesn't count, nor does how they are stored.

    A column for features that only repeats the item table's attribute adds nothing. The order of the item table's file,
    which vocabularies in the original's form depend on, counts where there are others.
    """
    digest = hashlib.sha256(b"pocketrec interactions 1\n")
    for name, column, kind in (
        ("users", interactions.users, "<i4"),
        ("items", interactions.items, "<i4"),
        ("timestamps", interactions.timestamps, "<i8"),
        ("ratings", interactions.ratings, "<f4"),
    ):
        _put_array(digest, name, column, kind)
    _put_texts(digest, "user_ids", interactions.user_ids)
    _put_texts(digest, "item_ids", interactions.item_ids)
    table = interactions.item_table
    if table is not None:
        has_title = np.array([title is not None for title in table.titles], dtype=np.uint8)
        _put_array(digest, "has_title", has_title, "u1")
        _put_texts(digest, "titles", [title or "" for title in table.titles])
        _put_texts(digest, "attribute_name", [] if table.attribute_name is None else [table.attribute_name])
        counts = np.array([len(values) for values in table.attributes], dtype=np.int64)
        _put_array(digest, "attribute_counts", counts, "<i8")
        _put_texts(digest, "attributes", [value for values in table.attributes for value in values])
    features = list(_features(interactions))
    for name, series in features:
        _put_series(digest, name, series)
    if table is not None and any(name.startswith("item_features") for name, _ in features):
        _put_array(digest, "file_rows", table.file_rows, "<i4")
    return digest.hexdigest()


def frames(interactions: Interactions) -> Mapping[str, pl.DataFrame]:
    """The columns for features, under their names in `Interactions`."""
    return {
        "row_features": interactions.row_features,
        "user_features": interactions.user_features,
        "item_features": interactions.item_features,
    }


def _features(interactions: Interactions) -> Iterator[tuple[str, pl.Series]]:
    table = interactions.item_table
    for scope, frame in frames(interactions).items():
        for column in frame.get_columns():
            if scope == "item_features" and table is not None and column.name == table.attribute_name:
                values = pl.Series([list(entry) for entry in table.attributes], dtype=pl.List(pl.String))
                if column.dtype == values.dtype and (column.fill_null([]) == values).all():
                    continue
            yield f"{scope} {column.name}", column


def _put_array(digest: Any, name: str, column: NDArray[Any] | None, kind: str) -> None:
    size = "none" if column is None else str(len(column))
    digest.update(f"{name} {kind} {size}\n".encode())
    if column is not None:
        digest.update(np.ascontiguousarray(column, dtype=kind).data)


def _put_texts(digest: Any, name: str, texts: Sequence[str] | pl.Series) -> None:
    column = texts if isinstance(texts, pl.Series) else pl.Series(list(texts), dtype=pl.String)
    _put_array(digest, f"{name} lengths", column.str.len_bytes().cast(pl.Int64).to_numpy(), "<i8")
    joined = (column.str.join("").item() or "").encode()
    digest.update(f"{name} {len(joined)}\n".encode())
    digest.update(joined)


def _put_series(digest: Any, name: str, column: pl.Series) -> None:
    """A column of one of the types of features, and where it is null."""
    _put_array(digest, f"{name} is", column.is_not_null().cast(pl.UInt8).to_numpy(), "u1")
    if isinstance(column.dtype, pl.List):
        column = column.fill_null([])
        _put_array(digest, f"{name} counts", column.list.len().cast(pl.Int64).to_numpy(), "<i8")
        column = column.explode(empty_as_null=False)
    if column.dtype == pl.String:
        _put_texts(digest, name, column.fill_null(""))
    elif column.dtype == pl.Int64:
        _put_array(digest, name, column.fill_null(0).to_numpy(), "<i8")
    else:
        _put_array(digest, name, column.fill_null(0.0).to_numpy(), "<f8")
