"""The eight-bit table in a file: stored once, and nothing lost besides its rounding."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter


def constants(path) -> list[tuple[str, tuple[int, ...]]]:
    """Type and shape of each constant of more than 64 numbers, by buffer."""
    names = {value: name for name, value in vars(schema.TensorType).items() if not name.startswith("_")}
    model = schema.Model.GetRootAs(path.read_bytes())
    found = {}
    for graph in (model.Subgraphs(i) for i in range(model.SubgraphsLength())):
        for tensor in (graph.Tensors(i) for i in range(graph.TensorsLength())):
            if model.Buffers(tensor.Buffer()).DataLength() > 64:
                found[tensor.Buffer()] = (names[tensor.Type()], tuple(tensor.ShapeAsNumpy().tolist()))
    return sorted(found.values())


@pytest.mark.parametrize("encoder", ["bow", "cnn", pytest.param("rnn", marks=pytest.mark.slow)])
def test_the_table_is_the_only_thing_in_eight_bits_and_stored_once(exported, encoder):
    found = constants(exported(encoder).variants["dynamic_int8"].path)
    assert [shape for kind, shape in found if kind == "INT8"] == [(61, 8 + 2)]
    assert not [shape for kind, shape in found if kind == "FLOAT32"]


def test_products_are_those_of_the_codes(trained, exported):
    from reco_core.export.calibration import context_moments, training_histories
    from reco_core.export.item_table import rows_and_biases
    from reco_core.export.row_codes import code_rows

    _, example_set, found = trained("bow")
    rows, biases = rows_and_biases(found.model)
    inputs = training_histories(example_set, 6, 7)
    rows, biases = code_rows(rows, biases, context_moments(found.model, rows, inputs)).decoded()
    interpreter = Interpreter(model_path=str(exported("bow").variants["dynamic_int8"].path))
    score, encode = (interpreter.get_signature_runner(name) for name in ("score_all", "encode_context"))
    spread = []
    for history in inputs["history"][:100, None]:
        scores, context = score(history=history)["scores"][0], encode(history=history)["context"][0]
        expected = (rows @ context + biases)[1:]
        # the context rounded to eight bits once would be off by some hundredths
        assert np.abs(scores - expected).max() < 2e-3 * np.abs(expected).max()
        spread.append(expected.std())
    assert np.mean(spread) > 0.5


@pytest.mark.parametrize("encoder", ["bow", "cnn", pytest.param("rnn", marks=pytest.mark.slow)])
def test_eight_bits_rank_nearly_as_the_model_does(trained, exported, encoder):
    from reco_core.evaluation import evaluate, overlap
    from reco_core.inference import FileScorer
    from reco_core.training import model_scorer

    _, example_set, found = trained(encoder)
    keras = evaluate(model_scorer(found.model), example_set, "validation", bootstrap_samples=0)
    with FileScorer(exported(encoder).variants["dynamic_int8"].path) as scorer:
        file = evaluate(scorer, example_set, "validation", bootstrap_samples=0)
    assert overlap(file.top, keras.top) >= 0.99


def test_files_of_other_operations_are_refused(exported):
    from reco_core.export.eight_bits import with_codes

    content = exported("bow").variants["float32"].path.read_bytes()
    with pytest.raises(ValueError, match="one constant"):
        with_codes(content, np.ones((61, 10), np.int8), 1 / 127)
