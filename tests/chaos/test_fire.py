"""The chaos harness in its short form: real processes under a few seeded faults. `make chaos` has the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chaos import __main__ as command

# One fire for each place where state is kept; what the other figures measure is for the long form.
JOBS = 4


@pytest.mark.e2e
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nothing_is_lost_under_fire(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "outcomes.json"
    arguments = ["--short", "--seed", "7", "--n", str(JOBS), "--only", "fire", "--on", kind, "--out", str(out)]
    status = command.main(arguments)
    found = json.loads(out.read_text())
    if skipped := [one["skipped"] for one in found if one["skipped"]]:
        pytest.skip(skipped[0])
    assert [one["violations"] for one in found] == [[]] * len(found)
    assert [one["good"] for one in found] == [one["n"] for one in found]
    assert status == 0


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_the_same_fire_on_plain_celery(tmp_path: Path) -> None:
    """Measured the same way: a row that no message ever told of is run by nobody."""
    out = tmp_path / "outcomes.json"
    arguments = ["--short", "--seed", "7", "--only", "killed_before_publish", "--on", "stock", "--out", str(out)]
    status = command.main(arguments)
    (found,) = json.loads(out.read_text())
    if found["skipped"]:
        pytest.skip(found["skipped"])
    assert found["column"] == "stock celery"
    assert found["good"] == 0, found
    assert status == 0
