from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.blobs import SINGLE_PUT_BYTES, BlobStore
from registry.errors import BlobCorrupt, BlobMissing
from registry.records import Blob

ABSENT = "0" * 64


@pytest.fixture(params=["folder", "file url", "object store"])
def store(request, tmp_path):
    """The folder as path and as URL, and the code for object stores over one in memory."""
    return BlobStore(
        {"folder": tmp_path / "b", "file url": f"file://{tmp_path}/a%20b", "object store": "memory:///"}[request.param]
    )


@pytest.fixture
def local(tmp_path):
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def source(tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "source"
        path.write_bytes(content)
        return path

    return write


def stored(tmp_path, sha256):
    return tmp_path / "blobs" / "sha256" / sha256[:2] / sha256


class TestContract:
    @pytest.mark.parametrize("size", [0, 1, 1 << 20, SINGLE_PUT_BYTES + 1])
    def test_what_goes_in_comes_out(self, store, source, tmp_path, size):
        content = os.urandom(size)
        blob = store.put_file(source(content))
        assert blob == Blob(hashlib.sha256(content).hexdigest(), size)
        assert store.exists(blob.sha256)
        assert store.size(blob.sha256) == size
        assert b"".join(store.open_range(blob.sha256)) == content
        store.fetch(blob.sha256, tmp_path / "new" / "copy")
        assert (tmp_path / "new" / "copy").read_bytes() == content
        store.verify(blob.sha256)

    def test_twice_is_once(self, store):
        assert store.put_bytes(b"same") == store.put_bytes(b"same")
        assert b"".join(store.open_range(store.put_bytes(b"same").sha256)) == b"same"

    def test_ranges(self, store):
        content = os.urandom(3_000_000)
        sha256 = store.put_bytes(content).sha256
        for start, end in (
            (0, 1),
            (5, 5),
            (0, None),
            (2_999_999, None),
            (1_000_000, 2_500_001),
            (7, 9_000_000),
            (3_000_000, None),
        ):
            assert b"".join(store.open_range(sha256, start, end)) == content[start:end]
        for start, end in ((-1, 5), (5, 4), (3_000_001, None)):
            with pytest.raises(ValueError, match="range"):
                store.open_range(sha256, start, end)

    def test_absent_blobs(self, store, tmp_path):
        assert not store.exists(ABSENT)
        for call in (store.size, store.open_range, store.verify, lambda sha256: store.fetch(sha256, tmp_path / "x")):
            with pytest.raises(BlobMissing, match=ABSENT):
                call(ABSENT)
        assert not (tmp_path / "x").exists()

    @pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 63 + "\n"])
    def test_what_is_no_hash_becomes_no_path(self, store, name):
        with pytest.raises(ValueError, match="sha256"):
            store.exists(name)

    def test_the_store_says_when_it_works(self, store):
        store.probe()

    def test_many_writers_of_one_content(self, store, in_parallel):
        content = os.urandom(300_000)
        blobs = in_parallel(8, lambda _: store.put_bytes(content))
        assert len(set(blobs)) == 1
        store.verify(blobs[0].sha256)

    def test_a_missing_source_is_an_error_and_no_blob(self, store, tmp_path):
        with pytest.raises(FileNotFoundError):
            store.put_file(tmp_path / "nowhere")


class TestAdoption:
    def test_what_goes_in_comes_out(self, store, source):
        content = os.urandom(100_000)
        path = source(content)
        blob = store.adopt_file(path)
        path.unlink()
        assert blob == Blob(hashlib.sha256(content).hexdigest(), len(content))
        assert b"".join(store.open_range(blob.sha256)) == content

    def test_the_file_itself_becomes_the_blob(self, local, source, tmp_path):
        path = source(b"content")
        blob = local.adopt_file(path)
        assert path.samefile(stored(tmp_path, blob.sha256))
        assert list((tmp_path / "blobs" / "tmp").iterdir()) == []

    def test_what_is_there_already_stays(self, local, source, tmp_path):
        blob = local.put_bytes(b"content")
        path = source(b"content")
        assert local.adopt_file(path) == blob
        assert not path.samefile(stored(tmp_path, blob.sha256))

    def test_a_file_with_a_second_name_is_copied(self, local, source, tmp_path):
        path = source(b"content")
        (tmp_path / "second").hardlink_to(path)
        blob = local.adopt_file(path)
        (tmp_path / "second").write_bytes(b"changed")
        local.verify(blob.sha256)

    def test_a_symbolic_link_is_copied(self, local, source, tmp_path):
        path = source(b"content")
        (tmp_path / "link").symlink_to(path)
        blob = local.adopt_file(tmp_path / "link")
        path.write_bytes(b"changed")
        local.verify(blob.sha256)

    @pytest.mark.parametrize("why", [errno.EXDEV, errno.EPERM, errno.EMLINK])
    def test_where_links_are_impossible_it_is_copied(self, local, source, tmp_path, monkeypatch, why):
        def refuse(*_args):
            raise OSError(why, os.strerror(why))

        monkeypatch.setattr(os, "link", refuse)
        blob = local.adopt_file(source(b"content"))
        local.verify(blob.sha256)
        assert list((tmp_path / "blobs" / "tmp").iterdir()) == []

    def test_a_missing_source_is_an_error_and_no_blob(self, store, tmp_path):
        with pytest.raises(FileNotFoundError):
            store.adopt_file(tmp_path / "nowhere")


