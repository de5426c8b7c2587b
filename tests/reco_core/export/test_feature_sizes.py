"""What the estimate says of models with features, beside the models themselves."""

from __future__ import annotations

import pytest

from reco_core import examples
from reco_core.config.estimate.files import variant_bytes
from reco_core.config.estimate.parameters import parameters


@pytest.mark.parametrize(
    ("encoder", "groups"),
    [
        ("bow", "all"),
        ("cnn", "auto"),
        pytest.param("cnn", "all", marks=pytest.mark.slow),
        pytest.param("rnn", "all", marks=pytest.mark.slow),
        pytest.param("rnn", "auto", marks=pytest.mark.slow),
    ],
)
def test_parameters_are_exact_and_bytes_close(
    tensorflow_runtime, featured, make_groups, make_config, tmp_path, encoder, groups
):
    from reco_core import export, model

    # what is in eight bits of an encoder is measured with all features: those that `auto` finds are a part of them
    variants = ["float32", "float16", *(["dynamic_int8"] if groups == "all" else [])]
    features = make_groups(encoder) if groups == "all" else groups
    length = 3 if (encoder, groups) == ("rnn", "all") else 6  # each step of each group is a part of the graph
    config = make_config(
        encoder, features=features, examples={"max_history_length": length}, export={"variants": variants}
    )
    example_set = examples.generate(config, featured)
    config = config.model_copy(update={"features": example_set.features})
    work = examples.measured_workload(config, featured, example_set)
    built = model.build(config, example_set.vocabulary, example_set.timelines.features)
    assert parameters(config, work) == sum(weight.size for weight in built.get_weights())
    files = export.export(config, built, example_set.vocabulary, tmp_path)
    expected = variant_bytes(config, work)
    for name, file in files.variants.items():
        assert 0.8 < expected[name] / file.bytes < 1.25, name
