from __future__ import annotations

import pytest

from registry import datasets, events, jobs
from registry.errors import NotFound


def test_numbers_have_no_gap_and_no_double_under_eight_threads(world, in_parallel):
    job = world.job()

    def append(index):
        given = []
        for number in range(10):
            try:
                with world.database.write() as session:
                    given.append(events.append(session, job.id, "job.note", {"thread": index, "number": number}))
                    if number % 3 == 0:
                        raise InterruptedError
            except InterruptedError:
                given.pop()
        return given

    given = sorted(seq for seqs in in_parallel(8, append) for seq in seqs)
    found = world.read(events.list_after, job.id, 0, 1000)
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    assert given == [event.seq for event in found[1:]]
    assert len(given) == 8 * 6
    assert world.get(job.id).last_seq == len(found)


def test_a_reader_never_sees_a_number_before_the_one_below_it(world, in_parallel):
    job = world.job()

    def append_or_read(index):
        for _ in range(15):
            if index % 2:
                world.write(events.append, job.id, "job.note")
            else:
                seen = [event.seq for event in world.read(events.list_after, job.id, 0, 1000)]
                assert seen == list(range(1, len(seen) + 1))

    in_parallel(6, append_or_read)


def test_listing_goes_on_after_a_number(world):
    job = world.job()
    for number in range(5):
        world.write(events.append, job.id, "job.note", {"number": number})
    assert [event.seq for event in world.read(events.list_after, job.id, 2, 3)] == [3, 4, 5]
    assert world.read(events.list_after, job.id, 6) == []
    assert world.read(events.list_after, "job_0") == []


def test_each_subject_counts_for_itself(world):
    first, second = world.job(), world.job()
    with world.database.write() as session:
        dataset = datasets.create(session, name="x", spec={})
    for subject in (first.id, second.id, dataset.id):
        assert world.write(events.append, subject, "note") == 2


@pytest.mark.parametrize("subject", ["job_0", "ds_0", "mdl_0", "user_0", ""])
def test_unknown_subjects_get_no_events(world, subject):
    with pytest.raises(NotFound):
        world.write(events.append, subject, "job.note")


def test_an_event_carries_its_project_time_and_data(world):
    job = world.job()
    world.clock.advance(7)
    world.write(jobs.request_cancel, job.id)
    event = world.read(events.list_after, job.id)[-1]
    assert (event.project_id, event.subject, event.type, event.data) == ("default", job.id, "job.cancelled", {})
    assert event.created_at == world.clock.time
    assert event.id.startswith("evt_")
    assert event.type in events.TERMINAL_TYPES
