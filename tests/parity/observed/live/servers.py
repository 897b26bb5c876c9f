"""Starts servers, each in a process of its own, and stops them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version

from ..case import SERVERS

#: Seconds that a server has to start, and to stop.
START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0

#: The packages whose versions decide what is seen, by server.
PACKAGES = {
    "uvicorn-h11": ("uvicorn", "h11", "wsproto"),
    "uvicorn-httptools": ("uvicorn", "httptools", "websockets"),
    "uvicorn-zttp": ("uvicorn", "zttp", "websockets"),
    "hypercorn": ("hypercorn", "h11", "wsproto"),
    "anycorn": ("anycorn", "h11", "wsproto"),
    "granian": ("granian",),
    "daphne": ("daphne", "twisted", "autobahn"),
}


def versions(server: str) -> dict[str, str] | None:
    """Return the versions of a server, and of what it leaves the parsing to; None if something is not installed."""
    try:
        return {package: version(package) for package in PACKAGES[server]}
    except PackageNotFoundError:
        return None


def installed() -> list[str]:
    return [server for server in SERVERS if versions(server) is not None]


class Running:
    """A server that runs.

    Attributes:
        port: Where it listens.
        folder: Where its apps tell their stories.
    """

    def __init__(self, server: str, folder: str, lifespan: str) -> None:
        self.folder = folder
        self._server = server
        self._lifespan = lifespan
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> bool:
        """Start it. Return whether it serves; it may refuse to."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        environment = {**os.environ, "PARITY_FOLDER": self.folder, "PARITY_LIFESPAN": self._lifespan}
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}.served", self._server, str(self.port)),
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=None if os.environ.get("PARITY_LOUD") else asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        async with asyncio.timeout(START_TIMEOUT):
            while not await self._answers():
                if self._process.returncode is not None:
                    return False
                await asyncio.sleep(0.05)
        return True

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        try:
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            async with asyncio.timeout(1):
                return (await reader.read(12)).endswith(b"204")
        except OSError:  # a timeout is one, too
            return False
        finally:
            writer.close()

    async def stop(self) -> None:
        """Ask it to stop, and make it."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._process.wait()
        with contextlib.suppress(ProcessLookupError):  # its workers, too
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


@contextlib.asynccontextmanager
async def running(server: str, lifespan: str = "") -> AsyncIterator[tuple[Running, bool]]:
    """Run a server, with the lifespan of a run of a case. Give it, and whether it serves."""
    with tempfile.TemporaryDirectory() as folder:
        run = Running(server, folder, lifespan)
        try:
            yield run, await run.start()
        finally:
            await run.stop()
