"""Clients and a transport for httpx2: requests, responses and errors are those of httpx2.

Everything else, `asgi_testkit` itself has for both: exceptions, `LifespanManager`, what ``extensions["asgi"]`` holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from ._blocking_session import WebSocketSession as _WebSocketSession
from ._client import AwaitedClient
from ._http import bound
from ._session import AsyncWebSocketSession as _AsyncWebSocketSession
from ._session import Session
from ._sync import BlockingClient
from ._transport import AppTransport

__all__ = ["ASGITransport", "AsyncClient", "AsyncWebSocketSession", "TestClient", "WebSocketSession"]


bound(httpx2.__name__)


class _Session(Session):
    if TYPE_CHECKING:  # they are of httpx2 already: whoever sends the handshake chooses

        @property
        def response(self) -> httpx2.Response:  # type: ignore[override]
            """The response to the handshake, status 101."""

        @property
        def headers(self) -> httpx2.Headers:  # type: ignore[override]
            """The headers of that response, those that the app sent with ``websocket.accept`` among them."""


class AsyncWebSocketSession(_Session, _AsyncWebSocketSession):
    """A test's end of a WebSocket connection, as `asgi_testkit.AsyncWebSocketSession`."""


class WebSocketSession(_Session, _WebSocketSession):
    """A blocking test's end of a WebSocket connection, as `asgi_testkit.WebSocketSession`."""


class ASGITransport(AppTransport[httpx2.Request, httpx2.Response], httpx2.AsyncBaseTransport):
    """Runs an ASGI app in-process for an ``httpx2.AsyncClient``, as `asgi_testkit.ASGITransport` does for httpx's."""


class AsyncClient(
    AwaitedClient[httpx2.URL, httpx2.Request, httpx2.Response, httpx2.Cookies, AsyncWebSocketSession],
    httpx2.AsyncClient,
):
    """Tests an ASGI app from inside the test's own loop, as `asgi_testkit.AsyncClient`: an ``httpx2.AsyncClient``."""

    _transport_class = ASGITransport
    _session_class = AsyncWebSocketSession


class TestClient(
    BlockingClient[httpx2.URL, httpx2.Request, httpx2.Response, httpx2.Cookies, WebSocketSession], httpx2.Client
):
    """Tests an ASGI app from blocking code, as `asgi_testkit.TestClient`: an ``httpx2.Client``."""

    __test__ = False  # pytest: no test class

    _transport_class = ASGITransport
    _session_class = WebSocketSession
