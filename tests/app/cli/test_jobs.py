"""`pocketrec job list | retry | logs | attempts` against the API itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from app.cli import job_files
from app.cli import jobs as commands
from app.client import Artifact, BundleInvalid, Client, Job, JobResult
from reco_core.config import load
from registry import jobs, retention, tables
from registry.settings import Settings


@pytest.fixture
def run(service: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `pocketrec job ...`; the network is a call into the app."""

    def call(request: httpx.Request) -> httpx.Response:
        answer = service.client.request(
            request.method, str(request.url), content=request.read(), headers=dict(request.headers)
        )
        stream = httpx.ByteStream(answer.content)  # not `content`, which can't be read raw, as downloads are
        return httpx.Response(answer.status_code, headers=dict(answer.headers), stream=stream)

    def connect(url: str) -> Client:
        return Client(url, transport=httpx.MockTransport(call))

    for module in (commands, job_files):
        monkeypatch.setattr(module, "connect", connect)
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


@pytest.fixture
def age(service: Any) -> Callable[..., None]:
    """A function that applies rules after all days that they may grant."""

    def apply(**rules: int) -> None:
        with service.database.write() as session:
            session.execute(update(tables.jobs).values(finished_at=datetime.now(UTC) - timedelta(days=365)))
        never = dict.fromkeys((kind.setting for kind in retention.KINDS if kind.setting), None)
        retention.apply(service.database, Settings(**{**never, **rules}))

    return apply


def test_a_retry_without_the_checkpoint_says_where_it_went(run: Any, failed: str, age: Any, service: Any) -> None:
    age(keep_checkpoints_days=14)
    assert "its checkpoint was removed on" in run("show", failed).stdout
    said = " ".join(run("retry", failed).stderr.split())
    assert f"begins anew: {failed} has none: its checkpoint was removed on" in said
    assert "(keep_checkpoints_days)" in said
    without = service.job().json()["id"]
    with service.database.write() as session:
        jobs.request_cancel(session, without)
    assert f"begins anew: {without} has no checkpoint to go on from" in " ".join(run("retry", without).stderr.split())


def test_files_that_are_gone_are_not_offered(run: Any, films: None, age: Any, service: Any) -> None:
    evaluation = service.client.post("/v1/jobs", json={"type": "evaluate", "base": {"model": "films", "version": 1}})
    own = service.made_files(evaluation.json()["id"], {"report.json": b"{}"}).id
    published = service.published({"model.tflite": b"2"}).job_id
    training = service.client.get("/v1/models/films/versions/1").json()["job_id"]
    assert "Next: pocketrec model download films 1" in run("show", training).stdout
    assert "Next: pocketrec job download" in run("show", own).stdout
    age(keep_versions=1, keep_job_files_days=30)
    for job_id in (training, own):
        shown = run("show", job_id).stdout
        assert "its files were removed on" in shown
        assert "Next:" not in shown
        assert "they were removed on" in run("artifacts", job_id).stderr
    assert "Next: pocketrec model download films 2" in run("show", published).stdout


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

    monkeypatch.setattr("app.client.job_calls.time.sleep", meanwhile)
    assert run("logs", job_id, "--follow", "--tail", "5").stdout.endswith("the last words\n")


def test_attempts(run: Any, failed: str) -> None:
    first, error, second, _ = run("attempts", failed).stdout.splitlines()
    assert first.split()[:2] == ["1", "lost"]
    assert "out_of_memory: killed" in error
    assert second.split()[:2] == ["2", "failed"]
    assert len(json.loads(run("attempts", failed, "--json").stdout)) == 2


def test_an_attempt_whose_worker_fell_silent_says_so(service: Any, run: Any) -> None:
    job_id = service.job().json()["id"]
    service.claim(job_id)
    with service.database.write() as session:
        session.execute(update(tables.jobs).values(lease_until=datetime.now(UTC) - timedelta(seconds=1)))
    service.claim(job_id)
    first, why, *_ = run("attempts", job_id).stdout.splitlines()
    assert first.split()[:2] == ["1", "lost"]
    assert "lease_expired: its worker fell silent" in why


@pytest.mark.parametrize("code", ["diverged", "dataset_too_small"])
def test_watching_a_job_that_fails_ends_with_1_whatever_its_error(service: Any, run: Any, code: str) -> None:
    job_id = service.job().json()["id"]
    claim = service.claim(job_id)
    with service.database.write() as session:
        jobs.fail(session, claim, {"code": code, "message": "why it failed", "errors": []})
    watched = run("watch", job_id)
    assert (watched.exit_code, "why it failed" in watched.stderr) == (1, True)
    assert json.loads(run("watch", job_id, "--json").stdout)["error"]["code"] == code
    assert run("watch", "job_0").exit_code == 2
    assert "1 it failed or was cancelled" in " ".join(run("watch", "--help").stdout.split())


