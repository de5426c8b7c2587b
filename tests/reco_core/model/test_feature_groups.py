"""What every group of features promises, whatever its encoder, types and layout."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from reco_core.examples import FeatureTable, Vocabulary

LENGTH, FLAT, ITEMS = 6, 9, 20


def category(name: str, rows: int, **fields: Any) -> FeatureTable:
    vocabulary = ("<pad>", "<oov>", *map(str, range(rows - 2)))
    fields = {"scope": "item", "length": 1, **fields}
    return FeatureTable(
        name, values=np.zeros(0, np.int32), offsets=None, vocabulary=vocabulary, table_rows=rows, **fields
    )


def quantity(name: str, mean: float = 100.0, deviation: float = 20.0, **fields: Any) -> FeatureTable:
    fields = {"scope": "interaction", "length": 1, **fields}
    return FeatureTable(name, values=np.zeros(0, np.float32), offsets=None, mean=mean, deviation=deviation, **fields)


def number(name: str, values: int, **fields: Any) -> FeatureTable:
    fields = {"scope": "interaction", "length": 1, **fields}
    return FeatureTable(name, values=np.zeros(0, np.int32), offsets=None, table_rows=values + 1, **fields)


TABLES = {
    table.name: table
    for table in (
        category("genres", 7, length=3),
        category("list", 7, length=FLAT, layout="flat"),
        category("age", 5, scope="user"),
        category("likes", 7, scope="user", length=4),
        number("hour", 24),
        quantity("rating"),
        quantity("time", mean=1.7e9, deviation=1e6),
        quantity("prices", layout="flat", length=4),
        quantity("income", scope="user"),
    )
}
KINDS = {"genres": "string", "list": "string", "age": "int", "likes": "string", "hour": "int"}


def feature(name: str) -> dict[str, Any]:
    table = TABLES[name]
    described = {"name": name, "type": KINDS.get(name, "float"), "layout": table.layout, "length": table.length}
    if name == "hour":
        described |= {"vocabulary": False, "vocabulary_size": 24}
    return described if described["type"] == "float" else {**described, "embedding_dim": 4}


def inputs_of(names: list[str], rows: int = 8, seed: int = 0) -> dict[str, np.ndarray]:
    """Random histories of 0 to 6 items, and values for these features as far as there are items."""
    random = np.random.default_rng(seed)
    lengths = np.arange(rows) % (LENGTH + 1)
    inside = np.arange(LENGTH) < lengths[:, None]
    found = {"history": np.where(inside, random.integers(1, ITEMS + 1, (rows, LENGTH)), 0).astype(np.int32)}
    for name in names:
        table = TABLES[name]
        shape = (rows, *table.window_shape(LENGTH))
        if table.is_float:
            found[name] = random.normal(table.mean, table.deviation, shape).astype(np.float32)
        else:
            found[name] = random.integers(1, table.table_rows, shape).astype(np.int32)
        if table.scope != "user" and table.layout == "aligned":
            found[name][~inside] = table.fill
        elif table.layout == "flat" and not table.is_float:
            found[name][np.arange(FLAT) >= (lengths * 3 // 2)[:, None]] = 0
    return found


GROUPS = {
    "activity": (["genres", "hour", "rating"], "activity_groups"),
    "quantities": (["rating", "time"], "activity_groups"),
    "flat": (["list"], "activity_groups"),
    "flat_quantities": (["prices"], "activity_groups"),
    "user": (["age", "income"], "global_groups"),
    "user_list": (["age", "likes"], "global_groups"),
    "user_quantity": (["income"], "global_groups"),
    "history": (["genres", "rating", "time"], "history"),
}


@pytest.fixture(scope="module")
def models(tensorflow_runtime, make_config) -> Callable[[type[Contract], str], Any]:
    """`models(contract, group)`; tests must not change them."""
    exported = {"variants": ["float32", "float16"]}
    return cache(lambda contract, group: contract().make(make_config, group, export=exported))


class Contract:
    encoder: str

    @pytest.fixture(params=GROUPS)
    def group(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def model(self, models, group) -> Any:
        return models(type(self), group)

    def make(self, make_config, group: str, **sections: Any) -> Any:
        from reco_core import model

        names, place = GROUPS[group]
        features = [feature(name) for name in names]
        encoder = make_config(self.encoder).encoder.model_dump()
        groups = {place: features if place == "history" else [{"features": features, "encoder": encoder}]}
        config = make_config(self.encoder, features=groups, **sections)
        ids = ("<pad>", *map(str, range(1, ITEMS + 1)))
        return model.build(config, Vocabulary(ids, np.ones(ITEMS + 1), (None,) * (ITEMS + 1), None), TABLES)

    def test_it_plays_a_part(self, model, group):
        names, _ = GROUPS[group]
        inputs = inputs_of(names)
        before = np.asarray(model.scores(inputs))
        assert np.isfinite(before).all()
        for name in names:
            table = TABLES[name]
            other = inputs[name] + table.deviation if table.is_float else np.where(inputs[name] == 2, 3, 2)
            after = np.asarray(model.scores({**inputs, name: other.astype(inputs[name].dtype)}))
            moved = (np.abs(after - before) > 1e-7).any(axis=1)
            assert moved[[row for row in range(8) if row % 7 or table.scope == "user"]].all(), name

    def test_what_stands_where_nothing_is_plays_none(self, model, group):
        names, _ = GROUPS[group]
        inputs = inputs_of(names)
        inside = inputs["history"] > 0
        garbage = dict(inputs)
        for name in names:
            table = TABLES[name]
            if table.scope == "user":
                continue
            if table.layout == "aligned":
                garbage[name] = inputs[name].copy()
                garbage[name][~inside] = 3
            elif table.is_float:
                garbage[name] = inputs[name].copy()
                garbage[name][np.arange(table.length) >= inside.sum(axis=1)[:, None]] = 3
        assert np.array_equal(model.scores(garbage), model.scores(inputs))

    def test_values_outside_the_table_are_out_of_vocabulary(self, model, group):
        names, _ = GROUPS[group]
        inputs = inputs_of(names)
        for name in names:
            table = TABLES[name]
            if table.is_float:
                continue
            for wild in (table.table_rows, 2**31 - 1, -1, -(2**31)):
                far, oov = (np.where(inputs[name] == 2, value, inputs[name]) for value in (wild, table.oov))
                scores = [model.scores({**inputs, name: values.astype(np.int32)}) for values in (far, oov)]
                assert np.array_equal(*scores), (name, wild)

    def test_a_missing_quantity_is_as_the_mean(self, model, group):
        names, _ = GROUPS[group]
        quantities = [name for name in names if TABLES[name].is_float]
        inputs = inputs_of(names)
        nan, mean = (
            {**inputs, **{n: np.full_like(inputs[n], v or TABLES[n].fill) for n in quantities}} for v in (np.nan, 0)
        )
        assert np.allclose(model.scores(nan), model.scores(mean), atol=1e-6)

    def test_users_do_not_touch_each_other(self, model, group):
        inputs = inputs_of(GROUPS[group][0])
        together = np.asarray(model.scores(inputs))
        for row in range(len(together)):
            alone = model.scores({name: values[row : row + 1] for name, values in inputs.items()})
            assert np.allclose(alone[0], together[row], atol=1e-5)

    def test_dropout_follows_its_seed(self, tensorflow_runtime, make_config, group):
        model = self.make(make_config, group, model={"dropout": 0.5})
        inputs = inputs_of(GROUPS[group][0])
        one, again, other = (np.asarray(model.scores(inputs, seed)) for seed in ((1, 1), (1, 1), (1, 2)))
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)

    def test_weights_follow_the_seed(self, make_config, model, group):
        one, seed = model.get_weights(), model.config.seed
        again, other = (self.make(make_config, group, seed=seed).get_weights() for seed in (seed, seed + 1))
        assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))

    @pytest.mark.slow
    def test_the_files_rank_as_keras_does_with_built_in_operations(self, model, group, tmp_path):
        from ai_edge_litert import schema_py_generated as schema

        from reco_core import export
        from reco_core.inference import Recommender

        ids = ("<pad>", *map(str, range(1, ITEMS + 1)))
        vocabulary = Vocabulary(ids, np.ones(ITEMS + 1, np.int64), (None,) * (ITEMS + 1), None)
        files = export.export(model.config, model, vocabulary, tmp_path)
        inputs = inputs_of(GROUPS[group][0])
        expected = np.asarray(model.scores(inputs))
        for name, tolerance in (("float32", 1e-4), ("float16", 2e-2)):
            path = files.variants[name].path
            codes = schema.Model.GetRootAs(path.read_bytes())
            for place in range(codes.OperatorCodesLength()):
                assert codes.OperatorCodes(place).CustomCode() is None
            recommender = Recommender(path)
            for row in range(len(expected)):
                features = {feature: values[row] for feature, values in inputs.items() if feature != "history"}
                found = recommender.score_all(inputs["history"][row], features)
                assert np.allclose(found, expected[row], atol=tolerance), (name, row)
                if name == "float32":
                    best, _ = recommender.recommend(inputs["history"][row][inputs["history"][row] > 0], None, features)
                    left = expected[row].copy()
                    left[inputs["history"][row][inputs["history"][row] > 0] - 1] = -np.inf
                    assert np.allclose(left[best[:5] - 1], np.sort(left)[::-1][:5], atol=1e-4)


class TestBow(Contract):
    encoder = "bow"


class TestCnn(Contract):
    encoder = "cnn"


class TestRnn(Contract):
    encoder = "rnn"


@pytest.fixture
def build(tensorflow_runtime, make_config):
    return lambda group, **sections: TestBow().make(make_config, group, **sections)


def test_a_flat_list_is_the_mean_of_its_embeddings(build):
    model = build("flat")
    (group,) = model.groups
    table = np.asarray(group.sequence.parts[0].embeddings)
    inputs = inputs_of(["list"])
    found = np.asarray(group(inputs, np.ones((8, LENGTH), np.float32), drop=lambda value: value))
    for row, values in enumerate(inputs["list"]):
        held = values[values > 0]
        assert np.allclose(found[row], table[held].mean(axis=0) if len(held) else 0, atol=1e-6)


def test_quantities_are_standardised_inside(build):
    model = build("user_quantity")
    (group,) = model.groups
    inputs = {"history": np.zeros((3, LENGTH), np.int32), "income": np.array([[100], [140], [np.nan]], np.float32)}
    found = group(inputs, np.zeros((3, LENGTH), np.float32), drop=lambda value: value)
    assert np.allclose(found, [[0], [2], [0]])


def test_one_value_beside_a_list_goes_with_each_of_them(build):
    model = build("user_list")
    (group,) = model.groups
    age, likes = (np.asarray(part.embeddings) for part in group.sequence.parts)
    inputs = {"age": np.array([[2], [3], [0]], np.int32), "likes": np.zeros((3, 4), np.int32)}
    inputs["likes"][0, :2] = 2, 5
    found = group(inputs, np.zeros((3, LENGTH), np.float32), drop=lambda value: value)
    expected = [
        np.concatenate([age[2], likes[[2, 5]].mean(axis=0)]),
        np.concatenate([age[3], np.zeros(4)]),
        np.zeros(8),
    ]
    assert np.allclose(found, expected, atol=1e-6)


def test_rows_that_mean_nothing_yet_start_at_zero(build):
    model = build("activity")
    genres, hour = (np.asarray(part.embeddings) for part in model.groups[0].sequence.parts[:2])
    assert not genres[[0, 1]].any()
    assert not hour[[0, 24]].any()
    assert genres[2:].all()
    assert hour[1:24].all()
