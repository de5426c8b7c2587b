"""`pocketrec tidy`, `backup` and `restore`: for whoever runs the service, on its database and blob store themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.errors import CommandFailed, Status, from_database, guarded
from app.cli.options import AsJson, StateDir
from app.cli.output import human_bytes, print_json, say
from app.cli.settings import load_settings
from app.cli.tidy_tables import print_round
from registry.urls import without_password

if TYPE_CHECKING:
    from registry.blobs import BlobStore
    from registry.database import Database
    from registry.housekeeping import Round
    from registry.settings import Settings

DryRun = Annotated[bool, typer.Option("--dry-run", help="Remove nothing: print what would go.")]
To = Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder, or one with an earlier backup.")]
Check = Annotated[
    bool, typer.Option("--check", help="Make none: read the backup in DIR and say whether it could be restored.")
]
From = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a backup.")]


@guarded
def tidy(state_dir: StateDir = None, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Remove what the retention policies say, and stored files that nothing refers to, as workers do now and then.

    Safe while the service runs. The policies are settings, POCKETREC_KEEP_...: see docs/operations.md. Published
    versions stay unless a setting says otherwise.

    Examples:

      pocketrec tidy --dry-run

      POCKETREC_KEEP_VERSIONS=10 pocketrec tidy --dry-run
    """
    with _stores(state_dir) as (settings, database, blobs):
        from registry import housekeeping

        if dry_run:
            done: Round | None = housekeeping.preview(database, settings)
        else:
            done = housekeeping.go_round(database, blobs, settings, _owner())
        if done is None:
            lines = ["a worker is at it right now, or one that was killed a few minutes ago; try again later"]
            raise CommandFailed(Status.UNREACHABLE, "busy", lines)
        if as_json:
            print_json(_as_json(done, dry_run))
        else:
            print_round(done, settings, dry_run=dry_run)
            if done.swept.held_by is not None:
                say("a backup is being made: no blob was removed")


@guarded
def backup(to: To, check: Check = False, state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Back up the database and the files that it refers to into a folder, while the service runs.

    Every file is compared with its hash as it is copied. Into a folder with an earlier backup only new files are
    copied. It holds the service's signing key and all data: keep it as safe as the service.

    With --check, which needs no service: every file is compared with its hash, and the rows are tried in a temporary
    database.

    Examples:

      pocketrec backup /mnt/backups/pocketrec

      pocketrec backup --check /mnt/backups/pocketrec
    """
    if check:
        from registry.backup_check import check as check_backup

        found = check_backup(to, _progress("read"))
        made_by = f"made at {found.created_at} of {found.dialect} at schema revision {found.revision}"
        _say_done(found, f"whole: the backup in {to}, {made_by}", as_json)
        return
    with _stores(state_dir) as (_, database, blobs):
        from registry import backup as backups

        made = backups.backup(database, blobs, to, _progress("copied"))
        _say_done(made, f"backup in {to}", as_json)


@guarded
def restore(folder: From, state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Restore a backup into an empty database and blob store: those that the settings name.

    SQLite and PostgreSQL alike, whichever the backup was made of. Nothing that is there is overwritten. Start the
    service afterwards; jobs that ran go on from their last checkpoint.

    Examples:

      pocketrec restore /mnt/backups/pocketrec --state-dir new-state
    """
    with _stores(state_dir, must_exist=False) as (settings, database, blobs):
        from registry import backup as backups

        made = backups.restore(database, blobs, folder, _progress("restored"))
        _say_done(made, f"restored into {database.shown} and {without_password(settings.blob_url)}", as_json)


@contextmanager
def _stores(state_dir: Path | None, *, must_exist: bool = True) -> Iterator[tuple[Settings, Database, BlobStore]]:
    """The stores that the settings name; their outages as the command's errors.

    Never migrates: that can't be undone, and a service of an older release that runs on them couldn't go on.
    """
    from obstore.exceptions import BaseError as BlobStoreError
    from sqlalchemy.exc import SQLAlchemyError

    from registry.blobs import BlobStore
    from registry.database import Database

    settings = load_settings({} if state_dir is None else {"state_dir": state_dir})
    blobs = BlobStore(settings.blob_url)
    database = Database(settings.database_url, blobs=blobs)
    try:
        if must_exist:
            database.require_schema()
        yield settings, database, blobs
    except SQLAlchemyError as error:
        raise from_database(error, settings.database_url) from None
    except BlobStoreError as error:
        line = f"the blob store {without_password(settings.blob_url)}: {str(error).splitlines()[0]}"
        raise CommandFailed(Status.UNREACHABLE, "blob_store_unavailable", [line]) from None
    finally:
        database.dispose()


def _owner() -> str:
    import os
    import socket

    return f"{socket.gethostname()}:{os.getpid()}:tidy"


def _progress(what: str) -> Any:
    import time

    last = time.monotonic()

    def report(number: int, total: int, size: int) -> None:
        nonlocal last
        if time.monotonic() - last > 5:
            last = time.monotonic()
            say(f"  {what} {number:,} of {total:,} files, {human_bytes(size)}")

    return report


def _say_done(made: Any, what: str, as_json: bool) -> None:
    if as_json:
        facts = {"rows": made.rows, "blobs": made.blobs, "bytes": made.bytes, "created_at": made.created_at}
        print_json({**facts, "revision": made.revision, "database": made.dialect})
    else:
        say(f"{what}: {made.rows:,} rows, {made.blobs:,} files of {human_bytes(made.bytes)}")


def _as_json(done: Round, dry_run: bool) -> dict[str, Any]:
    from dataclasses import asdict

    later = None if done.later is None else asdict(done.later)
    return {
        "dry_run": dry_run,
        "rules": [asdict(due) for due in done.rules],
        "blobs": asdict(done.swept),
        "later": later,
    }
