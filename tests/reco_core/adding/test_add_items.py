"""Items added to a bundle: with the log and without it, to the same files."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from reco_core.config import load
from reco_core.datasets.types import Interactions
from reco_core.errors import CheckpointMismatch, ConfigInvalid, ItemsExist, NotABundle
from reco_core.inference import Recommender

NEW = "id,title,genres\nnew-b,Neu B,genre 1|long\nnew-a,Neu A,genre 2|unheard of\nnew-c,,\n"
FIRST = 61  # the planted log has 60 items


class Longer(NamedTuple):
    """A bundle, what lies beside it, and the one that it was made of."""

    base: Path
    bundle: Path
    work: Path

    def json(self, name: str) -> Any:
        """A file of the new bundle."""
        return json.loads((self.bundle / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def new_items(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("new") / "new.csv"
    path.write_text(NEW, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def longer(tensorflow_runtime, made, new_items, tmp_path_factory) -> Longer:
    """Made without the log."""
    from reco_core.adding import add_items

    base, _ = made
    folder = tmp_path_factory.mktemp("longer")
    add_items(_weights(base), base, new_items, folder / "bundle", work=folder)
    return Longer(base, folder / "bundle", folder)


@pytest.fixture(scope="module")
def measured(tensorflow_runtime, made, planted_folder, new_items, tmp_path_factory) -> Longer:
    """Made with the log."""
    from reco_core import datasets
    from reco_core.adding import add_items

    base, _ = made
    folder = tmp_path_factory.mktemp("measured")
    source = datasets.load(planted_folder)
    add_items(_weights(base), base, new_items, folder / "bundle", work=folder, source=source, version="films@3")
    return Longer(base, folder / "bundle", folder)


def _weights(bundle: Path) -> Path:
    return bundle.with_name(bundle.name + ".work") / "weights" / "best.npz"


def test_new_items_come_last_by_raw_id_and_no_index_changes(longer):
    before = (longer.base / "items.json").read_text(encoding="utf-8").splitlines()[1:-1]
    after = (longer.bundle / "items.json").read_text(encoding="utf-8").splitlines()[1:-1]
    assert [line.rstrip(",") for line in after[: len(before)]] == [line.rstrip(",") for line in before]
    assert longer.json("items.json")[-3:] == [
        {"index": 61, "id": "new-a", "title": "Neu A", "count": 0, "genres": ["genre 2"]},
        {"index": 62, "id": "new-b", "title": "Neu B", "count": 0, "genres": ["genre 1", "long"]},
        {"index": 63, "id": "new-c", "title": None, "count": 0, "genres": []},
    ]
    lines = (longer.bundle / "vocabulary" / "items.txt").read_text(encoding="utf-8").splitlines()
    assert lines[FIRST:] == ["new-a", "new-b", "new-c"]


def test_known_items_keep_their_scores_and_new_ones_are_recommended(longer):
    histories = np.array([[1, 2, 3, 0, 0, 0], [7, 40, 0, 0, 0, 0]], np.int32)
    for variant in ("float32", "float16"):
        old, new = (Recommender(folder / "variants" / f"{variant}.tflite") for folder in (longer.base, longer.bundle))
        for history in histories:
            found = new.score_all(history)
            assert found.shape == (63,)
            np.testing.assert_allclose(found[:60], old.score_all(history), atol=1e-3)
    after_a_new_one, _ = new.recommend(np.array([62], np.int32))
    assert 62 not in after_a_new_one
    assert after_a_new_one.max() > 0


def test_new_rows_follow_their_attributes_and_nothing_else_changes(longer):
    from reco_core import training

    old, new = (training.read_weights(path) for path in (_weights(longer.base), longer.work / "weights" / "best.npz"))
    before, after = (dict(zip(one.names, one.arrays, strict=True)) for one in (old, new))
    for name, values in before.items():
        if values.shape == after[name].shape:
            np.testing.assert_array_equal(values, after[name])
        else:
            np.testing.assert_array_equal(values, after[name][:60])
    (bias,) = (name for name in before if name.endswith("bias") and len(before[name]) == 60)
    np.testing.assert_allclose(after[bias][60:], before[bias].mean(), rtol=1e-5)
    assert [item.id for item in new.added] == ["new-a", "new-b", "new-c"]
    assert new.item_ids[FIRST:] == ("new-a", "new-b", "new-c")


def test_the_bundle_says_what_was_added_and_that_figures_are_carried_over(longer):
    manifest, report = longer.json("manifest.json"), longer.json("report.json")
    base = json.loads((longer.base / "report.json").read_text(encoding="utf-8"))
    assert manifest["vocabulary_size"] == 63
    assert manifest["signatures"]["score_all"]["outputs"]["scores"]["shape"] == [1, 63]
    facts = manifest["added_items"]
    assert facts["items"] == 3
    assert facts["first_index"] == FIRST
    assert facts["base"]["items"] == 60
    assert len(facts["base"]["manifest_sha256"]) == 64
    assert facts["metrics"] == "carried over"
    assert (facts["unknown_values"], facts["without_attributes"]) == (1, 1)
    assert report["test"] == base["test"]
    said = " ".join(report["warnings"])
    assert "not measured again" in said
    assert "'unheard of'" in said
    assert "'new-c'" in said
    assert report["variants"]["float32"]["overlap@10"] == 1.0
    assert (longer.work / "report.html").is_file()


def test_with_the_log_the_files_are_the_same_and_everything_is_measured(longer, measured):
    for variant in ("float32", "float16"):  # eight bits go where histories need them, and these differ
        name = f"variants/{variant}.tflite"
        assert (measured.bundle / name).read_bytes() == (longer.bundle / name).read_bytes()
    report = measured.json("report.json")
    assert report["candidates"]["items"] == 63
    assert "metrics" not in report["added_items"]
    assert measured.json("manifest.json")["added_items"]["base"]["version"] == "films@3"
    assert (measured.work / "ranks.npz").is_file()


def test_the_longer_version_can_be_exported_again(measured, planted_folder, tmp_path):
    from reco_core import datasets, pipeline

    weights = measured.work / "weights" / "best.npz"
    source = datasets.load(planted_folder)
    pipeline.export_again(weights, source, tmp_path / "again", work=tmp_path)
    assert (tmp_path / "again" / "manifest.json").read_bytes() == (measured.bundle / "manifest.json").read_bytes()


def test_items_can_be_added_to_a_longer_version(longer, tmp_path):
    from reco_core.adding import add_items

    (tmp_path / "more.jsonl").write_text('{"id": "a-later-one", "title": null, "attributes": ["genre 3"]}\n')
    weights = longer.work / "weights" / "best.npz"
    manifest = add_items(weights, longer.bundle, tmp_path / "more.jsonl", tmp_path / "b", work=tmp_path)
    assert manifest.document["added_items"]["items"] == 4
    assert manifest.document["added_items"]["first_index"] == FIRST
    assert manifest.document["added_items"]["base"]["items"] == 63
    last = json.loads((tmp_path / "b" / "items.json").read_text(encoding="utf-8"))[-1]
    assert last == {"index": 64, "id": "a-later-one", "title": None, "count": 0, "genres": ["genre 3"]}


def test_known_items_are_refused_by_name_or_skipped(made, tmp_path):
    from reco_core.adding import add_items

    base, _ = made
    (tmp_path / "n.csv").write_text("id,genres\nitem-07,long\nfresh,long\n")
    with pytest.raises(ItemsExist, match="'item-07' already") as refused:
        add_items(_weights(base), base, tmp_path / "n.csv", tmp_path / "b", work=tmp_path)
    assert [error.detail for error in refused.value.errors] == ["item-07"]
    manifest = add_items(_weights(base), base, tmp_path / "n.csv", tmp_path / "b", work=tmp_path, skip_existing=True)
    assert manifest.document["added_items"]["items"] == 1


def test_weights_of_another_model_are_refused(made, new_items, tmp_path):
    from reco_core import training
    from reco_core.adding import add_items

    base, _ = made
    given = training.read_weights(_weights(base))
    altered = given.arrays[0] + np.float32(0.5)
    training.write_weights(tmp_path / "other.npz", replace(given, arrays=(altered, *given.arrays[1:])))
    with pytest.raises(CheckpointMismatch, match="not those that the bundle was made of"):
        add_items(tmp_path / "other.npz", base, new_items, tmp_path / "b", work=tmp_path)
    assert not (tmp_path / "b").exists()


def test_a_damaged_bundle_is_refused(made, new_items, tmp_path):
    from reco_core.adding import add_items

    base, _ = made
    shutil.copytree(base, tmp_path / "copy")
    with (tmp_path / "copy" / "items.json").open("a") as file:
        file.write("\n")
    with pytest.raises(NotABundle):
        add_items(_weights(base), tmp_path / "copy", new_items, tmp_path / "b", work=tmp_path)


def test_a_model_of_ids_alone_takes_no_new_items(planted: Interactions):
    from reco_core import examples
    from reco_core.adding.chosen import choose
    from reco_core.datasets.new_items import NewItems

    config = load({})
    vocabulary = examples.generate(config, replace(planted, item_table=None)).vocabulary
    new = NewItems(("x",), (None,), ((),), None, planted.item_features, ())
    with pytest.raises(ConfigInvalid, match="ids alone"):
        choose(new, config, vocabulary, {}, skip_existing=False)
