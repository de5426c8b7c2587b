"""Runs that begin with the weights of an earlier one: sooner as good, the same bytes, and what they say of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reco_core.errors import CheckpointMismatch, ConfigInvalid, Interrupted, NoWeights
from reco_core.progress import SilentReporter
from tests.reco_core.test_export_again import tree

KNOWN, ALL = 50, 60


def base_file(trained: Any, path: Path, *, known: int = KNOWN) -> Path:
    """The weights of the model that was trained on the planted log, as a file; of its items `known` have their names.

    The others are called differently: to a model of the same log they are new, and theirs are gone.
    """
    from reco_core import training
    from reco_core.training.row_labels import row_labels
    from reco_core.training.weights import info_of, weight_names

    config, example_set, found = trained("bow")
    ids = example_set.vocabulary.item_ids
    info = info_of(config, "ab" * 32, found.history, found.best_epoch)
    weights = training.ModelWeights(
        info,
        (*ids[: known + 1], *(f"gone-{raw}" for raw in ids[known + 1 :])),
        weight_names(found.model),
        tuple(variable.numpy() for variable in found.model.trainable_variables),
        row_labels(found.model),
    )
    training.write_weights(path, weights)
    return path


class Said(SilentReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, message: str) -> None:
        self.lines.append(message)


def test_after_one_epoch_it_is_where_the_cold_run_came_in_many(trained, tmp_path):
    from reco_core import model, training

    config, example_set, cold = trained("bow")
    config = config.model_copy(update={"training": config.training.model_copy(update={"max_epochs": 1})})
    encoder = model.build(config, example_set.vocabulary, example_set.timelines.features)
    base = training.read_base(base_file(trained, tmp_path / "base.npz"))
    assert training.carry_over(encoder, example_set.vocabulary, base, config.evaluation).new == ALL - KNOWN
    warm = training.train(config, encoder, example_set, checkpoints=tmp_path / "checkpoints", identity="warm")
    ndcg = [epoch["ndcg@10"] for epoch in cold.history]
    assert max(ndcg) > 1.3 * ndcg[0]  # else there is nothing to save
    assert warm.validation_ndcg > ndcg[0] + 0.5 * (max(ndcg) - ndcg[0])


@pytest.mark.slow
def test_stopped_and_resumed_it_is_the_same_bundle_and_names_its_base(trained, planted, make_config, tmp_path):
    from reco_core import pipeline, training

    config = make_config(
        training={"max_epochs": 3, "checkpoint_seconds": 0, "teachers": 2},  # which it has no need of
        export={"variants": ["float32"], "default_variant": "float32"},
    )
    base = base_file(trained, tmp_path / "films.work" / "weights" / "best.npz")
    said = Said()
    named = {"base": tmp_path / "films", "base_version": "films@3"}
    pipeline.run(config, planted, tmp_path / "one", work=made(tmp_path / "one.work"), reporter=said, **named)
    assert f"begins with the weights of films@3: {KNOWN} items carried over, 10 new, 10 dropped" in said.lines

    asked = iter(range(1000))
    with pytest.raises(Interrupted):
        pipeline.run(
            config,
            planted,
            tmp_path / "two",
            work=made(tmp_path / "two.work"),
            should_stop=lambda: next(asked) > 2,
            **named,
        )
    checkpoint = training.latest_checkpoint(tmp_path / "two.work" / "checkpoints")
    other = base_file(trained, tmp_path / "other.npz", known=20)
    for wrong in ({"base": other}, {}):  # a checkpoint belongs to its base
        with pytest.raises(CheckpointMismatch, match="belongs to another"):
            pipeline.run(config, planted, tmp_path / "two", work=tmp_path / "two.work", resume_from=checkpoint, **wrong)
    # the base's name is no part of what is learned, nor its place
    named = {"base": base, "base_version": "films@3"}
    pipeline.run(config, planted, tmp_path / "two", work=tmp_path / "two.work", resume_from=checkpoint, **named)
    assert tree(tmp_path / "two") == tree(tmp_path / "one")

    stated = json.loads((tmp_path / "one" / "manifest.json").read_text())["base"]
    assert stated["version"] == "films@3"
    assert stated["weights_sha256"] == tree(tmp_path / "films.work")["weights/best.npz"]
    assert stated["items"] == {"carried": KNOWN, "new": 10, "dropped": 10}
    assert stated["may_know_test_data"] is False
    config_of_it = json.loads((tmp_path / "one" / "manifest.json").read_text())["config"]
    assert config_of_it["training"]["teachers"] == 0
    assert json.loads((tmp_path / "one" / "report.json").read_text())["training"]["base"] == stated

    # its own weights say it too, so that an export again is the same bundle
    weights = tmp_path / "one.work" / "weights" / "best.npz"
    pipeline.export_again(weights, planted, tmp_path / "three", work=made(tmp_path / "three.work"))
    assert tree(tmp_path / "three") == tree(tmp_path / "one")


def test_what_is_wrong_is_said_before_anything_is_read(trained, planted, make_config, tmp_path):
    from reco_core import pipeline

    base = base_file(trained, tmp_path / "base.npz")
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(base.read_bytes()[:-300])
    for given, config, kind in (
        (tmp_path / "nothing", make_config(), NoWeights),
        (damaged, make_config(), CheckpointMismatch),
        (base, make_config("cnn"), ConfigInvalid),
        (base, make_config(model={"embedding_dim": 4}), ConfigInvalid),
    ):
        with pytest.raises(kind):
            pipeline.run(
                config,
                replace(planted, users=planted.users[:0], items=planted.items[:0]),
                tmp_path / "out",
                work=tmp_path,
                base=given,
            )


def test_the_command_takes_the_bases_config(trained, tmp_path):
    from reco_core.__main__ import _parser, _settings

    base = base_file(trained, tmp_path / "base.npz")

    def settings(*options: object) -> Any:
        return _settings(_parser().parse_args(["run", "--data", "log", "--out", "out", *map(str, options)]))

    config = trained("bow")[0]
    assert settings("--base", base) == config
    changed = settings("--base", base, "--changes", '{"training": {"max_epochs": 2}}')
    assert changed == config.model_copy(update={"training": config.training.model_copy(update={"max_epochs": 2})})
    assert settings("--base", base, "--preset", "bow").preset == "bow"
    for options, message in (
        ([], "--preset NAME or --config FILE"),
        (["--preset", "bow", "--changes", "{}"], "--changes is for the config of --base"),
        (["--base", base, "--changes", '{"encoder": {"type": "rnn"}}'], "the base's is 'bow'"),
    ):
        with pytest.raises(ConfigInvalid, match=message):
            settings(*options)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder
