"""`pocketrec examples` as a user starts it: the original's options by name, counts at the end, no leftovers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.errors import Status
from app.cli.main import app

runner = CliRunner()
TRAIN = "train_movielens_1m.tfrecord"


def run(log: Path, out: Path, *options: str):
    return runner.invoke(app, ["examples", "--data", str(log), "--out", str(out), *options])


def test_counts_are_shown_and_files_are_there(reference_log, tmp_path):
    done = run(reference_log, tmp_path / "set")
    assert done.exit_code == 0, done.output
    shown = " ".join(done.stdout.split())
    assert "[2/2] make examples" in done.stderr
    assert "train examples │ 527" in shown
    assert "test examples │ 59" in shown
    assert "movie_genre_vocab.txt │ 19 entries" in shown
    assert (tmp_path / "set" / TRAIN).exists()
    assert (tmp_path / "set" / "movie_vocab.json").read_bytes() == (
        reference_log / "defaults" / "movie_vocab.json"
    ).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_the_originals_options_under_their_names(reference_log, tmp_path):
    options = json.loads((reference_log / "rated" / "options.json").read_text())
    given = options["options"]
    done = run(
        reference_log,
        tmp_path / "set",
        *("--min-timeline-length", str(given["min_timeline_length"])),
        *("--max-context-length", str(given["max_context_length"])),
        *("--max-genre-length", str(given["max_context_movie_genre_length"])),
        *("--min-rating", str(given["min_rating"])),
        *("--train-data-fraction", str(given["train_data_fraction"])),
        *("--shards", "2", "--seed", "5", "--no-build-vocabs", "--json"),
    )
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)["summary"]
    assert summary["examples"] == {"train": options["train_size"], "test": options["test_size"]}
    assert summary["seed"] == 5
    assert summary["options"]["tfrecord"]["max_genre_length"] == given["max_context_movie_genre_length"]
    assert sorted(file["path"] for file in summary["files"])[-1] == f"{TRAIN}-00001-of-00002"
    assert not (tmp_path / "set" / "movie_vocab.json").exists()


def test_options_go_before_those_of_the_config(reference_log, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("preset: bow\nexamples: {max_history_length: 4, tfrecord: {layout: original_2020, shards: 2}}\n")
    done = run(reference_log, tmp_path / "set", "--config", str(config), "--shards", "1", "--json")
    assert done.exit_code == 0, done.output
    options = json.loads(done.stdout)["summary"]["options"]
    assert options["max_history_length"] == 4
    assert (options["tfrecord"]["layout"], options["tfrecord"]["shards"]) == ("original_2020", 1)


def test_without_tfrecords_there_are_counts_and_a_vocabulary(reference_log, tmp_path):
    done = run(reference_log, tmp_path / "set", "--preset", "bow", "--no-tfrecord", "--json")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)["summary"]
    assert set(summary["examples"]) == {"train", "validation", "test"}
    assert (tmp_path / "set" / "vocabulary" / "items.txt").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--shards", "0"], "/examples/tfrecord"),
        (["--max-context-length", "1000"], "/examples/max_history_length"),
        (["--no-tfrecord", "--layout", "original"], "leave --no-tfrecord out"),
        (["--preset", "bow", "--config", "c.yaml"], "either --preset NAME or --config FILE"),
        (["--layout", "newest"], "original_2020"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_read(reference_log, tmp_path, options, said):
    done = run(reference_log, tmp_path / "set", *options)
    assert done.exit_code == Status.BAD_INPUT
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(reference_log, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = run(reference_log, tmp_path)
    assert done.exit_code == Status.BAD_INPUT
    assert "name another" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_ids_that_are_not_numbers_are_an_error_with_a_remedy(planted_folder, tmp_path):
    done = run(planted_folder, tmp_path / "set", "--json")
    assert done.exit_code == Status.BAD_INPUT
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "validation_failed"
    assert error["errors"][0]["pointer"] == "/examples/tfrecord"
    assert "number the items" in done.stderr
    assert list(tmp_path.iterdir()) == []
