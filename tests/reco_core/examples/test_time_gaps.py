"""Time gaps: computed along timelines, bounded by training data, and the same for an app."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from reco_core import examples
from reco_core.bundled_features import BundledFeature, describe_one
from reco_core.config import FeaturesConfig, load
from reco_core.config.estimate.parameters import parameters
from reco_core.errors import ConfigInvalid
from reco_core.examples import feature_windows, generate
from reco_core.examples.time_gaps import bucket_of, fit_bounds, time_gaps
from reco_core.told_features import feature_values

GAPS = {"history": [{"type": "time_gap", "buckets": 3}]}


@pytest.fixture
def log(make_log):
    """u: gaps 1 1 8 90 900, v: gaps 2 2 2 2."""
    rows = [("u", item, time, 5.0) for item, time in zip("abcdef", (0, 1, 2, 10, 100, 1000), strict=True)]
    return make_log(rows + [("v", item, time, 5.0) for item, time in zip("fbcda", (4, 6, 8, 10, 12), strict=True)])


def test_gaps_run_along_each_timeline():
    gaps, there = time_gaps(np.array([10, 15, 15, 7, 9]), np.array([0, 3, 5]))
    assert_array_equal(gaps, [0, 5, 0, 0, 2])
    assert_array_equal(there, [False, True, True, False, True])
    far, _ = time_gaps(np.array([-(2**63), 2**63 - 1]), np.array([0, 2]))
    assert_array_equal(far, [0, 2**63 - 1])


def test_about_as_many_gaps_lie_in_each_bucket():
    bounds = fit_bounds(np.arange(1, 101), 4)
    assert bounds == (25, 50, 75)
    assert_array_equal(bucket_of(np.array([0, 1, 25, 26, 75, 76, 10**9]), bounds), [1, 1, 1, 2, 3, 4, 4])
    # equal gaps share a bucket, and none is empty
    assert fit_bounds(np.array([0] * 90 + [5, 6] * 5), 4) == (0,)
    assert fit_bounds(np.zeros(9, np.int64), 4) == fit_bounds(np.empty(0, np.int64), 4) == ()


def test_bounds_come_from_training_and_the_first_interaction_has_no_gap(log):
    table = generate(load({"features": GAPS}), log).timelines.features["time_gap"]
    # training gaps: 1 1 8 of u, 2 2 of v; the rest is held out
    assert table.bounds == (1, 2)
    assert (table.scope, table.oov, table.fill, table.is_float) == ("interaction", 0, 0, False)
    assert_array_equal(table.values, [0, 1, 1, 3, 3, 3, 0, 2, 2, 2, 2])
    assert describe_one(table) == {
        "kind": "time_gap",
        "scope": "interaction",
        "layout": "aligned",
        "length": 1,
        "fill": 0,
        "buckets": 3,
        "upper_bounds": [1, 2],
    }


def test_a_window_has_the_gaps_before_its_items(log):
    timelines = generate(load({"features": GAPS}), log).timelines
    found = feature_windows(timelines, timelines.features["time_gap"], np.array([0, 0], np.int32), np.array([2, 5]), 3)
    assert_array_equal(found, [[0, 1, 0], [1, 3, 3]])


def test_what_an_app_passes_is_what_training_had(log):
    table = generate(load({"features": GAPS}), log).timelines.features["time_gap"]
    one = BundledFeature("time_gap", "time_gap", "interaction", "aligned", 1, 0, None, 0.0, 1.0, table.bounds)
    history = [{"features": {}}] * 6
    told = feature_values({"time_gap": one}, history, {"time_gap": ",1,1.0,8,90,9e2"}, 6)
    assert_array_equal(told["time_gap"], table.values[:6])
    for wrong in ("-1", "soon", "nan"):
        with pytest.raises(ConfigInvalid, match="takes positive numbers"):
            feature_values({"time_gap": one}, history[:1], {"time_gap": wrong}, 6)


def test_another_log_is_encoded_with_the_bounds_of_the_first(log):
    config = load({"features": GAPS})
    fitted = generate(config, log).timelines.features
    slower = replace(log, timestamps=log.timestamps * 2)
    table = generate(config, slower, fitted).timelines.features["time_gap"]
    assert table.bounds == (1, 2)
    assert_array_equal(table.values[:6], [0, 2, 2, 3, 3, 3])
    bare = replace(log, timestamps=None)
    assert not generate(config, bare, fitted).timelines.features["time_gap"].values.any()
    assert examples.without_values(config.features, bare) == ("time_gap",)


def test_a_log_without_timestamps_is_refused_with_a_remedy(log):
    with pytest.raises(ConfigInvalid, match=r"made of timestamps, and the log has none; name their column") as caught:
        generate(load({"features": GAPS}), replace(log, timestamps=None))
    assert [(fault.pointer, fault.code) for fault in caught.value.errors] == [("/features/history/0", "no_timestamps")]


def test_examples_that_were_kept_have_the_same_bounds(log, tmp_path):
    config = load({"features": GAPS})
    examples.store_prepared(examples.prepare(config, log), tmp_path / "kept")
    back = examples.restore_prepared(tmp_path / "kept").example_set.timelines.features["time_gap"]
    assert back.bounds == (1, 2)


def test_it_is_of_interactions_and_has_no_column():
    with pytest.raises(ConfigInvalid, match="there is no type 'time_gap'"):
        load({"features": {"global_groups": [{"features": [{"type": "time_gap"}]}]}})
    with pytest.raises(ConfigInvalid, match="unknown field 'column'"):
        load({"features": {"history": [{"type": "time_gap", "column": "at"}]}})
    assert FeaturesConfig.model_validate(GAPS).history[0].embedding_dim == 8


def test_the_estimate_counts_its_embeddings(log):
    plain, with_gaps = (load({"preset": "bow", "features": groups}) for groups in ({}, GAPS))
    work = examples.prepare(with_gaps, log).workload
    assert work.feature_rows == {"time_gap": 4}  # none and three buckets
    wider = parameters(with_gaps, work) - parameters(plain, work)
    assert wider == 4 * 8 + 8 * plain.model.hidden_layers[0]
    assert parameters(with_gaps, replace(work, feature_rows={})) == parameters(with_gaps, work)
