"""Bundles evaluated again: the figures of the run on its own log, and matched items on another."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from reco_core import datasets
from reco_core.bundle import describe
from reco_core.errors import ConfigInvalid, Interrupted, NotABundle, OutputExists
from reco_core.evaluating import evaluate_again
from reco_core.evaluation import HistoryBatch, read_ranks
from reco_core.examples import generate
from reco_core.matching import match

BASELINES = {"evaluation": {"baselines": ["popular"]}}


@pytest.fixture(scope="session")
def bundle(made):
    return made[0]


@pytest.fixture(scope="session")
def own_log(planted_folder):
    """The log that the bundle was trained on."""
    return datasets.load(planted_folder, datasets.DatasetSpec())


@pytest.fixture
def again(bundle, own_log, tmp_path):
    def evaluate(changes=None, *, log=own_log, folder=bundle, out=tmp_path / "out", **options):
        return evaluate_again(folder, log, out, changes=changes, **options)

    return evaluate


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def renamed(log, names):
    """The log with other raw ids for some items."""
    return replace(log, item_ids=tuple(names.get(raw, raw) for raw in log.item_ids))


@pytest.mark.slow
def test_on_its_own_log_a_bundle_gets_the_figures_of_its_report(again, bundle, tmp_path):
    report = again()
    shipped = read(bundle / "report.json")
    for part in ("protocol", "candidates", "data", "test", "test_details", "baselines", "comparison", "training"):
        assert report[part] == shipped[part]
    assert report["evaluated"]["same_dataset"]
    assert report["evaluated"]["unknown_labels"] == 0
    ranks = bundle.with_name(f"{bundle.name}.work") / "ranks.npz"
    assert (tmp_path / "out" / "ranks.npz").read_bytes() == ranks.read_bytes()
    assert read(tmp_path / "out" / "report.json") == report
    assert read(tmp_path / "out" / "measurements.json")["variants"]["float16"]["latency_ms"] > 0


def test_every_variant_can_be_ranked(again, bundle):
    report = again(BASELINES, variants=["float32", "dynamic_int8"])
    assert report["default_variant"] == "float32"  # the bundle's own, float16, isn't among them
    shipped = read(bundle / "report.json")["variants"]
    assert report["variants"]["float32"]["ndcg@10"] == shipped["float32"]["ndcg@10"]
    assert list(report["variants"]) == ["float32", "dynamic_int8"]


def test_the_original_s_protocol_brings_its_metrics_and_a_warning(again):
    report = again({"evaluation": {"protocol": "reference", "baselines": ["popular"], "k": [3]}})
    assert report["protocol"] == "reference"
    assert set(report["original_metrics"]["values"]) == {
        *(f"{kind}_Recall/Recall_{k}" for kind in ("Global", "Batch") for k in (3, 10)),
        "global_mean_rank",
        "batch_mean_rank",
    }
    assert any("may have been in its training" in line for line in report["warnings"])


def test_the_log_s_own_order_of_items_plays_no_part(again, make_planted, tmp_path):
    log = make_planted(77)
    first = again(BASELINES, log=log)
    order = np.random.default_rng(0).permutation(len(log.item_ids))
    shuffled = replace(
        log,
        items=np.argsort(order)[log.items].astype(np.int32),
        item_ids=tuple(log.item_ids[code] for code in order),
        item_table=None,
    )
    second = again(BASELINES, log=shuffled, out=tmp_path / "second")
    assert second["test"] == first["test"]
    assert not first["evaluated"]["same_dataset"]


def test_labels_that_the_model_does_not_know_are_misses(again, own_log, make_config, tmp_path):
    common = own_log.item_ids[int(np.bincount(own_log.items).argmax())]
    before = again(BASELINES)
    report = again(BASELINES, log=renamed(own_log, {common: "new-item"}), out=tmp_path / "other")
    code = own_log.item_ids.index(common)
    example_set = generate(make_config(), own_log)
    labels = example_set.timelines.items[example_set.test.labels]
    unknown = int((np.array(example_set.vocabulary.item_ids)[labels] == common).sum())
    assert unknown > 0
    assert code >= 0
    facts = report["evaluated"]
    assert (facts["unknown_items"], facts["unknown_labels"]) == (1, unknown)
    assert facts["unknown_interactions"] == int((own_log.items == code).sum())
    assert not facts["same_dataset"]
    # the model's own item, which the log lacks now, stays a candidate
    assert report["candidates"]["items"] == before["candidates"]["items"] + 1
    ranks = read_ranks(tmp_path / "other" / "ranks.npz").ranks
    missed = np.array(example_set.vocabulary.item_ids)[labels] == common
    assert (ranks[missed] == report["candidates"]["items"] + 1).all()
    assert (ranks[~missed] <= report["candidates"]["items"]).mean() > 0.9
    assert any(f"{unknown} of " in line and "doesn't know" in line for line in report["warnings"])


def test_what_the_model_does_not_know_is_left_out_of_contexts(own_log, make_config):
    """Contexts and scores of a scorer that knows two items in another order, worked out by hand."""
    example_set = generate(make_config(), own_log)
    ids = example_set.vocabulary.item_ids
    matched = match(example_set, ("<pad>", ids[9], "elsewhere", ids[3]))
    assert matched.example_set.vocabulary.size == example_set.vocabulary.size + 1
    seen = []

    def of_the_model(batch):
        seen.append(batch.window(50))
        return np.tile(np.array([0.0, 1.0, 2.0, 3.0], np.float32), (len(batch), 1))

    batch = HistoryBatch.of(example_set.timelines, example_set.test)
    scores = matched.scorer(of_the_model)(batch)
    assert scores.shape == (len(batch), example_set.vocabulary.size + 2)
    expected = np.full(scores.shape[1], -np.inf)
    expected[[9, 3, len(ids)]] = [1, 3, 2]
    assert (scores == expected.astype(np.float32)).all()
    translate = {9: 1, 3: 3}
    for row, found in zip(batch.window(50), seen[0], strict=True):
        wanted = [translate[item] for item in row if item in translate]
        assert found[found > 0].tolist() == wanted
        assert found[: len(wanted)].tolist() == wanted


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"export": {"top_k": 3}}, "/export"),
        ({"examples": {"max_history_length": 3}}, "/examples/max_history_length"),
        ({"evaluation": {"protocol": "random"}}, "/evaluation/protocol"),
    ],
)
def test_what_can_not_be_changed_is_named(again, changes, pointer):
    with pytest.raises(ConfigInvalid) as caught:
        again(changes)
    assert caught.value.errors[0].pointer == pointer


def test_a_variant_that_is_not_there_is_named(again):
    with pytest.raises(ConfigInvalid, match="no variant 'int8'; choose among dynamic_int8, float16, float32"):
        again(variants=["int8"])


def test_a_bundle_that_was_altered_is_none(again, bundle, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    file = copy / "variants" / "float16.tflite"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(NotABundle, match=r"float16\.tflite isn't the file that manifest\.json describes"):
        again(folder=copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(NotABundle, match="give the folder of an unpacked bundle"):
        again(folder=copy)


def test_what_the_report_says_of_the_neighbour_head_is_said_again(again, bundle, tmp_path):
    assert "neighbours" not in again(BASELINES)
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    validation = {"dense_ndcg@10": 0.101, "table_ndcg@10": 0.107, "blended_ndcg@10": 0.123}
    head = {"followers": 5, "decay": 0.7, "weight": 2.5, "validation": validation}
    shipped = read(copy / "report.json") | {"neighbours": head}
    (copy / "report.json").write_text(json.dumps(shipped), encoding="utf-8")
    manifest = read(copy / "manifest.json")
    now = describe(copy / "report.json", copy)
    manifest["files"] = [now if entry["path"] == "report.json" else entry for entry in manifest["files"]]
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert again(BASELINES, folder=copy, out=tmp_path / "second")["neighbours"] == head
    page = (tmp_path / "second" / "report.html").read_text(encoding="utf-8")
    assert "5 followers an item, decay 0.7, weight 2.5" in page


@pytest.mark.parametrize("name", ["items.json", "report.json", "vocabulary/items.txt", "vocabulary/genres.txt"])
def test_every_file_that_is_read_is_checked(again, bundle, tmp_path, name):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    lines = (copy / name).read_bytes()
    (copy / name).write_bytes(lines.replace(b"1", b"2", 1) if b"1" in lines else lines[::-1])
    with pytest.raises(NotABundle, match=f"{name} isn't the file that manifest"):
        again(folder=copy)


def test_a_stop_leaves_nothing_and_a_taken_folder_is_left_alone(again, tmp_path):
    with pytest.raises(Interrupted):
        again(should_stop=lambda: True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(OutputExists):
        again()


def test_it_needs_no_tensorflow(bundle, planted_folder, tmp_path):
    code = (
        "import sys; sys.modules.update(tensorflow=None, keras=None)\n"
        "from pathlib import Path\n"
        "from reco_core import datasets\n"
        "from reco_core.evaluating import evaluate_again\n"
        "log = datasets.load(Path(sys.argv[2]), datasets.DatasetSpec())\n"
        "evaluate_again(Path(sys.argv[1]), log, Path(sys.argv[3]), changes={'evaluation': {'baselines': []}})\n"
    )
    arguments = [sys.executable, "-c", code, bundle, planted_folder, tmp_path / "out"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "measurements.json",
        "ranks.npz",
        "report.html",
        "report.json",
    ]
