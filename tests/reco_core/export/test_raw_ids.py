"""Files whose tensors hold raw ids answer as files with indices do."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from reco_core.errors import ConfigInvalid
from reco_core.examples import FeatureTable, Vocabulary
from reco_core.export import operators
from reco_core.inference import Recommender, left_aligned

ITEMS = 40
# close together: looked up in a table; far apart: searched for
SPACES = {"dense": 3, "sparse": 200_001}


def vocabulary_of(numbers: np.ndarray) -> Vocabulary:
    names = ("<pad>", *map(str, numbers))
    return Vocabulary(names, np.ones(len(names), np.int64), (None,) * len(names), None)


@pytest.fixture(params=SPACES)
def both(request, tensorflow_runtime, make_config, tmp_path):
    """`(raw ids by index, the file with indices, the file with raw ids)` of the same untrained model."""
    from reco_core import export, model

    step = SPACES[request.param]
    numbers = np.random.default_rng(3).permutation(np.arange(1, ITEMS + 1, dtype=np.int32) * step)
    vocabulary = vocabulary_of(numbers)
    paths = []
    for ids in ("index", "raw"):
        config = make_config(
            "cnn",
            export={"ids": ids, "top_k": 15, "exclude_ids": 3, "variants": ["float32"], "default_variant": "float32"},
        )
        built = model.build(config, vocabulary)
        paths.append(export.export(config, built, vocabulary, tmp_path / ids).variants["float32"].path)
    return np.concatenate([[0], numbers]).astype(np.int32), *paths


def test_raw_ids_in_and_out_give_the_same_answers(both):
    raw, with_indices, with_raw = both
    by_index, by_raw = Recommender(with_indices), Recommender(with_raw)
    random = np.random.default_rng(8)
    for _ in range(30):
        history = random.integers(1, ITEMS + 1, random.integers(0, 9)).astype(np.int32)
        excluded = random.integers(1, ITEMS + 1, random.integers(0, 4)).astype(np.int32)
        ids, scores = by_index.recommend(history, excluded)
        found, their_scores = by_raw.recommend(raw[history], raw[excluded])
        assert found.dtype == np.int32
        assert found.tolist() == raw[ids].tolist()
        assert np.array_equal(scores, their_scores)


def test_unknown_ids_are_as_if_they_were_not_there(both):
    raw, _, with_raw = both
    recommender = Recommender(with_raw)
    a, b, c = raw[[4, 9, 31]]
    expected = recommender.recommend(np.array([a, b, c], np.int32))
    largest = int(raw.max())
    for holes in ([2, a, b, c], [a, 0, b, largest + 1, c], [a, b, c, 2**31 - 1], [-7, a, b, 2, c]):
        ids, scores = recommender.recommend(np.array(holes, np.int32))
        assert ids.tolist() == expected[0].tolist()
        assert np.array_equal(scores, expected[1])


def test_scores_of_all_items_stay_in_index_order(both):
    raw, with_indices, with_raw = both
    history = left_aligned(np.array([5, 6, 40], np.int32), 6)
    expected = Recommender(with_indices).score_all(history[0])
    assert np.array_equal(Recommender(with_raw).score_all(raw[history[0]]), expected)


def test_only_built_in_operations_and_the_same_signatures(both):
    _, with_indices, with_raw = both
    assert not {name for name in operators(with_raw) if "CUSTOM" in name}
    details = [Interpreter(model_path=str(path)).get_signature_list() for path in (with_indices, with_raw)]
    assert details[0] == details[1]


def test_ids_that_are_no_numbers_are_refused(tensorflow_runtime, make_config, tmp_path):
    from reco_core import export, model

    vocabulary = Vocabulary(("<pad>", "1", "sku-2"), np.ones(3, np.int64), (None,) * 3, None)
    config = make_config(export={"ids": "raw"})
    with pytest.raises(ConfigInvalid, match="'sku-2'") as caught:
        export.export(config, model.build(config, vocabulary), vocabulary, tmp_path)
    assert caught.value.errors[0].pointer == "/export/ids"


def test_features_move_with_their_items(tensorflow_runtime, make_config, tmp_path):
    from reco_core import export, model

    numbers = np.arange(1, ITEMS + 1, dtype=np.int32) * 3
    vocabulary = vocabulary_of(numbers)
    stars = {"type": "int", "name": "stars", "vocabulary": False, "vocabulary_size": 6}
    table = FeatureTable("stars", "interaction", np.zeros(0, np.int32), None, 1, table_rows=7)
    config = make_config(
        "cnn",
        features={"history": [stars]},
        export={"ids": "raw", "variants": ["float32"], "default_variant": "float32"},
    )
    built = model.build(config, vocabulary, {"stars": table})
    path = export.export(config, built, vocabulary, tmp_path).variants["float32"].path
    recommender = Recommender(path)

    def answer(history, values):
        ids, scores = recommender.recommend(np.array(history, np.int32), features={"stars": np.array(values, np.int32)})
        return ids.tolist(), scores.tolist()

    expected = answer([6, 27, 90], [3, 1, 5])
    assert answer([6, 1, 27, 90], [3, 4, 1, 5]) == expected
    assert answer([6, 0, 27, 1000, 90], [3, 2, 1, 4, 5]) == expected
    assert answer([6, 27, 90], [3, 1, 4]) != expected
