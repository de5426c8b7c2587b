"""From the schema of the first release to today's, with rows in every table, on both databases."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text

from registry import datasets, events, example_sets, job_files, jobs, leases, models, tables
from registry.database import Database
from registry.errors import DatabaseTooNew
from registry.migrations.run import differences, upgrade
from registry.records import FileEntry

LONG_AGO = datetime(2025, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
AHEAD = datetime(2999, 1, 1, tzinfo=UTC)
SHA = "ab" * 32
# In order of age, which is the order of claims. Status, type, when the lease ends.
JOBS: dict[str, tuple[str, str, datetime | None]] = {
    "job_done_check": ("succeeded", "validate_dataset", None),
    "job_done": ("succeeded", "train", None),
    "job_failed": ("failed", "train", None),
    "job_cancelled": ("cancelled", "train", None),
    "job_held": ("running", "train", AHEAD),
    "job_silent": ("running", "train", LONG_AGO),
    "job_waiting": ("queued", "train", None),
    "job_waiting_check": ("queued", "validate_dataset", None),
}
METADATA: dict[str, dict[str, Any]] = {
    "job_done": {"commit": "4f2a91c", "note": "Übung, größer\n", "": "empty", "long": "x" * 512},
    "job_waiting": {"commit": "4f2a91c"},
    "job_failed": {"number": 1, "nothing": None},  # a program that wrote rows without the API
}


def old_rows(connection: Connection) -> None:
    """What a service of the first release leaves behind."""

    def add(table: str, /, **values: Any) -> None:
        connection.execute(insert(tables.metadata.tables[table]).values(**values))

    at = {"created_at": LONG_AGO}
    changed = {**at, "updated_at": LONG_AGO}
    add("projects", id="default", **at)
    add("blobs", sha256=SHA, bytes=2**40, **at)
    common = {"project_id": "default", "spec": {"format": "auto"}, "source": {"type": "upload"}, "labels": {"a": "b"}}
    report = {"rows": {"in": 3}, "examples": [{"value": "NUL: \0"}]}
    ready = {"report": report, "content_hash": SHA, "ready_at": LONG_AGO}
    add(
        "datasets",
        id="ds_a",
        name="log",
        status="ready",
        validation_job_id="job_done_check",
        **ready,
        **common,
        **changed,
    )
    add(
        "datasets", id="ds_b", name="b", status="validating", validation_job_id="job_waiting_check", **common, **changed
    )
    for job_id, (status, type_, lease_until) in JOBS.items():
        terminal = status in ("succeeded", "failed", "cancelled")
        add(
            "jobs",
            id=job_id,
            project_id="default",
            type=type_,
            queue="default",
            status=status,
            phase=None if status == "queued" else "train",
            furthest_phase=0 if status == "queued" else 3,
            attempt=0 if status == "queued" else 1,
            fence=0 if status == "queued" else 1,
            lease_until=lease_until,
            published_at=LONG_AGO,
            last_seq=1,
            dataset_id="ds_b" if job_id == "job_waiting_check" else "ds_a",
            config={"seed": 1, "nested": {"z": [1, 2.5], "a": True}},
            model="films" if type_ == "train" else None,
            metadata=METADATA.get(job_id, {}),
            error={"code": "diverged", "message": "NaN"} if status == "failed" else None,
            finished_at=LONG_AGO if terminal else None,
            **changed,
        )
        if status != "queued":
            add("attempts", job_id=job_id, number=1, fence=1, worker="w", outcome="running", started_at=LONG_AGO)
        add(
            "events", id=f"evt_{job_id}", project_id="default", subject=job_id, seq=1, type="job.created", data={}, **at
        )
    add("job_epochs", job_id="job_silent", epoch=1, metrics={"loss": 0.5}, **at)
    add("job_logs", job_id="job_silent", attempt=1, line="hello", **at)
    checkpoint = {"fence": 1, "attempt": 1, "sha256": SHA, "bytes": 2**40, "epoch": 1, "step": 10}
    add("checkpoints", id="ckpt_1", job_id="job_silent", **checkpoint, **at)
    add("models", id="mdl_1", project_id="default", name="films", last_version=1, **changed)
    version = {"model_id": "mdl_1", "version": 1, "job_id": "job_done", "dataset_id": "ds_a"}
    add("model_versions", id="ver_1", project_id="default", metrics={"hr@10": 0.1}, manifest={"x": 1}, **version, **at)
    add("files", owner_id="ver_1", role="artifact", path="model.tflite", bytes=2**40, sha256=SHA)


def contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows by table, as they are, whatever columns there are."""
    found: dict[str, list[dict[str, Any]]] = {}
    with database.engine.connect() as connection:
        for table in tables.metadata.sorted_tables:
            if table.name == "alembic_version" or not database.engine.dialect.has_table(connection, table.name):
                continue
            rows = connection.execute(text(f"SELECT * FROM {table.name}")).mappings()
            found[table.name] = sorted(({**row} for row in rows), key=repr)
    return found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A database without a schema."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("empty_postgresql")
    database = Database(url)
    yield database
    database.dispose()


