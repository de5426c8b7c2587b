"""Train, export again, evaluate on other data, write examples: over real HTTP, by the real worker."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.client import Client, Job, unpack, verify

pytestmark = pytest.mark.e2e
TIMES = ("measurements.json", "report.html")  # differ from run to run


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same ring of items for other users, with numbers as ids: TFRecords hold no others."""
    chance = random.Random(8)
    path = tmp_path_factory.mktemp("numbered") / "numbered.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("user,item,ts\n")
        for user in range(200):
            start = chance.randrange(40)
            for step in range(10):
                file.write(f"{user},{(start + step) % 40 + 1},{2000 + step}\n")
    return path


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of the ring's own items, whose users walk the other way round."""
    path = tmp_path_factory.mktemp("other") / "other.csv"
    rows = [f"v{user},i{(user * 3 - step) % 40},{step}" for user in range(150) for step in range(8)]
    path.write_text("\n".join(["uid,sku,ts", *rows]) + "\n", encoding="utf-8")
    return path


def done(client: Client, helpers: Any, job: Job) -> Job:
    job = helpers.finished(client, job.id)
    assert job.status == "succeeded", job.error
    assert job.result is not None
    return job


def phases(client: Client, job: Job) -> list[str]:
    return [event.data["phase"] for event in client.events(job.id) if event.type == "job.phase_changed"]


def read(client: Client, job: Job, folder: Path, path: str) -> Any:
    client.download_files(job, folder, [path])
    return json.loads((folder / path).read_text(encoding="utf-8"))


def test_from_training_to_another_top_k_to_an_evaluation_on_other_data(
    trained: Job, client: Client, helpers: Any, other: Path, tmp_path: Path
) -> None:
    assert trained.result is not None
    assert trained.result.version is not None
    kept = client.model_version("ring", trained.result.version).weights
    assert [weights.checkpoint for weights in kept] == ["best"]

    # Exported with another top K: a version of another model, in which all but the K is the same.
    config = {"export": {"top_k": 3}}
    queued = client.submit_export("ring", trained.result.version, config=config, publish_as="ring-of-three")
    exported = done(client, helpers, queued)
    assert exported.result is not None
    assert (exported.result.model, exported.result.version) == ("ring-of-three", 1)
    assert phases(client, exported) == ["build_examples", "export", "evaluate", "verify", "publish"]
    assert "examples: reused" in [line.line for line in client.log(exported.id)]
    assert exported.result.metrics == trained.result.metrics
    client.download_bundle("ring-of-three", 1, tmp_path / "three.zip")
    unpack(tmp_path / "three.zip", tmp_path / "three")
    bundle = verify(tmp_path / "three")
    assert bundle.manifest["config"]["export"]["top_k"] == 3
    asked = helpers.command("recommend", "--bundle", tmp_path / "three", "--history", "i7,i8,i9", "--json")
    answer = subprocess.run(asked, capture_output=True, text=True, env=helpers.environment(), timeout=120)
    assert json.loads(answer.stdout)["recommendations"][0]["id"] == "i10"

    # On the data it was trained on it is as good as it was; on users who walk the other way it is not.
    own = done(client, helpers, client.submit_evaluation("ring-of-three", 1))
    assert own.result is not None
    assert own.result.model is None
    assert own.result.metrics["recall@10"] == pytest.approx(trained.result.metrics["recall@10"])
    fresh = helpers.ready_dataset(client, other)
    there = done(client, helpers, client.submit_evaluation("ring-of-three", 1, dataset_id=fresh.id))
    assert phases(client, there) == ["build_examples", "evaluate", "publish"]
    report = read(client, there, tmp_path / "evaluated", "report.json")
    assert there.result is not None
    assert report["test"]["recall@10"]["value"] == there.result.metrics["recall@10"]
    assert there.result.metrics["recall@10"] < 0.5 < own.result.metrics["recall@10"]
    assert client.model("ring-of-three").last_version == 1


def test_examples_are_fetched_and_their_sums_are_right(
    client: Client, helpers: Any, numbered: Path, tmp_path: Path
) -> None:
    dataset = helpers.ready_dataset(client, numbered)
    job = done(client, helpers, client.submit_examples(dataset.id))
    assert phases(client, job) == ["build_examples", "publish"]
    files = client.download_files(job, tmp_path)
    assert job.result is not None
    for artifact, path in zip(job.result.artifacts, files, strict=True):
        assert artifact.url.startswith(f"/v1/jobs/{job.id}/artifacts/")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == artifact.sha256
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["users"] == 200
    assert {entry["path"] for entry in summary["files"]} < {artifact.path for artifact in job.result.artifacts}
    assert client.download_files(job, tmp_path) == files  # all there already
    sums = client.transport.request("GET", f"/v1/jobs/{job.id}/artifacts/SHA256SUMS").text
    assert len(sums.splitlines()) == len(files)


def test_a_second_training_on_the_same_log_begins_with_the_first_ones_examples(
    trained: Job, trained_again: Job, client: Client
) -> None:
    assert "examples: reused" in [line.line for line in client.log(trained_again.id)]

    def sums(job: Job) -> dict[str, str]:
        assert job.result is not None
        return {entry.path: entry.sha256 for entry in job.result.artifacts if entry.path not in TIMES}

    assert sums(trained_again) == sums(trained)
