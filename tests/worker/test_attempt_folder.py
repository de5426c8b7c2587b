"""Folders of attempts whose supervisor was killed go; those of others stay."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import structlog

from worker import attempt_folder
from worker.reaper import Reaper


@pytest.fixture
def at_work(service, tmp_path: Path) -> Iterator[Path]:
    claim = service.claim(service.train_job())
    with attempt_folder.attempt_folder(tmp_path, claim) as folder:
        yield folder


def abandoned(root: Path, name: str, *, lock: bool) -> Path:
    folder = root / name
    (folder / "outputs").mkdir(parents=True)
    (folder / "outputs" / "checkpoint.npz").write_text("half of it")
    if lock:
        (folder / "lock").touch()
    return folder


def test_what_killed_supervisors_left_goes(at_work: Path, tmp_path: Path) -> None:
    left = abandoned(tmp_path, "job_1.1", lock=True)
    attempt_folder.sweep(tmp_path)
    assert not left.exists()
    assert at_work.exists()


def test_a_sweep_just_before_a_new_folder_is_locked_takes_nothing(service, tmp_path: Path, monkeypatch) -> None:
    """Another worker of the machine may look at the worst moment; its attempt would lose its folder under its feet."""
    flock, sweeps = fcntl.flock, []

    def swept_before(file: IO[str], how: int) -> None:
        if how == fcntl.LOCK_EX:
            attempt_folder.sweep(tmp_path)
            sweeps.append(how)
        flock(file, how)

    monkeypatch.setattr(attempt_folder.fcntl, "flock", swept_before)
    with attempt_folder.attempt_folder(tmp_path, service.claim(service.train_job())) as folder:
        assert sweeps
        assert (folder / "outputs").is_dir()
        attempt_folder.sweep(tmp_path)
        assert (folder / "outputs").is_dir()
    assert not folder.exists()


def test_a_folder_without_a_lock_is_somebodys_only_while_it_is_new(tmp_path: Path, monkeypatch) -> None:
    """A supervisor may be killed before it locks its folder, or while it removes it: the lock may have gone first."""
    left = abandoned(tmp_path, "job_1.1", lock=False)
    attempt_folder.sweep(tmp_path)
    assert left.exists()
    later = left.stat().st_ctime + attempt_folder.LOCKED_WITHIN_SECONDS + 1
    monkeypatch.setattr(attempt_folder.time, "time", lambda: later)
    attempt_folder.sweep(tmp_path)
    assert not left.exists()


def test_what_is_no_attempts_folder_stays_and_keeps_no_other_from_being_removed(tmp_path: Path) -> None:
    (tmp_path / "job_0").write_text("a file in the way")
    (tmp_path / "job_2" / "lock").mkdir(parents=True)
    left = [abandoned(tmp_path, f"job_{number}.1", lock=True) for number in range(3)]
    with structlog.testing.capture_logs() as lines:
        attempt_folder.sweep(tmp_path)
        attempt_folder.sweep(tmp_path)
    assert [folder for folder in left if folder.exists()] == []
    assert (tmp_path / "job_0").exists()
    warned = [Path(line["folder"]).name for line in lines if line["event"] == "attempt_folder_not_swept"]
    assert sorted(warned) == ["job_0", "job_2"]  # once each


def test_a_worker_that_lives_removes_what_others_left(service, wait_until) -> None:
    runtime = service.runtime()
    left = abandoned(runtime.attempts_dir, "job_1.1", lock=True)
    with attempt_folder.attempt_folder(runtime.attempts_dir, service.claim(service.train_job())) as mine:
        Reaper(runtime).start()
        wait_until(lambda: not left.exists())
        assert mine.exists()
    runtime.stopping.set()
