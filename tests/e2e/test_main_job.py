"""Upload, train, download, verify, recommend: over real HTTP against real processes."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.client import ChecksumMismatch, Client, Job, unpack, verify

pytestmark = pytest.mark.e2e


def cli(helpers: Any, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        helpers.command(*arguments), capture_output=True, text=True, env=helpers.environment(), timeout=120
    )


def test_the_job_reports_metrics_beside_baselines(trained: Job, client: Client) -> None:
    assert trained.result is not None
    events = client.events(trained.id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    phases = [event.data["phase"] for event in events if event.type == "job.phase_changed"]
    assert phases == ["build_examples", "train", "export", "evaluate", "verify", "publish"]
    epochs = [event.data["metrics"] for event in events if event.type == "job.epoch_completed"]
    assert epochs[-1]["loss"] < epochs[0]["loss"]
    assert events[-1].type == "job.succeeded"


def test_the_bundle_is_downloaded_verified_and_recommends(
    trained: Job, service: Any, tmp_path: Path, helpers: Any
) -> None:
    out = tmp_path / "bundle"
    done = cli(helpers, "model", "download", "ring", "--out", out, "--url", service.url, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == len(verify(out).manifest["files"])
    report = json.loads((out / "report.json").read_text())
    assert report["test"]["recall@10"]["value"] > 0.95, "the next item of the ring is certain"
    assert report["baselines"]["popular"]["recall@10"]["value"] < 0.6
    asked = cli(helpers, "recommend", "--bundle", out, "--history", "i7,i8,i9", "--top", "3", "--json")
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert [item["id"] for item in answer["history"]] == ["i7", "i8", "i9"]
    assert answer["recommendations"][0]["id"] == "i10"
    assert not {"i7", "i8", "i9"} & {item["id"] for item in answer["recommendations"]}


def test_every_artifact_has_the_sum_that_the_job_names(trained: Job, client: Client, tmp_path: Path) -> None:
    assert trained.result is not None
    paths = {artifact.path for artifact in trained.result.artifacts}
    assert {"model.tflite", "manifest.json", "report.json", "golden.json", "items.json"} <= paths
    for number, artifact in enumerate(trained.result.artifacts):
        target = tmp_path / str(number)
        client.download(artifact.url, target, artifact.sha256)
        assert target.stat().st_size == artifact.bytes
        assert hashlib.sha256(target.read_bytes()).hexdigest() == artifact.sha256


def test_a_tampered_bundle_is_refused(trained: Job, client: Client, tmp_path: Path) -> None:
    assert trained.result is not None
    client.download_bundle("ring", trained.result.version, tmp_path / "bundle.zip")
    unpack(tmp_path / "bundle.zip", tmp_path / "bundle")
    verify(tmp_path / "bundle")
    model = tmp_path / "bundle" / "model.tflite"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    with pytest.raises(ChecksumMismatch, match=r"model\.tflite"):
        verify(tmp_path / "bundle")


def test_the_same_config_and_data_give_the_same_bundle(
    trained: Job, trained_again: Job, client: Client, tmp_path: Path
) -> None:
    assert trained.result is not None
    assert trained_again.result is not None
    assert trained_again.result.version == trained.result.version + 1
    sums = [
        client.download_bundle("ring", version, tmp_path / f"{version}.zip")
        for version in (trained.result.version, trained_again.result.version)
    ]
    assert sums[0] == sums[1]


def test_the_pipeline_without_the_service_gives_the_same_files(
    trained: Job, client: Client, log_file: Path, tmp_path: Path, helpers: Any
) -> None:
    assert trained.result is not None
    config = tmp_path / "config.json"
    config.write_text(json.dumps(helpers.SMALL))
    out = tmp_path / "local"
    done = cli(helpers, "train", "--data", log_file, "--config", config, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["report"]["test"]["recall@10"]["value"] > 0.95
    assert set(result["measurements"]["variants"]) == {"float32", "float16", "dynamic_int8"}
    served = {artifact.path: artifact.sha256 for artifact in trained.result.artifacts}
    local = {entry["path"]: entry["sha256"] for entry in verify(out).manifest["files"]}
    assert {path: served[path] for path in local} == local


@pytest.mark.skipif(shutil.which("curl") is None, reason="the script needs curl")
def test_the_build_script_of_the_docs_trains_once_and_verifies(
    service: Any, log_file: Path, tmp_path: Path, helpers: Any
) -> None:
    script = Path(__file__).parents[2] / "docs" / "examples" / "build_pipeline.sh"

    def build() -> str:
        made = subprocess.run(
            ["bash", str(script), str(log_file), "built", str(tmp_path / "assets")],
            env=helpers.environment(POCKETREC_URL=service.url, PRESET="bow"),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        return made.stdout

    first = build()
    assert "model.tflite: OK" in first
    assert "built version 1" in first
    again = build()
    assert again.splitlines()[:2] == first.splitlines()[:2]  # the same dataset and the same job
    assert "built version 1" in again
