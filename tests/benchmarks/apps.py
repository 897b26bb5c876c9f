"""The apps under measurement: raw ASGI, so that what is measured is the client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from asgi_testkit import Receive, Scope, Send

App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

KIB = 1024
MIB = 1024 * KIB
CHUNK = bytes(64 * KIB)
TEXT = b"Hello, world!"
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"13")]


async def respond(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": TEXT})


async def small(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond at once."""
    await respond(send)


async def suspends_once(scope: Scope, receive: Receive, send: Send) -> None:
    """Let the loop go round once, then respond."""
    await asyncio.sleep(0)
    await respond(send)


async def waits_for_an_event(scope: Scope, receive: Receive, send: Send) -> None:
    """Wait for something that a callback of the loop brings about, as a database driver does; no timer is involved."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    await event.wait()
    await respond(send)


async def speaks_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Start up and shut down at once; respond at once."""
    if scope["type"] == "lifespan":
        await start_up_and_shut_down(receive, send)
    else:
        await respond(send)


async def start_up_and_shut_down(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


async def receives(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and respond with its length."""
    length = 0
    more_body = True
    while more_body:
        message = await receive()
        length += len(message.get("body", b""))
        more_body = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


def sends(size: int, *, anew: bool = False) -> App:
    """Return an app whose response has `size` bytes, in chunks of 64 KiB.

    Args:
        size: Bytes, a multiple of 64 KiB.
        anew: Whether each chunk is a new object. One and the same costs no time, but no memory either.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for left in range(size - len(CHUNK), -1, -len(CHUNK)):
            chunk = bytes(len(CHUNK)) if anew else CHUNK
            await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})

    return app


async def accept(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})


async def echoes(scope: Scope, receive: Receive, send: Send) -> None:
    """Send each message of a WebSocket back, until the client leaves; start up and shut down at once."""
    if scope["type"] == "lifespan":
        await start_up_and_shut_down(receive, send)
        return
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def receives_messages(scope: Scope, receive: Receive, send: Send) -> None:
    """Count the bytes of a WebSocket's messages, and send the sum when a message has none."""
    await accept(receive, send)
    length = 0
    while (message := await receive())["type"] == "websocket.receive":
        length += len(message["bytes"])
        if not message["bytes"]:
            await send({"type": "websocket.send", "text": str(length)})


def sends_messages(size: int) -> App:
    """Return an app that sends `size` bytes, a multiple of 64 KiB, in messages of 64 KiB. Each is a new object."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        for _ in range(0, size, len(CHUNK)):
            await send({"type": "websocket.send", "bytes": bytes(len(CHUNK))})
        await receive()

    return app
