"""Each invariant finds its violation: rows spoilt by hand, one way each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from chaos import invariants
from registry import jobs, leases, models
from registry.database import Database
from registry.records import FileEntry

SPOILT = {
    "one-end": "UPDATE events SET type = 'job.failed' WHERE type = 'job.succeeded'",
    "one-live-attempt": "UPDATE attempts SET outcome = 'running' WHERE outcome = 'succeeded'",
    "attempts-in-order": "DELETE FROM attempts WHERE outcome = 'running'",
    "results-of-the-last-fence": "UPDATE attempts SET fence = 7 WHERE outcome = 'succeeded'",
    "waiting-is-reachable": "UPDATE jobs SET cancel_requested_at = created_at WHERE status = 'queued'",
    "events-without-gap": "DELETE FROM events WHERE seq = 1",
    "versions-without-gap": "UPDATE models SET last_version = 5",
    "datasets-get-a-verdict": "UPDATE datasets SET status = 'ready'",
    "attempts-bounded": "UPDATE jobs SET attempts_without_progress = 4 WHERE status = 'running'",
    "ends-are-for-ever": "UPDATE jobs SET model = 'other', revision = revision + 1 WHERE status = 'succeeded'",
    "fences-only-rise": "UPDATE jobs SET fence = 0, revision = revision + 1 WHERE status = 'running'",
    "allowed-moves": "UPDATE jobs SET status = 'queued', revision = revision + 1 WHERE status = 'running'",
    "no-unseen-change": "UPDATE jobs SET worker = 'other' WHERE status = 'running'",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job that succeeded with a version, one that runs, one that waits, and a dataset that is being validated."""
    from registry import datasets

    path = tmp_path_factory.mktemp("invariants") / "registry.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    with database.write() as session:
        for _ in range(3):
            jobs.create(session, type="train", dataset_id=None, config={})
    with database.write() as session:
        claim = leases.claim(session, worker="w", lease_seconds=60)
        assert claim is not None
        files = [FileEntry("model.tflite", 3, "a" * 64)]
        version = models.publish_version(session, claim, model="m", files=files, metrics={}, manifest={})
        jobs.succeed(session, claim, models.result_of(version))
    with database.write() as session:
        assert leases.claim(session, worker="w", lease_seconds=60) is not None
        datasets.create(session, name="log", spec={})
    database.dispose()
    return path


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "registry.db"
    path.write_bytes(template.read_bytes())
    found = Database(f"sqlite:///{path}")
    yield found
    found.dispose()


def look(ledger: invariants.Ledger, database: Database) -> list[invariants.Violation]:
    with database.read() as session:
        return ledger.look(invariants.snapshot(session))


def test_every_invariant_is_spoilt_here() -> None:
    assert set(SPOILT) == {*invariants.STATIC, *invariants.BETWEEN, invariants.BOUNDED}


@pytest.mark.parametrize("name", sorted(SPOILT))
def test_a_violation_is_found(name: str, database: Database) -> None:
    ledger = invariants.Ledger()
    assert look(ledger, database) == []
    assert look(ledger, database) == []
    with database.write() as session:
        session.execute(text(SPOILT[name]))
    found = look(ledger, database)
    assert name in {violation.invariant for violation in found}, found


def test_the_documentation_names_every_invariant() -> None:
    documented = Path(__file__).parents[2].joinpath("docs", "invariants.md").read_text(encoding="utf-8")
    for name in (*SPOILT, "stale-writes-change-nothing", "one-key-one-job", "cancel-ends"):
        assert f"`{name}`" in documented, name
