"""A context encoder as a model that can be called and converted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def run_converted(layer: Any, length: int, dim: int, folder: Path) -> tuple[Callable[..., np.ndarray], set[str]]:
    """The layer as a `.tflite` file with built-in operations only: a function that runs it, and its operations."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    from reco_core.export.saved_model_converter import SavedModelConverter

    module = tf.Module()
    module.tracked = [variable.value for variable in layer.variables]
    specs = [tf.TensorSpec([1, length, dim], tf.float32, name="embedded"), tf.TensorSpec([1, length], name="mask")]
    module.encode = tf.function(lambda embedded, mask: {"context": layer(embedded, mask)}, input_signature=specs)
    tf.saved_model.save(module, str(folder), signatures={"encode": module.encode})
    converter = SavedModelConverter(str(folder), ["encode"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert())
    runner = interpreter.get_signature_runner("encode")
    return (
        lambda embedded, mask: runner(embedded=embedded, mask=mask)["context"],
        {details["op_name"] for details in interpreter._get_ops_details()},
    )


@pytest.fixture
def convert(tensorflow_runtime, tmp_path) -> Callable[..., Any]:
    """`convert(layer, length, dim) -> (run, names of operations)`."""
    return lambda layer, length, dim: run_converted(layer, length, dim, tmp_path / "saved")
