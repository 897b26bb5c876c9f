"""WebSocketTestSession: a session with the names of Starlette's, which minds as little."""

from __future__ import annotations

import json
from types import EllipsisType, TracebackType
from typing import Any, Self, cast

import httpx

from ._blocking_session import WebSocketSession
from ._errors import WebSocketDenied
from ._lenient import LenientConnectionState
from ._payload import JSONMode, json_message
from ._starlette_errors import PUBLIC, WebSocketDisconnect, denial_class
from ._types import Message


class WebSocketTestSession(WebSocketSession):
    """A blocking test's end of a WebSocket connection, with the names of Starlette's.

    `send` and `receive` are at the level of ASGI messages, whichever: nothing is checked.

    Attributes:
        accepted_subprotocol: The subprotocol that the app chose.
        extra_headers: The headers that it sent with ``websocket.accept``, as it sent them.
    """

    __module__ = PUBLIC

    accepted_subprotocol: str | None = None
    extra_headers: Any = None

    def __enter__(self) -> Self:
        """Connect; see `WebSocketSession`, but the app's errors are Starlette's as well.

        Raises:
            WebSocketDisconnect: The app rejected the handshake by ``websocket.close``.
            WebSocketDenialResponse: The app answered the handshake with a response of its own.
            BaseException: What the app raised, as it is.
        """
        super().__enter__()
        acceptance = cast("LenientConnectionState", self._open.state).acceptance
        self.accepted_subprotocol = acceptance.get("subprotocol")
        self.extra_headers = acceptance.get("headers")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close the connection, if nobody has, and see the app to its end.

        An app that was told, and listens, has its ``disconnect_grace``; then, or if it does not, it is cancelled.

        Raises:
            BaseException: What the app raised, as it is, even in place of the `WebSocketDisconnect` that is under way.
        """
        reason = None if isinstance(exc_value, WebSocketDisconnect) else exc_value
        super().__exit__(exc_type, reason, traceback)

    def _denied(self, response: httpx.Response, text: str) -> WebSocketDenied:
        return denial_class()(response, text=text)

    def send(self, message: Any) -> None:
        """Send an ASGI message, whichever; it does not wait for the app."""
        self._write(message)

    def send_text(self, data: str) -> None:
        """Send a text message."""
        self._write({"type": "websocket.receive", "text": data})

    def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message."""
        self._write({"type": "websocket.receive", "bytes": data})

    def send_json(self, data: Any, mode: JSONMode = "text") -> None:
        """Send JSON, compact and in UTF-8, in a text message or in a binary one."""
        self._write(json_message(data, mode))

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Send ``websocket.disconnect``. What the app sends after it can be received still."""
        self._write({"type": "websocket.disconnect", "code": code, "reason": reason})

    def _write(self, message: Message) -> None:
        connection = self._open
        connection.check_writable()
        self._hop.post(lambda: connection.put(message))

    def receive(self, *, timeout: float | EllipsisType | None = ...) -> Message:
        """Wait for a message of the app, and return it as it is, ``websocket.close`` as well.

        Raises:
            WebSocketDisconnect: The app has closed the connection, and that message was received already.
            ASGIProtocolError: The app returned without closing it.
            BaseException: What the app raised, as it is.
        """
        message: Message = self._next(_as_it_is, timeout)
        return message

    def receive_text(self, *, timeout: float | EllipsisType | None = ...) -> str:
        """Wait for a message, and return its text.

        Raises:
            WebSocketDisconnect: The connection was closed.
            KeyError: The message has none.
        """
        return cast("str", self._received(timeout)["text"])

    def receive_bytes(self, *, timeout: float | EllipsisType | None = ...) -> bytes:
        """Wait for a message, and return its bytes.

        Raises:
            WebSocketDisconnect: The connection was closed.
            KeyError: The message has none.
        """
        return cast("bytes", self._received(timeout)["bytes"])

    def receive_json(self, mode: JSONMode = "text", *, timeout: float | EllipsisType | None = ...) -> Any:
        """Wait for a message, and return what its JSON stands for.

        Raises:
            WebSocketDisconnect: The connection was closed.
            KeyError: The message is of the other kind.
        """
        message = self._received(timeout)
        return json.loads(message["text"] if mode == "text" else message["bytes"])

    def _received(self, timeout: float | EllipsisType | None) -> Message:
        message = self.receive(timeout=timeout)
        if message["type"] == "websocket.close":
            text = f"{self._open.name}: the application closed the connection"
            raise WebSocketDisconnect(message.get("code", 1000), message.get("reason"), text=text)
        return message

    def __next__(self) -> Any:
        """Return the text or the bytes of the next message."""
        try:
            message = self._received(...)
        except WebSocketDisconnect:
            raise StopIteration from None
        text = message.get("text")
        return message.get("bytes") if text is None else text


def _as_it_is(message: Any) -> Any:
    return message
