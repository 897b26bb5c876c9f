"""Apps that speak WebSocket, put together from what they send and receive."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import FunctionType
from typing import Any, Final

from asgi_testkit import Message, Receive, Scope, Send

from ._apps import PEEK, RECEIVE, peek, settle
from ._observe import Witness, kind_of

#: The app lets everybody get as far as they can in no time.
SETTLE: Final = object()

#: Either end waits for the other to get there, too.
MEET: Final = object()

#: Codes by which an endpoint tells that the other breaks the protocol. It does so in its own words.
WITH_OWN_WORDS = {1002, 1007, 1009}


def accept(**more: Any) -> Message:
    return {"type": "websocket.accept", **more}


def send(**data: Any) -> Message:
    return {"type": "websocket.send", **data}


def close(**more: Any) -> Message:
    return {"type": "websocket.close", **more}


def deny(status: Any = 401, headers: Any = (), **more: Any) -> Message:
    return {"type": "websocket.http.response.start", "status": status, "headers": headers, **more}


def body(data: Any = b"", **more: Any) -> Message:
    return {"type": "websocket.http.response.body", "body": data, **more}


class Actor(Witness):
    """Plays the app's part, and writes down what came of each of its calls to ``receive()`` and ``send()``.

    The part is made of messages to send, RECEIVE, PEEK, SETTLE, MEET, exceptions to raise, and functions that are
    called with ``receive`` and ``send``. The story is told as `Witness` tells it, but for ``gone`` where ``send()``
    raised an OSError. ``websocket.connect`` is not told: every story begins with it.
    """

    def __init__(self, *part: Any) -> None:
        super().__init__(self._play)
        self.meeting = asyncio.Barrier(2)
        self._part = part

    async def _play(self, scope: Scope, receive: Receive, send: Send) -> None:
        for step in self._part:
            if step is RECEIVE:
                await receive()
            elif step is PEEK:
                await peek(receive)
            elif step is SETTLE:
                await settle()
            elif step is MEET:
                await self.meeting.wait()
            elif isinstance(step, FunctionType):
                await step(receive, send)
            elif isinstance(step, type):
                raise step
            else:
                await send(step)

    async def receive(self) -> Message:
        try:
            message = await self._receive()
        except BaseException:
            self.story.append("nothing")
            raise
        kind = kind_of(message)
        if kind == "disconnect":
            self.story.append(told(kind, message["code"], message.get("reason")))
        elif kind != "connect":
            data = [message[key] for key in ("text", "bytes") if message.get(key) is not None]
            self.story.append(f"{kind}({', '.join(map(repr, data))})")
        return message

    async def send(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            self.story.append(f"{kind_of(message)} gone")
            raise
        except BaseException:
            self.story.append(f"{kind_of(message)}!")
            raise
        self.story.append(kind_of(message))


def told(kind: str, code: int | None, reason: str | None) -> str:
    """Tell of the end of a connection, without its reason if there is none: ``close(1000)``."""
    shown = [str(code and int(code))]  # uvicorn's codes are often members of an enum
    if reason and code not in WITH_OWN_WORDS:
        shown.append(reason if len(reason) < 20 else f"{len(reason.encode())} bytes")
    return f"{kind}({', '.join(shown)})"


def connected(*steps: Any) -> Sequence[Any]:
    """Return the part of an app that receives the handshake, and goes on with `steps`."""
    return (RECEIVE, *steps)


def accepted(*steps: Any) -> Sequence[Any]:
    """Return the part of an app that accepts the handshake, and goes on with `steps`."""
    return (RECEIVE, accept(), *steps)
