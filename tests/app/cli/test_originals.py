"""`pocketrec config convert`: a config of the original and its command line in, one of ours and the changes out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from app.cli import output
from app.cli.errors import CommandFailed, Status
from app.cli.main import app
from app.cli.originals import convert, split
from reco_core.config import load, load_file
from tests.reco_core.config.original.samples import IDS_ONLY, INPUT_CONFIG, SAMPLE_CONFIG

runner = CliRunner()


@pytest.fixture
def input_config(tmp_path: Path) -> str:
    file = tmp_path / "input_config.pbtxt"
    file.write_text(INPUT_CONFIG, encoding="utf-8")
    return str(file)


@pytest.fixture
def sample_config(tmp_path: Path) -> str:
    file = tmp_path / "sample_config.json"
    file.write_text(json.dumps(SAMPLE_CONFIG), encoding="utf-8")
    return str(file)


def test_yaml_comes_out_and_the_changes_beside_it(input_config: str) -> None:
    done = runner.invoke(
        app, ["config", "convert", input_config, "--conv_num_filter_ratios", "2,4", "--learning_rate=0.01"]
    )
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("# Converted from input_config.pbtxt by `pocketrec config convert`.\n")
    config = load(yaml.safe_load(done.stdout))
    assert (config.training.optimizer, config.training.learning_rate) == ("adagrad", 0.01)
    assert "What is not as it was" in done.stderr
    assert "num_eval_steps" in done.stderr


def test_their_command_line_can_be_pasted(sample_config: str, tmp_path: Path) -> None:
    out = tmp_path / "films.yaml"
    words = (
        f"--run_mode train_and_eval --encoder_type cnn --training_data_filepattern data/train.tfrecord "
        f"--testing_data_filepattern data/test.tfrecord --model_dir model/model_dir --params_path {sample_config} "
        "--batch_size 16 --learning_rate 0.01 --steps_per_epoch 1000 --num_epochs 10000 --num_eval_steps 1000 "
        "--gradient_clip_norm -1.0 --max_history_length 10"
    )
    done = runner.invoke(app, ["config", "convert", "--out", str(out), *words.split()])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    config = load_file(out)
    assert (config.encoder.type, config.training.batch_size, config.training.gradient_clip_norm) == ("cnn", 16, None)
    assert "no part of it" in done.stderr
    assert "pocketrec train --data LOG" in done.stderr
    again = runner.invoke(app, ["config", "convert", "--out", str(out), sample_config])
    assert again.exit_code == Status.BAD_INPUT
    assert "exists already" in again.stderr


def test_standard_input_and_json(sample_config: str) -> None:
    for text, protocol in ((IDS_ONLY, "reference"), (json.dumps(SAMPLE_CONFIG), "leave_one_out")):
        done = runner.invoke(app, ["config", "convert", "-", "--json"], input=text)
        assert done.exit_code == 0, done.stderr
        assert load(json.loads(done.stdout)).evaluation.protocol == protocol


def test_what_is_refused_is_named_for_people_and_for_scripts(input_config: str) -> None:
    done = runner.invoke(app, ["config", "convert", input_config, "--batch_sise", "3", "--json"])
    assert done.exit_code == Status.BAD_INPUT
    assert "--batch_sise: unknown flag; did you mean --batch_size?" in done.stderr
    assert json.loads(done.stdout)["error"]["errors"][0]["pointer"] == "/flags/batch_sise"
    done = runner.invoke(app, ["config", "convert", "-"], input="activity_feature_groups {\n  featurs { }\n}")
    assert done.exit_code == Status.BAD_INPUT
    assert "line 2 column 3: FeatureGroup has no field 'featurs'; did you mean 'features'?" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\xff\xfe", "not a UTF-8 text file"), (b'{"a": ', "not valid JSON"), (None, "No such file")],
)
def test_files_that_cannot_be_read(content: bytes | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    if content is not None:
        file.write_bytes(content)
    done = runner.invoke(app, ["config", "convert", str(file)])
    assert done.exit_code == Status.BAD_INPUT
    assert said in done.stderr


@pytest.mark.parametrize("columns", [80, 160])
def test_changes_are_shown_without_breaking_words(
    input_config: str, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    output.error_console.cache_clear()  # a console keeps the width it was made with
    words = [input_config, "--conv_num_filter_ratios", "2,4"]
    done = runner.invoke(app, ["config", "convert", *words])
    output.error_console.cache_clear()
    shown = done.stderr.split()
    for change in convert(*split(words)).changes:
        assert set(f"{change.field}: {change.original} {change.ours or ''} {change.why}".split()) <= set(shown)
    assert max(len(line) for line in done.stderr.splitlines()) <= columns
    assert ("┏" in done.stderr) == (columns == 160)


@pytest.mark.parametrize(
    ("words", "file", "flags"),
    [
        ("a.pbtxt", "a.pbtxt", {}),
        ("-", "-", {}),
        ("--batch_size 3 a.pbtxt --learning_rate=1", "a.pbtxt", {"batch_size": "3", "learning_rate": "1"}),
        ("a -gradient_clip_norm -1", "a", {"gradient_clip_norm": "-1"}),
        ("--build_vocabs a", "a", {"build_vocabs": "true"}),
        ("--build_vocabs False a", "a", {"build_vocabs": "False"}),
        ("--build_vocabs=false a", "a", {"build_vocabs": "false"}),
        ("--nobuild_vocabs a", "a", {"build_vocabs": "false"}),
        ("--params_path a", "a", {}),
        ("--input_config_file=a --num_epochs 3", "a", {"num_epochs": "3"}),
        ("b --params_path a", "b", {}),
        ("a --num_epochs 3 --num_epochs 4", "a", {"num_epochs": "4"}),
    ],
)
def test_flags_are_read_as_absl_reads_them(words: str, file: str, flags: dict[str, str]) -> None:
    assert split(words.split()) == (file, flags)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "none is given"),
        ("a b", "found a and b"),
        ("--params_path a --input_config_file b", "found b and a"),
        ("a --batch_size", "--batch_size needs a value"),
    ],
)
def test_command_lines_that_lack_something(words: str, said: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        split(words.split())
    assert said in caught.value.lines[0]
    assert caught.value.status == Status.BAD_INPUT


def test_the_help_shows_the_originals_command_line_beside_ours() -> None:
    done = runner.invoke(app, ["config", "convert", "--help"])
    assert "python -m model.recommendation_model_launcher " in done.output
    assert "--params_path sample_config.json --encoder_type cnn" in done.output
