"""The objects that each rule of `retention` is about: queries for their ids, the oldest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, select

from registry import tables

_jobs = tables.jobs
_versions = tables.model_versions
_models = tables.models


def ended_with_logs(before: datetime) -> Select[Any]:
    """Jobs that ended before this and have log lines."""
    return _ended(before, exists().where(tables.job_logs.c.job_id == _jobs.c.id))


def ended_with_events(before: datetime) -> Select[Any]:
    """Jobs that ended before this and have events."""
    return _ended(before, exists().where(tables.events.c.subject == _jobs.c.id))


def ended_with_files(before: datetime) -> Select[Any]:
    """Jobs that ended before this and own files themselves."""
    return _ended(before, exists().where(tables.files.c.owner_id == _jobs.c.id))


def stopped_with_checkpoints(before: datetime) -> Select[Any]:
    """Jobs that ended before this without a result, and have a checkpoint."""
    return _ended(before, and_(_jobs.c.status != "succeeded", _has_checkpoint()))


def succeeded_with_checkpoints(before: datetime) -> Select[Any]:
    """Jobs that succeeded, and whose checkpoint is of no use any more."""
    return _ended(before, and_(_jobs.c.status == "succeeded", _has_checkpoint()))


def unused_example_sets(before: datetime) -> Select[Any]:
    """Example sets that no job has used since."""
    sets = tables.example_sets
    return select(sets.c.id).where(sets.c.last_used_at <= before).order_by(sets.c.id)


def invalid_with_files(before: datetime) -> Select[Any]:
    """Datasets that were found invalid before this, and whose upload is still there."""
    datasets = tables.datasets
    owns = exists().where(tables.files.c.owner_id == datasets.c.id)
    found = and_(datasets.c.status == "invalid", datasets.c.updated_at <= before, owns)
    return select(datasets.c.id).where(found).order_by(datasets.c.id)


def yanked_with_files(before: datetime) -> Select[Any]:
    """Versions that were yanked before this, and that no waiting or running job begins with."""
    return _versions_with_files(_versions.c.yanked_at <= before)


def below_the_newest(count: float) -> Select[Any]:
    """Versions of which the model has at least `count` newer ones that aren't yanked."""
    newer = _versions.alias("newer")
    above = (
        select(func.count())
        .where(newer.c.model_id == _versions.c.model_id, newer.c.version > _versions.c.version)
        .where(newer.c.yanked_at.is_(None))
        .scalar_subquery()
    )
    return _versions_with_files(above >= int(count))


def _ended(before: datetime, condition: ColumnElement[bool]) -> Select[Any]:
    return select(_jobs.c.id).where(_jobs.c.finished_at <= before, condition).order_by(_jobs.c.finished_at, _jobs.c.id)


def _has_checkpoint() -> ColumnElement[bool]:
    return exists().where(tables.checkpoints.c.job_id == _jobs.c.id)


def _versions_with_files(condition: ColumnElement[bool]) -> Select[Any]:
    owns = exists().where(tables.files.c.owner_id == _versions.c.id)
    base = _jobs.c.base
    wanted = exists().where(
        _jobs.c.status.in_(("queued", "running")),
        base.is_not(None),
        base["model"].as_string() == _models.c.name,
        base["version"].as_integer() == _versions.c.version,
        _jobs.c.project_id == _models.c.project_id,
    )
    query = select(_versions.c.id).join(_models, _models.c.id == _versions.c.model_id)
    return query.where(condition, owns, ~wanted).order_by(_versions.c.id)
