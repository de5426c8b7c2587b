"""Reading rows of `datasets` as records. Private to the registry; others use the verbs of `datasets`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.orm import Session

from registry import files, tables
from registry.errors import NotFound
from registry.records import Dataset, build

_datasets = tables.datasets


def get(session: Session, dataset_id: str, *, project: str | None = None) -> Dataset:
    """The dataset, of `project` if one is given. Raises NotFound, also once it has been deleted."""
    return _one(session, _by_id(dataset_id, project), dataset_id)


def lock(session: Session, dataset_id: str, *, project: str | None = None) -> Dataset:
    """`get`, and nobody else changes, deletes or uses the dataset until this transaction ends.

    On SQLite a writing transaction is alone anyway.
    """
    return _one(session, _by_id(dataset_id, project).with_for_update(), dataset_id)


def records(session: Session, rows: Sequence[RowMapping]) -> list[Dataset]:
    """The rows with their files."""
    found = files.of(session, [row["id"] for row in rows])
    return [
        build(
            Dataset,
            row,
            upload=found.get((row["id"], "upload"), ()),
            files=found.get((row["id"], "canonical"), ()),
        )
        for row in rows
    ]


def _by_id(dataset_id: str, project: str | None) -> Select[Any]:
    query = select(_datasets).where(_datasets.c.id == dataset_id, _datasets.c.deleted_at.is_(None))
    return query if project is None else query.where(_datasets.c.project_id == project)


def _one(session: Session, query: Select[Any], dataset_id: str) -> Dataset:
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no dataset {dataset_id}")
    return records(session, [row])[0]
