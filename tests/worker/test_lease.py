"""What a lease does by itself, in its own thread."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from registry import jobs
from registry.database import Database
from registry.errors import LeaseLost
from worker.lease import Lease


def lease_of(service, job_id: str) -> Lease:
    return Lease(service.database, service.claim(job_id, 60), heartbeat_seconds=0.05, lease_seconds=60)


def test_it_is_renewed_while_it_is_held(service, wait_until):
    job_id = service.train_job()
    with lease_of(service, job_id):
        first = service.job(job_id).lease_until
        wait_until(lambda: service.job(job_id).lease_until > first)


def test_the_lines_of_its_thread_carry_the_fields_of_the_attempt(service, wait_until):
    job_id = service.train_job()
    marks = {"job_id": job_id, "attempt": 1, "request_id": "order-17"}
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        with structlog.contextvars.bound_contextvars(**marks):
            lease = lease_of(service, job_id)
        lease._database = None  # whatever it does with it fails
        with lease:
            wait_until(lambda: lines)
    assert lines[0]["event"] == "heartbeat_failed"
    assert marks.items() <= lines[0].items()


def test_it_is_not_renewed_once_its_holder_has_given_up(service):
    job_id = service.train_job()
    with lease_of(service, job_id) as lease:
        lease.lost.set()
        with pytest.raises(LeaseLost):
            lease.check()
        given_up = service.job(job_id).lease_until
        time.sleep(0.3)
        assert service.job(job_id).lease_until <= given_up


def test_a_connection_that_is_free_again_before_the_lease_ends_is_waited_for(service, monkeypatch):
    """More slots than connections, while another process holds SQLite's lock."""
    job_id = service.train_job()
    lease = lease_of(service, job_id)
    database = Database(service.settings.database_url)
    monkeypatch.setattr(lease, "_database", database)
    monkeypatch.setattr(database.engine.pool, "_timeout", 0.1)
    held = []
    with suppress(PoolTimeout):
        while True:
            held.append(database.engine.connect())
    with structlog.testing.capture_logs() as lines:
        freed = threading.Timer(1, lambda: [connection.close() for connection in held])
        freed.start()
        lease.write(lambda session, claim: jobs.set_phase(session, claim, "train"))
        freed.join()
    assert service.job(job_id).phase == "train"
    assert {line["event"] for line in lines} == {"database_away"}
    database.dispose()


def test_a_wrong_statement_is_not_waited_for(service):
    lease = lease_of(service, service.train_job())
    with pytest.raises(OperationalError):
        lease.read(lambda session: session.execute(text("SELECT * FROM nothing_of_this_name")))
