"""Tests docker-compose.yml and Dockerfile on a machine without Docker: `make compose-check`.

First both files are read and looked through. Then each service's command is started here with the environment that the
file gives it (Redis by its own command, PostgreSQL as the one that runs already, in a schema of its own), its
healthcheck is run against it, and jobs go through an API and two workers over HTTP, one of which is killed on the way.
`--static` only reads the files. The exit status is 1 if anything is not as it should be.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import compose_files  # noqa: E402 - a neighbour, found by the line above

SECRETS = {"POCKETREC_API_KEY": secrets.token_urlsafe(32), "POSTGRES_PASSWORD": secrets.token_urlsafe(32)}
DATABASE = os.environ.get("POCKETREC_CHECK_DATABASE_URL", "postgresql://root@127.0.0.1:5432/test")
# Recovery is what is tested, not how long the defaults wait.
FAST = {
    "POCKETREC_HEARTBEAT_SECONDS": "0.5",
    "POCKETREC_LEASE_SECONDS": "4",
    "POCKETREC_REAPER_SECONDS": "1",
    "POCKETREC_REPUBLISH_SECONDS": "2",
    # On a machine with other work a nice trainer would hardly get on.
    "POCKETREC_TRAINER_NICE": "0",
}
# An epoch takes tens of milliseconds and each leaves a checkpoint, so that a job can be hit in the middle.
JOB: dict[str, Any] = {
    "preset": "bow",
    "model": {"embedding_dim": 8},
    "training": {"max_epochs": 40, "patience": 40, "batch_size": 16, "checkpoint_seconds": 0},
    "evaluation": {"bootstrap_samples": 100, "baselines": ["popular"]},
    "export": {"variants": ["float16"], "top_k": 5},
}
PATIENCE_SECONDS = 150.0
T = TypeVar("T")


class Failed(Exception):
    """Something is not as it should be."""


class Checks:
    """The list that is printed."""

    def __init__(self) -> None:
        self.failures = 0

    def say(self, verdict: str, text: str) -> None:
        """One line of the list."""
        self.failures += verdict == "FAIL"
        print(f"{verdict:4}  {text}", flush=True)

    def none(self, text: str, faults: list[str]) -> None:
        """`text` holds unless there are faults."""
        self.say("FAIL" if faults else "ok", text)
        for fault in faults:
            print(f"        {fault}", flush=True)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """`text` holds unless the block raises; then what needs it can't go on."""
        started = time.monotonic()
        try:
            yield
        except BaseException:
            self.say("FAIL", text)
            raise
        self.say("ok", f"{text} ({time.monotonic() - started:.1f} s)")


def main(arguments: list[str]) -> int:
    """Run all checks; the exit status."""
    checks = Checks()
    document = static(checks)
    if arguments == ["--static"] or checks.failures:
        return 1 if checks.failures else 0
    missing = unavailable()
    if missing is not None:
        checks.say("skip", f"the services themselves: {missing}")
        return 0
    try:
        live(checks, document)
    except Failed as error:
        print(f"        {error}", flush=True)
    print(f"{checks.failures or 'no'} failure{'' if checks.failures == 1 else 's'}")
    return 1 if checks.failures else 0


