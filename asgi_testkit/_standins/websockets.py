"""What the stand-ins for httpx-ws's transport, and for httpx2's, which was made of it, have in common.

Where a test could tell the difference, they go as over that transport: what is raised, what an app is offered, how long
it may go on. Where none can have relied on it, the connection is ours: pings are answered, fragments joined, concurrent
sessions kept apart, and no wait is without end.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel

from .._client.library import HTTPLibrary, Request, Response, derived
from .._client.transport import AppTransport
from .._conversation.websocket import WebSocketConnection
from .._conversation.wire import WireStream
from .._protocol.options import ExchangeOptions, duration
from .._types import Address, ASGIApp, Scope
from .tally import COUNTER

if TYPE_CHECKING:
    import httpx

#: Its queues have no limit, nor have messages. It tells no test what the app raises, and lets an app go on until the
#: transport is closed.
_AS_THEIRS: dict[str, Any] = {
    "raise_server_exceptions": False,
    "write_buffer": sys.maxsize,
    "background": "detach",
    "max_message_size": None,
}

#: Seconds that the apps have when the transport is closed. Theirs waits for ever.
_PATIENCE = 10.0

#: Seconds for which an app that has returned without closing passes for a silent one. To theirs it is one for ever.
_SILENCE = 5.0

#: How often the loop goes round when a session is closed: for an app that ends there and then. Theirs has about as many
#: checkpoints there.
_ROUNDS_TO_END = 10

_INTERNAL_ERROR = 1011  # RFC 6455 section 7.4.1
_NOT_ACCEPTED = "WebSocket didn't accept the connection in time. Did you forget to call accept()?"


class SessionConnection(WebSocketConnection):
    """A connection whose scope offers no extensions, as with theirs: no denial response, that is."""

    async def start(self) -> None:
        """Call the app."""
        del self.scope["extensions"]
        await super().start()


class SessionTransport(AppTransport[Request, Response]):
    """Runs an ASGI app in-process: HTTP over the library's own transport, WebSockets as that of httpx-ws.

    It may be used without ``async with``; then `aclose` sees the apps to their end.
    """

    stand_in = True
    connection_class = SessionConnection
    raise_app_exceptions = True
    _http: HTTPLibrary
    _errors: Any  # the module whose exceptions are raised
    _for_http: Any  # the class of the library's own transport

    def __init__(
        self,
        app: ASGIApp,
        raise_app_exceptions: bool = True,  # noqa: FBT001, FBT002 - httpx's own signature
        root_path: str = "",
        client: Address | None = ("127.0.0.1", 123),
        initial_receive_timeout: float | None = 1.0,
    ) -> None:
        """Prepare to run `app`, as `ASGITransport` does; but `raise_app_exceptions` is about HTTP only.

        The app has `initial_receive_timeout` seconds to answer a handshake; None for no limit.
        """
        super().__init__(app, root_path=root_path, client=client)
        self.raise_app_exceptions = raise_app_exceptions
        self._initial_receive_timeout = duration(initial_receive_timeout, "initial_receive_timeout")
        self._sessions: list[WebSocketConnection] = []

    async def handle_async_request(self, request: Request) -> Response:
        """Send `request` to the app. A handshake that leads to no session raises what the WebSocket library has.

        Raises:
            WebSocketUpgradeError: The app denied it with a response, or it was none (RFC 6455 section 4.2).
            WebSocketDisconnect: The app closed the connection before it accepted it, or raised.
            RuntimeError: The app did not answer it in time, or at all.
            httpx.LocalProtocolError: The URL is a WebSocket's, and the headers do not ask for one.
        """
        sent = cast("httpx.Request", request)
        handshake = self._handshake(sent)
        if handshake is None:
            COUNTER["request"] += 1
            plain = self._for_http(self.app, self.raise_app_exceptions, self.root_path, self.client)
            return cast("Response", await plain.handle_async_request(request))
        try:
            response = cast("httpx.Response", await super().handle_async_request(cast("Request", handshake)))
            if response.status_code != 101:
                await response.aread()
        except self._http.ReadTimeout as error:
            msg = f"{_NOT_ACCEPTED} {error}"
            raise RuntimeError(msg) from error
        connection: Any = response.extensions.get("asgi")
        if response.status_code != 101:
            raise self._not_upgraded(response, connection)
        self._sessions = [session for session in self._sessions if not session.done]
        self._sessions.append(connection)
        # A response that is closed leaves the session open.
        return cast("Response", self._http.Response(101, headers=response.headers, extensions=response.extensions))

    def _handshake(self, request: httpx.Request) -> httpx.Request | None:
        """Return the handshake that `request` is, with a timeout for the answer. None if it is not meant for one."""
        asks = request.headers.get("upgrade") == "websocket"
        if not (asks or request.url.scheme in {"ws", "wss"}):
            return None
        if not asks or "upgrade" not in request.headers.get("connection", "").lower():
            msg = f"{request.url}: a WebSocket handshake has the headers Connection: Upgrade and Upgrade: websocket"
            raise self._http.LocalProtocolError(msg, request=request)
        extensions = {**request.extensions, "timeout": {"read": self._initial_receive_timeout}}
        return self._http.Request(
            request.method, request.url, headers=request.headers, stream=request.stream, extensions=extensions
        )

    def _not_upgraded(self, response: httpx.Response, connection: Any) -> Exception:
        error: Exception
        if not isinstance(connection, WebSocketConnection) or connection.state.denial.status:
            error = self._errors.WebSocketUpgradeError(response)
        elif connection.state.rejected:
            error = self._errors.WebSocketDisconnect(connection.state.close_code, connection.state.close_reason)
        elif connection.app_exception is None:
            error = RuntimeError(f"{_NOT_ACCEPTED} The application returned without an answer.")
        else:
            error = self._errors.WebSocketDisconnect(_INTERNAL_ERROR, str(connection.app_exception))
            error.__cause__ = connection.app_exception
        return error

    def _options_for(self, request: httpx.Request, scope: Scope) -> ExchangeOptions:
        options = super()._options_for(request, scope)
        return options._replace(**_AS_THEIRS) if scope["type"] == "websocket" else options

    def _wire_class(self, network: Any) -> type[WireStream]:
        return derived(SessionStream, network, "AsyncNetworkStream")

    async def settle(self, reason: BaseException | None) -> None:
        """Close the sessions, the last one first, and see the apps to their end."""
        sessions = self._sessions[::-1]
        try:
            for session in sessions:
                session.disconnect(None)
            if reason is None:
                await _wait_for(sessions)
            for session in sessions:
                await session.part(reason, grace=0, detach=False)
        finally:
            await super().settle(reason)

    async def __aexit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        await super().__aexit__(exc_type, exc_value, traceback)
        if isinstance(exc_value, Exception):
            # Theirs holds a task group open, and there are tests that have come to expect what that does.
            msg = "what went wrong while an ASGIWebSocketTransport was open"
            raise ExceptionGroup(msg, [exc_value])


async def _wait_for(sessions: list[WebSocketConnection]) -> None:
    deadline = anyio.current_time() + _PATIENCE
    for session in sessions:
        with suppress(TimeoutError):
            await session.wait(max(0.0, deadline - anyio.current_time()))


class SessionStream(WireStream):
    """The ``network_stream`` of a session.

    Attributes:
        scope: The scope that the app was called with.
    """

    def __init__(self, connection: WebSocketConnection, network: Any, **options: Any) -> None:
        """Speak for `connection`, whose app has not answered yet."""
        super().__init__(connection, network, **options)
        self.scope: Any = connection.scope

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - there is no wait
        """Write to the connection, however far the app is behind.

        Raises:
            httpcore.WriteError: The stream was closed, or has come to its end.
        """
        self.feed(buffer)
        await anyio.lowlevel.checkpoint()

    def _encode(self) -> bool:
        connection = self._connection
        has_spoken = connection.messages_wait or connection.was_closed or connection.failed or connection.closed
        if has_spoken or not connection.done:
            return super()._encode()
        if self._end_due is None:
            self._end_due = anyio.current_time() + _SILENCE
        return False

    def _blame(self) -> str:
        return str(self._connection.app_exception or "")

    async def aclose(self) -> None:
        """Close the socket. An app that does not end at once goes on, until the transport is closed."""
        await super().aclose()
        await self._connection.close()
        for _ in range(_ROUNDS_TO_END):
            await anyio.lowlevel.checkpoint()
