"""A real server over real sockets, in a thread."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from app.http_protocol import HttpProtocol


class Server:
    def __init__(self, service: Any) -> None:
        self.service = service
        # The protocol and the loop that the service itself uses.
        config = uvicorn.Config(
            service.app, http=HttpProtocol, loop="asyncio", log_level="warning", access_log=False, lifespan="off"
        )
        self._server = uvicorn.Server(config)
        # By its full name, as the service itself does it, so that asyncio turns Nagle's algorithm off.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are; what comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
            return received

    def leftovers(self) -> list[Path]:
        return [path for path in (self.service.settings.state_dir / "uploads").rglob("*") if path.is_file()]
