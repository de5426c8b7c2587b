"""Golden vectors: reproduced by the file they came from, by no other."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from reco_core.export import GOLDEN_TOLERANCE, golden_cases, reproduces


@pytest.fixture(scope="module")
def made(trained, exported):
    _, example_set, _ = trained("bow")
    path = exported("bow").variants["float32"].path
    return path, golden_cases(path, example_set, 0, 7)


def test_the_file_reproduces_its_cases(made):
    path, cases = made
    assert len(cases) == 8
    assert [sum(id_ > 0 for id_ in case["inputs"]["history"][0]) for case in cases[:2]] == [0, 1]
    assert json.loads(json.dumps(cases, allow_nan=False)) == cases
    assert reproduces(path, cases)


def test_cases_follow_the_seed(made, trained):
    path, cases = made
    assert golden_cases(path, trained("bow")[1], 0, 7) == cases
    assert golden_cases(path, trained("bow")[1], 0, 8) != cases


@pytest.mark.parametrize("case", range(8))
@pytest.mark.parametrize("place", [0, 9, 19])
def test_a_changed_score_fails(made, case, place):
    path, cases = made
    for change in (10 * GOLDEN_TOLERANCE, -10 * GOLDEN_TOLERANCE, float("nan")):
        changed = copy.deepcopy(cases)
        changed[case]["scores"][place] += change
        assert not reproduces(path, changed)


@pytest.mark.parametrize("place", [0, 1, 9])
def test_another_item_in_a_place_fails_unless_it_is_tied(made, place):
    path, cases = made
    clear = [
        number
        for number, case in enumerate(cases)
        if min(np.abs(np.diff(case["scores"]))[max(place - 1, 0) : place + 1]) > 2 * GOLDEN_TOLERANCE
    ]
    assert clear  # otherwise there is nothing to see here
    for number in clear:
        changed = copy.deepcopy(cases)
        changed[number]["ids"][place] = next(i for i in range(1, 61) if i not in cases[number]["ids"])
        assert not reproduces(path, changed)


def test_another_file_fails(made, exported):
    assert not reproduces(exported("cnn").variants["float32"].path, made[1])


def test_excluded_ids_are_part_of_the_inputs(trained, export_untrained):
    _, example_set, _ = trained("bow")
    _, _, files = export_untrained(example_set.vocabulary.size, only_float32=True, export={"exclude_ids": 2})
    path = files.variants["float32"].path
    cases = golden_cases(path, example_set, 2, 7)
    for case in cases:
        assert case["inputs"]["exclude_ids"] == [[1, 2]]
        assert not {1, 2} & set(case["ids"])
    assert reproduces(path, cases)


def test_more_excluded_ids_than_items_are_no_items(trained, export_untrained):
    from dataclasses import replace

    _, example_set, _ = trained("bow")
    _, _, files = export_untrained(2, only_float32=True, export={"exclude_ids": 3})
    vocabulary = replace(example_set.vocabulary, item_ids=example_set.vocabulary.item_ids[:3])
    timelines = replace(example_set.timelines, items=np.minimum(example_set.timelines.items, 2))
    small = replace(example_set, vocabulary=vocabulary, timelines=timelines)
    for case in golden_cases(files.variants["float32"].path, small, 3, 7):
        assert case["inputs"]["exclude_ids"] == [[1, 2, 0]]
