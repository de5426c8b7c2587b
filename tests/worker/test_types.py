"""Jobs of the types examples, export and evaluate, with trainers that say what they were given."""

from __future__ import annotations

import json

import pytest

from registry import events, job_files, jobs, models
from registry.records import FileEntry
from worker import slot

pytestmark = pytest.mark.timeout(60)
BASE = {"model": "films", "version": 1, "checkpoint": None}
FILES = {
    "manifest.json": "{}",
    "model.tflite": "model",
    "variants/float32.tflite": "float32",
    "bundle.zip": "zip",
    "ranks.npz": "ranks",
    "weights/best.npz": "best",
    "weights/epoch-00002.npz": "two",
}
# One file per file that lies in its inputs, with the same content; `job.json` too.
COPY = """
out = folder / "outputs" / "files"
out.mkdir()
for path in sorted((folder / "inputs").rglob("*")):
    if path.is_file():
        name = str(path.relative_to(folder / "inputs")).replace("/", "~")
        (out / name).write_text(path.read_text())
(out / "job.json").write_text((folder / "job.json").read_text())
say("phase", phase="build_examples")
"""


@pytest.fixture
def base(service) -> None:
    """Version 1 of films."""
    path = service.settings.state_dir / "content"
    entries = []
    for name, content in FILES.items():
        path.write_text(content)
        blob = service.blobs.put_file(path)
        entries.append(FileEntry(name, blob.bytes, blob.sha256))
    manifest = {"files": [{"path": "model.tflite"}, {"path": "variants/float32.tflite"}]}
    claim = service.claim(service.train_job())
    with service.database.write() as session:
        version = models.publish_version(session, claim, model="films", files=entries, metrics={}, manifest=manifest)
        jobs.succeed(session, claim, models.result_of(version))


def read(service, job_id: str) -> dict[str, str]:
    """The files that the job owns."""
    with service.database.read() as session:
        files = job_files.of(session, job_id)
    return {entry.path: b"".join(service.blobs.open_range(entry.sha256)).decode() for entry in files}


def phases(service, job_id: str) -> list[str]:
    with service.database.read() as session:
        found = events.list_after(session, job_id)
    return [event.data["phase"] for event in found if event.type == "job.phase_changed"]


def test_examples_get_the_dataset_and_leave_files_of_their_own(service, fake_trainer):
    job_id = service.train_job(type="examples", model=None, config={"seed": 3})
    slot.work(service.runtime(fake_trainer(COPY + "say('result', path=str(out))")), job_id)
    job = service.job(job_id)
    assert job.status == "succeeded", job.error
    files = read(service, job_id)
    assert files["dataset~interactions.parquet"] == "canonical"
    order = json.loads(files["job.json"])
    assert (order["type"], order["config"], order["base"]) == ("examples", {"seed": 3}, None)
    assert [entry["path"] for entry in job.result["artifacts"]] == sorted(files)
    assert job.result["metrics"] == {}
    assert phases(service, job_id) == ["build_examples", "publish"]
    with service.database.read() as session:
        assert models.version_of_job(session, job_id) is None


def test_an_evaluation_gets_the_bundle_and_the_dataset_and_its_metrics_are_the_reports(service, fake_trainer, base):
    report = json.dumps({"test": {"ndcg@10": {"value": 0.25, "ci95": None}}})
    body = COPY + f"(out / 'report.json').write_text({report!r})\nsay('result', path=str(out))"
    job_id = service.train_job(type="evaluate", model=None, base=BASE)
    slot.work(service.runtime(fake_trainer(body)), job_id)
    job = service.job(job_id)
    assert job.status == "succeeded", job.error
    files = read(service, job_id)
    brought = {name for name in files if "~" in name}
    assert brought == {
        "base~manifest.json",
        "base~model.tflite",
        "base~variants~float32.tflite",
        "dataset~interactions.parquet",
    }
    assert files["base~model.tflite"] == "model"
    assert job.result["metrics"] == {"ndcg@10": 0.25}
    with service.database.read() as session:
        assert models.get(session, "films").last_version == 1


def test_an_export_gets_the_weights_it_names_and_publishes_a_version(service, fake_trainer, base):
    body = """
    inputs = folder / "inputs"
    weights = {str(path.relative_to(inputs)): path.read_text() for path in (inputs / "base").rglob("*.npz")}
    (folder / "outputs" / "weights").mkdir(parents=True)
    (folder / "outputs" / "weights" / "best.npz").write_text("two")
    (folder / "outputs" / "tensorboard" / "train").mkdir(parents=True)
    (folder / "outputs" / "tensorboard" / "train" / "events.out").write_text("curve")
    (folder / "outputs" / "saved_model.zip").write_text("saved")
    bundle(json.dumps(weights))
    """
    job_id = service.train_job(type="export", model="other", base={**BASE, "checkpoint": "epoch-00002"})
    slot.work(service.runtime(fake_trainer(body)), job_id)
    job = service.job(job_id)
    assert job.status == "succeeded", job.error
    assert (job.result["model"], job.result["version"]) == ("other", 1)
    files = {entry["path"]: entry["sha256"] for entry in job.result["artifacts"]}
    assert {"weights/best.npz", "tensorboard/train/events.out", "saved_model.zip"} <= set(files)
    model = b"".join(service.blobs.open_range(files["model.tflite"])).decode()
    assert json.loads(model) == {"base/weights/epoch-00002.npz": "two"}
    assert read(service, job_id) == {}


@pytest.mark.parametrize("type_", ["export", "evaluate"])
def test_a_base_whose_file_is_gone_fails_the_job_by_name(service, fake_trainer, base, type_):
    with service.database.read() as session:
        version = models.get_version(session, "films", 1)
    lost = {"export": "weights/best.npz", "evaluate": "model.tflite"}[type_]
    sha256 = models.get_file(version, lost).sha256
    (service.settings.state_dir / "blobs" / "sha256" / sha256[:2] / sha256).unlink()
    job_id = service.train_job(type=type_, base={**BASE, "checkpoint": "best"})
    slot.work(service.runtime(fake_trainer("bundle('x')"), max_attempts_without_progress=1), job_id)
    job = service.job(job_id)
    assert (job.status, job.error["code"]) == ("failed", "blob_missing")


def test_a_trainer_that_leaves_no_files_has_no_result(service, fake_trainer):
    job_id = service.train_job(type="examples", model=None)
    runtime = service.runtime(fake_trainer("say('result', path='x')"), max_attempts_without_progress=1)
    slot.work(runtime, job_id)
    assert service.job(job_id).status == "failed"
    assert read(service, job_id) == {}
