"""The neighbour head inside the files."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from reco_core.config.estimate.budget import neighbour_bytes
from reco_core.examples import Vocabulary
from reco_core.inference import Recommender, left_aligned
from reco_core.tensor_forms import RawForm

ITEMS, LENGTH = 400, 6


def random_head(items, followers=8, seed=0):
    from reco_core.model import NeighbourHead, coded

    random = np.random.default_rng(seed)
    table = random.integers(1, items + 1, (items + 1, followers)).astype(np.int32)
    codes, scale = coded(random.exponential(size=table.shape))
    table[0] = codes[0] = 0
    return NeighbourHead(table, codes, decay=0.6, scale=3 * scale)


@pytest.fixture(scope="module")
def untrained(tensorflow_runtime, make_config):
    """`untrained(items, **sections) -> (config, model, vocabulary)`."""
    from reco_core import model

    def make(items, **sections):
        config = make_config(**sections)
        names = ("<pad>", *map(str, range(1, items + 1)))
        vocabulary = Vocabulary(names, np.ones(items + 1, np.int64), (None,) * (items + 1), None)
        built = model.build(config, vocabulary)
        built.label_encoder.bias.assign(np.linspace(-1, 1, items))
        return config, built, vocabulary

    return make


def expected_scores(model, head, history):
    padded = left_aligned(history, LENGTH)
    scores = np.pad(model.scores({"history": padded}).numpy(), [(0, 0), (1, 0)])
    head.add_to(scores, padded)
    return scores[0, 1:]


HISTORIES = [np.zeros(0, np.int32), *(np.array(one, np.int32) for one in ([7], [5, 7, 5], [1, 2, 3, 4, 5, 6, 7, 400]))]


def test_each_variant_scores_as_the_model_and_the_table_do(untrained, tmp_path):
    from reco_core import export

    config, model, vocabulary = untrained(ITEMS)
    head = random_head(ITEMS)
    files = export.export(config, model, vocabulary, tmp_path, head=head)
    plain = export.export(config, model, vocabulary, tmp_path / "plain")
    for name, tolerance in (("float32", 1e-4), ("float16", 0.02), ("dynamic_int8", 0.1)):
        file = Recommender(files.variants[name].path)
        for history in HISTORIES:
            expected = expected_scores(model, head, history)
            scores = file.score_all(left_aligned(history, LENGTH)[0])
            np.testing.assert_allclose(scores, expected, atol=tolerance, err_msg=name)
            ids, values = file.recommend(history)
            open_to = np.setdiff1d(np.argsort(-scores, kind="stable") + 1, history, assume_unique=True)
            assert set(ids) <= set(open_to)
            np.testing.assert_allclose(values, scores[ids - 1], atol=1e-5)
            if name == "float32":
                order = [one for one in np.argsort(-scores, kind="stable") + 1 if one not in history]
                assert ids.tolist() == order[: len(ids)]
        # the table is as large in every variant: nothing made floating-point numbers of it
        added = files.variants[name].bytes - plain.variants[name].bytes
        assert 3 * 8 * (ITEMS + 1) < added < 3 * 8 * (ITEMS + 1) + 8_500, name


def tables(path, shape):
    """The types of all tensors of that shape."""
    names = {code: name.lower() for name, code in vars(schema.TensorType).items() if name.startswith(("INT", "FLOAT"))}
    graphs = schema.ModelT.InitFromPackedBuf(path.read_bytes()).subgraphs
    return {names[one.type] for graph in graphs for one in graph.tensors if tuple(one.shape) == shape}


@pytest.mark.parametrize(("items", "index"), [(12_101, "int16"), (32_768, "int32")])
def test_an_index_takes_two_bytes_where_it_can(untrained, tmp_path, items, index):
    from reco_core import export

    variants = {"variants": ["dynamic_int8"], "default_variant": "dynamic_int8"}
    config, model, vocabulary = untrained(items, model={"embedding_dim": 4, "neighbours": True}, export=variants)
    files = export.export(config, model, vocabulary, tmp_path, head=random_head(items))
    path = files.variants["dynamic_int8"].path
    assert tables(path, (items + 1, 8)) == {index, "int8"}
    table = neighbour_bytes(config, items)
    assert table == (290_448 if items == 12_101 else (items + 1) * 8 * (3 if index == "int16" else 5))
    history = np.array([items, 3], np.int32)
    scores = Recommender(path).score_all(left_aligned(history, LENGTH)[0])
    np.testing.assert_allclose(scores, expected_scores(model, random_head(items), history), atol=0.1)


@pytest.mark.parametrize("layout", ["default", "reference"])
def test_raw_ids_and_the_layout_of_the_app(untrained, tmp_path, layout):
    from reco_core import export

    one = {"variants": ["float32"], "default_variant": "float32"}
    config, model, vocabulary = untrained(ITEMS, export={**one, "layout": layout, "ids": "raw"})
    vocabulary = Vocabulary(
        ("<pad>", *(str(3 * index) for index in range(1, ITEMS + 1))), vocabulary.counts, vocabulary.titles, None
    )
    head = random_head(ITEMS)
    files = export.export(config, model, vocabulary, tmp_path, head=head)
    file = Recommender(files.variants["float32"].path, form=files.form)
    if layout == "default":
        assert isinstance(files.form, RawForm)
        # an id that the model doesn't know moves nothing to another age
        answers = [
            Interpreter(model_path=str(files.variants["float32"].path)).get_signature_runner("score_all")(
                history=left_aligned(np.array(ids, np.int32), LENGTH)
            )["scores"]
            for ids in ([15, 21], [15, 4, 21, 1])
        ]
        np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)
    for history in HISTORIES[1:]:
        scores = file.score_all(left_aligned(history, LENGTH)[0])
        np.testing.assert_allclose(scores, expected_scores(model, head, history), atol=1e-4)
