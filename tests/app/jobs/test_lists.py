"""`GET /v1/jobs`: filters, and what is no filter."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest


def test_filters(service: Any) -> None:
    one = service.job(model="a").json()
    two = service.job(model="b").json()
    service.client.post(f"/v1/jobs/{two['id']}:cancel")

    def listed(query: str) -> list[str]:
        return [job["id"] for job in service.client.get(f"/v1/jobs?{query}").json()["data"]]

    assert listed("type=train") == [two["id"], one["id"]]
    assert listed("status=cancelled") == [two["id"]]
    assert listed("model=a") == [one["id"]]
    assert listed(f"dataset_id={one['dataset_id']}&type=train") == [one["id"]]
    assert listed("model=%00") == []
    assert len(listed("")) == 4
    assert service.client.get("/v1/jobs?status=done").status_code == 422


def test_metadata_all_of_it(service: Any) -> None:
    made = {
        name: service.job(metadata=metadata).json()["id"]
        for name, metadata in {
            "both": {"team": "ads", "commit": "4f2a91c"},
            "one": {"team": "ads"},
            "other": {"team": "films", "odd [key]&=": "ü/ ?"},
            "none": {},
        }.items()
    }

    def listed(query: str) -> list[str]:
        found = service.client.get(f"/v1/jobs?{query}").json()["data"]
        return [name for name, job_id in made.items() if job_id in [job["id"] for job in found]]

    assert listed("metadata[team]=ads") == ["both", "one"]
    assert listed("metadata[team]=ads&metadata[commit]=4f2a91c") == ["both"]
    assert listed("metadata%5Bteam%5D=films") == ["other"]
    assert listed(f"metadata[{quote('odd [key]&=')}]={quote('ü/ ?')}") == ["other"]
    assert listed("metadata[team]=ADS") == listed("metadata[teams]=ads") == listed("metadata[team]=") == []
    assert listed("metadata[team]=ads&status=queued&type=train&model=ratings") == ["both", "one"]
    assert listed("metadata[team]=ads&status=failed") == []


def test_pages_of_a_filtered_list(service: Any) -> None:
    dataset = service.validated().id
    made = []
    for number in range(7):
        body = {"dataset_id": dataset, "metadata": {"odd": str(number % 2)}}
        made.append(service.client.post("/v1/jobs", json=body).json()["id"])
    for query in ("metadata[odd]=0", "metadata[odd]=0&status=queued"):
        seen: list[str] = []
        url = f"/v1/jobs?{query}&limit=2"
        while url:
            answer = service.client.get(url)
            seen += [job["id"] for job in answer.json()["data"]]
            url = answer.links["next"]["url"] if answer.json()["has_more"] else ""
        assert seen == made[::2][::-1], query


def test_times(service: Any) -> None:
    jobs = [service.job().json() for _ in range(3)]
    times = [datetime.fromisoformat(job["created_at"]) for job in jobs]

    def listed(**query: str) -> list[int]:
        data = service.client.get("/v1/jobs", params={"type": "train", **query}).json()["data"]
        return sorted(index for index, job in enumerate(jobs) if job["id"] in [found["id"] for found in data])

    assert listed(created_after=times[0].isoformat()) == [1, 2]
    assert listed(created_before=times[1].isoformat()) == [0]
    assert listed(created_after=times[0].isoformat(), created_before=times[2].isoformat()) == [1]
    elsewhere = (times[0] + timedelta(hours=5, minutes=30)).replace(tzinfo=None).isoformat() + "+05:30"
    assert listed(created_after=elsewhere) == [1, 2]
    assert listed(created_after="0001-01-01T00:00:00Z", created_before="9999-12-31T23:59:59Z") == [0, 1, 2]
    assert listed(created_after="9999-12-31T23:59:59Z") == []


@pytest.mark.parametrize(
    ("query", "parameter", "code"),
    [
        ("stauts=failed", "stauts", "unknown_parameter"),
        ("metadata=x", "metadata", "unknown_parameter"),
        ("labels[a]=b", "labels[a]", "unknown_parameter"),
        ("status=failed&status=queued", "status", "repeated_parameter"),
        ("metadata[a]=b&metadata[a]=c", "metadata[a]", "repeated_parameter"),
        ("metadata[]=b", "metadata[]", "invalid_pair"),
        ("metadata[a]=%00", "metadata[a]", "invalid_pair"),
        ("&".join(f"metadata[k{number}]=v" for number in range(17)), "metadata", "too_many_pairs"),
        ("created_after=yesterday", "created_after", "datetime_parsing"),
        ("created_after=2026-01-31T12:00:00", "created_after", "timezone_aware"),
        ("type=sing", "type", "literal_error"),
        ("limit=0", "limit", "greater_than_equal"),
    ],
)
def test_what_is_no_filter_is_said_to_be_none(service: Any, query: str, parameter: str, code: str) -> None:
    answer = service.client.get(f"/v1/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert (parameter, code) in [(error["parameter"], error["code"]) for error in answer.json()["errors"]]


def test_a_misspelt_filter_is_met_with_the_likely_one(service: Any) -> None:
    assert "did you mean status?" in service.client.get("/v1/jobs?stauts=failed").json()["detail"]
