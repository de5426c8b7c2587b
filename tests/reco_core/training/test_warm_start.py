"""Weights carried from an earlier model into one whose vocabularies have grown, shrunk and changed their order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from reco_core.config import JobConfig, load
from reco_core.config.architecture import architecture_differences, continued
from reco_core.datasets.types import Interactions
from reco_core.errors import CheckpointMismatch, ConfigInvalid, NoWeights

FEATURES = {
    "history": [{"type": "string", "name": "shade", "embedding_dim": 3}, {"type": "float", "name": "price"}],
    "global_groups": [
        {
            "features": [
                {"type": "string", "name": "town", "embedding_dim": 4},
                {"type": "int", "name": "age", "vocabulary": False, "vocabulary_size": 40, "embedding_dim": 2},
            ]
        }
    ],
}


def described(log: Interactions, towns: int, shades: int) -> Interactions:
    """The log with columns whose values are `towns` and `shades` many, the first ones rarer than the last."""
    return replace(
        log,
        user_features=pl.DataFrame(
            {
                "town": [f"town {min(n % 7, towns - 1)}" for n in range(len(log.user_ids))],
                "age": [n % 30 for n in range(len(log.user_ids))],
            }
        ),
        item_features=pl.DataFrame(
            {
                "shade": [f"shade {min(n % 5, shades - 1)}" for n in range(len(log.item_ids))],
                "price": [float(n % 9) for n in range(len(log.item_ids))],
            }
        ),
    )


class Built(NamedTuple):
    config: JobConfig
    example_set: Any
    model: Any


def built(config: JobConfig, log: Interactions) -> Built:
    from reco_core import examples, model

    example_set = examples.generate(config, log)
    config = config.model_copy(update={"features": example_set.features})
    return Built(config, example_set, model.build(config, example_set.vocabulary, example_set.timelines.features))


def base_of(found: Built, **changed: Any) -> Any:
    """The model's weights, each number another one, as a base."""
    from reco_core import training
    from reco_core.training.row_labels import row_labels
    from reco_core.training.weights import info_of, weight_names

    random = np.random.default_rng(5)
    arrays = tuple(random.normal(size=v.shape).astype(np.float32) for v in found.model.trainable_variables)
    info = info_of(found.config, "ab" * 32, [{"loss": 1.0, "ndcg@10": 0.1}], 1)
    weights = training.ModelWeights(
        info, found.example_set.vocabulary.item_ids, weight_names(found.model), arrays, row_labels(found.model)
    )
    return training.Base(replace(weights, **changed), "cd" * 32, "films@3")


@pytest.fixture(scope="module")
def earlier(tensorflow_runtime, make_planted, make_config) -> Built:
    log = make_planted(3, users=60, items=30)
    table = log.item_table
    return built(make_config("cnn", features=FEATURES), described(replace(log, item_table=table), 5, 3))


@pytest.fixture(scope="module")
def later(tensorflow_runtime, make_planted, make_config) -> Built:
    """More items and users in another order; three items are gone, and one attribute value is new."""
    log = make_planted(9, users=90, items=42)
    table = log.item_table
    gone = {"item-02": "item-x2", "item-03": "item-x3", "item-29": "item-x29"}
    attributes = tuple(("fresh",) if n == 8 else values for n, values in enumerate(table.attributes))
    log = replace(
        log,
        item_ids=tuple(gone.get(raw, raw) for raw in log.item_ids),
        item_table=replace(table, attributes=attributes),
    )
    return built(make_config("cnn", features=FEATURES), described(log, 7, 5))


