"""A backup that is looked at without being restored."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from registry import (
    backup,
    backup_check,
)
from registry.errors import BackupDamaged


def test_a_check_reads_everything_and_changes_nothing(source, tmp_path):
    folder = tmp_path / "b"
    made = backup.backup(source.database, source.store, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    seen = []
    assert backup_check.check(folder, lambda *progress: seen.append(progress)) == made
    assert seen[-1] == (3, 3, made.bytes)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_check_that_finds_several_damaged_blobs_counts_them(source, tmp_path):
    backup.backup(source.database, source.store, tmp_path / "b")
    for path in [path for path in (tmp_path / "b" / "blobs" / "sha256").rglob("*") if path.is_file()][:2]:
        path.chmod(0o600)
        path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(BackupDamaged, match=r"2 of 3 blobs, such as this one: blob .* is damaged"):
        backup_check.check(tmp_path / "b")


def test_a_check_tries_the_rows(source, tmp_path):
    """Rows that no database takes, although each file is the one that was written."""
    made = backup.backup(source.database, source.store, tmp_path / "b")
    path = tmp_path / "b" / made.folder / "attempts.jsonl.gz"
    with gzip.open(path) as file:
        lines = file.read().splitlines()
    at = json.loads(lines[0]).index("job_id")
    lines[1] = json.dumps(
        ["job_nowhere" if place == at else value for place, value in enumerate(json.loads(lines[1]))]
    ).encode()
    with gzip.open(path, "wb") as file:
        file.write(b"\n".join(lines) + b"\n")
    document = json.loads((tmp_path / "b" / backup.MANIFEST).read_text())
    for table in document["tables"]:
        table["sha256"] = backup.dump.sha256_of(tmp_path / "b" / made.folder / f"{table['name']}.jsonl.gz")
    (tmp_path / "b" / backup.MANIFEST).write_text(json.dumps(document))
    with pytest.raises(BackupDamaged, match="rows don't fit together"):
        backup_check.check(tmp_path / "b")


def test_a_check_without_room_for_its_database_blames_no_backup(source, tmp_path, monkeypatch):
    backup.backup(source.database, source.store, tmp_path / "b")

    def full(*_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(backup.dump, "read", full)
    with pytest.raises(OSError, match="disk is full; name another folder by TMPDIR"):
        backup_check.check(tmp_path / "b")
