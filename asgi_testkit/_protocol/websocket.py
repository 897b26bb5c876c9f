"""What an app may send on a WebSocket connection. Tables and checks; no I/O.

Rule 1: everything that decides whether a message is legal lives in this file. As with HTTP, the default refuses what
servers refuse and lets pass what they let pass; ``strict`` refuses what the ASGI WebSocket spec forbids as well.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, ClassVar

from .._errors import ASGIProtocolError
from .._types import Message
from .extensions import DENIAL
from .fields import Automaton, Illegal, Quick, headers_of, stranger
from .http import HTTPResponseState


class State(Quick):
    """Where the connection is. The values read as English after "while"."""

    CONNECTING = "waiting for websocket.accept"
    OPEN = "the connection was open"
    DENYING = "waiting for websocket.http.response.body"
    DENIED = "the denial response was already complete"
    REJECTED = "the handshake was already rejected"
    CLOSED = "the connection was already closed"
    FAILED = "refusing everything after its first illegal message"


class Event(Quick):
    """What a message means for the state."""

    ACCEPT = "websocket.accept"
    SEND = "websocket.send"
    CLOSE = "websocket.close"
    DENIAL_START = "websocket.http.response.start"
    DENIAL_BODY = "websocket.http.response.body with more_body"
    LAST_DENIAL_BODY = "websocket.http.response.body"


TRANSITIONS: dict[State, dict[Event, State]] = {
    State.CONNECTING: {
        Event.ACCEPT: State.OPEN,
        Event.CLOSE: State.REJECTED,
        Event.DENIAL_START: State.DENYING,
    },
    State.OPEN: {
        Event.SEND: State.OPEN,
        Event.CLOSE: State.CLOSED,
    },
    State.DENYING: {
        Event.DENIAL_BODY: State.DENYING,
        Event.LAST_DENIAL_BODY: State.DENIED,
    },
    State.DENIED: {},
    State.REJECTED: {},
    State.CLOSED: {},
    State.FAILED: {},
}

_ACCEPTED = "Is the connection accepted by a middleware or a dependency, and by the endpoint again?"
_REJECTED = "websocket.close before websocket.accept rejects the handshake. Is a `return` missing?"

#: What the mistake usually is.
HINTS: dict[tuple[State, Event], str] = {
    (State.CONNECTING, Event.SEND): "Send websocket.accept first.",
    (State.CONNECTING, Event.DENIAL_BODY): "Send websocket.http.response.start, with status and headers, first.",
    (State.CONNECTING, Event.LAST_DENIAL_BODY): "Send websocket.http.response.start, with status and headers, first.",
    (State.OPEN, Event.ACCEPT): _ACCEPTED,
    (State.OPEN, Event.DENIAL_START): "A denial response comes in place of websocket.accept, not after it.",
    (State.DENYING, Event.DENIAL_START): "Does an error handler start a second response after the first had begun?",
    (State.DENYING, Event.SEND): "A connection that is denied has no messages. Is a `return` missing?",
    (State.DENYING, Event.ACCEPT): "A connection that is denied cannot be accepted. Is a `return` missing?",
    (State.DENYING, Event.CLOSE): "The denial response ends with websocket.http.response.body, and nothing follows it.",
    (State.DENIED, Event.CLOSE): "The denial response ends with websocket.http.response.body, and nothing follows it.",
    (State.REJECTED, Event.ACCEPT): _REJECTED,
    (State.REJECTED, Event.SEND): _REJECTED,
    (State.CLOSED, Event.SEND): "Does another task of the app go on sending? Is a `return` missing?",
    (State.CLOSED, Event.CLOSE): "Does the app close the connection in a handler, and again when it leaves it?",
}

#: Messages that people send here by mistake, and why they are wrong.
STRANGERS: dict[str, str] = {
    "websocket.connect": "That is a message to the app; websocket.accept answers it.",
    "websocket.receive": "That is a message to the app; websocket.send goes the other way.",
    "websocket.disconnect": "That is a message to the app; websocket.close goes the other way.",
    "websocket.http.response.start": "The extension websocket.http.response is not offered in scope['extensions'].",
    "websocket.http.response.body": "The extension websocket.http.response is not offered in scope['extensions'].",
    "http.response.start": "The scope is a WebSocket one. Its denial response is of type websocket.http.response.",
    "http.response.body": "The scope is a WebSocket one. Its denial response is of type websocket.http.response.",
    "lifespan.startup.complete": "The scope is a WebSocket one: look at scope['type'] before you answer.",
}

_DENIAL_START, _DENIAL_BODY = f"{DENIAL}.start", f"{DENIAL}.body"

#: What stands for a close frame without a code (RFC 6455 section 7.1.5).
NO_CODE = 1005

#: What stands for a connection that was lost without a close frame, or never established (RFC 6455 section 7.1.5).
ABNORMAL = 1006

#: RFC 6455 section 5.5: a control frame holds 125 bytes, two of which are the code.
MAX_REASON = 123


def is_close_code(code: object) -> bool:
    """Whether an endpoint may send `code` in a close frame (RFC 6455 section 7.4, and IANA's registry for 1012-1014).

    1004 is reserved; 1005, 1006 and 1015 say that no code came, and are never sent.
    """
    if not isinstance(code, int) or isinstance(code, bool):
        return False
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


class WebSocketState(Automaton[str | bytes | None]):
    """The state machine of one connection. `handle` returns data for the client; the rest is kept in attributes.

    Attributes:
        state: Where the connection is.
        accepted: Whether it was established, whatever has become of it.
        rejected: Whether it was closed before it was established.
        closed: Whether it was closed after that.
        subprotocol: The one that the app chose, once accepted.
        headers: Names and values that the app sent with ``websocket.accept``, in order.
        close_code: What the app closed or rejected with; in a rejection, whatever that was.
        close_reason: The same.
        denial: The response of an app that denies the connection.
    """

    transitions: ClassVar[Mapping[State, Mapping[Event, State]]] = TRANSITIONS
    hints: ClassVar[Mapping[tuple[State, Event], str]] = HINTS
    state: State = State.CONNECTING
    accepted: bool = False
    rejected: bool = False
    closed: bool = False
    subprotocol: str | None = None
    headers: Sequence[tuple[bytes, bytes]] = ()
    close_code: int = 1000
    close_reason: str = ""

    def __init__(
        self, *, subprotocols: Container[str] = (), offered: Container[str] = (), strict: bool = False
    ) -> None:
        self.denial: HTTPResponseState = HTTPResponseState(method="GET", strict=strict)
        self._subprotocols = subprotocols
        self._denial_offered = DENIAL in offered
        self._strict = strict

    @property
    def answered(self) -> bool:
        """Whether the app has answered the handshake; with a denial, whether that has started."""
        return self.accepted or self.rejected or self.denial.status > 0

    @property
    def delivered(self) -> bool:
        """Whether the client can expect no more: the app has said its last, or its denial has all of its length."""
        return self.over or self.denial.delivered

    @property
    def over(self) -> bool:
        """Whether the app has said its last: it has closed, rejected or, completely, denied the connection."""
        return self.closed or self.rejected or self.denial.over

    def _take(self, kind: Any, message: Message) -> str | bytes | None:
        if kind == "websocket.send":
            self._step(Event.SEND)
            return self._data(message)
        if kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.close":
            self._close(message)
        elif self._denial_offered and kind == _DENIAL_START:
            return self._deny(Event.DENIAL_START, "http.response.start", message)
        elif self._denial_offered and kind == _DENIAL_BODY:
            event = Event.DENIAL_BODY if message.get("more_body", False) else Event.LAST_DENIAL_BODY
            return self._deny(event, "http.response.body", message)
        else:
            raise stranger(kind, STRANGERS)
        return None

    def _accept(self, message: Message) -> None:
        self._step(Event.ACCEPT)
        subprotocol = message.get("subprotocol")
        if subprotocol is not None and subprotocol not in self._subprotocols:
            hint = "Choose one of scope['subprotocols'], or none."
            raise Illegal(f"accepted with the subprotocol {subprotocol!r}, which the client did not offer", hint)
        checked = headers_of(message, strict=self._strict)
        if self._strict and any(name == b"sec-websocket-protocol" for name, _ in checked):
            raise Illegal("sent sec-websocket-protocol as a header", "Put it into 'subprotocol' of websocket.accept.")
        self.headers = checked
        self.subprotocol = subprotocol
        self.accepted = True

    def _data(self, message: Message) -> str | bytes:
        text, data = message.get("text"), message.get("bytes")
        if data is not None:
            if text is not None and self._strict:
                raise Illegal("sent websocket.send with both 'text' and 'bytes'", "A message is the one or the other.")
            if not isinstance(data, bytes | bytearray | memoryview):
                raise Illegal(f"sent websocket.send with bytes={data!r}", "'bytes' is bytes; put a str into 'text'.")
            return bytes(data)
        if text is None:
            raise Illegal("sent websocket.send with neither 'text' nor 'bytes'", "Is it sent under another key?")
        if not isinstance(text, str):
            raise Illegal(f"sent websocket.send with text={text!r}", "'text' is a str; put bytes into 'bytes'.")
        if not text.isascii():
            _encoded(text, "text")
        return text

    def _close(self, message: Message) -> None:
        rejecting = self.state is State.CONNECTING
        self._step(Event.CLOSE)
        code, reason = message.get("code", 1000), message.get("reason")
        if not rejecting or self._strict:  # a rejection is a 403: no server looks at what comes with it
            self._check_close(code, reason)
        self.close_code = NO_CODE if code is None else code
        self.close_reason = "" if reason is None else reason
        self.rejected, self.closed = rejecting, not rejecting

    def _check_close(self, code: object, reason: object) -> None:
        if not (is_close_code(code) or (code is None and not self._strict)):
            hint = "Codes are 1000 to 1003, 1007 to 1014 and 3000 to 4999 (RFC 6455 7.4)."
            raise Illegal(f"sent websocket.close with code={code!r}", hint)
        if not isinstance(reason, str | None):
            raise Illegal(f"sent websocket.close with reason={reason!r}", "The reason is a str.")
        if reason and (length := len(_encoded(reason, "reason"))) > MAX_REASON:
            hint = f"A close frame holds {MAX_REASON} bytes of it, in UTF-8 (RFC 6455 5.5)."
            raise Illegal(f"sent websocket.close with a reason of {length} bytes", hint)

    def _deny(self, event: Event, kind: str, message: Message) -> bytes | None:
        self._step(event)
        try:
            return self.denial.handle({**message, "type": kind}) or None
        except ASGIProtocolError as error:
            text = str(error).removeprefix("application ")
            raise ASGIProtocolError(f"application answered the handshake with a response, and {text}") from None


def _encoded(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Illegal(
            f"sent a {what} that UTF-8 cannot encode: {error}", "Is it decoded with surrogateescape?"
        ) from None
