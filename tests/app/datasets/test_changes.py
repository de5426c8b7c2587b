"""Names and labels change, by merge patch and under If-Match; deletion, and what stands in its way."""

from __future__ import annotations

from typing import Any

import pytest

from registry import jobs

MERGE = "application/merge-patch+json"


def patch(service: Any, dataset_id: str, body: Any, **headers: str) -> Any:
    return service.client.patch(f"/v1/datasets/{dataset_id}", json=body, headers=headers)


def test_a_merge_patch_changes_what_it_names(service: Any) -> None:
    dataset_id = service.upload(labels='{"season": "spring", "source": "shop"}').json()["id"]
    answer = patch(service, dataset_id, {"name": "May", "labels": {"season": None, "year": "2026"}})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["labels"]) == ("May", {"source": "shop", "year": "2026"})
    read = service.client.get(f"/v1/datasets/{dataset_id}")
    assert (read.json(), read.headers["ETag"]) == (answer.json(), answer.headers["ETag"])
    assert patch(service, dataset_id, {}).json()["labels"] == {"source": "shop", "year": "2026"}
    assert patch(service, dataset_id, {"labels": None}).json()["labels"] == {}
    content = {"content": b'{"name": "June"}', "headers": {"Content-Type": MERGE}}
    assert service.client.patch(f"/v1/datasets/{dataset_id}", **content).json()["name"] == "June"


def test_if_match_guards_against_lost_updates(service: Any) -> None:
    dataset_id = service.validated().id
    etag = service.client.get(f"/v1/datasets/{dataset_id}").headers["ETag"]
    assert patch(service, dataset_id, {"name": "one"}, **{"If-Match": etag}).status_code == 200
    for header in (etag, '"other"', f"W/{etag}"):
        late = patch(service, dataset_id, {"name": "two"}, **{"If-Match": header})
        assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
        assert service.client.delete(f"/v1/datasets/{dataset_id}", headers={"If-Match": header}).status_code == 412
    assert service.client.get(f"/v1/datasets/{dataset_id}").json()["name"] == "one"
    assert patch(service, dataset_id, {"name": "two"}, **{"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"status": "ready"}, "/status"),
        ({"labels": {"a": 1}}, "/labels/a"),
        ({"labels": {"a": "x" * 513}}, "/labels/a"),
        ({"labels": {"x" * 65: "a"}}, f"/labels/{'x' * 65}/[key]"),
        ({"labels": {str(number): "x" for number in range(17)}}, "/labels"),
    ],
)
def test_patches_that_are_refused(service: Any, body: Any, pointer: str) -> None:
    dataset_id = service.upload().json()["id"]
    before = service.client.get(f"/v1/datasets/{dataset_id}").json()
    answer = patch(service, dataset_id, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert service.client.get(f"/v1/datasets/{dataset_id}").json() == before


def test_lists_are_filtered_by_labels_and_time(service: Any) -> None:
    first = service.upload(labels='{"season": "spring"}').json()
    second = service.upload(labels='{"season": "autumn"}').json()

    def ids(**params: str) -> list[str]:
        answer = service.client.get("/v1/datasets", params=params)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["data"]]

    assert ids(**{"labels[season]": "spring"}) == [first["id"]]
    assert ids(**{"labels[season]": "winter"}) == []
    assert ids(created_after=first["created_at"]) == [second["id"]]
    assert ids(created_before=second["created_at"]) == [first["id"]]
    assert service.client.get("/v1/datasets?statu=ready").status_code == 422


def test_deleted_is_gone_everywhere(service: Any) -> None:
    dataset_id = service.validated().id
    answer = service.client.delete(f"/v1/datasets/{dataset_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    for path in ("", "/report", "/preview", "/events"):
        assert service.client.get(f"/v1/datasets/{dataset_id}{path}").status_code == 404
    assert service.client.delete(f"/v1/datasets/{dataset_id}").status_code == 404
    assert patch(service, dataset_id, {"name": "x"}).status_code == 404
    assert service.client.get("/v1/datasets").json()["data"] == []
    answer = service.client.post("/v1/jobs", json={"dataset_id": dataset_id, "preset": "bow"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_dataset")


def test_a_dataset_in_use_names_its_jobs_and_what_it_made_outlives_it(service: Any) -> None:
    version = service.published({"model.tflite": b"m"})
    waiting = service.client.post("/v1/jobs", json={"dataset_id": version.dataset_id, "preset": "bow"}).json()["id"]
    answer = service.client.delete(f"/v1/datasets/{version.dataset_id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_in_use")
    assert (answer.json()["job_ids"], waiting in answer.json()["detail"]) == ([waiting], True)
    with service.database.write() as session:
        jobs.request_cancel(session, waiting)
    assert service.client.delete(f"/v1/datasets/{version.dataset_id}").status_code == 204
    for path in (f"/v1/jobs/{version.job_id}", f"/v1/jobs/{waiting}", "/v1/models/films/versions/1", "/v1/jobs"):
        assert service.client.get(path).status_code == 200, path
    retried = service.client.post(f"/v1/jobs/{waiting}:retry")
    assert retried.status_code in (409, 422), retried.text


def test_deleting_while_validating_cancels_the_validation(service: Any) -> None:
    body = service.upload().json()
    assert service.client.delete(f"/v1/datasets/{body['id']}").status_code == 204
    assert service.read_job(body["validation_job_id"]).status == "cancelled"


@pytest.mark.parametrize("name", ["ds_0", "job_1", "x", "ds_%00", "ds_'--", "..%2f"])
def test_unknown_ids(service: Any, name: str) -> None:
    assert service.client.delete(f"/v1/datasets/{name}").status_code == 404
    assert service.client.patch(f"/v1/datasets/{name}", json={"name": "x"}).status_code == 404
    assert service.client.get(f"/v1/datasets/{name}/preview").status_code == 404