def test_rows_go_to_where_the_same_id_or_value_stands_now(earlier, later):
    from reco_core import model, training

    base = base_of(earlier)
    old = dict(zip(base.weights.names, base.weights.arrays, strict=True))
    target = model.build(later.config, later.example_set.vocabulary, later.example_set.timelines.features)
    cold = {v.path: v.numpy() for v in target.trainable_variables}
    carried = training.carry_over(target, later.example_set.vocabulary, base, later.config.evaluation)
    found = {v.path: v.numpy() for v in target.trainable_variables}
    assert (carried.carried, carried.new, carried.dropped) == (27, 15, 3)

    rows = 0
    for number, raw in enumerate(later.example_set.vocabulary.item_ids[1:]):
        known = raw in base.weights.item_ids
        there = base.weights.item_ids.index(raw) - 1 if known else None
        for name in ("label_encoder/embeddings", "label_encoder/bias"):
            name = f"dual_encoder/{name}"
            if there is not None:
                assert np.array_equal(found[name][number], old[name][there])
                rows += 1
        if there is None:
            assert np.isfinite(found["dual_encoder/label_encoder/embeddings"][number]).all()
    assert rows == 2 * 27

    features = {name: set() for name in ("attribute_embeddings", "shade", "town", "age")}
    for name, labels in training.warm_start.row_labels(later.model).items():
        before = base.weights.rows[name]
        for number, value in enumerate(labels):
            kind = next(key for key in features if key in name)
            if value in before:
                assert np.array_equal(found[name][number], old[name][before.index(value)]), (name, value)
            else:
                assert np.array_equal(found[name][number], cold[name][number])
                features[kind].add(value)
    assert features["attribute_embeddings"] == {"fresh"}
    assert features["town"] == {"town 5", "town 6"}
    assert features["shade"] == {"shade 3", "shade 4"}

    for name, value in found.items():
        if "/embeddings" not in name and "label_encoder" not in name:
            assert np.array_equal(value, old[name]), name
    assert any("convolution" in name for name in found)
    assert any("age/embeddings" in name and np.array_equal(found[name], old[name]) for name in found)


def test_it_is_the_same_every_time(earlier, later):
    from reco_core import model, training

    twice = []
    for _ in range(2):
        target = model.build(later.config, later.example_set.vocabulary, later.example_set.timelines.features)
        training.carry_over(target, later.example_set.vocabulary, base_of(earlier), later.config.evaluation)
        twice.append([v.numpy() for v in target.trainable_variables])
    assert all(np.array_equal(*pair) for pair in zip(*twice, strict=True))


def test_indices_that_are_values_keep_their_rows(tensorflow_runtime):
    from reco_core.examples import FeatureTable
    from reco_core.training.warm_start import by_place

    def rows(size: int, old: int) -> list[int]:
        table = FeatureTable("age", "user", np.zeros(1, np.int32), None, 1, table_rows=size + 1)
        return by_place(table, old + 1).tolist()

    assert rows(6, 4) == [0, 1, 2, 3, -1, -1, 4]
    assert rows(3, 4) == [0, 1, 2, 4]
    assert rows(4, 4) == [0, 1, 2, 3, 4]


def test_labels_are_found_by_value_and_reserved_rows_by_place(tensorflow_runtime):
    from reco_core.training.row_labels import sources

    assert sources("abc", "cad").tolist() == [2, 0, -1]
    # a word that is called as a reserved row is, and one that stands there twice
    assert sources(["<pad>", "<oov>", "b", "<pad>", "b"], ["<pad>", "<oov>", "<pad>", "b"], 2).tolist() == [0, 1, 3, 2]


@pytest.mark.parametrize(
    ("encoder", "sections", "pointer"),
    [
        ("rnn", {}, "/encoder"),
        ("cnn", {"cnn": {"kernel_size": 2}}, "/encoder"),
        ("cnn", {"model": {"embedding_dim": 4}}, "/model"),
        ("cnn", {"model": {"hidden_layers": [5]}}, "/model"),
        ("cnn", {"model": {"item_bias": False}}, "/model"),
        ("cnn", {"model": {"item_attribute": None}}, "/model/item_attribute"),
        ("cnn", {"features": {}}, "/features"),
    ],
)
def test_weights_of_another_shape_are_refused(
    earlier, make_planted, make_config, encoder: str, sections: dict[str, Any], pointer: str
):
    from reco_core import training

    log = described(make_planted(3, users=60, items=30), 5, 3)
    kernel = sections.get("cnn")
    config = make_config(encoder, **{"features": FEATURES, **{k: v for k, v in sections.items() if k != "cnn"}})
    if kernel:
        config = config.model_copy(update={"encoder": config.encoder.model_copy(update=kernel)})
    other = built(config, log)
    with pytest.raises(ConfigInvalid, match="train without a base") as caught:
        training.carry_over(other.model, other.example_set.vocabulary, base_of(earlier), other.config.evaluation)
    assert {fault.code for fault in caught.value.errors} == {"base_mismatch"}
    if pointer == "/model/item_attribute":  # `auto` may mean none: only the weights tell
        assert caught.value.errors[0].pointer == pointer
        return
    assert any(fault.pointer.startswith(pointer) for fault in architecture_differences(earlier.config, other.config))


