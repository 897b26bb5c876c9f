"""Test an ASGI app from inside your own event loop, through the httpx API that you already know."""

from ._blocking import BlockingExchange
from ._client import AsyncClient
from ._errors import (
    ApplicationStuckError,
    ASGIProtocolError,
    ClientDisconnected,
    LifespanError,
    LifespanTimeout,
    WrongEventLoopError,
)
from ._exchange import HTTPExchange
from ._lifespan import LifespanManager
from ._sync import TestClient
from ._transport import ASGITransport
from ._types import ASGIApp, Message, Receive, Scope, Send

__version__ = "0.1.0"

__all__ = [
    "ASGIApp",
    "ASGIProtocolError",
    "ASGITransport",
    "ApplicationStuckError",
    "AsyncClient",
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
    "WrongEventLoopError",
]
