"""The benchmark beside the original: configs that load, and figures put side by side."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from reco_core.config import load

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def original() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module("original")


def test_each_kind_has_the_dimensions_and_the_protocol_of_the_original(original: ModuleType) -> None:
    for name, one in original.ORIGINALS.items():
        for kind, (_, changes) in original.KINDS.items():
            if (name, kind) == ("cnn", "sequences"):
                continue
            config = load(original.seeds.changed(original.document(name, 12), changes))
            assert config.encoder.type == one.encoder["type"]
            assert (config.model.embedding_dim, config.model.hidden_layers) == (64, ())
            assert config.export_history_length == 10
            assert config.training.max_epochs == config.training.patience == 12
            assert config.evaluation.protocol == "reference"
            assert config.trains_on_sequences == (kind == "sequences")


def test_ours_the_original_s_and_the_ratio(original: ModuleType) -> None:
    report = {
        "default_variant": "float16",
        "variants": {"float16": {"bytes": 300_000}},
        "candidates": {"items": 2_000},
        "original_metrics": {"values": {"Global_Recall/Recall_10": 0.141}},
        "training": {"epochs": 12, "best_epoch": 9, "examples": 80_000},
    }
    measured = {"training": {"examples_per_second": 104_000}, "phases": {"train": {"seconds": 9.0}}}
    found = original.figures(original.ORIGINALS["bow"], report, measured)
    assert found["examples_per_second"]["ratio"] == pytest.approx(20)
    assert found["recall@10"]["ratio"] == pytest.approx(3)
    # two rows of 64 float32 numbers fewer for each of 10,000 items
    assert found["bytes"]["original"] == 6_182_000 - 10_000 * 512
    assert found["training"]["examples_seen"] == 960_000
    # of the CNN no speed is known, and what was read from a checkpoint has none
    measured["training"]["examples_per_second"] = None
    assert original.figures(original.ORIGINALS["cnn"], report, measured)["examples_per_second"]["ratio"] is None
    assert original.table({"bow": found}, "x").row_count == 1
