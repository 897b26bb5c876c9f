"""WebSocketConnection: one WebSocket connection to the app, what the app receives and sends, and its end."""

from __future__ import annotations

from collections import deque
from typing import ClassVar, NoReturn, cast

import anyio

from .._errors import ASGIProtocolError, WebSocketDisconnect
from .._protocol.payload import MESSAGE_OVERHEAD, size_of
from .._protocol.websocket import ABNORMAL, NO_CODE, State, WebSocketState
from .._types import Message, public
from .arrivals import Arrivals, Deadline
from .conversation import Conversation
from .departure import is_farewell
from .errors import Trouble
from .loop import checkpoint, in_turn
from .opening import Opening

#: How much the client may be ahead of the app, in bytes or characters. One more message fits always.
READ_BUFFER = 65536

_INTERNAL_ERROR = 1011  # RFC 6455 section 7.4.1
_GOING_AWAY = 1001


@public
class WebSocketConnection(Conversation):
    """One WebSocket connection to the app, message by message. ``response.extensions["asgi"]`` is this object.

    For tests, five things are public: `scope`, `done`, `app_exception`, `caused_by`, `wait`. The rest serves one
    client, be it a session or the wire. What one of its methods raises, the next would raise again.

    Attributes:
        scope: The scope that the app was called with, and that it may have changed.
    """

    noun = "WebSocket session"
    ended_by = "the end of the connection"

    #: What decides on the app's messages, and what the end of the connection is to the client.
    state_class: ClassVar[type[WebSocketState]] = WebSocketState
    disconnect_class: ClassVar[type[WebSocketDisconnect]] = WebSocketDisconnect

    _connected = False  # whether the app was told of the handshake
    _buffered = 0  # what is in _outgoing
    _denied = 0  # how many bytes of a denial response were read
    _unread = 0  # what is in _incoming
    end_heard: bool = False  # whether the client knows that there is nothing more to read
    _hung_up = False  # whether the client has closed the connection, whether or not that was news to the app
    _departure: Message | None = None  # how the client has gone
    _cut_off_by = "the test"  # who has lost the connection
    _raised: BaseException | None = None  # what the client was told of an app that went on
    _catching_up = False  # whether the app has yet to receive what came before the client's close

    def __init__(self, opening: Opening) -> None:
        """Prepare the connection; `start` calls the app."""
        scope, options = opening.scope, opening.options
        super().__init__(opening, f"WebSocket {scope['path']}")
        self._limit = options.write_buffer
        self._write_timeout = opening.timeouts.get("write")
        self.state: WebSocketState = self.state_class(  # what the app has sent
            subprotocols=scope["subprotocols"], offered=scope.get("extensions") or (), strict=options.strict
        )
        self.max_denial: int | None = None  # how many bytes of a denial response a session takes
        self._incoming: deque[tuple[Message, int]] = deque()
        self._outgoing: deque[str | bytes] = deque()
        # From there, for a session: what it has looked at, and not taken.
        self.arrivals: Arrivals[str | bytes] = Arrivals()

    # The app's side

    async def receive(self) -> Message:
        """Give the app the handshake, what the client sends, and the end (ASGI WebSocket spec, "Connect" and on)."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        while not self._incoming:
            if self._disconnected or self.state.over:
                if self._catching_up:
                    self._catching_up = False
                    self.for_client.fire()
                await self._tell()
                return self._disconnect_message()
            await self._listen()
        message, size = self._incoming.popleft()
        held_back = self._unread > READ_BUFFER
        self._unread -= size
        if held_back:
            self.for_client.fire()
        return message

    def _disconnect_message(self) -> Message:
        state = self.state
        if state.closed:
            return {"type": "websocket.disconnect", "code": state.close_code, "reason": state.close_reason}
        if not state.accepted:
            return {"type": "websocket.disconnect", "code": ABNORMAL}
        if self._departure is None:  # the client was closed as a whole
            return {"type": "websocket.disconnect", "code": _GOING_AWAY, "reason": ""}
        return dict(self._departure)

    async def send(self, message: Message) -> None:
        """Take a message of the app, and hold the app back while the client has too much to read."""
        if self._gone:
            await (anyio.lowlevel.checkpoint() if is_farewell(message) else self._send_to_nobody())
            return
        state = self.state
        try:
            data = state.handle(message)
        except ASGIProtocolError as error:
            self._refuse(error)
            self.for_client.fire()
            raise
        if data is not None:
            self._pass_on(data)
        self.for_client.fire()
        if state.over:
            self._for_app.fire()
        while self._held_back:
            if self._disconnected:
                await self._send_to_nobody()
                return
            await self._hold_back()

    def _pass_on(self, data: str | bytes) -> None:
        self._outgoing.append(data)
        self._buffered += len(data) + MESSAGE_OVERHEAD

    @property
    def _held_back(self) -> bool:
        return self._buffered > self._limit and not self.state.closed

    @property
    def _gone(self) -> bool:
        """Whether the client has gone, as far as the app can tell: a close comes after the messages before it."""
        return self._disconnected and not self._catching_up

    def _may_notice(self) -> bool:
        return super()._may_notice() or self._catching_up

    # The client's side

    @property
    def was_closed(self) -> bool:
        """Whether either side has closed the connection, or the client has lost it; the app did not just end."""
        return self._departure is not None or self.state.closed

    @property
    def close_code(self) -> int | None:
        """The code that the connection was closed with, or that stands for the app's end; None while it is open."""
        if self._departure is not None:
            return self._departure["code"] if "reason" in self._departure else ABNORMAL
        if self.state.closed:
            return self.state.close_code
        return self._code_of_the_end if self._task.done else None

    @property
    def close_reason(self) -> str | None:
        """The reason that it was closed with, ``""`` for none; None while it is open."""
        if self._departure is not None:
            return str(self._departure.get("reason", ""))
        return self.state.close_reason if self.state.closed or self._task.done else None

    @property
    def broken(self) -> bool:
        """Whether the app has failed. A server has not noticed that while the app goes on after a refused message."""
        return self.failed and (self._task.done or self.options.raise_server_exceptions)

    @property
    def _code_of_the_end(self) -> int:
        return _INTERNAL_ERROR if self.broken else ABNORMAL

    async def answered(self) -> bool:
        """Wait for the answer to the handshake. Return whether it came; without one, a server's client gets a 500."""
        while not self.state.answered:
            if not await self._next_move():
                return False
        return True

    async def _next_move(self) -> bool:
        """Wait for what the app does next, while it owes an answer. Return whether it has not ended instead."""
        if not (self._task.done or self.closed or self._lost):
            await self._await_app(self.state.state.value)
            return True
        await self.part(self._lost)
        if self._disconnected:
            raise self._lost or self.closed_while("connecting")
        return False

    async def next_chunk(self) -> bytes | None:
        """Wait for the next part of a denial response; None at its end, when (unless detached) the app has ended, too.

        A response that accepts the handshake has no body, so reading that one ends the connection. One that is longer
        than the limit which a session has for it is a `Trouble`.
        """
        while not (self._outgoing or self.state.accepted or self.state.delivered):
            if not await self._next_move():
                msg = f"{self.name}: the application ended before the end of its denial response"
                raise self._make_error(Trouble.BAD_RESPONSE, msg) from self.app_exception
        chunk = b"".join(self.take_chunks())
        if not chunk:
            await self.close()
            return None
        self._denied += len(chunk)
        if self.max_denial is not None and self._denied > self.max_denial:
            msg = f"{self.name}: the denial response has more than the {self.max_denial} bytes of max_message_size="
            error = self._make_error(Trouble.BAD_RESPONSE, msg)
            await self.part(error)
            raise error
        return chunk

    def take_chunks(self) -> list[bytes]:
        """Return what of a denial response is here already."""
        return [] if self.state.accepted else cast("list[bytes]", self.take_all())

    def put(self, message: Message) -> None:
        """Leave a message for the app. One that comes after its end goes nowhere, as on a network."""
        size = size_of(message)
        if not (self.state.closed or self._disconnected or self._task.done):
            self._incoming.append((message, size))
            self._for_app.fire()
        self._unread += size

    def check_writable(self) -> None:
        """Raise a RuntimeError if the test itself has ended the session."""
        if self._hung_up or self.closed:
            msg = f"{self.name}: the test has ended this session; nothing can be sent any more"
            raise RuntimeError(msg)

    async def write(self, message: Message) -> None:
        """Leave a message for the app, and wait while there is too much that it has not received.

        When the wait is cancelled or takes too long, the message stays with those that the app will receive. The
        errors are those of `AsyncWebSocketSession.send_text`.
        """
        self.home.check()
        self.check_writable()

        def leave() -> None:
            if not self.end_heard:
                self.put(message)

        await in_turn(leave)
        if self.end_heard:
            await self.raise_end()
        if self._unread <= READ_BUFFER:
            return
        if not await self.room(self._write_timeout):
            raise self._too_long(Trouble.WRITE_TIMEOUT, self.far_behind(self._write_timeout))
        if self._unread > READ_BUFFER:  # there is room in it no more
            await self.raise_end()

    async def room(self, timeout: float | None) -> bool:
        """Wait, at most `timeout` seconds, until the app is not too far behind, or has ended. Return whether it is."""
        deadline = Deadline(timeout)
        while self._unread > READ_BUFFER and not self.ended:
            if not await self.for_client.wait(deadline.left()):
                return self._unread <= READ_BUFFER or self.ended
        return True

    def far_behind(self, seconds: float | None) -> str:
        """Say, for an error, that the app does not receive what is sent to it."""
        return (
            f"{self.name}: {seconds} seconds passed (timeout=, write) while waiting for the application to receive "
            f"what was sent to it; it is {self.where()}"
        )

    async def wait_for_message(self, timeout: float | None, waited: float = 0.0) -> None:
        """Wait until there is a message to take, at most `timeout` seconds, of which some have passed already.

        A wait that is cancelled, or in vain, loses nothing. The errors are those of `AsyncWebSocketSession.receive`.
        """
        self.home.check()
        await checkpoint()
        if not (self._outgoing or await self.comes(Deadline(timeout, waited))):
            raise self._timeout_error(timeout, "waiting for websocket.send")

    async def comes(self, deadline: Deadline, after: int = -1) -> bool:
        """Wait for a message that nobody has looked at, or has and left, with a number above `after`: is one here?"""
        while not (self._outgoing or (self.arrivals and self.arrivals.after(after))):
            if self.ended:
                await self.raise_end()
            if not await self.for_client.wait(deadline.left()):
                return bool(self._outgoing or (self.arrivals and self.arrivals.after(after)))
        return True

    @property
    def messages_wait(self) -> bool:
        """Whether there is a message to take."""
        return bool(self._outgoing)

    @property
    def not_taken(self) -> list[str | bytes]:
        """The messages that the test has not received."""
        return [*self.arrivals, *self._outgoing] if self.state.accepted else []

    @property
    def ended(self) -> bool:
        """Whether there is nothing to come beyond the messages that wait."""
        return self.state.closed or self._task.done or self._gone or self.closed or self.broken

    def peek(self) -> str | bytes:
        """Return the next message that nobody has looked at, and leave it."""
        return self._outgoing[0]

    def take(self) -> str | bytes:
        """Return the next message."""
        data = self._outgoing.popleft()
        held_back = self._buffered > self._limit
        self._buffered -= len(data) + MESSAGE_OVERHEAD
        if held_back:
            self._for_app.fire()
        return data

    def take_all(self) -> list[str | bytes]:
        """Return all messages that are here."""
        return [self.take() for _ in range(len(self._outgoing))]

    def disconnect(self, code: int | None, reason: str = "") -> None:
        """Close the connection from the client's side; None as the code: it is lost. The first close counts.

        A close comes after the messages before it: an app that has not received them all may answer them still.
        """
        self._hung_up = True
        if self._departure is not None or self.state.closed or self.closed:
            return
        if self._task.done:  # and nobody is left to be told
            self._disconnected = True
            return
        if code is None:
            self._departure = {"type": "websocket.disconnect", "code": NO_CODE}
        else:
            self._departure = {"type": "websocket.disconnect", "code": code, "reason": reason}
            self._catching_up = bool(self._incoming)
        self._disconnected = True
        self._for_app.fire()
        self.for_client.fire()

    def lose(self, error: Exception, by: str) -> None:
        """Lose the connection, as a fault wants it. What the app has not received, it does not receive."""
        self._cut_off_by = by
        self._incoming.clear()
        self.disconnect(None)
        self._hung_up = False
        super().lose(error, by)

    async def _break_off(self, reason: BaseException | None) -> None:
        self.disconnect(None)  # unless that said more before
        await self.part(reason)

    async def raise_end(self) -> NoReturn:
        """Raise how the connection has ended; see `wait_for_message`."""
        self.end_heard = True
        if self._departure is not None:
            who = "the test closed" if "reason" in self._departure else f"{self._cut_off_by} cut off"
            raise self._disconnected_by(who, self.close_code, self.close_reason)
        if self.state.closed:
            raise self._disconnected_by("the application closed", self.state.close_code, self.state.close_reason)
        if self.closed:
            raise self.closed_while("using the connection")
        if not self._task.done:  # its illegal message was refused, which will end it, most likely
            await self._task.wait(self.options.disconnect_grace)
        failure = self._tell_failure()
        if failure is not None:
            raise failure
        raise self._disconnected_by("the application broke off", self._code_of_the_end, "")

    def _tell_failure(self) -> BaseException | None:
        """Return what the app did wrong, for the client to raise. It need not be raised again at the end."""
        self._reported = self._task.done
        self._raised = self._blame()
        return self._raised

    def closed_while(self, doing: str) -> Exception:
        """Return the error of a client that was closed meanwhile."""
        return self._make_error(Trouble.CLIENT_CLOSED, f"{self.name}: the client was closed while it was {doing}")

    def _disconnected_by(self, who: str, code: int | None, reason: str | None) -> WebSocketDisconnect:
        return self.disconnect_class(code or ABNORMAL, reason, text=f"{self.name}: {who} the connection")

    def _failure(self) -> BaseException | None:
        failure = super()._failure()
        return None if failure is self._raised else failure  # an app whose message was refused may fail otherwise still

    def _omission(self) -> str:
        state = self.state
        if state.over:
            return ""
        if state.accepted:
            return f"{State.OPEN.value}. Is websocket.close missing, or does a loop over messages end too early?"
        check = "Does every branch of this path accept or close?" if state.state is State.CONNECTING else ""
        return f"{state.state.value}. {check}"
