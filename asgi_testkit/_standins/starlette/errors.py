"""The exceptions of WebSocket sessions that are Starlette's as well."""

from __future__ import annotations

import sys
import warnings
from functools import cache, partial
from typing import Any

from starlette.websockets import WebSocketDisconnect as _StarlettesDisconnect

from ..._errors import WebSocketDenied
from ..._errors import WebSocketDisconnect as _Disconnect
from ..._types import public

#: Has a class say where the drop-in's classes are imported from.
in_door = partial(public, door="asgi_testkit.starlette")


@in_door
class WebSocketDisconnect(_Disconnect, _StarlettesDisconnect):
    """The connection has ended, or was never established: ours and Starlette's exception in one.

    Attributes:
        code: What the app sent as such, whatever it is.
        reason: The same; ``""`` for none.
    """

    code: Any
    reason: Any

    def __init__(self, code: Any = 1000, reason: Any = None, **options: Any) -> None:
        """Describe the end, as ours."""
        super().__init__(code, reason, **options)
        self.code, self.reason = code, reason or ""


def in_starlettes_client(name: str) -> Any:
    """Return what has a name in ``starlette.testclient``, if that is imported: a test may have put it there."""
    return getattr(sys.modules.get("starlette.testclient"), name, None)


def disconnect_class() -> Any:
    """Return the exception for the end of a connection: ours, or what a test has put in the place of Starlette's."""
    kind = in_starlettes_client("WebSocketDisconnect")
    return WebSocketDisconnect if kind is None or kind is _StarlettesDisconnect else kind


@cache
def denial_class() -> Any:
    """Return the exception for a denial: Starlette's, which is a response of its HTTP library, and ours.

    It takes what the response takes, and in `text` how the denial came about.
    """
    with warnings.catch_warnings(action="ignore"):  # who has got as far as this knows which library it is
        from starlette.testclient import WebSocketDenialResponse as StarlettesDenial

    class WebSocketDenialResponse(StarlettesDenial, WebSocketDenied, WebSocketDisconnect):  # type: ignore[misc]  # pickling
        """The app answered the handshake with this response.

        Attributes:
            response: This, for whoever catches it as ours.
        """

        def __init__(self, *args: Any, text: str = "", **options: Any) -> None:
            StarlettesDenial.__init__(self, *args, **options)
            this: Any = self
            WebSocketDenied.__init__(self, this, text=text)

    WebSocketDenialResponse.__qualname__ = "WebSocketDenialResponse"
    return in_door(WebSocketDenialResponse)
