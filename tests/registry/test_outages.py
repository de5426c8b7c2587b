from __future__ import annotations

import sqlite3
import threading

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from registry import jobs
from registry.database import Database
from registry.outages import is_outage


def failure(work):
    with pytest.raises((DBAPIError, PoolTimeout)) as caught:
        work()
    return caught.value


def run(engine, statement):
    with engine.connect() as connection:
        connection.execute(text(statement))


def test_a_lock_that_is_held_too_long_is_an_outage(tmp_path):
    path = tmp_path / "a.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 0})
    assert is_outage(failure(lambda: run(engine, "CREATE TABLE x (y)")))
    holder.close()


def test_a_file_that_cannot_be_opened_is_an_outage(tmp_path):
    assert is_outage(failure(lambda: run(create_engine(f"sqlite:///{tmp_path}/none/a.db"), "SELECT 1")))


def test_too_many_at_once_are_an_outage(tmp_path):
    engine = create_engine(
        f"sqlite:///{tmp_path}/a.db", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0
    )
    with engine.connect():
        assert is_outage(failure(lambda: run(engine, "SELECT 1")))


def test_nobody_listens():
    engine = create_engine("postgresql+psycopg://root@127.0.0.1:1/test")
    assert is_outage(failure(lambda: run(engine, "SELECT 1")))


def test_a_wrong_statement_is_none(world):
    for statement in ("SELECT * FROM nothing_of_this_name", "SELEC 1"):
        assert not is_outage(failure(lambda statement=statement: run(world.database.engine, statement)))
    assert not is_outage(IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE constraint failed")))
    assert not is_outage(RuntimeError("connection refused"))


class Pids:
    """The server processes behind the connections of a database."""

    def __init__(self, database):
        self.found = []
        self.url = database.url
        event.listen(database.engine, "connect", lambda connection, _: self.found.append(connection.info.backend_pid))

    def end(self):
        other = create_engine(self.url)
        with other.connect() as connection:
            for pid in self.found:
                connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        other.dispose()


@pytest.mark.integration
def test_idle_connections_that_the_server_ended_are_replaced_unnoticed(postgresql_url, in_parallel):
    database = Database(postgresql_url)
    pids = Pids(database)
    barrier = threading.Barrier(3)

    def read(_):
        with database.read() as session:
            session.execute(text("SELECT 1"))
            barrier.wait(10)

    in_parallel(3, read)
    assert len(pids.found) == 3
    pids.end()
    in_parallel(3, read)
    database.dispose()


@pytest.mark.integration
def test_a_connection_lost_within_a_transaction_is_an_outage(postgresql_url):
    database = Database(postgresql_url)
    pids = Pids(database)

    def work():
        with database.write() as session:
            session.execute(text("SELECT 1"))
            pids.end()
            jobs.create(session, type="train", dataset_id=None, config={})

    assert is_outage(failure(work))
    database.ping()
    database.dispose()


@pytest.mark.integration
def test_a_server_that_is_gone_is_not_waited_for_for_ever(postgresql_url):
    def parameters(url):
        database = Database(url)
        with database.engine.connect() as connection:
            found = connection.connection.driver_connection.info.get_parameters()
        database.dispose()
        return found

    assert parameters(postgresql_url).items() >= {"keepalives_idle": "15", "tcp_user_timeout": "30000"}.items()
    assert parameters(f"{postgresql_url}&tcp_user_timeout=5000")["tcp_user_timeout"] == "5000"
