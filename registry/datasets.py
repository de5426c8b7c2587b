"""Datasets: `validating -> ready | invalid`. A job validates each; its verdict is final."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.orm import Session

from registry import events, files, ids, queues, tables
from registry.database import now
from registry.errors import LeaseLost, NotFound
from registry.job_rows import fenced, insert_job
from registry.names import check_dataset_name
from registry.paging import page
from registry.records import DEFAULT_PROJECT, Claim, Dataset, FileEntry, Job, Page, build

_datasets = tables.datasets


def create(
    session: Session,
    *,
    project: str = DEFAULT_PROJECT,
    name: str,
    spec: Mapping[str, Any],
    upload: Sequence[FileEntry] = (),
    source: Mapping[str, Any] | None = None,
    labels: Mapping[str, Any] | None = None,
) -> Dataset:
    """Add a dataset in status `validating`, and queue the job that validates it (`validation_job_id`).

    `upload` are its files as they came, already in the blob store; `spec` is a DatasetSpec as JSON; `source` says
    where it came from, such as `{"filename": "ratings.csv"}` or `{"builtin": "movielens-100k"}`. Raises InvalidName.
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
    )
    return get(session, dataset_id)


def get(session: Session, dataset_id: str, *, project: str | None = None) -> Dataset:
    """The dataset, of `project` if one is given. Raises NotFound."""
    query = select(_datasets).where(_datasets.c.id == dataset_id)
    if project is not None:
        query = query.where(_datasets.c.project_id == project)
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no dataset {dataset_id}")
    return _records(session, [row])[0]


def list_page(
    session: Session,
    project: str = DEFAULT_PROJECT,
    *,
    status: str | None = None,
    after: str | None = None,
    limit: int = 20,
) -> Page[Dataset]:
    """Datasets, newest first; `after` is the `next_after` of the page before."""
    query = select(_datasets).where(_datasets.c.project_id == project)
    if status is not None:
        query = query.where(_datasets.c.status == status)
    found = page(session, query, _datasets.c.id, after, limit, lambda row: row)
    return Page(tuple(_records(session, found.items)), found.next_after)


def mark_ready(
    session: Session, claim: Claim, *, report: Mapping[str, Any], content_hash: str, files: Sequence[FileEntry]
) -> Dataset:
    """The dataset of the claimed validation job is good; `files` are its canonical form, already in the blob store.

    Then end the job itself with `jobs.succeed` in the same transaction. Raises LeaseLost.
    """
    return _settle(session, claim, "ready", report=report, content_hash=content_hash, canonical=files)


def mark_invalid(
    session: Session, claim: Claim, *, error: Mapping[str, Any], report: Mapping[str, Any] | None = None
) -> Dataset:
    """The dataset of the claimed validation job is faulty: `error` is `{code, message, errors}`. The upload stays.

    The job has done its work all the same: end it with `jobs.succeed` in the same transaction. Raises LeaseLost.
    """
    return _settle(session, claim, "invalid", report=report, error=error)


def settle_unvalidated(session: Session, job: Job, moment: datetime, error: Mapping[str, Any] | None) -> None:
    """A validation job ended without a verdict: its dataset is invalid. For the job state machine only."""
    reason = (
        dict(error)
        if error
        else {"code": "validation_cancelled", "message": "its validation was cancelled", "errors": []}
    )
    statement = (
        update(_datasets)
        .where(_datasets.c.id == job.dataset_id, _datasets.c.status == "validating")
        .values(status="invalid", error=reason, updated_at=moment)
        .returning(_datasets.c.id)
    )
    dataset_id = session.execute(statement).scalar_one_or_none()
    if dataset_id is not None:
        events.append(session, dataset_id, "dataset.invalid", {"error": reason})


def _settle(
    session: Session,
    claim: Claim,
    status: str,
    *,
    report: Mapping[str, Any] | None,
    error: Mapping[str, Any] | None = None,
    content_hash: str | None = None,
    canonical: Sequence[FileEntry] = (),
) -> Dataset:
    moment = now(session)
    job = fenced(session, claim, moment)
    if job.type != "validate_dataset" or job.dataset_id is None:
        raise ValueError(f"{job.id} is a job of type {job.type}; only validate_dataset may settle a dataset")
    settled = session.execute(
        update(_datasets)
        .where(_datasets.c.id == job.dataset_id, _datasets.c.status == "validating")
        .values(
            status=status,
            report=None if report is None else dict(report),
            error=None if error is None else dict(error),
            content_hash=content_hash,
            updated_at=moment,
            ready_at=moment if status == "ready" else None,
        )
        .returning(_datasets.c.id)
    ).scalar_one_or_none()
    if settled is None:
        raise LeaseLost(f"dataset {job.dataset_id} has its verdict already")
    files.add(session, job.dataset_id, "canonical", canonical, moment)
    data = {"content_hash": content_hash} if error is None else {"error": dict(error)}
    events.append(session, job.dataset_id, f"dataset.{status}", data)
    return get(session, job.dataset_id)


def _records(session: Session, rows: Sequence[RowMapping]) -> list[Dataset]:
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
