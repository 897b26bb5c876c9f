"""A bare WebSocket client on the wire: frames by hand, and wsproto for what comes back."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import Opcode

from asgi_testkit import ASGITransport

__all__ = ["BytesMessage", "CloseConnection", "Event", "Ping", "Pong", "TextMessage"]

#: A key and what a server makes of it (RFC 6455 section 1.3).
KEY, ACCEPTED_KEY = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#: The headers of a handshake.
HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": KEY,
}

MASK = bytes.fromhex("37fa213d")

#: The bit that says that a message is compressed.
RSV1 = 4


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes = MASK) -> bytes:
    """Return a frame; without a `mask`, one that no client may send."""
    first, mask_bit, length = fin << 7 | rsv << 4 | opcode, 0x80 if mask else 0, len(payload)
    if length < 126:
        head = struct.pack("!BB", first, mask_bit | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, length)
    if not mask:
        return head + payload
    key = int.from_bytes((mask * (length // 4 + 1))[:length])
    return head + mask + (int.from_bytes(payload) ^ key).to_bytes(length)


def text(data: str | bytes, *, fin: bool = True) -> bytes:
    return frame(Opcode.TEXT, data if isinstance(data, bytes) else data.encode(), fin=fin)


def binary(data: bytes, *, fin: bool = True) -> bytes:
    return frame(Opcode.BINARY, data, fin=fin)


def more(data: bytes = b"", *, fin: bool = True) -> bytes:
    return frame(Opcode.CONTINUATION, data, fin=fin)


def ping(data: bytes = b"") -> bytes:
    return frame(Opcode.PING, data)


def pong(data: bytes = b"") -> bytes:
    return frame(Opcode.PONG, data)


def closing(code: int | None = None, reason: str | bytes = b"") -> bytes:
    reason = reason.encode() if isinstance(reason, str) else reason
    return frame(Opcode.CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


class Decoder:
    """What comes from the app, as events; a message that is read in parts, as one. A frame that is none is an error."""

    def __init__(self, extensions: Sequence[PerMessageDeflate] = ()) -> None:
        self._connection = Connection(ConnectionType.CLIENT, list(extensions))
        self._parts: list[Any] = []

    def feed(self, data: bytes) -> list[Event]:
        self._connection.receive_data(data)
        events: list[Event] = []
        for event in self._connection.events():
            if isinstance(event, CloseConnection):
                assert self._connection.state is ConnectionState.REMOTE_CLOSING, event
                events.append(event)
            elif isinstance(event, TextMessage | BytesMessage):
                self._parts.append(event.data)
                if event.message_finished:
                    parts, self._parts = self._parts, []
                    events.append(type(event)(parts[0][:0].join(parts)))
            else:
                events.append(event)
        return events


def deflated(data: bytes, compressor: Any) -> bytes:
    """Compress a message as RFC 7692 section 7.2.1 has it, with a ``zlib.compressobj``."""
    compressed: bytes = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return compressed[:-4]


def extension_of(answer: str) -> PerMessageDeflate:
    """Return the client's end of what was agreed upon."""
    extension = PerMessageDeflate()
    extension.finalize(answer)
    return extension


class Wire:
    """The client's end of a connection.

    Attributes:
        response: The response to the handshake.
        stream: What carries the frames.
    """

    def __init__(self, response: httpx.Response, decoder: Decoder) -> None:
        self.response = response
        self.stream = response.extensions["network_stream"]
        self._decoder = decoder
        self._events: deque[Event] = deque()

    async def write(self, *frames: bytes, timeout: float | None = 5) -> None:
        await self.stream.write(b"".join(frames), timeout)

    async def next(self, timeout: float | None = 5) -> Event | None:
        """Return what comes next; None at the end of the stream."""
        while not self._events:
            data = await self.stream.read(1 << 20, timeout)
            if not data:
                return None
            self._events.extend(self._decoder.feed(data))
        return self._events.popleft()

    async def rest(self) -> list[Event]:
        """Return what comes up to the end of the stream."""
        events = []
        while (event := await self.next()) is not None:
            events.append(event)
        return events


@asynccontextmanager
async def connected(
    app: Any, *, headers: dict[str, str] | None = None, decoder: Decoder | None = None, **options: Any
) -> AsyncIterator[Wire]:
    """Connect to the app through a plain httpx client. The response is closed at the end of the block."""
    async with (
        httpx.AsyncClient(transport=ASGITransport(app, **options), base_url="http://testserver") as client,
        client.stream("GET", "/", headers={**HANDSHAKE, **(headers or {})}) as response,
    ):
        assert response.status_code == 101
        yield Wire(response, decoder or Decoder())
