"""Mark and sweep beside writers and readers, in every order that matters, and in many that chance finds."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import literal, select, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from registry import datasets, duties, files, sweeping, tables
from registry.blobs import BlobStore
from registry.database import Database, now
from registry.errors import BlobMissing
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


class TestOnePass:
    def test_unused_blobs_go_and_used_ones_stay(self, place):
        kept, gone = place.put(b"kept"), place.put(b"gone")
        place.refer(kept)
        place.forget(place.refer(gone))
        assert place.sweep() == sweeping.Swept(1, 4)
        assert place.rows() == place.stored() == {kept.sha256}
        assert place.sweep() == sweeping.Swept()

    def test_a_blob_that_two_share_goes_with_the_second(self, place):
        blob = place.put(b"shared")
        one, two = place.refer(blob), place.refer(blob)
        place.forget(one)
        assert place.sweep().blobs == 0
        place.forget(two)
        assert place.sweep().blobs == 1

    def test_it_takes_the_grace_after_the_first_look(self, place):
        dataset = place.refer(place.put(b"x"))
        place.clock.advance(10_000)
        place.forget(dataset)
        assert place.sweep(60).blobs == 0
        place.clock.advance(59)
        assert place.sweep(60).blobs == 0
        place.clock.advance(1)
        assert place.sweep(60).blobs == 1

    def test_what_is_used_again_begins_anew(self, place):
        blob = place.put(b"x")
        place.forget(place.refer(blob))
        place.sweep(60)
        place.clock.advance(100)
        again = place.refer(blob)
        assert place.sweep(60).blobs == 0
        place.forget(again)
        place.sweep(60)
        place.clock.advance(59)
        assert place.sweep(60).blobs == 0

    def test_what_a_clock_noted_that_was_ahead_goes_after_the_grace_too(self, place):
        dataset = place.refer(place.put(b"x"))
        place.clock.advance(10 * 365 * 86400)
        place.forget(dataset)
        assert place.sweep(60).blobs == 0
        place.clock.advance(-10 * 365 * 86400)
        assert place.sweep(60).blobs == 0
        place.clock.advance(60)
        assert place.sweep(60).blobs == 1

    def test_strays_go_after_the_grace_too(self, place):
        place.put(b"nobody has recorded it")
        assert place.sweep(10**9).blobs == 0
        assert len(place.stored()) == 1
        # noted as unused since it was put, by the store's clock
        assert place.sweep().blobs == 1
        assert place.stored() == place.rows() == set()

    def test_checkpoints_are_references(self, place, monkeypatch):
        blob = place.put(b"state")
        dataset = place.refer(place.put(b"log"))
        with place.database.write() as session:
            moment = now(session)
            files.record_blobs(session, [blob], moment)
            values = {"fence": 1, "attempt": 1, "epoch": 1, "step": 0, "bytes": 5, "created_at": moment}
            row = {"id": "ckpt_1", "job_id": dataset.validation_job_id, "sha256": blob.sha256, **values}
            session.execute(tables.checkpoints.insert().values(**row))
        assert place.sweep().blobs == 0
        # Even if the look for references were wrong, the database would not let the row go, nor the bytes with it.
        monkeypatch.setattr(sweeping, "referenced", lambda: literal(value=False))
        sweeping.mark(place.database)
        gone = place.put(b"gone")
        assert place.sweep() == sweeping.Swept(1, 4)  # and what it refuses keeps no other
        assert blob.sha256 in place.stored()
        assert gone.sha256 not in place.stored()

    def test_preview_tells_and_changes_nothing(self, place):
        place.refer(place.put(b"kept"))
        place.forget(place.refer(place.put(b"old")))
        sweeping.mark(place.database)
        place.clock.advance(60)
        place.forget(place.refer(place.put(b"newer")))
        assert sweeping.preview(place.database, grace_seconds=60) == (sweeping.Swept(1, 3), sweeping.Swept(1, 5))
        assert len(place.stored()) == 3

    def test_no_blob_goes_while_a_backup_is_made(self, place):
        place.forget(place.refer(place.put(b"x")))
        with place.database.write() as session:
            assert duties.take(session, duties.BACKUP, "me", seconds=60)
        assert place.sweep() == sweeping.Swept(0, 0, "me")
        place.clock.advance(60)  # whoever made it was killed
        assert place.sweep().blobs == 1

    def test_a_backup_whose_clock_was_ahead_holds_none_once_it_is_gone(self, place):
        place.clock.advance(10 * 365 * 86400)
        with place.database.write() as session:
            assert duties.take(session, duties.BACKUP, "killed", seconds=duties.BACKUP_SECONDS)
        place.clock.advance(-10 * 365 * 86400)
        place.forget(place.refer(place.put(b"x")))
        assert place.sweep().blobs == 1


class TestAWriterBesideTheSweep:
    def test_a_reference_first(self, place):
        """Committed after the sweep had made its list, before it locks the row."""
        blob = place.put(b"x")
        place.forget(place.refer(blob))
        sweeping.mark(place.database)
        listed = [blob.sha256]
        place.refer(blob)
        assert sweeping.remove_unused(place.database, place.store, grace_seconds=0, among=listed).blobs == 0
        place.check()

    def test_a_reference_that_is_not_yet_committed(self, place):
        blob = place.put(b"x")
        place.forget(place.refer(blob))
        sweeping.mark(place.database)
        if place.database.dialect == "sqlite":
            pytest.skip("SQLite has one writer: there is no such moment")
        with place.database.write() as session:
            datasets.create(session, name="log", spec={}, upload=[FileEntry("x", 1, blob.sha256)])
            assert place.sweep().blobs == 0  # passes over the row that is locked
        assert place.sweep().blobs == 0
        place.check()

    @pytest.mark.parametrize("puts_before", [True, False])
    def test_the_sweep_first(self, place, at_take, puts_before):
        """A writer that found the blob there comes when the sweep has decided, and has not yet taken it."""
        blob = place.put(b"x")
        place.forget(place.refer(blob))
        outcome: list[Any] = []

        def write() -> None:
            if puts_before:
                place.put(b"x")  # finds it, and writes nothing
            try:
                outcome.append(place.refer(blob))
            except BlobMissing as error:
                outcome.append(error)

        writer = threading.Thread(target=write)

        def come() -> None:
            writer.start()
            time.sleep(0.2)
            assert outcome == []  # waits for the row

        at_take(come)
        assert place.sweep().blobs == 1
        writer.join(20)
        assert isinstance(outcome[0], BlobMissing)
        place.check()
        place.refer(place.put(b"x"))  # as the writer then does
        place.check()

    def test_a_put_between_the_taking_and_the_commit(self, place, monkeypatch):
        blob = place.put(b"x")
        place.forget(place.refer(blob))
        real = Trash.take

        def take(self: Trash, name: str) -> None:
            real(self, name)
            place.put(b"x")

        monkeypatch.setattr(Trash, "take", take)
        assert place.sweep().blobs == 1
        place.refer(blob)
        place.check()

    def test_what_was_put_and_held_has_the_whole_grace(self, place):
        blob = place.put(b"x")
        place.forget(place.refer(blob))
        place.sweep(60)
        place.clock.advance(59)
        place.put(b"x")
        with place.database.write() as session:
            files.hold_blobs(session, [blob], now(session))
        place.clock.advance(59)
        assert place.sweep(60).blobs == 0
        place.refer(blob)
        place.check()

    def test_a_hold_that_comes_too_late_says_so(self, place):
        blob = place.put(b"x")
        place.sweep()
        with pytest.raises(BlobMissing), place.database.write() as session:
            files.hold_blobs(session, [blob], now(session))
        assert place.rows() == set()

    def test_nothing_refers_to_what_was_never_put(self, place):
        with pytest.raises(BlobMissing):
            place.refer(place.put(b"x"), Blob("0" * 64, 1), place.put(b"y"))
        assert place.rows() == set()


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


def test_a_reader_reads_on(place):
    blob = place.put(bytes(3 << 20))
    dataset = place.refer(blob)
    chunks = place.store.open_range(blob.sha256)
    first = next(chunks)
    place.forget(dataset)
    assert place.sweep().blobs == 1
    assert first + b"".join(chunks) == bytes(3 << 20)


def test_random_writers_readers_and_sweeps(url, tmp_path):
    """Without any grace, so that every race has its chance; the contents are few, so that all want the same blobs."""
    store = BlobStore(tmp_path / "blobs")
    place = Place(url, store, None)
    started = time.monotonic()
    counts = {"referred": 0, "refused": 0, "swept": 0}

    def goes_on() -> bool:
        """For a second and a half; on a busy machine until enough has happened."""
        enough = counts["referred"] > 10 and counts["swept"] > 2
        return time.monotonic() - started < (1.5 if enough else 8)

    def write(seed: int) -> None:
        chance = random.Random(seed)
        mine: list[Dataset] = []
        while goes_on():
            contents = chance.sample(CONTENTS, chance.randint(1, 2))
            try:
                put = [place.put(content) for content in contents]
                time.sleep(chance.random() * 0.02)  # time for a sweep to come in between
                mine.append(place.refer(*put))
                counts["referred"] += 1
            except BlobMissing:
                counts["refused"] += 1
            for dataset in mine:
                for entry in dataset.upload:
                    place.store.size(entry.sha256)  # raises where a reference points nowhere
            while mine and (len(mine) > 1 or chance.random() < 0.8):
                place.forget(mine.pop(chance.randrange(len(mine))))
            time.sleep(chance.random() * 0.02)

    def sweep(_: int) -> None:
        while goes_on():
            counts["swept"] += place.sweep().blobs

    def remove(_: int) -> None:
        among = sorted(place.put(content).sha256 for content in CONTENTS)
        while goes_on():
            gone = sweeping.remove_unused(place.database, place.store, grace_seconds=0, among=among)
            counts["swept"] += gone.blobs
            time.sleep(0.002)

    with ThreadPoolExecutor(5) as pool:
        tasks = [pool.submit(write, seed) for seed in range(3)] + [pool.submit(remove, 0), pool.submit(sweep, 0)]
        for task in tasks:
            task.result(60)
    place.check()
    assert counts["referred"] > 0, counts
    with place.database.read() as session:
        used = set(session.execute(select(tables.files.c.sha256)).scalars())
    place.sweep()
    assert place.stored() == place.rows() == used
    assert store.trash().names() == []
    place.database.dispose()
