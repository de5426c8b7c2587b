"""`GET /v1/jobs/{id}` and what lies under it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from registry import jobs


def test_a_running_job_shows_phase_progress_epochs_and_events(service: Any) -> None:
    job_id = service.job().json()["id"]
    claim = service.claim(job_id)
    with service.database.write() as session:
        jobs.set_phase(session, claim, "train")
        jobs.record_progress(session, claim, done=5, total=9, unit="steps", eta_seconds=1.5)
        jobs.record_epoch(session, claim, 1, {"loss": 2.0, "ndcg@10": float("nan")})
        jobs.record_epoch(session, claim, 2, {"loss": 1.5, "ndcg@10": 0.25})
    body = service.client.get(f"/v1/jobs/{job_id}").json()
    assert (body["status"], body["phase"], body["attempt"]) == ("running", "train", 1)
    assert body["progress"] == {"done": 5, "total": 9, "unit": "steps", "eta_seconds": 1.5}
    epochs = service.client.get(f"/v1/jobs/{job_id}/metrics").json()["data"]
    assert [(row["epoch"], row["metrics"]) for row in epochs] == [
        (1, {"loss": 2.0, "ndcg@10": None}),
        (2, {"loss": 1.5, "ndcg@10": 0.25}),
    ]
    events = service.client.get(f"/v1/jobs/{job_id}/events").json()
    assert [event["seq"] for event in events["data"]] == list(range(1, body["last_seq"] + 1))
    assert events["data"][-1]["type"] == "job.epoch_completed"
    assert (events["has_more"], events["next_cursor"]) == (False, None)
    page = service.client.get(f"/v1/jobs/{job_id}/events?after=1&limit=2")
    assert [event["seq"] for event in page.json()["data"]] == [2, 3]
    assert page.json()["next_cursor"] == "3"
    following = service.client.get(page.links["next"]["url"]).json()
    assert [event["seq"] for event in following["data"]] == [4, 5]


def test_a_result_has_urls_that_work(service: Any) -> None:
    version = service.published({"model.tflite": b"model", "bundle.zip": b"zip", "variants/a b.tflite": b"v"})
    body = service.client.get(f"/v1/jobs/{version.job_id}").json()
    assert (body["status"], body["result"]["model"], body["result"]["version"]) == ("succeeded", "films", 1)
    urls = {artifact["path"]: artifact["url"] for artifact in body["result"]["artifacts"]}
    assert urls == {
        "model.tflite": "/v1/models/films/versions/1/files/model.tflite",
        "bundle.zip": "/v1/models/films/versions/1/bundle.zip",
        "variants/a b.tflite": "/v1/models/films/versions/1/files/variants/a%20b.tflite",
    }
    assert [service.client.get(urls[path]).content for path in sorted(urls)] == [b"zip", b"model", b"v"]


def test_artifacts_can_be_had_by_job_too(service: Any) -> None:
    version = service.published({"model.tflite": b"model"})
    by_job = service.client.get(f"/v1/jobs/{version.job_id}/artifacts/model.tflite")
    by_version = service.client.get("/v1/models/films/versions/1/files/model.tflite")
    assert by_job.content == by_version.content == b"model"
    assert by_job.headers["ETag"] == by_version.headers["ETag"]
    assert service.client.head(f"/v1/jobs/{version.job_id}/artifacts/model.tflite").status_code == 200
    for address in (f"{version.job_id}/artifacts/..%2fx", f"{service.job().json()['id']}/artifacts/model.tflite"):
        assert service.client.get(f"/v1/jobs/{address}").json()["code"] == "not_found"


def test_etag_changes_with_the_job(service: Any) -> None:
    job_id = service.job().json()["id"]
    first = service.client.get(f"/v1/jobs/{job_id}")
    known = {"If-None-Match": first.headers["ETag"]}
    unchanged = service.client.get(f"/v1/jobs/{job_id}", headers=known)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    claim = service.claim(job_id)
    with service.database.write() as session:
        jobs.record_progress(session, claim, done=1, total=2, unit="steps")
    assert service.client.get(f"/v1/jobs/{job_id}", headers=known).status_code == 200


@pytest.mark.parametrize("job_id", ["job_0", "ds_1", "x", "job_%00", "job_1%2f..", ":cancel"])
def test_unknown_jobs(service: Any, job_id: str) -> None:
    for method, path in [("GET", ""), ("POST", ":cancel"), ("GET", "/events"), ("GET", "/metrics")]:
        answer = service.client.request(method, f"/v1/jobs/{job_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


class TestLongPoll:
    """`?wait=&after=`."""

    def timed(self, service: Any, path: str) -> tuple[Any, float]:
        started = time.monotonic()
        answer = service.client.get(path)
        return answer, time.monotonic() - started

    def test_a_finished_job_answers_at_once(self, service: Any) -> None:
        job_id = service.job().json()["id"]
        service.client.post(f"/v1/jobs/{job_id}:cancel")
        _, seconds = self.timed(service, f"/v1/jobs/{job_id}?wait=20&after=99")
        assert seconds < 2

    def test_news_are_answered_at_once(self, service: Any) -> None:
        job_id = service.job().json()["id"]
        _, seconds = self.timed(service, f"/v1/jobs/{job_id}?wait=20&after=0")
        assert seconds < 2

    @pytest.mark.parametrize("query", ["wait=1", "wait=1&after=1"])
    def test_without_news_it_is_held(self, service: Any, query: str) -> None:
        job_id = service.job().json()["id"]
        answer, seconds = self.timed(service, f"/v1/jobs/{job_id}?{query}")
        assert answer.status_code == 200
        assert 0.9 < seconds < 5

    def test_an_event_ends_the_wait(self, service: Any) -> None:
        job_id = service.job().json()["id"]
        timer = threading.Timer(0.3, lambda: service.claim(job_id))
        timer.start()
        answer, seconds = self.timed(service, f"/v1/jobs/{job_id}?wait=20&after=1")
        timer.join()
        assert answer.json()["status"] == "running"
        assert 0.2 < seconds < 5

    def test_waiting_is_bounded(self, service: Any) -> None:
        job_id = service.job().json()["id"]
        assert service.client.get(f"/v1/jobs/{job_id}?wait=31").status_code == 422
