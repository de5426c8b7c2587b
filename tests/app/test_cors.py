"""Pages of the origins in the settings can read every answer, errors included; other pages can read none."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from app.cors import EXPOSED
from registry.settings import Settings

PAGE = "https://app.example"
KEY = "k" * 32


@pytest.fixture
def service(make_service: Any) -> Any:
    return make_service(cors_origins=(PAGE, "http://localhost:5173"), api_key=KEY)


def preflight(service: Any, origin: str, method: str = "GET", headers: str = "authorization, last-event-id") -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return service.client.options("/v1/jobs/job_1/events", headers=asked)


def varies(answer: Any) -> list[str]:
    return [name.strip() for name in answer.headers.get("Vary", "").split(",")]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_preflight_needs_no_key(service: Any, method: str) -> None:
    asked = "authorization, idempotency-key, if-match, if-none-match, last-event-id, content-type, x-request-id, range"
    answer = preflight(service, PAGE, method, asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert set(asked.split(", ")) <= set(
        answer.headers["Access-Control-Allow-Headers"].replace(" ", "").lower().split(",")
    )
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"]
)
def test_a_preflight_of_another_page_is_refused(service: Any, origin: str) -> None:
    answer = preflight(service, origin)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin_refused")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "POCKETREC_CORS_ORIGINS" in answer.json()["detail"]


def test_a_method_that_no_operation_has_is_refused(service: Any) -> None:
    answer = preflight(service, PAGE, "TRACE")
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (403, PAGE)


def test_every_answer_can_be_read_errors_too(service: Any) -> None:
    def broken() -> None:
        raise RuntimeError("boom")

    service.app.add_api_route("/broken", broken)
    key = {"Authorization": f"Bearer {KEY}"}
    for path, headers, status in [
        ("/v1/jobs", key, 200),
        ("/v1/jobs", {}, 401),
        ("/nothing", key, 404),
        ("/v1/jobs?limit=x", key, 422),
        ("/broken", key, 500),
    ]:
        answer = service.client.get(path, headers=headers | {"Origin": PAGE})
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE, path
        assert set(EXPOSED) <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
        assert "Origin" in varies(answer)
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["X-Request-ID"]
        if status >= 400:
            assert answer.json()["status"] == status


def test_other_pages_can_read_nothing(service: Any) -> None:
    answer = service.client.get("/healthz", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Origin" in varies(answer)


def test_a_browsers_cache_keeps_a_plain_download_apart(service: Any) -> None:
    """Else a page would get the download that the cache holds, without the header that lets it read it."""
    assert "Origin" in varies(service.client.get("/healthz"))


def test_event_streams_vary_by_both(service: Any) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Origin": PAGE}
    made = service.client.post("/v1/datasets", files={"file": ("a.csv", b"user,item,ts\n1,2,3\n")}, headers=headers)
    answer = service.client.head(
        f"{made.headers['Location']}/events", headers=headers | {"Accept": "text/event-stream"}
    )
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert set(varies(answer)) == {"Accept", "Origin"}


def test_none_by_default(make_service: Any) -> None:
    service = make_service()
    assert (
        service.client.options("/v1/jobs", headers={"Origin": PAGE, "Access-Control-Request-Method": "GET"}).status_code
        == 405
    )
    answer = service.client.get("/healthz", headers={"Origin": PAGE})
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_all_origins(make_service: Any) -> None:
    answer = make_service(cors_origins=("*",)).client.get("/healthz", headers={"Origin": "https://any.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "bad", ["https://app.example/", "app.example", "https://App.example", "https://a.example/x", ""]
)
def test_what_no_browser_sends_is_refused_at_the_start(bad: str) -> None:
    with pytest.raises(ValidationError, match="no origin as browsers send it"):
        Settings(cors_origins=(bad,))
