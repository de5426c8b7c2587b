"""Retries in the registry, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from registry import checkpoints, datasets, jobs, retries, tables
from registry.errors import DatasetDeleted, JobNotFinished, JobNotRetryable, JobSucceeded, NotFound

ERROR = {"code": "out_of_memory", "message": "m", "errors": []}


def test_a_new_job_with_the_furthest_checkpoint_and_the_epochs_in_it(world: Any) -> None:
    dataset = world.dataset()
    old = world.job(dataset_id=dataset.id, model="films", metadata={"a": "b"}, estimate={"seconds": 3})
    claim = world.claim(old.id)
    for epoch in (1, 2, 3):
        world.write(jobs.record_epoch, claim, epoch, {"loss": 1.0})
    for sha256, epoch, step in (("a" * 64, 2, 5), ("b" * 64, 1, 0)):
        world.write(jobs.promote_checkpoint, claim, sha256, 3, epoch, step)
    world.write(jobs.fail, claim, ERROR)

    new = world.write(retries.retry, old.id, request_id="r1")
    assert (new.status, new.attempt, new.retry_of, new.request_id) == ("queued", 0, old.id, "r1")
    assert (new.dataset_id, new.config, new.model, new.metadata) == (dataset.id, old.config, "films", {"a": "b"})
    assert (new.estimate, new.queue) == ({"seconds": 3}, old.queue)
    kept = world.read(jobs.latest_checkpoint, new.id)
    assert (kept.sha256, kept.epoch, kept.step, kept.fence) == ("a" * 64, 2, 5, 0)
    assert [row.epoch for row in world.read(jobs.list_epochs, new.id)] == [1, 2]
    assert world.read(checkpoints.latest_of, [old.id, new.id, "job_0"]) == {
        old.id: world.read(jobs.latest_checkpoint, old.id),
        new.id: kept,
    }
    # It is a job like any other from here on, and its own checkpoints go further.
    claim = world.claim(new.id)
    world.write(jobs.promote_checkpoint, claim, "c" * 64, 3, 4, 0)
    assert world.read(jobs.latest_checkpoint, new.id).epoch == 4
    assert world.read(jobs.latest_checkpoint, old.id).epoch == 2


def test_a_job_has_no_more_checkpoints_than_the_one_to_go_on_from(world: Any) -> None:
    def kept() -> list[tuple[str, int, int]]:
        columns = tables.checkpoints.c
        query = select(columns.job_id, columns.epoch, columns.step).order_by(columns.job_id)
        return [tuple(row) for row in world.read(lambda session: session.execute(query).all())]

    first, second = sorted([world.job().id, world.job().id])
    for job_id, reached in ((first, [(1, 0), (1, 7), (2, 0)]), (second, [(3, 1), (2, 9)])):
        claim = world.claim(job_id)
        for epoch, step in reached:
            world.write(jobs.promote_checkpoint, claim, f"{epoch}{step}" * 32, 3, epoch, step)
    assert kept() == [(first, 2, 0), (second, 3, 1)]


def test_what_it_began_with_stays(world: Any) -> None:
    base = {"model": "films", "version": 2, "checkpoint": "epoch-00003"}
    old = world.job(type="export", base=base, model="films")
    world.write(jobs.fail, world.claim(old.id), ERROR)
    new = world.write(retries.retry, old.id)
    assert (new.type, new.base, new.model) == ("export", base, "films")


def test_what_can_not_be_retried(world: Any) -> None:
    with pytest.raises(NotFound):
        world.write(retries.retry, "job_0")
    job = world.job()
    with pytest.raises(NotFound):
        world.write(retries.retry, job.id, project="other")
    with pytest.raises(JobNotFinished, match="queued"):
        world.write(retries.retry, job.id)
    claim = world.claim(job.id)
    world.write(jobs.request_cancel, job.id)
    with pytest.raises(JobNotFinished, match="cancelling"):
        world.write(retries.retry, job.id)
    world.write(jobs.succeed, claim, {})
    with pytest.raises(JobSucceeded):
        world.write(retries.retry, job.id)
    with pytest.raises(JobNotRetryable, match="upload the dataset again"):
        world.write(retries.retry, world.dataset().validation_job_id)


def test_the_dataset_was_deleted(world: Any) -> None:
    dataset = world.dataset()
    job = world.job(dataset_id=dataset.id)
    world.write(jobs.fail, world.claim(job.id), ERROR)
    world.write(datasets.delete, dataset.id)
    before = len(world.read(jobs.list_page).items)
    with pytest.raises(DatasetDeleted, match=dataset.id):
        world.write(retries.retry, job.id)
    assert len(world.read(jobs.list_page).items) == before
