"""The counts of an estimate beside the examples that are then made."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reco_core.config import load
from reco_core.config.estimate import workload
from reco_core.config.estimate.workload import MOST_REFERENCE_VALIDATION
from reco_core.datasets import log_statistics
from reco_core.errors import ConfigInvalid, DatasetTooSmall
from reco_core.examples import generate, measured_workload, split

rows = st.lists(
    st.tuples(
        st.sampled_from("uvwxyz"),
        st.sampled_from("abcdefgh"),
        st.integers(0, 20),
        st.sampled_from([1.0, 2.5, 3.3, 4.0, 5.0]),
    ),
    min_size=8,
    max_size=90,
)
configs = st.fixed_dictionaries(
    {
        "repeats": st.booleans(),
        "examples": st.fixed_dictionaries(
            {
                "min_timeline_length": st.integers(3, 8),
                "min_rating": st.sampled_from([None, 0.0, 1.0, 2.0, 2.5, 3.3, 4.5, 5.0]),
                "train_data_fraction": st.sampled_from([0.29, 0.5, 0.57, 0.8, 0.9]),
            }
        ),
        "evaluation": st.fixed_dictionaries({"protocol": st.sampled_from(["leave_one_out", "reference"])}),
    }
)


def count(config, interactions):
    return workload(config, {"statistics": log_statistics(interactions)})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(rows=rows, document=configs)
def test_examples_are_counted_as_they_are_made(make_log, rows, document):
    config, interactions = load(document), make_log(rows)
    try:
        made = generate(config, interactions)
    except DatasetTooSmall:
        return  # whether the counts say so too: below
    found = count(config, interactions)
    assert (found.vocabulary, found.users, found.dropped_users) == (
        made.vocabulary.size,
        made.timelines.users,
        made.dropped_users,
    )
    assert (found.validation, found.test) == (len(made.validation), len(made.test))
    if config.evaluation.protocol == "leave_one_out" or config.repeats:
        assert found.train == len(made.train)
    else:  # which labels come again is known, which of them chance puts into training isn't
        assert abs(found.train - len(made.train)) <= len(rows) * 0.5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(rows=rows, document=configs)
def test_what_is_too_small_for_the_counts_is_too_small_for_the_pipeline(make_log, rows, document):
    config, interactions = load(document), make_log(rows)
    try:
        found = count(config, interactions)
    except DatasetTooSmall:
        with pytest.raises(DatasetTooSmall):
            generate(config, interactions)
        return
    assert min(found.train, found.validation, found.test) > 0


def test_both_ways_of_counting_give_the_same_estimate(make_log):
    rows = [(user, item, time, 4.0) for user in "uvw" for time, item in enumerate("abcdefab")]
    interactions = make_log(rows, attributes={"a": ("Drama", "Crime"), "b": ("Drama",)})
    config = load({})
    counted = count(config, interactions)
    measured = measured_workload(config, interactions, generate(config, interactions))
    fields = ("train", "validation", "test", "vocabulary", "users", "interactions", "rows")
    for field in (*fields, "attribute_values", "attribute_entries"):
        assert getattr(counted, field) == getattr(measured, field), field
    assert (counted.attribute_values, counted.attribute_entries) == (2, 3)


def test_a_rating_above_all_others_leaves_nobody(make_log):
    interactions = make_log([(user, item, 0, 3.0) for user in "uv" for item in "abcd"])
    with pytest.raises(DatasetTooSmall, match="rated at least 4") as caught:
        count(load({"examples": {"min_rating": 4}}), interactions)
    assert caught.value.errors[0].pointer == "/examples/min_rating"


def test_an_attribute_that_is_not_there(make_log):
    interactions = make_log([(user, item, 0, 3.0) for user in "uv" for item in "abcd"], attributes={"a": ("Drama",)})
    with pytest.raises(ConfigInvalid, match="'genres'"):
        count(load({"model": {"item_attribute": "tags"}}), interactions)


def test_long_timelines_are_counted_together(make_log):
    rows = [(f"u{user}", str(item), item, 1.0) for user in range(9) for item in range(100 + user)]
    entry = log_statistics(make_log(rows))["timelines"][0]["lengths"]
    assert len(entry) < 9
    assert [sum(numbers[column] for numbers in entry) for column in (1, 2)] == [9, len(rows)]
    found = count(load({}), make_log(rows))
    assert found.train == len(rows) - 3 * 9


def test_many_different_ratings_are_told_apart_by_ten(make_log):
    rows = [(user, str(item), item, 0.01 * item) for user in "uv" for item in range(300)]
    statistics = log_statistics(make_log(rows))
    assert len(statistics["timelines"]) == 11
    found = workload(load({"examples": {"min_rating": 1.5}}), {"statistics": statistics})
    made = generate(load({"examples": {"min_rating": 1.5}}), make_log(rows))
    assert found.train == pytest.approx(len(made.train), rel=0.25)


def test_a_report_without_statistics_is_guessed_from():
    found = workload(load({}), {"users": 50, "items": 80, "rows": {"accepted": 998}})
    assert (found.exact, found.train, found.test, found.vocabulary) == (False, 848, 50, 80)
    assert workload(load({}), {"users": 50}) is None
    assert workload(load({}), {"users": 50, "items": 0, "rows": {"accepted": 998}}) is None
    assert workload(load({}), {"users": 50, "items": 80, "rows": {"accepted": 998}, "statistics": {"version": 99}})


def test_constants_that_a_light_process_cannot_import_are_the_same():
    assert MOST_REFERENCE_VALIDATION == split.MOST_REFERENCE_VALIDATION
