"""Built examples that later jobs of the same project begin with, found by the key of all that they depend on.

A cache: any row may go at any time. Blobs stay in the store, as those of deleted datasets do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.orm import Session

from registry import files, ids, tables
from registry.database import now
from registry.job_rows import fenced
from registry.records import Claim, ExampleSet, FileEntry, build
from registry.upsert import insert_if_absent

_sets = tables.example_sets


def find(session: Session, project: str, key: str) -> ExampleSet | None:
    """The project's set under `key`, if it is kept."""
    row = session.execute(select(_sets).where(_is(project, key))).mappings().one_or_none()
    if row is None:
        return None
    return build(ExampleSet, row, files=files.of(session, [row["id"]]).get((row["id"], "artifact"), ()))


def keep(
    session: Session, claim: Claim, *, key: str, data_hash: str, entries: Sequence[FileEntry], max_bytes: int
) -> bool:
    """Keep what the claimed job has built, unless there is such a set already; whether it is kept now.

    The blobs of `entries` must be in the store. Sets unused for longest go until all together, of all projects, have at
    most `max_bytes`; a set larger than that isn't kept. Raises LeaseLost, InvalidName.
    """
    moment = now(session)
    job = fenced(session, claim, moment)
    size = sum(entry.bytes for entry in entries)
    if size > max_bytes:
        return False
    values: dict[str, Any] = {"project_id": job.project_id, "key": key, "data_hash": data_hash, "bytes": size}
    set_id = ids.new("exs")
    if insert_if_absent(session, _sets, id=set_id, created_at=moment, last_used_at=moment, **values):
        files.add(session, set_id, "artifact", entries, moment)
        _make_room(session, max_bytes)
    else:
        touch(session, job.project_id, key, moment)
    return True


def touch(session: Session, project: str, key: str, moment: datetime | None = None) -> None:
    """A job uses it now, so that it goes later than others."""
    session.execute(update(_sets).where(_is(project, key)).values(last_used_at=moment or now(session)))


def drop(session: Session, project: str, key: str) -> bool:
    """Keep it no longer; whether there was one."""
    found = session.execute(select(_sets.c.id).where(_is(project, key))).scalar_one_or_none()
    if found is not None:
        _drop(session, [found])
    return found is not None


def drop_unowned(session: Session, project: str, data_hash: str) -> None:
    """Drop the sets built from this content, unless a dataset of the project still has it."""
    datasets = tables.datasets
    owned = exists().where(
        datasets.c.project_id == project, datasets.c.content_hash == data_hash, datasets.c.deleted_at.is_(None)
    )
    query = select(_sets.c.id).where(_sets.c.project_id == project, _sets.c.data_hash == data_hash, ~owned)
    _drop(session, session.execute(query.order_by(_sets.c.id)).scalars().all())


def _make_room(session: Session, max_bytes: int) -> None:
    newest_first = select(_sets.c.id, _sets.c.bytes).order_by(_sets.c.last_used_at.desc(), _sets.c.id.desc())
    taken, too_many = 0, []
    for row in session.execute(newest_first):
        taken += row.bytes
        if taken > max_bytes:
            too_many.append(row.id)
    # In one order, so that two transactions that drop the same rows take their locks in it.
    _drop(session, sorted(too_many))


def _drop(session: Session, set_ids: Sequence[str]) -> None:
    for set_id in set_ids:
        session.execute(delete(_sets).where(_sets.c.id == set_id))
        files.remove(session, set_id)


def _is(project: str, key: str) -> ColumnElement[bool]:
    return (_sets.c.project_id == project) & (_sets.c.key == key)
