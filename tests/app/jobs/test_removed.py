"""What a client is told of that a retention policy has taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from registry import files, jobs, leases, retention, tables
from registry.records import FileEntry
from registry.settings import Settings

NEVER = dict.fromkeys((kind.setting for kind in retention.KINDS if kind.setting), None)


@pytest.fixture
def age(service: Any) -> Any:
    """A function that lets all jobs have ended a year ago, and applies rules."""

    def apply(**rules: Any) -> None:
        with service.database.write() as session:
            long_ago = datetime.now(UTC) - timedelta(days=365)
            done = update(tables.jobs).where(tables.jobs.c.finished_at.is_not(None))
            session.execute(done.values(finished_at=long_ago))
        retention.apply(service.database, Settings(**{**NEVER, **rules}))

    return apply


def ended(service: Any) -> str:
    """A job of type evaluate that has ended, with a line and a file."""
    blob = service.blobs.put_bytes(b"{}")
    with service.database.write() as session:
        job = jobs.create(session, type="evaluate", dataset_id=None, config={})
        claim = leases.claim(session, job_id=job.id, worker="w", lease_seconds=60)
        assert claim is not None
        jobs.append_log(session, claim, ["hello"])
        entry = FileEntry("report.json", blob.bytes, blob.sha256)
        files.add(session, job.id, "artifact", [entry], datetime.now(UTC))
        jobs.succeed(session, claim, {"metrics": {}, "artifacts": [entry.as_dict()]})
    return job.id


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("logs", "keep_logs_days"),
        ("logs?format=text", "keep_logs_days"),
        ("logs?tail=5", "keep_logs_days"),
        ("events", "keep_events_days"),
        ("artifacts/report.json", "keep_job_files_days"),
    ],
)
def test_it_is_gone_and_why(service: Any, age: Any, path: str, rule: str) -> None:
    job_id = ended(service)
    assert service.client.get(f"/v1/jobs/{job_id}/{path}").status_code == 200
    age(**{rule: 30})
    answer = service.client.get(f"/v1/jobs/{job_id}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (410, "removed_by_policy")
    assert f"for 30 d ({rule})" in answer.json()["detail"]
    job = service.client.get(f"/v1/jobs/{job_id}").json()
    assert job["status"] == "succeeded"
    [(what, removed)] = job["removed"].items()
    assert what == {"artifacts/report.json": "files", "events": "events"}.get(path, "logs")
    assert rule in removed["reason"]
    assert service.client.get("/v1/jobs").json()["data"][0]["removed"] == job["removed"]


def test_a_stream_of_events_that_has_all_of_them_is_told_to_stay_away(service: Any, age: Any) -> None:
    job_id = ended(service)
    last = service.client.get(f"/v1/jobs/{job_id}").json()["last_seq"]
    age(keep_events_days=30)
    stream = {"Accept": "text/event-stream"}
    assert service.client.get(f"/v1/jobs/{job_id}/events", headers=stream).status_code == 410
    answer = service.client.get(f"/v1/jobs/{job_id}/events", headers={**stream, "Last-Event-ID": str(last)})
    assert answer.status_code == 204


def test_files_of_a_version(service: Any, age: Any) -> None:
    old, new = (service.published({"model.tflite": b"model", "manifest.json": b"{}"}) for _ in range(2))
    age(keep_versions=1)
    for address in (f"/v1/models/films/versions/{old.version}/files", f"/v1/jobs/{old.job_id}/artifacts"):
        answer = service.client.get(f"{address}/model.tflite")
        assert (answer.status_code, answer.json()["code"]) == (410, "removed_by_policy")
        assert "the newest 1 of each model's versions" in answer.json()["detail"]
    shown = service.client.get(f"/v1/models/films/versions/{old.version}").json()
    assert (shown["artifacts"], "keep_versions" in shown["removed"]["reason"]) == ([], True)
    assert service.client.get(f"/v1/jobs/{old.job_id}").json()["removed"] == {"files": shown["removed"]}
    listed = service.client.get("/v1/models/films/versions").json()["data"]
    assert [version["removed"] for version in listed] == [None, shown["removed"]]
    assert service.client.get(f"/v1/jobs/{new.job_id}").json()["removed"] == {}
    assert service.client.get(f"/v1/models/films/versions/{new.version}/files/model.tflite").content == b"model"


def test_a_checkpoint(service: Any, age: Any) -> None:
    job_id = service.job(preset="bow").json()["id"]
    claim = service.claim(job_id)
    blob = service.blobs.put_bytes(b"state")
    with service.database.write() as session:
        jobs.promote_checkpoint(session, claim, blob.sha256, blob.bytes, 1, 0)
        jobs.fail(session, claim, {"code": "diverged", "message": "NaN", "errors": []})
    age(keep_checkpoints_days=14)
    job = service.client.get(f"/v1/jobs/{job_id}").json()
    assert (job["checkpoint"], list(job["removed"])) == (None, ["checkpoint"])
    assert "for 14 d (keep_checkpoints_days)" in job["removed"]["checkpoint"]["reason"]


def test_nothing_begins_with_a_version_without_files(service: Any, age: Any) -> None:
    old, _ = (service.published({"model.tflite": b"model", "manifest.json": b"{}"}) for _ in range(2))
    age(keep_versions=1)
    base = {"model": "films", "version": old.version}
    bodies = ({"type": "evaluate", "dataset_id": service.validated().id}, {"type": "export"})
    for body in bodies:
        answer = service.client.post("/v1/jobs", json={**body, "base": base})
        assert (answer.status_code, answer.json()["code"]) == (410, "removed_by_policy")
