"""Test an ASGI app from inside your own event loop, through the httpx API that you already know.

Each public name is imported when it is first asked for. (PYTEST_DONT_REWRITE: pytest imports this package in every run,
for its plugin, and need not look for assertions in it.)
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
else:  # type checkers and the like read what stands above, and believe in no other name

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in _MODULES:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = globals()[name] = getattr(import_module(f".{_MODULES[name]}", __name__), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES})


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

#: Where each public name is defined.
_MODULES = {
    **dict.fromkeys([name for name in __all__ if name.endswith(("Error", "Timeout"))], "_errors"),
    **dict.fromkeys(["ClientDisconnected", "WebSocketDenied", "WebSocketDisconnect"], "_errors"),
    **dict.fromkeys(["ASGIApp", "Message", "Receive", "Scope", "Send"], "_types"),
    "ASGITransport": "_transport",
    "AsyncClient": "_client",
    "AsyncWebSocketSession": "_session",
    "BlockingExchange": "_blocking",
    "HTTPExchange": "_exchange",
    "LifespanManager": "_lifespan",
    "TestClient": "_sync",
    "WebSocketConnection": "_websocket",
    "WebSocketSession": "_blocking_session",
}
