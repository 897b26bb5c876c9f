"""The client's end of a WebSocket connection: what it does, and what it sees."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import httpx
from wsproto.frame_protocol import Opcode

import asgi_testkit

from ._observe import OF_THE_SERVER
from ._websocket_apps import MEET, Actor, told
from ._websocket_frames import BROKEN, Stream, binary, closing, frame, frames, text

#: The client takes note of the next thing that it sees. In the end, it does so for all that is left.
SEES: Final = object()

#: The client's socket is lost.
LEAVES: Final = object()

#: Headers of a response to a handshake that are a server's own business. Some add a type and a length to a denial.
OF_THE_HANDSHAKE = {*OF_THE_SERVER, "content-length", "content-type", "sec-websocket-accept", "upgrade"}


class Closes(NamedTuple):
    """The client closes the connection."""

    code: int = 1000
    reason: str = ""


class Frames(NamedTuple):
    """The client sends bytes, whatever they mean."""

    data: bytes


class WirePeer:
    """A client that speaks RFC 6455. It answers a close frame with the same.

    The first thing that a client sees is the answer to its call, the last one how the connection ended.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._stream: Stream = response.extensions["network_stream"]
        self._frames = frames(self._stream)
        self._answer = answer(response)
        self._closing = False

    async def send(self, data: str | bytes) -> None:
        await self.write(text(data) if isinstance(data, str) else binary(data))

    async def close(self, code: int, reason: str) -> None:
        self._closing = True
        await self.write(closing(code, reason.encode()))

    async def leave(self) -> None:
        self._closing = True
        await self._stream.aclose()

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)

    async def see(self) -> str:
        """Return the next thing, ``""`` when there is nothing more to see."""
        if self._answer:
            seen, self._answer = self._answer, ""
            return seen
        async for opcode, payload in self._frames:
            if opcode is Opcode.TEXT:
                return repr(payload.decode())
            if opcode is Opcode.BINARY:
                return repr(payload)
            if opcode is not Opcode.CLOSE:
                return f"{opcode.name.lower()}({payload.decode()})"
            if not self._closing:
                with contextlib.suppress(*BROKEN):  # the other end may have gone at once
                    await self.write(frame(opcode, payload))
                self._closing = True
                return told("close", int.from_bytes(payload[:2]) if payload else 1005, payload[2:].decode())
        seen = "" if self._closing else "cut"
        self._closing = True
        return seen


class SessionPeer:
    """A client that exchanges messages through the library's session."""

    def __init__(self, session: asgi_testkit.AsyncWebSocketSession) -> None:
        self._session = session
        self._answer = answer(session.response)
        self._over = False

    async def send(self, data: str | bytes) -> None:
        await (self._session.send_text(data) if isinstance(data, str) else self._session.send_bytes(data))

    async def close(self, code: int, reason: str) -> None:
        self._over = True
        await self._session.close(code, reason)

    async def leave(self) -> None:
        self._over = True
        await self._session.abort()

    async def see(self) -> str:
        if self._answer:
            seen, self._answer = self._answer, ""
            return seen
        if self._over:
            return ""
        try:
            message = await self._session.receive()
        except asgi_testkit.WebSocketDisconnect as end:
            self._over = True
            return "cut" if end.code == 1006 else told("close", end.code, end.reason)
        return repr(message["text"] if message.get("bytes") is None else message["bytes"])


Peer: TypeAlias = WirePeer | SessionPeer


def answer(response: httpx.Response) -> str:
    """Tell of the head of `response`."""
    shown = [f"{name}: {value}" for name, value in response.headers.multi_items() if name not in OF_THE_HANDSHAKE]
    return " ".join([str(response.status_code), *([f"[{', '.join(shown)}]"] if shown else [])])


async def refusal(response: httpx.Response) -> str:
    """Read `response` as far as it goes, and tell what it is. A 500 is the server's own: it is enough that it came."""
    body, end = bytearray(), ""
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
    except BROKEN:
        end = "cut"
    if response.status_code == 500:
        return "500"
    return " ".join(filter(None, [answer(response), body.decode("latin-1"), end]))


async def act(peer: Peer, part: Sequence[Any], actor: Actor) -> list[str]:
    """Play the client's part against `actor`, and return what was seen."""
    seen = [await peer.see()]
    for step in part:
        if step is SEES:
            seen.append(await peer.see())
        elif step is LEAVES:
            await peer.leave()
        elif step is MEET:
            await actor.meeting.wait()
        elif isinstance(step, Closes):
            await peer.close(*step)
        elif isinstance(step, Frames):
            assert isinstance(peer, WirePeer)
            await peer.write(step.data)
        else:
            await peer.send(step)
    while last := await peer.see():
        seen.append(last)
    return seen
