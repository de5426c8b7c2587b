"""Content-addressed, write-once storage of files: a folder, or S3, Google Cloud Storage or Azure by URL.

A blob lies at `sha256/<first two digits>/<sha256>`. It is either absent or whole: readers never see a part. All calls
stream, so memory doesn't grow with the size of a blob. Safe to share between threads.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore, from_url

from registry.errors import BlobCorrupt, BlobMissing
from registry.files import check_sha256, is_sha256
from registry.local_commit import commit_file, fsync
from registry.occupied import FRESH_SECONDS, STALE_SECONDS, occupy, remove_left_files, remove_left_folders
from registry.records import Blob
from registry.trash import Trash
from registry.verified_files import VerifiedFile, Verifier

CHUNK_BYTES = 1 << 20
# A single conditional request may carry this much; larger blobs go up in parts, which is atomic too.
SINGLE_PUT_BYTES = 16 << 20
_AT_ONCE = 16
_PROBE_BYTES = 4096


class BlobStore:
    """The store at a folder or URL (`file://`, `s3://bucket/prefix`, `gs://`, `az://`; credentials from environment).

    Folders are made when they are first used.
    """

    def __init__(self, location: str | Path) -> None:
        self._folder = _folder_of(location)
        self._remote: ObjectStore | None = None if self._folder is not None else from_url(str(location))
        self._verifier = Verifier()
        self._verified: dict[str, object] = {}
        self._lock = threading.Lock()

    def put_file(self, path: Path) -> Blob:
        """Store the content of `path`. Storing what is there already changes nothing.

        Raises OSError when the disk is full or `path` can't be read; then nothing has become visible.
        """
        if self._folder is not None:
            return self._put_local(self._folder, path)
        return self._put_remote(path)

    def adopt_file(self, path: Path) -> Blob:
        """`put_file` without writing the content again where the store is a folder on the same file system.

        `path` may then be one more name of the blob itself: nobody may write to that file any more. Removing the name,
        or putting another file in its place, is fine. Raises as `put_file`.
        """
        if self._folder is not None and _has_one_name(path):
            return self._adopt_local(self._folder, path)
        return self.put_file(path)

    def put_bytes(self, content: bytes) -> Blob:
        """Store a small content from memory; see `put_file`."""
        with tempfile.TemporaryDirectory(prefix="pocketrec-blob-") as folder:
            path = Path(folder, "content")
            path.write_bytes(content)
            return self.put_file(path)

    def exists(self, sha256: str) -> bool:
        """Whether the blob is in the store."""
        try:
            self.size(sha256)
        except BlobMissing:
            return False
        return True

    def size(self, sha256: str) -> int:
        """Bytes of the blob. Raises BlobMissing."""
        try:
            return int(obstore.head(self._reading(), _key(sha256))["size"])
        except FileNotFoundError as error:
            raise _missing(sha256) from error

    def open_range(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to but without `end` (None: to the last one), in chunks.

        Raises BlobMissing here, not at the first chunk. Doesn't check the hash: see `verify`.
        """
        size = self.size(sha256)
        end = size if end is None else min(end, size)
        if start < 0 or start > end:
            raise ValueError(f"range {start}:{end} does not fit a blob of {size} bytes")
        return self._chunks(sha256, start, end)

    def fetch(self, sha256: str, to: Path) -> None:
        """Write the blob to the file `to`, which appears whole or not at all, replacing what was there.

        Raises BlobMissing, or BlobCorrupt when the stored bytes don't have this sha256.
        """
        chunks = self.open_range(sha256)
        to.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".fetch-", dir=to.parent)
        part = Path(name)
        try:
            digest = hashlib.sha256()
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
            _require(digest.hexdigest(), sha256)
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)

    def copy_from(self, other: BlobStore, sha256: str) -> Blob:
        """Put a blob of another store into this one, compared with its hash. Raises BlobMissing or BlobCorrupt."""
        with tempfile.TemporaryDirectory(prefix="copy-", dir=self._near()) as folder:
            path = Path(folder, "content")
            other.fetch(sha256, path)
            return self.adopt_file(path)

    def verify(self, sha256: str) -> None:
        """Read the blob and compare its hash. Raises BlobMissing or BlobCorrupt.

        A blob found good is read again only if the store says that it has been modified since.
        """
        file = self.open_verified(sha256)
        if file is not None:
            file.close()
            return
        try:
            found = obstore.head(self._reading(), _key(sha256))
        except FileNotFoundError as error:
            raise _missing(sha256) from error
        state = (found["e_tag"], found["last_modified"], found["size"])
        with self._lock:
            if self._verified.get(sha256) == state:
                return
        digest = hashlib.sha256()
        for chunk in self.open_range(sha256):
            digest.update(chunk)
        _require(digest.hexdigest(), sha256)
        with self._lock:
            self._verified[sha256] = state

    def open_verified(self, sha256: str) -> VerifiedFile | None:
        """The blob as an open file, `verify`-ed in the very state it is in; None where the store is no folder.

        Raises as `verify`.
        """
        if self._folder is None:
            return None
        return self._verifier.open(self._folder / _key(sha256), sha256)

    def require(self, blobs: Sequence[Blob]) -> None:
        """Raise BlobMissing unless each of them is in the store, with its size."""
        if self._folder is not None or len(blobs) < 2:
            sizes = list(map(self._size_or_none, blobs))
        else:
            with ThreadPoolExecutor(min(len(blobs), _AT_ONCE)) as pool:
                sizes = list(pool.map(self._size_or_none, blobs))
        for blob, size in zip(blobs, sizes, strict=True):
            if size != blob.bytes:
                raise _missing(blob.sha256)

    def listed(self) -> Iterator[tuple[Blob, datetime]]:
        """All blobs in the store, and when each was put there, by the clock of the store."""
        for page in obstore.list(self._reading(), "sha256/"):
            for found in page:
                sha256 = found["path"].rpartition("/")[2]
                if is_sha256(sha256):
                    yield Blob(sha256, int(found["size"])), found["last_modified"]

    def trash(self) -> Trash:
        """Where the sweep puts blobs before they go for good. Nobody else takes any away."""
        return Trash(self._folder, self._remote)

    def sweep(self, fresh_seconds: float = FRESH_SECONDS) -> list[str]:
        """Remove what writers left behind who were killed before they could commit; the names of it."""
        if self._folder is not None:
            temporary = self._folder / "tmp"
            return [
                *remove_left_files(temporary, fresh_seconds=fresh_seconds),
                *remove_left_folders(temporary, fresh_seconds=fresh_seconds),
            ]
        stale = datetime.now(UTC) - timedelta(seconds=max(fresh_seconds, STALE_SECONDS))
        pages = obstore.list(self._reading(), "probe/")
        left = [found["path"] for page in pages for found in page if found["last_modified"] < stale]
        for key in left:
            obstore.delete(self._reading(), key)
        return left

    def free_bytes(self) -> int | None:
        """Bytes that are left on the store's disk; None where the store isn't a folder."""
        if self._folder is None:
            return None
        return shutil.disk_usage(_temporary_folder(self._folder)).free

    def probe(self) -> None:
        """Raise OSError or an obstore error unless blobs can be written, and a second writer of a name is refused."""
        if self._folder is not None:
            temporary = _temporary_folder(self._folder)
            with tempfile.NamedTemporaryFile(dir=temporary) as file:
                file.write(bytes(_PROBE_BYTES))  # a full disk still takes names
                file.flush()
                return
        key = f"probe/{os.urandom(16).hex()}"
        store = self._reading()
        obstore.put(store, key, b"probe", mode="create")
        try:
            obstore.put(store, key, b"probe", mode="create")
        except AlreadyExistsError:
            return
        finally:
            obstore.delete(store, key)
        raise OSError("the object store ignores If-None-Match; use one that honours conditional writes")

    def _size_or_none(self, blob: Blob) -> int | None:
        try:
            if self._folder is not None:
                return (self._folder / _key(blob.sha256)).stat().st_size
            return self.size(blob.sha256)
        except (BlobMissing, FileNotFoundError):
            return None

    def _near(self) -> Path | None:
        """Where a file can become a blob without being copied once more."""
        return None if self._folder is None else _temporary_folder(self._folder)

    def _reading(self) -> ObjectStore:
        # Made anew for a folder: it is cheap, and the folder may not exist before the first blob.
        if self._remote is not None:
            return self._remote
        assert self._folder is not None  # noqa: S101
        return LocalStore(self._folder, mkdir=True)

    def _chunks(self, sha256: str, start: int, end: int) -> Iterator[bytes]:
        if start == end:  # the store refuses empty ranges
            return iter(())
        try:
            found = obstore.get(self._reading(), _key(sha256), options={"range": (start, end)})
        except FileNotFoundError as error:
            raise _missing(sha256) from error
        return (bytes(chunk) for chunk in found.stream(min_chunk_size=CHUNK_BYTES))

    def _put_local(self, folder: Path, path: Path) -> Blob:
        temporary = _temporary_folder(folder)
        descriptor, name = tempfile.mkstemp(prefix="put-", dir=temporary)
        part = Path(name)
        try:
            digest, size = hashlib.sha256(), 0
            with os.fdopen(descriptor, "wb") as target:
                occupy(descriptor)
                with path.open("rb") as source:
                    while chunk := source.read(CHUNK_BYTES):
                        digest.update(chunk)
                        target.write(chunk)
                        size += len(chunk)
                target.flush()
                os.fsync(target.fileno())
                blob = Blob(digest.hexdigest(), size)
                commit_file(part, folder / _key(blob.sha256), size)
        finally:
            part.unlink(missing_ok=True)
        return blob

    def _adopt_local(self, folder: Path, path: Path) -> Blob:
        part = _temporary_folder(folder) / f"adopt-{os.urandom(16).hex()}"
        try:
            os.link(path, part)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one without links
            return self._put_local(folder, path)
        try:
            with part.open("rb") as file:
                occupy(file.fileno())
                blob = Blob(hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size)
                os.fsync(file.fileno())
                commit_file(part, folder / _key(blob.sha256), blob.bytes)
        finally:
            part.unlink(missing_ok=True)
        return blob

    def _put_remote(self, path: Path) -> Blob:
        store = self._reading()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        blob = Blob(digest, path.stat().st_size)
        if self._size_or_none(blob) == blob.bytes:
            return blob
        if blob.bytes > SINGLE_PUT_BYTES:
            # A repeated upload of the same name has the same content, so that it may replace it.
            obstore.put(store, _key(digest), _same_content(path, digest), max_concurrency=4)
            return blob
        content = b"".join(_same_content(path, digest))
        while True:
            try:
                obstore.put(store, _key(digest), content, mode="create")
            except AlreadyExistsError:
                size = self._size_or_none(blob)
                if size is None:  # a sweep took it just now
                    continue
                if size != blob.bytes:
                    raise BlobCorrupt(f"blob {digest} in the store is {size} bytes, not {blob.bytes}") from None
            return blob


