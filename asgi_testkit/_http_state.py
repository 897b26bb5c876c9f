"""What an app may send in an HTTP exchange. Tables and checks; no I/O.

Rule 1: everything that decides whether a message is legal lives in this file. By default it refuses what every real server
refuses (measured: uvicorn, hypercorn, granian, daphne) and lets pass what they let pass. ``strict`` refuses what the
ASGI HTTP spec forbids as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Any, NoReturn

from ._errors import ASGIProtocolError
from ._types import Message


class State(Enum):
    """Where the response is. The values read as English after "while"."""

    AWAITING_START = "waiting for http.response.start"
    SENDING_BODY = "waiting for http.response.body"
    COMPLETE = "the response was already complete"
    FAILED = "refusing everything after its first illegal message"


class Event(Enum):
    """What a message means for the state."""

    START = "http.response.start"
    BODY = "http.response.body with more_body"
    LAST_BODY = "http.response.body"
    DEBUG = "http.response.debug"


TRANSITIONS: dict[State, dict[Event, State]] = {
    State.AWAITING_START: {
        Event.START: State.SENDING_BODY,
        Event.DEBUG: State.AWAITING_START,
    },
    State.SENDING_BODY: {
        Event.BODY: State.SENDING_BODY,
        Event.LAST_BODY: State.COMPLETE,
        Event.DEBUG: State.SENDING_BODY,
    },
    # The spec says that messages after the end are ignored. Servers raise, so an app that sends them breaks in production.
    State.COMPLETE: {},
    State.FAILED: {},
}

#: What the mistake usually is.
HINTS: dict[tuple[State, Event], str] = {
    (State.AWAITING_START, Event.BODY): "Send http.response.start, with the status and the headers, first.",
    (State.AWAITING_START, Event.LAST_BODY): "Send http.response.start, with the status and the headers, first.",
    (State.SENDING_BODY, Event.START): "Does an error handler start a second response after the first had begun?",
    (State.COMPLETE, Event.START): "Does a branch of the app go on after it has responded? Is a `return` missing?",
    (State.COMPLETE, Event.BODY): "Was the body before it sent without more_body=True?",
    (State.COMPLETE, Event.LAST_BODY): "Was the body before it sent without more_body=True?",
}

#: Messages that people send here by mistake, and why they are wrong.
STRANGERS: dict[str, str] = {
    "http.response.trailers": "The http.response.trailers extension is not offered in scope['extensions'].",
    "http.response.push": "The http.response.push extension is not offered in scope['extensions'].",
    "http.response.pathsend": "The http.response.pathsend extension is not offered in scope['extensions'].",
    "http.response.zerocopysend": "The http.response.zerocopysend extension is not offered in scope['extensions'].",
    "http.response.early_hint": "The http.response.early_hint extension is not offered in scope['extensions'].",
    "http.request": "That is a message to the app; http.response.start and http.response.body go the other way.",
    "http.disconnect": "That is a message to the app; http.response.start and http.response.body go the other way.",
    "websocket.accept": "The scope is an HTTP one: look at scope['type'] before you answer.",
    "websocket.close": "The scope is an HTTP one: look at scope['type'] before you answer.",
    "lifespan.startup.complete": "The scope is an HTTP one: look at scope['type'] before you answer.",
}

# RFC 9110 section 5.6.2 (token) and section 5.5 (field values). Some servers send the other control characters, too.
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_VALUE = re.compile(rb"[\x00\x0a-\x0d]")
_BAD_IN_STRICT_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BYTES = (bytes, bytearray, memoryview)
_BODYLESS = frozenset({204, 304})  # RFC 9110 section 6.4.1; so is every response to HEAD
_LENGTH = re.compile(rb"[0-9]{1,20}")


class HTTPResponseState:
    """The automaton of one response. Feed it the app's messages; it keeps what the client may see.

    Attributes:
        state: Where the response is.
        complete: Whether the app has sent the last part of the body. An illegal message after it changes nothing of that.
        status: The status code, once started; 0 before.
        headers: Names and values as sent, in order, once started.
        debug: The last ``info`` of an ``http.response.debug`` message.
    """

    __slots__ = (
        "_bodyless",
        "_left",
        "_method",
        "_offered",
        "_strict",
        "complete",
        "debug",
        "headers",
        "state",
        "status",
    )

    def __init__(self, *, method: str, offered: Iterable[str] = (), strict: bool = False) -> None:
        self.state = State.AWAITING_START
        self.complete = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.debug: Any = None
        self._method = method
        self._offered = offered
        self._strict = strict
        self._bodyless = False
        self._left: int | None = None  # bytes that content-length still promises; None: it promises nothing

    @property
    def delivered(self) -> bool:
        """Whether the client can expect no more: the end was sent, or the length, method or status says so."""
        return self.complete or (bool(self.status) and (self._bodyless or self._left == 0))

    def handle(self, message: Message) -> bytes:
        """Take a message of the app and return the part of the body that it brings to the client.

        What comes back is a copy: the app may reuse its buffers and lists.

        Raises:
            ASGIProtocolError: The message is illegal. So is every message after it.
        """
        try:
            kind = message["type"]
        except (TypeError, KeyError, IndexError):
            self._refuse(f"sent {message!r}, which is no ASGI message", "Messages are dicts with a 'type'.")
        if kind == "http.response.start":
            self._step(Event.START)
            self._start(message)
        elif kind == "http.response.body":
            more_body = message.get("more_body", False)
            self._step(Event.BODY if more_body else Event.LAST_BODY)
            chunk = self._body(message, more_body)
            self.complete = not more_body
            return chunk
        elif kind == "http.response.debug" and kind in self._offered:
            self._step(Event.DEBUG)
            self.debug = message.get("info")
        else:
            hint = STRANGERS.get(kind, "") if isinstance(kind, str) else "The type of a message is a string."
            self._refuse(f"sent a message of type {kind!r}, unknown here", hint)
        return b""

    def _step(self, event: Event) -> None:
        state = self.state
        try:
            self.state = TRANSITIONS[state][event]
        except KeyError:
            self._refuse(f"sent {event.value} while {state.value}", HINTS.get((state, event), ""))

    def _start(self, message: Message) -> None:
        if "status" not in message:
            self._refuse("sent http.response.start without a status")
        status = self._checked_status(message["status"])
        headers = message.get("headers", ())
        try:
            pairs = [(name, value) for name, value in headers]
        except (TypeError, ValueError):
            self._refuse(f"sent headers={headers!r}", "Headers are an iterable of [name, value] pairs of bytes.")
        self.headers = [(self._checked_name(name), self._checked_value(name, value)) for name, value in pairs]
        length = self._promised_length()
        self._bodyless = status in _BODYLESS or self._method == "HEAD"
        self._left = None if self._bodyless else length
        self.status = status

    def _body(self, message: Message, more_body: object) -> bytes:
        body = message.get("body", b"")
        if not self._strict:
            body = body or b""  # None, say: uvicorn lets pass whatever is false
        elif not isinstance(more_body, bool):
            self._refuse(f"sent http.response.body with more_body={more_body!r}", "more_body is a bool.")
        if not isinstance(body, _BYTES):
            hint = "Encode it: body is bytes." if isinstance(body, str) else "body is bytes."
            self._refuse(f"sent http.response.body with body={body!r}", hint)
        chunk = bytes(body)
        if self._bodyless:
            if self._strict and chunk:
                self._refuse(f"sent a body with a response that has none ({self._method}, status {self.status})")
            return b""
        if self._left is not None:
            self._count(len(chunk), more_body)
        return chunk

    def _count(self, length: int, more_body: object) -> None:
        left = self._left = (self._left or 0) - length
        if left < 0:
            self._left = left + length
            self._refuse(
                f"sent a body longer than its content-length, by {-left} bytes or more",
                "Was the body changed (compressed, say) after the header was set? Is the length counted in characters?",
            )
        if left and not more_body:
            self._refuse(
                f"ended a body shorter than its content-length, by {left} bytes",
                "Was the body changed (compressed, say) after the header was set?",
            )

    def _checked_status(self, status: Any) -> int:
        if isinstance(status, float) and status.is_integer() and not self._strict:  # servers let 200.0 pass
            status = int(status)
        if not isinstance(status, int):
            self._refuse(f"sent http.response.start with status={status!r}", "The status is an int.")
        if not 200 <= status <= (599 if self._strict else 999):
            hint = "A final response has three digits and starts at 200; informational ones are an extension."
            self._refuse(f"sent http.response.start with status={status!r}", hint)
        return int(status)

    def _checked_name(self, name: Any) -> bytes:
        if not isinstance(name, _BYTES):
            hint = "Encode it: header names are bytes." if isinstance(name, str) else "Header names are bytes."
            self._refuse(f"sent a header named {name!r}", hint)
        copy = bytes(name)
        if not _NAME.fullmatch(copy):
            self._refuse(f"sent a header named {name!r}", "Names are made of the characters that RFC 9110 5.6.2 allows.")
        if self._strict and copy != copy.lower():
            self._refuse(f"sent a header named {name!r}", "ASGI asks for lower-cased names.")
        return copy

    def _checked_value(self, name: Any, value: Any) -> bytes:
        if not isinstance(value, _BYTES):
            hint = "Encode it: header values are bytes." if isinstance(value, str) else "Header values are bytes."
            self._refuse(f"sent the header {name!r} with the value {value!r}", hint)
        copy = bytes(value)
        if (_BAD_IN_STRICT_VALUE if self._strict else _BAD_IN_VALUE).search(copy):
            hint = "A value has no control characters (RFC 9110 5.5). Is something unchecked put into a header?"
            self._refuse(f"sent the header {name!r} with the value {value!r}", hint)
        return copy.strip(b" \t")

    def _promised_length(self) -> int | None:
        lengths: set[bytes] = set()
        for name, value in self.headers:
            lowered = name.lower()
            if lowered == b"content-length":
                lengths.update(part.strip() for part in value.split(b","))
            elif lowered == b"transfer-encoding":
                if value.lower() != b"chunked":
                    self._refuse(f"sent transfer-encoding: {value!r}", "The server frames the body; leave it out.")
                return None  # RFC 9112 section 6.3: it overrides content-length
        if not lengths:
            return None
        if len(lengths) > 1 or not _LENGTH.fullmatch(*lengths):
            self._refuse(f"sent content-length with {sorted(lengths)}", "It is one decimal number (RFC 9110 8.6).")
        return int(*lengths)

    def _refuse(self, what: str, hint: str = "") -> NoReturn:
        self.state = State.FAILED
        text = f"application {what}. {hint}".rstrip()
        raise ASGIProtocolError(text)
