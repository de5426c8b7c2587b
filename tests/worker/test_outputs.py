"""What of a trainer's output folder is published."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from registry import models
from worker.outputs import OutputsCorrupt, store_bundle


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs"
    (folder / "bundle").mkdir(parents=True)
    (folder / "bundle" / "model.tflite").write_bytes(b"model")
    files = [{"path": "model.tflite", "bytes": 5, "sha256": hashlib.sha256(b"model").hexdigest()}]
    (folder / "bundle" / "manifest.json").write_text(json.dumps({"files": files}))
    (folder / "bundle" / "report.json").write_text(json.dumps({"test": {"ndcg@10": {"value": 0.1, "ci95": None}}}))
    for name in ("bundle.zip", "measurements.json"):
        (folder / name).write_bytes(name.encode())
    return folder


def test_the_ranks_and_the_page_are_published_beside_the_bundle(service, outputs: Path) -> None:
    (outputs / "ranks.npz").write_bytes(b"ranks")
    (outputs / "report.html").write_bytes(b"page")
    (outputs / "checkpoint.npz").write_bytes(b"no business of anybody's")
    record = store_bundle(outputs, "films", service.blobs)
    claim = service.claim(service.train_job())
    with service.database.write() as session:
        record(session, claim)
    with service.database.read() as session:
        version = models.get_version(session, "films", 1)
    assert [entry.path for entry in version.files] == [
        "bundle.zip",
        "manifest.json",
        "measurements.json",
        "model.tflite",
        "ranks.npz",
        "report.html",
        "report.json",
    ]
    assert models.get_file(version, "ranks.npz").sha256 == hashlib.sha256(b"ranks").hexdigest()


@pytest.mark.parametrize("name", ["bundle.zip", "measurements.json", "bundle/model.tflite", "bundle/report.json"])
def test_nothing_is_published_without_the_rest(service, outputs: Path, name: str) -> None:
    (outputs / name).unlink()
    with pytest.raises(OutputsCorrupt, match=Path(name).name):
        store_bundle(outputs, "films", service.blobs)
