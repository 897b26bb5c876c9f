"""Plays the client's part of a case over a plain socket: HTTP/1.1 and WebSocket by hand."""

from __future__ import annotations

import asyncio
import contextlib
import re

from ..._websocket_frames import HANDSHAKE, binary, closing, frame, text
from ..call import closed
from ..case import Case
from ..client import Connect, Request, data, shown, whole

#: Seconds until the client takes it that nothing more will come.
PATIENCE = 1.0

#: A line of a head, and a status line, as a client wants them.
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00\r\n]*?)[ \t]*")
_STATUS = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2})( .*)?")

#: A date of the server's own.
_DATE = re.compile(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT")

#: How it is told that there is no response.
WITHOUT = ("no response", "hangs")

_TEXT, _BINARY, _CLOSE, _PONG = 1, 2, 8, 10


class BrokenError(Exception):
    """The connection has ended, or what came over it is no HTTP."""


class SocketPeer:
    """The client of a case, on one connection for all of its requests."""

    def __init__(self, case: Case, host: str, port: int, mark: tuple[bytes, bytes]) -> None:
        self._case = case
        self._address = host, port
        self._mark = mark
        self._writer: asyncio.StreamWriter | None = None
        self._upgraded = False
        self._closing = False
        self._denies = any(is_denial(step) for step in case.app)

    async def _open(self) -> asyncio.StreamWriter:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(*self._address)
        return self._writer

    # HTTP

    async def request(self, request: Request) -> None:
        framing = [(b"transfer-encoding", b"chunked")] if request.uploads else []
        if request.body is not None:
            framing = [(b"content-length", b"%d" % len(request.body))]
        lines = [request.method.encode() + b" " + request.target + b" HTTP/1.1"]
        lines += [b": ".join(field) for field in (*_host(request.headers), *request.headers, *framing, self._mark)]
        await self._write(b"\r\n".join(lines) + b"\r\n\r\n" + (request.body or b""))
        self._method = request.method
        self._head: str | None = None

    async def upload(self, data: bytes) -> None:
        await self._write(b"%x\r\n%s\r\n" % (len(data), data))

    async def uploaded(self) -> None:
        await self._write(b"0\r\n\r\n")

    async def _write(self, data: bytes) -> None:
        writer = await self._open()
        with contextlib.suppress(OSError):
            writer.write(data)
            await writer.drain()

    async def head(self) -> str:
        """Return how the response begins; why there is none, if so."""
        informed = ""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    status, fields = await self._one_head()
                    if status >= 200 or status == 101:
                        break
                    informed += f"{status} "
        except TimeoutError:
            self._head = f"{informed}hangs"
        except (BrokenError, OSError, EOFError):
            self._head = f"{informed}no response"
        else:
            self._framing = dict(fields)
            told = [(name, "(the server's)" if _DATE.fullmatch(value) else value) for name, value in fields]
            self._head = informed + shown(status, told, self._case.shows)
            self._status = status
        return self._head

    async def _one_head(self) -> tuple[int, list[tuple[str, str]]]:
        line, *lines = (await self._reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n").split(b"\r\n")
        status, fields = _STATUS.fullmatch(line), [_FIELD.fullmatch(each) for each in lines]
        if status is None or None in fields:
            raise BrokenError
        return int(status[1]), [(field[1].decode().lower(), field[2].decode("latin-1")) for field in fields if field]

    async def chunk(self) -> str:
        """Return the next part of the body, of one that comes in chunks."""
        if self._head is None or self._head.endswith(WITHOUT):
            return ""
        try:
            async with asyncio.timeout(PATIENCE):
                return (await self._one_chunk()).decode("latin-1")
        except TimeoutError:
            return "nothing yet"
        except (BrokenError, OSError, EOFError):
            return "cut"

    async def _one_chunk(self) -> bytes:
        size = int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16)
        return (await self._reader.readexactly(size + 2))[:-2]

    async def read(self) -> str:
        head, known = ("", self._head) if self._head is not None else (await self.head(), "")
        if (known or head).endswith(WITHOUT):
            return head
        data = bytearray()
        try:
            async with asyncio.timeout(PATIENCE):
                end = "" if await self._body(data) else "cut"
        except TimeoutError:
            end = "hangs"
        return whole(head, bytes(data), end)

    async def _body(self, data: bytearray) -> bool:
        """Read the body into `data`. Return whether it is all there (RFC 9112 section 6.3)."""
        if self._method == "HEAD" or self._status in {204, 304}:
            return True
        try:
            if "chunked" in self._framing.get("transfer-encoding", "").lower():
                while chunk := await self._one_chunk():
                    data += chunk
                return True
            left = int(self._framing.get("content-length", -1))
            while left and (chunk := await self._reader.read(left if left > 0 else 65536)):
                data += chunk
                left -= len(chunk) if left > 0 else 0
        except (OSError, EOFError, ValueError):
            return False
        return left <= 0

    async def settle(self) -> None:
        await asyncio.sleep(PATIENCE / 4)

    # WebSocket

    async def connect(self, connect: Connect) -> str:
        await self.aclose()
        self._writer = None
        fields = [(name.encode(), value.encode()) for name, value in HANDSHAKE.items()]
        if connect.offers:
            fields.append((b"sec-websocket-protocol", ", ".join(connect.offers).encode()))
        await self.request(Request(target=connect.target, headers=(*connect.headers, *fields)))
        head = await self.head()
        if not head.startswith("101"):
            return await self._refused(head)
        self._upgraded = True
        protocol = self._framing.get("sec-websocket-protocol")
        if protocol is None or "sec-websocket-protocol" in self._case.shows:
            return head
        return f"{head} [sec-websocket-protocol: {protocol}]"

    async def _refused(self, head: str) -> str:
        if head.endswith(WITHOUT):
            return head
        body = await self.read()
        if head == "403" and not self._denies:
            return head  # what a server puts into it is its own
        return "500" if head.startswith("500") else f"{head} {body}".rstrip()

    async def send(self, data: str | bytes) -> None:
        await self._write(text(data) if isinstance(data, str) else binary(data))

    async def see(self) -> str:
        if not self._upgraded:
            return ""
        try:
            async with asyncio.timeout(PATIENCE):
                opcode, payload = await self._one_frame()
        except TimeoutError:
            return "hangs"
        except (OSError, EOFError):
            seen, self._closing = "" if self._closing else "cut", True
            self._upgraded = False
            return seen
        if opcode == _TEXT:
            return data(payload.decode())
        if opcode == _BINARY:
            return data(payload)
        if opcode != _CLOSE:
            return f"opcode {opcode}"
        seen = "" if self._closing else closed("close", _code(payload), payload[2:].decode())
        if not self._closing:
            await self._write(frame(opcode, payload))
        self._closing = True
        self._upgraded = False
        return seen

    async def _one_frame(self) -> tuple[int, bytes]:
        first, length = await self._reader.readexactly(2)
        if length >= 126:
            length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8))
        payload = await self._reader.readexactly(length)
        if first & 128:
            return first & 15, payload
        _, rest = await self._one_frame()
        return first & 15, payload + rest

    async def close(self, code: int | None, reason: str) -> None:
        self._closing = True
        await self._write(closing(code, reason.encode()))

    # Either

    async def leave(self) -> None:
        self._closing = True
        self._upgraded = False
        await self.aclose()

    async def aclose(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()


def is_denial(step: object) -> bool:
    return isinstance(step, dict) and step.get("type") == "websocket.http.response.start"


def _host(headers: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    return [] if any(name.lower() == b"host" for name, _ in headers) else [(b"host", b"testserver")]


def _code(payload: bytes) -> int:
    return int.from_bytes(payload[:2]) if payload else 1005
