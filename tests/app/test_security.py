from __future__ import annotations

import re
from typing import Any

import pytest

from app.main import create_app
from app.security import BindingRefused, check_binding, is_loopback
from app.settings import ApiSettings
from registry.settings import Settings

KEY = "a-key-of-more-than-sixteen-characters"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.9.1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "app.localhost",
        "::1",
        "[::1]",
        "0:0:0:0:0:0:0:1",
    ],
)
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com", "127.0.0.1.nip.io", "1270.0.0.1"]
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:9", "localhost:"])
def test_without_a_key_loopback_names_are_served(service: Any, host: str) -> None:
    assert service.client.get("/v1/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "127.0.0.1:80@evil", ""]
)
@pytest.mark.parametrize("path", ["/v1/jobs", "/healthz", "/openapi.json", "/nothing"])
def test_without_a_key_other_names_are_misdirected(service: Any, host: str, path: str) -> None:
    answer = service.client.get(path, headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "misdirected_request")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(answer.json()["trace_id"]) == 32


def test_with_a_key_any_name_is_served(make_service: Any) -> None:
    service = make_service(api_key=KEY)
    headers = {"Host": "recs.example", "Authorization": f"Bearer {KEY}"}
    assert service.client.get("/v1/jobs", headers=headers).status_code == 200


def under_v1(service: Any) -> list[tuple[str, str]]:
    """Every operation of the document, and `/metrics`, with something in place of each name in its path."""
    found = [
        (method.upper(), re.sub(r"\{(\w+)\}", "1", path))
        for path, operations in service.app.openapi()["paths"].items()
        for method in operations
        if path.startswith("/v1/") or path == "/metrics"
    ]
    assert ("POST", "/v1/jobs/1:cancel") in found
    assert len(found) > 30
    return found


@pytest.mark.parametrize(
    "authorization", [None, "Bearer wrong", f"Bearer {KEY}x", f"Basic {KEY}", f"bearer{KEY}", "Bearer "]
)
def test_with_a_key_nothing_under_v1_answers_without_it(make_service: Any, authorization: str | None) -> None:
    service = make_service(api_key=KEY)
    headers = {} if authorization is None else {"Authorization": authorization}
    for method, path in under_v1(service):
        answer = service.client.request(method, path, headers=headers)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        if method != "HEAD":
            assert answer.json()["code"] == "unauthorized"
            assert KEY not in answer.text


def test_no_body_is_read_before_the_key_is_checked(make_service: Any) -> None:
    service = make_service(api_key=KEY)
    answer = service.client.post(
        "/v1/datasets", files={"file": ("a.csv", b"x")}, headers={"Authorization": "Bearer no"}
    )
    assert answer.status_code == 401
    assert not (service.settings.state_dir / "uploads").exists()


def test_with_the_key_it_answers_and_probes_need_none(make_service: Any) -> None:
    service = make_service(api_key=KEY)
    assert service.client.get("/v1/jobs", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    for path in ("/healthz", "/readyz", "/openapi.json", "/problems/not_found"):
        assert service.client.get(path).status_code == 200


def test_binding() -> None:
    local, everywhere = Settings(host="127.0.0.1"), Settings(host="0.0.0.0")
    check_binding(local, None)
    check_binding(everywhere, KEY)
    with pytest.raises(BindingRefused, match="POCKETREC_API_KEY"):
        check_binding(everywhere, None)
    with pytest.raises(BindingRefused, match="too short"):
        check_binding(local, "short")
    with pytest.raises(BindingRefused):
        create_app(everywhere, api=ApiSettings(api_key=None))


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POCKETREC_API_KEY", KEY)
    assert ApiSettings().key == KEY
    assert KEY not in repr(ApiSettings())
    monkeypatch.setenv("POCKETREC_API_KEY", "")
    assert ApiSettings().key is None


def test_cors_is_off_unless_set(make_service: Any) -> None:
    origin = {"Origin": "https://shop.example"}
    assert "access-control-allow-origin" not in make_service().client.get("/v1/jobs", headers=origin).headers
    service = make_service(cors_origins=("https://shop.example",))
    answer = service.client.get("/v1/jobs", headers=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert {"ETag", "Location", "Retry-After", "Link"} <= set(
        answer.headers["Access-Control-Expose-Headers"].replace(" ", "").split(",")
    )
    other = service.client.get("/v1/jobs", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
