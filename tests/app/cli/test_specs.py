"""Options to dataset specs and configs."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.errors import CommandFailed, Status
from app.cli.main import app
from app.cli.options import BadRows
from app.cli.specs import config_document, dataset_spec, spec_options
from reco_core.datasets import load
from reco_core.datasets.spec import DatasetSpec
from reco_core.errors import ConfigInvalid, DatasetInvalid


def test_only_what_was_given_is_in_the_spec() -> None:
    assert dataset_spec(None, None) == {}
    assert dataset_spec("csv", ["user=uid", "item=sku"]) == {"format": "csv", "mapping": {"user": "uid", "item": "sku"}}


def test_the_spec_is_one_that_the_parsers_take() -> None:
    spec = DatasetSpec.model_validate(dataset_spec("csv", ["user=a=b", "item=c", "timestamp=t", "rating=r"]))
    assert (spec.format, spec.mapping.user, spec.mapping.rating) == ("csv", "a=b", "r")


def test_tables_are_named_as_seen_from_the_log(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "tables").mkdir(parents=True)
    items, users = folder / "items.csv", folder / "tables" / "users.csv"
    for table in (items, users):
        table.write_text("id\n1\n")
    spec = {"items": {"path": "items.csv"}, "users": {"path": "tables/users.csv"}}
    assert dataset_spec(None, None, items, folder, users) == spec
    # beside a single file only its own folder is looked at
    spec["users"]["path"] = users.as_posix()
    assert dataset_spec(None, None, items, folder / "log.csv", users) == spec
    assert spec_options(spec)[2:] == ["--table", users.as_posix()]
    assert dataset_spec(None, None, users=users) == {}


def test_a_table_may_be_named_as_it_is_inside_a_zip(tmp_path: Path) -> None:
    spec = dataset_spec(None, None, Path("tables/items.csv"), tmp_path / "data" / "log.zip", Path("users.csv"))
    assert spec == {"items": {"path": "tables/items.csv"}, "users": {"path": "users.csv"}}


@pytest.mark.parametrize("packed", [False, True])
def test_a_user_table_of_any_name_is_read_with_the_log(tmp_path: Path, packed: bool) -> None:
    files = {"log.csv": "user,item,rating,timestamp\na,x,1,1\na,y,2,2\nb,y,1,3\n", "who.csv": "user,age\na,30\nb,41\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    log, users = tmp_path / "log.csv", tmp_path / "who.csv"
    if packed:
        log, users = tmp_path / "log.zip", Path("who.csv")
        with zipfile.ZipFile(log, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    options = dataset_spec(None, None, None, log, users)
    found = load(log, DatasetSpec.model_validate({**options, **({"path": "log.csv"} if packed else {})}))
    assert dict(zip(found.user_ids, found.user_features["age"], strict=True)) == {"a": 30, "b": 41}


@pytest.mark.parametrize("option", ["--items", "--users"])
@pytest.mark.parametrize("command", ["train", "examples", "export", "evaluate"])
def test_every_command_that_reads_a_log_takes_its_tables(command: str, option: str) -> None:
    assert option in CliRunner(env={"COLUMNS": "200"}).invoke(app, [command, "--help"]).output


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_elsewhere_is_read_where_the_command_allows_it_and_by_nobody_else(tmp_path: Path, packed: bool) -> None:
    (tmp_path / "data").mkdir()
    users = tmp_path / "people.csv"
    users.write_text("user,age\na,30\nb,41\n")
    log = tmp_path / "data" / "log.csv"
    log.write_text("user,item,rating,timestamp\na,x,1,1\na,y,2,2\nb,y,1,3\n")
    if packed:
        with zipfile.ZipFile(users.with_name("log.zip"), "w") as archive:
            archive.write(log, "log.csv")
        log = users.with_name("log.zip")  # beside it, and not in it
    options = dataset_spec(None, None, None, log, users)
    assert spec_options(options)[2:] == ["--table", str(users)]
    spec = DatasetSpec.model_validate(options)
    found = load(log, spec, elsewhere=[users])
    assert dict(zip(found.user_ids, found.user_features["age"], strict=True)) == {"a": 30, "b": 41}
    with pytest.raises(DatasetInvalid, match="must lie in the folder or zip of the log") as caught:
        load(log, spec)
    assert caught.value.errors[0].pointer == "/users/path"


def test_bad_rows_are_skipped_on_request() -> None:
    assert dataset_spec(None, None, on_bad_rows=BadRows.SKIP) == {"on_bad_rows": "skip"}
    for command in (["train"], ["examples"], ["export"], ["evaluate"], ["dataset", "upload"], ["dataset", "create"]):
        assert "--on-bad-rows" in CliRunner(env={"COLUMNS": "200"}).invoke(app, [*command, "--help"]).output


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
