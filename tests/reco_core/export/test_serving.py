"""What the files do: signatures, exclusion, empty slots."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from reco_core.inference import Recommender, left_aligned

EMPTY = np.float32(-3.4e38)
ENCODERS = ["bow", "cnn", *(pytest.param(name, marks=pytest.mark.slow) for name in ("rnn", "transformer"))]


def variants(exported) -> list[Recommender]:
    return [Recommender(variant.path) for variant in exported.variants.values()]


def histories(items: int, length: int, count: int = 60) -> list[np.ndarray]:
    random = np.random.default_rng(4)
    return [random.integers(1, items + 1, random.integers(0, 2 * length)).astype(np.int32) for _ in range(count)]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_float32_file_ranks_as_keras_does(trained, exported, encoder):
    _, _, found = trained(encoder)
    recommender = Recommender(exported(encoder).variants["float32"].path)
    for history in histories(60, 6, 20):
        aligned = left_aligned(history, 6)
        expected = np.array(found.model.scores({"history": aligned}))[0]
        assert np.allclose(recommender.score_all(aligned[0]), expected, atol=1e-4)
        expected[aligned[aligned > 0] - 1] = -np.inf
        ids, scores = recommender.recommend(history)
        assert np.allclose(scores, np.sort(expected)[::-1][:20], atol=1e-4)
        assert np.allclose(expected[ids - 1], scores, atol=1e-4)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_only_built_in_operations(exported, encoder):
    for variant in exported(encoder).variants.values():
        model = schema.Model.GetRootAs(variant.path.read_bytes())
        codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
        builtin = schema.BuiltinOperator
        assert {builtin.GATHER, builtin.TOPK_V2} <= {code.BuiltinCode() for code in codes}
        assert builtin.CUSTOM not in {code.BuiltinCode() for code in codes}  # select-TF operations are custom ones
        assert {code.CustomCode() for code in codes} == {None}


@pytest.mark.parametrize("excluded", [0, 3])
def test_signatures_are_those_of_the_contract(export_untrained, excluded):
    _, _, files = export_untrained(40, export={"top_k": 7, "exclude_ids": excluded})
    stated = files.shape.signatures()
    for variant in files.variants.values():
        interpreter = Interpreter(model_path=str(variant.path))
        found = {}
        for name in interpreter.get_signature_list():
            runner = interpreter.get_signature_runner(name)
            found[name] = [
                {key: (np.dtype(d["dtype"]).name, d["shape"].tolist()) for key, d in details.items()}
                for details in (runner.get_input_details(), runner.get_output_details())
            ]
        history = {"history": ("int32", [1, 6])}
        more = {"exclude_ids": ("int32", [1, 3])} if excluded else {}
        assert found == {
            "recommend": [history | more, {"ids": ("int32", [1, 7]), "scores": ("float32", [1, 7])}],
            "score_all": [history, {"scores": ("float32", [1, 40])}],
            "encode_context": [history, {"context": ("float32", [1, 8])}],
        }
        for name in stated:
            for side, tensors in enumerate((stated[name]["inputs"], stated[name]["outputs"])):
                assert {key: (d["dtype"], d["shape"]) for key, d in tensors.items()} == found[name][side]


def test_neither_history_nor_excluded_nor_padding_is_recommended(export_untrained):
    _, _, files = export_untrained(50, export={"top_k": 10, "exclude_ids": 5})
    random = np.random.default_rng(9)
    for recommender in variants(files):
        for history in histories(50, 6):
            excluded = random.integers(1, 51, random.integers(0, 6)).astype(np.int32)
            ids, scores = recommender.recommend(history, excluded)
            assert not set(ids.tolist()) & {0, *history[-6:].tolist(), *excluded.tolist()}
            assert len(set(ids.tolist())) == 10
            assert (np.diff(scores) <= 0).all()
            # and nothing better was left out
            everything = recommender.score_all(left_aligned(history, 6)[0])
            everything[np.concatenate([history[-6:], excluded]) - 1] = -np.inf
            assert np.allclose(np.sort(everything)[::-1][:10], scores)


@pytest.mark.parametrize("items", [2, 9])
def test_where_candidates_run_out_slots_are_empty(export_untrained, items):
    _, _, files = export_untrained(items, export={"top_k": 8, "exclude_ids": 2})
    for recommender in variants(files):
        for history in [*histories(items, 6, 20), np.arange(1, items + 1, dtype=np.int32)]:
            excluded = np.array([1, 2], np.int32)
            ids, scores = recommender.recommend(history, excluded)
            left = set(range(1, items + 1)) - set(history[-6:].tolist()) - {1, 2}
            filled = min(len(left), 8)
            assert len(ids) == min(8, items)
            assert len(set(ids[:filled].tolist())) == filled
            assert set(ids[:filled].tolist()) <= left
            assert ids[filled:].tolist() == [0] * (len(ids) - filled)
            assert (scores[filled:] == EMPTY).all()
            assert (scores[:filled] > EMPTY).all()


def test_with_repeats_the_history_may_come_again(export_untrained):
    _, _, files = export_untrained(12, repeats=True, export={"top_k": 12, "exclude_ids": 2})
    for recommender in variants(files):
        ids, scores = recommender.recommend(np.array([3, 4], np.int32))
        assert sorted(ids.tolist()) == list(range(1, 13))
        assert np.allclose(scores, np.sort(recommender.score_all(left_aligned(np.array([3, 4]), 6)[0]))[::-1])
        ids, scores = recommender.recommend(np.array([3, 4], np.int32), np.array([5], np.int32))
        assert sorted(ids.tolist()) == [0, *(set(range(1, 13)) - {5})]
        assert scores[-1] == EMPTY


def test_ties_go_to_the_lower_index(export_untrained):
    config, model, first = export_untrained(20, only_float32=True)
    from reco_core import export
    from reco_core.examples import Vocabulary

    for weight in model.weights:
        weight.assign(np.zeros(weight.shape, np.float32))
    vocabulary = Vocabulary(("<pad>", *map(str, range(1, 21))), np.ones(21, np.int64), (None,) * 21, None)
    files = export.export(config, model, vocabulary, first.variants["float32"].path.parent / "flat")
    for recommender in variants(files):
        ids, _scores = recommender.recommend(np.array([2, 5], np.int32))
        assert ids[:18].tolist() == [index for index in range(1, 21) if index not in (2, 5)]


def test_only_the_newest_of_a_long_history_count(export_untrained):
    _, _, files = export_untrained(30, "cnn", only_float32=True)
    recommender = Recommender(files.variants["float32"].path)
    long = np.arange(1, 20, dtype=np.int32)
    for found, expected in zip(recommender.recommend(long), recommender.recommend(long[-6:]), strict=True):
        assert np.array_equal(found, expected)
