"""Bad input gets a typed problem that names field or line and the remedy, before any training starts."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from app.client import ApiError, Client

pytestmark = pytest.mark.e2e


def invalid(client: Client, path: Path, **spec: Any) -> dict[str, Any]:
    """The error of the dataset that `path` becomes."""
    dataset = client.wait_for_dataset(client.upload_dataset(path, spec=spec).id)
    assert dataset.status == "invalid"
    assert dataset.error is not None
    assert client.dataset(dataset.id).error == dataset.error, "the upload stays, with its error"
    return dataset.error


def test_a_malformed_row_is_named_by_its_line(client: Client, log_file: Path, tmp_path: Path) -> None:
    rows = log_file.read_text().splitlines()
    rows[811] = "u1,i2"
    (tmp_path / "ratings.csv").write_text("\n".join(rows))
    error = invalid(client, tmp_path / "ratings.csv")
    assert error["code"] == "dataset_invalid"
    assert "ratings.csv line 812" in error["detail"]


def test_an_unknown_column_is_named_with_those_that_exist(client: Client, log_file: Path) -> None:
    error = invalid(client, log_file, mapping={"user": "customer"})
    assert "customer" in error["detail"]
    assert "uid" in error["detail"]
    assert error["errors"][0]["pointer"] == "/mapping/user"


def test_a_file_that_is_not_what_it_claims(client: Client, tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_bytes(b"PAR1 but no parquet at all")
    assert invalid(client, tmp_path / "log.parquet")["code"] == "dataset_unreadable"


def test_a_zip_that_climbs_out_is_rejected(client: Client, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as archive:
        archive.writestr("../../log.csv", "user,item,timestamp\n1,2,3\n")
    assert invalid(client, tmp_path / "log.zip")["code"] == "archive_rejected"


def test_a_log_too_small_to_split(client: Client, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,timestamp\na,1,1\na,2,2\na,3,3\n")
    assert invalid(client, tmp_path / "log.csv")["code"] == "dataset_too_small"


def refused(client: Client, dataset_id: str, **job: Any) -> ApiError:
    before = {job.id for job in client.jobs()}
    with pytest.raises(ApiError) as caught:
        client.submit_job(dataset_id, **job)
    assert {job.id for job in client.jobs()} == before, "nothing was queued"
    return caught.value


def test_an_unknown_config_field_is_pointed_at(client: Client, dataset: Any) -> None:
    error = refused(client, dataset.id, config={"preset": "bow", "training": {"learning_rat": 0.1}})
    assert (error.status, error.code) == (422, "validation_failed")
    assert error.errors[0]["pointer"] == "/config/training/learning_rat"
    assert "learning_rate" in error.errors[0]["detail"]


def test_a_value_out_of_range_is_pointed_at(client: Client, dataset: Any) -> None:
    error = refused(client, dataset.id, config={"training": {"batch_size": 0}})
    assert error.errors[0]["pointer"] == "/config/training/batch_size"


def test_a_config_that_cannot_be_exported(client: Client, dataset: Any) -> None:
    error = refused(client, dataset.id, config={"preset": "bow", "export": {"max_bytes": 10}})
    assert (error.status, error.code) == (422, "size_budget_impossible")


def test_an_unknown_dataset(client: Client) -> None:
    error = refused(client, "ds_00000000000000000000000000000000", preset="bow")
    assert (error.status, error.code) == (422, "unknown_dataset")


def test_an_invalid_dataset_cannot_be_trained_on(client: Client, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,timestamp\na,1\n")
    dataset = client.wait_for_dataset(client.upload_dataset(tmp_path / "log.csv").id)
    error = refused(client, dataset.id, preset="bow")
    assert (error.status, error.code) == (422, "dataset_invalid")


def test_an_unknown_preset(client: Client, dataset: Any) -> None:
    error = refused(client, dataset.id, preset="bowl")
    assert error.errors[0]["code"] == "unknown_preset"
    assert "bow" in error.errors[0]["detail"]


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["dataset", "upload", "nothing.csv"], 2, "file_error"),
        (["dataset", "show", "ds_00000000000000000000000000000000"], 2, "not_found"),
        (["job", "submit", "--dataset", "ds_1", "--preset", "bowl"], 2, "validation_failed"),
        (["job", "submit", "--dataset", "ds_1"], 2, "usage"),
        (["model", "show", "nothing"], 2, "not_found"),
        (["recommend", "--bundle", "nowhere", "--history", "1"], 2, "file_error"),
        (["train", "--data", "nothing.csv", "--preset", "bow", "--out", "out"], 2, "file_error"),
    ],
)
def test_the_command_line_says_it_as_json_with_its_status(
    service: Any, tmp_path: Path, arguments: list[str], status: int, code: str, helpers: Any
) -> None:
    more = [] if arguments[0] in {"recommend", "train"} else ["--url", service.url]
    done = subprocess.run(
        helpers.command(*arguments, *more, "--json"),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=helpers.environment(),
    )
    assert done.returncode == status
    error = json.loads(done.stdout)["error"]
    assert error["code"] == code
    assert error["message"] in done.stderr


def test_an_address_where_nothing_answers_has_its_own_status(tmp_path: Path, helpers: Any) -> None:
    done = subprocess.run(
        helpers.command("job", "list", "--url", "http://127.0.0.1:1"),
        capture_output=True,
        text=True,
        env=helpers.environment(),
    )
    assert done.returncode == 3
    assert "pocketrec serve" in done.stderr