def static(checks: Checks) -> dict[str, Any]:
    """What can be seen in the files; the compose file as it is with all secrets set."""
    checks.none("Dockerfile: targets, users, pinned bases and packages, sources", compose_files.dockerfile_faults())
    document = compose_files.compose(SECRETS)
    checks.none("docker-compose.yml: healthchecks, ports, confinement, volumes", compose_files.compose_faults(document))
    for name in SECRETS:
        try:
            compose_files.compose({other: value for other, value in SECRETS.items() if other != name})
        except compose_files.NotSet:
            checks.say("ok", f"without {name} nothing starts")
        else:
            checks.say("FAIL", f"without {name} nothing starts")
    docker = [shutil.which("docker") or "docker", "compose"]
    if shutil.which("docker") is None or subprocess.run([*docker, "version"], capture_output=True).returncode != 0:
        checks.say("skip", "docker compose config: there is no docker compose here")
    else:
        done = subprocess.run(
            [*docker, "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
            env={**os.environ, **SECRETS},
            capture_output=True,
            text=True,
        )
        checks.none("docker compose config", done.stderr.splitlines() if done.returncode else [])
    return document


def unavailable() -> str | None:
    """Why the services can't be started here; None if they can."""
    import psycopg

    for program in ("redis-server", "redis-cli", "pg_isready"):
        if shutil.which(program) is None:
            return f"{program} is not on PATH"
    try:
        psycopg.connect(DATABASE, connect_timeout=3).close()
    except psycopg.Error as error:
        return f"no PostgreSQL answers at {DATABASE.rpartition('@')[2]}: {error}"
    return None


class Local:
    """The services of the file as processes of this machine."""

    def __init__(self, document: Mapping[str, Any], folder: Path, database_url: str) -> None:
        self.services: Mapping[str, Any] = document["services"]
        self.folder = folder
        self.database_url = database_url
        self.ports = {"api": free_port(), "redis": free_port()}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def environment(self, service: str, process: str) -> dict[str, str]:
        """What the image and the file give the service, with the addresses and folders of this machine."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("POCKETREC_", "AWS_"))}
        values: dict[str, str] = dict(self.services[service]["environment"])
        state = self.folder / process
        state.mkdir(exist_ok=True)
        mapped = {
            "POCKETREC_DATABASE_URL": self.database_url,
            "POCKETREC_BROKER_URL": values["POCKETREC_BROKER_URL"].replace(
                "redis:6379", f"127.0.0.1:{self.ports['redis']}"
            ),
            "POCKETREC_STATE_DIR": str(state),
            "POCKETREC_BLOB_URL": str(self.folder / "blobs"),
        }
        if service == "api":
            mapped["POCKETREC_PORT"] = str(self.ports["api"])
        return {**clean, **values, **FAST, **mapped, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}

    def start(self, service: str, process: str) -> None:
        """Start the service's command as the process named."""
        command = self._here(self.services[service]["command"])
        if service == "redis":
            command += ["--port", str(self.ports["redis"]), "--bind", "127.0.0.1", "--dir", str(self.folder)]
            environment = dict(os.environ)
        else:
            environment = self.environment(service, process)
        with self._log(process).open("ab") as log:
            self.processes[process] = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def healthy(self, service: str, process: str) -> bool:
        """Whether the healthcheck of the file succeeds. Raises Failed if the process has ended."""
        running = self.processes.get(process)
        if running is not None and running.poll() is not None:
            raise Failed(f"{process} ended with status {running.returncode}:\n{self._log(process).read_text()[-3000:]}")
        form, *words = self.services[service]["healthcheck"]["test"]
        command = ["/bin/sh", "-c", *map(self._moved, words)] if form == "CMD-SHELL" else self._here(words)
        environment = self.environment(service, process) if service in ("api", "worker") else dict(os.environ)
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True).returncode == 0

    def stop(self, process: str) -> int:
        """SIGTERM; the exit status."""
        self.processes[process].send_signal(signal.SIGTERM)
        return self.processes[process].wait(25)

    def close(self) -> None:
        """Nothing is left running."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(25)
            if process.poll() is None:
                process.kill()
                process.wait()

    def _here(self, command: list[str]) -> list[str]:
        """The command with the programs of this working tree."""
        program = {"python": [sys.executable], "pocketrec": [sys.executable, "-m", "app.cli"]}
        return [*program.get(command[0], [command[0]]), *map(self._moved, command[1:])]

    def _moved(self, text: str) -> str:
        host, _, port = DATABASE.rpartition("@")[2].partition("/")[0].partition(":")
        moved = text.replace("127.0.0.1:8000", f"127.0.0.1:{self.ports['api']}")
        moved = moved.replace("-p 6379", f"-p {self.ports['redis']}")
        return {"5432": port or "5432"}.get(moved, moved) if host == "127.0.0.1" else moved

    def _log(self, process: str) -> Path:
        return self.folder / f"{process}.log"


def live(checks: Checks, document: Mapping[str, Any]) -> None:
    """Start everything and send jobs through it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pocketrec-compose-")))
        local = Local(document, folder, stack.enter_context(own_schema()))
        stack.callback(local.close)
        with checks.step("redis: its command starts, and its healthcheck finds it healthy"):
            local.start("redis", "redis")
            until(lambda: local.healthy("redis", "redis"), "redis isn't healthy")
        with checks.step("postgres: its healthcheck finds the one of this machine healthy"):
            until(lambda: local.healthy("postgres", "postgres"), "postgres isn't healthy")
        with checks.step("api and two workers start at once on an empty database and become healthy"):
            for process in ("api", "worker-1", "worker-2"):
                local.start(process.partition("-")[0], process)
            for process in ("api", "worker-1", "worker-2"):
                service = process.partition("-")[0]
                until(lambda s=service, p=process: local.healthy(s, p), f"{process} isn't healthy")  # type: ignore[misc]
        with checks.step("the API refuses who has no key"):
            require(status_without_key(local.ports["api"]) == 401, "expected 401")
        jobs(checks, local)
        with checks.step("the API and the last worker stop in order"):
            left = [name for name, process in local.processes.items() if name != "redis" and process.poll() is None]
            statuses = {name: local.stop(name) for name in left}
            require(set(statuses.values()) == {0}, f"statuses {statuses}")


