"""Retention by policy: what is taken away from objects that stay, and when. `KINDS` is the list.

Jobs, datasets and versions themselves stay for ever, as rows; a policy takes their logs, events or files. What a client
may ask for and was taken is remembered in `removals`, so that the answer can say so instead of showing nothing. Blobs
that nothing refers to any more go with the next sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, Select, delete, func, literal, select
from sqlalchemy.orm import Session

from reco_core.durations import duration
from registry import retention_queries, tables
from registry.batches import batched
from registry.database import now
from registry.errors import RemovedByPolicy
from registry.upsert import insert_if_absent

if TYPE_CHECKING:
    from registry.database import Database
    from registry.settings import Settings

BATCH = 50


@dataclass(frozen=True)
class Kind:
    """One rule. `setting` says for how many days (None: for ever); `find` gives the ids of those from which to take.

    The rows that have the id in the column `rows` go; without one, the files that belong to it. With `with_files` both.
    `is_told`: a client can ask for it, and is told that it was removed.
    """

    name: str
    setting: str
    what: str
    find: Callable[[Any], Select[Any]]
    rows: Column[Any] | None = None
    with_files: bool = False
    is_told: bool = True
    unit: str = "days"


@dataclass(frozen=True)
class Due:
    """What a rule would take now, or has taken: from how many objects, rows, and bytes of files (shared ones count)."""

    kind: str
    setting: str
    limit: float | None
    objects: int = 0
    rows: int = 0
    bytes: int = 0
    files: int = 0


@dataclass
class _Counted:
    """Rows, files and their bytes."""

    rows: int = 0
    files: int = 0
    bytes: int = 0

    def add(self, more: _Counted) -> None:
        self.rows += more.rows
        self.files += more.files
        self.bytes += more.bytes


KINDS: tuple[Kind, ...] = (
    Kind(
        "logs",
        "keep_logs_days",
        "log lines of ended jobs",
        retention_queries.ended_with_logs,
        tables.job_logs.c.job_id,
    ),
    Kind(
        "events",
        "keep_events_days",
        "events of ended jobs",
        retention_queries.ended_with_events,
        tables.events.c.subject,
    ),
    Kind(
        "checkpoints",
        "keep_checkpoints_days",
        "checkpoints of jobs that failed or were cancelled, from which a retry would go on",
        retention_queries.stopped_with_checkpoints,
        tables.checkpoints.c.job_id,
    ),
    Kind(
        "spent_checkpoints",
        "",
        "checkpoints of jobs that succeeded",
        retention_queries.succeeded_with_checkpoints,
        tables.checkpoints.c.job_id,
        is_told=False,
    ),
    Kind(
        "examples",
        "keep_examples_days",
        "built examples that no job has used for so long",
        retention_queries.unused_example_sets,
        tables.example_sets.c.id,
        with_files=True,
        is_told=False,
    ),
    Kind(
        "invalid_uploads",
        "keep_invalid_uploads_days",
        "files of uploads that turned out invalid; their reports stay",
        retention_queries.invalid_with_files,
        is_told=False,
    ),
    Kind(
        "job_files",
        "keep_job_files_days",
        "files of jobs that publish no version: examples, evaluations",
        retention_queries.ended_with_files,
    ),
    Kind(
        "yanked_versions",
        "keep_yanked_versions_days",
        "files of versions that were yanked so long ago",
        retention_queries.yanked_with_files,
    ),
    Kind(
        "old_versions",
        "keep_versions",
        "files of versions below the newest so many of their model",
        retention_queries.below_the_newest,
        unit="versions",
    ),
)


def preview(database: Database, settings: Settings) -> list[Due]:
    """What each rule would take now. Changes nothing."""
    with database.read() as session:
        return [_measure(session, kind, settings) for kind in KINDS]


def apply(database: Database, settings: Settings, *, go_on: Callable[[], bool] = lambda: True) -> list[Due]:
    """Take what the rules say, some objects at a time; what each has taken. Stops early once `go_on` says no."""
    return [_apply(database, kind, settings, go_on) for kind in KINDS]


def removal_of(session: Session, subject: str, kind: str) -> RemovedByPolicy | None:
    """That a policy has taken this from the object, as the error that says so."""
    removals = tables.removals
    query = select(removals).where(removals.c.subject == subject, removals.c.kind == kind)
    row = session.execute(query).one_or_none()
    return None if row is None else RemovedByPolicy(f"removed on {row.removed_at:%Y-%m-%d}: {row.reason}")


def require_kept(session: Session, subject: str, *kinds: str) -> None:
    """Raise RemovedByPolicy where a policy has taken one of `kinds` from the object."""
    for kind in kinds:
        if (removed := removal_of(session, subject, kind)) is not None:
            raise removed


def _limit(kind: Kind, settings: Settings) -> float | None:
    if not kind.setting:
        return 0.0
    limit: float | None = getattr(settings, kind.setting)
    return limit


def _query(session: Session, kind: Kind, limit: float) -> Select[Any]:
    return kind.find(limit if kind.unit == "versions" else now(session) - timedelta(days=limit))


def _measure(session: Session, kind: Kind, settings: Settings) -> Due:
    limit = _limit(kind, settings)
    if limit is None:
        return Due(kind.name, kind.setting, None)
    ids = session.execute(_query(session, kind, limit)).scalars().all()
    counted = _Counted()
    for some in batched(ids, BATCH):
        counted.add(_count(session, kind, some))
    return Due(kind.name, kind.setting, limit, len(ids), counted.rows, counted.bytes, counted.files)


def _count(session: Session, kind: Kind, ids: Sequence[str]) -> _Counted:
    """What these objects have of this kind. A checkpoint is a row and a file."""
    columns = tables.files.c
    files, size = _sum(session, columns.bytes, columns.owner_id.in_(ids))
    if kind.rows is None:
        return _Counted(files, files, size)
    bytes_of_rows = kind.rows.table.c.get("bytes")
    rows, own_size = _sum(session, bytes_of_rows, kind.rows.in_(ids))
    if kind.with_files:
        return _Counted(rows, files, size)
    return _Counted(rows, rows if bytes_of_rows is not None else 0, own_size)


def _sum(session: Session, size: Column[Any] | None, where: ColumnElement[bool]) -> tuple[int, int]:
    total = literal(0) if size is None else func.coalesce(func.sum(size), 0)
    row = session.execute(select(func.count(), total).where(where)).one()
    return row[0], int(row[1])


def _apply(database: Database, kind: Kind, settings: Settings, go_on: Callable[[], bool]) -> Due:
    limit = _limit(kind, settings)
    if limit is None:
        return Due(kind.name, kind.setting, None)
    objects, total = 0, _Counted()
    while go_on():
        # Found anew each time, and in the transaction that takes: what has come into use since is left alone.
        with database.write() as session:
            ids = session.execute(_query(session, kind, limit).limit(BATCH)).scalars().all()
            if not ids:
                break
            counted = _count(session, kind, ids)
            _take(session, kind, ids, limit)
        objects += len(ids)
        total.add(counted)
    return Due(kind.name, kind.setting, limit, objects, total.rows, total.bytes, total.files)


def _take(session: Session, kind: Kind, ids: Sequence[str], limit: float) -> None:
    moment = now(session)
    if kind.rows is not None:
        session.execute(delete(kind.rows.table).where(kind.rows.in_(ids)))
    if kind.rows is None or kind.with_files:
        session.execute(delete(tables.files).where(tables.files.c.owner_id.in_(ids)))
    if kind.is_told:
        if kind.unit == "versions":
            reason = f"the service keeps the files of the newest {limit:g} of each model's versions ({kind.setting})"
        else:
            reason = f"the service keeps {kind.what} for {duration(limit * 86_400)} ({kind.setting})"
        for subject in ids:
            insert_if_absent(
                session, tables.removals, subject=subject, kind=kind.name, reason=reason, removed_at=moment
            )
