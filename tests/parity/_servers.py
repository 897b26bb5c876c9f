"""Real servers, on loopback, in the event loop of the test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import hypercorn.asyncio
import hypercorn.config
import hypercorn.utils
import uvicorn

#: In the order in which they break ties: uvicorn as it is usually installed comes first.
SERVERS = ("uvicorn-httptools", "uvicorn-h11", "hypercorn")

#: The same for WebSockets, whose frames uvicorn leaves to one library or another.
WEBSOCKET_SERVERS = ("uvicorn-websockets", "uvicorn-wsproto", "hypercorn")

#: Bytes that a message of a WebSocket client may have.
MESSAGE_LIMIT = 4096

#: Seconds that a server has to stop.
STOP_TIMEOUT = 10.0


@contextlib.asynccontextmanager
async def serve(name: str, app: Any) -> AsyncIterator[str]:
    """Run `app` under a real server, and give the URL to reach it at.

    The socket listens from the outset, so there is no server to wait for: an early request waits in the backlog. If the
    server refuses to start, the socket is closed, and the request fails.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _server(name, app, listener)
        serving = asyncio.create_task(server.serve_until_stopped())
        serving.add_done_callback(lambda _: listener.close())
        try:
            yield "http://{}:{}".format(*listener.getsockname())
        finally:
            server.stop()
            async with asyncio.timeout(STOP_TIMEOUT):
                await serving


class _Uvicorn(uvicorn.Server):
    def __init__(
        self,
        app: Any,
        listener: socket.socket,
        http: Literal["httptools", "h11"] = "httptools",
        ws: Literal["none", "websockets-sansio", "wsproto"] = "none",
    ) -> None:
        config = uvicorn.Config(app, http=http, ws=ws, ws_max_size=MESSAGE_LIMIT, log_config=None, access_log=False)
        super().__init__(config)
        self._listener = listener

    async def serve_until_stopped(self) -> None:
        with contextlib.suppress(SystemExit):  # its way to refuse to start
            await self.serve(sockets=[self._listener])

    def stop(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are pytest's


class _Hypercorn(hypercorn.Config):
    def __init__(self, app: Any, listener: socket.socket) -> None:
        self.errorlog = None
        self.websocket_max_message_size = MESSAGE_LIMIT
        self._app = app
        self._listener = listener
        self._stopped = asyncio.Event()

    async def serve_until_stopped(self) -> None:
        with contextlib.suppress(hypercorn.utils.LifespanFailureError):  # its way to refuse to start
            await hypercorn.asyncio.serve(self._app, self, shutdown_trigger=self._stopped.wait)

    def stop(self) -> None:
        self._stopped.set()

    def create_sockets(self) -> hypercorn.config.Sockets:
        return hypercorn.config.Sockets([], [self._listener], [])


def _server(name: str, app: Any, listener: socket.socket) -> _Uvicorn | _Hypercorn:
    if name == "uvicorn-httptools":
        return _Uvicorn(app, listener, "httptools")
    if name == "uvicorn-h11":
        return _Uvicorn(app, listener, "h11")
    if name == "uvicorn-websockets":
        return _Uvicorn(app, listener, ws="websockets-sansio")  # what ``ws="auto"`` is, with websockets installed
    if name == "uvicorn-wsproto":
        return _Uvicorn(app, listener, ws="wsproto")
    return _Hypercorn(app, listener)
