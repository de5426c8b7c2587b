"""Promoted checkpoints: the state from which another machine can go on with a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, delete, insert, select
from sqlalchemy.orm import Session

from registry import ids, tables
from registry.database import now
from registry.files import record_blobs
from registry.job_rows import announce, fenced
from registry.records import Blob, Checkpoint, Claim, build

_checkpoints = tables.checkpoints


def promote_checkpoint(
    session: Session,
    claim: Claim,
    sha256: str,
    bytes: int,  # noqa: A002
    epoch: int,
    step: int,
) -> Checkpoint:
    """Make a checkpoint, already in the blob store, the one to resume from.

    Raises LeaseLost, BlobMissing. The job's other checkpoints are forgotten: nothing goes on from them any more.
    It counts as progress if it is further than every earlier one: `epoch` epochs and `step` steps of the next are done.
    """
    moment = now(session)
    job = fenced(session, claim, moment)
    before = latest_checkpoint(session, job.id)
    checkpoint = Checkpoint(
        id=ids.new("ckpt"),
        job_id=job.id,
        fence=claim.fence,
        attempt=job.attempt,
        sha256=sha256,
        bytes=bytes,
        epoch=epoch,
        step=step,
        created_at=moment,
    )
    record_blobs(session, [Blob(sha256, bytes)], moment)
    session.execute(insert(_checkpoints).values(**vars(checkpoint)))
    _forget_all_but_the_furthest(session, job.id)
    if before is None or (before.epoch, before.step) < (epoch, step):
        job = fenced(session, claim, moment, attempts_without_progress=0)
        announce(session, job, "job.checkpointed", {"epoch": epoch, "step": step, "attempt": job.attempt})
    return checkpoint


def start_over(session: Session, claim: Claim, reason: str) -> None:
    """Nothing can go on from the job's checkpoints: forget them, and what was recorded of the epochs that led to them.

    Raises LeaseLost. The job's phases and its attempts without progress stay counted.
    """
    job = fenced(session, claim)
    session.execute(delete(_checkpoints).where(_checkpoints.c.job_id == job.id))
    session.execute(delete(tables.job_epochs).where(tables.job_epochs.c.job_id == job.id))
    announce(session, job, "job.started_over", {"attempt": job.attempt, "reason": reason})


def _forget_all_but_the_furthest(session: Session, job_id: str) -> None:
    furthest = latest_checkpoint(session, job_id)
    if furthest is not None:
        session.execute(delete(_checkpoints).where(_checkpoints.c.job_id == job_id, _checkpoints.c.id != furthest.id))


def hand_on(session: Session, checkpoint: Checkpoint, job_id: str) -> None:
    """Let another job, which nobody has claimed yet, begin where `checkpoint` stands."""
    copy = replace(checkpoint, id=ids.new("ckpt"), job_id=job_id, fence=0, attempt=0, created_at=now(session))
    session.execute(insert(_checkpoints).values(**vars(copy)))


def latest_of(session: Session, job_ids: Sequence[str]) -> dict[str, Checkpoint]:
    """`latest_checkpoint` of each job that has one."""
    columns = _checkpoints.c
    own = tables.jobs.alias("own")
    furthest = (
        select(columns.id)
        .where(columns.job_id == own.c.id)
        .order_by(columns.epoch.desc(), columns.step.desc(), columns.id.desc())
        .limit(1)
        .correlate(own)
        .scalar_subquery()
    )
    query = select(_checkpoints).where(columns.id.in_(select(furthest).where(own.c.id.in_(job_ids))))
    return {row["job_id"]: build(Checkpoint, row) for row in session.execute(query).mappings()}


def latest_checkpoint(session: Session, job_id: str) -> Checkpoint | None:
    """The furthest checkpoint that any attempt promoted; of equals the newest."""
    return _one(session, _furthest(job_id))


def lock_latest(session: Session, job_id: str) -> Checkpoint | None:
    """`latest_checkpoint`, and no policy takes it away before this transaction ends."""
    return _one(session, _furthest(job_id).with_for_update(read=True, key_share=True))


def _furthest(job_id: str) -> Select[Any]:
    columns = _checkpoints.c
    return (
        select(_checkpoints)
        .where(columns.job_id == job_id)
        .order_by(columns.epoch.desc(), columns.step.desc(), columns.id.desc())
        .limit(1)
    )


def _one(session: Session, query: Select[Any]) -> Checkpoint | None:
    row = session.execute(query).mappings().one_or_none()
    return None if row is None else build(Checkpoint, row)
