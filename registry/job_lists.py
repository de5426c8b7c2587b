"""Lists of jobs by any combination of filters, at about the same cost whatever the number of jobs.

Each filter has an index in the order of the list. One of them leads: its ids are read from its index, newest first, and
the other filters are checked on those jobs only. Which one leads is found by looking at the next SOME ids of each: one
that has no more than that, or else the one whose ids lie furthest apart. So no plan depends on what the database
believes about its rows; SQLite believes nothing. What stays slow is a page for which there is little in millions: two
filters that very many jobs meet, in turn and hardly ever together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, exists, func, select
from sqlalchemy.orm import Session

from registry import ids, tables
from registry.job_rows import to_job
from registry.paging import check_limit, page
from registry.records import DEFAULT_PROJECT, Job, Page

SOME = 1000
# Ids are made by the clock of the machine that took the request, `created_at` is the database's time.
CLOCKS_APART = timedelta(minutes=5)
_jobs = tables.jobs
_pairs = tables.job_metadata
Condition = ColumnElement[bool]


@dataclass(frozen=True)
class _Filter:
    """`id` and `own` find its jobs in its index; `of_job` asks the same of a row of `jobs`, and uses no index."""

    id: Column[str]
    own: Sequence[Condition]
    of_job: Condition


@dataclass(frozen=True)
class _Span:
    """The ids between `low` and `high`; neither is in it, None is no limit."""

    low: str | None
    high: str | None


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

    `status` also understands `cancelling`; all pairs of `metadata` must be the job's. `limit` is 1 to 1000.
    """
    filters = [_by_pair(project, key, value) for key, value in (metadata or {}).items()]
    columns = ((_jobs.c.dataset_id, dataset_id), (_jobs.c.model, model))
    filters += [_by_column(project, column, value) for column, value in columns if value is not None]
    if status is not None:
        filters.append(_by_status(project, status))
    if types is not None:
        filters.append(_by_types(project, types))
    times = list(_range(_jobs.c.created_at, created_after, created_before))
    span = _span(created_after, created_before, after)
    if not filters:
        query = select(_jobs).where(_jobs.c.project_id == project, *times, *_range(_jobs.c.id, span.low, span.high))
        return page(session, query, _jobs.c.id, None, limit, to_job)
    check_limit(limit)
    found = _led(session, filters, span, times, limit + 1)
    next_after = found[limit - 1].id if len(found) > limit else None
    return Page(tuple(found[:limit]), next_after)


def _led(
    session: Session, filters: Sequence[_Filter], span: _Span, times: Sequence[Condition], count: int
) -> list[Job]:
    """The first `count` jobs in `span` that meet all `filters` and `times`."""
    enough = count if len(filters) == 1 else SOME
    leader, ids_ = _leader(session, filters, span, enough)
    others = [other for other in filters if other is not leader]
    found: list[Job] = []
    while ids_:
        query = select(_jobs).where(_jobs.c.id.in_(ids_), *(other.of_job for other in others), *times)
        rows = session.execute(query.order_by(_jobs.c.id.desc()).limit(count - len(found))).mappings()
        found += map(to_job, rows)
        if len(found) == count or len(ids_) < enough:
            break
        newest = [_ids(session, other, _Span(span.low, ids_[-1]), 1) for other in others]
        if not all(newest):
            break
        # No job newer than the newest of each can meet all. Ids have one length, so that none lies before id + "0".
        high = min([ids_[-1], *(top[0] + "0" for top in newest)])
        ids_ = _ids(session, leader, _Span(span.low, high), enough)
    return found


def _leader(session: Session, filters: Sequence[_Filter], span: _Span, enough: int) -> tuple[_Filter, Sequence[str]]:
    """The filter with the fewest jobs, as far as its next ids tell, and those ids."""
    looked_at = []
    for each in filters:
        looked_at.append((each, _ids(session, each, span, enough)))
        if len(looked_at[-1][1]) < enough:
            return looked_at[-1]
    return min(looked_at, key=lambda pair: pair[1][-1])


def _ids(session: Session, wanted: _Filter, span: _Span, count: int) -> Sequence[str]:
    query = select(wanted.id).where(*wanted.own, *_range(wanted.id, span.low, span.high))
    return session.execute(query.order_by(wanted.id.desc()).limit(count)).scalars().all()


def _by_pair(project: str, key: str, value: str) -> _Filter:
    pair = and_(_pairs.c.key == key, _pairs.c.value == value)
    of_job = exists(select(1).select_from(_pairs).where(_pairs.c.job_id == _jobs.c.id, pair).correlate(_jobs))
    return _Filter(_pairs.c.job_id, [_pairs.c.project_id == project, pair], of_job)


def _by_column(project: str, column: Column[str], value: str) -> _Filter:
    return _Filter(_jobs.c.id, [_jobs.c.project_id == project, column == value], _hidden(column) == value)


def _by_status(project: str, status: str) -> _Filter:
    stored = "running" if status == "cancelling" else status
    asked = _jobs.c.cancel_requested_at.is_not(None)
    more = {"cancelling": [asked], "running": [~asked]}.get(status, [])
    own = [_jobs.c.project_id == project, _jobs.c.status == stored, *more]
    return _Filter(_jobs.c.id, own, and_(_hidden(_jobs.c.status) == stored, *more))


def _by_types(project: str, types: Sequence[str]) -> _Filter:
    own = [_jobs.c.project_id == project, _jobs.c.type.in_(types)]
    return _Filter(_jobs.c.id, own, _hidden(_jobs.c.type).in_(types))


def _hidden(column: Column[str]) -> ColumnElement[str]:
    """The column's value, such that no planner looks for an index on it: the ids at hand are few already."""
    return func.coalesce(column, "")


def _span(created_after: datetime | None, created_before: datetime | None, after: str | None) -> _Span:
    """Between which ids the jobs lie, so that no index is read beyond: ids begin with their time."""
    lowest = None if created_after is None else ids.at("job", created_after, -CLOCKS_APART)
    highest = None if created_before is None else ids.at("job", created_before, CLOCKS_APART)
    return _Span(lowest, min(filter(None, (highest, after)), default=None))


def _range(column: Column[Any], low: object, high: object) -> Iterator[Condition]:
    """`column` strictly between the two, where they are given."""
    if low is not None:
        yield column > low
    if high is not None:
        yield column < high
