"""Mark and sweep beside writers and readers, in every order that matters, and in many that chance finds."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import literal, select

from registry import datasets, duties, files, sweeping, tables
from registry.blobs import BlobStore
from registry.database import now
from registry.errors import BlobMissing
from registry.records import Blob, Dataset, FileEntry
from registry.trash import Trash
from tests.registry.places import CONTENTS, Place


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
