"""The sign of life that `python -m worker --check` reads."""

from __future__ import annotations

import os
import socket
import subprocess
import time

import pytest

from worker import alive
from worker.__main__ import main
from worker.reaper import Reaper


@pytest.fixture
def sign(service):
    return service.settings.state_dir / "alive" / f"{socket.gethostname()}.{os.getpid()}"


def test_the_reaper_gives_it_and_the_check_reads_it(service, sign, wait_until, monkeypatch, capsys):
    monkeypatch.setenv("POCKETREC_STATE_DIR", str(service.settings.state_dir))
    assert main(["--check"]) == 1
    assert "no worker of this machine" in capsys.readouterr().out
    runtime = service.runtime(reaper_seconds=3600)
    reaper = Reaper(runtime)
    reaper.start()
    wait_until(sign.exists)
    runtime.stopping.set()
    reaper.join(5)
    assert main(["--check"]) == 0
    alive.forget(service.settings)
    assert not sign.exists()


def test_a_worker_that_has_not_reached_its_database_for_long_is_not_alive(service, sign):
    settings = service.settings.model_copy(update={"reaper_seconds": 30})
    alive.touch(settings)
    for age, ok in ((70, True), (80, False)):
        then = time.time() - age
        os.utime(sign, (then, then))
        assert alive.check(settings).ok is ok


def test_the_signs_of_dead_processes_count_for_nothing_and_are_removed(service, sign):
    with subprocess.Popen(["true"]) as process:
        process.wait()
    alive.touch(service.settings)
    dead, elsewhere = sign.with_name(f"{socket.gethostname()}.{process.pid}"), sign.with_name("elsewhere.1")
    sign.rename(dead)
    elsewhere.touch()
    assert not alive.check(service.settings).ok
    alive.sweep(service.settings)
    assert list(sign.parent.iterdir()) == [elsewhere]
