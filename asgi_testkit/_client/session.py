"""AsyncWebSocketSession: a test's end of a WebSocket connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import EllipsisType
from typing import Any, Self, TypeVar

import httpx

from .._conversation.loop import checkpoint
from .._conversation.messages import MessageSource
from .._conversation.steps import AsyncSteps
from .._conversation.websocket import WebSocketConnection
from .._errors import WebSocketDenied, WebSocketDisconnect
from .._protocol import payload
from .._protocol.options import duration
from .._protocol.payload import Data, JSONMode
from .._types import Message, Scope, public

T = TypeVar("T")

#: How many characters of a denial's body an error shows.
_SHOWN = 200


class Session:
    """What the awaited and the blocking session have in common."""

    _connection: WebSocketConnection | None = None
    _response: httpx.Response

    def _handshake_error(self, response: httpx.Response, connection: object) -> Exception:
        """Return what a handshake that did not lead to a session raises, its response having been read."""
        if response.status_code == 101:
            return RuntimeError(
                f"{response.url} is not served by ASGITransport, and a session needs one. For another transport, "
                "a mount of the client perhaps, use a WebSocket library such as httpx-ws."
            )
        if isinstance(connection, WebSocketConnection) and connection.state.rejected:
            state = connection.state
            text = f"{connection.name}: the application rejected the handshake"
            return connection.disconnect_class(state.close_code, state.close_reason, text=text, response=response)
        status = f"{response.status_code} {response.reason_phrase}".rstrip()
        text = f"WebSocket {response.url.path}: the handshake was answered with {status}"
        said = response.text[:_SHOWN]
        return WebSocketDenied(response, text=f"{text}: {said}" if said else text)

    def __repr__(self) -> str:
        if self._connection is None:
            return f"<{type(self).__name__}, not connected>"
        code = self.close_code
        return f"<{type(self).__name__} {self._connection.name}, {'open' if code is None else f'closed ({code})'}>"

    def _check_new(self) -> None:
        if self._connection is not None:
            msg = "this session was entered already; client.websocket_connect() makes another one"
            raise RuntimeError(msg)

    def _opens(self, response: httpx.Response, connection: object) -> bool:
        """Take the connection that the handshake has led to. Return whether it has; a denial is limited in length."""
        if isinstance(connection, WebSocketConnection):
            connection.max_denial = connection.options.max_message_size
        if response.status_code != 101 or not isinstance(connection, WebSocketConnection):
            return False
        self._connection, self._response = connection, response
        return True

    @property
    def _open(self) -> WebSocketConnection:
        if self._connection is None:
            msg = "a session is connected inside its `with` (or `async with`) block only: enter it first"
            raise RuntimeError(msg)
        return self._connection

    @property
    def _messages(self) -> MessageSource:
        return MessageSource(self._open)

    @property
    def response(self) -> httpx.Response:
        """The response to the handshake, status 101."""
        self._open  # noqa: B018 - which checks that there is one
        return self._response

    @property
    def headers(self) -> httpx.Headers:
        """The headers of that response, those that the app sent with ``websocket.accept`` among them."""
        return self.response.headers

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the app chose; None for none."""
        return self._open.state.subprotocol

    @property
    def scope(self) -> Scope:
        """The scope that the app was called with, and that it may have changed."""
        return self._open.scope

    @property
    def close_code(self) -> int | None:
        """The code that the connection was closed with, by either side; None while it is open.

        Where the app has just ended, it is the one that stands for that: 1011 if it raised, 1006 if it returned.
        """
        return self._open.close_code

    @property
    def close_reason(self) -> str | None:
        """The reason that it was closed with, ``""`` for none; None while it is open."""
        return self._open.close_reason

    @property
    def app_exception(self) -> BaseException | None:
        """What the app raised, as it is; None while it runs, or if it returned."""
        return self._open.app_exception

    @property
    def done(self) -> bool:
        """Whether the app has ended."""
        return self._open.done


