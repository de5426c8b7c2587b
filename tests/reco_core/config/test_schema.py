"""The JSON Schema says what `load` does."""

from __future__ import annotations

import copy

import hypothesis.strategies as st
import jsonschema
import pytest
from hypothesis import given

from reco_core import config
from reco_core.errors import ConfigInvalid

SCHEMA = config.json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
ACCEPTED = [
    {},
    {"preset": None},
    *({"preset": name} for name in config.PRESETS),
    {"preset": "cnn", "encoder": {"type": "cnn", "num_filter_ratios": [1, 2], "kernel_size": 2}},
    {"training": {"gradient_clip_norm": None, "learning_rate_decay": "cosine"}, "seed": 2**32 - 1},
    {"export": {"variants": ["float32"], "default_variant": "float32", "max_bytes": 1_000_000}},
    {"model": {"item_attribute": None, "hidden_layers": [8]}, "examples": {"min_rating": 3.5}},
]
REFUSED = [
    {"preset": "other"},
    {"typo": 1},
    {"training": {"typo": 1}},
    {"encoder": {"type": "bow", "typo": 1}},
    {"encoder": {"type": "bow", "kernel_size": 3}},
    {"encoder": {"type": "other"}},
    {"training": {"batch_size": 0}},
    {"evaluation": {"baselines": ["other"]}},
    {"model": {"hidden_layers": [1, 1, 1, 1, 1]}},
    {"seed": 2**32},
]


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("document", ACCEPTED)
def test_it_accepts_what_load_accepts(document):
    VALIDATOR.validate(document)
    config.load(document)


@pytest.mark.parametrize("document", REFUSED)
def test_it_refuses_what_load_refuses(document):
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(ConfigInvalid):
        config.load(document)


def test_every_field_is_described():
    sections = [SCHEMA, *SCHEMA["$defs"].values()]
    bare = [
        f"{section['title']}.{name}"
        for section in sections
        for name, field in section["properties"].items()
        if "description" not in field and "$ref" not in field and "oneOf" not in field and "const" not in field
    ]
    assert bare == []


def test_each_call_gives_a_schema_of_its_own():
    before = copy.deepcopy(SCHEMA)
    config.json_schema()["properties"].clear()
    assert config.json_schema() == before


ENCODERS = st.one_of(
    st.builds(config.Bow),
    st.builds(
        config.Cnn,
        num_filter_ratios=st.lists(st.integers(1, 16), min_size=1, max_size=4).map(tuple),
        kernel_size=st.integers(1, 5),
    ),
    st.builds(config.Rnn, num_units=st.integers(1, 512)),
)
CONFIGS = st.builds(
    config.JobConfig,
    preset=st.sampled_from([None, *config.PRESETS]),
    seed=st.integers(0, 2**32 - 1),
    repeats=st.booleans(),
    encoder=ENCODERS,
    examples=st.builds(
        config.ExamplesConfig,
        max_history_length=st.integers(5, 200),
        min_timeline_length=st.integers(1, 1000),
        min_rating=st.none() | st.floats(-5, 5),
    ),
    model=st.builds(
        config.ModelConfig,
        embedding_dim=st.integers(2, 512),
        hidden_layers=st.lists(st.integers(1, 2048), max_size=4).map(tuple),
        item_attribute=st.none() | st.text(),
        dropout=st.floats(0, 0.99),
    ),
    training=st.builds(
        config.TrainingConfig,
        learning_rate=st.floats(1e-9, 10),
        gradient_clip_norm=st.none() | st.floats(1e-9, 1e9),
        checkpoint_seconds=st.floats(0, 1e6),
    ),
    evaluation=st.builds(
        config.EvaluationConfig,
        protocol=st.sampled_from(["leave_one_out", "reference"]),
        k=st.lists(st.integers(1, 1000), min_size=1, max_size=10).map(tuple),
    ),
    export=st.builds(config.ExportConfig, max_bytes=st.none() | st.integers(1), exclude_ids=st.integers(0, 10000)),
)


@given(CONFIGS)
def test_a_config_survives_its_json_form(given_config):
    document = given_config.model_dump(mode="json")
    VALIDATOR.validate(document)
    assert config.load(document) == given_config
