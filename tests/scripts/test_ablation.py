"""Rows of the ablation benchmark: those that make a difference, each in one thing."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from reco_core.config import load

ROOT = Path(__file__).parents[2]
ITEMS = 1682


@pytest.fixture(scope="module")
def ablation() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module("ablation")


def rows(ablation: ModuleType, document: dict[str, Any], attribute: str | None = None) -> list[str]:
    return list(ablation.rows(document, ITEMS, attribute))


def test_each_part_of_the_sequential_preset_has_a_row(ablation: ModuleType) -> None:
    found = rows(ablation, {"preset": "sequential"})
    assert found == ["as-given", "sampled-softmax", "windows", "no-smoothing", "no-teachers", "no-neighbours"]


def test_attributes_make_a_row_where_the_data_have_some(ablation: ModuleType) -> None:
    by_itself = {"preset": "bow"}
    ids_alone = {"preset": "bow", "model": {"item_attribute": None}}
    assert "no-attributes" in rows(ablation, by_itself, "genres")
    assert "attributes" in rows(ablation, ids_alone, "genres")
    assert not {"attributes", "no-attributes"} & {*rows(ablation, by_itself), *rows(ablation, ids_alone)}


def test_what_a_config_can_not_have_is_no_row(ablation: ModuleType) -> None:
    # a convolution's maximum over time is one for each example; it smooths no labels and has no head
    assert rows(ablation, {"preset": "cnn"}) == ["as-given", "sampled-softmax", "neighbours"]
    found = rows(ablation, {"preset": "rnn", "training": {"loss": "sampled_softmax"}})
    assert found == ["as-given", "full-softmax", "sequences", "neighbours"]


def test_a_row_is_the_config_with_one_thing_changed(ablation: ModuleType) -> None:
    document = {"preset": "sequential", "model": {"embedding_dim": 32}}
    given = load(document)
    found = ablation.rows(document, ITEMS, None)
    _, changes = found["no-neighbours"]
    changed = load(ablation.seeds.changed(document, changes))
    assert changed.model.neighbours is None
    assert changed.model.model_copy(update={"neighbours": given.model.neighbours}) == given.model
    assert document == {"preset": "sequential", "model": {"embedding_dim": 32}}  # as it was