def jobs(checks: Checks, local: Local) -> None:
    """Two jobs on two workers; one worker is killed, and the other finishes both."""
    from app.client import Client

    with Client(f"http://127.0.0.1:{local.ports['api']}", SECRETS["POCKETREC_API_KEY"]) as client:
        with checks.step("a log is uploaded over HTTP and checked by a worker"):
            dataset = client.wait_for_dataset(client.upload_dataset(write_log(local.folder / "log.csv")).id)
            require(dataset.status == "ready", f"{dataset.error}")

        def workers(job_id: str) -> list[str]:
            events = client.events(job_id)
            return [str(event.data["worker"]) for event in events if event.type in ("job.started", "job.resumed")]

        def trains(job_id: str) -> bool:
            return any(event.type == "job.epoch_completed" for event in client.events(job_id))

        def finished(job_id: str) -> Any:
            job = client.job(job_id)
            return job if job.finished else None

        with checks.step("two jobs run at the same time, each on a worker of its own"):
            ids = [client.submit_job(dataset.id, config=JOB, model=model).id for model in ("killed", "calm")]
            until(lambda: all(map(workers, ids)) and trains(ids[0]), "the jobs don't train")
            first, second = (workers(job_id)[0] for job_id in ids)
            require(first != second, f"both are on {first}")
        with checks.step(
            "one worker is killed; the other finishes its own job, then takes over that of the killed one"
        ):
            victim = next(name for name, process in local.processes.items() if first.endswith(f":{process.pid}"))
            local.processes[victim].kill()
            local.processes[victim].wait()
            require(not local_health_after_death(local, victim), "a killed worker still counts as healthy")
            done = [until(lambda i=job_id: finished(i), f"{job_id} doesn't end") for job_id in ids]  # type: ignore[misc]
            require(all(job.status == "succeeded" for job in done), f"{[job.error for job in done]}")
            require(workers(ids[0]) == [first, second], f"the killed job was on {workers(ids[0])}")
        with checks.step("both models have the same bytes, as downloaded and checked by the client"):
            sums = []
            for job in done:
                version = client.model_version(job.result.model, job.result.version)
                target = local.folder / f"{version.model}.zip"
                client.download_bundle(version.model, version.version, target)
                sums.append(next(entry.sha256 for entry in job.result.artifacts if entry.path == "model.tflite"))
            require(len(set(sums)) == 1, f"{sums}")


def local_health_after_death(local: Local, process: str) -> bool:
    """Whether the healthcheck still finds a process that has been killed healthy."""
    form, *words = local.services["worker"]["healthcheck"]["test"]
    require(form == "CMD", "expected the exec form")
    command = [sys.executable, *words[1:]]
    environment = local.environment("worker", process)
    return subprocess.run(command, cwd=local.folder, env=environment, capture_output=True).returncode == 0


def write_log(path: Path) -> Path:
    """150 users who each walk a ring of 30 items: what comes next is certain."""
    rows = ["user,item,timestamp"]
    rows += [f"u{user},i{(user * 7 + step) % 30},{1000 + step}" for user in range(150) for step in range(10)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@contextmanager
def own_schema() -> Iterator[str]:
    """The URL of an empty schema in the PostgreSQL of this machine, dropped at the end."""
    import psycopg

    name = f"pocketrec_compose_{secrets.token_hex(6)}"
    with psycopg.connect(DATABASE, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        try:
            yield f"{DATABASE}{'&' if '?' in DATABASE else '?'}options={quote(f'-csearch_path={name}')}"
        finally:
            connection.execute(f"DROP SCHEMA {name} CASCADE")


def status_without_key(port: int) -> int:
    """How the API answers somebody without a key."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/jobs", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def until(condition: Callable[[], T], otherwise: str) -> T:
    """The first true value of `condition`. Raises Failed after some time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        require(time.monotonic() < deadline, f"{otherwise} after {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.1)
    return found


def require(condition: bool, otherwise: str) -> None:
    """Raise Failed unless `condition`."""
    if not condition:
        raise Failed(otherwise)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
