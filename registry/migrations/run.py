"""Runs Alembic on a given connection, inside its transaction."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from registry.errors import DatabaseTooNew
from registry.tables import metadata

# Alembic's `op` and `context` are module-wide proxies: one migration at a time in a process.
_lock = threading.Lock()


def config(connection: Connection | None = None) -> Config:
    """Alembic's config. A connection given here is used as it is, and left for the caller to commit."""
    result = Config()
    result.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    result.set_main_option("path_separator", "os")
    if connection is not None:
        result.attributes["connection"] = connection
    return result


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Apply all revisions up to `revision` that are not yet applied.

    Raises:
        DatabaseTooNew: the database has a revision that this code doesn't know; nothing is changed.
    """
    with _lock:
        settings = config(connection)
        _refuse_newer(connection, settings)
        command.upgrade(settings, revision)


def _refuse_newer(connection: Connection, settings: Config) -> None:
    scripts = ScriptDirectory.from_config(settings)
    known = {script.revision for script in scripts.walk_revisions()}
    unknown = sorted(set(MigrationContext.configure(connection).get_current_heads()) - known)
    if unknown:
        raise too_new(", ".join(unknown), str(scripts.get_current_head()))


def too_new(found: str, newest: str) -> DatabaseTooNew:
    """The error for a schema of revision `found`, where this code knows none after `newest`."""
    return DatabaseTooNew(
        f"the database has schema revision {found}, made by a newer release; this one knows up to {newest}. Run the "
        "newer release, or restore the backup made before the upgrade"
    )


def current(connection: Connection) -> str | None:
    """The revision that the database has been brought to; None before the first."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def newest() -> tuple[str, frozenset[str]]:
    """The newest revision of this code, and all that it knows."""
    scripts = ScriptDirectory.from_config(config())
    return str(scripts.get_current_head()), frozenset(script.revision for script in scripts.walk_revisions())


def differences(connection: Connection) -> list[Any]:
    """What the tables in the code have and the database has not, or the reverse; empty when the two agree."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))