@public
class AsyncWebSocketSession(Session, AsyncSteps[Data]):
    """A test's end of a WebSocket connection: ``async with client.websocket_connect(url) as session:``.

    The session exchanges ASGI messages with the app directly; there are no frames between them. It is usable from
    several tasks, and may be entered, used and left in different ones. Leaving the block closes the connection, gives
    the app its ``disconnect_grace``, and waits for its end; an exception of the app that no call has raised is raised
    then.

    Every message that the app sent before the end is delivered before the end is raised.
    """

    def __init__(self, connect: Callable[[], Awaitable[httpx.Response]]) -> None:
        """Prepare a session; `connect` performs the handshake. Made by ``AsyncClient.websocket_connect``."""
        self._connect = connect

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            WebSocketDisconnect: The app rejected the handshake by ``websocket.close``.
            WebSocketDenied: The app answered the handshake with a response of its own.
            httpx.ReadTimeout: The app did not answer within the read timeout. The text shows where it is suspended.
            httpx.RemoteProtocolError: The app's response is longer than ``max_message_size``, or was not completed.
            ASGIProtocolError: The app returned without an answer, or broke the contract in another way.
            BaseException: What the app raised, as it is.
        """
        self._check_new()
        response = await self._connect()
        connection = response.extensions.get("asgi")
        if self._opens(response, connection):
            return self
        try:
            if response.status_code != 101:
                await response.aread()
        finally:
            await response.aclose()
        raise self._handshake_error(response, connection)

    async def __aexit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        """Close the connection (code 1000, if nobody has closed it), and see the app to its end.

        What the app raises is told beside the exception under way, if there is one. Cancelling it leaves nothing
        running.

        Raises:
            BaseException: What the app raised and no call has raised yet, as it is.
        """
        connection = self._open
        connection.disconnect(1000)
        try:
            await connection.close(exc_value)
        finally:
            await self._response.aclose()

    async def wait(self, timeout: float | None = 5.0) -> None:
        """Wait until the app has ended. What it raised is in `app_exception`; it is not raised here.

        Args:
            timeout: Seconds; None for no limit. The app runs on when it is over, and when the wait is cancelled.

        Raises:
            TimeoutError: The app has not ended in time. The text shows where it is suspended.
        """
        await self._open.wait(timeout)

    # Sending

    async def send(self, message: Data | Message) -> None:
        """Send text, bytes, or an ASGI message: ``websocket.receive``, or ``websocket.disconnect`` to close.

        The rest is as with `send_text`.

        Raises:
            TypeError: It is nothing of that.
            ValueError: It is not a message that a client sends.
        """
        checked = payload.any_message(message)
        if checked["type"] == "websocket.disconnect":
            await self.close(checked.get("code"), checked.get("reason"))
        else:
            await self._open.write(checked)

    async def send_text(self, data: str) -> None:
        """Send a text message. While the app has 64 KiB that it has not received yet, that waits.

        What comes after the app's end, and before the test has heard of it, goes nowhere, as on a network. When the
        wait is cancelled, the message is sent all the same.

        Raises:
            TypeError: `data` is no text.
            httpx.WriteTimeout: The app did not receive for the client's write timeout. The message is sent.
            RuntimeError: The test has ended the session.
            WrongEventLoopError: The session was connected in another event loop.
            BaseException: As `receive`, when the test was told of the end.
        """
        await self._open.write(payload.text_message(data))

    async def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message, which is copied; the rest is as with `send_text`.

        Raises:
            TypeError: `data` is no bytes.
        """
        await self._open.write(payload.bytes_message(data))

    async def send_json(self, data: Any, mode: JSONMode = "text") -> None:
        """Send JSON, compact and in UTF-8; the rest is as with `send_text`.

        Args:
            data: What ``json.dumps`` takes.
            mode: Whether it goes as a text message or as a binary one.

        Raises:
            TypeError: `data` has no JSON.
            ValueError: `mode` is unknown.
        """
        await self._open.write(payload.json_message(data, mode))

    # Receiving

    async def receive(self, *, timeout: float | EllipsisType | None = ...) -> Message:
        """Wait for a message, and return it as the app sent it: ``{"type": "websocket.send", "text": ...}``.

        Cancelling the wait loses nothing.

        Args:
            timeout: Seconds; None for no limit. By default, the client's read timeout.

        Raises:
            httpx.ReadTimeout: No message came in time. The text shows where the app is suspended. Nothing is lost, and
                the session goes on.
            WebSocketDisconnect: The connection was closed.
            ASGIProtocolError: The app returned without closing it, or sent what it must not.
            httpx.ReadError: The client was closed meanwhile.
            BaseException: What the app raised, as it is.
        """
        return await self._next(payload.as_message, timeout)

    async def receive_text(self, *, timeout: float | EllipsisType | None = ...) -> str:
        """Wait for a text message, and return it; the rest is as with `receive`.

        Raises:
            TypeError: The app sent bytes. The message is not lost.
        """
        return await self._next(payload.as_text, timeout)

    async def receive_bytes(self, *, timeout: float | EllipsisType | None = ...) -> bytes:
        """Wait for a binary message, and return it; the rest is as with `receive`.

        Raises:
            TypeError: The app sent text. The message is not lost.
        """
        return await self._next(payload.as_bytes, timeout)

    async def receive_json(self, mode: JSONMode = "text", *, timeout: float | EllipsisType | None = ...) -> Any:
        """Wait for JSON, and return what it stands for; the rest is as with `receive`.

        Args:
            mode: Whether it comes as a text message or as a binary one.
            timeout: As for `receive`.

        Raises:
            TypeError: The app sent the other kind. The message is not lost.
            ValueError: It is no JSON, and not lost either; or `mode` is unknown.
        """
        return await self._next(payload.as_json(mode), timeout)

    async def _next(self, convert: Callable[[Data], T], timeout: float | EllipsisType | None) -> T:
        connection = self._open
        limit = connection.read_timeout if timeout is ... else duration(timeout, "timeout")
        await connection.wait_for_message(limit)
        arrivals = connection.arrivals
        if (arrival := arrivals.after() if arrivals else None) is not None:  # a step has left it
            converted = convert(arrival.item)
            arrivals.take(arrival)
        else:
            converted = convert(connection.peek())
            arrivals.pass_on(connection.take())
        return converted

    async def _source(self) -> MessageSource:
        source = self._messages
        await checkpoint()
        return source

    def __aiter__(self) -> Self:
        """Iterate over the data of the messages, text or bytes, until the connection is closed, with whatever code.

        What else can end it is raised, as by `receive`.
        """
        return self

    async def __anext__(self) -> Data:
        """Return the data of the next message."""
        try:
            return await self._next(payload.as_data, ...)
        except WebSocketDisconnect:
            if not self._open.was_closed:  # the app broke off
                raise
            raise StopAsyncIteration from None

    # The end

    async def close(self, code: int | None = 1000, reason: str | None = None) -> None:
        """Close the connection: the app receives ``websocket.disconnect``. What it has sent can still be received.

        It does not wait for the app; leaving the block does, and so does `wait`. Closing twice does no harm.

        Args:
            code: The close code (RFC 6455 section 7.4); None for a close frame without one, which the app is told as
                1005.
            reason: At most 123 bytes in UTF-8.

        Raises:
            TypeError: The reason is no text.
            ValueError: No client can send that.
        """
        self._open.disconnect(payload.check_close(code, reason), reason or "")
        await checkpoint()

    async def abort(self) -> None:
        """Lose the connection, without a close frame: the app receives ``websocket.disconnect`` with code 1005."""
        self._open.disconnect(None)
        await checkpoint()
