"""Built examples, kept in the blob store between jobs: brought to a trainer before it starts, taken from it once built.

A cache: whatever goes wrong with it costs the time of building them again, never the job.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from reco_core import config
from reco_core.config.example_key import cache_key
from reco_core.errors import ConfigInvalid
from registry import example_sets
from registry.errors import BlobCorrupt, BlobMissing, LeaseLost
from worker.put_files import put_folder

if TYPE_CHECKING:
    from registry.blobs import BlobStore
    from registry.database import Database
    from registry.records import Dataset, Job
    from worker.lease import Lease

log = structlog.get_logger(__name__)

USERS = frozenset({"train", "export"})
"""Types of jobs that begin with examples; the others need the log itself."""


@dataclass(frozen=True)
class Wanted:
    """The set that a job needs."""

    project: str
    key: str
    data_hash: str


def wanted(job: Job, dataset: Dataset, max_bytes: int) -> Wanted | None:
    """The set that the job could begin with, or leave behind; None where none are kept."""
    if job.type not in USERS or dataset.content_hash is None or max_bytes == 0:
        return None
    try:
        key = cache_key(config.load_whole(job.config), dataset.content_hash)
    except ConfigInvalid:  # the trainer says so
        return None
    return Wanted(job.project_id, key, dataset.content_hash)


def fetch(what: Wanted, database: Database, blobs: BlobStore, to: Path) -> bool:
    """Bring the set into the folder `to`, if it is kept; whether it was and is whole."""
    try:
        with database.read() as session:
            found = example_sets.find(session, what.project, what.key)
        if found is None:
            return False
        for entry in found.files:
            path = to / entry.path
            if not path.resolve().is_relative_to(to.resolve()):
                raise BlobCorrupt(f"{entry.path!r} is not a relative path")
            blobs.fetch(entry.sha256, path)
        with database.write() as session:
            example_sets.touch(session, what.project, what.key)
    except Exception as error:  # noqa: BLE001 - see above: the log is there to build them from
        log.warning("examples_not_fetched", key=what.key, error=repr(error)[:300])
        shutil.rmtree(to, ignore_errors=True)
        if isinstance(error, BlobMissing | BlobCorrupt):
            drop(what, database)
        return False
    log.info("examples_fetched", key=what.key, bytes=found.bytes)
    return True


def keep(what: Wanted, lease: Lease, blobs: BlobStore, folder: Path, max_bytes: int) -> None:
    """Keep what a trainer has built in `folder`, to which nobody writes any more. Raises LeaseLost."""
    try:
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if not 0 < size <= max_bytes:
            log.info("examples_not_kept", key=what.key, bytes=size, reason="larger than examples_cache_bytes")
            return
        entries = put_folder(folder, blobs)
        lease.write(
            lambda session, claim: example_sets.keep(
                session, claim, key=what.key, data_hash=what.data_hash, entries=entries, max_bytes=max_bytes
            )
        )
    except LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        log.warning("examples_not_kept", key=what.key, error=repr(error)[:300])
        return
    log.info("examples_kept", key=what.key, bytes=size)


def drop(what: Wanted, database: Database) -> None:
    """Keep a set no longer that turned out to be no good."""
    try:
        with database.write() as session:
            example_sets.drop(session, what.project, what.key)
    except SQLAlchemyError as error:
        log.warning("examples_not_dropped", key=what.key, error=repr(error)[:300])
