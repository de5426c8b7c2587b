"""A file is read once per state that it is in, and never taken for what it isn't."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from registry import verified_files
from registry.errors import BlobCorrupt, BlobMissing
from registry.verified_files import SETTLED_NS, Verifier

CONTENT = os.urandom(100_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of which the clock says that it was written long ago."""
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    real = time.time_ns
    monkeypatch.setattr(verified_files.time, "time_ns", lambda: real() + 2 * SETTLED_NS)
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with every file that is hashed."""
    made: list[str] = []
    real = hashlib.file_digest

    def spy(file: Any, name: str) -> Any:
        made.append(name)
        return real(file, name)

    monkeypatch.setattr(verified_files.hashlib, "file_digest", spy)
    return made


def test_it_is_read_once(path: Path, reads: list[str]) -> None:
    verifier = Verifier()
    for _ in range(3):
        with verifier.open(path, SHA256) as file:
            assert (file.size, file.read(5, 10), file.unchanged()) == (len(CONTENT), CONTENT[5:15], True)
    assert len(reads) == 1


def test_many_at_once_read_it_once(path: Path, reads: list[str], in_parallel: Any) -> None:
    verifier = Verifier()

    def size(_: int) -> int:
        with verifier.open(path, SHA256) as file:
            return file.size

    assert set(in_parallel(8, size)) == {len(CONTENT)}
    assert len(reads) == 1


def test_a_change_is_seen(path: Path) -> None:
    verifier = Verifier()
    verifier.open(path, SHA256).close()
    status = path.stat()
    path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # whoever hides a change can't hide when it was made
    with pytest.raises(BlobCorrupt, match=SHA256):
        verifier.open(path, SHA256)


def test_an_open_file_knows_that_it_was_changed(path: Path) -> None:
    with Verifier().open(path, SHA256) as file:
        path.write_bytes(b"other")
        assert not file.unchanged()


def test_another_file_in_its_place_is_read_and_the_open_one_stays(path: Path, reads: list[str]) -> None:
    verifier = Verifier()
    with verifier.open(path, SHA256) as file:
        other = path.with_name("other")
        other.write_bytes(b"other")
        other.replace(path)
        assert file.read(0, len(CONTENT)) == CONTENT
    with pytest.raises(BlobCorrupt):
        verifier.open(path, SHA256)
    assert len(reads) == 2


def test_a_file_just_written_is_read_again(tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    written = path.stat().st_ctime_ns
    monkeypatch.setattr(verified_files.time, "time_ns", lambda: written + SETTLED_NS // 2)
    verifier = Verifier()
    for _ in range(2):
        verifier.open(path, SHA256).close()
    assert len(reads) == 2


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BlobMissing, match=SHA256):
        Verifier().open(tmp_path / "nowhere", SHA256)


def test_it_forgets_the_oldest(tmp_path: Path, path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_files, "MAX_REMEMBERED", 2)
    contents = {hashlib.sha256(text).hexdigest(): text for text in (b"1", b"2", b"3")}
    verifier = Verifier()
    for sha256, text in contents.items():
        (tmp_path / sha256).write_bytes(text)
        verifier.open(tmp_path / sha256, sha256).close()
    for sha256 in reversed(contents):
        verifier.open(tmp_path / sha256, sha256).close()
    assert len(reads) == 4
