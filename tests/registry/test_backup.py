"""Backup while others write, and restore into either database."""

from __future__ import annotations

import gzip
import json
import os
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from registry import (
    backup,
    checkpoints,
    ids,
    jobs,
    leases,
    retries,
    sweeping,
)
from registry.blobs import BlobStore
from registry.database import Database
from registry.migrations.run import differences
from tests.registry.backup_sources import rows


def test_all_comes_back_and_work_goes_on(source, target, tmp_path):
    before = rows(source.database)
    made = backup.backup(source.database, source.store, tmp_path / "b")
    assert (made.blobs, made.bytes) == (3, 14 + 5 + 7)
    assert (tmp_path / "b").stat().st_mode & 0o77 == 0
    database, store = target
    assert backup.restore(database, store, tmp_path / "b") == made
    assert rows(database) == before
    with database.engine.connect() as connection:
        assert differences(connection) == []
    for blob, _ in store.listed():
        store.verify(blob.sha256)
    with database.write() as session:
        claim = leases.claim(session, worker="new", lease_seconds=60)
        assert claim is not None
        assert claim.job_id == source.running
        found = checkpoints.latest_checkpoint(session, claim.job_id)
        assert found is not None
        # numbers that the database gives out go on
        jobs.append_log(session, claim, ["three"])
        highest = max(line.id for line in jobs.list_log(session, source.done))
        assert jobs.list_log(session, claim.job_id)[0].id == highest + 1
    assert b"".join(store.open_range(found.sha256)) == b"state 1"
    assert sweeping.sweep(database, store, grace_seconds=0).blobs == 0


def test_a_retry_that_sorts_before_its_job(source, target, tmp_path, monkeypatch):
    """Queued through a process whose clock was behind: ids sort by the clock of whoever made them."""
    real = ids._tick
    with source.database.write() as session:
        job = jobs.create(session, type="train", dataset_id=None, config={})
    with source.database.write() as session:
        jobs.request_cancel(session, job.id)
    monkeypatch.setattr(ids, "_tick", lambda: real() - (2000 << 12))
    with source.database.write() as session:
        retry = retries.retry(session, job.id)
    assert retry.id < job.id
    before = rows(source.database)
    backup.backup(source.database, source.store, tmp_path / "b")
    database, store = target
    backup.restore(database, store, tmp_path / "b")
    assert rows(database) == before
    with database.read() as session:
        assert jobs.get(session, retry.id).retry_of == job.id


