"""The exposition, read back by Prometheus's own parser, after a history that was planted."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import Metrics
from registry import jobs
from registry.database import Database

KEY = "k" * 32


class Scrape(dict[tuple[str, tuple[tuple[str, str], ...]], float]):
    """Values by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        for family in self.families:
            for sample in family.samples:
                self[sample.name, tuple(sorted(sample.labels.items()))] = sample.value

    def value(self, name: str, **labels: str) -> float | None:
        return self.get((name, tuple(sorted(labels.items()))))

    def label_values(self, label: str) -> set[str]:
        return {value for _, labels in self for name, value in labels if name == label}


def scrape(service: Any, **headers: str) -> Scrape:
    answer = service.client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return Scrape(answer.text)


@pytest.fixture
def planted(service: Any) -> Any:
    """Two validated datasets, one failed training, one cancelled, one that runs, two that wait."""
    failed, cancelled, running, *_ = [service.job(preset="bow").json()["id"] for _ in range(5)]
    claim = service.claim(failed)
    with service.database.write() as session:
        jobs.set_phase(session, claim, "validate")
    with service.database.write() as session:
        jobs.attempt_lost(session, claim, {"code": "out_of_memory", "message": ""})
    claim = service.claim(failed)
    with service.database.write() as session:
        jobs.fail(session, claim, {"code": "diverged", "message": "", "errors": []})
        jobs.request_cancel(session, cancelled)
    service.claim(running)
    return service


def test_jobs_queues_attempts_and_phases(planted: Any) -> None:
    found = scrape(planted)
    assert found.value("pocketrec_jobs", type="train", status="failed") == 1
    assert found.value("pocketrec_jobs", type="train", status="cancelled") == 1
    assert found.value("pocketrec_jobs", type="train", status="running") == 1
    assert found.value("pocketrec_jobs", type="train", status="queued") == 2
    assert found.value("pocketrec_jobs", type="validate_dataset", status="succeeded") == 5
    assert found.value("pocketrec_queue_jobs", queue="train") == 2
    assert found.value("pocketrec_queue_jobs", queue="validate") == 0
    age = found.value("pocketrec_queue_oldest_seconds", queue="train")
    assert age is not None
    assert 0 < age < 60
    assert found.value("pocketrec_queue_oldest_seconds", queue="validate") == 0
    assert found.value("pocketrec_jobs_finished_total", type="train", status="failed") == 1
    assert found.value("pocketrec_attempts_started_total", type="train") == 3
    assert found.value("pocketrec_attempts_ended_total", type="train", outcome="lost") == 1
    assert found.value("pocketrec_attempts_lost_total", type="train", reason="out_of_memory") == 1
    assert found.value("pocketrec_phase_duration_seconds_count", phase="validate", type="train") == 1
    assert found.value("pocketrec_phase_duration_seconds_bucket", phase="validate", type="train", le="+Inf") == 1
    assert found.value("pocketrec_phase_duration_seconds_bucket", phase="validate", type="train", le="60.0") == 1
    assert found.value("pocketrec_job_duration_seconds_count", type="train", status="failed") == 1
    assert found.value("pocketrec_job_wait_seconds_count", queue="train") == 2


def test_requests_by_route_and_never_by_id(planted: Any) -> None:
    planted.client.get("/v1/jobs/job_unknown")
    planted.client.get("/nothing/of/this/name")
    planted.client.request("BREW", "/v1/jobs")
    planted.published({"model.tflite": b"m" * 1000})
    planted.client.get("/v1/models/films/versions/1/files/model.tflite")
    planted.client.head("/v1/models/films/versions/1/files/model.tflite")
    found = scrape(planted)
    job, file = "/v1/jobs/{job_id}", "/v1/models/{name}/versions/{version}/files/{path}"
    assert found.value("pocketrec_http_requests_total", method="GET", route=job, status="404") == 1
    assert found.value("pocketrec_http_requests_total", method="GET", route="unmatched", status="404") == 1
    assert found.value("pocketrec_http_request_duration_seconds_count", method="GET", route=job) == 1
    assert found.value("pocketrec_http_sent_bytes_total", route=file) == 1000
    received = found.value("pocketrec_http_received_bytes_total", route="/v1/datasets")
    assert received is not None
    assert received > 6 * 19
    assert found.label_values("method") <= {"GET", "POST", "HEAD", "other"}
    assert not any("job_" in value.replace("{job_id}", "") for value in found.label_values("route"))


def test_conventions(planted: Any) -> None:
    """Every family explains itself, and names its unit or that it counts."""
    found = scrape(planted)
    ours = [family for family in found.families if family.name.startswith("pocketrec_")]
    assert len(ours) > 12
    for family in ours:
        assert len(family.documentation) > 10, family.name
        if family.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in family.samples)
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
    assert found.value("process_resident_memory_bytes")
    assert found.value("pocketrec_event_streams") == 0
    [build] = [labels for name, labels in found if name == "pocketrec_build_info"]
    assert dict(build)["version"] == planted.app.version


def test_openmetrics_for_those_who_ask(service: Any) -> None:
    answer = service.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert "pocketrec_queue_jobs" in {family.name for family in parse_openmetrics(answer.text)}


def test_the_sums_outlive_the_process_and_are_those_of_all(planted: Any) -> None:
    other = Metrics("1", lambda: 0)
    database = Database(planted.settings.database_url)
    text, _ = other.exposition(database, "")
    database.dispose()
    assert Scrape(text.decode()).value("pocketrec_jobs_finished_total", type="train", status="failed") == 1


def test_it_needs_the_key_unless_the_settings_say_otherwise(make_service: Any) -> None:
    service = make_service(api_key=KEY)
    assert service.client.get("/metrics").status_code == 401
    assert service.client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    assert make_service(api_key=KEY, metrics_public=True).client.get("/metrics").status_code == 200


def test_without_a_database_there_are_no_half_truths(service: Any) -> None:
    service.database.dispose()
    path = service.settings.state_dir / "registry.db"
    path.unlink()
    path.mkdir()
    answer = service.client.get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert service.client.get("/healthz").status_code == 200
