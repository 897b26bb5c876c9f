"""The drop-in's side of the app: as lenient as Starlette's TestClient, so that what passes there passes here.

What a real server would refuse, and that client lets pass, these let pass, too: a body that ends too early or too late,
a message that nobody knows, a close code that cannot be sent. What it asserts of the app, they assert.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import unquote

import httpx

from ..._client.response import response_to_handshake
from ..._client.transport import AppTransport
from ..._conversation.http import HTTPExchange
from ..._conversation.websocket import WebSocketConnection
from ..._errors import ASGIProtocolError, BrokenContractError
from ..._protocol.app import as_single_callable
from ..._protocol.extensions import DEBUG, TRAILERS
from ..._protocol.fields import Illegal, octets
from ..._protocol.handshake import offer
from ..._protocol.http import Event, HTTPResponseState, State
from ..._protocol.scope import HTTP_EXTENSIONS, websocket_scope
from ..._protocol.websocket import State as ConnectionState
from ..._protocol.websocket import WebSocketState
from ..._types import ASGIApp, Message, Scope
from .errors import WebSocketDisconnect

#: The messages that count; others are ignored.
_HEEDED = frozenset({"http.response.start", "http.response.body", TRAILERS})


def assertion(state: State, event: Event, *, announced: bool) -> str:
    """Return in Starlette's words what is wrong with `event` in `state`; `announced`: whether trailers were."""
    received = f'Received "{event.value.partition(" ")[0]}"'
    if event in {Event.START, Event.START_WITH_TRAILERS}:
        return 'Received multiple "http.response.start" messages.'
    if event in {Event.TRAILERS, Event.LAST_TRAILERS}:
        if not announced:
            return f"{received} without declaring trailers."
        when = "after response completed" if state is State.COMPLETE else "before body completed"
        return f"{received} {when}."
    if state is State.AWAITING_START:
        return f'{received} without "http.response.start".'
    return f"{received} after {'body' if state is State.AWAITING_TRAILERS else 'response'} completed."


class LenientResponseState(HTTPResponseState):
    """Accepts what Starlette's client accepts. What it refuses leaves the response as it was."""

    violation = BrokenContractError
    statuses: ClassVar[tuple[int, int]] = (1, 999)
    bodyless: ClassVar[frozenset[int]] = frozenset()  # a body is a body, whatever the status

    def __init__(self, *, method: str, offered: Container[str] = (), strict: bool = False) -> None:
        del offered  # it does not look at what it offers
        super().__init__(method=method, offered=_HEEDED, strict=strict)

    def handle(self, message: Message) -> bytes:
        """Take a message of the app and return the part of the body that it brings to the client.

        Raises:
            BrokenContractError: The message is illegal.
        """
        before = self.state
        try:
            return super().handle(message)
        except BaseException:
            self.state = before
            raise

    def _take(self, kind: Any, message: Message) -> bytes:
        if kind in _HEEDED:
            return super()._take(kind, message)
        if kind == DEBUG and message["info"] is not None:
            self.extensions[DEBUG] = message["info"]
        return b""

    def _step(self, event: Event) -> None:
        try:
            super()._step(event)
        except Illegal as illegal:
            what, hint = illegal.args
            said = assertion(self.state, event, announced=self.trailers is not None)
            raise Illegal(what, f"{hint} ({said})".lstrip()) from None

    def _headers(self, headers: Iterable[tuple[Any, Any]]) -> tuple[list[tuple[bytes, bytes]], int | None]:
        checked = [(octets(name, "header name"), octets(value, "header value")) for name, value in headers]
        self.size = sum(len(name) + len(value) for name, value in checked)
        return checked, None


class LenientExchange(HTTPExchange):
    """An exchange whose response is complete when the app returns, as with Starlette's client."""

    violation = BrokenContractError
    apology = b""
    state_class: ClassVar[type[LenientResponseState]] = LenientResponseState

    def _refuse(self, error: ASGIProtocolError) -> None:
        """Forget it: an app that gets over the exception has done nothing wrong."""

    def _incomplete(self) -> None:
        self.state.over = True

    def _omission(self) -> str:
        omission = super()._omission()
        if self.state.status:
            return ""
        return f"{omission} (TestClient did not receive any response.)"

    async def part(
        self, reason: BaseException | None, *, grace: float | None = None, detach: bool | None = None
    ) -> None:
        """See the app to its end. One that has not completed its response is cancelled, and is not told anything."""
        if not (self.state.over or self._detached):
            self._task.cancel(for_good=True)
        await super().part(reason, grace=grace, detach=detach)


class _AnyText:
    def __contains__(self, thing: object) -> bool:
        return isinstance(thing, str)


