"""Whatever pollers read again and again answers 304 without a body while nothing has changed."""

from __future__ import annotations

import hashlib
import re
from typing import Any

POLLED = [
    "/v1/datasets",
    "/v1/datasets/{version.dataset_id}",
    "/v1/datasets/{version.dataset_id}/report",
    "/v1/datasets/{version.dataset_id}/events",
    "/v1/jobs",
    "/v1/jobs?limit=1",
    "/v1/jobs/{version.job_id}",
    "/v1/jobs/{version.job_id}/events",
    "/v1/jobs/{version.job_id}/events?limit=1",
    "/v1/jobs/{version.job_id}/metrics",
    "/v1/models",
    "/v1/models/films",
    "/v1/models/films/versions",
    "/v1/models/films/versions/1",
    "/v1/models/films/versions/1/files",
    "/v1/models/films/events",
    "/v1/models/films:compare?versions=1,2",
    "/v1/presets",
    "/v1/config_schema",
]


def test_no_news_costs_no_body(service: Any) -> None:
    version = service.published({"model.tflite": b"m"})
    service.published({"model.tflite": b"n"})
    documented = service.client.get("/openapi.json").json()["paths"]
    for address in (path.format(version=version) for path in POLLED):
        first = service.client.get(address)
        assert first.status_code == 200, address
        assert first.headers["ETag"] == f'"{hashlib.sha256(first.content).hexdigest()}"', address
        assert first.headers["Cache-Control"] == "private, no-cache", address
        again = service.client.get(address, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b""), address
        for name in ("ETag", "Cache-Control", "Link"):
            assert again.headers.get(name) == first.headers.get(name), address
        [responses] = [
            operations["get"]["responses"]
            for route, operations in documented.items()
            if "get" in operations and _is_route_of(route, address.partition("?")[0])
        ]
        assert "304" in responses, address
        assert "ETag" in responses["200"]["headers"], address


def _is_route_of(route: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/:]+", route), path) is not None


def test_news_are_told(service: Any) -> None:
    service.published({"model.tflite": b"m"})
    changes = {
        "/v1/datasets": service.upload,
        "/v1/jobs": service.job,
        "/v1/models/films/versions": lambda: service.published({"a": b"2"}),
        "/v1/models": lambda: service.published({"a": b"3"}),
    }
    for path, change in changes.items():
        tag = service.client.get(path).headers["ETag"]
        change()
        answer = service.client.get(path, headers={"If-None-Match": tag})
        assert answer.status_code == 200, path
        assert answer.headers["ETag"] != tag, path
