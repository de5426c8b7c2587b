"""`:cancel` and `:retry`."""

from __future__ import annotations

from typing import Any

import pytest

from registry import datasets, jobs


def test_cancel_a_queued_job(service: Any) -> None:
    job_id = service.job().json()["id"]
    answer = service.client.post(f"/v1/jobs/{job_id}:cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert service.client.post(f"/v1/jobs/{job_id}:cancel").json() == answer.json()


def test_cancel_a_running_job(service: Any) -> None:
    job_id = service.job().json()["id"]
    claim = service.claim(job_id)
    answer = service.client.post(f"/v1/jobs/{job_id}:cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelling")
    assert answer.json()["cancel_requested_at"]
    with service.database.write() as session:
        jobs.cancelled(session, claim)
    assert service.client.get(f"/v1/jobs/{job_id}").json()["status"] == "cancelled"


def test_a_finished_job_can_not_be_cancelled(service: Any) -> None:
    job_id = service.job().json()["id"]
    claim = service.claim(job_id)
    with service.database.write() as session:
        jobs.fail(session, claim, {"code": "diverged", "message": "the loss became NaN", "errors": []})
    answer = service.client.post(f"/v1/jobs/{job_id}:cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_finished")
    body = service.client.get(f"/v1/jobs/{job_id}").json()
    assert (body["status"], body["error"]["type"]) == ("failed", "/problems/diverged")
    assert body["error"]["detail"] == "the loss became NaN"


class TestRetry:
    """`:retry` makes a new job that goes on where the old one stopped."""

    def failed(self, service: Any, *, checkpoint: bool = True) -> dict[str, Any]:
        """A job that failed after its fourth epoch; its checkpoint holds three."""
        job: dict[str, Any] = service.job(preset="cnn", model="films", metadata={"commit": "4f2a91c"}).json()
        claim = service.claim(job["id"])
        with service.database.write() as session:
            for epoch in range(1, 5):
                jobs.record_epoch(session, claim, epoch, {"loss": 5.0 - epoch})
                if checkpoint and epoch <= 3:
                    jobs.promote_checkpoint(session, claim, f"{epoch}" * 64, 100 + epoch, epoch, 0)
            jobs.fail(session, claim, {"code": "out_of_memory", "message": "m", "errors": []})
        return job

    def test_the_new_job_has_all_of_the_old_one_and_its_checkpoint(self, service: Any) -> None:
        old = self.failed(service)
        nudged = len(service.nudged)
        answer = service.client.post(f"/v1/jobs/{old['id']}:retry", headers={"X-Request-ID": "again-1"})
        assert answer.status_code == 202
        new = answer.json()
        assert answer.headers["Location"] == f"/v1/jobs/{new['id']}"
        assert (new["status"], new["attempt"], new["retry_of"]) == ("queued", 0, old["id"])
        assert new["checkpoint"] == {"epoch": 3, "bytes": 103}
        assert new["request_id"] == "again-1"
        for name in ("type", "queue", "dataset_id", "config", "preset", "model", "metadata"):
            assert new[name] == old[name], name
        assert service.client.get(answer.headers["Location"]).json() == new
        assert service.nudged[nudged:] == [new["id"]]
        with service.database.read() as session:
            assert jobs.latest_checkpoint(session, new["id"]).sha256 == "3" * 64
        epochs = service.client.get(f"/v1/jobs/{new['id']}/metrics").json()["data"]
        assert [row["epoch"] for row in epochs] == [1, 2, 3]
        found = service.client.get("/v1/jobs?metadata[commit]=4f2a91c").json()["data"]
        assert [job["id"] for job in found] == [new["id"], old["id"]]

    def test_the_old_job_stays_as_it_was(self, service: Any) -> None:
        old = self.failed(service)
        before = service.client.get(f"/v1/jobs/{old['id']}").json()
        service.client.post(f"/v1/jobs/{old['id']}:retry")
        assert service.client.get(f"/v1/jobs/{old['id']}").json() == before

    def test_without_a_checkpoint_it_begins_anew(self, service: Any) -> None:
        old = self.failed(service, checkpoint=False)
        new = service.client.post(f"/v1/jobs/{old['id']}:retry").json()
        assert new["checkpoint"] is None
        assert service.client.get(f"/v1/jobs/{new['id']}/metrics").json()["data"] == []

    def test_a_cancelled_job(self, service: Any) -> None:
        job_id = service.job().json()["id"]
        service.client.post(f"/v1/jobs/{job_id}:cancel")
        assert service.client.post(f"/v1/jobs/{job_id}:retry").json()["retry_of"] == job_id

    def test_a_retry_of_a_retry(self, service: Any) -> None:
        second = service.client.post(f"/v1/jobs/{self.failed(service)['id']}:retry").json()
        service.client.post(f"/v1/jobs/{second['id']}:cancel")
        third = service.client.post(f"/v1/jobs/{second['id']}:retry").json()
        assert (third["retry_of"], third["checkpoint"]["epoch"]) == (second["id"], 3)

    @pytest.mark.parametrize("run", [False, True])
    def test_not_while_it_lives(self, service: Any, run: bool) -> None:
        job_id = service.job().json()["id"]
        if run:
            service.claim(job_id)
        answer = service.client.post(f"/v1/jobs/{job_id}:retry")
        assert (answer.status_code, answer.json()["code"]) == (409, "job_not_finished")

    def test_not_once_it_has_succeeded(self, service: Any) -> None:
        version = service.published({"model.tflite": b"m"})
        answer = service.client.post(f"/v1/jobs/{version.job_id}:retry")
        assert (answer.status_code, answer.json()["code"]) == (409, "job_succeeded")

    def test_a_validation_is_made_by_an_upload(self, service: Any) -> None:
        job_id = service.upload().json()["validation_job_id"]
        service.client.post(f"/v1/jobs/{job_id}:cancel")
        answer = service.client.post(f"/v1/jobs/{job_id}:retry")
        assert (answer.status_code, answer.json()["code"]) == (409, "job_not_retryable")
        assert "upload the dataset again" in answer.json()["detail"]

    def test_the_dataset_is_gone(self, service: Any) -> None:
        old = self.failed(service)
        with service.database.write() as session:
            datasets.delete(session, old["dataset_id"])
        answer = service.client.post(f"/v1/jobs/{old['id']}:retry")
        assert (answer.status_code, answer.json()["code"]) == (409, "dataset_deleted")

    def test_sent_twice_under_one_key_it_makes_one_job(self, service: Any) -> None:
        old, key = self.failed(service), {"Idempotency-Key": "k"}
        answers = [service.client.post(f"/v1/jobs/{old['id']}:retry", headers=key) for _ in range(2)]
        assert answers[0].content == answers[1].content
        assert answers[1].headers["Idempotent-Replayed"] == "true"


def test_a_cancelled_job_shows_the_checkpoint_that_it_kept(service: Any) -> None:
    job_id = service.job().json()["id"]
    claim = service.claim(job_id)
    assert service.client.get(f"/v1/jobs/{job_id}").json()["checkpoint"] is None
    with service.database.write() as session:
        jobs.promote_checkpoint(session, claim, "a" * 64, 5, 2, 10)
        jobs.promote_checkpoint(session, claim, "b" * 64, 7, 3, 0)
    service.client.post(f"/v1/jobs/{job_id}:cancel")
    with service.database.write() as session:
        jobs.cancelled(session, claim)
    kept = {"epoch": 3, "bytes": 7}
    assert service.client.get(f"/v1/jobs/{job_id}").json()["checkpoint"] == kept
    assert service.client.get("/v1/jobs?status=cancelled").json()["data"][0]["checkpoint"] == kept
