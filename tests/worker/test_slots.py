"""Slots by queue: what is long never keeps waiting what is short, and no hint is lost between two looks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.broker_address import message_queue
from worker import slot
from worker.celery_app import make_app
from worker.slots import Slots, capacities

BY_TYPE = """
if job["type"] == "train":
    say("phase", phase="train")
    while not (folder.parent / "go").exists():
        time.sleep(0.02)
    bundle("model")
else:
    say("error", code="dataset_invalid", message="no rows", errors=[])
"""


def test_a_worker_has_slots_for_the_queues_it_takes_jobs_from(service):
    settings = service.settings.model_copy(update={"slots": 2, "validate_slots": 3, "broker_url": "redis://x"})
    assert capacities(settings) == {"train": 2, "validate": 3}
    app = make_app(settings)
    assert list(app.amqp.queues.consume_from) == [message_queue("train"), message_queue("validate")]
    assert app.conf.worker_concurrency == 5

    only = settings.model_copy(update={"queues": ("train",)})
    assert capacities(only) == {"train": 2}
    app = make_app(only)
    assert list(app.amqp.queues.consume_from) == [message_queue("train")]
    assert app.conf.worker_concurrency == 2


def test_an_upload_is_checked_at_once_while_a_training_fills_its_slot(service, fake_trainer, wait_until):
    first, second = service.train_job(), service.train_job()
    _, check = service.upload("user_id,item_id\n")
    runtime = service.runtime(fake_trainer(BY_TYPE))
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(slot.work, runtime, first)
        try:
            wait_until(lambda: service.job(first).phase == "train")
            assert slot.work(runtime, second) == 0, "a hint must not start a second training"
            assert service.job(second).status == "queued"
            assert slot.work(runtime, check) == 1
            assert service.job(check).status == "succeeded"
            assert service.job(first).status == "running"
        finally:
            (runtime.attempts_dir / "go").touch()
        assert training.result(20) == 2, "the slot takes the next row itself"
    assert service.job(second).status == "succeeded"
    assert runtime.active == 0


def test_a_hint_that_comes_while_the_last_slot_leaves_is_not_lost():
    slots = Slots(1)
    assert slots.enter()
    assert not slots.enter()
    assert not slots.leave(), "looks again, for the row of the hint that was turned away"
    assert slots.leave()
    assert slots.busy == 0
    assert slots.enter()
    slots.abandon()
    assert slots.busy == 0


def test_a_row_committed_after_the_last_look_is_found_by_the_slot_that_turned_its_hint_away(
    service, fake_trainer, monkeypatch
):
    first = service.train_job()
    runtime = service.runtime(fake_trainer('bundle("model")'))
    later: list[str] = []
    claim = slot._claim

    def claim_and_then(*arguments):
        found = claim(*arguments)
        if found is None and not later:
            later.append(service.train_job())
            assert slot.work(runtime, later[0]) == 0
        return found

    monkeypatch.setattr(slot, "_claim", claim_and_then)
    assert slot.work(runtime, first) == 2
    assert service.job(later[0]).status == "succeeded"


def test_a_worker_for_trainings_leaves_other_jobs_alone(service, fake_trainer):
    _, check = service.upload("user_id,item_id\n")
    runtime = service.runtime(fake_trainer(BY_TYPE), queues=("train",))
    assert slot.work(runtime, check) == 0
    assert slot.work(runtime, "job_" + "0" * 32) == 0
    assert slot.work(runtime) == 0
    assert service.job(check).status == "queued"


def test_a_slot_is_given_back_when_its_work_breaks(service, monkeypatch):
    runtime = service.runtime()

    def broken(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(slot, "_claim", broken)
    with pytest.raises(KeyboardInterrupt):
        slot.work(runtime, queue="train")
    assert runtime.active == 0


def test_each_hint_that_was_turned_away_is_looked_for_once():
    slots = Slots(2)
    assert (slots.enter(), slots.enter()) == (True, True)
    assert (slots.enter(), slots.enter(), slots.enter()) == (False, False, False)
    # Both slots had looked in vain just before two rows were committed: each must look again.
    assert (slots.leave(), slots.leave()) == (False, False)
    assert (slots.leave(), slots.leave(), slots.busy) == (True, True, 0)
