"""Test an ASGI app from inside your own event loop, through the httpx API that you already know."""

from ._blocking import BlockingExchange
from ._blocking_session import WebSocketSession
from ._client import AsyncClient
from ._errors import (
    ApplicationStuckError,
    ASGIProtocolError,
    ClientDisconnected,
    LifespanError,
    LifespanTimeout,
    WebSocketDenied,
    WebSocketDisconnect,
    WrongEventLoopError,
)
from ._exchange import HTTPExchange
from ._lifespan import LifespanManager
from ._session import AsyncWebSocketSession
from ._sync import TestClient
from ._transport import ASGITransport
from ._types import ASGIApp, Message, Receive, Scope, Send
from ._websocket import WebSocketConnection

__version__ = "0.1.0"

__all__ = [
    "ASGIApp",
    "ASGIProtocolError",
    "ASGITransport",
    "ApplicationStuckError",
    "AsyncClient",
    "AsyncWebSocketSession",
    "BlockingExchange",
    "ClientDisconnected",
    "HTTPExchange",
    "LifespanError",
    "LifespanManager",
    "LifespanTimeout",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "TestClient",
    "WebSocketConnection",
    "WebSocketDenied",
    "WebSocketDisconnect",
    "WebSocketSession",
    "WrongEventLoopError",
]
