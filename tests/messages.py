"""What the apps under test send, for short."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel

from asgi_testkit import Receive, Scope, Send
from asgi_testkit._conversation.wakeup import ROUNDS_TO_NOTICE


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


async def accept(send: Send, *headers: tuple[bytes, bytes], subprotocol: str | None = None) -> None:
    """Send websocket.accept."""
    await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": list(headers)})


async def say(send: Send, data: str | bytes) -> None:
    """Send websocket.send."""
    await send({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})


async def hang_up(send: Send, **more: Any) -> None:
    """Send websocket.close, with code and reason where they are given."""
    await send({"type": "websocket.close", **more})


async def deny(send: Send, *headers: tuple[bytes, bytes], status: int, chunks: tuple[bytes, ...] = (b"",)) -> None:
    """Send a denial response."""
    await send({"type": "websocket.http.response.start", "status": status, "headers": list(headers)})
    *others, last = chunks
    for chunk in others:
        await send({"type": "websocket.http.response.body", "body": chunk, "more_body": True})
    await send({"type": "websocket.http.response.body", "body": last})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept a WebSocket connection, send everything back until the client has gone, and leave lifespan alone."""
    assert scope["type"] == "websocket"
    await receive()
    await accept(send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def live(receive: Receive, send: Send) -> None:
    """Speak lifespan, start and stop well."""
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


async def several_rounds() -> None:
    """Let the loop go round more often than an app is given to take notice of a disconnect."""
    for _ in range(4 * ROUNDS_TO_NOTICE):
        await anyio.lowlevel.checkpoint()


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


async def closes(scope: Scope, receive: Receive, send: Send) -> None:
    """Speak once, and close."""
    await accept(send)
    await say(send, "last")
    await hang_up(send, code=4001, reason="enough")


async def denies(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the handshake with a response."""
    await deny(send, (b"x-app", b"1"), status=401, chunks=(b"not ", b"you"))


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept, and fail."""
    await accept(send)
    raise LookupError(scope["path"])
