"""From raw tables to `Interactions`: values checked, ids turned into codes, the report written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets import beside, column_types, feature_columns, findings, preview, values
from reco_core.datasets.faults import Fault, Faults, Finding, combined, shown
from reco_core.datasets.limits import Limits
from reco_core.datasets.mapping import explain
from reco_core.datasets.spec import DatasetSpec
from reco_core.datasets.tables import RawItems, RawLog, RawUsers, Table
from reco_core.datasets.types import Interactions, LoadReport
from reco_core.errors import DatasetInvalid, DatasetTooSmall, FieldError

_DENSE = 4  # entries of a table of codes for each row, at most


def assemble(raw: RawLog, spec: DatasetSpec, limits: Limits) -> Interactions:
    """The interactions of `raw`.

    Raises:
        DatasetInvalid: bad rows, and the spec doesn't say to skip them; the error carries the complete report.
        DatasetTooSmall: no rows, one user, or one item.
    """
    table = raw.table
    rows_in = table.rows_in
    columns = {"user": values.keys(table.frame["user"], "user", table.name)}
    columns["item"] = values.keys(table.frame["item"], "item", table.name)
    notes = list(raw.notes)
    if "timestamp" in table.frame.columns:
        columns["timestamp"], note = values.timestamps(table.frame["timestamp"])
        notes += [note] if note else []
    if "rating" in table.frame.columns:
        columns["rating"] = values.ratings(table.frame["rating"])
    bad = _mark(columns, table.frame, table.lines, table.faults)
    frame, kept = pl.DataFrame(columns), None
    if bad.any():
        frame, kept = frame.filter(~bad), np.flatnonzero(~bad)
    frame, kept = _without_unusable(frame, kept, table, limits)
    users, user_ids = factorize(frame["user"])
    codes, item_ids = factorize(frame["item"])
    items = beside.wanted_items(raw.items, item_ids, spec, limits)
    people = beside.wanted_users(raw.users, user_ids, limits)
    notes += beside.notes(items, people)
    coded = frame.with_columns(user=pl.Series(users), item=pl.Series(codes))
    found = [
        *findings.of_log(table, coded, kept),
        *findings.of_items(items, item_ids),
        *findings.of_users(people, user_ids),
    ]
    shown_rows = preview.of(raw, frame, kept, items, people)
    report = _report(raw, spec, rows_in, frame.height, notes, user_ids, item_ids, items, people, found, shown_rows)
    _refuse(report, raw, beside.faults(items, people), spec)
    all_ids, item_table, item_features = beside.join_items(item_ids, items)
    interactions = Interactions(
        users=users,
        items=codes,
        timestamps=frame["timestamp"].to_numpy() if "timestamp" in columns else None,
        ratings=frame["rating"].to_numpy() if "rating" in columns else None,
        user_ids=tuple(user_ids.to_list()),
        item_ids=all_ids,
        item_table=item_table,
        report=report,
        row_features=_row_features(raw.features, kept, table.name, limits),
        user_features=beside.join_users(user_ids, people),
        item_features=item_features,
    )
    columns_found = feature_columns.described(interactions)
    return replace(interactions, report=replace(report, feature_columns=columns_found))


def _row_features(features: pl.DataFrame, kept: NDArray[np.int64] | None, file: str, limits: Limits) -> pl.DataFrame:
    """The columns of the log that were asked for, typed, of the rows that are kept."""
    if not features.width:
        return pl.DataFrame()
    found = column_types.typed(features if kept is None else features[kept], limits)
    if found.left_out:
        index = {name: number for number, name in enumerate(features.columns)}
        errors = [
            FieldError(f"/mapping/features/{index[name]}", "column_unusable", f"the column {shown(name)}: {why}")
            for name, why in found.left_out.items()
        ]
        raise DatasetInvalid(f"{file}: no features can be made of " + "; ".join(e.detail for e in errors), errors)
    return found.frame


def factorize(column: pl.Series) -> tuple[NDArray[np.int32], pl.Series]:
    """Codes [rows] and the distinct values as text, in order of first appearance."""
    distinct = column.unique(maintain_order=True)
    if column.dtype.is_integer() and column.len():
        low, high = int(column.min()), int(column.max())  # type: ignore[arg-type]
        if high - low <= _DENSE * (column.len() + 1_000):
            table = np.zeros(high - low + 1, dtype=np.int32)
            table[distinct.to_numpy() - low] = np.arange(distinct.len(), dtype=np.int32)
            return table[column.to_numpy() - low], distinct.cast(pl.String)
    lookup = pl.DataFrame({"key": distinct, "code": np.arange(distinct.len(), dtype=np.int32)})
    codes = column.alias("key").to_frame().join(lookup, on="key", how="left", maintain_order="left")["code"]
    return codes.to_numpy(), distinct.cast(pl.String)


def _mark(
    columns: dict[str, pl.Series], frame: pl.DataFrame, lines: NDArray[np.integer[Any]], faults: Faults
) -> NDArray[np.bool_]:
    """Record the bad rows, each under the first reason that applies, and return them as a mask."""
    bad = np.zeros(frame.height, dtype=np.bool_)
    expected = ",".join(columns)

    def add(code: str, mask: NDArray[np.bool_], role: str, words: str) -> None:
        fresh = np.flatnonzero(mask & ~bad)
        if not len(fresh):
            return
        if code.endswith("missing"):
            faults.add(code, lines[fresh], f"{words}; expected {expected}")
        else:
            raw = frame[role]
            faults.add(code, lines[fresh], lambda i: f"{words}: {shown(raw[int(fresh[i])])}")
        bad[fresh] = True

    for role in ("user", "item"):
        add(f"{role}_missing", columns[role].is_null().to_numpy(), role, f"{role} missing")
    for role, words in (
        ("timestamp", "timestamp is neither a finite number nor an ISO 8601 date and time"),
        ("rating", "rating is not a finite number"),
    ):
        if role in columns and columns[role].null_count():
            add(f"{role}_missing", values.missing(frame[role]).to_numpy(), role, f"{role} missing")
            add(f"{role}_invalid", columns[role].is_null().to_numpy(), role, words)
    return bad


def _without_unusable(
    frame: pl.DataFrame, kept: NDArray[np.int64] | None, table: Table, limits: Limits
) -> tuple[pl.DataFrame, NDArray[np.int64] | None]:
    """The rows whose ids can be used, and where in the table they stand (None: it has no others)."""
    for role in ("user", "item"):
        refused = values.unusable(frame[role], limits)
        if refused is None:
            continue
        words = f"{role} id with control characters, longer than {limits.id_characters}, or reserved"
        lines = table.lines[refused] if kept is None else table.lines[kept[refused]]
        table.faults.add(f"{role}_invalid", lines, _describe(words, frame[role].filter(pl.Series(refused))))
        frame = frame.filter(~refused)
        kept = np.flatnonzero(~refused) if kept is None else kept[~refused]
    return frame, kept


def _describe(words: str, values_: pl.Series) -> Callable[[int], str]:
    return lambda index: f"{words}: {shown(values_[index])}"


def _report(
    raw: RawLog,
    spec: DatasetSpec,
    rows_in: int,
    accepted: int,
    notes: Sequence[str],
    user_ids: pl.Series,
    item_ids: pl.Series,
    items: RawItems | None,
    people: RawUsers | None,
    found: Sequence[Finding],
    shown_rows: Mapping[str, Any],
) -> LoadReport:
    counts, examples = combined(raw.table.faults, beside.faults(items, people))
    return LoadReport(
        format=raw.format,
        mapping=raw.mapping,
        detected=raw.detected,
        rows_in=rows_in,
        rows_accepted=accepted,
        rejected=counts,
        examples=tuple(example.as_dict() for example in examples),
        users=user_ids.len(),
        items=item_ids.len(),
        notes=tuple(notes),
        detection=explain([name for name, _ in raw.columns], spec.mapping, dict(raw.mapping)) if raw.columns else {},
        item_table=beside.report(items),
        user_table=beside.report(people),
        findings=tuple(finding.as_dict() for finding in found),
        preview=shown_rows,
    )


def _refuse(report: LoadReport, raw: RawLog, others: Mapping[str, Faults], spec: DatasetSpec) -> None:
    """Raise what the report gives reason for; `others` are the faults of the tables beside the log."""
    faults = [fault for part in (raw.table.faults, *others.values()) for fault in part.examples()]
    rejected = sum(report.rejected.values())
    if rejected and (spec.on_bad_rows == "reject" or not report.rows_accepted):
        more = rejected - 1
        message = f"{faults[0].file} line {faults[0].line}: {faults[0].detail}"
        message += f" (and {more:,} more row{'s' if more > 1 else ''})" if more else ""
        if not report.rows_accepted:  # nothing would be left without them
            message += "; no row could be read: mend the file, or say which of its columns is what"
        elif spec.on_bad_rows == "reject":
            message += "; mend the file, or leave such rows out with on_bad_rows=skip"
        raise DatasetInvalid(message, [_error(fault) for fault in faults[:20]], report)
    if report.users < 2 or report.items < 2:
        found = f"{report.rows_accepted} interactions of {report.users} user(s) with {report.items} item(s)"
        raise DatasetTooSmall(
            f"{raw.table.name}: {found}; at least 2 users and 2 items are needed, and hundreds to be of use",
            [FieldError("", "dataset_too_small", found)],
            report,
        )


def _error(fault: Fault) -> FieldError:
    return FieldError("", fault.code, f"{fault.file} line {fault.line}: {fault.detail}")
