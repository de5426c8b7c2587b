from __future__ import annotations

from registry import job_history, jobs

ESTIMATE = {"exact": True, "seconds": {"total": {"expected": 10.0}}}


def finished(world, project="default"):
    return world.read(job_history.finished, project)


def test_what_ran_without_a_break_counts(world):
    world.job(estimate=ESTIMATE)
    claim = world.claim()
    world.write(jobs.record_epoch, claim, 1, {"loss": 1.0})
    world.write(jobs.record_epoch, claim, 2, {"loss": 0.5})
    assert finished(world) == []
    world.clock.advance(12.5)
    world.write(jobs.succeed, claim, {})
    assert finished(world) == [job_history.Finished(ESTIMATE, 2, 12.5)]
    assert finished(world, "another") == []


def test_what_says_nothing_about_the_machine_does_not(world):
    world.job()  # without an estimate
    world.write(jobs.succeed, world.claim(), {})
    world.job(estimate=ESTIMATE)  # failed
    world.write(jobs.fail, world.claim(), {"code": "diverged", "message": "", "errors": []})
    job = world.job(estimate=ESTIMATE)  # done at the second attempt
    world.write(jobs.release, world.claim(job.id))
    world.write(jobs.succeed, world.claim(job.id), {})
    assert finished(world) == []
