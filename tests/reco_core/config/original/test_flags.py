"""Every flag of the original's launchers and of its example generator is known, and does what it says."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from reco_core.config import JobConfig, load
from reco_core.config.original import FLAGS, convert_input_config, convert_sample_config, is_switch
from reco_core.errors import ConfigInvalid
from tests.reco_core.config.original.samples import GENRES, IDS, IDS_ONLY, LABEL, SAMPLE_CONFIG, group

# flag, value, field of ours, its value
KEPT: list[tuple[str, str, str, Any]] = [
    ("batch_size", "64", "training.batch_size", 64),
    ("learning_rate", "0.01", "training.learning_rate", 0.01),
    ("steps_per_epoch", "1000", "training.steps_per_epoch", 1000),
    ("num_epochs", "50", "training.max_epochs", 50),
    ("num_eval_steps", "200", "training.validation_steps", 200),
    ("gradient_clip_norm", "2.5", "training.gradient_clip_norm", 2.5),
    ("hidden_layer_dims", "64,32", "model.hidden_layers", (64, 32)),
    ("eval_top_k", "1,5,10", "evaluation.k", (1, 5, 10)),
    ("num_predictions", "20", "export.top_k", 20),
    ("min_timeline_length", "5", "examples.min_timeline_length", 5),
    ("max_context_length", "10", "examples.max_history_length", 10),
    ("max_context_movie_genre_length", "32", "examples.tfrecord.max_genre_length", 32),
    ("min_rating", "3", "examples.min_rating", 3.0),
    ("train_data_fraction", "0.8", "examples.train_data_fraction", 0.8),
    ("build_vocabs", "False", "examples.tfrecord.build_vocabs", False),
    ("build_movie_vocab", "t", "examples.tfrecord.build_vocabs", True),
]
OF_ENCODERS = ("conv_num_filter_ratios", "conv_kernel_size", "lstm_num_units", "encoder_type", "max_history_length")
WITH_GENRES = group(IDS) + group(GENRES) + LABEL


def field(config: JobConfig, path: str) -> Any:
    return reduce(getattr, path.split("."), config)


@pytest.mark.parametrize(("flag", "text", "path", "value"), KEPT)
def test_what_was_said_is_kept(flag: str, text: str, path: str, value: Any) -> None:
    conversion = convert_input_config(WITH_GENRES, {flag: text})
    assert field(load(conversion.config), path) == value
    assert f"--{flag}" not in {one.field for one in conversion.changes if "default" in one.original}
    # with dashes in front, as on a command line, it is the same flag
    assert convert_input_config(WITH_GENRES, {f"--{flag}": text}).config == conversion.config
    # the last hidden layer of the older kind is the projection
    if flag != "hidden_layer_dims":
        assert field(load(convert_sample_config(SAMPLE_CONFIG, {flag: text}).config), path) == value


@pytest.mark.parametrize("flag", [name for name, flag in FLAGS.items() if not flag.in_config])
def test_files_and_modes_are_said_to_be_no_part_of_a_config(flag: str) -> None:
    value = "export" if flag == "run_mode" else "/some/where"
    conversion = convert_input_config(IDS_ONLY, {flag: value})
    (change,) = (one for one in conversion.changes if one.field == f"--{flag}")
    assert (change.original, change.ours) == (value, None)
    assert change.why.startswith("not part of a config: ")
    assert conversion.config == convert_input_config(IDS_ONLY, {}).config


def test_every_flag_is_tested() -> None:
    assert {name for name, *_ in KEPT} | set(OF_ENCODERS) == {name for name, flag in FLAGS.items() if flag.in_config}
    assert [name for name in FLAGS if is_switch(name)] == ["build_vocabs", "build_movie_vocab"]


@pytest.mark.parametrize("norm", ["0", "-1"])
def test_a_clip_norm_of_0_or_less_means_none(norm: str) -> None:
    conversion = convert_input_config(IDS_ONLY, {"gradient_clip_norm": norm})
    assert load(conversion.config).training.gradient_clip_norm is None
    assert "--gradient_clip_norm" not in {one.field for one in conversion.changes}


def test_a_learning_rate_comes_with_its_optimizer_and_without_a_schedule() -> None:
    said = load(convert_input_config(IDS_ONLY, {"learning_rate": "0.1"}).config).training
    assert (said.optimizer, said.learning_rate, said.learning_rate_decay) == ("adagrad", 0.1, "none")
    assert said.warmup_steps == 0
    unsaid = load(convert_input_config(IDS_ONLY, {}).config).training
    assert (unsaid.optimizer, unsaid.learning_rate) == ("adamw", 0.004)


def test_tfrecords_hold_as_many_genres_as_the_model_reads() -> None:
    config = load(convert_input_config(WITH_GENRES, {"build_vocabs": "true"}).config)
    assert config.examples.tfrecord is not None
    assert config.examples.tfrecord.max_genre_length == 32


def test_no_tfrecords_without_a_flag_that_only_they_have() -> None:
    assert load(convert_input_config(IDS_ONLY, {"min_rating": "3"}).config).examples.tfrecord is None


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("batch_sise", "8", "--batch_sise: unknown flag; did you mean --batch_size?"),
        ("--lr", "8", "--lr: unknown flag; neither"),
        ("batch_size", "8.5", "--batch_size: expected whole number, found '8.5'"),
        ("batch_size", "9" * 5000, "--batch_size: expected whole number, found '999"),
        ("batch_size", "0", "--batch_size: Input should be greater than or equal to 1"),
        ("learning_rate", "nan", "--learning_rate: expected number, found 'nan'"),
        ("learning_rate", "0", "--learning_rate: Input should be greater than 0"),
        ("hidden_layer_dims", "8;4", "--hidden_layer_dims: expected whole numbers with commas, found '8;4'"),
        ("build_vocabs", "perhaps", "--build_vocabs: expected true or false, found 'perhaps'"),
        ("run_mode", "serve", "--run_mode: expected one of train_and_eval, export, export_tflite, found 'serve'"),
        ("train_data_fraction", "1.5", "--train_data_fraction: Input should be less than 1"),
        ("encoder_type", "gru", "--encoder_type: expected one of bow, cnn, rnn, found 'gru'"),
    ],
)
def test_a_flag_that_is_wrong_is_named(flag: str, value: str, said: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        convert_input_config(IDS_ONLY, {flag: value})
    (fault,) = caught.value.errors
    assert fault.pointer == f"/flags/{flag}"
    assert fault.detail.startswith(said)
    assert len(fault.detail) < 200


def test_the_page_for_users_of_the_original_names_every_flag() -> None:
    page = (Path(__file__).parents[4] / "docs" / "from-the-original.md").read_text(encoding="utf-8")
    assert not [name for name in FLAGS if f"`--{name}`" not in page]
