"""Runs the service on one machine: the API in this process, a worker with the embedded broker as its child."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from app.cli.children import stop_on_signals
from app.cli.errors import CommandFailed, Status, from_database
from app.cli.output import say
from app.cli.worker_child import WorkerChild
from registry.urls import without_password

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from registry.settings import Settings

Announce = Callable[[dict[str, Any]], None]


def run(settings: Settings, *, announce: Announce, stop_with_stdin: bool = False, api_only: bool = False) -> None:
    """Serve until SIGINT or SIGTERM, then stop everything; no process is left then.

    Args:
        settings: of the service.
        announce: called once the API answers, with what there is to say about it.
        stop_with_stdin: also stop when standard input is closed.
        api_only: without a worker; workers and, unless one is configured, the broker run elsewhere.

    Raises:
        CommandFailed, RegistryError: a setting or the address can't be used, or a part doesn't start.
    """
    from app.security import BindingRefused, check_binding
    from app.settings import ApiSettings
    from registry import signing

    stop_on_signals()
    if stop_with_stdin:
        threading.Thread(target=_stop_at_end_of_input, name="stdin", daemon=True).start()
    api_settings = ApiSettings()
    key = api_settings.key
    try:
        check_binding(settings, key)
    except BindingRefused as error:
        raise CommandFailed(Status.BAD_INPUT, "binding_refused", [str(error)]) from None
    signing.check(api_settings.signing)
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(settings))
        settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        _migrate(settings)
        worker = None if api_only else stack.enter_context(WorkerChild(settings))
        api = _api(settings)  # imported while the worker starts
        server = _server(api)
        broker = _broker_elsewhere(settings) if worker is None else worker.ready()
        told = {
            "url": f"http://{_host(listener)}:{listener.getsockname()[1]}",
            "state_dir": str(settings.state_dir),
            "database": without_password(settings.database_url),
            "broker": {"kind": broker["kind"], "description": broker["description"]},
            "durability": "database",
            "auth": key is not None,
            "version": api.version,
            "pid": os.getpid(),
        }
        threading.Thread(target=_tell_when_started, args=(server, announce, told), name="announce", daemon=True).start()
        with suppress(KeyboardInterrupt):  # uvicorn raises the signal that stopped it again: an orderly end here
            server.run(sockets=[listener])
        if worker is not None:
            worker.leave()
            say("stopping: a job that runs writes a checkpoint first")
    if not server.started:
        raise CommandFailed(Status.UNREACHABLE, "start_failed", ["the API did not start; its own messages are above"])


def _listen(settings: Settings) -> socket.socket:
    """A bound socket, so that a port in use is said before anything is started."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        # By its full name: asyncio turns Nagle's algorithm off only where it sees that a socket is TCP, and with it on
        # many answers come 40 ms late.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(512)
    except OSError as error:
        lines = [
            f"can't listen on {settings.host} port {settings.port}: {error.strerror or error}",
            "stop what uses it, or take another with --port (0 takes a free one)",
        ]
        raise CommandFailed(Status.BAD_INPUT, "address_unavailable", lines) from None
    return listener


def _migrate(settings: Settings) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    from registry.database import Database

    database = Database(settings.database_url)
    try:
        database.migrate()
    except SQLAlchemyError as error:
        raise from_database(error, settings.database_url) from None
    finally:
        database.dispose()


def _broker_elsewhere(settings: Settings) -> dict[str, Any]:
    """What to say about the broker when no worker of ours has chosen one."""
    from registry.broker_address import in_use

    url = in_use(settings)
    if url is None:
        return {"kind": None, "description": "none yet: jobs wait in the database until `pocketrec worker` runs"}
    shown = without_password(url)
    return {"kind": "url" if url == settings.broker_url else "worker", "description": f"{shown}; workers run elsewhere"}


def _api(settings: Settings) -> FastAPI:
    from app.main import create_app

    return create_app(settings)


def _server(api: FastAPI) -> uvicorn.Server:
    from app.server import make_server

    return make_server(api)


def _tell_when_started(server: uvicorn.Server, announce: Announce, facts: dict[str, Any]) -> None:
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.02)
    announce(facts)


def _stop_at_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _host(listener: socket.socket) -> str:
    host = str(listener.getsockname()[0])
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"[{host}]" if ":" in host else host
