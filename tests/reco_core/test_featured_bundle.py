"""A bundle of a model with features of all kinds: what is in it, how it is asked, and evaluated again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from reco_core.bundled_features import read_features
from reco_core.config import FeaturesConfig, JobConfig
from reco_core.errors import ConfigInvalid
from reco_core.evaluating import evaluate_again
from reco_core.evaluation import HistoryBatch
from reco_core.examples import generate
from reco_core.export import reproduces
from reco_core.inference import Recommender
from reco_core.recommending import recommend


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def bundled(tensorflow_runtime, featured, make_groups, make_config, tmp_path_factory) -> tuple[Path, Any]:
    from reco_core import pipeline

    config = make_config(features=make_groups(), training={"max_epochs": 3})
    folder = tmp_path_factory.mktemp("featured")
    (folder / "work").mkdir()
    pipeline.run(config, featured, folder / "bundle", work=folder / "work")
    return folder / "bundle", config


def test_each_feature_is_an_input_that_the_manifest_describes(bundled, featured):
    folder, _ = bundled
    manifest = read(folder, "manifest.json")
    inputs = manifest["signatures"]["recommend"]["inputs"]
    assert {name: (one["dtype"], one["shape"]) for name, one in inputs.items()} == {
        "history": ("int32", [1, 6]),
        "rating": ("float32", [1, 6]),
        "year": ("int32", [1, 6]),
        "time_gap": ("int32", [1, 6]),
        "genres": ("int32", [1, 9]),
        "hour": ("int32", [1, 6]),
        "price": ("float32", [1, 6]),
        "aligned_genres": ("int32", [1, 6, 2]),
        "prices": ("float32", [1, 4]),
        "age": ("int32", [1, 1]),
        "likes": ("int32", [1, 3]),
        "income": ("float32", [1, 1]),
    }
    assert manifest["signatures"]["score_all"]["inputs"] == inputs
    found = {name: tuple(empty.shape) for name, empty in Recommender(folder / "model.tflite").features.items()}
    assert found == {name: tuple(one["shape"][1:]) for name, one in inputs.items() if name != "history"}
    assert inputs["likes"]["vocabulary"] == "vocabulary/likes.txt"
    assert (inputs["likes"]["kind"], inputs["likes"]["fill"], inputs["likes"]["out_of_vocabulary"]) == (
        "category",
        0,
        1,
    )
    assert (inputs["hour"]["kind"], inputs["hour"]["values"]) == ("int", 20)
    gaps = generate(bundled[1], featured).timelines.features["time_gap"]
    assert (inputs["time_gap"]["kind"], tuple(inputs["time_gap"]["upper_bounds"])) == ("time_gap", gaps.bounds)
    assert inputs["price"]["kind"] == "float"
    assert inputs["price"]["fill"] == inputs["price"]["mean"]
    # what was left open is filled in
    resolved = FeaturesConfig.model_validate(manifest["config"]["features"])
    assert {feature.name: feature.length for feature in resolved.every()}["likes"] == 3


def test_vocabularies_and_item_values_are_what_the_model_reads(bundled, featured):
    folder, config = bundled
    example_set = generate(config, featured)
    items = read(folder, "items.json")
    for name, table in example_set.timelines.features.items():
        path = folder / "vocabulary" / f"{name}.txt"
        assert path.exists() == (table.vocabulary is not None)
        if table.vocabulary is not None:
            assert tuple(path.read_text().split("\n")[:-1]) == table.vocabulary
    words = (folder / "vocabulary" / "genres.txt").read_text().split("\n")
    for item in items:
        assert sorted(words[value] for value in item["features"]["genres"]) == sorted(item["genres"])
        assert set(item["features"]) == {"year", "genres", "aligned_genres"}
    # the attribute that is folded into the items keeps its own order, in a file of its own
    assert "<oov>" not in (folder / "vocabulary" / "item_genres.txt").read_text()


def test_golden_vectors_carry_all_inputs(bundled):
    folder, _ = bundled
    manifest, golden = read(folder, "manifest.json"), read(folder, "golden.json")
    assert set(golden["variants"]) == {"float32", "float16", "dynamic_int8"}
    for name, variant in golden["variants"].items():
        for case in variant["cases"]:
            shapes = {key: list(np.shape(value)) for key, value in case["inputs"].items()}
            inputs = manifest["signatures"]["recommend"]["inputs"]
            assert shapes == {key: one["shape"] for key, one in inputs.items()}
        assert reproduces(folder / "variants" / f"{name}.tflite", variant["cases"])
        changed = [{**case, "inputs": {**case["inputs"], "year": [[9] * 6]}} for case in variant["cases"]]
        assert not reproduces(folder / "variants" / f"{name}.tflite", changed)


def test_any_nan_and_infinity_are_missing_quantities(bundled, featured):
    folder, config = bundled
    bits = [0x7FC00000, 0xFFC00000, 0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800000, 0xFF800000]
    history, tables = np.array([3, 1, 2], np.int32), generate(config, featured).timelines.features
    for variant in ("float32", "float16", "dynamic_int8"):
        recommender = Recommender(folder / "variants" / f"{variant}.tflite")
        quantities = {name: empty for name, empty in recommender.features.items() if empty.dtype == np.float32}
        assert set(quantities) == {"rating", "price", "prices", "income"}

        def answer(value, recommender=recommender, quantities=quantities):
            filled = {name: np.full_like(empty, value) for name, empty in quantities.items()}
            return recommender.recommend(history, features=filled)[1]

        expected = answer(np.nan)
        means = {name: np.full_like(empty, tables[name].fill) for name, empty in quantities.items()}
        assert np.allclose(recommender.recommend(history, features=means)[1], expected, atol=1e-3)
        for pattern in bits:
            filled = {
                name: np.full(empty.shape, pattern, np.uint32).view(np.float32) for name, empty in quantities.items()
            }
            assert np.array_equal(recommender.recommend(history, features=filled)[1], expected), hex(pattern)
        for known in (-1.0, 0.0, 1e-40, 3.5):
            assert not np.array_equal(answer(known), expected), known


def test_a_request_in_words_gets_what_the_model_says(bundled, featured):
    folder, config = bundled
    example_set = generate(config, featured)
    timelines, vocabulary = example_set.timelines, example_set.vocabulary
    user = 5
    batch = HistoryBatch(timelines, np.array([user], np.int32), timelines.offsets[user : user + 1] + 5)
    inputs = batch.inputs(6)
    row = featured.user_ids.index(timelines.user_ids[user])
    about = featured.user_features.row(row, named=True)
    order = np.flatnonzero(featured.users == row)
    order = order[np.argsort(featured.timestamps[order], kind="stable")][:5]
    prices = ["" if value is None else repr(value) for value in featured.row_features["price"][order].to_list()]
    told = {
        "rating": ",".join(str(value) for value in featured.ratings[order]),
        "hour": ",".join(map(str, featured.row_features["hour"][order])),
        "price": ",".join(prices),
        "prices": ",".join(prices),
        "age": str(about["age"]),
        "likes": ",".join(about["likes"]),
        "income": repr(about["income"]),
        "time_gap": ",".join(["", *map(str, np.diff(featured.timestamps[order]))]),
    }
    history = [vocabulary.item_ids[item] for item in inputs["history"][0] if item]
    answer = recommend(folder, history, 5, told)["recommendations"]
    features = {name: values[0] for name, values in inputs.items() if name != "history"}
    ids, scores = Recommender(folder / "model.tflite").recommend(inputs["history"][0, :5], features=features)
    assert [item["index"] for item in answer] == ids[:5].tolist()
    assert np.allclose([item["score"] for item in answer], scores[:5], atol=1e-3)
    plain = recommend(folder, history, 5)["recommendations"]  # what isn't told is missing
    assert [item["score"] for item in plain] != [item["score"] for item in answer]
    (warning,) = recommend(folder, history, 5, {"age": "19"})["warnings"]
    assert warning.startswith("age=19: the model doesn't know this value, and it counts as unknown; the nearest")
    assert "20" in warning
    with pytest.raises(ConfigInvalid, match="no feature 'mood'"):
        recommend(folder, history, 5, {"mood": "good"})


def test_automatic_features_are_recorded_as_what_they_were(tensorflow_runtime, featured, make_config, tmp_path):
    from reco_core import examples

    config = make_config(features="auto")
    prepared = examples.prepare(config, featured)
    names = [feature.name for feature in prepared.example_set.features.every()]
    assert names == ["rating", "year", "age", "likes", "income"]
    examples.store_prepared(prepared, tmp_path / "set")
    again = examples.restore_prepared(tmp_path / "set").example_set
    assert again.features == prepared.example_set.features
    for name, table in prepared.example_set.timelines.features.items():
        restored = again.timelines.features[name]
        assert np.array_equal(restored.values, table.values)
        assert (restored.vocabulary, restored.mean, restored.layout) == (table.vocabulary, table.mean, table.layout)


def test_evaluated_again_it_says_the_same_and_another_log_is_read_with_its_vocabularies(bundled, featured, tmp_path):
    folder, _ = bundled
    first = read(folder, "report.json")
    again = evaluate_again(folder, featured, tmp_path / "again")
    assert again["test"]["ndcg@10"] == first["test"]["ndcg@10"]
    # the same people and items under other codes: nothing that the model reads may change
    turned = _renumbered(featured)
    other = evaluate_again(folder, turned, tmp_path / "other")
    for metric in ("recall@10", "ndcg@10", "mean_rank"):
        assert other["test"][metric]["value"] == pytest.approx(first["test"][metric]["value"])


def test_what_another_log_says_nothing_of_is_missing_and_it_is_said(bundled, featured, tmp_path):
    folder, _ = bundled
    whole = evaluate_again(folder, featured, tmp_path / "whole")
    assert not any("says nothing of" in line for line in whole["warnings"])
    bare = replace(
        featured,
        user_features=pl.DataFrame(),
        row_features=featured.row_features.with_columns(hour=pl.lit(None, dtype=pl.String)).drop("price"),
        item_features=featured.item_features.drop("year"),
    )
    report = evaluate_again(folder, bare, tmp_path / "bare")
    (said,) = [line for line in report["warnings"] if "says nothing of" in line]
    missing = {"year", "hour", "price", "prices", "age", "likes", "income"}
    assert set(said.split("nothing of ")[1].split(", which")[0].split(", ")) == missing
    assert report["test"]["mean_rank"] != whole["test"]["mean_rank"]
    # as from an app that passes none
    manifest = read(folder, "manifest.json")
    config = JobConfig.model_validate(manifest["config"])
    tables = generate(config, bare, read_features(folder, manifest)).timelines.features
    for name in missing:
        table = tables[name]
        given = table.values[1:] if table.scope == "item" else table.values
        assert (given == np.float32(table.fill)).all(), name
        assert table.scope == manifest["features"][name]["scope"]
    wrong = replace(featured, user_features=featured.user_features.with_columns(age=pl.lit("old")))
    with pytest.raises(ConfigInvalid, match="its column holds text"):
        evaluate_again(folder, wrong, tmp_path / "wrong")
    # to learn from, a column must be there
    with pytest.raises(ConfigInvalid, match="no column"):
        generate(config, bare)


def _renumbered(log: Any) -> Any:
    """The same log with users and items in the opposite order, and an item more that nobody took."""
    items, users = len(log.item_ids), len(log.user_ids)
    return replace(
        log,
        users=(users - 1 - log.users).astype(np.int32),
        items=(items - 1 - log.items).astype(np.int32),
        user_ids=log.user_ids[::-1],
        item_ids=log.item_ids[::-1],
        user_features=log.user_features.reverse(),
        item_features=log.item_features.reverse(),
        item_table=replace(
            log.item_table, titles=log.item_table.titles[::-1], attributes=log.item_table.attributes[::-1]
        ),
    )
