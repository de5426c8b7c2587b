"""Whatever is asked, the answer is never a 5xx, and every error is a problem document."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.problems import MEDIA_TYPE

ODD = st.text(max_size=30) | st.sampled_from(
    ["../..", "\0", "a\r\nb", "%00", "1e9", "-1", "9" * 40, "\u202e", "job_1", "*"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD, inner, max_size=3),
    max_leaves=8,
)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("train") | JSON,
        "dataset_id": ODD | JSON,
        "preset": st.sampled_from(["bow", "cnn", "x"]) | JSON,
        "config": st.fixed_dictionaries(
            {},
            optional={
                "preset": st.sampled_from(["bow", "rnn"]) | JSON,
                "seed": JSON,
                "encoder": st.fixed_dictionaries(
                    {"type": st.sampled_from(["cnn", "bow"]) | JSON}, optional={"kernel_size": JSON}
                )
                | JSON,
                "examples": JSON,
                "model": JSON,
                "training": JSON,
                "export": JSON,
                "evaluation": JSON,
            },
        )
        | JSON,
        "model": ODD | JSON,
        "metadata": JSON,
    },
)
PATHS = [
    "/v1/datasets",
    "/v1/datasets/{}",
    "/v1/datasets/{}/report",
    "/v1/datasets/{}/events",
    "/v1/jobs",
    "/v1/jobs/{}",
    "/v1/jobs/{}/events",
    "/v1/jobs/{}/metrics",
    "/v1/jobs/{}/logs",
    "/v1/jobs/{}/attempts",
    "/v1/jobs/{}:retry",
    "/v1/jobs/{}/artifacts/{}",
    "/v1/jobs/{}:cancel",
    "/v1/models",
    "/v1/models/{}",
    "/v1/models/{}/versions",
    "/v1/models/{}/versions/{}",
    "/v1/models/films/versions/{}/files/{}",
    "/v1/models/films/versions/1/files/{}",
    "/problems/{}",
]
once = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        assert answer.headers["Content-Type"] == MEDIA_TYPE
        body = answer.json()
        assert {"type", "title", "status", "detail", "instance", "code", "trace_id", "errors"} <= set(body)
        assert body["status"] == answer.status_code


@pytest.fixture
def films(service: Any) -> Any:
    service.published({"model.tflite": b"m" * 100})
    return service


@once
@given(
    path=st.sampled_from(PATHS),
    method=st.sampled_from(["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
    values=st.tuples(ODD, ODD),
    query=st.dictionaries(
        st.sampled_from(["limit", "after", "status", "type", "model", "dataset_id", "x"]), ODD, max_size=3
    ),
    headers=st.dictionaries(
        st.sampled_from(["Range", "If-None-Match", "If-Match", "If-Range", "traceparent", "X-Request-ID", "Accept"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
        max_size=3,
    ),
)
def test_reading(films: Any, path: str, method: str, values: Any, query: Any, headers: Any) -> None:
    filled = path.format(*(quote(value, safe="", errors="surrogatepass") for value in values))
    check(films.client.request(method, filled, params=query, headers=headers))


@once
@given(BODY | JSON)
def test_creating_a_job(films: Any, body: Any) -> None:
    text = json.dumps(body)  # also NaN and infinity, which are no JSON
    check(films.client.post("/v1/jobs", content=text, headers={"Content-Type": "application/json"}))


@once
@given(
    st.dictionaries(
        st.sampled_from(["name", "format", "path", "separator", "encoding", "mapping", "items", "header", "spec", "x"]),
        ODD | JSON.map(json.dumps),
        max_size=4,
    )
)
def test_uploading(films: Any, fields: dict[str, str]) -> None:
    check(films.client.post("/v1/datasets", files={"file": ("a.csv", b"u,i\n1,2\n")}, data=fields))
