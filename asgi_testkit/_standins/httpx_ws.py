"""A stand-in for the transport of httpx-ws, ``httpx_ws.transport.ASGIWebSocketTransport``."""

from __future__ import annotations

from typing import Any

import httpx
import httpx_ws
from httpx_ws.transport import ASGIWebSocketAsyncNetworkStream

from .._client.library import bound
from .._client.transport import ASGITransport
from .._conversation.wire import WireStream
from .websockets import SessionStream, SessionTransport


class Stream(SessionStream, ASGIWebSocketAsyncNetworkStream):
    """The ``network_stream`` of a session. httpx-ws sends no keepalive pings to one of its own class."""


class ASGIWebSocketTransport(SessionTransport[httpx.Request, httpx.Response], ASGITransport):
    """Runs an ASGI app in-process: sessions of httpx-ws, and HTTP as over httpx's own transport."""

    _http = bound(httpx.__name__)
    _errors = httpx_ws
    _for_http = httpx.ASGITransport

    def _wire_class(self, network: Any) -> type[WireStream]:  # noqa: ARG002 - always the same
        return Stream
