"""The trainer process by itself: nothing but a folder, pipes and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from reco_core import datasets
from worker.process import clean_environment

ROOT = Path(__file__).parents[2]


def start(folder: Path, stderr: Any = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "worker.trainer", str(folder)],
        cwd=folder,
        env=clean_environment(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )


def finish(process: subprocess.Popen[bytes]) -> tuple[int, list[dict], str]:
    """Exit status, messages, standard error; the trainer's standard input stays open until it has ended."""
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stderr is not None
    lines = process.stdout.read().splitlines()
    errors = process.stderr.read().decode()
    status = process.wait(20)
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()
    return status, [json.loads(line) for line in lines], errors


@pytest.fixture
def attempt(tmp_path: Path):
    def make(job: dict, upload: str | None = None) -> Path:
        (tmp_path / "inputs" / "upload").mkdir(parents=True)
        (tmp_path / "outputs").mkdir()
        (tmp_path / "job.json").write_text(json.dumps(job))
        if upload is not None:
            (tmp_path / "inputs" / "upload" / "log.csv").write_text(upload)
        return tmp_path

    return make


VALIDATE = {"type": "validate_dataset", "spec": {}, "upload": "upload/log.csv"}


def test_a_good_file_becomes_the_canonical_form_with_its_report(attempt, log_csv):
    folder = attempt(VALIDATE, log_csv)
    status, messages, _ = finish(start(folder))
    assert status == 0
    assert [message["event"] for message in messages] == ["phase", "result"]
    verdict = json.loads((folder / "outputs" / "report.json").read_text())
    restored = datasets.restore(folder / "outputs" / "dataset")
    assert len(restored) == 72
    assert verdict["content_hash"] == datasets.content_hash(restored)
    assert verdict["report"]["rows"] == {"in": 72, "accepted": 72, "rejected": {}}
    assert verdict["report"]["statistics"]["rows"] == 72  # what estimates of jobs are made of


def test_a_bad_file_is_a_typed_error_with_the_full_report(attempt, log_csv):
    folder = attempt(VALIDATE, log_csv + "u1,i1,not-a-time\n")
    status, messages, _ = finish(start(folder))
    assert status == 2
    assert messages[-1]["event"] == "error"
    assert messages[-1]["code"] == "dataset_invalid"
    assert "line 74" in messages[-1]["message"]
    assert json.loads((folder / "outputs" / "report.json").read_text())["report"]["rows"]["accepted"] == 72


def test_an_unexpected_exception_is_an_internal_error_with_its_traceback_on_standard_error(attempt):
    status, messages, errors = finish(start(attempt({"type": "validate_dataset"})))
    assert status == 2
    assert messages[-1]["code"] == "internal_error"
    assert "Traceback" in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk_is_a_typed_error_even_where_standard_error_is_on_it_too(attempt, log_csv):
    folder = attempt(VALIDATE, log_csv)
    (folder / "outputs" / "report.json").symlink_to("/dev/full")
    with Path("/dev/full").open("w") as full:
        process = start(folder, stderr=full)
        assert process.stdout is not None
        said = [json.loads(line) for line in process.stdout.read().splitlines()]
        status = process.wait(20)
        process.stdout.close()
    assert status == 2
    assert said[-1]["event"] == "error"
    assert said[-1]["code"] == "insufficient_storage"
    assert "free some space" in said[-1]["message"]


def test_prints_of_libraries_do_not_reach_the_json_channel(tmp_path):
    script = (
        "import os; from worker import trainer; channel = trainer.take_over_stdout()\n"
        "print('from python'); os.write(1, b'from C\\n'); os.system('echo from a child')\n"
        "channel.write('{}\\n'); channel.flush()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=20, check=True)
    assert done.stdout == b"{}\n"
    for text in (b"from python", b"from C", b"from a child"):
        assert text in done.stderr


def test_it_ends_when_its_standard_input_closes(attempt):
    folder = attempt(VALIDATE)
    os.mkfifo(folder / "inputs" / "upload" / "log.csv")  # opening it blocks for ever
    process = start(folder)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "phase"
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 76
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()


def test_sigterm_ends_a_validation_as_interrupted(attempt):
    folder = attempt(VALIDATE)
    os.mkfifo(folder / "inputs" / "upload" / "log.csv")
    process = start(folder)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "phase"
    process.send_signal(signal.SIGTERM)
    status, _, _ = finish(process)
    assert status == 75


@pytest.mark.parametrize("type_", ["train", "examples"])
def test_sigterm_ends_the_writing_of_tfrecords_within_seconds(attempt, type_):
    config = {"examples": {"max_history_length": 200, "tfrecord": {"max_genre_length": 500}}}
    folder = attempt({"type": type_, "config": config, "data_hash": "of no dataset"})
    rows = [f"{n % 900},{n * 7919 % 1999 + 1},{n}" for n in range(200_000)]
    log = folder / "log.csv"
    log.write_text("\n".join(["user,item,timestamp", *rows]))
    datasets.store(datasets.load(log, datasets.DatasetSpec()), folder / "inputs" / "dataset")
    process = start(folder)
    assert process.stdout is not None
    assert any(json.loads(line)["event"] == "progress" for line in process.stdout)  # of several seconds the first
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    status, messages, _ = finish(process)
    assert status == 75
    assert time.monotonic() - began < 5
    assert not any(message["event"] in ("result", "error") for message in messages)
    if type_ == "train":
        assert not list((folder / "outputs").glob("examples*"))


def test_a_trainer_gets_no_credentials():
    given = {"POCKETREC_DATABASE_URL": "x", "AWS_SECRET_ACCESS_KEY": "x", "PATH": "/bin", "HOME": "/h"}
    assert set(clean_environment(given)) == {"PATH", "HOME", "PYTHONPATH"}
