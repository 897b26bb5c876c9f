"""A stand-in for the transport of httpx2's own WebSockets, ``httpx2.websockets.ASGIWebSocketTransport``."""

from __future__ import annotations

import httpx2
import httpx2.websockets

from .._client.library import bound
from .websockets import SessionTransport


class ASGIWebSocketTransport(SessionTransport[httpx2.Request, httpx2.Response], httpx2.AsyncBaseTransport):
    """Runs an ASGI app in-process: sessions of ``httpx2.AsyncClient.websocket()``, and HTTP as its own transport."""

    _http = bound(httpx2.__name__)
    _errors = httpx2.websockets
    _for_http = httpx2.ASGITransport
