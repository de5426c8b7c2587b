from __future__ import annotations

import time
import uuid

from registry import ids


def test_it_is_a_version_7_uuid_of_now():
    before = time.time_ns() // 1_000_000
    prefix, _, digits = ids.new("job").partition("_")
    parsed = uuid.UUID(hex=digits)
    assert prefix == "job"
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert before <= parsed.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_of_many_threads_are_all_different_and_each_thread_sees_them_rise(in_parallel):
    made = in_parallel(8, lambda _: [ids.new("evt") for _ in range(2000)])
    for of_thread in made:
        assert of_thread == sorted(of_thread)
    assert len({id_ for of_thread in made for id_ in of_thread}) == 16000


def test_ids_rise_also_when_the_clock_steps_back(monkeypatch):
    first = ids.new("ds")
    monkeypatch.setattr(ids.time, "time_ns", lambda: 0)
    assert ids.new("ds") > first
