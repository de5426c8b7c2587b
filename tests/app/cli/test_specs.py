"""Options to dataset specs and configs."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.errors import CommandFailed, Status
from app.cli.specs import config_document, dataset_spec
from reco_core.datasets.spec import DatasetSpec
from reco_core.errors import ConfigInvalid


def test_only_what_was_given_is_in_the_spec() -> None:
    assert dataset_spec(None, None) == {}
    assert dataset_spec("csv", ["user=uid", "item=sku"]) == {"format": "csv", "mapping": {"user": "uid", "item": "sku"}}


def test_the_spec_is_one_that_the_parsers_take() -> None:
    spec = DatasetSpec.model_validate(dataset_spec("csv", ["user=a=b", "item=c", "timestamp=t", "rating=r"]))
    assert (spec.format, spec.mapping.user, spec.mapping.rating) == ("csv", "a=b", "r")


def test_an_item_table_is_named_as_seen_from_the_log(tmp_path: Path) -> None:
    log = tmp_path / "data" / "log.csv"
    spec = dataset_spec(None, None, tmp_path / "data" / "items.csv", log)
    assert spec == {"items": {"path": "items.csv"}}


def test_further_columns_are_given_one_by_one() -> None:
    spec = dataset_spec(None, ["feature=device", "user=uid", "feature=dwell time"])
    assert spec == {"mapping": {"user": "uid", "features": ["device", "dwell time"]}}
    assert DatasetSpec.model_validate(spec).mapping.features == ("device", "dwell time")


def test_null_says_that_there_is_no_such_column() -> None:
    assert dataset_spec(None, ["timestamp=null"]) == {"mapping": {"timestamp": None}}


@pytest.mark.parametrize("option", ["user", "user=", "=uid", "usr=uid"])
def test_a_malformed_mapping_names_the_option_and_the_roles(option: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        dataset_spec(None, [option])
    assert caught.value.status == Status.BAD_INPUT
    assert option in caught.value.lines[0]
    assert "user, item, timestamp, rating" in caught.value.lines[0]


def test_a_role_given_twice_is_refused() -> None:
    with pytest.raises(CommandFailed, match="mapped to 'a' already"):
        dataset_spec(None, ["user=a", "user=b"])


def test_preset_and_config_exclude_each_other(tmp_path: Path) -> None:
    for preset, config in ((None, None), ("bow", tmp_path / "c.yaml")):
        with pytest.raises(CommandFailed, match="either --preset NAME or --config FILE"):
            config_document(preset, config)


def test_an_unknown_preset_or_field_is_found_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="choose one of"):
        config_document("bowl", None)
    file = tmp_path / "c.yaml"
    file.write_text("preset: bow\ntrainin: {}\n")
    with pytest.raises(ConfigInvalid, match="did you mean 'training'"):
        config_document(None, file)


def test_a_config_file_gives_the_whole_config(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("preset: rnn\ntraining: {max_epochs: 3}\n")
    document = config_document(None, file)
    assert document["encoder"]["type"] == "rnn"
    assert document["training"]["max_epochs"] == 3
