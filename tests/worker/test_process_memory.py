"""What counts as a process's memory: what it has asked for, wherever that lies, and not the files that it reads."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from worker import process_memory
from worker.process_memory import held_bytes

SIZE = 64 << 20
MOST = SIZE * 3 // 4
STATUS = """Name:\tpython3
VmRSS:\t  900 kB
RssAnon:\t     100 kB
RssFile:\t     790 kB
RssShmem:\t      10 kB
VmSwap:\t       5 kB
"""


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the system tells of process 7."""
    monkeypatch.setattr(process_memory, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    return tmp_path / "7"


def field(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":")), 0)


def touch(memory: mmap.mmap) -> int:
    return sum(memory[at] for at in range(0, len(memory), mmap.PAGESIZE))


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists() or not field("RssAnon"), reason="the system doesn't tell the kinds apart"
)


@needs_proc
def test_a_file_that_is_mapped_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "columns"
    path.write_bytes(bytes(SIZE))
    before, of_files = held_bytes(os.getpid()), field("RssFile")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        touch(mapped)
        if field("RssFile") - of_files < MOST:
            pytest.skip("the folder for temporary files is in memory itself")
        now = held_bytes(os.getpid())
    assert before is not None
    assert now is not None
    assert now - before < SIZE // 4


@needs_proc
@pytest.mark.parametrize("flags", [mmap.MAP_PRIVATE, mmap.MAP_SHARED])
def test_what_it_asked_for_counts(flags: int) -> None:
    before = held_bytes(os.getpid())
    with mmap.mmap(-1, SIZE, flags=flags | mmap.MAP_ANONYMOUS) as memory:
        for at in range(0, SIZE, mmap.PAGESIZE):
            memory[at] = 1
        now = held_bytes(os.getpid())
    assert before is not None
    assert now is not None
    assert now - before > MOST


def test_what_is_swapped_out_counts(proc: Path) -> None:
    (proc / "status").write_text(STATUS)
    assert held_bytes(7) == 115 * 1024


def test_a_name_that_is_no_text_does_not_matter(proc: Path) -> None:
    (proc / "status").write_bytes(STATUS.encode().replace(b"python3", b"\xff"))
    assert held_bytes(7) == 115 * 1024


def test_where_the_kinds_are_not_told_apart_all_that_is_resident_counts(proc: Path) -> None:
    (proc / "status").write_text("Name:\tpython3\nVmRSS:\t  900 kB\n")
    (proc / "statm").write_text("900 300 100 1 0 200 0\n")
    assert held_bytes(7) == 300 * os.sysconf("SC_PAGE_SIZE")


def test_where_the_system_does_not_tell(proc: Path) -> None:
    assert held_bytes(7) is None
