"""TensorFlow's own converter is the measure: it does more, and comes to the same bytes."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.parametrize("float16", [False, True])
def test_the_bytes_are_those_of_tensorflows_own_converter(tensorflow_runtime, make_config, tmp_path, float16):
    import tensorflow as tf

    from reco_core import model
    from reco_core.examples import Vocabulary
    from reco_core.export.saved_model_converter import SavedModelConverter
    from reco_core.export.serving import ServingModule, ServingShape

    config = make_config("cnn")
    vocabulary = Vocabulary(("<pad>", *map(str, range(1, 13))), np.ones(13, np.int64), (None,) * 13, None)
    module = ServingModule(model.build(config, vocabulary), ServingShape.of(config, vocabulary.size))
    signatures = module.signatures()
    tf.saved_model.save(module, str(tmp_path), signatures=signatures)
    names, contents = list(signatures), []
    for converter in (
        SavedModelConverter(str(tmp_path), names),
        tf.lite.TFLiteConverter.from_saved_model(str(tmp_path), signature_keys=names),
    ):
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        contents.append(bytes(converter.convert()))
    assert contents[0] == contents[1]
