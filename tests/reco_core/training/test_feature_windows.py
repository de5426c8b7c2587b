"""Features gathered in the graph are those of the NumPy windows."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.evaluation import HistoryBatch
from reco_core.examples import generate


@pytest.mark.parametrize("length", [1, 4, 30])
def test_both_ways_to_the_windows_agree(tensorflow_runtime, featured, make_groups, make_config, length):
    from reco_core.training.batches import TrainingExamples

    example_set = generate(make_config(features=make_groups()), featured)
    examples = TrainingExamples(example_set, 10**6, length)
    rows = np.random.default_rng(0).permutation(examples.count).astype(np.int32)
    found = examples.gather(rows).inputs
    train = example_set.train
    expected = HistoryBatch(example_set.timelines, train.users[rows], train.labels[rows]).inputs(length)
    assert list(found) == list(expected)
    assert len(found) == 12
    for name, values in expected.items():
        assert np.array_equal(found[name], values), name
        assert np.asarray(found[name]).dtype == values.dtype
        assert len(np.unique(values)) > 2, name


def test_rows_that_fill_up_a_batch_take_part_without_harm(tensorflow_runtime, featured, make_groups, make_config):
    from reco_core.training.batches import TrainingExamples

    examples = TrainingExamples(generate(make_config(features=make_groups()), featured), 8, 4)
    found = examples.gather(np.array([3, -1], np.int32)).inputs
    again = examples.gather(np.array([3, 0], np.int32)).inputs
    for name in found:
        assert np.array_equal(found[name], again[name])


def test_a_feature_that_no_row_has_a_value_of_is_all_padding(tensorflow_runtime):
    import tensorflow as tf

    from reco_core.examples import FeatureTable
    from reco_core.training.feature_windows import FeatureWindows

    table = FeatureTable("x", "item", np.zeros(0, np.int32), np.zeros(4, np.int64), 2, ("<pad>", "<oov>", "a"), 3)
    ones = tf.ones([2, 3], tf.int32)
    assert not FeatureWindows(table).gather(ones[:, 0], ones, ones, ones > 0).numpy().any()
