"""What an estimate says of a model and its files, beside the model and its files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reco_core.config import load
from reco_core.config.estimate import Workload, estimate
from reco_core.config.estimate.files import MOST_UNROLLED_STEPS
from reco_core.config.estimate.seconds import MOST_VALIDATION_EXAMPLES
from reco_core.examples import Vocabulary

WORK = Workload(1000, 50, 0, 1000, 300, 0, 0, 850, 50, 50, exact=True, text_bytes=0, id_bytes=790)


CNN = {"type": "cnn", "num_filter_ratios": [2, 1], "kernel_size": 3}
RNN = {"type": "rnn", "num_units": 24}


@pytest.mark.parametrize(
    ("document", "variants"),
    [
        ({"encoder": CNN, "repeats": True, "model": {"hidden_layers": [96]}}, ["float32", "dynamic_int8"]),
        ({"encoder": {"type": "transformer", "blocks": 1}}, ["float32", "dynamic_int8"]),
        ({"encoder": RNN, "examples": {"max_history_length": 3}}, ["float32"]),
        ({"encoder": CNN, "export": {"ids": "raw"}}, ["float32", "float16"]),
        ({"encoder": CNN, "repeats": True, "export": {"layout": "reference"}}, ["float32"]),
        ({"model": {"neighbours": {"followers": 64}}}, ["float32", "dynamic_int8"]),
    ],
)
def test_files_are_as_large_as_estimated(tensorflow_runtime, tmp_path, document, variants):
    from reco_core import export, model

    options = {**document.get("export", {}), "variants": variants, "default_variant": "float32"}
    config = load({**document, "export": options})
    names = ("<pad>", *map(str, range(1, 301)))
    vocabulary = Vocabulary(names, np.ones(301, np.int64), (None,) * 301, None)
    built = model.build(config, vocabulary)
    built.label_encoder.bias.assign(np.linspace(-1, 1, 300))  # zeros would be folded away
    head = None
    if config.model.neighbours is not None:
        table = np.tile(np.arange(1, config.model.neighbours.followers + 1), (301, 1))
        head = model.NeighbourHead(table.astype(np.int32), table.astype(np.int8), 0.7, 1.0)
    expected = estimate(config, WORK)
    assert expected.parameters == sum(int(np.prod(weight.shape)) for weight in built.trainable_variables)
    for name, variant in export.export(config, built, vocabulary, tmp_path / "files", head=head).variants.items():
        assert expected.variants[name] == pytest.approx(variant.bytes, rel=0.05), name


def test_constants_that_a_light_process_cannot_import_are_the_same(tensorflow_runtime):
    from reco_core.assessment import MOST_PARITY_EXAMPLES
    from reco_core.model.context_encoders import recurrent
    from reco_core.training import loop
    from reco_core.training.batches import automatic_batch_size

    assert recurrent.MOST_UNROLLED_STEPS == MOST_UNROLLED_STEPS
    assert loop.MOST_VALIDATION_EXAMPLES == MOST_PARITY_EXAMPLES == MOST_VALIDATION_EXAMPLES
    for train in (1, 31, 3_199, 3_300, 51_300, 10**7):
        assert replace(WORK, train=train).batch_size == min(automatic_batch_size(train), train)
