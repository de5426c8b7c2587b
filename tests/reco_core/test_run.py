"""The whole pipeline as a command: same bytes whatever happens in between, typed errors."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def stopped(number: signal.Signals, arguments: list[str], after: int) -> int:
    """Start a run, send it a signal after `after` checkpoints; its exit status."""
    process = subprocess.Popen(
        [sys.executable, "-m", "reco_core", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        assert event["event"] not in ("error", "result")
        after -= event["event"] == "checkpoint"
        if after == 0:
            process.send_signal(number)
            break
    process.stdout.read()
    status = process.wait(60)
    process.stdout.close()
    return status


@pytest.mark.slow
def test_a_run_stopped_then_killed_then_resumed_gives_the_same_bundle(
    made, planted_folder, config_file, tmp_path, reco_core
):
    out = tmp_path / "bundle"
    arguments = ["run", "--data", str(planted_folder), "--config", str(config_file), "--out", str(out)]
    assert stopped(signal.SIGTERM, arguments, after=2) == 75
    assert stopped(signal.SIGKILL, [*arguments, "--resume"], after=2) == -signal.SIGKILL
    assert not out.exists()
    done = reco_core(*arguments, "--resume")
    assert done.returncode == 0, done.stderr
    assert any("resuming after epoch" in line for line in done.stdout.splitlines())
    assert tree(out) == tree(made[0])
    ranks = [folder.with_name(f"{folder.name}.work") / "ranks.npz" for folder in (out, made[0])]
    assert ranks[0].read_bytes() == ranks[1].read_bytes()


def refused(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    event = json.loads(done.stdout.splitlines()[-1])
    assert event["event"] == "error"
    return event


def test_a_taken_folder_is_a_typed_error(made, planted_folder, config_file, reco_core):
    before = tree(made[0])
    event = refused(reco_core("run", "--data", planted_folder, "--config", config_file, "--out", made[0]))
    assert event["code"] == "output_exists"
    assert "choose another or remove it" in event["message"]
    assert tree(made[0]) == before


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--preset", "bow", "--spec", "{"], "validation_failed"),
        (["--preset", "bow", "--spec", '{"mappping": {}}'], "validation_failed"),
        (["--preset", "bow", "--format", "xls"], "validation_failed"),
        (["--preset", "bwo"], "validation_failed"),
    ],
)
def test_wrong_arguments_are_typed_errors(planted_folder, tmp_path, reco_core, more, code):
    assert refused(reco_core("run", "--data", planted_folder, "--out", tmp_path / "out", *more))["code"] == code


def test_absent_data_are_a_typed_error(tmp_path, reco_core):
    event = refused(reco_core("run", "--data", tmp_path / "absent", "--preset", "bow", "--out", tmp_path / "out"))
    assert event["code"] == "dataset_unreadable"


def test_an_impossible_budget_ends_before_training(tensorflow_runtime, planted, make_config, tmp_path):
    from reco_core import pipeline
    from reco_core.errors import SizeBudgetImpossible

    with pytest.raises(SizeBudgetImpossible, match="60 items"):
        pipeline.run(make_config(export={"max_bytes": 100}), planted, tmp_path / "out", work=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_budget_chooses_dimensions_and_a_variant_that_fit(tensorflow_runtime, make_planted, make_config, tmp_path):
    from reco_core import pipeline
    from reco_core.errors import SizeBudgetImpossible

    log = make_planted(2, users=80, items=300)
    config = make_config(
        training={"max_epochs": 1},
        evaluation={"baselines": ["popular"]},
        model={"embedding_dim": 64, "item_attribute": None},
        export={"max_bytes": 40_000, "default_variant": "float32"},
    )
    manifest = pipeline.run(config, log, tmp_path / "out", work=tmp_path)
    sizes = {entry["path"]: entry["bytes"] for entry in manifest.files}
    budget = manifest.document["budget"]
    assert sizes["variants/float32.tflite"] > 40_000
    assert sizes["model.tflite"] == sizes[f"variants/{manifest.document['default_variant']}.tflite"]
    assert 0.9 * budget["expected_bytes"] < sizes[f"variants/{budget['variant']}.tflite"] <= 40_000
    assert (budget["max_bytes"], budget["embedding_dim_asked"]) == (40_000, 64)
    assert 16 <= budget["embedding_dim"] < 64
    assert manifest.document["config"]["model"]["embedding_dim"] == budget["embedding_dim"]
    assert json.loads((tmp_path / "out" / "report.json").read_text())["budget"] == budget
    assert "instead of 64" in (tmp_path / "report.html").read_text(encoding="utf-8")

    # what was learned stays as it is: the same again, a roomier one, and none that is too tight for it
    weights = tmp_path / "weights" / "best.npz"
    again = pipeline.export_again(weights, log, tmp_path / "again", work=tmp_path)
    assert again.document == manifest.document
    roomy = pipeline.export_again(
        weights,
        log,
        tmp_path / "roomy",
        work=tmp_path,
        changes={"export": {"max_bytes": 90_000, "variants": ["float32"], "default_variant": "float32"}},
    ).document["budget"]
    assert (roomy["embedding_dim"], roomy["embedding_dim_asked"]) == (budget["embedding_dim"], 64)
    assert (roomy["max_bytes"], roomy["dimensions_fixed"]) == (90_000, True)
    with pytest.raises(SizeBudgetImpossible, match=r"which the weights have.* train anew"):
        pipeline.export_again(
            weights, log, tmp_path / "tight", work=tmp_path, changes={"export": {"max_bytes": 25_000}}
        )
    assert not (tmp_path / "tight").exists()
