"""The JSON Schema says what `load` does."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import jsonschema
import pytest
import yaml
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
    {"features": "auto"},
    {"features": {"history": [{"type": "float", "name": "rating"}]}},
    *({"examples": {"tfrecord": given}} for given in (True, False, None, {"layout": "original_2020"})),
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
    {"features": "automatic"},
    {"features": None},
    {"features": {"histroy": []}},
    {"examples": {"tfrecord": "yes"}},
    {"examples": {"tfrecord": {"layuot": "original"}}},
]
ROOT = Path(__file__).resolve().parents[3]


def _documented() -> dict[str, Any]:
    """Every config that the project shows: presets, files, and the YAML of the page about them."""
    page = (ROOT / "docs" / "job-config.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    files = sorted((ROOT / "configs").glob("*.yaml"))
    return {
        **{f"preset {name}": dict(preset.overrides) for name, preset in config.PRESETS.items()},
        **{path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in files},
        **{f"job-config.md, block {number}": yaml.safe_load(block) for number, block in enumerate(blocks, 1)},
    }


DOCUMENTED = _documented()


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("document", ACCEPTED)
def test_it_accepts_what_load_accepts(document):
    VALIDATOR.validate(document)
    config.load(document)


@pytest.mark.parametrize("document", DOCUMENTED.values(), ids=DOCUMENTED)
def test_it_accepts_every_config_that_is_shown(document):
    VALIDATOR.validate(document)
    config.load(document)


def test_every_kind_of_config_is_among_those_shown():
    assert {
        "preset movielens",
        "movielens.yaml",
        "job-config.md, block 1",
        "job-config.md, block 2",
    } <= DOCUMENTED.keys()


@pytest.mark.parametrize(
    ("document", "pointer", "detail"),
    [
        ({"features": "aut"}, "/features", "expected auto or an object with fields, found 'aut'"),
        ({"examples": {"tfrecord": "yes"}}, "/examples/tfrecord", "expected true, false or an object with fields"),
        ({"features": {"histroy": []}}, "/features/histroy", "did you mean 'history'"),
        ({"examples": {"tfrecord": {"layuot": ""}}}, "/examples/tfrecord/layuot", "did you mean 'layout'"),
    ],
)
def test_faults_in_sections_with_a_short_form_are_told_by_field(document, pointer, detail):
    with pytest.raises(ConfigInvalid) as refused:
        config.load(document)
    assert refused.value.errors[0].pointer == pointer
    assert detail in refused.value.errors[0].detail


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
        protocol=st.sampled_from(["leave_one_out", "temporal", "user_disjoint", "reference"]),
        test_fraction=st.floats(0.01, 0.49),
        k=st.lists(st.integers(1, 1000), min_size=1, max_size=10).map(tuple),
    ),
    export=st.builds(config.ExportConfig, max_bytes=st.none() | st.integers(1), exclude_ids=st.integers(0, 10000)),
)


@given(CONFIGS)
def test_a_config_survives_its_json_form(given_config):
    document = given_config.model_dump(mode="json")
    VALIDATOR.validate(document)
    assert config.load(document) == given_config
