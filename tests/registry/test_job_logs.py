"""Log lines and their lengths, on both databases."""

from __future__ import annotations

from typing import Any

from registry import jobs
from registry.database import Database

LINES = ["one", "grüße 😀", "", "x" * 5000, "nul \0"]


def test_lines_and_lengths_agree_whatever_part_is_asked_for(world: Any) -> None:
    other = world.claim(world.job().id)
    claim = world.claim(world.job().id)
    for part in (LINES[:2], LINES[2:]):
        world.write(jobs.append_log, claim, part)
        world.write(jobs.append_log, other, ["another job's"])
    found = world.read(jobs.list_log, claim.job_id)
    assert [line.line for line in found] == ["one", "grüße 😀", "", "x" * jobs.MAX_LOG_LINE, "nul \ufffd"]
    lengths = [(line.id, len(line.line.encode())) for line in found]

    database: Database = world.database
    with database.read() as session:
        assert jobs.measure_log(session, claim.job_id) == lengths
        assert jobs.measure_log(session, claim.job_id, after=found[1].id, limit=2) == lengths[2:4]
        assert jobs.measure_log(session, claim.job_id, tail=2) == lengths[-2:]
        assert jobs.measure_log(session, claim.job_id, attempt=2) == []
        assert jobs.list_log(session, claim.job_id, after=found[1].id, limit=2) == found[2:4]
        assert jobs.tail_log(session, claim.job_id, 2) == found[-2:]
        assert jobs.read_log(session, claim.job_id, found[1].id, found[3].id, attempt=1) == found[1:4]
