"""Datasets: `validating -> ready | invalid`. A job validates each; its verdict is final.

A deleted dataset stays as a row without content, since jobs and model versions refer to it; nothing here finds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from registry import dataset_rows, events, example_sets, files, ids, queues, tables
from registry.database import now
from registry.dataset_rows import get as get
from registry.dataset_rows import lock as lock
from registry.errors import DatasetInUse
from registry.job_rows import insert_job
from registry.names import check_dataset_name
from registry.paging import page
from registry.records import DEFAULT_PROJECT, Dataset, FileEntry, Page
from registry.verdicts import mark_invalid as mark_invalid
from registry.verdicts import mark_ready as mark_ready
from registry.verdicts import settle_unvalidated as settle_unvalidated

_datasets = tables.datasets


def create(
    session: Session,
    *,
    project: str = DEFAULT_PROJECT,
    name: str,
    spec: Mapping[str, Any],
    upload: Sequence[FileEntry] = (),
    source: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> Dataset:
    """Add a dataset in status `validating`, and queue the job that validates it (`validation_job_id`).

    `upload` are its files as they came, already in the blob store; `spec` is a DatasetSpec as JSON; `source` says
    where it came from, such as `{"filename": "ratings.csv"}`, or from where the job is to fetch it:
    `{"builtin": "movielens-100k"}`, `{"url": "https://...", "filename": "ratings.csv"}`. Raises InvalidName.
    """
    check_dataset_name(name)
    moment = now(session)
    dataset_id, job_id = ids.new("ds"), ids.new("job")
    session.execute(
        insert(_datasets).values(
            id=dataset_id,
            project_id=project,
            name=name,
            status="validating",
            spec=dict(spec),
            source=dict(source or {}),
            validation_job_id=job_id,
            labels=dict(labels or {}),
            created_at=moment,
            updated_at=moment,
        )
    )
    files.add(session, dataset_id, "upload", upload, moment)
    events.append(session, dataset_id, "dataset.created", {"name": name, "job_id": job_id})
    insert_job(
        session,
        id=job_id,
        project_id=project,
        type="validate_dataset",
        queue=queues.VALIDATE,
        dataset_id=dataset_id,
        config={},
        metadata={},
        request_id=request_id,
    )
    return get(session, dataset_id)


def list_page(
    session: Session,
    project: str = DEFAULT_PROJECT,
    *,
    status: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    labels: Mapping[str, str] | None = None,
    after: str | None = None,
    limit: int = 20,
) -> Page[Dataset]:
    """Datasets, newest first; `after` is the `next_after` of the page before. All of `labels` must be theirs."""
    query = select(_datasets).where(_datasets.c.project_id == project, _datasets.c.deleted_at.is_(None))
    if status is not None:
        query = query.where(_datasets.c.status == status)
    if created_after is not None:
        query = query.where(_datasets.c.created_at > created_after)
    if created_before is not None:
        query = query.where(_datasets.c.created_at < created_before)
    for key, value in (labels or {}).items():
        # No index: a project has hundreds of datasets, not millions.
        query = query.where(_datasets.c.labels[key].as_string() == value)
    found = page(session, query, _datasets.c.id, after, limit, lambda row: row)
    return Page(tuple(dataset_rows.records(session, found.items)), found.next_after)


def update_about(
    session: Session, dataset_id: str, *, name: str | None = None, labels: Mapping[str, str] | None = None
) -> Dataset:
    """Give it another name, or other labels in place of all it has; None: as it is. `lock` it first.

    What was uploaded and read never changes. Raises InvalidName and NotFound.
    """
    values: dict[str, Any] = {} if name is None else {"name": check_dataset_name(name)}
    if labels is not None:
        values["labels"] = dict(labels)
    session.execute(
        update(_datasets)
        .where(_datasets.c.id == dataset_id, _datasets.c.deleted_at.is_(None))
        .values(revision=_datasets.c.revision + 1, updated_at=now(session), **values)
    )
    return get(session, dataset_id)


def delete(session: Session, dataset_id: str, *, project: str | None = None) -> None:
    """Delete the dataset: its files, report and preview are gone, and nothing finds it any more.

    A validation under way is cancelled. Jobs and model versions made from it stay as they are; examples kept for later
    jobs go, unless another dataset has the same content. Blobs stay in the store, since another upload may have it too.

    Raises:
        NotFound: there is no such dataset.
        DatasetInUse: jobs that need it are waiting or running.
    """
    from registry import jobs

    if (dataset := get(session, dataset_id, project=project)).status == "validating":
        # Before the dataset is locked: a worker that settles it takes the two locks in this order too.
        jobs.request_cancel(session, dataset.validation_job_id)
    dataset = lock(session, dataset_id, project=project)
    users = jobs.list_unfinished(session, dataset_id, besides=dataset.validation_job_id)
    if users:
        shown = ", ".join(users[:10]) + (f" and {len(users) - 10} more" if len(users) > 10 else "")
        raise DatasetInUse(
            f"dataset {dataset_id} is in use by {shown}; cancel the job(s), or wait until they have ended", tuple(users)
        )
    moment = now(session)
    gone: dict[str, Any] = {"report": None, "preview": None, "deleted_at": moment, "updated_at": moment}
    if dataset.status == "validating":
        # So that the worker, which may be about to write its verdict, finds that there is one already.
        error = {"code": "validation_cancelled", "message": "the dataset was deleted", "errors": []}
        gone |= {"status": "invalid", "error": error}
    session.execute(
        update(_datasets).where(_datasets.c.id == dataset_id).values(revision=_datasets.c.revision + 1, **gone)
    )
    if "error" in gone:
        events.append(session, dataset_id, "dataset.invalid", {"error": gone["error"]})  # streams wait for an end
    files.remove(session, dataset_id)
    if dataset.content_hash is not None:
        example_sets.drop_unowned(session, dataset.project_id, dataset.content_hash)
