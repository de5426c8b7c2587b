"""From raw tables to `Interactions`: values checked, ids turned into codes, the report written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reco_core.datasets import findings, preview, values
from reco_core.datasets.faults import Fault, Faults, Finding, combined, shown
from reco_core.datasets.limits import Limits
from reco_core.datasets.mapping import explain
from reco_core.datasets.spec import DatasetSpec
from reco_core.datasets.tables import RawItems, RawLog, Table
from reco_core.datasets.types import Interactions, ItemTable, LoadReport
from reco_core.errors import DatasetInvalid, DatasetTooSmall, FieldError

PADDING = "<pad>"  # what vocabularies call index 0


def assemble(raw: RawLog, spec: DatasetSpec, limits: Limits) -> Interactions:
    """The interactions of `raw`.

    Raises:
        DatasetInvalid: bad rows, and the spec doesn't say to skip them; the error carries the complete report.
        DatasetTooSmall: no rows, one user, or one item.
    """
    table = raw.table
    rows_in = table.rows_in
    columns = {"user": values.ids(table.frame["user"], "user", table.name)}
    columns["item"] = values.ids(table.frame["item"], "item", table.name)
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
    items = _wanted_items(raw.items, item_ids, spec, limits)
    if items is not None and not items.frame.height:
        notes.append(f"{items.faults.file}: left out, since none of its ids occurs in the log")
    coded = frame.with_columns(user=pl.Series(users), item=pl.Series(codes))
    found = [*findings.of_log(table, coded, kept), *findings.of_items(items, item_ids)]
    shown_rows = preview.of(raw, frame, kept, items)
    report = _report(raw, spec, rows_in, frame.height, notes, user_ids, item_ids, items, found, shown_rows)
    _refuse(report, raw, items, spec)
    all_ids, item_table = _join(item_ids, items)
    return Interactions(
        users=users,
        items=codes,
        timestamps=frame["timestamp"].to_numpy() if "timestamp" in columns else None,
        ratings=frame["rating"].to_numpy() if "rating" in columns else None,
        user_ids=tuple(user_ids.to_list()),
        item_ids=all_ids,
        item_table=item_table,
        report=report,
    )


def factorize(column: pl.Series) -> tuple[NDArray[np.int32], pl.Series]:
    """Codes [rows] and the distinct values, in order of first appearance."""
    distinct = column.unique(maintain_order=True)
    lookup = pl.DataFrame({"key": distinct, "code": np.arange(distinct.len(), dtype=np.int32)})
    codes = column.alias("key").to_frame().join(lookup, on="key", how="left", maintain_order="left")["code"]
    return codes.to_numpy(), distinct


def _mark(
    columns: dict[str, pl.Series], frame: pl.DataFrame, lines: NDArray[np.int64], faults: Faults
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
        refused = _unusable(frame[role], limits)
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


def _unusable(ids: pl.Series, limits: Limits) -> NDArray[np.bool_] | None:
    """Ids that can't stand in a vocabulary file with a line per id, or None if all can."""
    # far fewer than rows, as a rule
    distinct = ids.unique(maintain_order=True)  # the order is of no use here, but this way is faster
    refused = distinct.filter(
        distinct.str.contains(r"[\x00-\x1f\x7f\x{85}\x{2028}\x{2029}]")
        | (distinct.str.len_chars() > limits.id_characters)
        | (distinct == PADDING)
    )
    return ids.is_in(refused.implode()).fill_null(False).to_numpy() if refused.len() else None


def _wanted_items(items: RawItems | None, log_ids: pl.Series, spec: DatasetSpec, limits: Limits) -> RawItems | None:
    """The item table less what can't be used, or isn't wanted; None if it belongs to another log."""
    if items is None or spec.items is None:
        return None
    frame, name = items.frame, items.attribute_name
    unusable = _unusable(frame["id"], limits)
    found = items.findings
    if unusable is not None:
        found = (*found, findings.unusable_ids(frame["id"].filter(pl.Series(unusable))))
        frame = frame.filter(~unusable)
    if spec.items.title is None:
        frame = frame.with_columns(title=pl.lit(None, dtype=pl.String))
    if spec.items.categories is None:
        frame, name = frame.with_columns(attribute=pl.lit([], dtype=pl.List(pl.String))), None
    if frame.height and not frame["id"].is_in(log_ids.implode()).any():
        frame = frame.clear()
    return RawItems(frame, name, items.faults, items.rows_in, found)


def _report(
    raw: RawLog,
    spec: DatasetSpec,
    rows_in: int,
    accepted: int,
    notes: Sequence[str],
    user_ids: pl.Series,
    item_ids: pl.Series,
    items: RawItems | None,
    found: Sequence[Finding],
    shown_rows: Mapping[str, Any],
) -> LoadReport:
    counts, examples = combined(raw.table.faults, *([items.faults] if items else []))
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
        item_table=None if items is None else _item_report(items),
        findings=tuple(finding.as_dict() for finding in found),
        preview=shown_rows,
    )


def _item_report(items: RawItems) -> dict[str, Any]:
    rejected = dict(items.faults.counts)
    rows = {"in": items.rows_in, "accepted": items.rows_in - sum(rejected.values()), "rejected": rejected}
    return {"file": items.faults.file, "rows": rows}


def _refuse(report: LoadReport, raw: RawLog, items: RawItems | None, spec: DatasetSpec) -> None:
    """Raise what the report gives reason for."""
    faults = raw.table.faults.examples() + (items.faults.examples() if items else [])
    rejected = sum(report.rejected.values())
    if rejected and (spec.on_bad_rows == "reject" or not report.rows_accepted):
        more = rejected - 1
        message = f"{faults[0].file} line {faults[0].line}: {faults[0].detail}"
        message += f" (and {more:,} more row{'s' if more > 1 else ''})" if more else ""
        if spec.on_bad_rows == "reject":
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


def _join(item_ids: pl.Series, items: RawItems | None) -> tuple[tuple[str, ...], ItemTable | None]:
    """All item ids, the log's first, and the item table in that order."""
    log = tuple(item_ids.to_list())
    if items is None or not items.frame.height:
        return log, None
    known = item_ids.alias("id").to_frame()
    rest = items.frame.join(known, on="id", how="anti", maintain_order="left")
    rows = pl.concat([known.join(items.frame, on="id", how="left", maintain_order="left"), rest], how="vertical")
    attributes = tuple(tuple(entry) if entry else () for entry in rows["attribute"].to_list())
    table = ItemTable(tuple(rows["title"].to_list()), items.attribute_name, attributes)
    return tuple(rows["id"].to_list()), table
