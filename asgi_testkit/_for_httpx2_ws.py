"""A stand-in for the transport of httpx2's own WebSockets, ``httpx2.websockets.ASGIWebSocketTransport``."""

from __future__ import annotations

import httpx2
import httpx2.websockets

from ._like_httpx_ws import SessionTransport
from .httpx2 import ASGITransport


class ASGIWebSocketTransport(SessionTransport[httpx2.Request, httpx2.Response], ASGITransport):
    """Runs an ASGI app in-process: sessions of ``httpx2.AsyncClient.websocket()``, and HTTP as its own transport."""

    _errors = httpx2.websockets
    _for_http = httpx2.ASGITransport
