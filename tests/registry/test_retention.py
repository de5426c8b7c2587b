"""What each rule takes, what it leaves, and what is said of what it took."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from registry import (
    checkpoints,
    datasets,
    events,
    example_sets,
    housekeeping,
    jobs,
    models,
    retention,
    sweeping,
    tables,
)
from registry.blobs import BlobStore
from registry.errors import RemovedByPolicy
from registry.records import Blob
from registry.settings import Settings
from registry.trash import Trash

DAY = 24 * 3600.0
NEVER = dict.fromkeys((kind.setting for kind in retention.KINDS if kind.setting), None)


@pytest.fixture
def settings(tmp_path):
    """A function that makes settings under which nothing but what is given goes."""
    return lambda **given: Settings(state_dir=tmp_path, **{**NEVER, **given})


def taken(world: Any, settings: Settings) -> dict[str, tuple[int, int, int]]:
    """What goes by rule, as (objects, rows, bytes); the preview has said the same before."""
    before = world.dump()
    promised = retention.preview(world.database, settings)
    assert world.dump() == before
    assert retention.apply(world.database, settings) == promised
    assert all(due.objects == 0 for due in retention.preview(world.database, settings))
    return {due.kind: (due.objects, due.rows, due.bytes) for due in promised if due.objects}


def ended(world: Any, status: str = "failed", **values: Any) -> str:
    """A job that has ended, with two lines of log and a checkpoint."""
    job = world.job(**values)
    claim = world.claim(job.id)
    world.write(jobs.append_log, claim, ["one", "two"])
    world.write(checkpoints.promote_checkpoint, claim, job.id[-32:] * 2, 7, 1, 0)
    end = {"failed": lambda: world.write(jobs.fail, claim, {"code": "diverged", "message": "NaN", "errors": []})}
    end["succeeded"] = lambda: world.write(jobs.succeed, claim, {})
    end[status]()
    return job.id


def test_logs_of_ended_jobs(world, settings):
    old = ended(world)
    world.clock.advance(2 * DAY)
    new = ended(world)
    running = world.job().id
    world.write(jobs.append_log, world.claim(running), ["still at it"])
    world.clock.advance(DAY)
    assert taken(world, settings(keep_logs_days=2)) == {"logs": (1, 2, 0)}
    assert [len(world.read(jobs.list_log, job_id)) for job_id in (old, new, running)] == [0, 2, 1]
    with pytest.raises(RemovedByPolicy, match=r"removed on 2026-01-04: .* for 2 d \(keep_logs_days\)"):
        world.read(retention.require_kept, old, "logs")
    world.read(retention.require_kept, new, "logs")
    assert world.get(old).status == "failed"


def test_events_of_ended_jobs(world, settings):
    old, waiting = ended(world), world.job().id
    world.clock.advance(DAY)
    count = len(world.read(events.list_after, old))
    assert taken(world, settings(keep_events_days=1)) == {"events": (1, count, 0)}
    assert world.read(events.list_after, old) == []
    assert len(world.read(events.list_after, waiting)) == 1
    assert world.get(old).last_seq == count


def test_checkpoints(world, settings):
    failed, done = ended(world), ended(world, "succeeded")
    world.clock.advance(DAY)
    # those of a job that succeeded serve nothing
    assert taken(world, settings()) == {"spent_checkpoints": (1, 1, 7)}
    assert taken(world, settings(keep_checkpoints_days=1)) == {"checkpoints": (1, 1, 7)}
    assert [world.read(checkpoints.latest_checkpoint, job_id) for job_id in (failed, done)] == [None, None]


def test_built_examples(world, settings, make_file):
    claim = world.claim(world.job().id)
    entries = [make_file("train.npz", "e", 5), make_file("test.npz", "f", 6)]
    for key in ("1" * 64, "2" * 64):
        world.write(example_sets.keep, claim, key=key, data_hash="d" * 64, entries=entries, max_bytes=100)
        world.clock.advance(DAY)
    assert taken(world, settings(keep_examples_days=2)) == {"examples": (1, 1, 11)}
    assert world.read(example_sets.find, "default", "1" * 64) is None
    assert len(world.read(example_sets.find, "default", "2" * 64).files) == 2


def test_uploads_that_are_invalid(world, settings, make_file):
    ready = world.dataset()
    with world.database.write() as session:
        bad = datasets.create(session, name="bad", spec={}, upload=[make_file("bad.csv", "b")])
    claim = world.claim(bad.validation_job_id)
    world.write(datasets.mark_invalid, claim, error={"code": "dataset_invalid", "message": "no"}, report={"rows": 0})
    world.write(jobs.succeed, claim, {})
    world.clock.advance(DAY)
    assert taken(world, settings(keep_invalid_uploads_days=1)) == {"invalid_uploads": (1, 1, 3)}
    bad = world.read(datasets.get, bad.id)
    assert (bad.upload, bad.report) == ((), {"rows": 0})
    assert world.read(datasets.get, ready.id) == ready


def versions(world: Any, count: int, make_file: Any) -> list[str]:
    """Ids of the versions 1 to `count` of a model, each of one file."""
    found = []
    for _ in range(count):
        claim = world.claim(world.job().id)
        with world.database.write() as session:
            entry = make_file("model.tflite", "a", 9)
            version = models.publish_version(session, claim, model="shoes", files=[entry], metrics={}, manifest={})
            jobs.succeed(session, claim, models.result_of(version))
            found.append(version.id)
    return found


def kept_versions(world: Any) -> list[int]:
    found = world.read(models.list_versions, "shoes").items
    return sorted(version.version for version in found if version.files)


def test_versions_are_never_removed_unless_asked(world, settings, make_file):
    versions(world, 3, make_file)
    world.write(models.yank, "shoes", 1)
    world.clock.advance(10_000 * DAY)
    defaults = Settings(state_dir=settings().state_dir)
    retention.apply(world.database, defaults)
    assert kept_versions(world) == [1, 2, 3]


def test_old_versions(world, settings, make_file):
    ids = versions(world, 5, make_file)
    world.write(models.yank, "shoes", 5)
    world.job(type="evaluate", base={"model": "shoes", "version": 1, "checkpoint": "best"})  # which it needs
    assert taken(world, settings(keep_versions=2)) == {"old_versions": (1, 1, 9)}
    assert kept_versions(world) == [1, 3, 4, 5]
    with pytest.raises(RemovedByPolicy, match="the newest 2 of each model"):
        world.read(retention.require_kept, ids[1], "yanked_versions", "old_versions")


def test_yanked_versions(world, settings, make_file):
    versions(world, 2, make_file)
    world.write(models.yank, "shoes", 2)
    world.clock.advance(DAY)
    assert taken(world, settings(keep_yanked_versions_days=1)) == {"yanked_versions": (1, 1, 9)}
    assert kept_versions(world) == [1]
    assert world.read(models.get, "shoes").latest_version == 1


def test_a_round_is_one_owners_at_a_time_and_once_in_a_while(world, settings, tmp_path):
    store = BlobStore(tmp_path / "blobs")
    rules = settings(keep_logs_days=0, blob_grace_seconds=0)
    ended(world)
    during: list[Any] = []

    def look() -> bool:
        if not during:
            during.append(housekeeping.go_round(world.database, store, rules, "another"))
        return True

    done = housekeeping.go_round(world.database, store, rules, "one", every_seconds=60, go_on=look)
    assert during == [None]
    assert done.rules[0].objects == 1
    assert housekeeping.go_round(world.database, store, rules, "another", every_seconds=60) is None
    world.clock.advance(60)
    assert housekeeping.go_round(world.database, store, rules, "another", every_seconds=60) is not None


def test_a_round_that_was_killed_is_taken_over(world, settings, tmp_path):
    class Killed(BaseException):
        pass

    store = BlobStore(tmp_path / "blobs")

    def die() -> bool:
        raise Killed

    with pytest.raises(Killed):
        housekeeping.go_round(world.database, store, settings(), "one", every_seconds=60, go_on=die)
    # it had the time to say so; one that hadn't keeps the duty for some minutes
    assert housekeeping.go_round(world.database, store, settings(), "another", every_seconds=60) is not None


def test_a_sweep_that_takes_long_keeps_its_duty(world, settings, tmp_path, monkeypatch):
    """Longer than a lease in all, but no portion of it; and it ends between two when the worker is told to."""
    store = BlobStore(tmp_path / "blobs")
    rules = settings(blob_grace_seconds=0)
    monkeypatch.setattr(sweeping, "BATCH", 1)
    real = Trash.take
    others: list[Any] = []

    def take(self: Trash, name: str) -> None:
        real(self, name)
        world.clock.advance(housekeeping.LEASE_SECONDS - 1)
        others.append(name)

    def another() -> bool:
        if others:
            assert housekeeping.go_round(world.database, store, rules, "another") is None
        return len(others) != 3

    monkeypatch.setattr(Trash, "take", take)
    for number in range(5):
        store.put_bytes(str(number).encode())
    one = housekeeping.go_round(world.database, store, rules, "one", every_seconds=60, go_on=another)
    assert one.swept.blobs == 3
    rest = housekeeping.go_round(world.database, store, rules, "two", every_seconds=60)
    assert rest.swept.blobs == 2, "it was not done, so it is due"


def test_blobs_of_what_a_rule_took_go_after_the_grace(world, settings, tmp_path):
    store = BlobStore(tmp_path / "blobs")
    blob: Blob = store.put_bytes(b"checkpoint")
    job = world.job()
    claim = world.claim(job.id)
    world.write(checkpoints.promote_checkpoint, claim, blob.sha256, blob.bytes, 1, 0)
    world.write(jobs.succeed, claim, {})
    rules = settings(blob_grace_seconds=100)
    assert housekeeping.go_round(world.database, store, rules, "one").swept.blobs == 0
    assert store.exists(blob.sha256)
    world.clock.advance(100)
    assert housekeeping.preview(world.database, rules).swept.bytes == 10
    assert housekeeping.go_round(world.database, store, rules, "one").swept.blobs == 1
    assert not store.exists(blob.sha256)
    with world.database.read() as session:
        assert session.execute(select(tables.blobs.c.sha256)).all() == []
