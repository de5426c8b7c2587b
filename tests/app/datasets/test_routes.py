from __future__ import annotations

import errno
import io
import json
from pathlib import Path
from typing import Any

import pytest

from app.datasets import upload
from registry import jobs


def leftovers(service: Any) -> list[Path]:
    return [path for path in (service.settings.state_dir / "uploads").rglob("*") if path.is_file()]


def test_an_upload_is_kept_queued_and_announced(service: Any) -> None:
    content = b"user,item,ts\n1,2,3\n" * 1000
    answer = service.upload(content, "My ratings.csv", name="Ratings, May")
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["Location"] == f"/v1/datasets/{body['id']}"
    assert answer.headers["Retry-After"] == "1"
    assert (body["status"], body["name"], body["bytes"]) == ("validating", "Ratings, May", len(content))
    assert (body["content_hash"], body["report"], body["error"]) == (None, None, None)
    [entry] = body["files"]
    assert entry["path"] == "My_ratings.csv"
    assert b"".join(service.blobs.open_range(entry["sha256"])) == content
    assert service.nudged == [body["validation_job_id"]]
    job = service.read_job(body["validation_job_id"])
    assert (job.type, job.status, job.dataset_id) == ("validate_dataset", "queued", body["id"])
    assert service.client.get(answer.headers["Location"]).json() == body
    assert leftovers(service) == []


def test_the_name_is_the_files_unless_given(service: Any) -> None:
    assert service.upload(filename="ratings.csv").json()["name"] == "ratings.csv"


def test_single_fields_override_the_spec(service: Any) -> None:
    spec = {"format": "csv", "separator": ";", "mapping": {"user": "uid"}}
    body = service.upload(
        spec=json.dumps(spec), separator="null", mapping='{"item": "sku", "rating": null}', header="true", items="null"
    ).json()
    assert body["spec"] == {
        "format": "csv",
        "path": None,
        "mapping": {"user": "auto", "item": "sku", "timestamp": "auto", "rating": None, "features": []},
        "items": None,
        "users": {"path": "auto", "id": "auto"},
        "separator": None,
        "header": True,
        "encoding": "utf-8",
        "on_bad_rows": "reject",
    }


def test_log_and_item_table_lie_side_by_side(service: Any) -> None:
    files = {"file": ("data.csv", b"u,i,t\n"), "items": ("data.csv", b"id,title\n")}
    body = service.client.post("/v1/datasets", files=files, data={"spec": '{"items": {"title": "name"}}'}).json()
    assert [entry["path"] for entry in body["files"]] == ["data.csv", "items-data.csv"]
    assert body["spec"]["path"] == "data.csv"
    assert body["spec"]["items"] == {"path": "items-data.csv", "id": "auto", "title": "name", "categories": "auto"}


def test_a_user_table_lies_beside_them_under_a_name_of_its_own(service: Any) -> None:
    files = {"file": ("data.csv", b"u,i,t\n"), "users": ("data.csv", b"id,age\n"), "items": ("data.csv", b"id,title\n")}
    body = service.client.post("/v1/datasets", files=files, data={"spec": '{"users": {"id": "id"}}'}).json()
    assert [entry["path"] for entry in body["files"]] == ["data.csv", "items-data.csv", "users-data.csv"]
    assert body["spec"]["users"] == {"path": "users-data.csv", "id": "id"}
    assert body["spec"]["items"]["path"] == "items-data.csv"
    denied = service.client.post("/v1/datasets", files=files, data={"spec": '{"users": null}'})
    assert denied.status_code == 422
    assert denied.json()["errors"][0]["pointer"] == "/spec/users"


@pytest.mark.parametrize(
    ("fields", "status", "code", "pointer"),
    [
        ({"format": "xls"}, 422, "validation_failed", "/format"),
        ({"mapping": '{"user": 3}'}, 422, "validation_failed", "/mapping/user"),
        ({"mapping": '{"usr": "x"}'}, 422, "validation_failed", "/mapping/usr"),
        ({"mapping": '{"a": 1, "a": 2}'}, 400, "malformed_json", ""),
        ({"mapping": "{"}, 400, "malformed_json", ""),
        ({"spec": "[]"}, 422, "validation_failed", "/spec"),
        ({"spec": '{"colour": 1}'}, 422, "validation_failed", "/colour"),
        ({"colour": "red"}, 422, "validation_failed", "/colour"),
        ({"separator": "abc"}, 422, "validation_failed", "/separator"),
        ({"name": "a\nb"}, 422, "validation_failed", "/name"),
        ({"name": "x" * 201}, 422, "validation_failed", "/name"),
    ],
)
def test_faulty_fields(service: Any, fields: dict[str, str], status: int, code: str, pointer: str) -> None:
    answer = service.upload(**fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert leftovers(service) == []
    assert service.nudged == []
    assert service.client.get("/v1/datasets").json()["data"] == []


def test_a_file_is_needed_and_must_not_be_empty(service: Any) -> None:
    answer = service.client.post("/v1/datasets", files={"items": ("a.csv", b"x")})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/file")
    answer = service.upload(b"")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "empty")


