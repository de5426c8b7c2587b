"""A sweep that is cut off, beside a database or a store that is slow, away, or refuses."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from registry import duties, files, sweeping, tables
from registry.database import now
from registry.trash import Trash
from tests.registry.places import CONTENTS


class TestASweepThatIsCutOff:
    def test_one_whose_transaction_fails_puts_all_back(self, place, monkeypatch):
        """As when a sweep was stopped for so long that the database took its connection, and its locks, away."""
        blob = place.put(b"x")
        place.forget(place.refer(blob))
        real = Trash.take

        def take(self: Trash, name: str) -> None:
            real(self, name)
            assert blob.sha256 not in place.stored()
            raise_at_commit.append(True)

        raise_at_commit: list[bool] = []
        monkeypatch.setattr(Trash, "take", take)

        class Broken(Exception):
            pass

        def broken(_session: Any) -> None:
            if raise_at_commit:
                raise Broken

        from sqlalchemy import event
        from sqlalchemy.orm import Session

        event.listen(Session, "before_commit", broken)
        try:
            with pytest.raises(Broken):
                place.sweep()
        finally:
            event.remove(Session, "before_commit", broken)
        place.no_trash()
        place.refer(blob)
        place.check()

    def test_one_that_lost_its_locks_harms_no_reference(self, place, at_take):
        """The worst order: it has decided, is frozen, loses its locks, a writer refers to the blob, and it wakes up."""
        if place.database.dialect == "sqlite":
            pytest.skip("SQLite's locks can't be lost by a process that lives")
        blob = place.put(b"x")
        place.forget(place.refer(blob))

        def lose_locks_and_refer() -> None:
            other = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'blobs'::regclass AND granted"
            with place.database.engine.connect() as connection:
                connection.execute(text(other))
            place.database.engine.pool.dispose()
            for _ in range(50):
                with suppress(SQLAlchemyError):
                    place.refer(place.put(b"x"))
                    return
                time.sleep(0.05)

        at_take(lose_locks_and_refer)
        assert place.sweep().blobs == 0
        place.no_trash()
        place.check()

    def test_one_whose_connection_breaks_goes_on_with_the_rest(self, place, monkeypatch):
        """Blobs that it had taken already come back, and those that nothing refers to go after all."""
        if place.database.dialect == "sqlite":
            pytest.skip("SQLite has no connection to break")
        blobs = sorted(map(place.put, CONTENTS), key=lambda blob: blob.sha256)
        place.forget(place.refer(*blobs))
        kept = blobs[-1]
        real, taken = Trash.take, []

        def take(self: Trash, name: str) -> None:
            real(self, name)
            taken.append(name.partition(".")[0])
            if len(taken) != 3:
                return
            with place.database.engine.connect() as connection:
                other = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'blobs'::regclass AND granted"
                connection.execute(text(other))
            place.database.engine.pool.dispose()
            place.refer(kept)

        monkeypatch.setattr(Trash, "take", take)
        assert place.sweep().blobs == len(CONTENTS) - 1
        assert place.stored() == place.rows() == {kept.sha256}
        place.check()

    def test_one_whose_database_is_away_ends(self, place, monkeypatch):
        place.forget(place.refer(*map(place.put, CONTENTS)))
        asked = []

        def away(*_: Any, **__: Any) -> None:
            asked.append(True)
            raise OperationalError("SELECT", {}, Exception("away"), connection_invalidated=True)

        monkeypatch.setattr(duties, "owner_of", away)
        with pytest.raises(OperationalError):
            place.sweep()
        assert len(asked) <= 1 + sweeping.OUTAGES
        assert len(place.stored()) == len(CONTENTS)

    def test_what_the_store_will_not_do_now_is_left_to_the_next(self, place, monkeypatch):
        """The store goes away just when the bytes are to go for good, or to be put back."""
        blobs = [place.put(content) for content in CONTENTS]
        place.forget(place.refer(*blobs))

        def refuse(*_: Any) -> None:
            raise OSError("away")

        with monkeypatch.context() as patch:
            patch.setattr(Trash, "drop", refuse)
            assert place.sweep().blobs == len(CONTENTS)
        assert len(place.store.trash().names()) == len(CONTENTS)
        assert place.sweep().blobs == 0
        assert place.store.trash().names() == []

        blob = place.put(b"x")
        place.forget(place.refer(blob))
        with monkeypatch.context() as patch:
            patch.setattr(Trash, "put_back", refuse)
            patch.setattr(Trash, "drop", refuse)
            real = Trash.take

            def take(self: Trash, name: str) -> None:
                real(self, name)
                raise OSError("the answer got lost")

            patch.setattr(Trash, "take", take)
            assert place.sweep().blobs == 0
        assert place.stored() == set()
        assert place.rows() == {blob.sha256}
        place.store.trash().put_back(place.store.trash().names()[0])
        assert place.stored() == {blob.sha256}
        assert place.sweep().blobs == 1

    @pytest.mark.parametrize("committed", [True, False])
    def test_one_that_was_killed_is_finished_by_the_next(self, place, committed):
        blob = place.put(b"x")
        dataset = place.refer(blob)
        place.take(blob)
        if committed:
            place.forget(dataset)
            with place.database.write() as session:
                session.execute(tables.blobs.delete())
        place.sweep()
        place.no_trash()
        assert place.stored() == (set() if committed else {blob.sha256})
        place.check()

    def test_what_lies_in_the_trash_beside_the_blob_itself_goes(self, place):
        blob = place.put(b"x")
        place.refer(blob)
        place.take(blob)
        place.put(b"x")
        place.sweep()
        place.no_trash()
        place.check()

    def test_a_copy_in_an_object_store_outlives_a_deletion_that_comes_late(self, place, monkeypatch):
        """The answer to the deletion doesn't come, the blob is used again, and then the deletion is done."""
        if place.store.trash().is_local:
            pytest.skip("a rename is done or not")
        blob = place.put(b"x")
        place.forget(place.refer(blob))

        def take(*_: Any) -> None:
            raise OSError("timeout")

        with monkeypatch.context() as patch:
            patch.setattr(Trash, "take", take)
            assert place.sweep().blobs == 0
        place.refer(blob)
        place.sweep()
        place.store.trash().take(place.store.trash().names()[0])
        assert place.stored() == set()
        place.sweep()
        place.check()


