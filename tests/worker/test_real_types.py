"""Every type of job with the real trainer: train, export again, evaluate, examples; and examples that are reused."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from registry import job_files, jobs, models, retries, tables
from worker import slot

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(280)]

CONFIG = {
    "encoder": {"type": "bow"},
    "model": {"embedding_dim": 16},
    "training": {"max_epochs": 3, "patience": 100, "batch_size": 64, "keep_checkpoints": 2},
    "evaluation": {"bootstrap_samples": 100, "baselines": ["popular"]},
    "export": {"top_k": 20, "variants": ["float32"], "default_variant": "float32"},
    "seed": 7,
}
TIMES = ("measurements.json", "report.html")  # differ from run to run


def log_of(users: int, items: int = 60) -> str:
    """Users who walk along the items, each from another one on."""
    steps = [(user, step) for user in range(users) for step in range(9)]
    rows = [f"{user + 1},{(user * 7 + step * 2) % items + 1},{1_000_000 + step}" for user, step in steps]
    return "\n".join(["user_id,item_id,timestamp", *rows]) + "\n"


@pytest.fixture
def service(shared_service):
    return shared_service


@pytest.fixture(scope="module")
def dataset(shared_service) -> str:
    return ready(shared_service, log_of(200))


@pytest.fixture(scope="module")
def trained(shared_service, dataset):
    """The first job on the dataset."""
    return run(shared_service, dataset_id=dataset, config=CONFIG)


def ready(service, log: str) -> str:
    dataset_id, job_id = service.upload(log)
    slot.work(service.runtime(), job_id)
    return dataset_id


def run(service, **fields):
    """The job, run to its end."""
    job_id = service.train_job(**fields)
    slot.work(service.runtime(), job_id)
    job = service.job(job_id)
    assert job.status == "succeeded", job.error
    return job


def sums(job) -> dict[str, str]:
    return {entry["path"]: entry["sha256"] for entry in job.result["artifacts"] if entry["path"] not in TIMES}


def said(service, job_id: str) -> list[str]:
    with service.database.read() as session:
        return [line.line for line in jobs.list_log(session, job_id) if line.line.startswith("examples: ")]


def content(service, job, path: str) -> bytes:
    sha256 = next(entry["sha256"] for entry in job.result["artifacts"] if entry["path"] == path)
    return b"".join(service.blobs.open_range(sha256))


def test_each_type_on_what_the_one_before_has_made(service, dataset, trained):
    files = sums(trained)
    assert {"weights/best.npz", "weights/epoch-00002.npz", "weights/epoch-00003.npz", "ranks.npz"} <= set(files)
    assert not any(path.startswith(("weights", "prepared")) for path in bundled(service, trained))
    assert said(service, trained.id) == ["examples: built"]

    # Exported without changes it is the same model; with another top K it is another file of the same quality.
    base = {"model": "films", "version": trained.result["version"], "checkpoint": "best"}
    before = last_version(service)
    same = run(service, type="export", dataset_id=dataset, config=CONFIG, base=base)
    assert (same.result["version"], said(service, same.id)) == (before + 1, ["examples: reused"])
    for path in bundled(service, trained):
        assert sums(same)[path] == files[path], path
    assert sums(same)["weights/best.npz"] == files["weights/best.npz"]
    changed = {**CONFIG, "export": {**CONFIG["export"], "top_k": 5}}
    other = run(service, type="export", dataset_id=dataset, config=changed, base=base, model="shorter")
    assert (other.result["model"], other.result["version"]) == ("shorter", 1)
    assert other.result["metrics"] == trained.result["metrics"]
    assert sums(other)["model.tflite"] != files["model.tflite"]
    manifest = json.loads(content(service, other, "manifest.json"))
    assert manifest["config"]["export"]["top_k"] == 5
    epoch = {**base, "checkpoint": "epoch-00002"}
    second = run(service, type="export", dataset_id=dataset, config=CONFIG, base=epoch)
    assert sums(second)["weights/best.npz"] == files["weights/epoch-00002.npz"]

    # Evaluated on its own data it has the metrics that it was published with; on others, others.
    asked = {"type": "evaluate", "model": None, "base": {**base, "checkpoint": None}}
    own = run(service, dataset_id=dataset, config=CONFIG, **asked)
    made = {"measurements.json", "ranks.npz", "report.html", "report.json"}
    assert {entry["path"] for entry in own.result["artifacts"]} == made
    for name in ("recall@10", "ndcg@10"):
        assert own.result["metrics"][name] == pytest.approx(trained.result["metrics"][name])
    fresh = ready(service, log_of(90))
    there = run(service, dataset_id=fresh, config={**CONFIG, "evaluation": {"k": [3]}}, **asked)
    report = json.loads(content(service, there, "report.json"))
    assert there.result["metrics"].keys() >= {"recall@3"}
    assert report["test"]["recall@3"]["value"] == there.result["metrics"]["recall@3"]
    assert last_version(service) == before + 2


def last_version(service) -> int:
    with service.database.read() as session:
        return models.get(session, "films").last_version


def bundled(service, job) -> list[str]:
    with service.database.read() as session:
        version = models.version_of_job(session, job.id)
    assert version is not None
    return [entry["path"] for entry in version.manifest["files"]]


def test_a_training_begins_with_a_versions_weights(service, trained):
    short = {**CONFIG, "training": {**CONFIG["training"], "max_epochs": 1}}
    grown = ready(service, log_of(90, items=70))
    version, before = trained.result["version"], last_version(service)
    base = {"model": "films", "version": version, "checkpoint": "best"}
    warm = run(service, dataset_id=grown, config=short, base=base)
    stated = json.loads(content(service, warm, "manifest.json"))["base"]
    assert (stated["version"], stated["weights_sha256"]) == (f"films@{version}", sums(trained)["weights/best.npz"])
    assert stated["items"] == {"carried": 60, "new": 10, "dropped": 0}
    assert warm.result["version"] == before + 1
    # what can't be carried over ends the job with a typed error
    wider = service.train_job(dataset_id=grown, config={**short, "model": {"embedding_dim": 8}}, base=base)
    slot.work(service.runtime(), wider)
    job = service.job(wider)
    assert (job.status, job.attempt, job.error["code"]) == ("failed", 1, "validation_failed")
    assert job.error["errors"][0]["pointer"] == "/model/embedding_dim"


def test_examples_are_files_of_the_job(service, dataset):
    job = run(service, type="examples", model=None, dataset_id=dataset, config={"examples": {"tfrecord": True}})
    with service.database.read() as session:
        paths = [entry.path for entry in job_files.of(session, job.id)]
    assert "summary.json" in paths
    summary = json.loads(content(service, job, "summary.json"))
    assert sorted([entry["path"] for entry in summary["files"]] + ["summary.json"]) == paths
    assert any("tfrecord" in path for path in paths)
    again = run(service, type="examples", model=None, dataset_id=dataset, config={"examples": {"tfrecord": True}})
    assert sums(again) == sums(job)


def test_a_log_that_records_can_not_hold_is_a_typed_error(service):
    named = ready(service, "user_id,item_id,timestamp\n" + "".join(f"u{n % 9},film-{n % 7},{n}\n" for n in range(70)))
    job_id = service.train_job(type="examples", model=None, dataset_id=named, config={"examples": {"tfrecord": True}})
    slot.work(service.runtime(), job_id)
    job = service.job(job_id)
    assert (job.status, job.attempt, job.error["code"]) == ("failed", 1, "validation_failed")
    assert "film-" in job.error["message"]


def test_a_training_that_also_writes_records_has_them_beside_its_bundle(service, dataset):
    config = {**CONFIG, "training": {**CONFIG["training"], "max_epochs": 1}, "examples": {"tfrecord": True}}
    job = run(service, dataset_id=dataset, config=config)
    assert "examples/summary.json" in sums(job)
    assert not any(path.startswith("examples/") for path in bundled(service, job))


def test_a_retry_builds_no_examples_again_and_losing_them_changes_no_byte(service, dataset, trained):
    short = {**CONFIG, "training": {**CONFIG["training"], "max_epochs": 1}}
    job_id = service.train_job(dataset_id=dataset, config=short)
    claim = service.claim(job_id)
    with service.database.write() as session:
        jobs.fail(session, claim, {"code": "worker_lost", "message": "m", "errors": []})
    with service.database.write() as session:
        new = retries.retry(session, job_id).id
    slot.work(service.runtime(), new)
    assert said(service, new) == ["examples: reused"]  # those of a longer training
    with service.database.write() as session:
        files = session.execute(select(tables.files).where(tables.files.c.owner_id.like("exs_%"))).all()
    for row in files:
        (service.settings.state_dir / "blobs" / "sha256" / row.sha256[:2] / row.sha256).unlink(missing_ok=True)
    anew = run(service, dataset_id=dataset, config=short)
    assert said(service, anew.id) == ["examples: built"]
    assert sums(anew) == sums(service.job(new))
