"""What stage 1 hands on: interactions as columns, and a report of what was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl


def _no_columns() -> pl.DataFrame:
    import polars as pl  # here, since comparing evaluations needs these types and none of the parsers' libraries

    return pl.DataFrame()


@dataclass(frozen=True)
class ItemTable:
    """Titles and one multi-valued attribute, row i belonging to `Interactions.item_ids[i]`."""

    titles: tuple[str | None, ...]
    attribute_name: str | None  # such as "genres"
    attributes: tuple[tuple[str, ...], ...]  # () where an item has none
    # int32 [items] row of the file that the item stands in, -1: in none; None: not known, as in datasets stored before
    file_rows: NDArray[np.int32] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class LoadReport:
    """Rows in, accepted and rejected by reason, with examples of each and the mapping that was used."""

    format: str
    mapping: Mapping[str, str | None]
    detected: bool  # whether the mapping was detected rather than given
    rows_in: int
    rows_accepted: int
    rejected: Mapping[str, int]  # reason code -> count; those of the tables beside begin `items.`, `users.`
    examples: tuple[Mapping[str, Any], ...]  # at most 20: {file, line, code, detail}
    users: int
    items: int
    notes: tuple[str, ...] = ()  # what a person should know: where titles came from, the unit of times, skipped lines
    detection: Mapping[str, Any] = field(default_factory=dict)  # role -> {column, how, candidates}
    item_table: Mapping[str, Any] | None = None  # {file, rows: {in, accepted, rejected}}
    user_table: Mapping[str, Any] | None = None  # likewise
    feature_columns: Mapping[str, Any] = field(default_factory=dict)  # interaction, item, user -> [{name, kind}]
    findings: tuple[Mapping[str, Any], ...] = ()  # oddities that reject nothing: {code, count, detail, examples}
    preview: Mapping[str, Any] | None = field(default=None, compare=False)  # not part of the JSON form

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "format": self.format,
            "mapping": dict(self.mapping),
            "mapping_detected": self.detected,
            "detection": {role: dict(why) for role, why in self.detection.items()},
            "rows": {"in": self.rows_in, "accepted": self.rows_accepted, "rejected": self.rejected_of_log()},
            "item_table": None if self.item_table is None else dict(self.item_table),
            "user_table": None if self.user_table is None else dict(self.user_table),
            "feature_columns": {scope: list(columns) for scope, columns in self.feature_columns.items()},
            "warnings": [dict(finding) for finding in self.findings],
            "examples": [dict(example) for example in self.examples],
            "users": self.users,
            "items": self.items,
            "notes": list(self.notes),
        }

    def rejected_of_log(self) -> dict[str, int]:
        """Rejected rows of the log alone: with those accepted they add up to all of its rows."""
        return {code: count for code, count in self.rejected.items() if "." not in code}


@dataclass(frozen=True)
class Interactions:
    """A log as columns, in file order (which breaks ties in time).

    Further columns of the log, the user table and the item table stand in frames of their own, row i belonging to
    interaction i, `user_ids[i]` or `item_ids[i]`. Their types are Int64, Float64, String, List(Int64) or List(String);
    null stands where a value is missing, and a frame without columns means that there are none.

    `users` and `items` are codes into `user_ids` and `item_ids`, which hold raw ids as text, each once, in the order of
    their first appearance in the log; items that stand only in the item table follow, in its order.
    """

    users: NDArray[np.int32]  # [rows]
    items: NDArray[np.int32]  # [rows]
    timestamps: NDArray[np.int64] | None  # [rows]; None for logs that only give the order
    ratings: NDArray[np.float32] | None  # [rows]
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    item_table: ItemTable | None
    report: LoadReport
    row_features: pl.DataFrame = field(default_factory=_no_columns)
    user_features: pl.DataFrame = field(default_factory=_no_columns)
    item_features: pl.DataFrame = field(default_factory=_no_columns)

    def __len__(self) -> int:
        return len(self.users)
