from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.evaluation.baselines.sparse import SparseTable, count_followers
from reco_core.examples import ExampleSet


def dense(table: SparseTable) -> np.ndarray:
    result = np.zeros((table.size, table.size))
    result[table.rows, table.columns] = table.values
    return result


def oracle(example_set: ExampleSet, steps: int) -> np.ndarray:
    timelines = example_set.timelines
    result = np.zeros((example_set.vocabulary.size + 1,) * 2)
    for begin, end in zip(timelines.offsets[:-1], timelines.offsets[1:], strict=True):
        for first in range(begin, end):
            for second in range(first + 1, min(first + steps + 1, end)):
                if example_set.in_training[first] and example_set.in_training[second]:
                    result[timelines.items[first], timelines.items[second]] += 1 / (second - first)
    return result


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_followers_are_counted_within_a_timeline_and_in_training_only(random_set: ExampleSet, steps: int) -> None:
    np.testing.assert_allclose(dense(count_followers(random_set, steps)), oracle(random_set, steps))


def test_interactions_held_out_in_the_middle_are_left_out_but_count_as_steps(random_set: ExampleSet) -> None:
    held_out = np.random.default_rng(0).random(len(random_set.in_training)) < 0.3
    holey = replace(random_set, in_training=~held_out)
    np.testing.assert_allclose(dense(count_followers(holey, 4)), oracle(holey, 4))


def test_timelines_shorter_than_the_steps(build_set) -> None:
    example_set = build_set([[1, 2, 3], [1, 2, 3]])
    assert dense(count_followers(example_set, 10)).sum() == 0


@pytest.mark.parametrize("gathered", [1, 100, 1 << 20])
def test_weighted_sums_are_a_matrix_product(
    random_set: ExampleSet, gathered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reco_core.evaluation.baselines.sparse._GATHERED", gathered)
    table = count_followers(random_set, 3)
    random = np.random.default_rng(1)
    rows = np.sort(random.integers(0, 8, 30))
    indices = random.integers(0, table.size, 30).astype(np.int32)
    weights = random.random(30)
    left = np.zeros((9, table.size))  # the last row has no entry
    np.add.at(left, (rows, indices), weights)
    np.testing.assert_allclose(table.weighted_sums(rows, indices, weights, 9), left @ dense(table), rtol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_the_strongest_of_each_row_come_first_and_equals_by_lower_column(random_set: ExampleSet, count: int) -> None:
    table = count_followers(random_set, 3)
    columns, values = table.strongest(count)
    for row, counts in enumerate(dense(table)):
        best = [column for column in np.argsort(-counts, kind="stable") if counts[column] > 0][:count]
        assert columns[row].tolist() == best + [0] * (count - len(best))
        np.testing.assert_array_equal(values[row], [*counts[best], *[0.0] * (count - len(best))])
