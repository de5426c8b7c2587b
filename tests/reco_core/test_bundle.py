"""The file contract of a bundle."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from reco_core import bundle
from reco_core.errors import OutputExists
from reco_core.evaluation import read_ranks
from reco_core.evaluation.metrics import metric_values
from reco_core.examples import FeatureTable, ItemAttribute, Vocabulary
from reco_core.export import reproduces
from reco_core.inference import Recommender


def read(folder: Path, name: str):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_the_manifest_describes_every_file_but_itself(made):
    folder, _ = made
    manifest = read(folder, "manifest.json")
    described = {entry["path"]: entry for entry in manifest["files"]}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(described) == present - {"manifest.json"}
    assert present == {
        "manifest.json",
        "model.tflite",
        "variants/float32.tflite",
        "variants/float16.tflite",
        "variants/dynamic_int8.tflite",
        "vocabulary/items.txt",
        "vocabulary/genres.txt",
        "items.json",
        "report.json",
        "golden.json",
    }
    for path, entry in described.items():
        content = (folder / path).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_manifest_says_how_the_model_is_called(made, config_file):
    folder, _ = made
    manifest = read(folder, "manifest.json")
    assert manifest["default_variant"] == "float16"
    assert (folder / "model.tflite").read_bytes() == (folder / "variants" / "float16.tflite").read_bytes()
    recommend = manifest["signatures"]["recommend"]
    assert (recommend["history_length"], recommend["top_k"], recommend["exclude_ids"]) == (6, 20, 2)
    recommender = Recommender(folder / "model.tflite")
    assert (recommender.history_length, recommender.exclude_ids) == (6, 2)
    assert manifest["config"] == json.loads(config_file.read_text())
    assert manifest["seed"] == 7
    assert len(manifest["data_hash"]) == 64
    assert manifest["vocabulary_size"] == 60
    assert set(manifest["operators"]) == {"float32", "float16", "dynamic_int8"}
    for counts in manifest["operators"].values():
        assert {"GATHER", "TOPK_V2"} <= set(counts)
        assert all(count > 0 for count in counts.values())
    assert {"packages", "cpu_features", "threads"} <= set(manifest["environment"])


def test_lines_of_the_vocabulary_are_the_indices(made):
    folder, _ = made
    lines = (folder / "vocabulary" / "items.txt").read_text(encoding="utf-8").split("\n")
    assert lines[0] == "<pad>"
    assert lines[-1] == ""
    items = read(folder, "items.json")
    assert [item["index"] for item in items] == list(range(1, 61))
    assert [item["id"] for item in items] == lines[1:-1]
    assert [item["count"] for item in items] == sorted((item["count"] for item in items), reverse=True)
    genres = (folder / "vocabulary" / "genres.txt").read_text(encoding="utf-8").split("\n")[:-1]
    assert genres[0] == "<pad>"
    for item in items:
        number = int(item["id"].removeprefix("item-"))
        assert item["title"] == f"Título {number}"
        assert item["genres"] == [f"genre {number % 5}", *(["long"] if number % 3 == 0 else [])]
        assert set(item["genres"]) <= set(genres[1:])


def test_golden_vectors_of_every_variant_reproduce(made):
    folder, _ = made
    golden = read(folder, "golden.json")
    assert set(golden["variants"]) == {"float32", "float16", "dynamic_int8"}
    for name, variant in golden["variants"].items():
        assert len(variant["cases"]) == 8
        assert reproduces(folder / "variants" / f"{name}.tflite", variant["cases"], golden["tolerance"])


def test_the_report_has_the_figures_of_the_contract(made):
    folder, events = made
    report = read(folder, "report.json")
    assert report["protocol"]["name" if isinstance(report["protocol"], dict) else slice(None)] == "leave_one_out"
    for metric in ("recall@5", "recall@10", "ndcg@10", "mrr@10", "mean_rank"):
        figure = report["test"][metric]
        low, high = figure["ci95"]
        assert low <= figure["value"] <= high
        assert low < high
    assert set(report["baselines"]) == {"popular", "recent_popular", "markov", "cooccurrence", "ease"}
    assert report["test"]["ndcg@10"]["value"] > 1.2 * report["baselines"]["popular"]["ndcg@10"]["value"]
    assert set(report["variants"]) == {"float32", "float16", "dynamic_int8"}
    for name, variant in report["variants"].items():
        assert variant["bytes"] == (folder / "variants" / f"{name}.tflite").stat().st_size
        assert variant["refused"] is None
        assert variant["overlap@10"] > 0.9
    metrics = read(folder, "manifest.json")["metrics"]
    assert metrics == {name: report[name] for name in ("protocol", "test", "baselines", "comparison")}
    # the figures are those of the shipped file
    assert report["test"]["ndcg@10"]["value"] == pytest.approx(report["variants"]["float16"]["ndcg@10"], abs=1e-6)
    epochs = [event for event in events if event["event"] == "epoch"]
    assert report["training"]["epochs"] == len(epochs) == 8
    best = max(epochs, key=lambda event: event["metrics"]["ndcg@10"])
    assert report["training"]["best_epoch"] == best["epoch"]


def test_events_tell_the_run(made):
    folder, events = made
    phases = [event["phase"] for event in events if event["event"] == "phase"]
    assert phases == ["validate", "build_examples", "train", "export", "evaluate", "verify"]
    assert events[-1] == {"event": "result", "path": str(folder)}
    assert sum(event["event"] == "checkpoint" for event in events) >= 8
    work = folder.with_name("bundle.work")
    measured = json.loads((work / "measurements.json").read_text())
    assert measured["phases"].keys() == {"build_examples", "train", "export", "evaluate", "verify"}
    assert measured["training"]["examples_per_second"] > 0
    page = (work / "report.html").read_text(encoding="utf-8")
    metric = json.loads((folder / "report.json").read_text())["test"]["ndcg@10"]
    assert f"{metric['value']:.4f}" in page
    last = [event["metrics"] for event in events if event["event"] == "epoch"][-1]
    assert f"{last['loss']:.4f}" in page
    assert list(work.glob("variants-*")) == []
    assert not folder.with_name("bundle.partial").exists()


def test_the_zip_is_stored_and_the_same_every_time(made, tmp_path):
    folder, _ = made
    first, second = tmp_path / "a.zip", tmp_path / "b.zip"
    bundle.zip_bundle(folder, first)
    bundle.zip_bundle(folder, second)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        for name in names:
            assert archive.read(name) == (folder / name).read_bytes()
    assert len(names) == sum(path.is_file() for path in folder.rglob("*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def written(
    tmp_path: Path, attribute_name: str = "genres", values: tuple[str, ...] = ("<pad>", "a"), features=()
) -> Path:
    (tmp_path / "model").write_bytes(b"model")
    attribute = ItemAttribute(attribute_name, values, np.array([0, 0, 1]), np.array([1], np.int32))
    bundle.write(
        tmp_path / "out" / "bundle",
        vocabulary=Vocabulary(("<pad>", "x"), np.array([0, 3]), (None, "X"), attribute),
        variants={"float32": tmp_path / "model"},
        default_variant="float32",
        report={},
        golden={},
        details={},
        features={
            name: FeatureTable(name, "item", np.array([0, 2], np.int32), None, 1, vocabulary=("<pad>", "<oov>", name))
            for name in features
        },
    )
    return tmp_path / "out" / "bundle"


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("genres", "genres"),
        ("../../genres", "genres"),
        ("/etc/genres", "etc_genres"),
        ("main category", "main_category"),
        ("Жанр", "Жанр"),
        ("..", "attribute"),
        ("items", "item_items"),
        ("id", "item_id"),
        ("title", "item_title"),
    ],
)
def test_an_attributes_column_name_stays_inside_the_bundle(tmp_path, column, name):
    folder = written(tmp_path, column)
    assert {path.name for path in (folder / "vocabulary").iterdir()} == {"items.txt", f"{name}.txt"}
    assert (folder / "vocabulary" / "items.txt").read_text() == "<pad>\nx\n"
    assert read(folder, "items.json") == [{"index": 1, "id": "x", "title": "X", "count": 3, name: ["a"]}]


def test_no_feature_loses_its_vocabulary_to_the_attribute(tmp_path):
    folder = written(tmp_path, features=("genres", "item_genres")) / "vocabulary"
    assert (folder / "genres.txt").read_text() == "<pad>\n<oov>\ngenres\n"
    assert (folder / "item_genres.txt").read_text() == "<pad>\n<oov>\nitem_genres\n"
    assert (folder / "item_item_genres.txt").read_text() == "<pad>\na\n"


def test_line_breaks_in_values_do_not_shift_the_lines(tmp_path):
    folder = written(tmp_path, values=("<pad>", "a\nb", "c"))
    assert (folder / "vocabulary" / "genres.txt").read_text() == "<pad>\na b\nc\n"


def test_a_taken_folder_is_refused_and_left_alone(tmp_path):
    folder = written(tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(OutputExists, match="choose another"):
        written(tmp_path)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    bundle.require_free(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    bundle.require_free(tmp_path / "empty")
    with pytest.raises(OutputExists):
        bundle.require_free(tmp_path / "model")


def test_what_a_dead_run_left_is_no_obstacle(tmp_path):
    (tmp_path / "out" / "bundle.partial" / "variants").mkdir(parents=True)
    (tmp_path / "out" / "bundle.partial" / "stale").write_text("x")
    assert not (written(tmp_path) / "stale").exists()


def test_the_ranks_beside_the_bundle_give_the_figures_in_its_report(made):
    folder, _ = made
    found = read_ranks(folder.with_name("bundle.work") / "ranks.npz")
    test = read(folder, "report.json")["test"]
    assert len(found.ranks) == read(folder, "report.json")["data"]["test_examples"]
    for metric in ("recall@10", "ndcg@10", "mean_rank"):
        assert metric_values(metric, found.ranks).mean() == pytest.approx(test[metric]["value"], abs=1e-6)
    assert not list(folder.rglob("*.npz"))
