"""A database with its blob store, in a folder and in an object store, for tests of the sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from registry import datasets, sweeping, tables
from registry.blobs import BlobStore
from registry.database import Database
from registry.records import Blob, Dataset, FileEntry
from registry.trash import Trash

CONTENTS = [bytes([letter]) for letter in b"abcdef"]


class Place:
    """A database that looks after a blob store, and what writers and readers do with the two."""

    def __init__(self, url: str, store: BlobStore, clock: Any) -> None:
        self.store = store
        self.database = Database(url, clock=clock, blobs=store)
        self.clock = clock

    def put(self, content: bytes) -> Blob:
        return self.store.put_bytes(content)

    def refer(self, *blobs: Blob) -> Dataset:
        """A dataset whose upload is these blobs, already put."""
        entries = [FileEntry(f"{number}.csv", blob.bytes, blob.sha256) for number, blob in enumerate(blobs)]
        with self.database.write() as session:
            return datasets.create(session, name="log", spec={}, upload=entries)

    def forget(self, dataset: Dataset) -> None:
        with self.database.write() as session:
            datasets.delete(session, dataset.id)

    def sweep(self, grace_seconds: float = 0) -> sweeping.Swept:
        return sweeping.sweep(self.database, self.store, grace_seconds=grace_seconds)

    def rows(self) -> set[str]:
        with self.database.read() as session:
            return set(session.execute(select(tables.blobs.c.sha256)).scalars())

    def stored(self) -> set[str]:
        return {blob.sha256 for blob, _ in self.store.listed()}

    def take(self, blob: Blob) -> None:
        """As a sweep that is killed then."""
        self.store.trash().take(self.store.trash().prepare(blob.sha256))

    def no_trash(self) -> None:
        """Nothing lies in the trash but what an object store keeps for a day, in case a deletion comes late."""
        assert not (self.store.trash().is_local and self.store.trash().names())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("registry.trash.STALE_SECONDS", -60)
            sweeping.recover(self.database, self.store)
        assert self.store.trash().names() == []

    def check(self) -> None:
        """What must hold whenever nothing is under way."""
        with self.database.read() as session:
            named = set(session.execute(select(tables.files.c.sha256)).scalars())
        assert named <= self.rows()
        for sha256 in named:
            self.store.verify(sha256)


@pytest.fixture(params=["folder", "object store"])
def place(request: pytest.FixtureRequest, url: str, clock: Any, tmp_path: Path) -> Iterator[Place]:
    store = BlobStore(tmp_path / "blobs" if request.param == "folder" else "memory:///")
    found = Place(url, store, clock)
    yield found
    found.database.dispose()


@pytest.fixture
def at_take(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Have something happen between the sweep's look for references and its taking the blob from its name."""

    def install(action: Callable[[], Any]) -> None:
        real = Trash.take

        def take(self: Trash, name: str) -> None:
            monkeypatch.setattr(Trash, "take", real)
            action()
            real(self, name)

        monkeypatch.setattr(Trash, "take", take)

    return install
