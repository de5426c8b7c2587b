from __future__ import annotations

import pytest
from sqlalchemy import select

from registry import datasets, events, jobs, tables
from registry.errors import DatasetInUse, InvalidName, LeaseLost, NotFound

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


def file_rows(world, owner_id):
    with world.database.read() as session:
        return session.execute(select(tables.files).where(tables.files.c.owner_id == owner_id)).all()


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


def test_files_that_the_job_fetched_are_kept_with_either_verdict(world, make_file):
    for settle in (datasets.mark_ready, datasets.mark_invalid):
        with world.database.write() as session:
            made = datasets.create(session, name="far", spec={}, source={"url": "https://example.com/a.csv"})
        assert made.upload == ()
        ready = {"report": {}, "content_hash": "e" * 64, "files": []}
        more = ready if settle is datasets.mark_ready else {"error": ERROR}
        claim = world.claim(made.validation_job_id)
        settled = world.write(settle, claim, fetched=[make_file("a.csv", "9")], preview={"rows": []}, **more)
        assert [entry.path for entry in settled.upload] == ["a.csv"]
        assert settled.preview == {"rows": []}


def test_another_name_and_other_labels_change_nothing_else(world):
    before = world.dataset()
    world.clock.advance(1)
    after = world.write(datasets.update_about, before.id, name="spring", labels={"season": "spring"})
    assert (after.name, after.labels, after.updated_at) == ("spring", {"season": "spring"}, world.clock.time)
    assert (after.status, after.report, after.files, after.last_seq) == ("ready", before.report, before.files, 2)
    assert world.write(datasets.update_about, before.id).labels == {"season": "spring"}
    with pytest.raises(InvalidName):
        world.write(datasets.update_about, before.id, name="a\nb")
    with pytest.raises(NotFound):
        world.write(datasets.update_about, "ds_0", name="x")


def test_labels_and_times_filter_the_list(world):
    first = world.dataset("one")
    world.write(datasets.update_about, first.id, labels={"season": "spring", "kind of": "a 'b\""})
    world.clock.advance(10)
    second = world.dataset("two")

    def found(**given):
        return [dataset.id for dataset in world.read(datasets.list_page, **given).items]

    assert found(labels={"season": "spring"}) == [first.id]
    assert found(labels={"season": "spring", "kind of": "a 'b\""}) == [first.id]
    assert found(labels={"season": "autumn"}) == found(labels={"other": "spring"}) == []
    assert found(created_after=first.created_at) == [second.id]


def test_a_deleted_dataset_is_found_nowhere_and_its_content_is_gone(world, make_file):
    dataset = world.dataset()
    job = world.job(dataset_id=dataset.id)
    world.write(jobs.request_cancel, job.id)
    world.write(datasets.delete, dataset.id, project="default")
    with pytest.raises(NotFound):
        world.read(datasets.get, dataset.id)
    assert world.read(datasets.list_page).items == ()
    with pytest.raises(NotFound):
        world.write(datasets.delete, dataset.id)
    with pytest.raises(NotFound):
        world.job(dataset_id=dataset.id)
    assert world.get(job.id).dataset_id == dataset.id
    assert file_rows(world, dataset.id) == []
    with world.database.read() as session:
        row = session.execute(select(tables.datasets)).mappings().one()
    assert (row["report"], row["preview"], row["deleted_at"]) == (None, None, world.clock.time)


def test_one_in_use_is_not_deleted_and_names_its_users(world):
    dataset = world.dataset()
    waiting, running = world.job(dataset_id=dataset.id), world.job(dataset_id=dataset.id)
    world.claim(running.id)
    before = world.dump()
    with pytest.raises(DatasetInUse, match=waiting.id) as caught:
        world.write(datasets.delete, dataset.id)
    assert caught.value.job_ids == (waiting.id, running.id)
    assert world.dump() == before


def test_deleting_one_that_is_validating_cancels_its_validation(world, validating):
    world.write(datasets.delete, validating.id)
    assert world.get(validating.validation_job_id).status == "cancelled"


def test_a_validation_that_runs_while_its_dataset_is_deleted_leaves_nothing(world, validating, make_file):
    claim = world.claim(validating.validation_job_id)
    world.write(datasets.delete, validating.id)
    assert world.get(claim.job_id).status == "cancelling"
    # Whoever follows its events is told that nothing more will come.
    assert [event.type for event in world.read(events.list_after, validating.id)][-1] == "dataset.invalid"
    with pytest.raises(LeaseLost):
        world.write(datasets.mark_ready, claim, report={}, content_hash="e" * 64, files=[make_file("c.parquet", "c")])
    assert world.write(jobs.cancelled, claim).status == "cancelled"
    assert file_rows(world, validating.id) == []


def test_either_the_job_is_made_or_the_dataset_deleted(world, in_parallel):
    for _ in range(8):
        dataset = world.dataset()

        def act(index, dataset_id=dataset.id):
            try:
                return world.job(dataset_id=dataset_id).id if index else world.write(datasets.delete, dataset_id)
            except (DatasetInUse, NotFound) as refusal:
                return refusal

        outcomes = in_parallel(2, act)
        assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1, outcomes
