"""The connection to SQLite or PostgreSQL, its transactions and its schema."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.orm import Session

from registry.errors import DatabaseMissing, DatabaseTooOld, UnsupportedDatabase
from registry.records import DEFAULT_PROJECT
from registry.tables import projects
from registry.upsert import insert_if_absent
from registry.urls import database_fault, without_password

if TYPE_CHECKING:
    import psycopg

    from registry.blobs import BlobStore

BUSY_TIMEOUT_SECONDS = 30.0
# Transactions take milliseconds; one that says nothing for so long has nobody at its other end.
IDLE_TRANSACTION_SECONDS = 20.0
# libpq's own patience with a machine that is gone, or behind a network that drops everything, is a quarter of an hour
# and more; a thread that waits for it neither works nor gives up. A URL that names one of these has its way.
PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_CLOCK = "pocketrec_clock"
_BLOBS = "pocketrec_blobs"
_READ_ONLY = "pocketrec_read_only"


class Database:
    """One pool of connections. `read()` and `write()` give sessions; nothing is opened before the first of them.

    `clock` replaces the database's time, so that tests can move it. With `blobs` no transaction can come to refer to a
    blob that isn't in that store: see `files.record_blobs`.
    """

    def __init__(
        self, url: str | URL, *, clock: Callable[[], datetime] | None = None, blobs: BlobStore | None = None
    ) -> None:
        self.url = _parsed(url)
        self.dialect = self.url.get_backend_name()
        self._clock = clock
        self._blobs = blobs
        engine = _sqlite_engine(self.url) if self.dialect == "sqlite" else _postgresql_engine(self.url)
        self.engine: Engine = engine
        options: dict[str, Any] = {_READ_ONLY: True}
        if self.dialect == "postgresql":
            options |= {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
        self._read_engine = engine.execution_options(**options)

    @property
    def folder(self) -> Path | None:
        """Where SQLite's file lies; None for PostgreSQL."""
        return Path(str(self.url.database)).parent if self.dialect == "sqlite" else None

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading one consistent state; the database refuses writes in it."""
        with Session(self._read_engine, autoflush=False, info=self._info()) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose work is committed at the end of the block, or rolled back if it raises.

        Keep it short: on SQLite it holds the one write lock from its first statement on.
        """
        with Session(self.engine, autoflush=False, info=self._info()) as session, session.begin():
            yield session

    def migrate(self) -> None:
        """Bring the schema to the newest revision and make the default project. Many processes may do so at once."""
        from registry.migrations.run import upgrade

        if self.dialect == "sqlite" and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        with self.engine.begin() as connection:
            if self.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('pocketrec.migrate'))"))
            upgrade(connection)
        with self.write() as session:
            insert_if_absent(session, projects, id=DEFAULT_PROJECT, created_at=now(session))

    def ping(self) -> None:
        """Raise SQLAlchemyError when the database can't be reached or has no schema yet."""
        with self.read() as session:
            session.execute(text("SELECT 1 FROM projects"))

    def schema_revision(self) -> tuple[str | None, str, bool]:
        """The revision that the schema has (None: no schema), the one that this code needs, and whether it knows the
        first. Raises SQLAlchemyError when the database can't be reached.
        """
        from registry.migrations.run import current, newest

        with self.read() as session:
            has = current(session.connection())
        expected, known = newest()
        return has, expected, has in known

    def require_schema(self) -> None:
        """Raise unless the schema is the one that this code needs. Changes nothing, as a running service may need it.

        Raises:
            DatabaseMissing: there is no database, or one without a schema.
            DatabaseTooOld, DatabaseTooNew: the schema is another release's.
        """
        from registry.migrations.run import too_new

        if self.dialect == "sqlite":
            path = Path(str(self.url.database))
            if not path.exists():
                raise DatabaseMissing(f"there is no database at {path}; name the one that the service uses")
            if path.stat().st_size == 0:  # opening it would make it a database
                raise self._empty()
        found, needed, is_known = self.schema_revision()
        if found is None:
            raise self._empty()
        if not is_known:
            raise too_new(found, needed)
        if found != needed:
            raise DatabaseTooOld(
                f"the database has schema revision {found}, this release needs {needed}, and only a service that "
                "starts changes a schema. Use the command of the release that runs the service (before an upgrade: the "
                "old one's), or start this release's service, which brings the schema up to date"
            )

    @property
    def shown(self) -> str:
        """The URL as it may be shown and logged."""
        backend = self.url.get_backend_name()
        return without_password(self.url.set(drivername=backend).render_as_string(hide_password=False))

    def _empty(self) -> DatabaseMissing:
        return DatabaseMissing(f"the database {self.shown} is empty: no service has been started on it yet")

    def dispose(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()

    def _info(self) -> dict[str, Any]:
        return {_CLOCK: self._clock, _BLOBS: self._blobs}


def blobs_of(session: Session) -> BlobStore | None:
    """The store that rows of this session may refer to; None: nobody looks."""
    store: BlobStore | None = session.info.get(_BLOBS)
    return store


def now(session: Session) -> datetime:
    """The time that leases are measured by, aware and in UTC: the database's on PostgreSQL, this machine's on SQLite.

    Not the start of the transaction, which may have waited for a lock since.
    """
    clock: Callable[[], datetime] | None = session.info.get(_CLOCK)
    if clock is not None:
        return clock()
    if session.get_bind().dialect.name == "postgresql":
        moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)
    return datetime.now(UTC)


def _parsed(url: str | URL) -> URL:
    """The URL with the driver that is used here."""
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    if (fault := database_fault(text)) is not None:
        raise UnsupportedDatabase(f"no database at {without_password(text)!r}: {fault}")
    parsed = make_url(url)
    return parsed.set(drivername="sqlite+pysqlite" if parsed.get_backend_name() == "sqlite" else "postgresql+psycopg")


_serializer = partial(json.dumps, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _postgresql_engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=40,
        json_serializer=_serializer,
        hide_parameters=True,
        connect_args={name: value for name, value in PATIENCE.items() if name not in url.query},
    )
    event.listen(engine, "connect", _configure_postgresql)
    return engine


def _configure_postgresql(connection: psycopg.Connection, _record: object) -> None:
    # A process that is frozen within a transaction, or whose machine is gone, would keep its locks until it comes back
    # or TCP gives up on it, two hours by default: nobody could take the job whose row it holds.
    connection.execute(f"SET idle_in_transaction_session_timeout = {int(IDLE_TRANSACTION_SECONDS * 1000)}")
    connection.commit()


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=10,
        max_overflow=40,
        json_serializer=_serializer,
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS},
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not open transactions of its own: it would make them deferred, and a deferred transaction that
    # reads and then writes fails at once with "database is locked", whatever the busy timeout.
    connection.isolation_level = None
    _enable_wal(connection)
    # FULL: in WAL mode NORMAL may lose the last commits on a power cut; a job that was answered 202 must not vanish.
    # A small cache for each connection, in KiB: what it lacks is in the system's, once for all of them.
    for pragma in ("foreign_keys=ON", "synchronous=FULL", "cache_size=-512"):
        connection.execute(f"PRAGMA {pragma}")


def _enable_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL. SQLite doesn't wait for its lock here when several processes do it at once, so we do."""
    give_up = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal":
                return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
        if time.monotonic() > give_up:
            raise UnsupportedDatabase("SQLite can't use write-ahead logging here; keep the file on a local disk")
        threading.Event().wait(0.02)


def _begin_sqlite(connection: Connection) -> None:
    read_only = bool(connection.get_execution_options().get(_READ_ONLY))
    connection.exec_driver_sql(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
