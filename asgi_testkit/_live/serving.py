"""Serving: a server that runs in a task of its own, from its start to its end."""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from contextvars import Context
from pathlib import Path
from socket import AF_INET, IPPROTO_TCP, SHUT_RDWR, SO_ACCEPTCONN, SOCK_STREAM, SOL_SOCKET, socket
from stat import S_ISSOCK

import anyio

from .._conversation.loop import HomeLoop
from .._conversation.task import IndependentTask
from .._errors import LiveServerError, tell_beside
from .._types import SingleCallable
from .servers import Server
from .tap import Tap
from .wire import Wire

#: Seconds that a server has to start.
TIME_TO_START = 5.0

#: Seconds that a server has to stop by itself, after the grace of the app; and once more, its connections being cut.
TIME_TO_CLOSE = 0.25


class Serving:
    """A server that runs.

    Attributes:
        tap: What it serves.
        wire: The way to it.
        host, port: Where it listens.
        server: Which it is.
        home: The loop that it is in, once it was started.
    """

    home: HomeLoop

    def __init__(self, server: Server, guests_app: SingleCallable, *, context: ssl.SSLContext | None, http2: bool):
        """Bind a socket; `start` starts the server."""
        self.server: Server = server
        self.tap: Tap = Tap(guests_app)
        # By its number: without, asyncio does not turn Nagle's algorithm off.
        self._socket = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(100)
        self.host: str
        self.port: int
        self.host, self.port = self._socket.getsockname()
        self.wire: Wire = Wire(self.host, self.port, tls=context is not None, http2=http2)
        self._started = anyio.Event()
        self._stopping = anyio.Event()
        self._task: IndependentTask[None]

    async def start(self) -> None:
        """Start the server, and wait until it has.

        Raises:
            LiveServerError: It has not started in time. The text shows where it is suspended.
            BaseException: What it raised.
        """
        # A server of its own would not know of the test's context either.
        who = f"the server, {self.server.name},"
        self._task = IndependentTask(self._serve, name=self.server.name, context=Context(), who=who)
        self.home = HomeLoop("server")
        try:
            with anyio.move_on_after(TIME_TO_START):
                await self._started.wait()
            if not self._started.is_set():
                msg = (
                    f"the server, {self.server.name}, has not started within {TIME_TO_START} seconds; it is "
                    f"{self._task.where()}. What runs a server yields once that has started"
                )
                raise LiveServerError(msg)
        except BaseException:
            await self.stop(grace=0)
            raise
        if self._task.exception is not None:
            raise self._task.exception

    async def _serve(self) -> None:
        try:
            async with self.server.factory(self.tap, self._socket):
                self._started.set()
                await self._stopping.wait()
        finally:
            self._started.set()
            self._socket.close()
            await self.wire.aclose()  # who has left it open, and lets the loop end, does not

    @property
    def trouble(self) -> str:
        """Say what has become of the server, if it has ended too soon; else ""."""
        if not self._task.done:
            return ""
        error = self._task.exception
        return "which has ended" if error is None else f"which has ended with {error!r}"

    async def stop(self, *, grace: float) -> None:
        """Stop it: close our connections, give the app its grace and cancel it, then end the server.

        Cancelling that shortens the grace.

        Args:
            grace: Seconds.

        Raises:
            BaseException: What the app has raised in calls that no client of ours has made.
            ApplicationStuckError: It has not ended in one of these, though cancelled.
        """
        try:
            await self.wire.aclose()
            with anyio.move_on_after(grace):
                for visit in list(self.tap.visits):
                    await visit.wait()
        finally:
            for visit in self.tap.visits:
                visit.cancel()
            self._stopping.set()
            await self._end()
        failure = self.failure()
        if failure is not None:
            raise failure

    async def _end(self) -> None:
        with suppress(anyio.get_cancelled_exc_class()):  # which the next wait raises as well
            await self._task.wait(TIME_TO_CLOSE)
        if not self._task.done:
            self._cut_connections()
        stuck: BaseException | None = None
        for visit in list(self.tap.visits):  # what waits for its connection has ended now
            try:
                await visit.end()
            except BaseException as error:
                stuck = stuck or error
        await self._task.end(grace=TIME_TO_CLOSE, noticed=lambda: True)
        if stuck is not None:
            raise stuck

    def _cut_connections(self) -> None:
        """Cut what connections to the server are left, as the network may: somebody does not read, and it waits."""
        with suppress(OSError):  # no such folder, elsewhere than on Unix
            for path in Path("/dev/fd").iterdir():
                with suppress(OSError):  # it has been closed meanwhile
                    if S_ISSOCK(os.fstat(int(path.name)).st_mode):
                        self._cut(int(path.name))

    def _cut(self, descriptor: int) -> None:
        with socket(fileno=os.dup(descriptor)) as connection:
            if connection.getsockname() != (self.host, self.port):
                return
            if not connection.getsockopt(SOL_SOCKET, SO_ACCEPTCONN):  # else the server's accept() would fail
                connection.shutdown(SHUT_RDWR)

    def failure(self) -> BaseException | None:
        """Return what the app has raised in calls that no client of ours has made; the first, with notes of others."""
        failures, self.tap.failures = self.tap.failures, []
        for other in failures[1:]:
            tell_beside(failures[0], other)
        return failures[0] if failures else None

    def forget(self) -> None:
        """Let go of the server without waiting for its end: its loop has died, or will see to it."""
        self._socket.close()
        with suppress(RuntimeError):  # the loop has died
            self._task.cancel()
