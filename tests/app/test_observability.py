from __future__ import annotations

import json
from typing import Any

import pytest
import structlog
from fastapi import Request

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_the_callers_trace_goes_on(service: Any) -> None:
    answer = service.client.get("/nothing", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    assert answer.json()["trace_id"] == TRACE
    assert answer.headers["X-Request-ID"] == TRACE


@pytest.mark.parametrize(
    "bad", ["", "x", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE.upper()}-00f067aa0ba902b7-01"]
)
def test_a_bad_traceparent_is_replaced(service: Any, bad: str) -> None:
    trace_id = service.client.get("/nothing", headers={"traceparent": bad}).json()["trace_id"]
    assert len(trace_id) == 32
    assert trace_id not in (TRACE, "0" * 32)


def test_request_ids_are_kept_if_harmless(service: Any) -> None:
    assert service.client.get("/healthz", headers={"X-Request-ID": "order-17"}).headers["X-Request-ID"] == "order-17"
    echoed = service.client.get("/healthz", headers={"X-Request-ID": "<script>"}).headers["X-Request-ID"]
    assert len(echoed) == 32


@pytest.mark.parametrize("path", ["/healthz", "/v1/jobs", "/nothing", "/openapi.json"])
def test_safe_headers_everywhere(service: Any, path: str) -> None:
    headers = service.client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Cache-Control" in headers


def test_the_access_log_names_jobs(service: Any) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        job_id = service.job(preset="bow").json()["id"]
        service.client.get("/healthz")
    requests = {line["path"]: line for line in lines if line["event"] == "request" and line["log_level"] == "info"}
    assert set(requests) == {"/v1/datasets", "/v1/jobs"}
    line = requests["/v1/jobs"]
    assert (line["job_id"], line["method"], line["status"]) == (job_id, "POST", 202)
    assert len(line["trace_id"]) == 32


def test_a_failure_is_logged_under_its_trace_id(service: Any) -> None:
    def broken() -> None:
        raise RuntimeError("boom")

    service.app.add_api_route("/broken", broken)
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = service.client.get("/broken")
    [failure] = [line for line in lines if line["event"] == "request failed"]
    assert failure["trace_id"] == answer.json()["trace_id"]
    assert failure["exc_info"]


KEY = "s3cr3t-" + "k" * 32


def test_no_secret_gets_into_the_log(make_service: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever a client sends as a key, in whichever place, and also when the code fails on it."""
    service = make_service(api_key=KEY)

    def broken(request: Request) -> None:
        credentials = request.headers.get("authorization")
        raise RuntimeError("boom" if credentials else "no key")

    service.app.add_api_route("/broken", broken)
    capfd.readouterr()
    ways: list[dict[str, Any]] = [
        {"headers": {"Authorization": f"Bearer {KEY}"}},
        {"headers": {"Authorization": f"Basic {KEY}"}},
        {"params": {"api_key": KEY, "token": KEY}},
        {"headers": {"X-Api-Key": KEY, "Cookie": f"key={KEY}"}},
    ]
    for way in ways:
        for path in ("/v1/jobs", "/broken", "/nothing", "/metrics"):
            service.client.get(path, **way)
        service.client.post("/v1/jobs", content=b"{broken", **way)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) >= 4 * 4
    assert {"request_id", "trace_id", "method", "path", "status", "milliseconds"} <= set(requests[0])
    assert any(line["event"] == "request failed" for line in lines)
    assert KEY not in json.dumps(lines)
    assert "s3cr3t" not in json.dumps(lines)


def test_a_jobs_lines_can_be_followed_from_its_request(service: Any) -> None:
    dataset = service.validated()
    answer = service.client.post(
        "/v1/jobs", json={"dataset_id": dataset.id, "preset": "bow"}, headers={"X-Request-ID": "order-17"}
    )
    assert service.read_job(answer.json()["id"]).request_id == "order-17"
