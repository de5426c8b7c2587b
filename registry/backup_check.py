"""Whether a backup could be restored: all that a restore does, with a database and a store that are thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from obstore.exceptions import BaseError as BlobStoreError
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from registry import backup
from registry.blobs import BlobStore
from registry.database import Database
from registry.errors import BackupDamaged, BlobCorrupt, BlobMissing
from registry.records import Blob


def check(folder: Path, report: backup.Report = lambda *_: None) -> backup.Backup:
    """Read every file of the backup in `folder` and compare it with its sha256, and try its rows. Changes nothing.

    The rows go into a SQLite database in a temporary folder.

    Raises:
        BackupInvalid: there is no backup, or one that this release can't read.
        BackupDamaged: it is incomplete or damaged.
        OSError: the temporary folder can't be used.
    """
    made = backup.load(folder)
    with backup.blaming(folder):
        backup.require_rows(folder, made)
        source = BlobStore(folder / "blobs")
        held = {blob.sha256: blob for blob, _ in source.listed()}
        _try_rows(folder, made, held)
        _read_blobs(source, held, report)
    return made


def _try_rows(folder: Path, made: backup.Backup, held: Mapping[str, Blob]) -> None:
    with tempfile.TemporaryDirectory(prefix="pocketrec-check-") as scratch:
        database = Database(f"sqlite:///{scratch}/registry.db")
        try:
            with database.engine.begin() as connection:
                backup.fill(connection, folder, made, held)
        except OperationalError as error:  # as where the disk is full
            raise OSError(f"no temporary database in {scratch}: {error.orig}; name another folder by TMPDIR") from error
        except SQLAlchemyError as error:
            raise BackupDamaged(f"its rows don't fit together: {getattr(error, 'orig', None) or error}") from error
        finally:
            database.dispose()


def _read_blobs(source: BlobStore, held: Mapping[str, Blob], report: backup.Report) -> None:
    faults: list[str] = []
    size = 0
    for number, blob in enumerate(held.values(), start=1):
        try:
            source.verify(blob.sha256)
        except (BlobMissing, BlobCorrupt) as error:
            faults.append(error.message.partition("; ")[0])
        except (OSError, BlobStoreError) as error:  # as on a bad block
            faults.append(f"blob {blob.sha256} can't be read: {str(error).splitlines()[0]}")
        size += blob.bytes
        report(number, len(held), size)
    if faults:
        raise BackupDamaged(f"{len(faults)} of {len(held)} blobs, such as this one: {faults[0]}")
