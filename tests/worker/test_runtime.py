"""A worker that starts while another process holds SQLite's lock waits, for as long as it isn't told to stop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.database import Database


@pytest.fixture
def runtime(service, monkeypatch):
    """A worker that tries its luck twenty times a second."""
    monkeypatch.setattr("registry.database.BUSY_TIMEOUT_SECONDS", 0.05)
    runtime = service.runtime()
    runtime.database = Database(service.settings.database_url)
    yield runtime
    runtime.database.dispose()


@pytest.fixture
def held(service):
    """A connection in a transaction that stays open, as that of a process that is frozen."""
    with service.database.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE held (x)")
        yield connection


def test_it_waits_until_the_lock_is_free(runtime, held):
    with ThreadPoolExecutor(1) as pool:
        ready = pool.submit(runtime.make_ready)
        with pytest.raises(TimeoutError):
            ready.result(0.4)
        held.rollback()
        assert ready.result(15) is True
    runtime.database.ping()


def test_it_ends_when_told_to_stop(runtime, held):
    with ThreadPoolExecutor(1) as pool:
        ready = pool.submit(runtime.make_ready)
        with pytest.raises(TimeoutError):
            ready.result(0.2)
        runtime.stopping.set()
        assert ready.result(15) is False
