"""WebSocketTestSession: a session with the names, and the leniency, of Starlette's."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Self, cast

import anyio
import anyio.lowlevel
import httpx

from ..._blocking.session import WebSocketSession
from ..._client.library import HTTPX
from ..._conversation.messages import MessageSource
from ..._protocol.payload import JSONMode, json_message
from ..._protocol.websocket import NO_CODE
from ..._types import ASGIApp, Message, Scope
from .conversation import LenientTransport
from .errors import WebSocketDisconnect, denial_class, disconnect_class, in_door
from .transport import PortalTransport

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal


class SentMessages:
    """The messages of the app that have not been received, with the names of anyio's end of a memory stream."""

    def __init__(self, session: WebSocketTestSession) -> None:
        self._session = session

    async def receive(self) -> Message:
        """Wait for a message, and return it; in the loop of the session. Cancelling it loses nothing.

        Raises:
            BaseException: As `WebSocketTestSession.receive`.
        """
        await anyio.lowlevel.checkpoint()
        while True:
            with suppress(anyio.WouldBlock):
                return self.receive_nowait()
            await self._session.connection.wait_for_message(None)

    def receive_nowait(self) -> Message:
        """Return a message that is here; in any thread.

        Raises:
            anyio.WouldBlock: There is none.
        """
        return self._session.take_now()


class SentData(MessageSource):
    """What the app has sent, for the steps: the text or the bytes of a message; the message, where it has neither."""

    def view(self, arrival: Any) -> Any:
        """Return what a message is to the test."""
        text = arrival.get("text")
        data = arrival.get("bytes") if text is None else text
        return arrival if data is None else data

    def json(self, arrival: Any) -> Any:
        """Return what its JSON stands for."""
        data = self.view(arrival)
        if data is arrival:
            msg = "it has no data"
            raise ValueError(msg)
        return super().json(data)


