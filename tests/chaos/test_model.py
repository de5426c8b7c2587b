"""Random walks through the state machine of jobs, few of them here: `make model-check` walks far."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis.stateful import run_state_machine_as_test

from chaos.model import machine, world

POSTGRESQL = "host=127.0.0.1 user=root dbname=test connect_timeout=3"
WALKS, STEPS = 12, 25


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """An empty schema of our own on the standing server."""
    try:
        connection = psycopg.connect(POSTGRESQL, autocommit=True)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL answers at 127.0.0.1:5432: {error}")
    name = f"pocketrec_model_{secrets.token_hex(6)}"
    with connection:
        connection.execute(f"CREATE SCHEMA {name}")
        yield f"postgresql://root@127.0.0.1:5432/test?options=-csearch_path%3D{name}"
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.mark.parametrize("dialect", ["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def test_random_walks(dialect: str, request: pytest.FixtureRequest) -> None:
    url = None if dialect == "sqlite" else request.getfixturevalue("postgresql_url")
    databases, explored = world.Databases(url), world.Explored()
    try:
        run_state_machine_as_test(machine.machine_on(databases, explored), settings=machine.effort(WALKS, STEPS))
    finally:
        databases.close()
    assert explored.walks >= WALKS
    assert len(explored.transitions) > 50, str(explored)
