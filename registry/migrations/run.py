"""Runs Alembic on a given connection, inside its transaction."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection

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
    """Apply all revisions up to `revision` that are not yet applied."""
    with _lock:
        command.upgrade(config(connection), revision)


def differences(connection: Connection) -> list[Any]:
    """What the tables in the code have and the database has not, or the reverse; empty when the two agree."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))
