"""The exceptions of WebSocket sessions that are Starlette's as well."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from starlette.websockets import WebSocketDisconnect as _StarlettesDisconnect

from ._errors import WebSocketDenied
from ._errors import WebSocketDisconnect as _Disconnect

#: Where the drop-in's classes are imported from.
PUBLIC = "asgi_testkit.starlette"


class WebSocketDisconnect(_Disconnect, _StarlettesDisconnect):
    """The connection has ended, or was never established: ours and Starlette's exception in one."""

    __module__ = PUBLIC


@cache
def denial_class() -> type[WebSocketDenied]:
    """Return the exception for a denial: Starlette's, which is a response of its HTTP library, and ours."""
    with warnings.catch_warnings(action="ignore"):  # who has got as far as this knows which library it is
        from starlette.testclient import WebSocketDenialResponse as StarlettesDenial

    class WebSocketDenialResponse(StarlettesDenial, WebSocketDenied, WebSocketDisconnect):  # type: ignore[misc]  # pickling
        """The app answered the handshake with this response.

        Attributes:
            response: The same, as it came.
        """

        def __init__(self, response: Any, *, text: str = "") -> None:
            WebSocketDenied.__init__(self, response, text=text)
            StarlettesDenial.__init__(
                self,
                response.status_code,
                headers=response.headers,
                content=response.content,
                request=response.request,
                extensions=response.extensions,
            )

    WebSocketDenialResponse.__module__ = PUBLIC
    WebSocketDenialResponse.__qualname__ = "WebSocketDenialResponse"
    return WebSocketDenialResponse