def test_every_order_of_tables_and_rows_can_be_restored():
    """Tables come after those that they refer to; what refers to its own table can be filled in afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # SQLAlchemy only warns of tables that refer to each other
        order = [table.name for table in backup.dump.dumped_tables()]
    for table in backup.dump.dumped_tables():
        for column in table.columns:
            for key in column.foreign_keys:
                if key.column.table is table:
                    assert column.nullable, column
                else:
                    assert order.index(key.column.table.name) < order.index(table.name), column


def test_rows_and_blobs_are_of_one_moment(source, empty, tmp_path, monkeypatch):
    """A job goes on, and its old checkpoint would be swept, just when the rows have been read."""
    real = backup._copy
    old = source.checkpoint(b"state 2", 2)

    def copy(*arguments: Any) -> Any:
        source.checkpoint(b"state 3", 3)
        assert sweeping.sweep(source.database, source.store, grace_seconds=0).held_by is not None
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(backup, "_copy", copy)
        backup.backup(source.database, source.store, tmp_path / "b")
    assert sweeping.sweep(source.database, source.store, grace_seconds=0).blobs == 2
    assert not source.store.exists(old)
    database, store = empty
    backup.restore(database, store, tmp_path / "b")
    with database.read() as session:
        found = checkpoints.latest_checkpoint(session, source.running)
    assert found is not None
    assert (found.epoch, found.sha256) == (2, old)
    store.verify(old)


def test_a_second_backup_copies_what_is_new(source, empty, tmp_path, monkeypatch):
    backup.backup(source.database, source.store, tmp_path / "b")
    source.checkpoint(b"state 2", 2)
    copied: list[str] = []
    real = BlobStore.copy_from
    monkeypatch.setattr(BlobStore, "copy_from", lambda *given: (copied.append(given[2]), real(*given)))
    made = backup.backup(source.database, source.store, tmp_path / "b")
    assert len(copied) == 1
    assert [path.name for path in (tmp_path / "b").iterdir() if path.name.startswith("rows-")] == [made.folder]
    backup.restore(*empty, tmp_path / "b")
    assert rows(empty[0]) == rows(source.database)


def test_all_is_durable_before_the_manifest_names_it(source, tmp_path, monkeypatch):
    """Also blobs of a backup that was killed before it synced their names; and the earlier rows go last of all."""
    folder = tmp_path / "new" / "b"
    synced: set[Path] = set()
    real_sync, real_replace = os.fsync, Path.replace

    def sync(descriptor: int) -> None:
        real_sync(descriptor)
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink())

    def replace(self: Path, target: Path) -> Path:
        if target.name == backup.MANIFEST:
            assert self in synced
            earlier = set().union(*there)
            there.append({path for path in folder.iterdir() if path.name.startswith("rows-")} - earlier)
            (new,) = there[-1]
            assert earlier <= set(folder.iterdir())
            store = folder / "blobs" / "sha256"
            assert {new, *new.iterdir(), store, *store.iterdir(), store.parent, folder} <= synced
            synced.clear()
        return real_replace(self, target)

    there: list[set[Path]] = []
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    for _ in range(2):
        backup.backup(source.database, source.store, folder)
        assert folder in synced  # the manifest's new name
    assert len(there) == 2
    assert [path for path in folder.iterdir() if path.name.startswith("rows-")] == list(there[1])


def test_rows_that_no_manifest_names_go(source, empty, tmp_path):
    """Those of backups that were killed; and one that fails leaves none, and the earlier one as it was."""
    folder = tmp_path / "b"
    killed = [folder / "rows-20260101T000000-00000000", folder / "rows-20260102T000000-00000001"]
    killed[0].mkdir(parents=True)
    first = backup.backup(source.database, source.store, folder)
    killed[1].mkdir()
    (killed[1] / "jobs.jsonl.gz").touch()
    (folder / ".backup.json.part").touch()

    def rows_folders() -> list[str]:
        return [path.name for path in folder.iterdir() if path.name.startswith("rows-")]

    def fail(*_: Any) -> None:
        assert rows_folders() != []
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backup, "_copy", fail)
        with pytest.raises(KeyboardInterrupt):
            backup.backup(source.database, source.store, folder)
    assert rows_folders() == [first.folder]
    second = backup.backup(source.database, source.store, folder)
    assert rows_folders() == [second.folder]
    assert sorted(path.name for path in folder.iterdir()) == ["backup.json", "blobs", second.folder]
    backup.restore(*empty, folder)


def test_rows_stay_once_the_manifest_names_them(source, empty, tmp_path, monkeypatch):
    """Cut off right after the manifest was replaced."""
    folder = tmp_path / "b"
    backup.backup(source.database, source.store, folder)
    source.checkpoint(b"state 2", 2)
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        real(self, target)
        if target.name == backup.MANIFEST:
            raise KeyboardInterrupt
        return target

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            backup.backup(source.database, source.store, folder)
    backup.restore(*empty, folder)
    assert rows(empty[0]) == rows(source.database)


def test_a_restore_that_was_cut_off_is_started_again(source, empty, tmp_path, monkeypatch):
    backup.backup(source.database, source.store, tmp_path / "b")

    def cut(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(backup.dump, "read", cut)
        with pytest.raises(KeyboardInterrupt):
            backup.restore(*empty, tmp_path / "b")
    backup.restore(*empty, tmp_path / "b")
    assert rows(empty[0]) == rows(source.database)


def test_a_backup_of_the_release_before(empty, tmp_path, source):
    """As if made at schema revision 0003: without the columns and tables that came later."""
    folder = tmp_path / "b"
    made = backup.backup(source.database, source.store, folder)
    document = json.loads((folder / backup.MANIFEST).read_text())
    rows_folder = folder / made.folder
    with gzip.open(rows_folder / "blobs.jsonl.gz") as file:
        lines = file.read().splitlines()
    at = json.loads(lines[0]).index("unused_since")
    old = [json.dumps([value for place, value in enumerate(json.loads(line)) if place != at]) for line in lines]
    with gzip.open(rows_folder / "blobs.jsonl.gz", "wb") as file:
        file.write("\n".join(old).encode() + b"\n")
    kept = [table for table in document["tables"] if table["name"] != "removals"]
    for table in kept:
        table["sha256"] = backup.dump.sha256_of(rows_folder / f"{table['name']}.jsonl.gz")
    (folder / backup.MANIFEST).write_text(json.dumps({**document, "revision": "0003", "tables": kept}))
    backup.restore(*empty, folder)
    assert rows(empty[0]) == rows(source.database)


def test_others_write_while_it_is_made(source, tmp_path):
    """No writer waits for it, and whatever moment it catches can be restored."""
    over = threading.Event()

    def write() -> None:
        number = 10
        while not over.is_set():
            source.checkpoint(f"state {number}".encode(), number)
            sweeping.sweep(source.database, source.store, grace_seconds=0)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(2):
            backup.backup(source.database, source.store, tmp_path / f"b{number}")
    finally:
        over.set()
        writer.join(60)
    for number in range(2):
        store = BlobStore(tmp_path / f"t{number}" / "blobs")
        database = Database(f"sqlite:///{tmp_path}/t{number}/registry.db", blobs=store)
        backup.restore(database, store, tmp_path / f"b{number}")
        with database.read() as session:
            found = checkpoints.latest_checkpoint(session, source.running)
        assert found is not None
        store.verify(found.sha256)
        database.dispose()