def test_weights_that_do_not_say_what_their_rows_are(earlier, later):
    from reco_core import training

    with pytest.raises(CheckpointMismatch, match="train the base again"):
        training.carry_over(
            later.model, later.example_set.vocabulary, base_of(earlier, rows={}), later.config.evaluation
        )


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        (
            {
                "training": {"max_epochs": 2},
                "model": {"dropout": 0.5, "id_dropout": 0.1},
                "seed": 3,
                "export": {"top_k": 5},
            },
            [],
        ),
        ({"features": {"global_groups": []}}, ["/features/global_groups"]),
        ({"encoder": {"type": "bow"}}, ["/encoder/type"]),
        ({"encoder": {"kernel_size": 2}}, ["/encoder/kernel_size"]),
        ({"model": {"embedding_dim": 4, "item_bias": False}}, ["/model/embedding_dim", "/model/item_bias"]),
    ],
)
def test_a_config_that_goes_on_from_another(earlier, changes: dict[str, Any], pointers: list[str]):
    if not pointers:
        found = continued(earlier.config, changes)
        assert (found.training.max_epochs, found.model.dropout, found.seed, found.encoder) == (
            *(2, 0.5, 3),
            earlier.config.encoder,
        )
        return
    with pytest.raises(ConfigInvalid, match="the base's is") as caught:
        continued(earlier.config, changes)
    assert [fault.pointer for fault in caught.value.errors] == pointers
    assert {fault.code for fault in caught.value.errors} == {"base_mismatch"}


def test_the_features_of_a_group_are_compared_one_by_one(earlier):
    document = earlier.config.model_dump(mode="json")
    document["features"]["global_groups"][0]["features"][0]["embedding_dim"] = 5
    document["features"]["history"][0]["vocabulary_size"] = 2  # rows are matched by value
    faults = architecture_differences(earlier.config, load(document))
    assert [fault.pointer for fault in faults] == ["/features/global_groups/0/features/0/embedding_dim"]


def test_where_weights_are_looked_for(tensorflow_runtime, tmp_path: Path):
    from reco_core import training

    work = tmp_path / "films.work"
    (work / "weights").mkdir(parents=True)
    best = work / "weights" / "best.npz"
    (tmp_path / "films").mkdir()
    for given in (tmp_path / "films", work, work / "weights"):
        with pytest.raises(NoWeights, match="holds no weights"):
            training.find_weights(given)
    with pytest.raises(NoWeights, match="no such file or folder"):
        training.find_weights(tmp_path / "nothing")
    best.write_bytes(b"x")
    assert {training.find_weights(given) for given in (tmp_path / "films", work, work / "weights", best)} == {best}
    with pytest.raises(CheckpointMismatch, match="not a readable file of weights"):
        training.read_base(work)


@pytest.mark.parametrize(
    ("theirs", "ours", "known"),
    [
        ({}, {}, False),
        ({}, {"k": [3]}, False),
        ({"protocol": "temporal"}, {"protocol": "temporal"}, False),
        ({"protocol": "temporal"}, {"protocol": "temporal", "test_fraction": 0.2}, True),
        ({"protocol": "temporal"}, {}, True),
        ({"protocol": "reference"}, {"protocol": "reference"}, True),
        ({"protocol": "user_disjoint"}, {"protocol": "user_disjoint"}, True),
        ({}, {"cold_items": 0.1}, True),
        ({"inherited": True}, {}, True),
    ],
)
def test_what_the_base_may_know_of_the_test_data(
    earlier, make_config, theirs: dict[str, Any], ours: dict[str, Any], known: bool
):
    from reco_core import training

    base = base_of(earlier)
    split = make_config(evaluation={k: v for k, v in theirs.items() if k != "inherited"}).evaluation
    config = base.weights.info.config.model_copy(update={"evaluation": split})
    before = {"may_know_test_data": True} if theirs.get("inherited") else None
    base = replace(base, weights=replace(base.weights, info=replace(base.weights.info, config=config, base=before)))
    found = training.carry_over(
        earlier.model, earlier.example_set.vocabulary, base, make_config(evaluation=ours).evaluation
    )
    assert found.may_know_test_data is known
    report = {"warnings": ["w"], "training": {"epochs": 2}}
    stated = training.stated(report, found.as_dict())
    assert stated["training"] == {"epochs": 2, "base": found.as_dict()}
    assert (len(stated["warnings"]), report["warnings"]) == (1 + known, ["w"])
