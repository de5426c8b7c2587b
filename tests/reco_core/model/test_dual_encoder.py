"""The model around the context encoder."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reco_core.errors import ConfigInvalid
from reco_core.examples import ItemAttribute, Vocabulary, generate

ROOT = Path(__file__).parents[3]
ENCODERS = ("bow", "cnn", "rnn", "gru", "transformer")

# item 1: two values, item 2: none, item 3: one, item 4: the same value twice
ATTRIBUTE = ItemAttribute(
    name="genres",
    values=("<pad>", "Drama", "Comedy"),
    offsets=np.array([0, 0, 2, 2, 3, 5]),
    indices=np.array([1, 2, 2, 1, 1], np.int32),
)


def vocabulary(attribute: ItemAttribute | None = ATTRIBUTE, items: int = 4) -> Vocabulary:
    return Vocabulary(("<pad>", *map(str, range(1, items + 1))), np.ones(items + 1), (None,) * (items + 1), attribute)


@pytest.fixture
def build(tensorflow_runtime, make_config):
    from reco_core import model

    def make(encoder="bow", of=None, **sections):
        return model.build(make_config(encoder, **sections), of or vocabulary())

    return make


def test_item_rows_are_their_own_embedding_and_the_mean_of_their_attributes(build):
    label_encoder = build().label_encoder
    own = np.asarray(label_encoder.embeddings)
    values = np.asarray(label_encoder.attribute_embeddings)
    expected = own.copy()
    for item in range(4):
        held = ATTRIBUTE.indices[ATTRIBUTE.offsets[item + 1] : ATTRIBUTE.offsets[item + 2]]
        if len(held):
            expected[item] += values[held].mean(axis=0)
    assert own.shape == (4, 8)
    assert np.allclose(label_encoder.rows(), expected, atol=1e-6)
    assert not np.allclose(expected[0], own[0])


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("attribute", [ATTRIBUTE, None])
def test_some_rows_are_as_in_the_whole_table(build, similarity, attribute):
    label_encoder = build(of=vocabulary(attribute), model={"similarity": similarity}).label_encoder
    items = np.array([3, 0, 2], np.int32)
    some = label_encoder.rows_of(items, np.asarray(label_encoder.embeddings)[items])
    assert np.allclose(some, np.asarray(label_encoder.rows())[items], atol=1e-6)


def test_cosine_times_temperature_whatever_the_lengths(build):
    model = build(model={"similarity": "cosine", "item_bias": False})
    history = np.array([[1, 2, 0], [4, 0, 0]], np.int32)
    history = np.pad(history, ((0, 0), (0, model.history_length - 3)))
    before = np.asarray(model.scores({"history": history}))
    assert np.abs(before).max() <= 10 + 1e-4
    assert np.allclose(np.linalg.norm(model.label_encoder.rows(), axis=1), 1, atol=1e-5)
    model.log_temperature.assign(np.log(20.0))
    assert np.allclose(np.asarray(model.scores({"history": history})), 2 * before, rtol=1e-4)


def test_without_attribute_a_row_is_the_embedding(build):
    for label_encoder in (
        build(model={"item_attribute": None}).label_encoder,
        build(of=vocabulary(None)).label_encoder,
    ):
        assert np.array_equal(label_encoder.rows(), label_encoder.embeddings)
        assert label_encoder.attribute_embeddings is None


def test_an_attribute_may_be_named(build):
    assert np.array_equal(build(model={"item_attribute": "genres"}).label_encoder.rows(), build().label_encoder.rows())


@pytest.mark.parametrize(("attribute", "has"), [(ATTRIBUTE, "it has 'genres'"), (None, "no multi-valued attribute")])
def test_an_attribute_that_the_data_lack_is_a_config_error(build, attribute, has):
    with pytest.raises(ConfigInvalid, match=has) as caught:
        build(of=vocabulary(attribute), model={"item_attribute": "genre"})
    assert caught.value.errors[0].pointer == "/model/item_attribute"


@pytest.mark.parametrize("encoder", ENCODERS)
def test_scores_are_dot_products_with_the_item_rows_plus_bias(build, encoder):
    model = build(encoder, model={"hidden_layers": [5]})
    model.label_encoder.bias.assign(np.array([1, 2, 3, 4], np.float32))
    history = np.array([[2, 1, 4, 0, 0, 0], [3, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]], np.int32)
    rows = np.asarray(model.label_encoder.rows())
    embedded = np.concatenate([np.full((1, 8), 99), rows])[history].astype(np.float32)  # 99 under the mask
    context = np.asarray(model.encode(embedded, {"history": history}))
    assert np.allclose(model.scores({"history": history}), context @ rows.T + [1, 2, 3, 4], atol=1e-5)
    assert np.array_equal(model({"history": history}), model.scores({"history": history}))


def test_without_item_bias_there_is_none(build):
    model = build(model={"item_bias": False})
    assert not [weight.name for weight in model.label_encoder.weights if weight.name == "bias"]
    assert np.array_equal(model.label_encoder.biases(), np.zeros(4))


def test_context_vectors_may_be_negative(build):
    # a ReLU on the projection would leave half of the space unused
    contexts = build().encode(
        np.random.default_rng(0).normal(size=(50, 6, 8)).astype(np.float32), {"history": np.ones((50, 6), np.int32)}
    )
    assert (np.asarray(contexts) < 0).any()


def test_dropout_depends_on_its_seed_alone(build):
    model = build(model={"dropout": 0.5})
    history = np.array([[2, 1, 4, 3, 0, 0]], np.int32)
    plain, one, again, other = (
        np.asarray(model.scores({"history": history}, seed)) for seed in (None, (1, 1), (1, 1), (1, 2))
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, plain)
    none = build(model={"dropout": 0})
    assert np.array_equal(none.scores({"history": history}, (1, 1)), none.scores({"history": history}))


def digest(model) -> str:
    return hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()


def test_weights_follow_the_seed(build):
    assert digest(build(seed=3)) == digest(build(seed=3))
    assert digest(build(seed=3)) != digest(build(seed=4))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_layers_start_with_weights_of_their_own(build, encoder):
    large = [w for w in build(encoder, model={"hidden_layers": [8]}).get_weights() if w.ndim > 1 and w.any()]
    pairs = [(a, b) for i, a in enumerate(large) for b in large[:i] if a.shape == b.shape]
    assert not [1 for a, b in pairs if np.array_equal(a, b)]


SCRIPT = """
import hashlib, json, sys
sys.path.insert(0, "tests")
import conftest
from reco_core import examples, model, training
training.configure()
found = {}
for encoder in conftest.ENCODERS:
    config = conftest.tiny_config(encoder)
    built = model.build(config, examples.generate(config, conftest.planted_log(3, users=30)).vocabulary)
    found[encoder] = hashlib.sha256(b"".join(weight.tobytes() for weight in built.get_weights())).hexdigest()
print(json.dumps(found))
"""


@pytest.mark.slow
def test_another_process_starts_with_the_same_weights(build, make_planted, make_config):
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, timeout=120, check=True)
    of = generate(make_config(), make_planted(3, users=30)).vocabulary
    assert json.loads(done.stdout) == {encoder: digest(build(encoder, of)) for encoder in ENCODERS}
