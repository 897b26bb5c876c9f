"""RFC 6455 by hand: frames as they should be, and frames that no library would write."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import Protocol

import httpcore
import httpx
from wsproto.frame_protocol import FrameDecoder, Opcode

#: A key and what a server makes of it (RFC 6455 section 1.3).
KEY, ACCEPTED_KEY = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#: The headers of a handshake.
HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": KEY,
}

#: The connection broke.
BROKEN = (httpcore.NetworkError, httpx.NetworkError, httpx.RemoteProtocolError)

#: The most that is read at once.
CHUNK = 65536


class Stream(Protocol):
    """What a client gets when it has upgraded a connection: httpcore's ``AsyncNetworkStream``, as far as needed."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes: ...
    async def write(self, buffer: bytes, timeout: float | None = None) -> None: ...
    async def aclose(self) -> None: ...


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """Return a client's frame. Its mask is all zeros, so that the payload stays legible."""
    first, mask_bit, mask = fin << 7 | rsv << 4 | opcode, masked << 7, bytes(4 if masked else 0)
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", first, mask_bit | length)
    else:
        head = struct.pack("!BBH", first, mask_bit | 126, length)
    return head + mask + payload


def text(data: str | bytes, *, fin: bool = True) -> bytes:
    return frame(Opcode.TEXT, data if isinstance(data, bytes) else data.encode(), fin=fin)


def binary(data: bytes, *, fin: bool = True) -> bytes:
    return frame(Opcode.BINARY, data, fin=fin)


def more(data: bytes = b"", *, fin: bool = True) -> bytes:
    return frame(Opcode.CONTINUATION, data, fin=fin)


def ping(data: bytes = b"", *, fin: bool = True) -> bytes:
    return frame(Opcode.PING, data, fin=fin)


def pong(data: bytes = b"") -> bytes:
    return frame(Opcode.PONG, data)


def closing(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(Opcode.CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


async def frames(stream: Stream) -> AsyncIterator[tuple[Opcode, bytes]]:
    """Read frames to the end of `stream`. No server splits its messages."""
    decoder, payload = FrameDecoder(client=True), bytearray()
    opcode = Opcode.CONTINUATION
    while chunk := await _read(stream):
        decoder.receive_bytes(chunk)
        while part := decoder.process_buffer():
            if part.opcode is not Opcode.CONTINUATION:  # a frame that is still coming in goes on as a continuation
                opcode = part.opcode
            assert isinstance(part.payload, bytes | bytearray)  # whichever of the two wsproto has it in
            payload += part.payload
            if part.frame_finished:
                yield opcode, bytes(payload)
                payload.clear()


async def _read(stream: Stream) -> bytes:
    try:
        return await stream.read(CHUNK)
    except BROKEN:
        return b""
