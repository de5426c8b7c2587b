"""`pocketrec train --set`, `export` and `evaluate`, as people use them one after the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.changes import changes, listed, whole_numbers
from app.cli.errors import CommandFailed, Status
from app.cli.main import app
from tests.conftest import tiny_config, write_planted_csv

runner = CliRunner()


def ran(*arguments: object) -> Any:
    done = runner.invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def said(*arguments: object) -> str:
    done = runner.invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_from_training_to_another_export_to_another_evaluation(make_planted: Any, tmp_path: Path) -> None:
    log = write_planted_csv(tmp_path / "log", make_planted(41, users=90, items=30))
    later = write_planted_csv(tmp_path / "later", make_planted(42, users=60, items=34))
    config = tmp_path / "config.json"
    quick = tiny_config(
        training={"max_epochs": 2},
        evaluation={"baselines": ["popular"]},
        export={"variants": ["float32", "float16"]},
    )
    config.write_text(quick.model_dump_json())
    trained = ran(
        *("train", "--data", log, "--out", tmp_path / "bundle", "--config", config),
        *("--set", "training.keep_checkpoints=1", "--set", "evaluation.protocol=reference"),
        *("--set", "training.tensorboard=true"),
    )
    work = tmp_path / "bundle.work"
    assert sorted(path.name for path in (work / "weights").iterdir()) == ["best.npz", "epoch-00002.npz"]
    assert sorted(path.name for path in (work / "tensorboard").iterdir()) == ["train", "validation"]
    assert trained["report"]["protocol"] == "reference"

    made = ran(
        *("export", "--weights", work / "weights" / "epoch-00002.npz", "--data", log, "--out", tmp_path / "small"),
        *(
            "--top-k",
            4,
            "--history-length",
            3,
            "--variants",
            "float32",
            "--saved-model",
            "--set",
            "export.exclude_ids=2",
        ),
    )
    manifest = json.loads((tmp_path / "small" / "manifest.json").read_text())
    recommend = manifest["signatures"]["recommend"]
    assert (recommend["top_k"], recommend["history_length"], recommend["exclude_ids"]) == (4, 3, 2)
    assert list(made["report"]["variants"]) == ["float32"]
    assert manifest["default_variant"] == "float32"
    assert (tmp_path / "small.work" / "saved_model.zip").is_file()

    found = ran("evaluate", "--bundle", tmp_path / "small", "--data", log, "--k", "3", "--baselines", "none")
    assert found["folder"] is None
    assert found["report"]["test"]["recall@10"] == made["report"]["test"]["recall@10"]
    assert (found["report"]["baselines"], "recall@3" in found["report"]["test"]) == ({}, True)

    output = said(
        *("evaluate", "--bundle", tmp_path / "bundle", "--data", later, "--protocol", "reference"),
        *("--baselines", "popular", "--out", tmp_path / "later-figures"),
    )
    assert "4 of its items are unknown to the model" in output
    assert "Recall_10" in output
    assert "popular" in output
    assert sorted(path.name for path in (tmp_path / "later-figures").iterdir()) == [
        "measurements.json",
        "ranks.npz",
        "report.html",
        "report.json",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "--weights", "absent.npz", "--data", ".", "--out", "x"], "--weights absent.npz: no such file"),
        (["evaluate", "--bundle", "absent", "--data", "."], "--bundle absent: no such file"),
        (["evaluate", "--bundle", ".", "--data", ".", "--k", "ten"], "--k ten: expected whole numbers"),
        (["evaluate", "--bundle", ".", "--data", ".", "--baselines", "a,,b"], "--baselines a,,b: expected names"),
        (["evaluate", "--bundle", ".", "--data", ".", "--set", "seed"], "--set seed: expected FIELD=VALUE"),
    ],
)
def test_wrong_options_are_said_before_anything_starts(arguments: list[str], said: str) -> None:
    done = runner.invoke(app, arguments)
    assert done.exit_code == Status.BAD_INPUT
    assert said in done.stderr


def test_a_config_that_set_makes_invalid_names_the_field(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id\n")
    arguments = ["train", "--data", str(log), "--out", str(tmp_path / "out"), "--preset", "bow"]
    done = runner.invoke(app, [*arguments, "--set", "training.batchsize=3", "--json"])
    assert done.exit_code == Status.BAD_INPUT
    assert json.loads(done.stdout)["error"]["errors"][0]["pointer"] == "/training/batchsize"
    assert not (tmp_path / "out.work").exists()


def test_fields_become_a_document() -> None:
    assert changes(
        ["export.top_k=20", "training.tensorboard=true", "model.hidden_layers=[8, 4]", "export.max_bytes=null"],
        {"export.ids": "raw", "export.layout": None},
    ) == {
        "export": {"ids": "raw", "top_k": 20, "max_bytes": None},
        "training": {"tensorboard": True},
        "model": {"hidden_layers": [8, 4]},
    }


@pytest.mark.parametrize("sets", [["a=1", "a=2"], ["=1"], ["a..b=1"], ["a=[1"], ["a=1", "a.b=2"]])
def test_what_can_not_be_meant_is_refused(sets: list[str]) -> None:
    with pytest.raises(CommandFailed):
        changes(sets, {})


def test_lists_on_the_command_line() -> None:
    assert listed("--x", "a, b") == ["a", "b"]
    assert listed("--x", None) is None
    assert whole_numbers("--k", "1,10") == [1, 10]
