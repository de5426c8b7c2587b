"""`pocketrec job list | retry | logs | attempts` against the API itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from app.cli import jobs as commands
from app.client import Client
from registry import jobs


@pytest.fixture
def run(service: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `pocketrec job ...`; the network is a call into the app."""

    def call(request: httpx.Request) -> httpx.Response:
        answer = service.client.request(
            request.method, str(request.url), content=request.read(), headers=dict(request.headers)
        )
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)

    def connect(url: str) -> Client:
        return Client(url, transport=httpx.MockTransport(call))

    monkeypatch.setattr(commands, "connect", connect)
    return lambda *arguments: CliRunner().invoke(commands.app, arguments)


@pytest.fixture
def failed(service: Any) -> str:
    """A job whose second attempt failed."""
    job_id: str = service.job(metadata={"team": "films"}).json()["id"]
    claim = service.claim(job_id)
    with service.database.write() as session:
        jobs.append_log(session, claim, ["attempt 1 on worker w", "one\x1b[2J"])
        jobs.promote_checkpoint(session, claim, "a" * 64, 9, 4, 0)
        jobs.attempt_lost(session, claim, {"code": "out_of_memory", "message": "killed", "errors": []})
    claim = service.claim(job_id)
    with service.database.write() as session:
        jobs.append_log(session, claim, ["attempt 2 on worker w"])
        jobs.fail(session, claim, {"code": "diverged", "message": "NaN", "errors": []})
    return job_id


def test_list(run: Any, failed: str, service: Any) -> None:
    other = service.job().json()["id"]
    assert [line.split()[0] for line in run("list").stdout.splitlines()] == [other, failed]
    for options in (
        ["--metadata", "team=films"],
        ["--status", "failed"],
        ["--metadata", "team=films", "--status", "failed"],
    ):
        assert [line.split()[0] for line in run("list", *options).stdout.splitlines()] == [failed]
    assert run("list", "--metadata", "team=films", "--metadata", "team2=x").stdout == ""
    wrong = run("list", "--metadata", "team")
    assert (wrong.exit_code, "KEY=VALUE" in wrong.output) == (2, True)


def test_show_says_what_is_kept_and_what_to_do_next(run: Any, failed: str) -> None:
    shown = run("show", failed).stdout
    assert "kept: a checkpoint after epoch 4" in shown
    assert f"Next: pocketrec job retry {failed}" in shown


def test_retry(run: Any, failed: str, service: Any) -> None:
    result = run("retry", failed, "--json")
    assert result.exit_code == 0
    new = json.loads(result.stdout)
    assert (new["retry_of"], new["checkpoint"]["epoch"]) == (failed, 4)
    refused = run("retry", new["id"])
    assert refused.exit_code != 0
    assert "wait until it has ended" in refused.output


def test_logs(run: Any, failed: str) -> None:
    lines = [line[10:] for line in run("logs", failed).stdout.splitlines()]
    assert lines == ["attempt 1 on worker w", "one [2J", "attempt 2 on worker w"]
    assert run("logs", failed, "--tail", "1").stdout.endswith("attempt 2 on worker w\n")
    assert len(run("logs", failed, "--attempt", "1").stdout.splitlines()) == 2
    assert len(run("logs", failed, "--follow").stdout.splitlines()) == 3
    assert [line["id"] for line in json.loads(run("logs", failed, "--json").stdout)] == [1, 2, 3]


def test_following_ends_with_the_job(service: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = service.job().json()["id"]
    claim = service.claim(job_id)

    def meanwhile(_: float) -> None:
        with service.database.write() as session:
            jobs.append_log(session, claim, ["the last words"])
            jobs.fail(session, claim, {"code": "diverged", "message": "NaN", "errors": []})

    monkeypatch.setattr("app.client.api.time.sleep", meanwhile)
    assert run("logs", job_id, "--follow", "--tail", "5").stdout.endswith("the last words\n")


def test_attempts(run: Any, failed: str) -> None:
    first, error, second, _ = run("attempts", failed).stdout.splitlines()
    assert first.split()[:2] == ["1", "lost"]
    assert "out_of_memory: killed" in error
    assert second.split()[:2] == ["2", "failed"]
    assert len(json.loads(run("attempts", failed, "--json").stdout)) == 2
