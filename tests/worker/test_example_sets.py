"""Examples that one job has built and later ones begin with; losing them costs time and nothing else."""

from __future__ import annotations

import textwrap

import pytest
from sqlalchemy import select

from registry import example_sets, jobs, retries, tables
from worker import slot

pytestmark = pytest.mark.timeout(60)

# Its model says what it was made of, so that tests see what it was given.
BODY = """
say("phase", phase="build_examples")
kept = folder / "inputs" / "examples"
log = folder / "inputs" / "dataset" / "interactions.parquet"
if kept.is_dir():
    made_of = "kept " + (kept / "meta.json").read_text() + (kept / "deep" / "a.npy").read_text()
else:
    made_of = "log"
    out = folder / "outputs" / "prepared"
    (out / "deep").mkdir(parents=True)
    (out / "meta.json").write_text("m")
    (out / "deep" / "a.npy").write_text("a" * 50)
    say("examples", path=str(out))
made_of += ", log there" if log.exists() else ", no log"
"""
SUCCEED = BODY + 'bundle(made_of + "; " + job["data_hash"][:2])\n'


def run(service, fake_trainer, body: str = SUCCEED, **settings) -> tuple[str, str]:
    """A job's id, and what its model was made of."""
    job_id = service.train_job()
    slot.work(service.runtime(fake_trainer(body), **settings), job_id)
    return job_id, made_of(service, job_id)


def made_of(service, job_id: str) -> str:
    job = service.job(job_id)
    assert job.status == "succeeded", job.error
    model = next(entry for entry in job.result["artifacts"] if entry["path"] == "model.tflite")
    return b"".join(service.blobs.open_range(model["sha256"])).decode()


def kept(service) -> list[str]:
    with service.database.read() as session:
        return list(session.execute(select(tables.example_sets.c.key)).scalars())


FRESH = "log, log there; 00"
REUSED = "kept m" + "a" * 50 + ", no log; 00"


def test_the_second_job_begins_with_what_the_first_has_built(service, fake_trainer):
    assert run(service, fake_trainer)[1] == FRESH
    assert len(kept(service)) == 1
    job_id, found = run(service, fake_trainer)
    assert found == REUSED
    assert service.job(job_id).attempt == 1


def test_a_config_that_makes_other_examples_builds_its_own(service, fake_trainer):
    run(service, fake_trainer)
    other = service.train_job(config={"examples": {"min_rating": 3.0}})
    slot.work(service.runtime(fake_trainer(SUCCEED)), other)
    assert made_of(service, other) == FRESH
    same = service.train_job(config={"training": {"max_epochs": 3}, "export": {"top_k": 5}})
    slot.work(service.runtime(fake_trainer(SUCCEED)), same)
    assert made_of(service, same) == REUSED
    assert len(kept(service)) == 2


def test_the_log_comes_too_where_records_are_to_be_written_from_it(service, fake_trainer):
    run(service, fake_trainer)
    job_id = service.train_job(config={"examples": {"tfrecord": True}})
    slot.work(service.runtime(fake_trainer(SUCCEED)), job_id)
    assert made_of(service, job_id) == REUSED.replace("no log", "log there")


def test_a_retry_of_a_job_that_failed_later_begins_with_its_examples(service, fake_trainer):
    failing = BODY + 'say("error", code="diverged", message="NaN", errors=[])\nsys.exit(2)\n'
    job_id = service.train_job()
    slot.work(service.runtime(fake_trainer(failing)), job_id)
    assert service.job(job_id).error["code"] == "diverged"
    with service.database.write() as session:
        new = retries.retry(session, job_id)
    slot.work(service.runtime(fake_trainer(SUCCEED)), new.id)
    assert made_of(service, new.id) == REUSED


def test_a_killed_attempt_is_followed_by_one_that_begins_with_its_examples(service, fake_trainer):
    dying = BODY + 'if made_of.startswith("log"):\n    os.kill(os.getpid(), signal.SIGKILL)\nbundle(made_of + "; 00")\n'
    job_id, found = run(service, fake_trainer, dying)
    assert (found, service.job(job_id).attempt) == (REUSED, 2)


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_a_set_whose_files_are_gone_or_damaged_is_built_anew(service, fake_trainer, damage):
    run(service, fake_trainer)
    with service.database.read() as session:
        files = example_sets.find(session, "default", kept(service)[0]).files
    sha256 = files[0].sha256
    path = service.settings.state_dir / "blobs" / "sha256" / sha256[:2] / sha256
    path.unlink()
    if damage == "altered":
        path.write_text("b" * files[0].bytes)
    job_id, found = run(service, fake_trainer)
    assert (found, service.job(job_id).attempt) == (FRESH, 1)
    assert len(kept(service)) == 1
    if damage == "missing":  # a damaged blob is nothing that a worker replaces
        assert run(service, fake_trainer)[1] == REUSED


def test_a_set_that_the_trainer_can_not_read_costs_an_attempt_but_not_the_job(service, fake_trainer):
    run(service, fake_trainer)
    refusing = """
    if (folder / "inputs" / "examples").is_dir():
        say("error", code="examples_unreadable", message="of another release", errors=[])
        sys.exit(2)
    """
    job_id, found = run(service, fake_trainer, textwrap.dedent(refusing) + SUCCEED)
    assert (found, service.job(job_id).attempt) == (FRESH, 2)
    with service.database.read() as session:
        first = jobs.list_attempts(session, job_id)[0]
    assert (first.outcome, first.error["code"]) == ("lost", "examples_unreadable")
    assert run(service, fake_trainer)[1] == REUSED


@pytest.mark.parametrize("most", [0, 50])
def test_none_are_kept_beyond_the_limit(service, fake_trainer, most):
    body = SUCCEED.replace('job["data_hash"][:2]', '"00"')
    for _ in range(2):
        assert run(service, fake_trainer, body, examples_cache_bytes=most)[1] == FRESH
    assert kept(service) == []


def test_a_store_that_does_not_take_them_does_not_fail_the_job(service, fake_trainer, monkeypatch):
    real = type(service.blobs).adopt_file

    def adopt(self, path):
        if "prepared" in path.parts:
            raise OSError("the store is away")
        return real(self, path)

    monkeypatch.setattr(type(service.blobs), "adopt_file", adopt)
    assert run(service, fake_trainer)[1] == FRESH
    assert kept(service) == []


def test_a_folder_outside_the_attempts_is_never_taken(service, fake_trainer, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("s")
    body = f'say("examples", path={str(tmp_path / "secret")!r})\nbundle("model")\n'
    assert run(service, fake_trainer, body)[1] == "model"
    assert kept(service) == []
