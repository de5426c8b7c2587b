"""Which errors of the database say that it is away, and not that a statement was wrong."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# SQLITE_ERROR is what a wrong statement gives; the others are about the file, its locks and its disk.
_WRONG_STATEMENT = frozenset({None, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISUSE})
# PostgreSQL: a standby, in which a transaction that writes ends while another server takes over.
_READ_ONLY_SERVER = "25006"


def is_outage(error: BaseException) -> bool:
    """Whether the same call may succeed a little later: connection refused or lost, too busy, locked for too long.

    Also a deadlock that the database resolved at our cost. Not a full disk: see `reco_core.errors.is_disk_full`.
    """
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or getattr(error.orig, "sqlstate", None) == _READ_ONLY_SERVER:
        return True
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", None)
        return (
            isinstance(error, OperationalError) and (code & 0xFF if code is not None else None) not in _WRONG_STATEMENT
        )
    return isinstance(error, OperationalError | InterfaceError)
