"""The tables say what the report says, and a loss to a baseline can't be missed."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from app.cli import results


def figure(value: float) -> dict[str, Any]:
    return {"value": value, "ci95": [value - 0.01, value + 0.01]}


@pytest.fixture
def report() -> dict[str, Any]:
    metrics = {"recall@10": figure(0.2), "ndcg@10": figure(0.1), "mrr@10": figure(0.08), "mean_rank": figure(250.0)}
    return {
        "protocol": "leave_one_out",
        "test": metrics,
        "baselines": {"popular": {**metrics, "ndcg@10": figure(0.05)}, "markov": {**metrics, "ndcg@10": figure(0.15)}},
        "comparison": {
            "popular": {"ndcg@10": {"difference": 0.05, "ci95": [0.04, 0.06], "verdict": "better"}},
            "markov": {"ndcg@10": {"difference": -0.05, "ci95": [-0.06, -0.04], "verdict": "worse"}},
        },
        "variants": {
            "float16": {"bytes": 228_400, "recall@10": 0.2, "ndcg@10": 0.1, "overlap@10": 0.999, "refused": None},
            "dynamic_int8": {"bytes": 120_000, "refused": "overlap@10 .80 is below .93"},
        },
    }


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Console:
    screen = Console(record=True, width=80, markup=False, highlight=False, force_terminal=True, soft_wrap=True)
    monkeypatch.setattr(results, "console", lambda: screen)
    return screen


def test_a_loss_to_a_baseline_is_said_in_red(screen: Console, report: dict[str, Any]) -> None:
    results.print_metrics(report)
    styled = screen.export_text(styles=True)
    losing = next(line for line in styled.splitlines() if "loses to" in line)
    assert "markov on NDCG@10" in losing
    assert "\x1b[1;31m" in losing
    assert any("markov" in line and "\x1b[31m" in line for line in styled.splitlines())
    assert not any("popular" in line and "\x1b[31m" in line for line in styled.splitlines())


def test_a_model_that_wins_gets_no_warning(screen: Console, report: dict[str, Any]) -> None:
    del report["comparison"]["markov"]
    results.print_metrics(report)
    text = screen.export_text()
    assert "loses" not in text
    assert "0.2000 [.190, .210]" in text
    assert "250.0 [250, 250]" in text


def test_a_baseline_left_out_is_said_with_the_reason(screen: Console, report: dict[str, Any]) -> None:
    results.print_metrics({**report, "baselines_left_out": {"ease": "there are 12,101 items"}})
    assert "The baseline ease was left out: there are 12,101 items." in screen.export_text()


def test_a_tie_is_said(screen: Console, report: dict[str, Any]) -> None:
    report["comparison"]["markov"]["ndcg@10"]["verdict"] = "not distinguishable"
    results.print_metrics(report)
    assert "Not distinguishable from markov on NDCG@10" in screen.export_text()


def test_variants_show_size_latency_and_refusals(screen: Console, report: dict[str, Any]) -> None:
    measurements = {"variants": {"float16": {"bytes": 228_400, "latency_ms": 0.0421}}}
    results.print_variants(report, measurements, "float16")
    lines = screen.export_text().splitlines()
    default = next(line for line in lines if "float16" in line)
    assert "model.tflite" in default
    assert "228 kB" in default
    assert "0.042 ms" in default
    assert "dynamic_int8 is left out: overlap@10 .80 is below .93" in lines


def test_titles_cannot_drive_the_terminal() -> None:
    assert results.label({"id": "1", "title": "a\x1b[2Jb\r"}) == "a?[2Jb?"
    assert results.label({"id": "1", "title": None}) == "1"
