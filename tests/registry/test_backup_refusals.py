"""What can be no backup, or no place for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry import (
    backup,
    backup_check,
    duties,
)
from registry.blobs import BlobStore
from registry.errors import BackupDamaged, BackupInvalid, BackupUnderWay, BlobMissing, TargetNotEmpty
from tests.registry.backup_sources import rows


class TestRefusals:
    def test_a_folder_that_another_service_is_at(self, source, tmp_path):
        (tmp_path / "b").mkdir()
        with backup._alone_in(tmp_path / "b"), pytest.raises(BackupUnderWay, match="into"):
            backup.backup(source.database, source.store, tmp_path / "b")
        backup.backup(source.database, source.store, tmp_path / "b")

    def test_a_folder_with_something_else(self, source, tmp_path):
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "thesis.tex").touch()
        with pytest.raises(TargetNotEmpty, match="neither empty nor"):
            backup.backup(source.database, source.store, tmp_path / "b")
        assert [path.name for path in (tmp_path / "b").iterdir()] == ["thesis.tex"]

    def test_a_second_one_at_the_same_time(self, source, tmp_path):
        with source.database.write() as session:
            duties.take(session, duties.BACKUP, "another", seconds=60)
        with pytest.raises(BackupUnderWay):
            backup.backup(source.database, source.store, tmp_path / "b")

    def test_a_database_with_rows(self, source, tmp_path):
        backup.backup(source.database, source.store, tmp_path / "b")
        before = rows(source.database)
        with pytest.raises(TargetNotEmpty, match="has rows"):
            backup.restore(source.database, BlobStore(tmp_path / "new"), tmp_path / "b")
        assert rows(source.database) == before
        assert not (tmp_path / "new").exists()

    def test_a_store_with_other_blobs(self, source, empty, tmp_path):
        backup.backup(source.database, source.store, tmp_path / "b")
        empty[1].put_bytes(b"other")
        with pytest.raises(TargetNotEmpty, match="other blobs"):
            backup.restore(*empty, tmp_path / "b")
        assert not Path(str(empty[0].url.database)).exists()

    @pytest.mark.parametrize(
        ("harm", "error"),
        [
            ("row byte", BackupDamaged),
            ("no rows", BackupDamaged),
            ("blob byte", BackupDamaged),
            ("no blob", BackupDamaged),
            ("manifest byte", BackupDamaged),
            ("no manifest", BackupInvalid),
            ("newer", BackupInvalid),
            ("newer format", BackupInvalid),
        ],
    )
    def test_a_backup_that_is_damaged(self, source, empty, tmp_path, harm, error):
        folder = tmp_path / "b"
        made = backup.backup(source.database, source.store, folder)
        blob = next(path for path in sorted((folder / "blobs" / "sha256").rglob("*")) if path.is_file())
        table = folder / made.folder / "jobs.jsonl.gz"
        if harm == "row byte":
            table.write_bytes(table.read_bytes()[:-1] + b"x")
        elif harm == "no rows":
            table.unlink()
        elif harm == "blob byte":
            blob.chmod(0o600)
            blob.write_bytes(b"x" * blob.stat().st_size)
        elif harm == "no blob":
            blob.unlink()
        elif harm == "no manifest":
            (folder / backup.MANIFEST).unlink()
        elif harm == "manifest byte":
            (folder / backup.MANIFEST).write_bytes((folder / backup.MANIFEST).read_bytes()[:-1])
        else:
            document = json.loads((folder / backup.MANIFEST).read_text())
            newer = {"revision": "9999"} if harm == "newer" else {"format": 2, "more": 1}
            (folder / backup.MANIFEST).write_text(json.dumps({**document, **newer}))
        for attempt in (lambda: backup_check.check(folder), lambda: backup.restore(*empty, folder)):
            with pytest.raises(BackupInvalid) as raised:
                attempt()
            assert type(raised.value) is error
            assert "from a backup" not in raised.value.message
            if error is BackupDamaged:
                assert raised.value.message.startswith(f"the backup in {folder} is damaged: ")
                assert "use another backup, such as one of an earlier generation" in raised.value.message
        if Path(str(empty[0].url.database)).exists():
            with empty[0].engine.connect() as connection:
                assert backup.dump.is_empty(connection)

    def test_no_backup_is_made_of_a_damaged_store(self, source, tmp_path):
        blob = next(path for path in sorted((tmp_path / "source" / "blobs" / "sha256").rglob("*")) if path.is_file())
        blob.unlink()
        with pytest.raises(BlobMissing):
            backup.backup(source.database, source.store, tmp_path / "b")
        with pytest.raises(BackupInvalid, match="no backup"):
            backup.load(tmp_path / "b")
        assert source.database.url is not None
