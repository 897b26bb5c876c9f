"""Test an ASGI app from inside your own event loop, through the httpx API that you already know.

Each public name is imported when it is first asked for. (PYTEST_DONT_REWRITE: pytest imports this package in every run,
for its plugin, and need not look for assertions in it.)
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._blocking.body_reader import BodyReader as BodyReader
    from ._blocking.client import TestClient as TestClient
    from ._blocking.hosts import Hosts as Hosts
    from ._blocking.hosts import hosts as hosts
    from ._blocking.live_server import LiveServer as LiveServer
    from ._blocking.session import WebSocketSession as WebSocketSession
    from ._blocking.transport import BlockingExchange as BlockingExchange
    from ._client.client import AsyncClient as AsyncClient
    from ._client.lifespan import LifespanManager as LifespanManager
    from ._client.session import AsyncWebSocketSession as AsyncWebSocketSession
    from ._client.transport import ASGITransport as ASGITransport
    from ._conversation.body_reader import AsyncBodyReader as AsyncBodyReader
    from ._conversation.http import HTTPExchange as HTTPExchange
    from ._conversation.websocket import WebSocketConnection as WebSocketConnection
    from ._errors import ApplicationStuckError as ApplicationStuckError
    from ._errors import ASGIProtocolError as ASGIProtocolError
    from ._errors import ClientDisconnected as ClientDisconnected
    from ._errors import LifespanError as LifespanError
    from ._errors import LifespanTimeout as LifespanTimeout
    from ._errors import LiveServerError as LiveServerError
    from ._errors import WebSocketDenied as WebSocketDenied
    from ._errors import WebSocketDisconnect as WebSocketDisconnect
    from ._errors import WrongEventLoopError as WrongEventLoopError
    from ._protocol.events import ServerSentEvent as ServerSentEvent
    from ._types import ASGIApp as ASGIApp
    from ._types import Message as Message
    from ._types import Receive as Receive
    from ._types import Scope as Scope
    from ._types import Send as Send
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


__version__ = "0.2.0"

#: Where each public name is defined.
_MODULES = {
    "ASGIApp": "_types",
    "ASGIProtocolError": "_errors",
    "ASGITransport": "_client.transport",
    "ApplicationStuckError": "_errors",
    "AsyncBodyReader": "_conversation.body_reader",
    "AsyncClient": "_client.client",
    "AsyncWebSocketSession": "_client.session",
    "BlockingExchange": "_blocking.transport",
    "BodyReader": "_blocking.body_reader",
    "ClientDisconnected": "_errors",
    "HTTPExchange": "_conversation.http",
    "Hosts": "_blocking.hosts",
    "LifespanError": "_errors",
    "LifespanManager": "_client.lifespan",
    "LifespanTimeout": "_errors",
    "LiveServer": "_blocking.live_server",
    "LiveServerError": "_errors",
    "Message": "_types",
    "Receive": "_types",
    "Scope": "_types",
    "Send": "_types",
    "ServerSentEvent": "_protocol.events",
    "TestClient": "_blocking.client",
    "WebSocketConnection": "_conversation.websocket",
    "WebSocketDenied": "_errors",
    "WebSocketDisconnect": "_errors",
    "WebSocketSession": "_blocking.session",
    "WrongEventLoopError": "_errors",
    "hosts": "_blocking.hosts",
}

__all__ = list(_MODULES)
