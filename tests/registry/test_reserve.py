"""A full disk of SQLite's can be tidied all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry import housekeeping
from registry.blobs import BlobStore
from registry.database import Database
from registry.reserve import RESERVED_BYTES, Reserve
from registry.settings import Settings


def test_it_is_set_aside_once_and_only_where_there_is_plenty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = Reserve(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: _free(7 * RESERVED_BYTES))
        reserve.keep()
    assert list(tmp_path.iterdir()) == []
    reserve.keep()
    reserve.keep()
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [("reserve", RESERVED_BYTES)]
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= RESERVED_BYTES


def test_it_stays_where_there_is_room(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    reserve.keep()
    with reserve.room():
        assert (tmp_path / "reserve").exists()


def test_it_is_given_up_on_a_full_disk_and_set_aside_again_once_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = Reserve(tmp_path)
    reserve.keep()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: _free(0))
        with reserve.room():
            assert not (tmp_path / "reserve").exists()
        assert not (tmp_path / "reserve").exists(), "nothing was freed"
        with reserve.room():
            patch.undo()
    assert (tmp_path / "reserve").exists()


def test_no_space_left_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    Reserve(tmp_path).keep()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MiB; skips where none can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "pocketrec-test", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode != 0:
        pytest.skip(f"a small disk can't be mounted here: {done.stderr.strip()[:200]}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_round_on_a_full_disk_frees_it(small_disk: Path) -> None:
    settings = Settings(state_dir=small_disk, blob_grace_seconds=0)
    blobs = BlobStore(settings.blob_url)
    database = Database(settings.database_url, blobs=blobs)
    database.migrate()
    Reserve(small_disk).keep()
    unused = small_disk / "unused"
    unused.write_bytes(os.urandom(20 << 20))
    from registry import files
    from registry.database import now

    with database.write() as session:
        blob = blobs.put_file(unused)
        files.record_blobs(session, [blob], now(session))
    unused.unlink()
    with (small_disk / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free)
    assert shutil.disk_usage(small_disk).free == 0
    with pytest.raises(OSError, match="No space"):
        blobs.probe()

    found = housekeeping.go_round(database, blobs, settings, "test")
    assert found is not None
    assert found.swept.blobs == 1
    assert shutil.disk_usage(small_disk).free > 10 << 20
    blobs.probe()
    database.dispose()


def _free(count: int) -> Any:
    return shutil._ntuple_diskusage(1 << 40, 0, count)  # type: ignore[attr-defined]
