"""The servers that an app is run on, in each of the loops that they run in, and clients on them."""

from __future__ import annotations

import ssl
from functools import cache
from socket import create_connection
from typing import Any, Literal, NamedTuple

import anyio
import pytest
import trustme
from anyio.abc import ByteStream

from .backends import BACKENDS, Backend
from .faces import AwaitedFace, BlockingFace, Face

SERVERS: list[Literal["uvicorn", "hypercorn", "anycorn"]] = ["uvicorn", "hypercorn", "anycorn"]


class Place(NamedTuple):
    """A server in a loop."""

    server: Literal["uvicorn", "hypercorn", "anycorn"]
    backend: Backend

    def __str__(self) -> str:
        return f"{self.server}-{self.backend.id}"


PLACES = [
    Place(server, backend)
    for server in SERVERS
    for backend in BACKENDS
    if backend.id != "eager" and (server != "uvicorn" or backend.id != "trio")
]


class LiveFace(Face):
    """Makes clients of one kind whose apps are on a server."""

    def __init__(self, server: Any, face: Face) -> None:
        super().__init__(face.backend)
        self.server = server
        self.face = face

    def __str__(self) -> str:
        return f"{getattr(self.server, '__name__', self.server)}-{self.face}"

    def open(self, app: Any, **options: Any) -> Any:
        return self.face.open(app, live=self.server, **options)

    def bare(self, app: Any, **options: Any) -> Any:
        return self.face.bare(app, live=self.server, **options)


#: Those where the server may close a connection, as it does when an app fails: anycorn does it twice, and what uvloop
#: says to that brings it down. `test_live_server` has seen it.
STURDY_PLACES = [place for place in PLACES if str(place) != "anycorn-uvloop"]

LIVE_FACES = [
    *(LiveFace(place.server, AwaitedFace(place.backend)) for place in PLACES),
    *(LiveFace(server, BlockingFace(BACKENDS[0])) for server in SERVERS),
]

STURDY_FACES = [face for face in LIVE_FACES if str(face) != "anycorn-awaited-uvloop"]


@cache
def certificate() -> Any:
    """Return a certificate for ``127.0.0.1``, and its authority."""
    authority = trustme.CA()
    return authority, authority.issue_cert("127.0.0.1")


def server_context() -> ssl.SSLContext:
    """Return what a server needs to speak TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate()[1].configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    """Return what a client needs that trusts this certificate, and no other."""
    context = ssl.create_default_context()
    certificate()[0].configure_trust(context)
    return context


def port_of(client: Any) -> int:
    """Return the port of the server that a client of ours has."""
    port: int = client._core.transport.gateway.serving.port
    return port


def refused(port: int) -> None:
    """Check that nobody listens at a port."""
    with pytest.raises(ConnectionRefusedError):
        create_connection(("127.0.0.1", port))


def handshake(path: str = "/") -> tuple[str, ...]:
    """Return the head of a WebSocket handshake."""
    return (
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )


class Guest:
    """A client that is none of ours: a connection to a server, and what is written to it by hand."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.heard = b""

    async def say(self, *lines: str, body: bytes = b"") -> None:
        """Send lines of a request's head, its end if there are several, and bytes of its body."""
        head = "".join(f"{line}\r\n" for line in lines) + "\r\n" * (len(lines) > 1)
        await self._stream.send(head.encode() + body)

    async def hear(self, end: bytes) -> bytes:
        """Read until something has come."""
        while end not in self.heard:
            self.heard += await self._stream.receive()
        return self.heard

    async def hear_all(self) -> bytes:
        """Read until the server hangs up, in whatever way."""
        try:
            while True:
                self.heard += await self._stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return self.heard

    async def leave(self) -> None:
        """Close the connection."""
        await self._stream.aclose()


async def visiting(port: int) -> Guest:
    """Connect to a server."""
    return Guest(await anyio.connect_tcp("127.0.0.1", port))