def test_leftovers_of_killed_writers_are_swept_and_fresh_parts_are_not(local, tmp_path):
    blob = local.put_bytes(b"content")
    part = tmp_path / "blobs" / "tmp" / "put-killed"
    part.write_bytes(b"half")
    local.sweep()
    assert part.exists()
    local.sweep(fresh_seconds=-1)
    assert not part.exists()
    local.verify(blob.sha256)


def test_a_blob_that_is_swept_just_when_it_is_found_there_is_put_again(local, source, monkeypatch):
    blob = local.put_bytes(b"content")
    real = os.link

    def link(*names):
        try:
            real(*names)
        except FileExistsError:
            local.trash().take(local.trash().prepare(blob.sha256))
            raise

    monkeypatch.setattr("registry.local_commit.os.link", link)
    assert local.put_file(source(b"content")) == blob
    local.verify(blob.sha256)


def test_a_blob_comes_in_chunks(local):
    sha256 = local.put_bytes(bytes(5 << 20)).sha256
    assert max(len(chunk) for chunk in local.open_range(sha256)) <= 2 << 20


class TestDamage:
    def damage(self, tmp_path, sha256, content):
        path = stored(tmp_path, sha256)
        path.chmod(0o600)
        path.write_bytes(content)

    def test_changed_bytes_are_never_handed_out_by_fetch(self, local, tmp_path):
        sha256 = local.put_bytes(b"good content").sha256
        self.damage(tmp_path, sha256, b"evil content")
        target = tmp_path / "target"
        target.write_bytes(b"earlier")
        with pytest.raises(BlobCorrupt, match=sha256):
            local.fetch(sha256, target)
        assert target.read_bytes() == b"earlier"
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".fetch")] == []

    def test_verify_sees_damage_done_after_it_had_found_the_blob_good(self, local, tmp_path):
        sha256 = local.put_bytes(b"good content").sha256
        local.verify(sha256)
        self.damage(tmp_path, sha256, b"evil content")
        os.utime(stored(tmp_path, sha256), (1, 1))
        with pytest.raises(BlobCorrupt):
            local.verify(sha256)

    def test_putting_it_again_repairs_a_truncated_blob(self, local, tmp_path):
        sha256 = local.put_bytes(b"good content").sha256
        self.damage(tmp_path, sha256, b"good")
        local.put_bytes(b"good content")
        local.verify(sha256)

    def test_blobs_are_read_only(self, local, tmp_path):
        sha256 = local.put_bytes(b"x").sha256
        assert stored(tmp_path, sha256).stat().st_mode & 0o777 == 0o444


class TestInterruptedPut:
    def test_nothing_is_left_when_writing_fails(self, local, source, tmp_path, monkeypatch):
        def full(_descriptor):
            raise OSError(28, "No space left on device")

        path = source(b"content")
        monkeypatch.setattr("registry.blobs.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            local.put_file(path)
        monkeypatch.undo()
        assert not local.exists(hashlib.sha256(b"content").hexdigest())
        assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []

    @pytest.mark.parametrize("moment", ["fsync", "link"])
    def test_a_killed_writer_leaves_nothing_readable(self, local, source, tmp_path, moment):
        """The process dies at once, without any clean-up, right before it syncs or names the file."""
        script = (
            "import os, sys; from pathlib import Path; from registry.blobs import BlobStore\n"
            f"os.{moment} = lambda *_: os._exit(9)\n"
            "store = BlobStore(sys.argv[1]); store.put_file(Path(sys.argv[2]))"
        )
        (tmp_path / "blobs" / "tmp").mkdir(parents=True)
        command = [sys.executable, "-c", script, str(tmp_path / "blobs"), str(source(b"content"))]
        assert subprocess.run(command, timeout=60).returncode == 9
        sha256 = hashlib.sha256(b"content").hexdigest()
        assert not local.exists(sha256)
        assert local.put_file(source(b"content")).sha256 == sha256
        local.verify(sha256)

    def test_a_source_that_changes_while_it_is_uploaded_is_not_stored_under_a_wrong_name(self, source, monkeypatch):
        store = BlobStore("memory:///")
        path = source(bytes(SINGLE_PUT_BYTES + 1))
        original = hashlib.sha256(path.read_bytes()).hexdigest()
        look = BlobStore._size_or_none

        def change_then_look(self, blob):
            path.write_bytes(b"x" * (SINGLE_PUT_BYTES + 1))
            return look(self, blob)

        monkeypatch.setattr(BlobStore, "_size_or_none", change_then_look)
        with pytest.raises(OSError, match="changed while"):
            store.put_file(path)
        monkeypatch.undo()
        assert not store.exists(original)


def test_memory_stays_flat(tmp_path):
    """A process of its own puts, reads and fetches 200 MB; its peak memory must not grow by nearly as much."""
    script = """
import resource, sys
from pathlib import Path
from registry.blobs import BlobStore
folder = Path(sys.argv[1])
path = folder / "big"
with path.open("wb") as file:
    for _ in range(200):
        file.write(bytes(1 << 20))
store = BlobStore(folder / "blobs")
store.put_bytes(b"warm up")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
blob = store.put_file(path)
assert sum(len(chunk) for chunk in store.open_range(blob.sha256)) == 200 << 20
store.fetch(blob.sha256, folder / "copy")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024)
"""
    output = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True, timeout=120
    )
    assert int(output.stdout) < 50
