"""The cold-item protocol end to end, on a log in which attributes predict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reco_core.datasets.types import Interactions, ItemTable, LoadReport

GROUPS, SIZE, USERS, STEPS = 8, 10, 160, 9


def grouped_log(seed: int = 5) -> Interactions:
    """Everybody keeps to one group of items, but for a step in ten; an item's attribute is its group."""
    random = np.random.default_rng(seed)
    items = GROUPS * SIZE
    rows = []
    for user in range(USERS):
        group = random.permutation(SIZE) + SIZE * (user % GROUPS)
        others = random.permutation(items)
        rows.append([int(others[i] if random.random() < 0.1 else group[i]) for i in range(STEPS)])
    chosen = np.array(rows, np.int32)
    return Interactions(
        users=np.repeat(np.arange(USERS, dtype=np.int32), STEPS),
        items=chosen.ravel(),
        timestamps=np.tile(np.arange(STEPS, dtype=np.int64), USERS),
        ratings=None,
        user_ids=tuple(f"u{user}" for user in range(USERS)),
        item_ids=tuple(f"i{item:02d}" for item in range(items)),
        item_table=ItemTable((None,) * items, "shelf", tuple((f"shelf {item // SIZE}",) for item in range(items))),
        report=LoadReport("csv", {}, False, USERS * STEPS, USERS * STEPS, {}, (), USERS, items),
    )


@pytest.fixture(scope="module")
def run(tensorflow_runtime, make_config, tmp_path_factory) -> Path:
    """Folder with `bundle` and what lies beside it."""
    from reco_core import pipeline

    config = make_config(
        evaluation={"cold_items": 0.2, "baselines": ["popular"]},
        export={"variants": ["float32"], "default_variant": "float32"},
    )
    folder = tmp_path_factory.mktemp("cold")
    pipeline.run(config, grouped_log(), folder / "bundle", work=folder)
    return folder


@pytest.fixture(scope="module")
def report(run) -> dict[str, Any]:
    return json.loads((run / "bundle" / "report.json").read_text())


def test_cold_items_are_found_far_above_chance(report):
    found = report["cold_items"]
    assert (found["share"], found["items"], found["candidates"]) == (0.2, 16, 80)
    assert found["without_attributes"] == 0
    assert found["labels"] >= 15
    chance = found["beside"]["random"]["recall@10"]["value"]
    assert 10 / 80 < chance < 10 / 70  # seen items are no candidates
    assert found["recall@10"]["value"] > 3 * chance
    assert found["recall@10"]["ci95"][0] > chance
    assert found["recall@10"]["value"] > found["beside"]["attribute_popular"]["recall@10"]["value"]
    assert found["beside"]["attribute_profile"]["recall@10"]["value"] > 3 * chance  # the log is as it was meant


def test_in_the_main_figures_they_are_misses(report):
    assert report["test_details"]["cold_labels"] == report["cold_items"]["labels"]


def test_the_page_has_a_section_for_them(run):
    page = (run / "report.html").read_text()
    assert "Items that training was kept from" in page
    assert "attributes of the history" in page


def test_the_weights_know_nothing_of_them_and_export_the_same_bundle(run, tmp_path):
    from reco_core import pipeline, training

    weights = run / "weights" / "best.npz"
    assert len(training.read_weights(weights).item_ids) == 65
    pipeline.export_again(weights, grouped_log(), tmp_path / "again", work=tmp_path)
    assert (tmp_path / "again" / "manifest.json").read_bytes() == (run / "bundle" / "manifest.json").read_bytes()


def test_further_items_can_be_added(run, tmp_path):
    from reco_core.adding import add_items

    (tmp_path / "new.csv").write_text("id,shelf\nnew,shelf 3\n")
    manifest = add_items(
        run / "weights" / "best.npz", run / "bundle", tmp_path / "new.csv", tmp_path / "longer", work=tmp_path
    )
    assert manifest.document["vocabulary_size"] == 81
    assert manifest.document["added_items"]["first_index"] == 81
