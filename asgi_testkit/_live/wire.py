"""Wire: the way to a live server over sockets, a connection for each request, kept for the next one.

It is made of the parts of httpcore that are below its pools, since tests put fakes in the place of those.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import httpcore

#: What goes wrong between the client and a server.
NETWORK_ERRORS = (httpcore.NetworkError, httpcore.ProtocolError)

#: What is wrong with a request that was not sent, or not to its end.
NOT_SENT = httpcore.LocalProtocolError

Response = httpcore.Response


class Wire:
    """Connects to a server."""

    def __init__(self, host: str, port: int, *, tls: bool, http2: bool) -> None:
        self._origin = httpcore.Origin(b"https" if tls else b"http", host.encode(), port)
        self._tls = tls
        self._http2 = http2
        self._backend = httpcore.AnyIOBackend()
        self._idle: list[httpcore.AsyncConnectionInterface] = []
        self._open: set[httpcore.AsyncConnectionInterface] = set()

    async def connect(self, *, for_upgrade: bool = False) -> httpcore.AsyncConnectionInterface:
        """Return a connection that is free, an old one if there is one. One that is to be upgraded is new."""
        while self._idle and not for_upgrade:
            connection = self._idle.pop()
            if not (connection.has_expired() or connection.is_closed()):
                return connection
            await self.close(connection)
        host = self._origin.host.decode()
        stream = await self._backend.connect_tcp(host, self._origin.port)
        http2 = False
        if self._tls:
            protocols = ["h2", "http/1.1"] if self._http2 and not for_upgrade else ["http/1.1"]
            stream = await stream.start_tls(_trusting(protocols), host)
            http2 = stream.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        kind = httpcore.AsyncHTTP2Connection if http2 else httpcore.AsyncHTTP11Connection
        connection = kind(self._origin, stream)
        self._open.add(connection)
        return connection

    def request(
        self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], content: object
    ) -> httpcore.Request:
        """Return a request for a connection of this."""
        scheme, host, port = self._origin.scheme, self._origin.host, self._origin.port
        url = httpcore.URL(scheme=scheme, host=host, port=port, target=target)
        return httpcore.Request(method, url, headers=headers, content=content)  # type: ignore[arg-type]

    async def read(
        self,
        connection: httpcore.AsyncConnectionInterface,
        response: Response,
        take: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """Read the body of a response, and have each part of it taken."""
        stream: Any = response.stream
        parts = aiter(stream)
        try:
            async for part in parts:
                await take(part)
        except BaseException:
            # It is a generator with one inside, of which trio warns if they are left in the middle. So they are gone
            # through to their end, which is not far once the connection is closed.
            await self.close(connection)
            with anyio.CancelScope(shield=True), suppress(Exception):
                async for _ in parts:
                    pass
            raise

    async def release(self, connection: httpcore.AsyncConnectionInterface) -> None:
        """Keep a connection for the next request, if it may be used again; else close it."""
        if connection.is_idle():
            self._idle.append(connection)
        else:
            await self.close(connection)

    async def close(self, connection: httpcore.AsyncConnectionInterface) -> None:
        """Close a connection, whatever it is about. It is cancelled by nothing."""
        self._open.discard(connection)
        with anyio.CancelScope(shield=True), suppress(*NETWORK_ERRORS):
            await connection.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        self._idle.clear()
        for connection in list(self._open):
            await self.close(connection)


def _trusting(protocols: list[str]) -> ssl.SSLContext:
    """Return what a client needs to speak TLS with a server that is known, whatever its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    return context
