"""The app's end of a case: steps, and what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from asgi_testkit import Message, Receive, Scope, Send

from .stage import Stage

#: What an app does: a message to send, an exception to raise, or a function of the call.
Step: TypeAlias = Any

#: Codes by which an endpoint tells that the other breaks the protocol. It does so in its own words.
WITH_OWN_WORDS = {1002, 1007, 1009}


class Call:
    """One call of the app. It plays the app's part, and tells what came of each step.

    A message to the app is told by its kind and its content, ``request(ab, more)``; one from the app by its kind, with
    an exclamation mark if ``send()`` raised, and with ``gone`` if that was an OSError.
    """

    def __init__(self, stage: Stage, scope: Scope, receive: Receive, send: Send) -> None:
        self.stage = stage
        self.scope = scope
        self._receive = receive
        self._send = send

    async def play(self, part: Sequence[Step]) -> None:
        self.stage.note("called")
        try:
            for step in part:
                if isinstance(step, type):
                    raise step
                await (step(self) if callable(step) else self.send(step))
        except asyncio.CancelledError:
            if asyncio.CancelledError not in part:
                self.tell("cancelled")
            raise
        finally:
            self.stage.note("ended")

    def tell(self, what: str) -> None:
        self.stage.note("told", what)

    async def receive(self) -> Message:
        self.stage.note("at", "receive")
        message = await self._receive()
        if message["type"] != "websocket.connect":  # with which each connection begins
            self.tell(told_of(message))
        return message

    async def send(self, message: Message) -> None:
        kind = kind_of(message)
        self.stage.note("at", kind)
        try:
            await self._send(message)
        except OSError:
            self.tell(f"{kind} gone")
            raise
        except Exception:
            self.tell(f"{kind}!")
            raise
        self.tell(kind)


def kind_of(message: Any) -> str:
    """Return the last word of the message's type."""
    kind = message.get("type", "untyped") if isinstance(message, Mapping) else message
    return str(kind).rpartition(".")[2]


def told_of(message: Message) -> str:
    """Tell of a message to the app."""
    kind = kind_of(message)
    if message["type"] == "http.request":
        content = [message["body"].decode("latin-1")] if message.get("body") else []
        content += ["more"] if message.get("more_body") else []
    elif message["type"] == "websocket.receive":
        content = [repr(message[key]) for key in ("text", "bytes") if message.get(key) is not None]
    elif message["type"] == "websocket.disconnect":
        return closed(kind, message.get("code"), message.get("reason"))
    else:
        content = []
    return f"{kind}({', '.join(content)})" if content else kind


def closed(kind: str, code: int | None, reason: str | None) -> str:
    """Tell of the end of a connection, without its reason if there is none: ``close(1000)``."""
    shown = [str(code and int(code))]  # some codes are members of an enum
    if reason and code not in WITH_OWN_WORDS:
        shown.append(reason if len(reason) < 20 else f"{len(reason.encode())} bytes")
    return f"{kind}({', '.join(shown)})"


# Steps


async def receive(call: Call) -> None:
    """Receive a message."""
    await call.receive()


async def upload(call: Call) -> None:
    """Receive the request's body, and tell it as a whole: servers split it as they like."""
    body, more = b"", True
    while more:
        call.stage.note("at", "receive")
        message = await call._receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    call.tell(f"upload({body.decode('latin-1')})")


async def peek(call: Call) -> None:
    """Receive a message if there is one."""
    call.stage.note("at", "peek")
    receiving = asyncio.ensure_future(call._receive())
    done, _ = await asyncio.wait([receiving], timeout=call.stage.patience / 2)
    if not done:
        receiving.cancel()
        await asyncio.wait([receiving])
        call.tell("nothing")
        return
    call.tell(told_of(receiving.result()))


async def gate(call: Call) -> None:
    """Wait until the client opens the gate."""
    call.stage.note("at", "gate")
    if not await call.stage.gate():
        call.tell("shut")


async def linger(call: Call) -> None:
    """Give the client's end, and the server, the time to notice."""
    await asyncio.sleep(call.stage.patience / 4)


async def answers(call: Call) -> None:
    """Answer, where it is something else that is to be told."""
    if call.scope["type"] == "websocket":
        await call._send({"type": "websocket.close"})
        return
    await call._send({"type": "http.response.start", "status": 200, "headers": []})
    await call._send({"type": "http.response.body"})


def tries(*messages: Any) -> Callable[[Call], Awaitable[None]]:
    """Return a step that sends messages, and goes on if one is refused."""

    async def step(call: Call) -> None:
        for message in messages:
            try:
                await call.send(message)
            except Exception:
                continue

    return step


def tells(what: Callable[[Scope], object]) -> Callable[[Call], Awaitable[None]]:
    """Return a step that tells something about the scope."""

    async def step(call: Call) -> None:
        call.tell(str(what(call.scope)))

    return step
