from __future__ import annotations

import pytest

from registry import datasets, events, jobs, leases
from registry.errors import DatasetNotReady, InvalidName, NotFound
from registry.job_rows import TRANSITIONS
from registry.records import PHASES, TERMINAL


def types(world, subject):
    return [event.type for event in world.read(events.list_after, subject)]


class TestCreate:
    def test_a_job_is_queued_with_what_it_was_given(self, world):
        job = world.job(preset="bow", model="shoes-eu", metadata={"team": "a"}, config={"b": 1, "a": [1.5, None, "é"]})
        assert (job.status, job.attempt, job.fence, job.last_seq) == ("queued", 0, 0, 1)
        assert job.config == {"b": 1, "a": [1.5, None, "é"]}
        assert list(job.config) == ["b", "a"]
        assert job.created_at == world.clock.time
        assert world.get(job.id) == job

    def test_its_dataset_must_be_ready(self, world):
        with world.database.write() as session:
            dataset = datasets.create(session, name="x", spec={})
        with pytest.raises(DatasetNotReady, match="validating; wait"):
            world.job(dataset_id=dataset.id)
        assert world.job(dataset_id=world.dataset().id).dataset_id is not None

    def test_its_dataset_must_exist(self, world):
        with pytest.raises(NotFound, match="ds_0"):
            world.job(dataset_id="ds_0")

    @pytest.mark.parametrize("name", ["", "Shoes", "a b", "../x", "a..b", "-a", "a/b", "é", "a" * 65, "a\n"])
    def test_model_names_are_slugs(self, world, name):
        with pytest.raises(InvalidName):
            world.job(model=name)

    def test_a_number_that_json_has_not_is_refused(self, world):
        with pytest.raises(Exception, match="JSON compliant"):
            world.job(config={"x": float("nan")})
        assert world.read(jobs.list_page).items == ()


class TestRead:
    def test_missing_and_foreign_jobs_are_alike(self, world):
        job = world.job()
        assert world.read(jobs.get, job.id, project="default") == job
        for arguments in (("job_0", None), (job.id, "other")):
            with pytest.raises(NotFound):
                world.read(jobs.get, arguments[0], project=arguments[1])

    def test_pages_run_from_new_to_old_and_stay_put_while_jobs_are_added(self, world):
        made = [world.job().id for _ in range(7)]
        seen, after = [], None
        while True:
            page = world.read(jobs.list_page, after=after, limit=3)
            seen += [job.id for job in page.items]
            world.job()
            if page.next_after is None:
                break
            after = page.next_after
        assert seen == made[::-1]

    def test_the_last_full_page_has_no_next(self, world):
        for _ in range(2):
            world.job()
        assert world.read(jobs.list_page, limit=2).next_after is None

    def test_filters(self, world):
        queued, running, asked = world.job(), world.job(model="m"), world.job(type="validate_dataset")
        world.claim(running.id)
        world.claim(asked.id)
        world.write(jobs.request_cancel, asked.id)

        def ids(**filters):
            return {job.id for job in world.read(jobs.list_page, **filters).items}

        assert ids(status="queued") == {queued.id}
        assert ids(status="running") == {running.id}
        assert ids(status="cancelling") == {asked.id}
        assert ids(status="failed") == set()
        assert ids(types=["train"]) == {queued.id, running.id}
        assert ids(model="m") == {running.id}
        assert world.read(jobs.list_page, "other").items == ()

    @pytest.mark.parametrize("limit", [0, 1001])
    def test_limits_are_limited(self, world, limit):
        with pytest.raises(ValueError, match="limit"):
            world.read(jobs.list_page, limit=limit)


