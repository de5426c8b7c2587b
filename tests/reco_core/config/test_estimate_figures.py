"""Estimates of any valid config are finite, positive, and grow with what they are made of."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_core.config import load
from reco_core.config.estimate import (
    Limits,
    Workload,
    estimate,
    machine_factor,
    machine_memory,
    require_budget,
    require_resources,
    warnings,
    workload,
)
from reco_core.config.estimate.workload import Lengths
from reco_core.errors import ResourceEstimateExceeded, SizeBudgetImpossible

WORK = Workload(
    rows=100_000,
    users=943,
    dropped_users=0,
    interactions=100_000,
    vocabulary=1682,
    attribute_values=19,
    attribute_entries=2893,
    train=97_171,
    validation=943,
    test=943,
    exact=True,
    text_bytes=60_000,
    lengths=(Lengths(20, 943, 100_000, 100_000, 98_114),),
)
NOTHING_LIMITED = Limits(None, None, None)

# (section, field, a smaller value, a larger value)
GROWING = [
    ("examples", "max_history_length", st.integers(16, 200)),
    ("model", "embedding_dim", st.integers(2, 512)),
    ("training", "batch_size", st.integers(1, 65536)),
    ("training", "max_epochs", st.integers(1, 10000)),
    ("training", "keep_checkpoints", st.integers(0, 10000)),
    ("training", "teachers", st.integers(0, 8)),
    ("training", "teacher_epochs", st.integers(1, 10000)),
    ("evaluation", "bootstrap_samples", st.integers(100, 100_000)),
]
encoders = st.one_of(
    st.just({"type": "bow"}),
    st.fixed_dictionaries(
        {
            "type": st.just("cnn"),
            "num_filter_ratios": st.lists(st.integers(1, 16), min_size=1, max_size=4),
            "kernel_size": st.integers(1, 16),
        }
    ),
    st.fixed_dictionaries({"type": st.just("rnn"), "num_units": st.integers(1, 512)}),
)
baselines = st.lists(
    st.sampled_from(["popular", "recent_popular", "markov", "cooccurrence", "ease"]), max_size=5, unique=True
)


@st.composite
def documents(draw):
    document = {
        "encoder": draw(encoders),
        "repeats": draw(st.booleans()),
        "model": {"hidden_layers": draw(st.lists(st.integers(1, 2048), max_size=4)), "item_bias": draw(st.booleans())},
        "training": {"patience": draw(st.integers(1, 1000))},
        "examples": {},
        "evaluation": {"baselines": draw(baselines)},
        "export": {
            "variants": draw(st.sampled_from([["float16"], ["float16", "dynamic_int8"], ["float32", "float16"]]))
        },
    }
    for section, field, values in GROWING:
        document[section][field] = draw(values)
    return document


sizes = st.sampled_from([2, 60, 1682, 200_000, 50_000_000, 2**31])


def works(draw):
    items, train = draw(sizes), draw(st.sampled_from([1, 1000, 10**6, 10**10]))
    held_out = max(1, train // 20)
    return replace(WORK, vocabulary=items, train=train, validation=held_out, test=held_out, users=held_out, rows=train)


def numbers(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif value is not None:  # no budget
        yield value


def figures(document, work=WORK):
    found = estimate(load(document), work)
    return (found.parameters, *found.variants.values(), found.bundle_bytes, found.memory_bytes, found.total.at_most)


@settings(deadline=None, max_examples=60)
@given(document=documents(), data=st.data())
def test_they_are_finite_and_positive_and_json(document, data):
    work = works(data.draw)
    found = estimate(load(document), work)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False)) == found.as_dict()
    assert all(math.isfinite(number) and number >= 0 for number in numbers(found.as_dict()))
    assert min(found.parameters, found.memory_bytes, found.steps_per_epoch, *found.variants.values()) > 0
    assert 0 < found.total.expected <= found.total.at_most
    assert 1 <= found.epochs <= found.max_epochs
    assert warnings(load(document), found, Limits(1, 1, 1)) is not None


@settings(deadline=None, max_examples=60)
@given(document=documents(), data=st.data())
def test_more_of_anything_never_costs_less(document, data):
    section, field, values = data.draw(st.sampled_from(GROWING))
    # from 32 on histories would be read as whole sequences, which cost less than windows
    document.setdefault("training", {})["examples"] = "windows"
    less, more = sorted([document[section][field], data.draw(values)])
    document[section][field] = less
    small = figures(document)
    document[section][field] = more
    large = figures(document)
    # an unrolled LSTM costs more than a loop over a few steps more, in compiling and in the file
    crosses = field == "max_history_length" and document["encoder"]["type"] == "rnn" and less <= 50 < more
    # fewer, larger steps update the parameters less often
    shown = [0, 1, 2, 3, 4] if field == "batch_size" else range(len(small))
    if not crosses:
        assert all(small[i] <= large[i] for i in shown if i < len(small) - (field == "batch_size"))


@settings(deadline=None, max_examples=30)
@given(document=documents(), items=st.tuples(sizes, sizes))
def test_a_larger_vocabulary_costs_more(document, items):
    small, large = (figures(document, replace(WORK, vocabulary=count)) for count in sorted(items))
    assert all(one <= other for one, other in zip(small, large, strict=True))


@pytest.mark.parametrize("items", [100, 40_000])
def test_a_neighbour_head_is_counted(items):
    work = replace(WORK, vocabulary=items)
    without, eight, sixteen = (
        figures({"model": {"neighbours": one}, "evaluation": {"baselines": []}}, work)
        for one in (None, True, {"followers": 16})
    )
    table = 8 * (items + 1) * (3 if items < 2**15 else 5)
    assert without[0] == eight[0]  # it has no parameter
    assert all(table < more - less < table + 8000 for less, more in zip(without[1:4], eight[1:4], strict=True))
    assert all(more - less == table for less, more in zip(eight[1:4], sixteen[1:4], strict=True))
    assert all(a < b < c for a, b, c in zip(without[4:], eight[4:], sixteen[4:], strict=True))


def test_a_budget_that_the_head_alone_breaks_is_refused():
    document = {"model": {"embedding_dim": 4, "neighbours": True}, "export": {"max_bytes": 300_000}}
    require_budget(load({**document, "model": {"embedding_dim": 4}}), 12_101)
    with pytest.raises(SizeBudgetImpossible, match="and 290,448 of followers"):
        require_budget(load(document), 12_101)


HUGE = {
    "encoder": {"type": "rnn", "num_units": 512},
    "examples": {"max_history_length": 200},
    "model": {"embedding_dim": 512},
    "training": {"batch_size": 65536, "max_epochs": 10000},
    "evaluation": {"baselines": ["ease"], "bootstrap_samples": 100_000},
}


def refused(document, work, limits):
    with pytest.raises(ResourceEstimateExceeded) as caught:
        require_resources(load(document), work, limits)
    assert caught.value.estimate["memory_bytes"] > 0
    return caught.value


def test_what_fits_is_let_through():
    found = require_resources(load({"preset": "bow"}), WORK, Limits(2 * 10**9, 3600))
    assert found.as_dict()["examples"] == {"train": 97_171, "validation": 943, "test": 943}


LARGE = {"model": {"embedding_dim": 512}, "training": {"batch_size": 65536}}
LONG = {"model": {"hidden_layers": [2048]}, "training": {"max_epochs": 10000, "patience": 1000}}
KEEPING = {"model": {"embedding_dim": 512}, "training": {"keep_checkpoints": None, "max_epochs": 1000}}
UNROLLED = {"encoder": {"type": "rnn"}, "examples": {"max_history_length": 50}}


@pytest.mark.parametrize(
    ("document", "limits", "pointer"),
    [
        (LARGE, Limits(2 * 10**9), "/training/batch_size"),
        (LONG, Limits(None, 600), "/training/max_epochs"),
        (UNROLLED, Limits(1_300_000_000), "/examples/max_history_length"),
        (KEEPING, Limits(2 * 10**9), "/training/keep_checkpoints"),
    ],
)
def test_the_remedy_is_the_largest_value_that_fits(document, limits, pointer):
    error = refused(document, WORK, limits)
    section, field = pointer.strip("/").split("/")
    fault = next(fault for fault in error.errors if fault.pointer == pointer)
    value = int(fault.detail.rpartition(" to ")[2].split()[0])
    document = {**document, section: {**document.get(section, {}), field: value}}
    require_resources(load(document), WORK, limits)
    document[section][field] = value + 1
    refused(document, WORK, limits)


def test_where_it_takes_several_fields_all_of_them_are_named():
    error = refused(HUGE, WORK, Limits(1_200_000_000, 3600))
    assert {fault.pointer for fault in error.errors} >= {"/training/batch_size", "/model/embedding_dim"}
    assert " and " in error.message
    changed = json.loads(json.dumps(HUGE))
    for fault in error.errors:
        section, field = fault.pointer.strip("/").split("/")
        changed[section][field] = json.loads(fault.detail.rpartition(" set it to ")[2])
    require_resources(load(changed), WORK, Limits(1_200_000_000, 3600))


def test_fifty_million_items():
    work = workload(load({}), {"users": 10**6, "items": 50_000_000, "rows": {"accepted": 10**9}})
    error = refused({}, work, Limits(24 * 10**9, 86_400))
    assert "the vocabulary has 50,000,000 items, but may have 10,000,000" in error.message
    assert [fault.pointer for fault in error.errors] == [""]


def test_a_table_that_no_file_can_hold():
    work = replace(WORK, vocabulary=9_000_000)
    error = refused({"model": {"embedding_dim": 64}}, work, NOTHING_LIMITED)
    assert "can take 2.1 GB at most" in error.message
    assert "/model/embedding_dim" in [fault.pointer for fault in error.errors]


@pytest.mark.parametrize(
    ("document", "work", "code"),
    [
        ({"examples": {"max_history_length": 200}}, {}, "history_longer_than_timelines"),
        ({"training": {"max_epochs": 100}}, {}, "patience_ends_it_earlier"),
        ({"training": {"batch_size": 65536}}, {"train": 1000}, "batch_larger_than_data"),
        ({"export": {"max_bytes": 200_000}}, {}, "budget_leaves_few"),
        (KEEPING, {}, "checkpoints_are_large"),
        ({}, {"dropped_users": 500}, "many_users_left_out"),
        ({}, {"test": 100}, "few_test_examples"),
        ({}, {"train": 1000}, "few_examples_per_item"),
        ({}, {"exact": False}, "rough_estimate"),
    ],
)
def test_what_is_worth_saying(document, work, code):
    config, limits = load(document), Limits(24 * 10**9, 86_400)
    assert code in [one.code for one in warnings(config, estimate(config, replace(WORK, **work)), limits)]
    plain = load({})
    usual = [one.code for one in warnings(plain, estimate(plain, WORK), limits)]
    assert usual == []


def test_teachers_are_expected_to_stop_early_too():
    def train(**training):
        return estimate(load({"training": {"patience": 3, "max_epochs": 1000, **training}}), WORK).phases["train"]

    alone, taught = train(), train(teachers=1)
    assert alone.expected < taught.expected < 5 * alone.expected
    assert taught.at_most > 50 * taught.expected


def test_without_teachers_a_model_learns_for_as_long_as_one_would():
    config = load({"preset": "sequential"})
    assert config.for_items(20_000) == config
    assert config.without_teachers() == config.for_items(20_001)
    assert (config.for_items(20_001).training.teachers, config.for_items(20_001).training.max_epochs) == (0, 20)
    plain = load({})
    assert plain.without_teachers() is plain
    many = replace(WORK, vocabulary=20_001)
    assert estimate(config, many).max_epochs == 20


def test_many_teachers_are_large_checkpoints():
    config = load({"model": {"embedding_dim": 512}, "training": {"teachers": 8}})
    work = replace(WORK, vocabulary=1_000_000)
    (remark,) = (one for one in warnings(config, estimate(config, work), NOTHING_LIMITED) if "checkpoints" in one.code)
    assert remark.pointer == "/training/teachers"
    assert "8 teachers" in remark.detail


def test_limits_that_are_nearly_reached_are_said():
    config = load({})
    found = estimate(config, WORK)
    tight = Limits(found.memory_bytes + 1, found.total.expected + 1)
    assert {one.code for one in warnings(config, found, tight)} == {"memory_is_tight", "deadline_is_near"}


def test_weights_of_kept_epochs_are_memory_once_each_and_never_more_than_there_are_epochs():
    def memory(**training):
        return estimate(load({"training": {"max_epochs": 30, **training}}), WORK).memory_bytes

    weights = 4 * estimate(load({}), WORK).parameters
    assert memory(keep_checkpoints=7) - memory() == 7 * weights
    assert memory(keep_checkpoints=None) == memory(keep_checkpoints=10_000) == memory() + 30 * weights


def test_a_machine_is_known_by_its_jobs():
    told = estimate(load({}), WORK).as_dict()
    expected = told["seconds"]["total"]["expected"]
    assert machine_factor([]) == 1
    assert machine_factor([(told, told["epochs"]["expected"], 4 * expected)]) == pytest.approx(2)
    twenty = [(told, told["epochs"]["expected"], 4 * expected)] * 20
    assert machine_factor(twenty) == pytest.approx(4, rel=0.1)
    # an estimate made with a factor is compared without it, and fewer epochs are no sign of speed
    slower = estimate(load({}), WORK, 2.0).as_dict()
    stopped = slower["seconds"]["total"]["expected"] - 3 * slower["seconds"]["per_epoch"]
    assert machine_factor([(slower, slower["epochs"]["expected"] - 3, stopped)] * 9) == pytest.approx(2, rel=0.1)
    assert machine_factor([({}, 1, 5.0), ({"seconds": None}, 1, 5.0), (told, 10, 0.0)]) == 1


def test_this_machine_has_memory():
    memory = machine_memory()
    assert memory is None or 10**7 < memory <= (machine_memory(group=False) or memory)


def test_steps_per_epoch_decide_over_an_epoch_and_over_how_many_are_expected():
    whole = estimate(load({"training": {"batch_size": 100, "max_epochs": 100}}), WORK)
    training = {"batch_size": 100, "max_epochs": 100, "steps_per_epoch": 5, "validation_steps": 1}
    short = estimate(load({"training": training}), WORK)
    assert whole.steps_per_epoch == -(-WORK.train // 100)
    assert short.steps_per_epoch == 5
    assert short.epoch_seconds < whole.epoch_seconds
    assert short.epochs > whole.epochs  # the best model comes after as many steps


def test_the_in_batch_loss_costs_less_a_step():
    wide = replace(WORK, vocabulary=100_000)
    full, batch = (estimate(load({"training": {"loss": loss}}), wide) for loss in ("full_softmax", "batch_softmax"))
    assert batch.epoch_seconds < full.epoch_seconds / 2
