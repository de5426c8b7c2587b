"""The verdict on a dataset: a validation job makes it `ready` or `invalid`, once. Public in `registry.datasets`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from registry import dataset_rows, events, files, tables
from registry.database import now
from registry.errors import LeaseLost
from registry.job_rows import fenced
from registry.records import Claim, Dataset, FileEntry, Job

_datasets = tables.datasets


def mark_ready(
    session: Session,
    claim: Claim,
    *,
    report: Mapping[str, Any],
    content_hash: str,
    files: Sequence[FileEntry],
    preview: Mapping[str, Any] | None = None,
    fetched: Sequence[FileEntry] = (),
) -> Dataset:
    """The dataset of the claimed validation job is good; `files` are its canonical form, already in the blob store.

    `fetched` are its files as they came, where the job has downloaded them. Then end the job itself with `jobs.succeed`
    in the same transaction. Raises LeaseLost.
    """
    return _settle(
        session,
        claim,
        "ready",
        report=report,
        preview=preview,
        content_hash=content_hash,
        canonical=files,
        fetched=fetched,
    )


def mark_invalid(
    session: Session,
    claim: Claim,
    *,
    error: Mapping[str, Any],
    report: Mapping[str, Any] | None = None,
    preview: Mapping[str, Any] | None = None,
    fetched: Sequence[FileEntry] = (),
) -> Dataset:
    """The dataset of the claimed validation job is faulty: `error` is `{code, message, errors}`. The upload stays.

    The job has done its work all the same: end it with `jobs.succeed` in the same transaction. Raises LeaseLost.
    """
    return _settle(session, claim, "invalid", report=report, preview=preview, error=error, fetched=fetched)


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
    preview: Mapping[str, Any] | None,
    error: Mapping[str, Any] | None = None,
    content_hash: str | None = None,
    canonical: Sequence[FileEntry] = (),
    fetched: Sequence[FileEntry] = (),
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
            preview=None if preview is None else dict(preview),
            error=None if error is None else dict(error),
            content_hash=content_hash,
            updated_at=moment,
            ready_at=moment if status == "ready" else None,
        )
        .returning(_datasets.c.id)
    ).scalar_one_or_none()
    if settled is None:
        raise LeaseLost(f"dataset {job.dataset_id} has its verdict already")
    files.add(session, job.dataset_id, "upload", fetched, moment)
    files.add(session, job.dataset_id, "canonical", canonical, moment)
    data = {"content_hash": content_hash} if error is None else {"error": dict(error)}
    events.append(session, job.dataset_id, f"dataset.{status}", data)
    return dataset_rows.get(session, job.dataset_id)