class LenientConnectionState(WebSocketState):
    """Accepts any message, also as the answer to the handshake, and hands it on as it is.

    Attributes:
        denied: Whether the app has sent all of a denial response.
    """

    denied = False

    def __init__(
        self, *, subprotocols: Container[str] = (), offered: Container[str] = (), strict: bool = False
    ) -> None:
        del subprotocols, offered
        super().__init__(subprotocols=_AnyText(), strict=strict)

    def handle(self, message: Message) -> Any:
        """Take a message of the app, and return a copy of it."""
        message = dict(message)
        kind = message.get("type")
        if kind == "websocket.close":
            self.rejected = self.rejected or not self.accepted
            self.close_code, self.close_reason = message.get("code", 1000), message.get("reason") or ""
            self.state, self.closed = ConnectionState.CLOSED, True
        elif kind == "websocket.http.response.body":
            self.denied = not message.get("more_body", False)
        elif kind == "websocket.accept" and not self.accepted:
            with suppress(Illegal):  # what cannot be in a response is in the message all the same
                self._accept(message)
        self.accepted = True
        return message


class LenientConnection(WebSocketConnection):
    """A connection without buffer limits.

    Attributes:
        answer: The first message, whichever, by which the app has answered the handshake.
        thread: The identifier of the thread that the app runs in.
    """

    state_class: ClassVar[type[LenientConnectionState]] = LenientConnectionState
    disconnect_class: ClassVar[type[WebSocketDisconnect]] = WebSocketDisconnect
    state: LenientConnectionState
    answer: Any
    thread: int

    async def start(self) -> None:
        """Call the app."""
        self.thread = threading.get_ident()
        await super().start()

    @property
    def not_taken(self) -> list[str | bytes]:
        """The data that the test has not received. What is kept here are messages, of any kind."""
        messages: list[Any] = [*super().not_taken]
        data = [message.get(kind) for message in messages for kind in ("text", "bytes")]
        return [each for each in data if isinstance(each, str | bytes)]

    def put(self, message: Message) -> None:
        """Leave a message for the app, whatever it is."""
        self._incoming.append((message, 0))
        self._for_app.fire()

    async def close(self, reason: BaseException | None = None) -> None:
        """Let go of the connection: an app that does not end within its grace is cancelled, even if it has closed."""
        await self.part(reason)

    def _may_notice(self) -> bool:
        # What has said its last has its grace to clean up.
        return self.state.over or self.state.denied or super()._may_notice()

    def _tell_failure(self) -> BaseException | None:
        """Return what the app did wrong, for the client to raise, and for its end to raise again."""
        return self._blame()


class LenientTransport(AppTransport[Any, Any]):
    """Makes scopes as Starlette's client does, and conversations that mind as little.

    A WebSocket is what a session asks for, and nothing else.
    """

    stand_in = True
    knows_handshakes = False
    exchange_class = LenientExchange
    connection_class = LenientConnection
    extensions: ClassVar[Mapping[str, Any]] = {**HTTP_EXTENSIONS, TRAILERS: {}}

    def _scope_of(self, request: httpx.Request) -> Scope:
        scope = super()._scope_of(request)
        scope["path"] = unquote(request.url.path)  # which is decoded already
        scope["server"] = [request.url.raw_host.decode("ascii"), scope["server"][1]]
        scope["headers"] = [(name.lower().encode(), value.encode()) for name, value in request.headers.multi_items()]
        return scope

    def websocket_scope_of(self, request: httpx.Request) -> Scope:
        """Return the scope of a session that `request` asks for."""
        scope = self._scope_of(request)
        spec_version = scope["asgi"]["spec_version"]
        scope = websocket_scope(scope, extensions=self._websocket_extensions)
        scope["asgi"]["spec_version"] = spec_version  # before 2.4: what is sent to a client that has gone is lost
        self._options_for(request, scope)
        return scope

    async def connect(self, app: ASGIApp, scope: Scope, request: httpx.Request) -> httpx.Response:
        """Call `app` with the scope of a session, and return the response by which it is connected."""
        for name, value in (("asgi", {"version": "3.0"}), ("subprotocols", [])):
            scope.setdefault(name, value)
        # The app may be ahead by any amount, and its errors are raised whatever was said of errors.
        options = self._options_for(request, {})._replace(write_buffer=sys.maxsize, raise_server_exceptions=True)
        call = as_single_callable(app)
        opening = self._opening(call, request, scope, options)
        if opening.elsewhere is not None:  # a server is to see a handshake, and Starlette's client makes half of one
            whole = offer(None)
            given = [header for header in scope["headers"] if header[0].decode() not in whole]
            scope["headers"] = [*given, *((name.encode(), value.encode()) for name, value in whole.items())]
        connection: Any = self.connection_class(opening)
        self._unsettled.add(connection)
        await connection.start()
        response = await response_to_handshake(connection, request)
        connection.answer = connection.take()
        return response
