"""A migrated database per test, on SQLite and on PostgreSQL, with a clock that tests move."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import psycopg
import pytest
from sqlalchemy import text

from registry import datasets, jobs, leases, tables
from registry.database import Database
from registry.records import Claim, Dataset, FileEntry, Job
from tests.registry.backup_sources import empty as empty
from tests.registry.backup_sources import source as source
from tests.registry.backup_sources import target as target
from tests.registry.places import at_take as at_take
from tests.registry.places import place as place

POSTGRESQL = "host=127.0.0.1 user=root dbname=test connect_timeout=3"
T = TypeVar("T")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class World:
    """A database with shorthands; leases are 60 seconds long."""

    database: Database
    clock: Clock

    def dataset(self, name: str = "ratings") -> Dataset:
        """A ready dataset."""
        with self.database.write() as session:
            created = datasets.create(session, name=name, spec={"format": "auto"}, upload=[file("ratings.csv")])
        claim = self.claim(created.validation_job_id)
        with self.database.write() as session:
            ready = datasets.mark_ready(
                session, claim, report={"rows": 3}, content_hash="c" * 64, files=[file("interactions.parquet")]
            )
            jobs.succeed(session, claim, {})
        return ready

    def job(self, **values: Any) -> Job:
        """A queued job without a dataset."""
        with self.database.write() as session:
            return jobs.create(session, **{"type": "train", "dataset_id": None, "config": {"seed": 1}, **values})

    def claim(self, job_id: str | None = None, worker: str = "w1") -> Claim:
        claim = self.try_claim(job_id, worker)
        assert claim is not None
        return claim

    def try_claim(self, job_id: str | None = None, worker: str = "w1") -> Claim | None:
        with self.database.write() as session:
            return leases.claim(session, job_id=job_id, worker=worker, lease_seconds=60)

    def get(self, job_id: str) -> Job:
        with self.database.read() as session:
            return jobs.get(session, job_id)

    def write(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """`function(session, ...)` in a transaction of its own."""
        with self.database.write() as session:
            return function(session, *args, **kwargs)

    def read(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        with self.database.read() as session:
            return function(session, *args, **kwargs)

    def reap(self, limit: int = 10) -> leases.Reaped:
        return self.write(leases.reap, limit=limit, republish_seconds=30)

    def dump(self) -> dict[str, list[Any]]:
        """All rows of all tables, to see that nothing has changed."""
        with self.database.read() as session:
            return {
                name: sorted(map(repr, session.execute(table.select())))
                for name, table in tables.metadata.tables.items()
            }


def file(path: str, fill: str = "a", size: int = 3) -> FileEntry:
    return FileEntry(path, size, fill * 64)


def together(count: int, function: Callable[[int], T]) -> list[T]:
    """Call `function(0)` to `function(count - 1)` in threads that start at the same moment."""
    barrier = Barrier(count)

    def run(index: int) -> T:
        barrier.wait(timeout=20)
        return function(index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database file; migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "registry.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.dispose()
    # The last connection to close writes the log back into the file, so that the file alone is the whole.
    assert not path.with_name("registry.db-wal").exists()
    return path


@contextmanager
def new_schema() -> Iterator[str]:
    """The URL of an empty PostgreSQL schema of our own, dropped at the end."""
    try:
        connection = psycopg.connect(POSTGRESQL, autocommit=True)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL answers at 127.0.0.1:5432: {error}")
    name = f"pocketrec_registry_{secrets.token_hex(6)}"
    with connection:
        connection.execute(f"CREATE SCHEMA {name}")
        yield f"postgresql://root@127.0.0.1:5432/test?options=-csearch_path%3D{name}"
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def empty_postgresql() -> Iterator[str]:
    with new_schema() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A migrated schema for all tests of a run."""
    with new_schema() as url:
        database = Database(url)
        database.migrate()
        database.dispose()
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database without rows but the default project."""
    if request.param == "sqlite":
        path = tmp_path / "registry.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    postgresql: str = request.getfixturevalue("postgresql_url")
    database = Database(postgresql)
    names = ", ".join(name for name in tables.metadata.tables if name != "projects")
    with database.engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names}"))
    database.dispose()
    return postgresql


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(url: str, clock: Clock) -> Iterator[World]:
    database = Database(url, clock=clock)
    yield World(database, clock)
    database.dispose()


@pytest.fixture
def make_file() -> Callable[..., FileEntry]:
    return file


@pytest.fixture
def in_parallel() -> Callable[..., list[Any]]:
    return together