def _folder_of(location: str | Path) -> Path | None:
    text = str(location)
    if text.startswith("file://"):
        return Path(unquote(urlsplit(text).path))
    return None if "://" in text else Path(text).expanduser().absolute()


def _key(sha256: str) -> str:
    check_sha256(sha256)
    return f"sha256/{sha256[:2]}/{sha256}"


def _temporary_folder(folder: Path) -> Path:
    """Beside the blobs, so that the commit is within one file system."""
    temporary = folder / "tmp"
    if not temporary.is_dir():
        temporary.mkdir(parents=True, exist_ok=True)
        fsync(folder)
    return temporary


def _has_one_name(path: Path) -> bool:
    """A regular file with a second name could be changed under that one."""
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _same_content(path: Path, sha256: str) -> Iterator[bytes]:
    """The file's chunks; raises before the last one is out if the file has changed since it was hashed."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        held = b""
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            if held:
                yield held
            held = chunk
    if digest.hexdigest() != sha256:
        raise OSError(f"{path} changed while it was being stored")
    yield held


def _require(actual: str, sha256: str) -> None:
    if actual != sha256:
        raise BlobCorrupt(f"blob {sha256} is damaged: its bytes have the sha256 {actual}; restore it from a backup")


def _missing(sha256: str) -> BlobMissing:
    return BlobMissing(f"blob {sha256} is not in the store")
