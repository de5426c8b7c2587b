"""The API's HTTP server: uvicorn, with our protocol and an orderly end for those who wait."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn

from app import process_memory
from app.http_protocol import HttpProtocol

if TYPE_CHECKING:
    from fastapi import FastAPI

STOP_SECONDS = 5


class Server(uvicorn.Server):
    """When told to stop it ends event streams and held answers at once; other requests get `STOP_SECONDS`."""

    def __init__(self, config: uvicorn.Config, api: FastAPI) -> None:
        super().__init__(config)
        self._api = api

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        process_memory.limit_threads()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Before uvicorn waits for open requests: the application itself is told of the end only after that.
        self._api.state.services.watcher.close()
        await super().shutdown(sockets)


def make_server(api: FastAPI) -> Server:
    """A server for what `create_app` returned; `run(sockets=[...])` blocks until SIGTERM or SIGINT."""
    process_memory.share_heaps()
    config = uvicorn.Config(
        api,
        http=HttpProtocol,
        loop="asyncio",  # uvloop has no sendfile
        log_level="warning",
        log_config=None,  # uvicorn's lines go where all others go
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        lifespan="on",
    )
    return Server(config, api)
