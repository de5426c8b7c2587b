from __future__ import annotations

from typing import Any

from app.datasets.examples import PREVIEW_EXAMPLE
from registry import datasets, jobs


def settled(service: Any, preview: dict[str, Any] | None, **invalid: Any) -> str:
    body = service.upload().json()
    claim = service.claim(body["validation_job_id"])
    with service.database.write() as session:
        if invalid:
            datasets.mark_invalid(session, claim, preview=preview, **invalid)
        else:
            datasets.mark_ready(session, claim, report={}, content_hash="c" * 64, files=[], preview=preview)
        jobs.succeed(session, claim, {})
    dataset_id: str = body["id"]
    return dataset_id


def test_rows_up_to_the_limit_with_an_etag(service: Any) -> None:
    rows = [{**PREVIEW_EXAMPLE["rows"][0], "line": line} for line in range(2, 102)]
    dataset_id = settled(service, {**PREVIEW_EXAMPLE, "rows": rows})
    answer = service.client.get(f"/v1/datasets/{dataset_id}/preview")
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["rows"]) == 20
    assert answer.json()["rows"][0] == rows[0]
    again = service.client.get(f"/v1/datasets/{dataset_id}/preview", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert len(service.client.get(f"/v1/datasets/{dataset_id}/preview?limit=100").json()["rows"]) == 100
    for limit in ("0", "101", "x"):
        assert service.client.get(f"/v1/datasets/{dataset_id}/preview?limit={limit}").status_code == 422


def test_not_yet_not_at_all_and_only_lines(service: Any) -> None:
    answer = service.client.get(f"/v1/datasets/{service.upload().json()['id']}/preview")
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_not_ready")
    assert answer.headers["Retry-After"] == "1"
    error = {"code": "dataset_unreadable", "message": "not a zip", "errors": []}
    answer = service.client.get(f"/v1/datasets/{settled(service, None, error=error)}/preview")
    assert answer.status_code == 404
    assert "not a zip" in answer.json()["detail"]
    lines = {**PREVIEW_EXAMPLE, "format": None, "mapping": {}, "columns": [], "rows": [], "lines": ["=1+1;<b>"]}
    answer = service.client.get(f"/v1/datasets/{settled(service, lines, error=error)}/preview")
    assert answer.json()["lines"] == ["=1+1;<b>"]
    assert answer.headers["Content-Type"] == "application/json"
