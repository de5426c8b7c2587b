"""The chaos harness in its short form: real processes under a few seeded faults. `make chaos` has the numbers."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from chaos import __main__ as command
from chaos import outcome, soak
from chaos.figures.table import FIGURES
from chaos.outcome import Outcome
from chaos.stock.measure import MEASURES

# One fire for each place where state is kept; what the other figures measure is for the long form.
JOBS = 8


@pytest.mark.e2e
@pytest.mark.slow
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


def test_the_table_shows_both_columns_and_how_to_see_a_violation_again() -> None:
    target = "7: no stale write"
    ours = Outcome("frozen", "sqlite", target, 2, 1, "", 41, 12.0, ("fences-only-rise: job_1: fell",))
    stock = Outcome("frozen", "redis", "", 2, 0, "waited", 41, 20.0, column="stock celery")
    console = Console(file=io.StringIO(), width=170)
    outcome.show([ours, stock], console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1 of 2" in text
    assert "0 of 2; waited" in text
    assert "--seed 41 --only frozen --on sqlite" in text
    assert not ours.ok
    assert Outcome("frozen", "sqlite", target, 0, 0, "", 1, 0.0, skipped="no server").ok


def test_every_figure_has_a_name_of_its_own_and_the_second_column_uses_them() -> None:
    names = [figure.name for figure in FIGURES]
    assert len(set(names)) == len(names)
    assert set(MEASURES) <= set(names)


def sample(jobs: int, megabytes: float) -> soak.Sample:
    return soak.Sample(jobs / 2, jobs, megabytes, 100.0, 20, 30, 12, 0, 0.0, 40.0)


def test_the_soak_judges_the_second_half_by_its_slope() -> None:
    settling = [sample(jobs, 100 + min(jobs, 400) / 10) for jobs in range(0, 1001, 50)]
    leaking = [sample(jobs, 100 + jobs / 20) for jobs in range(0, 1001, 50)]
    assert soak.slopes(settling)["worker_mb"] == pytest.approx(0, abs=0.1)
    assert soak.slopes(leaking)["worker_mb"] == pytest.approx(50)
    picture = soak.plot(leaking)
    assert picture.startswith("<svg")
    assert "worker_mb: at most 150.0" in picture
