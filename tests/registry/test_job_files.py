"""Files of jobs that publish no version, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from registry import job_files, jobs, models
from registry.errors import InvalidName, LeaseLost


def test_a_job_owns_what_it_made(world: Any, make_file: Any) -> None:
    job = world.job(type="examples")
    claim = world.claim(job.id)
    entries = [make_file("summary.json", "b"), make_file("tfrecords/train.tfrecord")]
    with world.database.write() as session:
        result = job_files.publish(session, claim, files=entries, metrics={"ndcg@10": 0.5})
        jobs.succeed(session, claim, result)
    assert world.get(job.id).result == {
        "metrics": {"ndcg@10": 0.5},
        "artifacts": [entry.as_dict() for entry in entries],
    }
    assert list(world.read(job_files.of, job.id)) == entries
    assert world.read(models.version_of_job, job.id) is None
    assert world.read(job_files.of, world.job().id) == ()


def test_nothing_is_published_without_the_claim_or_under_a_bad_path(world: Any, make_file: Any) -> None:
    job = world.job(type="examples")
    claim = world.claim(job.id)
    before = world.dump()
    with pytest.raises(InvalidName):
        world.write(job_files.publish, claim, files=[make_file("../x")], metrics={})
    assert world.dump() == before
    world.write(jobs.fail, claim, {"code": "diverged", "message": "m", "errors": []})
    with pytest.raises(LeaseLost):
        world.write(job_files.publish, claim, files=[make_file("x")], metrics={})
    assert world.read(job_files.of, job.id) == ()
