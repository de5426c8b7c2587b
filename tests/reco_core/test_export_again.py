"""Bundles made again from weights, without training."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from reco_core.config import EXPORT_CHANGES, JobConfig, with_changes
from reco_core.datasets.types import Interactions
from reco_core.errors import CheckpointMismatch, ConfigInvalid, Interrupted, OutputExists
from tests.conftest import write_planted_csv


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


class Made(NamedTuple):
    config: JobConfig
    log: Interactions
    bundle: Path
    work: Path


@pytest.fixture(scope="session")
def made_with_weights(tensorflow_runtime, make_planted, make_config, tmp_path_factory) -> Made:
    """A run with a teacher that kept the weights of its newest two epochs of four."""
    from reco_core import pipeline

    folder = tmp_path_factory.mktemp("weights")
    training = {"max_epochs": 4, "keep_checkpoints": 2, "teachers": 1, "teacher_epochs": 1}
    config = make_config("cnn", training=training, export={"variants": ["float32", "float16"]})
    log = make_planted(31, users=120, items=40)
    pipeline.run(config, log, folder / "bundle", work=folder)
    return Made(config, log, folder / "bundle", folder)


@pytest.fixture
def again(made_with_weights, tmp_path):
    from reco_core import pipeline

    def export(changes=None, *, weights="best.npz", log=None, **options):
        path = weights if isinstance(weights, Path) else made_with_weights.work / "weights" / weights
        out = tmp_path / "out"
        pipeline.export_again(path, log or made_with_weights.log, out, work=tmp_path, changes=changes, **options)
        return out

    return export


def test_the_run_leaves_the_best_weights_and_the_newest(made_with_weights):
    names = sorted(path.name for path in (made_with_weights.work / "weights").iterdir())
    assert names == ["best.npz", "epoch-00003.npz", "epoch-00004.npz"]
    training = read(made_with_weights.bundle / "report.json")["training"]
    assert (training["epochs"], training["teachers"]) == (4, 1)


@pytest.mark.slow
def test_without_changes_it_is_the_same_bundle_byte_for_byte(made_with_weights, again, tmp_path):
    out = again()
    assert tree(out) == tree(made_with_weights.bundle)
    assert (tmp_path / "ranks.npz").read_bytes() == (made_with_weights.work / "ranks.npz").read_bytes()
    assert set(read(tmp_path / "measurements.json")["phases"]) == {"build_examples", "export", "evaluate", "verify"}


@pytest.mark.slow
def test_top_k_history_length_and_variants_are_chosen_anew(made_with_weights, again):
    from reco_core.inference import Recommender

    changes = {"export": {"top_k": 7, "history_length": 3, "variants": ["float16"]}, "evaluation": {"k": [3]}}
    out = again(changes)
    manifest, report = read(out / "manifest.json"), read(out / "report.json")
    recommend = manifest["signatures"]["recommend"]
    assert (recommend["top_k"], recommend["history_length"]) == (7, 3)
    assert (manifest["config"]["export"]["top_k"], manifest["config"]["examples"]["max_history_length"]) == (7, 6)
    assert "recall@3" in report["test"]
    assert "recall@5" not in report["test"]
    assert sorted(path.stem for path in (out / "variants").iterdir()) == ["float16", "float32"]
    short, whole = Recommender(out / "model.tflite"), Recommender(made_with_weights.bundle / "model.tflite")
    history = np.array([5, 2, 9], np.int32)
    assert short.history_length == 3
    ids, scores = short.recommend(history)
    assert len(ids) == 7
    expected, expected_scores = whole.recommend(history)
    assert ids.tolist() == expected[:7].tolist()
    assert scores == pytest.approx(expected_scores[:7], abs=1e-5)
    # only the newest three count
    longer, _ = short.recommend(np.array([7, 7, 5, 2, 9], np.int32))
    assert longer.tolist() == ids.tolist()


@pytest.mark.slow
def test_weights_of_another_epoch_say_so(again, made_with_weights):
    changes = {"export": {"variants": ["float32"], "default_variant": "float32"}}
    training = read(again(changes, weights="epoch-00003.npz") / "report.json")["training"]
    best = read(made_with_weights.bundle / "report.json")["training"]["best_epoch"]
    assert training["epochs"] == 3
    assert training.get("exported_epoch") == (None if training["best_epoch"] == 3 else 3)
    assert best in (3, 4) or training["best_epoch"] == best


@pytest.mark.slow
def test_a_neighbour_head_is_added_to_weights_and_is_the_one_that_their_run_would_have_had(
    made_with_weights, again, tmp_path
):
    from reco_core import pipeline, training

    changes = {"model": {"neighbours": {"followers": 5}}}
    out = again(changes)
    config = with_changes(made_with_weights.config, changes, EXPORT_CHANGES)
    # nothing is trained: the head is no part of what a checkpoint must agree with
    checkpoint = training.latest_checkpoint(made_with_weights.work / "checkpoints")
    work = tmp_path / "work"
    pipeline.run(config, made_with_weights.log, tmp_path / "bundle", work=work, resume_from=checkpoint)
    assert tree(tmp_path / "bundle") == tree(out)
    assert (work / "weights" / "best.npz").exists()
    plain, found = read(made_with_weights.bundle / "report.json"), read(out / "report.json")
    head = found["neighbours"]
    assert "neighbours" not in plain
    assert head["followers"] == 5
    assert head["weight"] > 0
    assert head["validation"]["blended_ndcg@10"] > head["validation"]["dense_ndcg@10"]
    assert found["validation"]["ndcg@10"]["value"] == pytest.approx(head["validation"]["blended_ndcg@10"], abs=2e-3)
    assert plain["validation"]["ndcg@10"]["value"] == pytest.approx(head["validation"]["dense_ndcg@10"], abs=2e-3)
    assert 0 < found["variants"]["float16"]["bytes"] - plain["variants"]["float16"]["bytes"] - 41 * 5 * 3 < 8_500
    assert found["variants"]["float16"]["refused"] is None
    assert f"5 followers an item, decay {head['decay']}" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_another_dataset_is_refused(again, make_planted):
    with pytest.raises(CheckpointMismatch, match="were trained on the dataset") as caught:
        again(log=make_planted(32, users=120, items=40))
    assert caught.value.errors[0].pointer == "/data_hash"


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"model": {"embedding_dim": 4}}, "/model/embedding_dim", "not_changeable"),
        ({"evaluation": {"protocol": "reference"}}, "/evaluation/protocol", "not_changeable"),
        ({"export": {"topk": 4}}, "/export/topk", "unknown_field"),
        ({"export": {"top_k": 0}}, "/export/top_k", "greater_than_equal"),
    ],
)
def test_what_can_not_be_changed_is_named(again, changes, pointer, code):
    with pytest.raises(ConfigInvalid) as caught:
        again(changes)
    assert [(error.pointer, error.code) for error in caught.value.errors] == [(pointer, code)]


def test_a_history_shorter_than_the_kernel_is_refused(again):
    with pytest.raises(ConfigInvalid, match=r"kernel_size 3 is wider than export\.history_length 2"):
        again({"export": {"history_length": 2}})


def test_other_weights_are_named(again, made_with_weights, tmp_path):
    from dataclasses import replace

    from reco_core.training import read_weights, write_weights

    whole = read_weights(made_with_weights.work / "weights" / "best.npz")
    path = tmp_path / "other.npz"
    write_weights(path, replace(whole, arrays=(whole.arrays[0][:, :-1], *whole.arrays[1:])))
    with pytest.raises(CheckpointMismatch, match=r"the weight \S*embeddings has the shape \(40, 7\)") as caught:
        again(weights=path)
    assert caught.value.errors[0].pointer == f"/weights/{whole.names[0]}"
    write_weights(path, replace(whole, arrays=whole.arrays[1:], names=whole.names[1:]))
    with pytest.raises(CheckpointMismatch, match=f"the weight {whole.names[0]} is missing"):
        again(weights=path)
    write_weights(path, replace(whole, item_ids=(whole.item_ids[0], *reversed(whole.item_ids[1:]))))
    with pytest.raises(CheckpointMismatch, match="another order"):
        again(weights=path)


def test_a_damaged_file_is_refused(again, made_with_weights, tmp_path):
    content = (made_with_weights.work / "weights" / "best.npz").read_bytes()
    path = tmp_path / "cut.npz"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointMismatch, match=r"cut\.npz is not a readable file of weights"):
        again(weights=path)


def test_a_taken_folder_is_left_alone_and_a_stop_leaves_nothing(again, tmp_path):
    with pytest.raises(Interrupted):
        again(should_stop=lambda: True)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(OutputExists):
        again()


@pytest.mark.slow
def test_the_run_itself_exports_the_history_length_that_is_asked_for(made_with_weights, again, tmp_path):
    from reco_core import pipeline

    changes = {"export": {"variants": ["float32"], "default_variant": "float32", "history_length": 4}}
    exported = again(changes)
    config = with_changes(made_with_weights.config, changes, EXPORT_CHANGES)
    work = tmp_path / "work"
    work.mkdir()
    pipeline.run(config, made_with_weights.log, tmp_path / "run", work=work)
    assert tree(tmp_path / "run") == tree(exported)


@pytest.mark.slow
def test_models_with_features_are_exported_and_evaluated_again(make_planted, make_config, tmp_path):
    from reco_core import datasets, pipeline
    from reco_core.evaluating import evaluate_again

    log = datasets.load(write_planted_csv(tmp_path / "log", make_planted(33)), datasets.DatasetSpec())
    config = make_config(
        features={
            "history": [{"type": "string", "name": "genres"}],
            "activity_groups": [{"features": [{"type": "string", "name": "genre_list", "column": "genres"}]}],
        },
        model={"item_attribute": None},
        training={"max_epochs": 2},
        export={"variants": ["float32"], "default_variant": "float32"},
        evaluation={"baselines": ["popular"]},
    )
    pipeline.run(config, log, tmp_path / "bundle", work=tmp_path)
    best = tmp_path / "weights" / "best.npz"
    work = tmp_path / "again"
    work.mkdir()
    pipeline.export_again(best, log, work / "bundle", work=work)
    assert tree(work / "bundle") == tree(tmp_path / "bundle")
    pipeline.export_again(best, log, work / "short", work=work, changes={"export": {"history_length": 2}})
    inputs = read(work / "short" / "manifest.json")["signatures"]["recommend"]["inputs"]
    assert set(inputs) == {"history", "genres", "genre_list"}
    assert inputs["history"]["shape"] == [1, 2]
    own = evaluate_again(tmp_path / "bundle", log, work / "own")
    assert own["test"] == read(tmp_path / "bundle" / "report.json")["test"]
    other = datasets.load(write_planted_csv(tmp_path / "other", make_planted(34, items=70)), datasets.DatasetSpec())
    found = evaluate_again(tmp_path / "bundle", other, work / "other")
    assert found["evaluated"]["unknown_items"] == 10
    assert 0 < found["test"]["recall@10"]["value"] < 1
