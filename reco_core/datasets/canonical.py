"""The canonical form of a dataset: what the service keeps."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl

from reco_core.datasets.content import content_hash, frames
from reco_core.datasets.types import Interactions, ItemTable, LoadReport
from reco_core.errors import DatasetUnreadable

VERSION = 1
_SETTINGS: dict[str, Any] = {"compression": "lz4", "statistics": False, "row_group_size": 1 << 20}


def store(interactions: Interactions, folder: Path) -> None:
    """Write the canonical form: interactions.parquet, users.parquet, items.parquet and, last of all, meta.json.

    Further columns stand in row_features.parquet, user_features.parquet and item_features.parquet, where there are any.
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
    further = {name: frame for name, frame in frames(interactions).items() if frame.width}
    for name, frame in further.items():
        frame.write_parquet(folder / f"{name}.parquet", **_SETTINGS)
    meta = {
        "version": VERSION,
        "content_hash": content_hash(interactions),
        "item_table": None if table is None else {"attribute_name": table.attribute_name},
        "features": list(further),
        "report": interactions.report.as_dict(),
    }
    for name in ("interactions", "users", "items", *further):
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
        # datasets that were stored before there were features have none
        further = {name: pl.read_parquet(folder / f"{name}.parquet", glob=False) for name in meta.get("features", ())}
        restored = Interactions(
            users=frame["user"].to_numpy(),
            items=frame["item"].to_numpy(),
            timestamps=frame["timestamp"].to_numpy() if "timestamp" in frame.columns else None,
            ratings=frame["rating"].to_numpy() if "rating" in frame.columns else None,
            user_ids=tuple(users.to_list()),
            item_ids=tuple(items["id"].to_list()),
            item_table=_item_table(items, meta["item_table"]),
            report=_report(meta["report"]),
            **further,
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
    counts = {"row_features": len(restored), "user_features": len(users), "item_features": len(items)}
    if any(frame.height != counts[name] for name, frame in further.items()):
        raise DatasetUnreadable(f"{folder}: its features and rows don't belong together; add the dataset again")
    return restored


def _item_frame(interactions: Interactions) -> pl.DataFrame:
    columns = {"id": pl.Series(interactions.item_ids, dtype=pl.String)}
    table = interactions.item_table
    if table is not None:
        columns["title"] = pl.Series(table.titles, dtype=pl.String)
        columns["attribute"] = pl.Series([list(values) for values in table.attributes], dtype=pl.List(pl.String))
        if table.file_rows is not None:
            columns["file_row"] = pl.Series(table.file_rows)
    return pl.DataFrame(columns)


def _item_table(items: pl.DataFrame, meta: dict[str, Any] | None) -> ItemTable | None:
    if meta is None:
        return None
    return ItemTable(
        titles=tuple(items["title"].to_list()),
        attribute_name=meta["attribute_name"],
        attributes=tuple(tuple(values) for values in items["attribute"].to_list()),
        file_rows=items["file_row"].to_numpy() if "file_row" in items.columns else None,
    )


def _report(data: dict[str, Any]) -> LoadReport:
    return LoadReport(
        format=data["format"],
        mapping=data["mapping"],
        detected=data["mapping_detected"],
        rows_in=data["rows"]["in"],
        rows_accepted=data["rows"]["accepted"],
        rejected={
            **data["rows"]["rejected"],
            **_rejected("items", data.get("item_table")),
            **_rejected("users", data.get("user_table")),
        },
        examples=tuple(data["examples"]),
        users=data["users"],
        items=data["items"],
        notes=tuple(data["notes"]),
        detection=data.get("detection") or {},
        item_table=data.get("item_table"),
        user_table=data.get("user_table"),
        feature_columns=data.get("feature_columns") or {},
        findings=tuple(data.get("warnings") or ()),
    )


def _rejected(name: str, table: dict[str, Any] | None) -> dict[str, int]:
    rejected: dict[str, int] = table["rows"]["rejected"] if table else {}
    return {f"{name}.{code}": count for code, count in rejected.items()}
