"""The append-only log: what happened to each job, dataset and model, numbered per subject from 1 without gaps.

A number is taken from a counter in the subject's own row, in the transaction that writes the event. The row stays
locked until that transaction ends, so numbers are neither skipped nor given twice, and no reader sees n+1 before n.

Types: job.created, job.config_converted, job.started, job.resumed, job.phase_changed, job.epoch_completed,
job.checkpointed, job.started_over, job.attempt_ended, job.cancel_requested, job.succeeded, job.failed, job.cancelled,
model.version_created, model.version_yanked, model.version_unyanked, dataset.created, dataset.ready, dataset.invalid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Table, insert, select, update
from sqlalchemy.orm import Session

from registry import ids, tables
from registry.database import now
from registry.errors import NotFound
from registry.records import Event, build

TERMINAL_TYPES: frozenset[str] = frozenset(
    {"job.succeeded", "job.failed", "job.cancelled", "dataset.ready", "dataset.invalid"}
)
"""What a subject is followed for has come to its end: a stream may close once it has sent all there is."""

_AT_ONCE = 500
_SUBJECTS: dict[str, Table] = {"job": tables.jobs, "ds": tables.datasets, "mdl": tables.models}


def append(session: Session, subject: str, type: str, data: Mapping[str, Any] | None = None) -> int:  # noqa: A002
    """Append an event to `subject` (`job_`, `ds_` or `mdl_` id) and return its seq. Raises NotFound."""
    table = _SUBJECTS.get(subject.partition("_")[0])
    if table is None:
        raise NotFound(f"{subject[:80]!r} is no id of a job, dataset or model")
    taken = session.execute(
        update(table)
        .where(table.c.id == subject)
        .values(last_seq=table.c.last_seq + 1, revision=table.c.revision + 1)
        .returning(table.c.last_seq, table.c.project_id)
    ).one_or_none()
    if taken is None:
        raise NotFound(f"there is no {subject}")
    session.execute(
        insert(tables.events).values(
            id=ids.new("evt"),
            project_id=taken.project_id,
            subject=subject,
            seq=taken.last_seq,
            type=type,
            data=dict(data or {}),
            created_at=now(session),
        )
    )
    return int(taken.last_seq)


def last_seqs(session: Session, subjects: Iterable[str]) -> dict[str, int]:
    """The newest seq of each subject that exists, read by primary key."""
    ids_by_kind: dict[str, list[str]] = {}
    for subject in subjects:
        ids_by_kind.setdefault(subject.partition("_")[0], []).append(subject)
    found: dict[str, int] = {}
    for kind, table in _SUBJECTS.items():
        wanted = ids_by_kind.get(kind, [])
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            rows = session.execute(select(table.c.id, table.c.last_seq).where(table.c.id.in_(part)))
            found.update({row.id: row.last_seq for row in rows})
    return found


def list_after(session: Session, subject: str, seq: int = 0, limit: int = 100) -> list[Event]:
    """Up to `limit` events of `subject` with a seq greater than `seq`, in order. Unknown subjects have none."""
    rows = session.execute(
        select(tables.events)
        .where(tables.events.c.subject == subject, tables.events.c.seq > seq)
        .order_by(tables.events.c.seq)
        .limit(limit)
    )
    return [build(Event, row) for row in rows.mappings()]
