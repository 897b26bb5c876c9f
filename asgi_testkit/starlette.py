"""A drop-in for ``starlette.testclient``: ``from asgi_testkit.starlette import TestClient``.

Constructor, methods, defaults and exceptions are Starlette's, and whatever passes with its client passes with this one.
Requests and responses are those of the HTTP library that the installed Starlette's client uses, httpx or httpx2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._standins.starlette.client import TestClient
from ._standins.starlette.errors import WebSocketDisconnect, denial_class
from ._standins.starlette.session import WebSocketTestSession

if TYPE_CHECKING:
    import httpx

    from ._errors import WebSocketDenied

__all__ = ["TestClient", "WebSocketDenialResponse", "WebSocketDisconnect", "WebSocketTestSession"]

if TYPE_CHECKING:

    class WebSocketDenialResponse(httpx.Response, WebSocketDenied, WebSocketDisconnect):  # type: ignore[misc]  # pickling
        """The app answered the handshake with this response."""

else:

    def __getattr__(name: str) -> Any:
        if name == "WebSocketDenialResponse":
            return denial_class()
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
