"""An attempt while its supervisor waits for a transfer: stores that are slow, everything else is real."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from registry import jobs
from worker import slot, warden

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warden, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(warden, "SHUTDOWN_STOP_SECONDS", 1.5)


@pytest.fixture
def stalled(service: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`with stalled("put_file", runtime, job_id) as done`: the attempt sits in that call until the block is left."""

    @contextmanager
    def stall(name: str, runtime: Any, job_id: str) -> Iterator[Future[int]]:
        at_it, go_on = threading.Event(), threading.Event()
        real = getattr(service.blobs, name)

        def slow(*arguments: Any) -> Any:
            at_it.set()
            assert go_on.wait(40)
            return real(*arguments)

        with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
            patch.setattr(service.blobs, name, slow)
            try:
                done = pool.submit(slot.work, runtime, job_id)
                assert at_it.wait(20)
                yield done
            finally:
                go_on.set()

    return stall


CHECKPOINT = """
say("phase", phase="train")
checkpoint(1, "state")
stop.wait()
sys.exit(75)
"""


@pytest.mark.parametrize(("where", "body"), [("fetch", CHECKPOINT), ("put_file", CHECKPOINT)])
def test_a_cancelled_job_does_not_wait_for_a_transfer(
    service: Any, fake_trainer: Any, wait_until: Any, stalled: Any, where: str, body: str
) -> None:
    job_id = service.train_job()
    with stalled(where, service.runtime(fake_trainer(body), stop_seconds=1), job_id) as done:
        with service.database.write() as session:
            jobs.request_cancel(session, job_id)
        wait_until(lambda: service.job(job_id).status == "cancelled")
        assert not done.done()
        at = service.job(job_id)
    assert done.result(1) == 1
    assert service.job(job_id) == at, "whoever comes late changes nothing"


@pytest.mark.parametrize("where", ["fetch", "put_file", "adopt_file"])
def test_a_worker_that_has_to_go_gives_the_job_back_and_counts_nothing(
    service: Any, fake_trainer: Any, wait_until: Any, stalled: Any, where: str
) -> None:
    job_id = service.train_job()
    body = 'bundle("model")' if where == "adopt_file" else CHECKPOINT
    first = service.runtime(fake_trainer(body))
    with stalled(where, first, job_id):
        first.stopping.set()
        wait_until(lambda: service.nudged == [job_id])
        with service.database.read() as session:
            assert [attempt.outcome for attempt in jobs.list_attempts(session, job_id)] == ["released"]
    slot.work(service.runtime(fake_trainer('bundle("model")')), job_id)
    job = service.job(job_id)
    assert (job.status, job.attempt, job.attempts_without_progress) == ("succeeded", 2, 1)


def test_a_worker_that_has_to_go_still_stores_a_result_that_is_there(
    service: Any, fake_trainer: Any, stalled: Any
) -> None:
    job_id = service.train_job()
    runtime = service.runtime(fake_trainer('bundle("model")'))
    with stalled("adopt_file", runtime, job_id):
        runtime.stopping.set()
        time.sleep(0.8)  # longer than for one without a result
    assert service.job(job_id).status == "succeeded"


@pytest.mark.parametrize(
    ("settings", "greed"),
    [
        ({"memory_bytes": 100 << 20}, 'hog = b"x" * (300 << 20)'),
        ({"attempt_disk_bytes": 1 << 20}, '(folder / "outputs" / "big").write_bytes(b"x" * (3 << 20))'),
        ({"deadline_seconds": 1.5, "stop_seconds": 0.5}, "signal.signal(signal.SIGTERM, signal.SIG_IGN)"),
    ],
    ids=["memory", "disk", "time"],
)
def test_a_trainer_is_held_to_its_limits_meanwhile(
    service: Any,
    fake_trainer: Any,
    wait_until: Callable[..., Any],
    stalled: Any,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    greed: str,
) -> None:
    monkeypatch.setattr(warden, "DISK_SECONDS", 0.2)
    job_id = service.train_job()
    lives = service.settings.state_dir / "lives"
    body = f"""
    lives = Path({str(lives)!r})
    lives.write_text("0")
    checkpoint(1, "state")
    {greed}
    for number in range(400):
        print(end=".", file=lives.open("a"))
        time.sleep(0.05)
    """
    runtime = service.runtime(fake_trainer(body), max_attempts_without_progress=1, **settings)
    with stalled("put_file", runtime, job_id):
        wait_until(lives.exists)
        wait_until(lambda: _is_still(lives))
        assert lives.stat().st_size < 399
        assert service.job(job_id).status == "running"
    assert service.job(job_id).status == "failed"


def test_a_trainer_whose_lease_is_lost_ends_though_its_supervisor_does_not_look(
    service: Any, fake_trainer: Any, wait_until: Callable[..., Any], stalled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry import leases
    from registry.errors import LeaseLost

    job_id = service.train_job()
    lives = service.settings.state_dir / "lives"
    body = f"""
    checkpoint(1, "state")
    for number in range(400):
        print(end=".", file=Path({str(lives)!r}).open("a"))
        time.sleep(0.05)
    """

    def lost(*_: object) -> bool:
        raise LeaseLost("somebody else has it")

    with stalled("put_file", service.runtime(fake_trainer(body)), job_id) as done:
        wait_until(lives.exists)
        monkeypatch.setattr(leases, "heartbeat", lost)
        wait_until(lambda: _is_still(lives))
        assert lives.stat().st_size < 399
        assert not done.done()


def _is_still(path: Path) -> bool:
    before = path.stat().st_size
    time.sleep(0.4)
    return path.stat().st_size == before
