"""`pocketrec model ...` against the API in this process."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import models as commands
from app.cli import output
from app.cli.errors import Status
from app.cli.main import app
from app.client import Client
from registry import jobs, models, retention
from registry.settings import Settings

runner = CliRunner()


def ranks_file(shift: int) -> bytes:
    ranks = np.maximum(np.random.default_rng(0).integers(1, 40, 400) - shift, 1).astype(np.int32)
    header = np.frombuffer(b'{"format_version": 1, "test_set": "t"}', np.uint8)
    file = io.BytesIO()
    np.savez(file, header=header, users=np.arange(400, dtype=np.int32), ranks=ranks)
    return file.getvalue()


def publish(service: Any, shift: int, dim: int, operators: dict[str, int], **files: bytes) -> None:
    figures = {"ndcg@10": {"value": 0.1, "ci95": [0.09, 0.11]}, "mean_rank": {"value": 20.5, "ci95": [18, 22]}}
    manifest = {
        "default_variant": "float16",
        "data_hash": "d" * 64,
        "operators": {"float16": operators},
        "config": {"model": {"embedding_dim": dim}},
        "metrics": {"protocol": "leave_one_out", "test": figures, "baselines": {"popular": figures}},
    }
    measured = json.dumps({"variants": {"float16": {"latency_ms": 0.051}}}).encode()
    content = {"variants/float16.tflite": b"x" * 5000, "measurements.json": measured, "ranks.npz": ranks_file(shift)}
    service.published({**content, **files}, manifest=manifest)


@pytest.fixture
def run(service: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(commands, "connect", lambda url: Client(url, None, service.client._transport))
    monkeypatch.setenv("POCKETREC_URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("COLUMNS", "160")
    output.console.cache_clear()  # a console keeps the width it was made with
    yield lambda *arguments: runner.invoke(app, ["model", *arguments])
    output.console.cache_clear()


def test_seeds_of_two_configurations_are_compared(service: Any, run: Any, tmp_path: Path) -> None:
    for number, shift in enumerate((0, 0, 6, 7)):
        publish(service, shift, 32, {"GATHER": 1})
        (tmp_path / f"{number}.work").mkdir()
        (tmp_path / f"{number}.work" / "ranks.npz").write_bytes(ranks_file(shift))
    folders = [str(tmp_path / str(number)) for number in range(4)]
    done = run("compare", "--a", f"{folders[2]},{folders[3]}", "--b", folders[0], "--b", folders[1])
    assert done.exit_code == 0, done.output
    assert "A (2 seeds) against B (2 seeds), on the same 400 examples of 400 users" in done.stdout
    assert "better" in done.stdout
    assert "± 0.0000" in done.stdout
    done = run("compare", "films", "--a", "3,4", "--b", "1", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["a"]["seeds"] == 2
    assert found["metrics"]["ndcg@10"]["verdict"] == "better"
    assert "one training" in run("compare", "films", "--a", "1", "--b", "2").stdout
    for arguments, said in (
        (("--a", folders[0]), "give both --a and --b"),
        (("films", "--a", "x", "--b", "1"), "'x' is no version of films"),
        (("--a", "absent", "--b", "absent"), "no ranks there"),
        (("films",), "name a model and two versions"),
    ):
        done = run("compare", *arguments)
        assert done.exit_code == Status.BAD_INPUT
        assert said in done.stderr.replace("\n", " ")


def test_versions_are_compared_yanked_and_listed(service: Any, run: Any) -> None:
    assert "no models yet" in run("list").stderr
    publish(service, 0, 32, {"GATHER": 1})
    publish(service, 6, 64, {"GATHER": 1, "TOPK_V2": 1})
    done = run("compare", "films", "1", "2")
    assert done.exit_code == 0, done.output
    for words in (
        "1 (base)",
        "0.1000 [0.0900, 0.1100]",
        "5 kB, 0.051 ms *",
        "model.embedding_dim",
        "version 2 needs operators that 1 doesn't: TOPK_V2",
        "on the same 400 examples of 400 users",
        "better",
    ):
        assert words in done.stdout, words
    assert json.loads(run("compare", "films", "1", "2", "--json").stdout)["comparisons"][0]["paired"]["examples"] == 400

    assert "version 1 is the newest now" in run("yank", "films", "2", "--reason", "test\x1b[31m accounts").stdout
    shown = run("show", "films", "2").stdout
    assert "yanked 20" in shown
    assert "test[31m accounts" in shown
    assert "popular" in shown
    assert "films version 1," in run("show", "films").stdout  # the newest that isn't yanked
    assert "yanked" in run("versions", "films").stdout
    assert "2" in run("list").stdout
    assert "2 yanked" in run("compare", "films", "1", "2").stdout
    assert json.loads(run("yank", "films", "1", "--json").stdout)["yanked"]["reason"] is None
    refused = run("show", "films")
    assert (refused.exit_code, "every version" in refused.stderr) == (Status.BAD_INPUT, True)
    assert "all yanked" in run("list").stdout
    assert run("unyank", "films", "2").exit_code == 0
    assert [version["version"] for version in json.loads(run("versions", "films", "--json").stdout)] == [2, 1]


def test_versions_whose_files_are_gone_are_marked(service: Any, run: Any, tmp_path: Path) -> None:
    for _ in range(2):
        publish(service, 0, 32, {})
    never = dict.fromkeys((kind.setting for kind in retention.KINDS if kind.setting), None)
    retention.apply(service.database, Settings(**{**never, "keep_versions": 1}))
    newer, older = run("versions", "films").stdout.splitlines()[-2:]
    assert ("files removed" in newer, "files removed" in older) == (False, True)
    assert "its files were removed on" in run("show", "films", "1").stdout
    done = run("download", "films", "1", "--out", str(tmp_path / "bundle"))
    assert (done.exit_code, "newest 1 of each model" in " ".join(done.stderr.split())) == (Status.BAD_INPUT, True)
    done = run("yank", "films", "2")
    assert "version 1 is the newest now" in done.stdout
    assert "version 1 can't be downloaded: its files were removed on" in done.stderr
    assert "POCKETREC_KEEP_YANKED_VERSIONS_DAYS" in run("yank", "--help").stdout


def test_a_version_says_whose_weights_it_has(service: Any, run: Any) -> None:
    service.published({"weights/best.npz": b"b", "weights/epoch-00003.npz": b"e", "model.tflite": b"m"})
    base = {"model": "films", "version": 1, "checkpoint": "epoch-00003"}
    job_id = service.client.post("/v1/jobs", json={"type": "export", "base": base}).json()["id"]
    claim = service.claim(job_id)
    with service.database.write() as session:
        version = models.publish_version(session, claim, model="films", files=[], metrics={}, manifest={})
        jobs.succeed(session, claim, models.result_of(version))
    said = "exported from the weights after epoch 00003 of films version 1"
    assert said in run("show", "films", "2").stdout
    assert "exported" not in run("show", "films", "1").stdout
    assert f"version 2: {said}" in run("compare", "films", "1", "2").stdout
    shown = json.loads(run("show", "films", "2", "--json").stdout)
    assert (shown["job_type"], shown["base"]) == ("export", base)
    first, second = json.loads(run("compare", "films", "1", "2", "--json").stdout)["versions"]
    assert (first["job_type"], first["base"], second["base"]) == ("train", None, base)


def test_what_the_service_refuses_is_said(service: Any, run: Any) -> None:
    publish(service, 0, 32, {})
    for arguments, words in (
        (("compare", "films", "1"), "2 to 8 versions"),
        (("compare", "films", "1", "9"), "version 9"),
        (("yank", "films", "9"), "no such model version"),
        (("show", "nope"), "no such model"),
    ):
        done = run(*arguments)
        assert done.exit_code == Status.BAD_INPUT, arguments
        assert words in done.stderr
