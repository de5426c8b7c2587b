"""`/logs` and `/attempts`."""

from __future__ import annotations

from typing import Any

import pytest

from registry import jobs


class Log:
    """A job with lines of two attempts, and the text that they make."""

    LINES = ("attempt 1", "grüße 😀", "esc \x1b[31m\nnot a line \x85", "", "lost", "attempt 2", "x" * 4000)

    def __init__(self, service: Any) -> None:
        self.service = service
        self.job_id = service.job().json()["id"]
        claim = service.claim(self.job_id)
        with service.database.write() as session:
            jobs.append_log(session, claim, self.LINES[:5])
            jobs.attempt_lost(session, claim, {"code": "out_of_memory", "message": "killed", "errors": []})
        claim = service.claim(self.job_id)
        with service.database.write() as session:
            jobs.append_log(session, claim, self.LINES[5:])
        self.claim = claim

    def get(self, query: str = "", **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.service.client.get(f"/v1/jobs/{self.job_id}/logs{query}", headers=sent)

    def lines(self, query: str) -> list[str]:
        return [row["line"] for row in self.get(query).json()["data"]]


@pytest.fixture
def log(service: Any) -> Log:
    return Log(service)


def test_pages(log: Log) -> None:
    assert log.lines("") == list(Log.LINES)
    seen: list[str] = []
    url = f"/v1/jobs/{log.job_id}/logs?limit=3"
    while url:
        answer = log.service.client.get(url)
        seen += [row["line"] for row in answer.json()["data"]]
        assert answer.json()["has_more"] == ("next" in answer.links) == (answer.json()["next_cursor"] is not None)
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == list(Log.LINES)


def test_tail_and_attempt(log: Log) -> None:
    assert log.lines("?tail=2") == list(Log.LINES[-2:])
    assert log.lines("?tail=1&attempt=1") == ["lost"]
    assert log.lines("?attempt=2") == list(Log.LINES[5:])
    last = log.get("?tail=1").json()["data"][0]
    assert last["attempt"] == 2
    assert log.lines(f"?after={last['id']}") == []


def test_the_text(log: Log) -> None:
    answer = log.get("?format=text")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    rows = answer.text.split("\n")
    assert rows.pop() == ""
    assert [row[25:] for row in rows] == [*Log.LINES[:2], "esc  [31m not a line \u00b7", *Log.LINES[3:]]
    assert rows[0][10] == "T"
    assert rows[0][23:25] == "Z "
    assert log.get(Accept="text/plain").content == answer.content
    assert log.get(Accept="application/json, text/plain").json()["data"]
    assert log.get("?format=text&tail=2").text.split("\n")[0].endswith("attempt 2")
    assert log.get("?format=text&attempt=1&limit=2").text.count("\n") == 2


@pytest.mark.parametrize("asked", ["-10", "0-0", "0-", "30-90", "-1000000", "55-", "40-59", "200-201"])
def test_ranges_of_the_text(log: Log, asked: str) -> None:
    whole = log.get("?format=text").content
    answer = log.get("?format=text", Range=f"bytes={asked}")
    first, last = asked.split("-")
    start = int(first) if first else max(0, len(whole) - int(last))
    end = int(last) + 1 if first and last else len(whole)
    assert (answer.status_code, answer.content) == (206, whole[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{min(end, len(whole)) - 1}/{len(whole)}"


def test_following_by_range(log: Log) -> None:
    whole = log.get("?format=text")
    size = len(whole.content)
    nothing_new = log.get("?format=text", Range=f"bytes={size}-")
    assert (nothing_new.status_code, nothing_new.json()["code"]) == (416, "range_not_satisfiable")
    assert nothing_new.headers["Content-Range"] == f"bytes */{size}"
    assert log.get("?format=text", If_None_Match=whole.headers["ETag"]).status_code == 304
    with log.service.database.write() as session:
        jobs.append_log(session, log.claim, ["and on"])
    news = log.get("?format=text", Range=f"bytes={size}-")
    assert news.status_code == 206
    assert news.text.endswith("Z and on\n")
    assert news.headers["ETag"] != whole.headers["ETag"]
    stale = log.get("?format=text", Range="bytes=0-3", If_Range=whole.headers["ETag"])
    assert stale.status_code == 200


def test_a_long_text_is_the_same_in_pieces(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = log.get("?format=text").content
    monkeypatch.setattr("app.jobs.log_text._LINES_AT_ONCE", 2)
    assert log.get("?format=text").content == whole
    for start in range(0, 250, 7):
        assert log.get("?format=text", Range=f"bytes={start}-{start + 99}").content == whole[start : start + 100]


def test_no_lines_yet(service: Any) -> None:
    job_id = service.job().json()["id"]
    assert service.client.get(f"/v1/jobs/{job_id}/logs").json()["data"] == []
    empty = service.client.get(f"/v1/jobs/{job_id}/logs?format=text")
    assert (empty.status_code, empty.content) == (200, b"")
    assert service.client.get(f"/v1/jobs/{job_id}/logs?format=text", headers={"Range": "bytes=-5"}).status_code == 416


@pytest.mark.parametrize("query", ["tail=0", "tail=5&after=3", "limit=1001", "attempt=0", "format=xml", "lines=3"])
def test_bad_parameters(service: Any, query: str) -> None:
    job_id = service.job().json()["id"]
    answer = service.client.get(f"/v1/jobs/{job_id}/logs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


def test_attempts(log: Log) -> None:
    found = log.service.client.get(f"/v1/jobs/{log.job_id}/attempts").json()["data"]
    assert [(row["number"], row["outcome"], row["worker"]) for row in found] == [
        (1, "lost", "test"),
        (2, "running", "test"),
    ]
    assert (found[0]["error"]["type"], found[0]["error"]["detail"]) == ("/problems/out_of_memory", "killed")
    assert found[0]["ended_at"] > found[0]["started_at"]
    assert (found[1]["error"], found[1]["ended_at"], found[1]["phases"]) == (None, None, {})


@pytest.mark.parametrize("path", ["logs", "attempts"])
def test_of_a_job_that_is_none(service: Any, path: str) -> None:
    assert service.client.get(f"/v1/jobs/job_0/{path}").json()["code"] == "not_found"
