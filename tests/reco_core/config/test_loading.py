"""From documents to configs: presets, overrides, faults with pointers."""

from __future__ import annotations

import json

import pytest

from reco_core import config
from reco_core.config import Bow, Cnn, JobConfig, Rnn
from reco_core.config.presets import DEFAULT_PRESET
from reco_core.errors import ConfigInvalid, FieldError


def faults(document) -> dict[str, FieldError]:
    with pytest.raises(ConfigInvalid) as caught:
        config.load(document)
    assert caught.value.errors
    for error in caught.value.errors[:3]:
        assert error.detail in caught.value.message
    return {error.pointer: error for error in caught.value.errors}


def test_an_empty_document_is_the_default_config():
    assert config.load({}) == JobConfig()


@pytest.mark.parametrize("name", config.PRESETS)
def test_every_preset_loads_and_is_recorded(name):
    loaded = config.load({"preset": name})
    assert loaded.preset == name
    encoders = {"reference": "rnn", "movielens": "rnn"} | dict.fromkeys(
        ("tiny", "sequential", "timed", "large"), "transformer"
    )
    assert loaded.encoder.type == encoders.get(name, name)


def test_the_default_preset_exists():
    assert DEFAULT_PRESET in config.PRESETS


def test_fields_override_the_preset_one_by_one():
    loaded = config.load({"preset": "cnn", "encoder": {"kernel_size": 2}, "training": {"batch_size": 7}})
    assert loaded.encoder == Cnn(kernel_size=2)
    assert loaded.training.batch_size == 7
    assert loaded.training.learning_rate == JobConfig().training.learning_rate


def test_an_encoder_of_another_type_replaces_the_preset_section(monkeypatch):
    preset = config.Preset("test", {"encoder": {"type": "cnn", "kernel_size": 2}, "training": {"patience": 9}})
    monkeypatch.setattr("reco_core.config.loading.PRESETS", {"narrow": preset})
    loaded = config.load({"preset": "narrow", "encoder": {"type": "rnn", "num_units": 3}})
    assert loaded.encoder == Rnn(num_units=3)
    assert loaded.training.patience == 9
    assert config.load({"preset": "narrow", "encoder": {"type": "cnn"}}).encoder == Cnn(kernel_size=2)


def test_loading_leaves_presets_and_documents_as_they_are():
    document = {"preset": "cnn", "encoder": {"kernel_size": 2}}
    before = json.dumps(document), {name: dict(preset.overrides) for name, preset in config.PRESETS.items()}
    config.load(document)
    assert (json.dumps(document), {name: dict(preset.overrides) for name, preset in config.PRESETS.items()}) == before


def test_a_whole_config_is_what_it_says_whatever_its_preset_has_become():
    whole = config.load({"preset": "bow"}).model_dump(mode="json")
    del whole["training"]["label_smoothing"]  # as written by a version that didn't know it
    assert config.load(whole).training.label_smoothing == 0.1
    found = config.load_whole(whole)
    assert (found.training.label_smoothing, found.preset) == (0.0, "bow")
    with pytest.raises(ConfigInvalid) as caught:
        config.load_whole({**whole, "training": {"epochs": 3}})
    assert [fault.pointer for fault in caught.value.errors] == ["/training/epochs"]


def test_an_unknown_preset_names_the_known_ones():
    found = faults({"preset": "bwo"})
    assert found["/preset"].code == "unknown_preset"
    assert "bow, cnn, rnn" in found["/preset"].detail


@pytest.mark.parametrize("preset", [3, ["bow"], {"name": "bow"}])
def test_a_preset_that_is_no_text_is_a_fault(preset):
    assert faults({"preset": preset})["/preset"].code == "unknown_preset"


def test_unknown_fields_are_faults_with_a_suggestion():
    found = faults({"trainning": {}, "training": {"batchsize": 3, "zzz": 1}})
    assert {pointer: error.code for pointer, error in found.items()} == dict.fromkeys(
        ["/trainning", "/training/batchsize", "/training/zzz"], "unknown_field"
    )
    assert "did you mean 'training'?" in found["/trainning"].detail
    assert "did you mean 'batch_size'?" in found["/training/batchsize"].detail
    assert "known here: batch_size, " in found["/training/zzz"].detail


