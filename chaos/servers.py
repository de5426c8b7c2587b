"""Redis, PostgreSQL and RabbitMQ for one run: own processes on free ports, killed and started again at will.

RabbitMQ is the one exception: its standing server is used, with a virtual host of our own.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import psycopg
import redis

START_SECONDS = 30.0


class NotHere(Exception):
    """This machine lacks what is needed; the message says what."""


class Redis:
    """A Redis or Valkey that keeps nothing on disk: killed and started again it is empty."""

    def __init__(self) -> None:
        binary = shutil.which("valkey-server") or shutil.which("redis-server")
        if binary is None:
            raise NotHere("neither valkey-server nor redis-server is on PATH")
        self._binary = binary
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = tempfile.TemporaryDirectory(prefix="pocketrec-redis-")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it empty, and wait until it answers."""
        command = [self._binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = _start([*command, "--dir", self._folder.name], Path(self._folder.name, "log"))
        wait_for(self._answers, f"redis on port {self.port}")

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """Forget every message, and stay up."""
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            client.flushall()

    def _answers(self) -> bool:
        with suppress(redis.RedisError), redis.Redis(port=self.port, socket_timeout=1) as client:
            return bool(client.ping())
        return False


class Postgres:
    """A PostgreSQL cluster of our own; what is committed survives `kill` and `restart`."""

    def __init__(self) -> None:
        self._bin = _postgres_binaries()
        self.port = free_port()
        self.url = f"postgresql://pocketrec@127.0.0.1:{self.port}/pocketrec"
        self._admin_url = f"postgresql://pocketrec@127.0.0.1:{self.port}/postgres"
        # PostgreSQL refuses to run as root.
        self._user = _unprivileged() if os.getuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="pocketrec-pg-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            shutil.chown(self._folder, self._user)

    def __enter__(self) -> Self:
        try:
            self._run("initdb", "-D", self._data, "-U", "pocketrec", "--auth=trust", "--no-sync", "-E", "UTF8")
            self.start()
            with psycopg.connect(self._admin_url, autocommit=True) as connection:
                connection.execute("CREATE DATABASE pocketrec")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers, its recovery included."""
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._bin / "postgres"), "-D", str(self._data), *arguments]
        self._process = _start(command, self._folder / "log", self._user)
        wait_for(self._answers, f"postgres on port {self.port}")

    def kill(self) -> None:
        """End it at once, as a crash would: no connection is closed in order."""
        if self._process is not None:
            # SIGQUIT and not SIGKILL: the backends go too, and shared memory is left to nobody.
            self._process.send_signal(signal.SIGQUIT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self, down_seconds: float) -> None:
        """Crash it, and start it again after a while."""
        self.kill()
        time.sleep(down_seconds)
        self.start()

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self._admin_url, connect_timeout=2).close()
            return True
        return False

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._bin / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, user=self._user, cwd="/", check=False)
        if done.returncode != 0:
            raise NotHere(f"{program} failed: {done.stderr.strip()[-300:]}")


class Rabbit:
    """A virtual host of our own on the standing RabbitMQ; `kill` and `start` take it away and make it anew, empty."""

    def __init__(self) -> None:
        if shutil.which("rabbitmqctl") is None:
            raise NotHere("rabbitmqctl is not on PATH")
        self._host = f"pocketrec_{secrets.token_hex(4)}"
        self.url = f"amqp://guest:guest@127.0.0.1:5672/{self._host}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Make the virtual host."""
        self._control("add_vhost", self._host)
        self._control("set_permissions", "-p", self._host, "guest", ".*", ".*", ".*")

    def kill(self) -> None:
        """Take it away: every connection to it is closed, every message gone."""
        with suppress(NotHere):
            self._control("delete_vhost", self._host)

    def wipe(self) -> None:
        """All messages are gone."""
        self.kill()
        self.start()

    @staticmethod
    def _control(*arguments: str) -> None:
        done = subprocess.run(["rabbitmqctl", "-q", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotHere(f"rabbitmqctl {arguments[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Wait until `condition()` is true. Raises NotHere."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NotHere(f"{what} does not answer after {seconds:g} s")
        time.sleep(0.05)


def _start(command: list[str], log: Path, user: str | None = None) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, user=user, cwd="/", start_new_session=True
        )


def _postgres_binaries() -> Path:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: path.parts[-3])
    if versions:
        return versions[-1].parent
    found = shutil.which("postgres")
    if found is None:
        raise NotHere("no PostgreSQL server: neither /usr/lib/postgresql/*/bin/postgres nor one on PATH")
    return Path(found).resolve().parent


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            pwd.getpwnam(name)
            return name
    raise NotHere("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