def test_watching_begun_late_shows_the_last_epochs_and_the_times_of_the_job_itself(service: Any, run: Any) -> None:
    job_id = service.job().json()["id"]
    claim = service.claim(job_id)
    with service.database.write() as session:
        jobs.set_phase(session, claim, "train")
        for epoch in range(1, 89):
            jobs.record_epoch(session, claim, epoch, {"ndcg@10": 1 / epoch})
        jobs.set_phase(session, claim, "export")
        jobs.fail(session, claim, {"code": "diverged", "message": "NaN", "errors": []})
        phases = {"train": 27.4, "export": 151.0}
        session.execute(update(tables.attempts).values(phases=phases))
    lines = run("watch", job_id).stderr.splitlines()
    epochs = [line for line in lines if "validation NDCG@10" in line]
    assert [line.split()[1] for line in epochs] == ["84", "85", "86", "87", "88"]
    assert not any("*" in line for line in epochs)  # the best was the first, which isn't shown
    assert lines[lines.index(epochs[0]) - 1].strip().startswith("83 earlier epochs left out")
    assert "time: train 27 s, convert to .tflite 2 min 31 s" in lines


def test_a_job_whose_events_are_gone_can_be_watched(run: Any, failed: str, age: Any) -> None:
    age(keep_events_days=30)
    watched = run("watch", failed)
    assert (watched.exit_code, "NaN" in watched.stderr) == (1, True)


BASE = ["--base", "films/1"]


@pytest.fixture
def films(service: Any) -> None:
    service.published({"weights/best.npz": b"b", "weights/epoch-00003.npz": b"e", "model.tflite": b"m"})


def test_submit_an_export(run: Any, films: None, service: Any) -> None:
    asked = ["--type", "export", *BASE, "--checkpoint", "epoch-00003", "--set", "export.top_k=7", "--model", "short"]
    result = run("submit", *asked, "--json")
    assert result.exit_code == 0, result.output
    job = json.loads(result.stdout)
    assert (job["type"], job["model"]) == ("export", "short")
    assert job["base"] == {"model": "films", "version": 1, "checkpoint": "epoch-00003"}
    assert service.read_job(job["id"]).config["export"]["top_k"] == 7
    shown = run("show", job["id"]).stdout
    assert "export of films/1 epoch-00003  short" in shown


def test_submit_a_training_from_a_version(run: Any, service: Any) -> None:
    config = load({"preset": "bow", "seed": 7}).model_dump(mode="json")
    service.published({"weights/best.npz": b"b"}, manifest={"config": config})
    dataset = service.validated().id
    asked = ["--dataset", dataset, "--base-version", "films@1", "--set", "training.max_epochs=3"]
    job = json.loads(run("submit", *asked, "--json").stdout)
    assert (job["type"], job["model"]) == ("train", "films")
    assert job["base"] == {"model": "films", "version": 1, "checkpoint": "best"}
    queued = service.read_job(job["id"]).config
    assert (queued["seed"], queued["training"]["max_epochs"], queued["preset"]) == (7, 3, "bow")
    assert "train from films/1  films" in run("show", job["id"]).stdout
    other = run("submit", "--dataset", dataset, "--base", "films", "--preset", "rnn")
    assert other.exit_code == 2
    assert "encoder/type is 'rnn', the base's is 'bow'" in other.output


def test_the_newest_version_that_is_not_yanked_is_the_base_by_default(run: Any, films: None, service: Any) -> None:
    service.published({"weights/best.npz": b"b2"})
    service.published({"weights/best.npz": b"b3"})
    service.client.post("/v1/models/films/versions/3:yank")
    job = json.loads(run("submit", "--type", "evaluate", "--base", "films", "--json").stdout)
    assert job["base"]["version"] == 2