class TestASlowStore:
    @pytest.fixture
    def slow(self, monkeypatch):
        """Taking a blob from its name takes 0.1 s; the times of it."""
        real = Trash.take
        times: list[float] = []

        def take(self: Trash, name: str) -> None:
            time.sleep(0.1)
            real(self, name)
            times.append(time.monotonic())

        monkeypatch.setattr(Trash, "take", take)
        return times

    def test_its_transactions_never_idle_for_long(self, place, slow, monkeypatch):
        """PostgreSQL takes the connection of a transaction that says nothing for so long: here for half a second."""
        monkeypatch.setattr("registry.database.IDLE_TRANSACTION_SECONDS", 0.5)
        monkeypatch.setattr(sweeping, "UNDER_LOCK_SECONDS", 60)
        place.forget(place.refer(*(place.put(str(number).encode()) for number in range(12))))
        place.database.engine.pool.dispose()
        started = time.monotonic()
        assert place.sweep().blobs == 12
        assert len(slow) == 12, "none was taken twice"
        assert time.monotonic() - started > 1
        assert place.stored() == set()

    def test_writers_wait_for_a_moment_only(self, place, slow, monkeypatch):
        """Both any writer, on SQLite, and one who uses again what the sweep has not come to yet."""
        monkeypatch.setattr(sweeping, "UNDER_LOCK_SECONDS", 0.3)
        blobs = sorted((place.put(str(number).encode()) for number in range(25)), key=lambda blob: blob.sha256)
        place.forget(place.refer(*blobs))
        with ThreadPoolExecutor(1) as pool:
            sweep = pool.submit(place.sweep)
            while not slow:
                time.sleep(0.01)
            started = time.monotonic()
            place.refer(blobs[-1])
            waited = time.monotonic() - started
            assert not sweep.done()
            assert sweep.result(30).blobs == 24
        assert waited < 1.5
        place.check()

    def test_what_takes_long_is_done_under_no_lock(self, place, monkeypatch):
        """In an object store to copy a blob takes as long as it is large."""
        blob = place.put(b"x")
        place.forget(place.refer(blob))
        held = []

        def hold(real: Any) -> Any:
            def step(self: Trash, name: str) -> Any:
                done = real(self, name)
                with place.database.write() as session:  # hangs where the sweep has the lock
                    files.hold_blobs(session, [], now(session))
                    session.execute(select(tables.blobs.c.sha256).with_for_update(nowait=True))
                held.append(True)
                return done

            return step

        for name in ("prepare", "put_back", "drop"):
            monkeypatch.setattr(Trash, name, hold(getattr(Trash, name)))
        assert place.sweep().blobs == 1
        assert len(held) == 2
        place.take(place.put(b"y"))
        place.sweep()
        assert len(held) > 3


@pytest.mark.parametrize("step", ["prepare", "take"])
def test_one_that_the_store_does_not_let_go_keeps_no_other(place, monkeypatch, step):
    """Such as one that is too large for a bucket to copy it."""
    stuck, free = place.put(b"stuck"), place.put(b"free")
    place.forget(place.refer(stuck, free))
    real = getattr(Trash, step)

    def refuse(self: Trash, name: str) -> Any:
        if name.startswith(stuck.sha256):
            raise OSError("the copy source is larger than the maximum allowable size")
        return real(self, name)

    monkeypatch.setattr(Trash, step, refuse)
    assert place.sweep() == sweeping.Swept(1, 4)
    assert place.stored() == place.rows() == {stuck.sha256}
