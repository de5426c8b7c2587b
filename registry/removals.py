"""What retention policies have taken from jobs and versions that are still there, for whoever shows these."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from registry import tables
from registry.records import Removal

_removals = tables.removals
_versions = tables.model_versions
_FACTS = (_removals.c.kind, _removals.c.reason, _removals.c.removed_at)

# What a job has lost, by the rule that took it: a version's files are those of the job that published it.
_LOST = {
    "logs": "logs",
    "events": "events",
    "checkpoints": "checkpoint",
    "job_files": "files",
    "yanked_versions": "files",
    "old_versions": "files",
}


def of_jobs(session: Session, job_ids: Sequence[str]) -> dict[str, dict[str, Removal]]:
    """What each of these jobs has lost: of `logs`, `events`, `checkpoint` and `files`. Whole jobs are left out.

    `files` are those of the version that a job published, or its own.
    """
    own = select(_removals.c.subject.label("job_id"), *_FACTS).where(_removals.c.subject.in_(job_ids))
    published = (
        select(_versions.c.job_id, *_FACTS)
        .join(_removals, _removals.c.subject == _versions.c.id)
        .where(_versions.c.job_id.in_(job_ids))
    )
    found: dict[str, dict[str, Removal]] = {}
    for row in session.execute(union_all(own, published)):
        if row.kind in _LOST:
            found.setdefault(row.job_id, {})[_LOST[row.kind]] = Removal(row.removed_at, row.reason)
    return found


def of_files(session: Session, version_ids: Sequence[str]) -> dict[str, Removal]:
    """Those of these versions whose files were removed."""
    if not version_ids:
        return {}
    rows = session.execute(select(_removals.c.subject, *_FACTS).where(_removals.c.subject.in_(version_ids)))
    return {row.subject: Removal(row.removed_at, row.reason) for row in rows if _LOST.get(row.kind) == "files"}