def fill(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        upgrade(connection, revision)
    with database.engine.begin() as connection:
        old_rows(connection)


@pytest.fixture
def old(empty: Database) -> Database:
    """A database of the first release, with rows."""
    fill(empty, "0001")
    return empty


def test_every_row_comes_through_and_waiting_jobs_are_done_by_whom_they_should(old: Database) -> None:
    before = contents(old)
    old.migrate()
    after = contents(old)

    with old.engine.connect() as connection:
        assert differences(connection) == []
    for name, rows in before.items():
        columns = rows[0].keys() if rows else ()
        kept = [{column: row[column] for column in columns} for row in after[name]]
        for row in [*rows, *kept]:
            row.pop("queue", None)
        assert sorted(kept, key=repr) == sorted(rows, key=repr), name

    with old.read() as session:
        found = {row.id: row.queue for row in session.execute(select(tables.jobs.c.id, tables.jobs.c.queue))}
        pairs = {(row.job_id, row.key, row.value) for row in session.execute(select(tables.job_metadata))}
        assert datasets.get(session, "ds_a").report["examples"][0]["value"] == "NUL: \0"
        assert models.get(session, "films").last_version == 1
        assert jobs.get(session, "job_done").metadata == METADATA["job_done"]
        assert [event.type for event in events.list_after(session, "job_silent")] == ["job.created"]
    assert found == {name: "validate" if type_ != "train" else "train" for name, (_, type_, _) in JOBS.items()}
    assert pairs == {
        (job_id, key, value)
        for job_id, found_metadata in METADATA.items()
        for key, value in found_metadata.items()
        if isinstance(value, str)
    }

    claimed = []
    with old.write() as session:
        due = leases.due(session, limit=10, republish_seconds=30)
        while (claim := leases.claim(session, worker="new", lease_seconds=60, queues=("train",))) is not None:
            claimed.append(claim.job_id)
        check = leases.claim(session, worker="new", lease_seconds=60, queues=("validate",))
    assert due == {"train": ("job_silent", "job_waiting"), "validate": ("job_waiting_check",)}
    assert claimed == ["job_silent", "job_waiting"]
    assert check is not None
    assert check.job_id == "job_waiting_check"
    with old.write() as session:
        assert jobs.create(session, type="train", dataset_id="ds_a", config={}, metadata={"k": "v"}).queue == "train"


def test_many_migrate_at_once_and_one_that_fails_leaves_the_old_schema(old: Database, monkeypatch: Any) -> None:
    before = contents(old)
    real = sys.modules["registry.migrations.run"].command.upgrade

    def broken(*arguments: Any) -> None:
        real(*arguments)
        raise OSError("the machine goes down")

    with monkeypatch.context() as patch:
        patch.setattr("registry.migrations.run.command.upgrade", broken)
        with pytest.raises(OSError, match="goes down"):
            old.migrate()
    assert contents(old) == before

    script = "import sys; from registry.database import Database; Database(sys.argv[1]).migrate()"
    url = old.url.render_as_string(hide_password=False)
    other = subprocess.Popen([sys.executable, "-c", script, url], stderr=subprocess.PIPE, text=True)
    threads = [threading.Thread(target=Database(url).migrate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert other.wait(60) == 0, other.communicate()
    with old.engine.connect() as connection:
        assert differences(connection) == []
        assert connection.execute(select(tables.job_metadata)).all()


def test_a_database_of_a_newer_release_is_refused_and_left_alone(old: Database) -> None:
    old.migrate()
    with old.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = contents(old)
    with pytest.raises(DatabaseTooNew, match=r"revision 9999.*newer release"):
        old.migrate()
    assert contents(old) == before


def test_a_lease_of_an_old_worker_is_waited_for(old: Database) -> None:
    old.migrate()
    later = Database(old.url, clock=lambda: AHEAD + timedelta(seconds=1))
    with later.write() as session:
        claim = leases.claim(session, job_id="job_held", worker="new", lease_seconds=60)
    later.dispose()
    assert claim is not None
    assert claim.fence == 2


def test_jobs_of_the_second_release_have_no_base_and_go_on(empty: Database) -> None:
    fill(empty, "0002")
    with empty.engine.begin() as connection:
        connection.execute(insert(tables.counters).values(name="jobs_finished", labels="{}", value=2.0))
    before = contents(empty)
    empty.migrate()
    after = contents(empty)
    empty.migrate()
    assert contents(empty) == after
    with empty.engine.connect() as connection:
        assert differences(connection) == []
    for row in after["jobs"]:
        assert row.pop("base") is None
    for row in after["blobs"]:
        assert row.pop("unused_since") is None
    assert [after.pop(name) for name in ("example_sets", "removals", "duties")] == [[], [], []]
    assert after == before
    with empty.write() as session:
        job = jobs.create(session, type="export", dataset_id="ds_a", config={}, base={"model": "films", "version": 1})
        assert jobs.get(session, job.id).base == {"model": "films", "version": 1}
        assert jobs.get(session, "job_done").base is None
        claim = leases.claim(session, job_id="job_silent", worker="new", lease_seconds=60)
        assert claim is not None
        entry = FileEntry("examples.npz", 2**40, SHA)
        assert example_sets.keep(session, claim, key=SHA, data_hash=SHA, entries=[entry], max_bytes=2**41)
        assert job_files.publish(session, claim, files=[entry], metrics={})["artifacts"] == [entry.as_dict()]