@in_door
class WebSocketTestSession(WebSocketSession):
    """A blocking test's end of a WebSocket connection, with the names of Starlette's.

    `send` and `receive` are at the level of ASGI messages, whichever: nothing is checked.

    Attributes:
        app: The app that is called when the session is entered.
        portal_factory: Makes a context manager around a portal into the loop that it is called in.
        accepted_subprotocol: The subprotocol that the app chose.
        extra_headers: The headers that it sent with ``websocket.accept``, as it sent them.
    """

    accepted_subprotocol: Any = None
    extra_headers: Any = None
    _line: tuple[PortalTransport, httpx.Request] | None = None

    def __init__(self, app: ASGIApp, scope: Scope, portal_factory: Any) -> None:
        """Prepare a session, as Starlette's is made. One of ``TestClient.websocket_connect`` knows its client, too."""
        super().__init__(cast("Any", None))  # the way to connect is chosen on entering
        self.app = app
        self._scope = scope
        self.portal_factory = portal_factory

    def goes_over(self, transport: PortalTransport, request: httpx.Request) -> None:
        """Note the transport of the client, as long as its portal factory is the session's, and what asked for it."""
        self._line = transport, request

    @property
    def scope(self) -> Scope:
        """The scope that the app is called with, and that it may have changed."""
        return self._scope

    @scope.setter
    def scope(self, scope: Scope) -> None:
        self._scope = scope

    def __enter__(self) -> Self:
        """Connect; see `WebSocketSession`, but the app's errors are Starlette's as well.

        Raises:
            WebSocketDisconnect: The app rejected the handshake by ``websocket.close``.
            WebSocketDenialResponse: The app answered the handshake with a response of its own.
            BaseException: What the app raised, as it is.
        """
        if self._line is None or self._line[0].portal_factory != self.portal_factory:
            transport = PortalTransport(LenientTransport(self.app), "asyncio", {}, HTTPX)
            transport.portal_factory = self.portal_factory
            self._line = transport, HTTPX.Request("GET", "ws://testserver")
        transport, request = self._line
        self._connect = lambda: transport.connect(self.app, self.scope, request)
        try:
            super().__enter__()
        finally:
            del self._connect
        try:
            self.connection.arrivals.add([self.connection.answer])
            message = self.receive()
            self._raise_on_close(message)
        except BaseException as error:
            WebSocketTestSession.__exit__(self, type(error), error, error.__traceback__)
            raise
        self.accepted_subprotocol = message.get("subprotocol")
        self.extra_headers = message.get("headers")
        return self

    def __exit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        """Close the connection, if nobody has, and see the app to its end.

        An app that was told, and listens, has its ``disconnect_grace``; then, or if it does not, it is cancelled.

        Raises:
            BaseException: What the app raised, as it is, even in place of the `WebSocketDisconnect` that is under way.
        """
        ended = isinstance(exc_value, WebSocketDisconnect) or type(exc_value) is disconnect_class()
        super().__exit__(exc_type, None if ended else exc_value, traceback)

    @property
    def connection(self) -> Any:
        """The core of the session, a `LenientConnection`, once it is entered."""
        return self._open

    @property
    def _messages(self) -> MessageSource:
        return SentData(self._open)

    @property
    def portal(self) -> BlockingPortal:
        """The portal of anyio into the loop of the app, while the session is entered."""
        self._open  # noqa: B018 - which checks that it is
        portal: BlockingPortal = self._hop.portal
        return portal

    @property
    def _send_rx(self) -> SentMessages:
        return SentMessages(self)

    def send(self, message: Any) -> None:
        """Send an ASGI message, whichever; it does not wait for the app."""
        connection = self._open
        connection.check_writable()
        self._hop.post(lambda: connection.put(message))

    def send_text(self, data: str) -> None:
        """Send a text message."""
        self.send({"type": "websocket.receive", "text": data})

    def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message."""
        self.send({"type": "websocket.receive", "bytes": data})

    def send_json(self, data: Any, mode: JSONMode = "text") -> None:
        """Send JSON, compact and in UTF-8, in a text message or in a binary one."""
        self.send(json_message(data, mode))

    def close(self, code: int | None = 1000, reason: str | None = None) -> None:
        """Send ``websocket.disconnect``. What the app sends after it can be received still."""
        self.send({"type": "websocket.disconnect", "code": NO_CODE if code is None else code, "reason": reason})

    def receive(self, *, timeout: float | EllipsisType | None = ...) -> Message:
        """Wait for a message of the app, and return it as it is, ``websocket.close`` as well.

        Raises:
            WebSocketDisconnect: The app has closed the connection, and that message was received already.
            ASGIProtocolError: The app returned without closing it.
            BaseException: What the app raised, as it is.
        """
        message: Message = self._next(_as_it_is, timeout)
        return message

    def take_now(self) -> Message:
        """Return a message that is here; in any thread.

        Raises:
            anyio.WouldBlock: There is none.
        """
        connection = self.connection

        async def fetch() -> None:
            connection.arrivals.add(connection.take_all())

        if connection.messages_wait and not connection.arrivals:
            if threading.get_ident() == connection.thread:
                connection.arrivals.add([connection.take()])
            else:
                self._call(fetch)
        while (arrival := connection.arrivals.after()) is not None:
            if connection.arrivals.take(arrival):
                message: Message = arrival.item
                return message
        raise anyio.WouldBlock

    def _raise_on_close(self, message: Message) -> None:
        """Raise the end of the connection that a message of the app stands for, if it does.

        Raises:
            WebSocketDisconnect: The app has closed the connection, or rejected the handshake.
            WebSocketDenialResponse: It has answered the handshake with a response.
        """
        connection = self.connection
        if message["type"] == "websocket.close":
            kind = disconnect_class()
            told = {}
            if kind is WebSocketDisconnect:
                what = "rejected the handshake" if connection.state.rejected else "closed the connection"
                told["text"] = f"{connection.name}: the application {what}"
            raise kind(code=message.get("code", 1000), reason=message.get("reason", ""), **told)
        if message["type"] == "websocket.http.response.start":
            chunks: list[bytes] = []
            part: Message = {"more_body": True}
            while part.get("more_body", False):
                part = self.receive()
                chunks.append(part.get("body", b""))
            raise denial_class()(
                message["status"],
                headers=message.get("headers"),
                content=b"".join(chunks),
                request=self._response.request,
                text=f"{connection.name}: the handshake was answered with {message['status']}",
            )

    def receive_text(self, *, timeout: float | EllipsisType | None = ...) -> str:
        """Wait for a message, and return its text.

        Raises:
            WebSocketDisconnect: The connection was closed.
            KeyError: The message has none.
            BaseException: As `receive`.
        """
        return cast("str", self._received(timeout)["text"])

    def receive_bytes(self, *, timeout: float | EllipsisType | None = ...) -> bytes:
        """Wait for a message, and return its bytes; as `receive_text`."""
        return cast("bytes", self._received(timeout)["bytes"])

    def receive_json(self, mode: JSONMode = "text", *, timeout: float | EllipsisType | None = ...) -> Any:
        """Wait for a message, and return what its JSON stands for; as `receive_text`."""
        message = self._received(timeout)
        return json.loads(message["text"] if mode == "text" else message["bytes"])

    def _received(self, timeout: float | EllipsisType | None) -> Message:
        # A `receive` that a test has put in the place of ours takes no timeout.
        message = self.receive() if timeout is ... else self.receive(timeout=timeout)
        self._raise_on_close(message)
        return message

    def __next__(self) -> Any:
        """Return the text or the bytes of the next message."""
        try:
            message = self._received(...)
        except (WebSocketDisconnect, disconnect_class()):
            raise StopIteration from None
        text = message.get("text")
        return message.get("bytes") if text is None else text


def _as_it_is(message: Any) -> Any:
    return message
