"""The canonical form of a dataset: what the service keeps, and what a content hash is made of."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets.types import Interactions, ItemTable, LoadReport
from reco_core.errors import DatasetUnreadable

VERSION = 1
_SETTINGS: dict[str, Any] = {"compression": "lz4", "statistics": False, "row_group_size": 1 << 20}


def store(interactions: Interactions, folder: Path) -> None:
    """Write the canonical form: interactions.parquet, users.parquet, items.parquet and, last of all, meta.json.

    The folder is made; a folder without meta.json is one whose writing was cut short.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = {
        "user": interactions.users,
        "item": interactions.items,
        "timestamp": interactions.timestamps,
        "rating": interactions.ratings,
    }
    frame = pl.DataFrame({name: column for name, column in columns.items() if column is not None})
    frame.write_parquet(folder / "interactions.parquet", **_SETTINGS)
    pl.DataFrame({"id": pl.Series(interactions.user_ids, dtype=pl.String)}).write_parquet(
        folder / "users.parquet", **_SETTINGS
    )
    _item_frame(interactions).write_parquet(folder / "items.parquet", **_SETTINGS)
    table = interactions.item_table
    meta = {
        "version": VERSION,
        "content_hash": content_hash(interactions),
        "item_table": None if table is None else {"attribute_name": table.attribute_name},
        "report": interactions.report.as_dict(),
    }
    for name in ("interactions", "users", "items"):
        with (folder / f"{name}.parquet").open("rb") as written:
            os.fsync(written.fileno())
    temporary = folder / "meta.json.part"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(meta, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / "meta.json")


def restore(folder: Path) -> Interactions:
    """The inverse of `store`.

    Raises:
        DatasetUnreadable: the folder is incomplete, damaged, or of another version.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if meta["version"] != VERSION:
            raise DatasetUnreadable(f"{folder}: written by another version of PocketRec; add the dataset again")
        frame = pl.read_parquet(folder / "interactions.parquet", glob=False)
        users = pl.read_parquet(folder / "users.parquet", glob=False)["id"]
        items = pl.read_parquet(folder / "items.parquet", glob=False)
        restored = Interactions(
            users=frame["user"].to_numpy(),
            items=frame["item"].to_numpy(),
            timestamps=frame["timestamp"].to_numpy() if "timestamp" in frame.columns else None,
            ratings=frame["rating"].to_numpy() if "rating" in frame.columns else None,
            user_ids=tuple(users.to_list()),
            item_ids=tuple(items["id"].to_list()),
            item_table=_item_table(items, meta["item_table"]),
            report=_report(meta["report"]),
        )
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
    ) as error:
        raise DatasetUnreadable(f"{folder}: not a complete stored dataset ({error}); add the dataset again") from None
    for codes, ids in ((restored.users, restored.user_ids), (restored.items, restored.item_ids)):
        if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < len(ids):
            raise DatasetUnreadable(f"{folder}: its ids and interactions don't belong together; add the dataset again")
    return restored


def content_hash(interactions: Interactions) -> str:
    """SHA-256 (hex) of ids, columns and item table; the report doesn't count, nor does how they are stored."""
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
    return digest.hexdigest()


def _put_array(digest: Any, name: str, column: NDArray[Any] | None, kind: str) -> None:
    size = "none" if column is None else str(len(column))
    digest.update(f"{name} {kind} {size}\n".encode())
    if column is not None:
        digest.update(np.ascontiguousarray(column, dtype=kind).data)


def _put_texts(digest: Any, name: str, texts: Sequence[str]) -> None:
    joined = "".join(texts).encode()
    _put_array(digest, f"{name} lengths", _byte_lengths(texts), "<i8")
    digest.update(f"{name} {len(joined)}\n".encode())
    digest.update(joined)


def _byte_lengths(texts: Iterable[str]) -> NDArray[np.int64]:
    lengths = pl.Series(list(texts), dtype=pl.String).str.len_bytes()
    return lengths.cast(pl.Int64).to_numpy()


def _item_frame(interactions: Interactions) -> pl.DataFrame:
    columns = {"id": pl.Series(interactions.item_ids, dtype=pl.String)}
    table = interactions.item_table
    if table is not None:
        columns["title"] = pl.Series(table.titles, dtype=pl.String)
        columns["attribute"] = pl.Series([list(values) for values in table.attributes], dtype=pl.List(pl.String))
    return pl.DataFrame(columns)


def _item_table(items: pl.DataFrame, meta: dict[str, Any] | None) -> ItemTable | None:
    if meta is None:
        return None
    return ItemTable(
        titles=tuple(items["title"].to_list()),
        attribute_name=meta["attribute_name"],
        attributes=tuple(tuple(values) for values in items["attribute"].to_list()),
    )


def _report(data: dict[str, Any]) -> LoadReport:
    return LoadReport(
        format=data["format"],
        mapping=data["mapping"],
        detected=data["mapping_detected"],
        rows_in=data["rows"]["in"],
        rows_accepted=data["rows"]["accepted"],
        rejected={**data["rows"]["rejected"], **_rejected_items(data.get("item_table"))},
        examples=tuple(data["examples"]),
        users=data["users"],
        items=data["items"],
        notes=tuple(data["notes"]),
        detection=data.get("detection") or {},
        item_table=data.get("item_table"),
        findings=tuple(data.get("warnings") or ()),
    )


def _rejected_items(item_table: dict[str, Any] | None) -> dict[str, int]:
    rejected: dict[str, int] = item_table["rows"]["rejected"] if item_table else {}
    return {f"items.{code}": count for code, count in rejected.items()}
