from __future__ import annotations

import pytest

from registry import datasets, events, jobs
from registry.errors import InvalidName, LeaseLost, NotFound

ERROR = {"code": "dataset_too_small", "message": "2 users; at least 5 are needed", "errors": []}


@pytest.fixture
def validating(world, make_file):
    with world.database.write() as session:
        return datasets.create(
            session,
            name="Ratings of May",
            spec={"format": "csv", "mapping": {"user": "u"}},
            upload=[make_file("ratings.csv", "a", 5), make_file("items.csv", "b", 7)],
            source={"filename": "ratings.csv"},
            labels={"season": "spring"},
        )


def types(world, subject):
    return [event.type for event in world.read(events.list_after, subject)]


def test_a_new_dataset_is_validating_and_has_its_job(world, validating):
    assert validating.status == "validating"
    assert validating.spec == {"format": "csv", "mapping": {"user": "u"}}
    assert [entry.path for entry in validating.upload] == ["items.csv", "ratings.csv"]
    assert validating.files == ()
    job = world.get(validating.validation_job_id)
    assert (job.type, job.status, job.dataset_id) == ("validate_dataset", "queued", validating.id)
    assert world.read(datasets.get, validating.id, project="default") == validating


def test_ready(world, validating, make_file):
    claim = world.claim(validating.validation_job_id)
    world.clock.advance(3)
    canonical = [make_file("meta.json", "d"), make_file("interactions.parquet", "c")]
    ready = world.write(datasets.mark_ready, claim, report={"rows": 9}, content_hash="e" * 64, files=canonical)
    assert (ready.status, ready.report, ready.content_hash) == ("ready", {"rows": 9}, "e" * 64)
    assert ready.ready_at == world.clock.time
    assert [entry.path for entry in ready.files] == ["interactions.parquet", "meta.json"]
    assert ready.upload == validating.upload
    assert types(world, ready.id) == ["dataset.created", "dataset.ready"]
    assert ready.last_seq == 2


def test_invalid_keeps_upload_report_and_reason(world, validating):
    claim = world.claim(validating.validation_job_id)
    invalid = world.write(datasets.mark_invalid, claim, error=ERROR, report={"rows": 2})
    assert (invalid.status, invalid.error, invalid.report) == ("invalid", ERROR, {"rows": 2})
    assert (invalid.upload, invalid.ready_at) == (validating.upload, None)
    assert types(world, invalid.id) == ["dataset.created", "dataset.invalid"]


def test_the_verdict_is_final(world, validating):
    claim = world.claim(validating.validation_job_id)
    world.write(datasets.mark_ready, claim, report={}, content_hash="e" * 64, files=[])
    before = world.dump()
    with pytest.raises(LeaseLost, match="verdict"):
        world.write(datasets.mark_invalid, claim, error=ERROR)
    assert world.dump() == before


def test_a_validation_that_fails_for_good_leaves_no_dataset_validating(world, validating):
    for _ in range(3):
        world.claim(validating.validation_job_id)
        world.clock.advance(60)
    assert world.reap().failed == (validating.validation_job_id,)
    dataset = world.read(datasets.get, validating.id)
    assert (dataset.status, dataset.error["code"]) == ("invalid", "worker_lost")
    assert types(world, dataset.id)[-1] == "dataset.invalid"


def test_nor_does_one_that_is_cancelled(world, validating):
    world.write(jobs.request_cancel, validating.validation_job_id)
    dataset = world.read(datasets.get, validating.id)
    assert (dataset.status, dataset.error["code"]) == ("invalid", "validation_cancelled")


def test_a_training_job_that_fails_leaves_its_dataset_ready(world):
    dataset = world.dataset()
    claim = world.claim(world.job(dataset_id=dataset.id).id)
    world.write(jobs.fail, claim, ERROR)
    assert world.read(datasets.get, dataset.id) == dataset


def test_only_its_validation_job_may_settle_it(world):
    claim = world.claim(world.job(dataset_id=world.dataset().id).id)
    with pytest.raises(ValueError, match="validate_dataset"):
        world.write(datasets.mark_invalid, claim, error=ERROR)


def test_missing_and_foreign_are_alike(world, validating):
    for arguments in (("ds_0", None), (validating.id, "other")):
        with pytest.raises(NotFound):
            world.read(datasets.get, arguments[0], project=arguments[1])


def test_pages_and_filter(world):
    made = [world.dataset(f"number {number}").id for number in range(3)]
    with world.database.write() as session:
        open_ = datasets.create(session, name="open", spec={}).id
    first = world.read(datasets.list_page, limit=2)
    assert [dataset.id for dataset in first.items] == [open_, made[2]]
    assert first.items[1].files
    second = world.read(datasets.list_page, limit=2, after=first.next_after)
    assert [dataset.id for dataset in second.items] == [made[1], made[0]]
    assert second.next_after is None
    assert [dataset.id for dataset in world.read(datasets.list_page, status="validating").items] == [open_]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\0b", "x" * 201, "\u202egpj.exe"])
def test_names_that_would_mislead_are_refused(world, name):
    with pytest.raises(InvalidName):
        world.write(datasets.create, name=name, spec={})


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a\\b", "a\nb", "x" * 513])
def test_paths_that_would_escape_are_refused(world, make_file, path):
    with pytest.raises(InvalidName):
        world.write(datasets.create, name="x", spec={}, upload=[make_file(path)])
