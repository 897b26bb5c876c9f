"""What the apps under test send, for short."""

from __future__ import annotations

from typing import Any

import anyio

from asgi_testkit import Receive, Scope, Send


async def start(send: Send, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    """Send http.response.start."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def body(send: Send, chunk: bytes = b"", *, more: bool = False) -> None:
    """Send http.response.body."""
    await send({"type": "http.response.body", "body": chunk, "more_body": more})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer "hello" to everything, and leave lifespan alone."""
    assert scope["type"] == "http"
    await start(send)
    await body(send, b"hello")


class Gate:
    """An event that an app in any loop waits for, and that the test opens from its own thread through the client."""

    def __init__(self) -> None:
        self._event: anyio.Event | None = None
        self._opened = False

    async def wait(self) -> None:
        """Wait until the gate is open; in the app."""
        if not self._opened:
            self._event = self._event or anyio.Event()
            await self._event.wait()

    async def open(self) -> None:
        """Open it; in the app's loop."""
        self._opened = True
        if self._event is not None:
            self._event.set()


class Recorder:
    """Keeps what an app under test noticed, in order."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def __call__(self, event: Any) -> None:
        self.events.append(event)