class TestRecords:
    def test_a_whole_run_leaves_its_events_in_order(self, world):
        job = world.job()
        claim = world.claim(job.id)
        for phase in PHASES[:3]:
            world.write(jobs.set_phase, claim, phase)
        world.write(jobs.record_epoch, claim, 1, {"loss": 0.5})
        world.write(jobs.promote_checkpoint, claim, "a" * 64, 3, 1, 0)
        done = world.write(jobs.succeed, claim, {"model": "m", "version": 1, "metrics": {"r": 1}, "artifacts": []})
        expected = ["created", "started", *["phase_changed"] * 3, "epoch_completed", "checkpointed", "succeeded"]
        found = world.read(events.list_after, job.id)
        assert [event.type for event in found] == [f"job.{name}" for name in expected]
        assert [event.seq for event in found] == list(range(1, len(expected) + 1))
        assert found[-1].data == {"model": "m", "version": 1, "metrics": {"r": 1}}
        assert world.get(job.id) == done
        assert (done.last_seq, done.finished_at, done.lease_until) == (len(found), world.clock.time, None)

    def test_progress_belongs_to_its_phase_and_is_no_event(self, world):
        claim = world.claim(world.job().id)
        world.write(jobs.set_phase, claim, "train")
        before = world.get(claim.job_id)
        after = world.write(jobs.record_progress, claim, done=1, total=4, unit="steps", eta_seconds=float("inf"))
        assert after.progress == {"done": 1, "total": 4, "unit": "steps", "eta_seconds": None}
        assert (after.last_seq, after.revision) == (before.last_seq, before.revision + 1)
        assert world.write(jobs.set_phase, claim, "export").progress is None

    def test_entering_a_phase_again_is_no_event(self, world):
        claim = world.claim(world.job().id)
        first = world.write(jobs.set_phase, claim, "train")
        assert world.write(jobs.set_phase, claim, "train").last_seq == first.last_seq

    def test_unknown_phases_are_refused(self, world):
        with pytest.raises(ValueError, match="brew"):
            world.write(jobs.set_phase, world.claim(world.job().id), "brew")

    def test_epochs_are_kept_once_with_finite_numbers(self, world):
        claim = world.claim(world.job().id)
        world.write(jobs.record_epoch, claim, 2, {"loss": float("nan"), "ndcg@10": 0.25})
        world.write(jobs.record_epoch, claim, 1, {"loss": 1})
        last = world.write(jobs.record_epoch, claim, 2, {"loss": 9.0})
        epochs = world.read(jobs.list_epochs, claim.job_id)
        assert [(epoch.epoch, epoch.metrics) for epoch in epochs] == [
            (1, {"loss": 1.0}),
            (2, {"loss": None, "ndcg@10": 0.25}),
        ]
        assert types(world, claim.job_id).count("job.epoch_completed") == 2
        assert last.last_seq == len(types(world, claim.job_id))

    def test_log_lines(self, world):
        claim = world.claim(world.job().id)
        world.write(jobs.append_log, claim, ["one", "two\0", "x" * 5000])
        world.write(jobs.append_log, claim, [])
        lines = world.read(jobs.list_log, claim.job_id)
        assert [line.line for line in lines] == ["one", "two\ufffd", "x" * jobs.MAX_LOG_LINE]
        assert world.read(jobs.list_log, claim.job_id, after=lines[0].id, limit=1) == lines[1:2]

    def test_an_error_may_hold_anything_that_json_can(self, world):
        error = {"code": "dataset_invalid", "message": "a \0 byte \U0001f600", "errors": [{"pointer": ""}]}
        job = world.write(jobs.fail, world.claim(world.job().id), error)
        assert world.get(job.id).error == error


class TestCancel:
    def test_queued_is_cancelled_at_once(self, world):
        job = world.write(jobs.request_cancel, world.job().id)
        assert (job.status, job.finished_at, job.cancel_requested_at) == ("cancelled", *[world.clock.time] * 2)
        assert types(world, job.id) == ["job.created", "job.cancelled"]
        assert world.try_claim(job.id) is None

    def test_running_is_asked_and_told_at_the_next_heartbeat(self, world):
        claim = world.claim(world.job().id)
        assert world.write(leases.heartbeat, claim, 60) is False
        job = world.write(jobs.request_cancel, claim.job_id)
        assert job.status == "cancelling"
        assert not job.is_terminal
        assert world.write(leases.heartbeat, claim, 60) is True
        ended = world.write(jobs.cancelled, claim)
        assert (ended.status, ended.cancel_requested_at) == ("cancelled", job.cancel_requested_at)

    def test_asking_twice_is_asking_once(self, world):
        claim = world.claim(world.job().id)
        first = world.write(jobs.request_cancel, claim.job_id)
        world.clock.advance(5)
        assert world.write(jobs.request_cancel, claim.job_id) == first

    def test_a_worker_that_finished_before_it_was_told_has_finished(self, world):
        claim = world.claim(world.job().id)
        world.write(jobs.request_cancel, claim.job_id)
        assert world.write(jobs.succeed, claim, {}).status == "succeeded"

    def test_nobody_has_to_be_asked_once_the_lease_has_run_out(self, world):
        claim = world.claim(world.job().id)
        world.clock.advance(60)
        assert world.write(jobs.request_cancel, claim.job_id).status == "cancelled"

    def test_the_best_checkpoint_stays(self, world):
        claim = world.claim(world.job().id)
        kept = world.write(jobs.promote_checkpoint, claim, "a" * 64, 3, 1, 0)
        world.write(jobs.request_cancel, claim.job_id)
        world.write(jobs.cancelled, claim)
        assert world.read(jobs.latest_checkpoint, claim.job_id) == kept

    def test_another_projects_job_is_not_found_and_not_touched(self, world):
        job = world.job()
        with pytest.raises(NotFound):
            world.write(jobs.request_cancel, job.id, project="other")
        assert world.get(job.id) == job


class TestTerminal:
    @pytest.mark.parametrize("status", sorted(TERMINAL))
    def test_nothing_changes_a_terminal_job(self, world, status):
        claim = world.claim(world.job().id)
        end = {
            "succeeded": lambda session: jobs.succeed(session, claim, {}),
            "failed": lambda session: jobs.fail(session, claim, {"code": "diverged", "message": "", "errors": []}),
            "cancelled": lambda session: jobs.cancelled(session, claim),
        }[status]
        assert world.write(end).status == status
        before = world.dump()
        world.clock.advance(3600)
        assert world.write(jobs.request_cancel, claim.job_id).status == status
        assert world.try_claim(claim.job_id) is None
        assert world.try_claim() is None
        assert world.reap() == leases.Reaped({}, (), ())
        looked = {"duties": world.dump()["duties"]}  # that there was a look is no change of the job
        assert world.dump() == before | looked

    def test_the_transition_table_lets_nothing_out_of_a_terminal_status(self):
        assert {status for status, targets in TRANSITIONS.items() if not targets} == TERMINAL


def test_the_phases_are_those_of_the_pipeline():
    from reco_core import progress

    assert progress.PHASES == PHASES
