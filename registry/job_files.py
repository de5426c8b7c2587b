"""Files that a job itself owns: what jobs make that publish no version. Those of the others are their version's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from registry import files as all_files
from registry.database import now
from registry.job_rows import fenced
from registry.records import Claim, FileEntry, Json


def publish(
    session: Session,
    claim: Claim,
    *,
    files: Sequence[FileEntry],
    metrics: Mapping[str, Any],
) -> Json:
    """Give the claimed job these files; its result `{metrics, artifacts: [{path, bytes, sha256}]}`.

    The blobs must be in the store. End the job in the same transaction: `jobs.succeed(session, claim, result)`.
    Raises LeaseLost, InvalidName.
    """
    moment = now(session)
    job = fenced(session, claim, moment)
    all_files.add(session, job.id, "artifact", files, moment)
    return {"metrics": dict(metrics), "artifacts": [entry.as_dict() for entry in _sorted(files)]}


def of(session: Session, job_id: str) -> tuple[FileEntry, ...]:
    """The files that the job owns, by path."""
    return all_files.of(session, [job_id]).get((job_id, "artifact"), ())


def _sorted(entries: Sequence[FileEntry]) -> list[FileEntry]:
    return sorted(entries, key=lambda entry: entry.path)
