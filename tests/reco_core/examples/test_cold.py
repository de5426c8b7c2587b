"""Items that training is kept from: nothing of them is in it, and everything else is as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from reco_core import examples
from reco_core.config import JobConfig, load
from reco_core.errors import ConfigInvalid
from reco_core.examples import seen_pairs, windows


@pytest.fixture(scope="module")
def config(make_config) -> JobConfig:
    return make_config(evaluation={"cold_items": 0.2})


@pytest.fixture(scope="module")
def cold(config, planted):
    return examples.generate(config, planted)


def _seen(made, split):
    return seen_pairs(made.timelines, made.split(split))


def test_the_share_is_drawn_by_the_seed_and_comes_last_in_the_vocabulary(cold, config, planted):
    assert cold.cold_items.tolist() == list(range(49, 61))  # 12 of 60
    assert (cold.vocabulary.counts[49:] == 0).all()
    assert (cold.vocabulary.counts[1:49] > 0).all()
    ids = cold.vocabulary.item_ids[49:]
    assert list(ids) == sorted(ids)
    again = examples.generate(config, planted)
    assert again.vocabulary.item_ids == cold.vocabulary.item_ids
    other = examples.generate(config.model_copy(update={"seed": 8}), planted)
    assert set(other.vocabulary.item_ids[49:]) != set(ids)


def test_training_has_cold_items_neither_as_labels_nor_in_contexts(cold):
    train, timelines = cold.train, cold.timelines
    assert not np.isin(timelines.items[train.labels], cold.cold_items).any()
    assert not np.isin(windows(timelines, train.users, train.labels, 20), cold.cold_items).any()
    assert not np.isin(timelines.items[cold.in_training], cold.cold_items).any()
    assert (train.labels > timelines.offsets[train.users]).all()  # none is without a context


def test_held_out_labels_and_what_was_seen_stay(cold, config, planted):
    warm = examples.generate(config.model_copy(update={"evaluation": load({}).evaluation}), planted)
    for split in ("validation", "test"):
        ids = [
            [made.vocabulary.item_ids[item] for item in made.timelines.items[made.split(split).labels]]
            for made in (cold, warm)
        ]
        assert ids[0] == ids[1]
        seen = [
            {(row, made.vocabulary.item_ids[item]) for row, item in zip(*_seen(made, split), strict=True)}
            for made in (cold, warm)
        ]
        assert seen[0] == seen[1]
    assert np.isin(cold.timelines.items[cold.test.labels], cold.cold_items).any()


def test_what_training_is_given_has_no_such_items(cold):
    warm = examples.warm_only(cold)
    assert warm.vocabulary.size == 48
    assert warm.vocabulary.item_ids == cold.vocabulary.item_ids[:49]
    assert len(warm.train) == len(cold.train)
    assert warm.timelines.items.max() <= 48
    assert warm.timelines.seen_items.max() <= 48
    labels = [made.timelines.items[made.train.labels] for made in (warm, cold)]
    contexts = [windows(made.timelines, made.train.users, made.train.labels, 6) for made in (warm, cold)]
    np.testing.assert_array_equal(*labels)
    np.testing.assert_array_equal(*contexts)
    rows, seen = seen_pairs(warm.timelines, warm.validation)
    assert len(rows) == len(seen)
    validated = cold.timelines.items[cold.validation.labels]
    np.testing.assert_array_equal(
        warm.timelines.items[warm.validation.labels], validated[~np.isin(validated, cold.cold_items)]
    )
    attribute = warm.vocabulary.attribute
    assert attribute.offsets[-1] == len(attribute.indices)
    assert len(attribute.offsets) == 50


def test_features_of_items_and_interactions_follow(featured, make_config, make_groups):
    config = make_config(features=make_groups(), evaluation={"cold_items": 0.2})
    made = examples.generate(config, featured)
    warm = examples.warm_only(made)
    kept = np.flatnonzero(~np.isin(made.timelines.items, made.cold_items))
    for name, table in warm.timelines.features.items():
        whole = made.timelines.features[name]
        if table.scope == "interaction" and table.offsets is None:
            np.testing.assert_array_equal(table.values, whole.values[kept])
        if table.scope == "item" and table.offsets is None:
            np.testing.assert_array_equal(table.values, whole.values[: warm.vocabulary.size + 1])


def test_cold_labels_are_a_part_of_the_test(cold):
    some = examples.cold_labels(cold)
    assert 0 < len(some.test) < len(cold.test)
    assert np.isin(some.timelines.items[some.test.labels], cold.cold_items).all()


def test_kept_examples_know_them(cold, planted, config, tmp_path):
    prepared = examples.prepare(config, planted)
    examples.store_prepared(prepared, tmp_path)
    np.testing.assert_array_equal(examples.restore_prepared(tmp_path).example_set.cold_items, cold.cold_items)


def test_none_are_kept_out_by_default(planted, make_config):
    made = examples.generate(make_config(), planted)
    assert len(made.cold_items) == 0
    assert examples.warm_only(made) is made


def test_items_need_an_attribute(planted, config):
    with pytest.raises(ConfigInvalid, match="multi-valued attribute") as refused:
        examples.generate(config, replace(planted, item_table=None))
    assert refused.value.errors[0].pointer == "/evaluation/cold_items"
    with pytest.raises(ConfigInvalid, match="item_attribute is null"):
        examples.generate(load({**config.model_dump(mode="json"), "model": {"item_attribute": None}}), planted)


def test_a_random_split_has_no_end_of_training():
    with pytest.raises((ConfigInvalid, ValidationError), match="cold_items needs a protocol"):
        load({"evaluation": {"cold_items": 0.1, "protocol": "reference"}})
