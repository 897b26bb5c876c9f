"""WebSocketSession: the blocking twin of AsyncWebSocketSession. It forwards to the connection in another thread."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from types import EllipsisType
from typing import Any, Self, TypeVar

import httpx

from .._client.session import Session
from .._conversation.step import Source
from .._conversation.websocket import READ_BUFFER, WebSocketConnection
from .._errors import WebSocketDisconnect
from .._protocol import payload
from .._protocol.options import duration
from .._protocol.payload import Data, JSONMode, size_of
from .._types import Message, public
from .hop import Hop, LoopHasEndedError
from .steps import SourceInLoop, Steps
from .transport import BlockingExchange

T = TypeVar("T")


@public
class WebSocketSession(Session, Steps[Data]):
    """A blocking test's end of a WebSocket connection: ``with client.websocket_connect(url) as session:``.

    The blocking twin of `AsyncWebSocketSession`: the same methods take the same arguments, and raise the same errors
    (but for `WrongEventLoopError`: any thread may call them). Sending does not wait for the app's loop.
    Where messages have come before they are received, one trip into the loop brings all of them: they count as read.
    """

    _hop: Hop

    def __init__(self, connect: Callable[[], httpx.Response]) -> None:
        """Prepare a session; `connect` performs the handshake. Made by ``TestClient.websocket_connect``."""
        self._connect = connect
        self._sent = 0  # how much was sent since a send last waited for the app

    def __enter__(self) -> Self:
        """Connect; as `AsyncWebSocketSession.__aenter__`."""
        self._check_new()
        response = self._connect()
        handle = response.extensions.get("asgi")
        connection = handle.conversation if isinstance(handle, BlockingExchange) else None
        if isinstance(handle, BlockingExchange) and self._opens(response, connection):
            self._hop = handle.hop
            return self
        try:
            if response.status_code != 101:
                response.read()
        finally:
            response.close()
        raise self._handshake_error(response, connection)

    def __exit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        """Close the connection (code 1000, if nobody has closed it), and see the app to its end.

        The errors are those of `AsyncWebSocketSession.__aexit__`.
        """
        connection = self._open

        async def leave() -> None:
            connection.disconnect(1000)
            await connection.close(exc_value)

        try:
            if not connection.closed:  # by the end of the client, and its loop, perhaps
                self._call(leave)
        finally:
            self._response.close()

    def wait(self, timeout: float | None = 5.0) -> None:
        """Wait until the app has ended; as `AsyncWebSocketSession.wait`."""
        if not self.done:  # its loop may have ended since
            self._call(partial(self._open.wait, timeout))

    # Sending

    def send(self, message: Data | Message) -> None:
        """Send text, bytes, or an ASGI message; as `AsyncWebSocketSession.send`."""
        checked = payload.any_message(message)
        if checked["type"] == "websocket.disconnect":
            self.close(checked.get("code"), checked.get("reason"))
        else:
            self._write(checked)

    def send_text(self, data: str) -> None:
        """Send a text message; as `AsyncWebSocketSession.send_text`, but for "64 KiB or more"."""
        self._write(payload.text_message(data))

    def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message, which is copied; as `AsyncWebSocketSession.send_bytes`."""
        self._write(payload.bytes_message(data))

    def send_json(self, data: Any, mode: JSONMode = "text") -> None:
        """Send JSON, compact and in UTF-8; as `AsyncWebSocketSession.send_json`."""
        self._write(payload.json_message(data, mode))

    def _write(self, message: Message) -> None:
        connection = self._open
        connection.check_writable()
        self._sent += size_of(message)
        if self._sent > READ_BUFFER or connection.end_heard:
            self._sent = 0
            self._call(partial(connection.write, message))
        else:
            self._hop.post(partial(connection.put, message))

    # Receiving

    def receive(self, *, timeout: float | EllipsisType | None = ...) -> Message:
        """Wait for a message, and return it as the app sent it; as `AsyncWebSocketSession.receive`."""
        return self._next(payload.as_message, timeout)

    def receive_text(self, *, timeout: float | EllipsisType | None = ...) -> str:
        """Wait for a text message, and return it; as `AsyncWebSocketSession.receive_text`."""
        return self._next(payload.as_text, timeout)

    def receive_bytes(self, *, timeout: float | EllipsisType | None = ...) -> bytes:
        """Wait for a binary message, and return it; as `AsyncWebSocketSession.receive_bytes`."""
        return self._next(payload.as_bytes, timeout)

    def receive_json(self, mode: JSONMode = "text", *, timeout: float | EllipsisType | None = ...) -> Any:
        """Wait for JSON, and return what it stands for; as `AsyncWebSocketSession.receive_json`."""
        return self._next(payload.as_json(mode), timeout)

    def _next(self, convert: Callable[[Data], T], timeout: float | EllipsisType | None) -> T:
        connection = self._open
        limit = connection.read_timeout if timeout is ... else duration(timeout, "timeout")
        began = time.monotonic()
        while True:
            arrival = connection.arrivals.after()
            if arrival is None:
                self._call(partial(self._fetch, connection, limit, began))
                continue
            converted = convert(arrival.item)
            if connection.arrivals.take(arrival):  # else another thread was faster
                return converted

    async def _fetch(self, connection: WebSocketConnection, timeout: float | None, began: float) -> None:
        await connection.wait_for_message(timeout, time.monotonic() - began)
        connection.arrivals.add(connection.take_all())

    def _source(self) -> Source[Data]:
        return SourceInLoop(self._messages, self._call)

    def _call(self, function: Callable[[], Awaitable[T]]) -> T:
        connection = self._open
        try:
            return self._hop.call(function, name=connection.name)
        except LoopHasEndedError as error:
            ended = error
        # Another thread has closed the client, which ends the loop; unless that has died.
        raise connection.closed_while("using the connection") if connection.closed else ended

    def __iter__(self) -> Self:
        """Iterate over the data of the messages; as `AsyncWebSocketSession.__aiter__`."""
        return self

    def __next__(self) -> Data:
        """Return the data of the next message."""
        try:
            return self._next(payload.as_data, ...)
        except WebSocketDisconnect:
            if not self._open.was_closed:  # the app broke off
                raise
            raise StopIteration from None

    # The end

    def close(self, code: int | None = 1000, reason: str | None = None) -> None:
        """Close the connection; as `AsyncWebSocketSession.close`."""
        self._disconnect(payload.check_close(code, reason), reason or "")

    def abort(self) -> None:
        """Lose the connection, without a close frame; as `AsyncWebSocketSession.abort`."""
        self._disconnect(None, "")

    def _disconnect(self, code: int | None, reason: str) -> None:
        connection = self._open

        async def disconnect() -> None:
            connection.disconnect(code, reason)

        if not connection.closed:
            self._call(disconnect)