def test_an_unknown_encoder_field_is_pointed_at_without_the_type():
    found = faults({"encoder": {"type": "cnn", "kernel": 3}})
    assert "did you mean 'kernel_size'?" in found["/encoder/kernel"].detail


def test_a_field_of_another_encoder_is_not_suggested_for_this_one():
    found = faults({"encoder": {"type": "bow", "kernel_size": 3}})
    assert found["/encoder/kernel_size"].detail == "unknown field 'kernel_size'; known here: type"


def test_pointers_escape_slashes_and_tildes():
    assert set(faults({"a/b~c": 1})) == {"/a~1b~0c"}


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"training": {"batch_size": 0}}, "/training/batch_size"),
        ({"training": {"learning_rate": float("nan")}}, "/training/learning_rate"),
        ({"training": {"learning_rate": float("inf")}}, "/training/learning_rate"),
        ({"model": {"dropout": 1}}, "/model/dropout"),
        ({"model": {"hidden_layers": [8, 0]}}, "/model/hidden_layers/1"),
        ({"examples": {"min_timeline_length": 0}}, "/examples/min_timeline_length"),
        ({"examples": {"train_data_fraction": 1}}, "/examples/train_data_fraction"),
        ({"evaluation": {"protocol": "by_luck"}}, "/evaluation/protocol"),
        ({"evaluation": {"k": []}}, "/evaluation/k"),
        ({"export": {"variants": ["float16", "float8"]}}, "/export/variants/1"),
        ({"seed": -1}, "/seed"),
        ({"seed": 2**32}, "/seed"),
        ({"training": [1]}, "/training"),
        ({"encoder": {"type": "lstm"}}, "/encoder"),
    ],
)
def test_values_out_of_range_are_pointed_at(document, pointer):
    assert set(faults(document)) == {pointer}


def test_several_faults_are_all_reported():
    assert set(faults({"seed": -1, "model": {"dropout": 2}, "x": 1})) == {"/seed", "/model/dropout", "/x"}


def test_a_default_variant_that_is_not_made_is_a_fault():
    found = faults({"export": {"variants": ["float32"]}})
    assert "add it there" in found["/export"].detail
    assert not found["/export"].detail.startswith("Value error")
    config.load({"export": {"variants": ["float32"], "default_variant": "float32"}})


def test_a_kernel_may_be_as_wide_as_the_history_but_no_wider():
    encoder = {"type": "cnn", "kernel_size": 5}
    assert config.load({"encoder": encoder, "examples": {"max_history_length": 5}}).encoder == Cnn(kernel_size=5)
    assert "lower the kernel" in faults({"encoder": encoder, "examples": {"max_history_length": 4}})[""].detail


def test_configs_are_frozen_and_comparable():
    loaded = config.load({})
    assert loaded.encoder == Bow()
    with pytest.raises(ValueError, match="frozen"):
        loaded.training.batch_size = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("features", "pointer", "words"),
    [
        (
            {"activity_groups": [{"features": []}]},
            "/features/activity_groups/0/features",
            "at least 1 is needed, found 0",
        ),
        ({"history": [{"name": "year", "type": "INT"}]}, "/features/history/0", "did you mean 'int'?"),
        (
            {"history": [{"name": "year", "type": "date"}]},
            "/features/history/0",
            "choose one of: 'int', 'string', 'float'",
        ),
        ({"history": [{"name": "year"}]}, "/features/history/0", "`type` is missing"),
    ],
)
def test_faults_in_groups_are_told_in_plain_words(features, pointer, words):
    with pytest.raises(ConfigInvalid) as caught:
        config.load({"features": features})
    [fault] = caught.value.errors
    assert fault.pointer == pointer
    assert words in fault.detail
