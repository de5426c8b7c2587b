"""What the chaos harness makes of its measurements: tables, files to go on from, the judgement of a soak."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from chaos import __main__ as command
from chaos import outcome, soak
from chaos.figures.table import FIGURES
from chaos.outcome import BROKE, Outcome
from chaos.record import Record
from chaos.stock.measure import MEASURES

OURS = Outcome("frozen", "sqlite", "7: no stale write", 2, 1, "", 41, 12.0, ("fences-only-rise: job_1: fell",))
STOCK = Outcome("frozen", "redis", "", 2, 0, "waited", 41, 20.0, column="stock celery")


def test_the_table_shows_both_columns_and_how_to_see_a_violation_again() -> None:
    console = Console(file=io.StringIO(), width=170)
    outcome.show([OURS, STOCK], console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1 of 2" in text
    assert "0 of 2; waited" in text
    assert "--seed 41 --n 2 --only frozen --on sqlite" in text
    assert not OURS.ok
    assert replace(OURS, skipped="no server").ok
    assert outcome.again(replace(OURS, short=True)).startswith('make chaos ARGS="--short --seed 41')


def test_violations_are_counted_also_where_a_run_only_fell_short() -> None:
    assert [row[4] for row in outcome.rows([OURS, replace(OURS, violations=()), replace(OURS, good=2)])] == ["1"] * 3
    assert outcome.rows([replace(OURS, good=2, violations=())])[0][4] == "0"
    assert outcome.rows([STOCK])[0][5] == "0 of 2; waited"


def test_a_run_that_was_broken_off_goes_on_where_it_was(tmp_path: Path) -> None:
    table = tmp_path / "chaos.md"
    first = Record(table)
    first.add(OURS)
    assert "| frozen | sqlite | 7: no stale write | 1 of 2 | 1 |" in table.read_text()
    assert "fences-only-rise: job_1: fell" in table.read_text()
    second = Record(table)
    assert second.seed == 41
    assert second.has("frozen", "sqlite", 2, 41, short=False)
    assert not second.has("frozen", "sqlite", 3, 41, short=False)
    assert not second.has("frozen", "sqlite", 2, 41, short=True)
    second.add(replace(STOCK, measured="0 of 2 | x"))
    assert "0 of 2 / x" in table.read_text().splitlines()[2]


def test_what_broke_or_was_skipped_is_measured_again(tmp_path: Path) -> None:
    record = Record(tmp_path / "chaos.md")
    record.add(replace(OURS, measured=BROKE))
    assert not record.has("frozen", "sqlite", 2, 41, short=False)
    record.add(replace(OURS, skipped="no server"))
    assert not record.has("frozen", "sqlite", 2, 41, short=False)
    record.add(replace(OURS, good=2, violations=()))
    assert record.has("frozen", "sqlite", 2, 41, short=False)
    assert len(record.outcomes) == 1
    assert "No violations." in (tmp_path / "chaos.md").read_text()


def test_the_command_measures_nothing_that_is_in_the_table_already(tmp_path: Path) -> None:
    record = Record(tmp_path / "chaos.md")
    long = {figure.name: figure.long for figure in FIGURES}["frozen"]
    for kind in ("sqlite", "postgresql"):
        record.add(replace(OURS, configuration=kind, n=long, good=long, violations=()))
    assert command.main(["--only", "frozen", "--table", str(tmp_path / "chaos.md")]) == 0


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
    assert soak.verdict(settling, []) == []
    assert soak.verdict(leaking, ["left: a"]) == ["left: a", "worker_mb grows by 50.0, bound 10"]
    assert soak.verdict(leaking[:4], []) == [], "too few jobs to tell"
    late = [replace(sample(jobs, 100), threads=10 + (jobs >= 600)) for jobs in range(0, 701, 50)]
    assert soak.slopes(late)["threads"] > soak.BOUNDS["threads"]
    assert soak.verdict(late, []) == [], "one thread that starts late"
    more = [replace(sample(jobs, 100), threads=10 + jobs // 100) for jobs in range(0, 701, 50)]
    assert soak.verdict(more, []) == ["threads grows by 10.5, bound 3"]
    picture = soak.plot(leaking)
    assert picture.startswith("<svg")
    assert "resident memory of the larger worker, MB, at the end 150" in picture
    assert picture.count("<polyline") == len(soak.CURVES) == len(dataclasses.fields(soak.Sample)) - 2
