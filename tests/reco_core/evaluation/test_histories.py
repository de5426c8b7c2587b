from __future__ import annotations

import numpy as np
import pytest

from reco_core.evaluation import HistoryBatch
from reco_core.examples import ExampleSet


@pytest.mark.parametrize("newest", [None, 1, 4])
def test_full_histories_row_by_row(random_set: ExampleSet, newest: int | None) -> None:
    histories = HistoryBatch.of(random_set.timelines, random_set.test, 10, 50)
    rows, items, distance = histories.full(newest)
    assert len(histories) == 40
    for row in range(40):
        begin, end = random_set.timelines.offsets[10 + row], random_set.test.labels[10 + row]
        expected = random_set.timelines.items[begin:end][-(newest or 1000) :]
        assert items[rows == row].tolist() == expected.tolist()
        assert distance[rows == row].tolist() == list(range(len(expected), 0, -1))


def test_the_windows_are_the_newest_of_the_full_histories(random_set: ExampleSet) -> None:
    histories = HistoryBatch.of(random_set.timelines, random_set.validation)
    rows, items, _ = histories.full(6)
    window = histories.window(6)
    assert window.dtype == np.int32
    assert [row[row > 0].tolist() for row in window] == [items[rows == row].tolist() for row in range(len(window))]


def test_an_empty_history_has_no_last_item(build_set) -> None:
    example_set = build_set([[1, 2, 3], [2, 3, 1]])
    first = HistoryBatch(example_set.timelines, np.array([1], np.int32), example_set.timelines.offsets[1:2])
    assert first.last().tolist() == [0]
    assert [part.tolist() for part in first.full()] == [[], [], []]