def test_an_item_table_can_not_join_a_zip_or_a_spec_that_denies_it(service: Any) -> None:
    table = ("items.csv", b"id\n")
    answer = service.client.post("/v1/datasets", files={"file": ("a.zip", b"PK"), "items": table})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/items")
    answer = service.client.post(
        "/v1/datasets", files={"file": ("a.csv", b"u"), "items": table}, data={"spec": '{"items": null}'}
    )
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "contradiction")


def test_too_large_leaves_nothing(make_service: Any) -> None:
    service = make_service(max_upload_bytes=1000)
    assert service.upload(b"x" * 1000).status_code == 202
    answer = service.upload(b"x" * 1001)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert "1000 bytes" in answer.json()["detail"]
    assert leftovers(service) == []


def test_a_full_disk_is_said(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(service.blobs, "adopt_file", full)
    answer = service.upload()
    assert (answer.status_code, answer.json()["code"]) == (507, "insufficient_storage")
    assert leftovers(service) == []


def test_ready_with_report_and_etag(service: Any) -> None:
    dataset = service.validated()
    answer = service.client.get(f"/v1/datasets/{dataset.id}")
    body = answer.json()
    assert (body["status"], body["content_hash"], body["report"]["rows"]["in"]) == ("ready", "c" * 64, 1000)
    again = service.client.get(f"/v1/datasets/{dataset.id}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == answer.headers["ETag"]
    report = service.client.get(f"/v1/datasets/{dataset.id}/report")
    assert report.json() == body["report"]
    events = service.client.get(f"/v1/datasets/{dataset.id}/events").json()
    assert [event["type"] for event in events["data"]] == ["dataset.created", "dataset.ready"]


def test_invalid_shows_a_problem_object_and_keeps_the_report(service: Any) -> None:
    error = {
        "code": "dataset_invalid",
        "message": "ratings.csv line 812: timestamp missing; expected user,item,timestamp",
        "errors": [{"pointer": "", "code": "timestamp_missing", "detail": "2 rows"}],
    }
    dataset = service.validated(error=error, report={"rows": {"in": 9}})
    body = service.client.get(f"/v1/datasets/{dataset.id}").json()
    assert body["status"] == "invalid"
    assert body["error"]["type"] == "/problems/dataset_invalid"
    assert body["error"]["detail"] == error["message"]
    assert body["error"]["errors"][0]["code"] == "timestamp_missing"
    assert service.client.get(f"/v1/datasets/{dataset.id}/report").json() == {"rows": {"in": 9}}


def test_a_report_that_is_not_there(service: Any) -> None:
    validating = service.upload().json()["id"]
    answer = service.client.get(f"/v1/datasets/{validating}/report")
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_not_ready")
    assert answer.headers["Retry-After"] == "1"
    invalid = service.validated(error={"code": "dataset_unreadable", "message": "not a zip", "errors": []}).id
    answer = service.client.get(f"/v1/datasets/{invalid}/report")
    assert answer.status_code == 404
    assert "not a zip" in answer.json()["detail"]


def test_a_dataset_whose_validation_was_cancelled_is_invalid(service: Any) -> None:
    body = service.upload().json()
    with service.database.write() as session:
        jobs.request_cancel(session, body["validation_job_id"])
    assert service.client.get(f"/v1/datasets/{body['id']}").json()["error"]["code"] == "validation_cancelled"


@pytest.mark.parametrize("name", ["ds_0", "job_1", "x", "ds_%00", "ds_'--", "..%2f", "ds_" + "0" * 500])
def test_unknown_ids(service: Any, name: str) -> None:
    for path in (name, f"{name}/report", f"{name}/events"):
        answer = service.client.get(f"/v1/datasets/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_status_filter(service: Any) -> None:
    ready = service.validated().id
    service.upload()
    listed = service.client.get("/v1/datasets?status=ready").json()["data"]
    assert [item["id"] for item in listed] == [ready]
    answer = service.client.get("/v1/datasets?status=done")
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "status")


def test_a_generator_body_without_a_length(service: Any) -> None:
    form = io.BytesIO(
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nu,i\n1,2\n\r\n--b--\r\n'
    )
    answer = service.client.post(
        "/v1/datasets",
        content=iter(lambda: form.read(7), b""),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert answer.status_code == 202
    assert answer.json()["bytes"] == len(b"u,i\n1,2\n")


def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    left = tmp_path / "uploads" / "left"
    left.mkdir(parents=True)
    (left / "lock").touch()
    (left / "part1").write_bytes(b"x")
    with upload.scratch_folder(tmp_path) as used:
        upload.sweep(tmp_path)
        assert left.exists()  # its upload may have begun a moment ago
        upload.sweep(tmp_path, fresh_seconds=-1)
        assert (left.exists(), used.exists()) == (False, True)
    upload.sweep(tmp_path / "nothing here")
