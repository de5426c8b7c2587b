"""How a worker starts: it waits for SQLite's lock until it is told to stop, and never for what killed ones left."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog

from registry.database import Database
from worker.housekeeping import Housekeeper


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


def abandoned(runtime):
    folder = runtime.attempts_dir / "job_1.1"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    return folder


def store_away():
    raise ConnectionError("nobody answers at 127.0.0.1:9")


def test_a_blob_store_that_is_away_keeps_nothing_else_from_being_tidied(service, monkeypatch, wait_until):
    runtime = service.runtime()
    monkeypatch.setattr(service.blobs, "sweep", store_away)
    left = abandoned(runtime)
    upload = service.settings.state_dir / "uploads" / "left"
    upload.mkdir(parents=True)
    monkeypatch.setattr("registry.occupied.time.time", lambda: upload.stat().st_ctime + 1e6)
    with structlog.testing.capture_logs() as lines:
        assert runtime.make_ready() is True
        wait_until(lambda: not left.exists() and not upload.exists())
    [line] = [line for line in lines if line["event"] == "not_tidied"]
    assert (line["what"], "127.0.0.1:9" in line["error"]) == ("blobs", True)


def test_tidying_that_takes_long_holds_up_no_start(service, monkeypatch):
    runtime = service.runtime()
    answers = threading.Event()
    monkeypatch.setattr(service.blobs, "sweep", lambda: answers.wait(60))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(runtime.make_ready).result(30) is True
        answers.set()


def test_what_cannot_be_tidied_ends_no_round_of_housekeeping(service, monkeypatch):
    runtime = service.runtime()
    monkeypatch.setattr(service.blobs, "sweep", store_away)
    runtime.attempts_dir.mkdir()
    (runtime.attempts_dir / "job_x").touch()
    assert Housekeeper(runtime).look() is not None