def test_submit_examples_with_fields_of_the_config(run: Any, service: Any) -> None:
    dataset = service.validated().id
    layout = ["--set", "examples.tfrecord.layout=original_2020", "--set", "seed=3"]
    job = json.loads(run("submit", "--type", "examples", "--dataset", dataset, *layout, "--json").stdout)
    config = service.read_job(job["id"]).config
    assert (job["type"], config["seed"], config["examples"]["tfrecord"]["layout"]) == ("examples", 3, "original_2020")
    trained = json.loads(run("submit", "--dataset", dataset, "--preset", "cnn", "--set", "seed=4", "--json").stdout)
    config = service.read_job(trained["id"]).config
    assert (trained["type"], config["seed"], config["encoder"]["type"]) == ("train", 4, "cnn")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--preset", "bow"], "needs --dataset"),
        (["--type", "examples"], "needs --dataset"),
        (["--dataset", "ds_1"], "give either --preset"),
        (["--type", "export"], "needs --base"),
        (["--type", "evaluate", "--dataset", "ds_1"], "needs --base"),
        (["--type", "export", "--checkpoint", "best"], "needs --base"),
        (["--checkpoint", "best", "--dataset", "ds_1", "--preset", "bow"], "say whose"),
        (["--type", "export", "--base", "films/x"], "NAME/VERSION"),
        (["--type", "export", "--base", "/1"], "NAME/VERSION"),
        (["--type", "export", *BASE, "--config", "c.yaml"], "with --set"),
        (["--type", "export", *BASE, "--set", "top_k"], "FIELD=VALUE"),
        (["--type", "export", *BASE, "--set", "training.max_epochs=3"], "/training is fixed by now"),
        (["--type", "export", *BASE, "--dataset", "ds_1"], "/dataset_id"),
        (["--type", "export", *BASE, "--checkpoint", "epoch-00009"], "the version keeps best, epoch-00003"),
        (["--type", "evaluate", "--base", "nothing/1"], "no model"),
    ],
)
def test_what_does_not_go_together(run: Any, films: None, service: Any, options: list[str], said: str) -> None:
    before = service.client.get("/v1/jobs").json()["data"]
    result = run("submit", *options)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert service.client.get("/v1/jobs").json()["data"] == before


def test_the_list_has_all_that_people_have_submitted(run: Any, films: None, service: Any) -> None:
    other = json.loads(run("submit", "--type", "evaluate", *BASE, "--json").stdout)["id"]
    for _ in range(3):
        service.upload()  # each with a job of the service's own
    listed = [line.split()[0] for line in run("list", "--limit", "2").stdout.splitlines()]
    assert listed[0] == other
    assert len(listed) == 2
    assert [line.split()[0] for line in run("list", "--type", "evaluate").stdout.splitlines()] == [other]
    assert run("list", "--type", "examples").stdout == ""


def test_files_of_a_job_are_listed_and_fetched(run: Any, films: None, service: Any, tmp_path: Path) -> None:
    job_id = json.loads(run("submit", "--type", "evaluate", *BASE, "--json").stdout)["id"]
    assert run("artifacts", job_id).stdout == ""
    assert run("download", job_id, "--out", str(tmp_path / "early")).exit_code == 2
    files = {"report.json": b'{"test": {}}', "deep/a b.npz": b"ranks" * 100}
    service.made_files(job_id, files, {"ndcg@10": 0.25, "recall@10": 0.5})
    assert "2 files  recall@10 0.5000  ndcg@10 0.2500" in run("show", job_id).stdout
    assert [line.split(maxsplit=3)[-1] for line in run("artifacts", job_id).stdout.splitlines()] == [
        "deep/a b.npz",
        "report.json",
    ]
    assert {entry["path"] for entry in json.loads(run("artifacts", job_id, "--json").stdout)} == set(files)
    result = run("download", job_id, "--out", str(tmp_path / "all"))
    assert result.exit_code == 0, result.output
    assert {path: (tmp_path / "all" / path).read_bytes() for path in files} == files
    one = run("download", job_id, "--out", str(tmp_path / "one"), "--path", "report.json", "--json")
    assert json.loads(one.stdout)["files"] == 1
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["report.json"]
    wrong = run("download", job_id, "--out", str(tmp_path / "two"), "--path", "nothing")
    assert (wrong.exit_code, "no file nothing" in wrong.output) == (2, True)


def test_a_path_that_leads_out_of_the_folder_is_refused(run: Any, tmp_path: Path) -> None:
    result = JobResult(artifacts=(Artifact(path="../evil", bytes=1, sha256="0" * 64, url="/x"),))
    with Client("http://127.0.0.1:1") as client, pytest.raises(BundleInvalid, match="leads out"):
        client.download_files(Job(id="job_1", status="succeeded", result=result), tmp_path / "in")
    assert not (tmp_path / "in").exists()
    assert not (tmp_path / "evil").exists()
