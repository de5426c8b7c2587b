"""Lists of jobs by any combination of filters, at about the same cost whatever the number of jobs.

Each filter alone has an index in the order of the list. With several, what matters is whether one of them is rare: the
first RARE ids of each are looked up, and where that is all there are, they are the candidates and the other filters are
checked on them. If all are common, a page is full after few rows. So no plan depends on what the database believes
about its rows; SQLite believes nothing. The case that stays slow is two common filters that hardly any job meets both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, exists, select
from sqlalchemy.orm import Session

from registry import ids, tables
from registry.job_rows import to_job
from registry.paging import page
from registry.records import DEFAULT_PROJECT, Job, Page

RARE = 1000
# Ids are made by the clock of the machine that took the request, `created_at` is the database's time.
CLOCKS_APART = timedelta(minutes=5)
_jobs = tables.jobs
_pairs = tables.job_metadata
Condition = ColumnElement[bool]
Pair = tuple[str, str]


def list_page(
    session: Session,
    project: str = DEFAULT_PROJECT,
    *,
    status: str | None = None,
    types: Sequence[str] | None = None,
    dataset_id: str | None = None,
    model: str | None = None,
    metadata: Mapping[str, str] | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    after: str | None = None,
    limit: int = 20,
) -> Page[Job]:
    """Jobs that meet all filters, newest first; `after` is the `next_after` of the page before.

    `status` also understands `cancelling`; all pairs of `metadata` must be the job's.
    """
    columns: list[Condition] = []
    if dataset_id is not None:
        columns.append(_jobs.c.dataset_id == dataset_id)
    if model is not None:
        columns.append(_jobs.c.model == model)
    if status is not None:
        columns.append(_has_status(status))
    if types is not None:
        columns.append(_jobs.c.type.in_(types))
    pairs = list((metadata or {}).items())
    times = [*_range(_jobs.c.created_at, created_after, created_before)]
    id_range = _id_range(created_after, created_before, after)

    query = select(_jobs).where(_jobs.c.project_id == project, *columns, *times)
    if len(columns) + len(pairs) > 1:
        candidates = _candidates(session, project, columns, pairs, id_range)
        if candidates is not None:
            query = query.where(_jobs.c.id.in_(candidates), *map(_has, pairs))
            return page(session, query, _jobs.c.id, after, limit, to_job)
    if not pairs:
        return page(session, query.where(*_range(_jobs.c.id, *id_range)), _jobs.c.id, after, limit, to_job)
    # The jobs with the first pair, in the order of its index; all else is looked up job by job.
    first = _pairs.alias("first")
    query = (
        query.add_columns(first.c.job_id)
        .join(first, first.c.job_id == _jobs.c.id)
        .where(first.c.project_id == project, first.c.key == pairs[0][0], first.c.value == pairs[0][1])
        .where(*_range(first.c.job_id, *id_range), *map(_has, pairs[1:]))
    )
    return page(session, query, first.c.job_id, after, limit, to_job)


def _candidates(
    session: Session,
    project: str,
    columns: Sequence[Condition],
    pairs: Sequence[Pair],
    id_range: tuple[str | None, str | None],
) -> Sequence[str] | None:
    """The ids of all jobs that meet the first filter found to be rare, or None where each is common."""
    queries = [
        select(_pairs.c.job_id)
        .where(_pairs.c.project_id == project, _pairs.c.key == key, _pairs.c.value == value)
        .where(*_range(_pairs.c.job_id, *id_range))
        .order_by(_pairs.c.job_id.desc())
        for key, value in pairs
    ] + [
        select(_jobs.c.id)
        .where(_jobs.c.project_id == project, condition, *_range(_jobs.c.id, *id_range))
        .order_by(_jobs.c.id.desc())
        for condition in columns
    ]
    for query in queries:
        found = session.execute(query.limit(RARE + 1)).scalars().all()
        if len(found) <= RARE:
            return found
    return None


def _has(pair: Pair) -> Condition:
    """Whether the job has this pair of metadata."""
    key, value = pair
    own = and_(_pairs.c.job_id == _jobs.c.id, _pairs.c.key == key, _pairs.c.value == value)
    return exists(select(1).select_from(_pairs).where(own).correlate(_jobs))


def _has_status(status: str) -> Condition:
    asked = _jobs.c.cancel_requested_at.is_not(None)
    if status == "cancelling":
        return and_(_jobs.c.status == "running", asked)
    if status == "running":
        return and_(_jobs.c.status == "running", ~asked)
    return and_(_jobs.c.status == status)


def _id_range(
    created_after: datetime | None, created_before: datetime | None, after: str | None
) -> tuple[str | None, str | None]:
    """Between which ids the jobs lie, so that no index is read beyond: ids begin with their time."""
    lowest = None if created_after is None else ids.at("job", created_after, -CLOCKS_APART)
    highest = None if created_before is None else ids.at("job", created_before, CLOCKS_APART)
    return lowest, min(filter(None, (highest, after)), default=None)


def _range(column: Column[Any], low: object, high: object) -> Iterator[Condition]:
    """`column` strictly between the two, where they are given."""
    if low is not None:
        yield column > low
    if high is not None:
        yield column < high
