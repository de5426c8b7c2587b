"""The neighbour head's fit: what is counted, and every blend ranked as evaluation ranks it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core import examples
from reco_core.evaluation import evaluate, follower_table

pytestmark = pytest.mark.usefixtures("tensorflow_runtime")

LENGTH = 6


@pytest.fixture(scope="module")
def settings(make_config):
    return make_config(model={"neighbours": {"followers": 4}})


@pytest.fixture(scope="module")
def example_set(settings, planted):
    return examples.generate(settings, planted)


def popularity(example_set, noise=0.0):
    """A dense model that knows nothing of what follows what; without noise it is full of ties."""
    scores = np.log1p(example_set.vocabulary.counts).round(1).astype(np.float32)

    def score(batch):
        random = np.random.default_rng(batch.users.astype(np.int64))
        return scores + noise * random.standard_normal((len(batch), len(scores))).astype(np.float32)

    return score


def with_head(dense, head):
    def score(batch):
        scores = dense(batch)
        head.add_to(scores, batch.window(LENGTH))
        return scores

    return score


def ndcg(scorer, example_set, repeats=False):
    found = evaluate(scorer, example_set, "validation", repeats=repeats, bootstrap_samples=0, lists=False)
    return found["ndcg@10"]


@pytest.mark.parametrize("repeats", [False, True])
def test_every_blend_is_ranked_as_evaluation_ranks_it(example_set, planted_untidy, settings, repeats):
    from reco_core.model import NeighbourHead, coded
    from reco_core.training.blends import Block

    if repeats:
        example_set = examples.generate(settings.model_copy(update={"repeats": True}), planted_untidy)
    followers, strengths = follower_table(example_set).strongest(4)
    # few different strengths, so that there are ties among what is added, too
    codes, scale = coded(np.ceil(strengths * 4) / 4)
    table = NeighbourHead(followers, codes, 1.0, scale)
    dense = popularity(example_set)
    decays = (0.5, 1.0)
    validation = example_set.validation
    block = Block.of(validation, dense, table, decays, example_set, length=LENGTH, repeats=repeats)
    nothing = with_head(lambda batch: np.zeros((len(batch), table.items + 1), np.float32), table)
    total = len(validation)
    assert block.blended(0, 0.0) / total == pytest.approx(ndcg(dense, example_set, repeats), abs=1e-12)
    assert block.alone(1) / total == pytest.approx(ndcg(nothing, example_set, repeats), abs=1e-12)
    for at, decay in enumerate(decays):
        for weight in (0.25, 1.0, 40.0):
            head = replace(table, decay=decay, scale=scale * weight)
            expected = ndcg(with_head(dense, head), example_set, repeats)
            # sums in another order may make or break a tie
            assert block.blended(at, weight) / total == pytest.approx(expected, abs=2e-3), (decay, weight)


def test_the_head_helps_where_items_have_successors_and_its_figures_are_those_of_what_ships(settings, example_set):
    from reco_core.training.neighbours import fit_neighbours

    dense = popularity(example_set, noise=0.3)
    fitted = fit_neighbours(settings, dense, example_set)
    found = fitted.validation_ndcg
    assert fitted.head is not None
    assert found["blended"] > 1.5 * found["dense"]
    assert found["blended"] >= found["table"] > found["dense"]
    assert found["blended"] == pytest.approx(ndcg(with_head(dense, fitted.head), example_set), abs=1e-3)
    assert fitted.head.codes.shape == (example_set.vocabulary.size + 1, 4)
    assert fitted.as_dict()["validation"]["dense_ndcg@10"] == found["dense"]


def test_it_is_counted_in_training_only(settings, example_set):
    from reco_core.training.neighbours import fit_neighbours

    dense = popularity(example_set)
    items = example_set.timelines.items.copy()
    held_out = np.flatnonzero(~example_set.in_training)
    items[held_out] = np.roll(items[held_out], 7)
    other = replace(example_set, timelines=replace(example_set.timelines, items=items))
    ours, theirs = (fit_neighbours(settings, dense, one).head for one in (example_set, other))
    if theirs is not None:
        np.testing.assert_array_equal(ours.codes, theirs.codes)
    table, again = (follower_table(one).strongest(4) for one in (example_set, other))
    np.testing.assert_array_equal(table[0], again[0])


def test_without_a_weight_that_helps_there_is_no_head(settings, example_set):
    from reco_core.training.neighbours import fit_neighbours

    def knowing(batch):
        scores = np.zeros((len(batch), example_set.vocabulary.size + 1), np.float32)
        scores[np.arange(len(batch)), example_set.timelines.items[batch.ends]] = 1
        return scores

    fitted = fit_neighbours(settings, knowing, example_set)
    assert fitted.head is None
    assert fitted.weight == 0
    assert fitted.validation_ndcg["blended"] == fitted.validation_ndcg["dense"]


def test_parts_of_any_size_give_the_same(settings, example_set, monkeypatch):
    from reco_core.training import neighbours

    dense = popularity(example_set)
    whole = neighbours.fit_neighbours(settings, dense, example_set)
    monkeypatch.setattr(neighbours, "_unit", lambda _: 1.0)
    first = neighbours.fit_neighbours(settings, dense, example_set)
    monkeypatch.setattr(neighbours, "_BLOCK_ENTRIES", 1)
    second = neighbours.fit_neighbours(settings, dense, example_set)
    assert (first.decay, first.weight) == (second.decay, second.weight)
    assert first.validation_ndcg == pytest.approx(second.validation_ndcg)
    assert whole.validation_ndcg["table"] == pytest.approx(second.validation_ndcg["table"])
