"""What an app may send in an HTTP exchange. Tables and checks; no I/O.

Rule 1: everything that decides whether a message is legal lives in this file. By default it refuses what every real
server refuses (measured: uvicorn, hypercorn, granian, daphne) and lets pass what they let pass. ``strict`` refuses what
the ASGI HTTP spec forbids as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from .._types import Message
from .extensions import DEBUG, EARLY_HINT, HTTP, PATHSEND, PUSH, TRAILERS, ZEROCOPYSEND, FileBody
from .fields import (
    REMEMBERED,
    Automaton,
    Contradiction,
    Illegal,
    Quick,
    header,
    headers_of,
    not_pairs,
    octets,
    stranger,
)


class State(Quick):
    """Where the response is. The values read as English after "while"."""

    AWAITING_START = "waiting for http.response.start"
    SENDING_BODY = "waiting for http.response.body"
    SENDING_BODY_BEFORE_TRAILERS = "waiting for http.response.body, with trailers to follow"
    AWAITING_TRAILERS = "waiting for http.response.trailers"
    COMPLETE = "the response was already complete"
    FAILED = "refusing everything after its first illegal message"


class Event(Quick):
    """What a message means for the state."""

    START = "http.response.start"
    START_WITH_TRAILERS = "http.response.start with trailers"
    BODY = "http.response.body with more_body"
    LAST_BODY = "http.response.body"
    TRAILERS = "http.response.trailers with more_trailers"
    LAST_TRAILERS = "http.response.trailers"
    DEBUG = "http.response.debug"
    EARLY_HINT = "http.response.early_hint"
    PUSH = "http.response.push"
    PATHSEND = "http.response.pathsend"
    ZEROCOPYSEND = "http.response.zerocopysend with more_body"
    LAST_ZEROCOPYSEND = "http.response.zerocopysend"


# The spec has early hints after the start, where no client takes them any more (RFC 8297 section 2), and pushes not
# before it. Frameworks send both before, servers take either.
TRANSITIONS: dict[State, dict[Event, State]] = {
    State.AWAITING_START: {
        Event.START: State.SENDING_BODY,
        Event.START_WITH_TRAILERS: State.SENDING_BODY_BEFORE_TRAILERS,
        Event.DEBUG: State.AWAITING_START,
        Event.EARLY_HINT: State.AWAITING_START,
        Event.PUSH: State.AWAITING_START,
    },
    State.SENDING_BODY: {
        Event.BODY: State.SENDING_BODY,
        Event.LAST_BODY: State.COMPLETE,
        Event.DEBUG: State.SENDING_BODY,
        Event.EARLY_HINT: State.SENDING_BODY,
        Event.PUSH: State.SENDING_BODY,
        Event.PATHSEND: State.COMPLETE,
        Event.ZEROCOPYSEND: State.SENDING_BODY,
        Event.LAST_ZEROCOPYSEND: State.COMPLETE,
    },
    State.SENDING_BODY_BEFORE_TRAILERS: {
        Event.BODY: State.SENDING_BODY_BEFORE_TRAILERS,
        Event.LAST_BODY: State.AWAITING_TRAILERS,
        Event.DEBUG: State.SENDING_BODY_BEFORE_TRAILERS,
        Event.EARLY_HINT: State.SENDING_BODY_BEFORE_TRAILERS,
        Event.PUSH: State.SENDING_BODY_BEFORE_TRAILERS,
        Event.PATHSEND: State.AWAITING_TRAILERS,
        Event.ZEROCOPYSEND: State.SENDING_BODY_BEFORE_TRAILERS,
        Event.LAST_ZEROCOPYSEND: State.AWAITING_TRAILERS,
    },
    State.AWAITING_TRAILERS: {
        Event.TRAILERS: State.AWAITING_TRAILERS,
        Event.LAST_TRAILERS: State.COMPLETE,
        Event.DEBUG: State.AWAITING_TRAILERS,
    },
    # The spec says that messages after the end are ignored. Servers raise, so an app that sends them breaks in
    # production.
    State.COMPLETE: {},
    State.FAILED: {},
}

_BODIES = (Event.BODY, Event.LAST_BODY, Event.PATHSEND, Event.ZEROCOPYSEND, Event.LAST_ZEROCOPYSEND)
_TRAILERS = (Event.TRAILERS, Event.LAST_TRAILERS)
_MISTAKES: list[tuple[State, tuple[Event, ...], str]] = [
    (State.AWAITING_START, _BODIES, "Send http.response.start, with the status and the headers, first."),
    (State.AWAITING_START, _TRAILERS, "Send http.response.start, with trailers=True, first."),
    (State.SENDING_BODY, (Event.START,), "Does an error handler start a second response after the first had begun?"),
    (State.SENDING_BODY, _TRAILERS, "Announce them: http.response.start with trailers=True."),
    (State.SENDING_BODY_BEFORE_TRAILERS, _TRAILERS, "They follow the body, whose last part has no more_body=True."),
    (State.AWAITING_TRAILERS, _BODIES, "Was the body before it sent without more_body=True?"),
    (State.COMPLETE, _TRAILERS, "Were they announced, and were those before them sent with more_trailers=True?"),
    (State.COMPLETE, (Event.START,), "Does a branch of the app go on after it has responded? Is a `return` missing?"),
    (State.COMPLETE, _BODIES, "Was the body before it sent without more_body=True?"),
    (State.COMPLETE, (Event.EARLY_HINT, Event.PUSH), "It is for what the client has yet to get: send it earlier."),
]

#: What a mistake usually is.
HINTS: dict[tuple[State, Event], str] = {(state, event): hint for state, events, hint in _MISTAKES for event in events}

#: Messages that people send here by mistake, and why they are wrong.
STRANGERS: dict[str, str] = {
    **{
        name: f"The {name} extension is not offered in scope['extensions']. Does the app look there before it uses it?"
        for name in HTTP
    },
    "http.request": "That is a message to the app; http.response.start and http.response.body go the other way.",
    "http.disconnect": "That is a message to the app; http.response.start and http.response.body go the other way.",
    "websocket.accept": "The scope is an HTTP one: look at scope['type'] before you answer.",
    "websocket.close": "The scope is an HTTP one: look at scope['type'] before you answer.",
    "lifespan.startup.complete": "The scope is an HTTP one: look at scope['type'] before you answer.",
}

#: RFC 9110 section 6.5.1: what has to be known before the body cannot come after it.
_NOT_IN_TRAILERS = frozenset({b"content-encoding", b"content-length", b"content-type", b"host", b"transfer-encoding"})

_LENGTH = re.compile(rb"[0-9]{1,20}")

_CHUNKED = -1


class HTTPResponseState(Automaton[bytes]):
    """The state machine of one response. `handle` returns parts of the body; the rest is kept in attributes.

    Attributes:
        state: Where the response is.
        over: Whether the app has sent all: the last part of the body, and of the trailers that it announced. An
            illegal message after it changes nothing of that.
        status: The status code, once started; 0 before.
        headers: Names and values as sent, in order, once started.
        size: How many bytes these have, or more.
        interim: The informational status that an app sent as that of its response.
        tail: What an app sent that ended its body too early: servers write it before they refuse.
        file: What the last message wants sent of a file. It is nothing yet: the parts of the body that it stands for
            are to be handled next.
        trailers: Names and values of the trailers, in order, a list that grows; None if the app announced none.
        extensions: What the extensions that are offered brought to the client, by name: the trailers, if announced; all
            early hints, and paths and headers of all pushes, in lists that grow; the last ``info`` for debugging.
    """

    transitions: ClassVar[Mapping[State, Mapping[Event, State]]] = TRANSITIONS
    hints: ClassVar[Mapping[tuple[State, Event], str]] = HINTS
    state: State = State.AWAITING_START
    over: bool = False
    status: int = 0
    headers: list[tuple[bytes, bytes]]
    size: int = 0
    interim: int = 0
    tail: bytes = b""
    file: FileBody | None = None
    trailers: list[tuple[bytes, bytes]] | None = None

    #: The lowest and the highest status of a response.
    statuses: ClassVar[tuple[int, int]] = (200, 999)

    #: Statuses whose responses have no body (RFC 9110 section 6.4.1); no response to HEAD has.
    bodyless: ClassVar[frozenset[int]] = frozenset({204, 304})

    _begun = False  # whether there was a part of the body
    _bodyless = False
    _left: int | None = None  # bytes that content-length still promises; None: it promises nothing

    def __init__(self, *, method: str, offered: Container[str] = (), strict: bool = False) -> None:
        self._method = method
        self._offered = offered
        self._strict = strict
        self.extensions: dict[str, Any] = {name: [] for name in (EARLY_HINT, PUSH) if name in offered}

    @property
    def delivered(self) -> bool:
        """Whether the client can expect no more: the end was sent, or the length, method or status says so."""
        if self.over or not self.status:
            return self.over
        return self._bodyless or (self._left == 0 and self.trailers is None)

    def _take(self, kind: Any, message: Message) -> bytes:
        if kind == "http.response.body":
            return self._body(message)
        if kind == "http.response.start":
            self._start(message)
        elif isinstance(kind, str) and kind in self._handlers and kind in self._offered:
            self._handlers[kind](self, message)
        else:
            raise stranger(kind, STRANGERS)
        return b""

    def _start(self, message: Message) -> None:
        announced = message.get("trailers", False) if TRAILERS in self._offered else False
        self._step(Event.START_WITH_TRAILERS if announced else Event.START)
        if self._strict and not isinstance(announced, bool):
            raise Illegal(f"sent http.response.start with trailers={announced!r}", "trailers is a bool.")
        status = message.get("status")
        if type(status) is not int or not 200 <= status <= 599:
            status = self._status(message)
        headers = message.get("headers", ())
        try:
            self.headers, length = self._headers(headers)
        except (TypeError, ValueError):
            raise not_pairs(headers) from None
        self._bodyless = status in self.bodyless or self._method == "HEAD"
        self._left = None if self._bodyless else length
        if announced:
            self.trailers = self.extensions[TRAILERS] = []
        self.status = status

    def _status(self, message: Message) -> int:
        status = message.get("status")
        if isinstance(status, float) and status.is_integer() and not self._strict:  # servers let 200.0 pass
            status = int(status)
        if not isinstance(status, int):
            sent = f"status={status!r}" if "status" in message else "no status"
            raise Illegal(f"sent http.response.start with {sent}", "The status is an int.")
        lowest, highest = self.statuses
        if not lowest <= status <= (min(599, highest) if self._strict else highest):
            self.interim = status if 100 <= status < lowest else 0
            hint = "A final response has three digits and starts at 200; informational ones are an extension."
            raise Illegal(f"sent http.response.start with status={status!r}", hint)
        return int(status)

    def _headers(self, headers: Iterable[tuple[Any, Any]]) -> tuple[list[tuple[bytes, bytes]], int | None]:
        """Return the headers as a client gets to see them, and the length that they promise."""
        checked = []
        size = 0
        for name, value in headers:
            name = name if type(name) is bytes else octets(name, "header name")  # noqa: PLW2901
            value = value if type(value) is bytes else octets(value, "header value")  # noqa: PLW2901
            here = len(name) + len(value)
            size += here
            checked.append((_header if here <= REMEMBERED else _header.__wrapped__)(name, value, self._strict))
        self.size = size
        return _framed(checked)

    def _body(self, message: Message) -> bytes:
        more_body = message.get("more_body", False)
        self._step(Event.BODY if more_body else Event.LAST_BODY)
        body = message.get("body", b"")
        if not self._strict:
            body = body or b""  # None, say: uvicorn lets pass whatever is false
        elif not isinstance(more_body, bool):
            raise Illegal(f"sent http.response.body with more_body={more_body!r}", "more_body is a bool.")
        chunk = body if type(body) is bytes else octets(body, "body")
        if self._bodyless:
            if self._strict and chunk:
                raise Illegal(f"sent a body with a response that has none ({self._method}, {self.status})", "")
            chunk = b""
        elif self._left is not None:
            self._left = _left(self._left, len(chunk))
            if self._left and not more_body:
                self.tail = chunk
                short = f"ended a body shorter than its content-length, by {self._left} bytes"
                raise Contradiction(short, "Was the body changed (compressed, say) after the header was set?")
        self._begun = True
        self.over = self.state is State.COMPLETE
        return chunk

    def _trailers(self, message: Message) -> None:
        more_trailers = message.get("more_trailers", False)
        self._step(Event.TRAILERS if more_trailers else Event.LAST_TRAILERS)
        if self._strict and not isinstance(more_trailers, bool):
            raise Illegal(f"sent {TRAILERS} with more_trailers={more_trailers!r}", "more_trailers is a bool.")
        checked = headers_of(message, strict=self._strict)
        misplaced = [name for name, _ in checked if self._strict and name in _NOT_IN_TRAILERS]
        if misplaced:
            raise Illegal(f"sent {misplaced[0]!r} in its trailers", "It belongs before the body (RFC 9110 6.5.1).")
        assert self.trailers is not None  # it has announced them
        self.trailers.extend(checked)
        self.over = not more_trailers

    def _debug(self, message: Message) -> None:
        self._step(Event.DEBUG)
        info = message.get("info")
        if self._strict and (self.status or DEBUG in self.extensions):
            raise Illegal(f"sent {DEBUG} a second time or after http.response.start", "It comes once, and first.")
        if self._strict and not isinstance(info, dict):
            raise Illegal(f"sent {DEBUG} with info={info!r}", "info is a dict.")
        self.extensions[DEBUG] = info

    def _early_hint(self, message: Message) -> None:
        self._step(Event.EARLY_HINT)
        links: Any = message.get("links")
        try:
            checked = [header(b"link", link, strict=self._strict)[1] for link in links]
        except TypeError:
            raise Illegal(f"sent {EARLY_HINT} with links={links!r}", "Links are an iterable of bytes.") from None
        self.extensions[EARLY_HINT].extend(checked)

    def _push(self, message: Message) -> None:
        self._step(Event.PUSH)
        path = message.get("path")
        if not (isinstance(path, str) and path.startswith("/")):
            raise Illegal(f"sent {PUSH} with path={path!r}", "The path is a str that begins with a slash.")
        self.extensions[PUSH].append((path, headers_of(message, strict=self._strict)))

    def _pathsend(self, message: Message) -> None:
        self._look_ahead(Event.PATHSEND)
        path = message.get("path")
        if not (isinstance(path, str) and Path(path).is_absolute()):
            raise Illegal(f"sent {PATHSEND} with path={path!r}", "The path is a str, and absolute.")
        if self._begun:
            raise Illegal(f"sent {PATHSEND} after a part of the body", "The file is all of the body.")
        self._leave_to(FileBody(path, 0, None, more_body=False))

    def _zerocopysend(self, message: Message) -> None:
        file: Any = message.get("file")
        more_body = message.get("more_body", False)
        self._look_ahead(Event.ZEROCOPYSEND if more_body else Event.LAST_ZEROCOPYSEND)
        offset, count = message.get("offset"), message.get("count")
        for name, number in (("offset", offset), ("count", count)):
            if not (number is None or (isinstance(number, int) and number >= 0)):
                raise Illegal(f"sent {ZEROCOPYSEND} with {name}={number!r}", "It is a number of bytes, 0 or more.")
        try:
            os.fstat(file if type(file) is int else file.fileno())
        except (AttributeError, TypeError, ValueError, OSError):
            hint = "It is a file that is open, and that the operating system knows: no BytesIO."
            raise Illegal(f"sent {ZEROCOPYSEND} with file={file!r}", hint) from None
        self._leave_to(FileBody(file, offset, count, more_body))

    def _look_ahead(self, event: Event) -> None:
        """Check that `event` is legal. The parts of the body that it stands for make the step."""
        before = self.state
        self._step(event)
        self.state = before

    def _leave_to(self, file: FileBody) -> None:
        # Where there is no body, nothing is read; strictly, one byte, which is refused.
        self.file = replace(file, count=int(self._strict and file.count != 0)) if self._bodyless else file

    _handlers: ClassVar[dict[str, Callable[[HTTPResponseState, Message], None]]] = {
        DEBUG: _debug,
        EARLY_HINT: _early_hint,
        PATHSEND: _pathsend,
        PUSH: _push,
        TRAILERS: _trailers,
        ZEROCOPYSEND: _zerocopysend,
    }


@lru_cache(maxsize=1024)  # an app sends much the same headers again and again
def _header(name: bytes, value: bytes, strict: bool) -> tuple[bytes, bytes, int | None]:  # noqa: FBT001 - faster so
    """Return its name, its value, and how it frames the body: its length, -1 for in chunks, None for not."""
    name, value = header(name, value, strict=strict)
    framing = _framing(name.lower(), value)
    if framing is not None and b"," in value:  # a list of equal lengths: a client gets to see one
        value = value.partition(b",")[0].strip()
    return name, value, framing


def _framing(name: bytes, value: bytes) -> int | None:
    if name == b"content-length":
        length, *more = {part.strip() for part in value.split(b",")}
        if more or not _LENGTH.fullmatch(length):
            raise Illegal(f"sent content-length: {value!r}", "It is one decimal number (RFC 9110 8.6).")
        return int(length)
    if name == b"transfer-encoding":
        if value.lower() != b"chunked":
            raise Illegal(f"sent transfer-encoding: {value!r}", "The server frames the body; leave it out.")
        return _CHUNKED
    return None


def _framed(headers: list[tuple[bytes, bytes, int | None]]) -> tuple[list[tuple[bytes, bytes]], int | None]:
    """Return the headers as a client gets to see them, and the length that they promise."""
    framings = [framing for _, _, framing in headers if framing is not None]
    if _CHUNKED in framings:  # it overrides, and removes, content-length (RFC 9112 sections 6.3 and 6.1)
        return [(name, value) for name, value, framing in headers if framing in {None, _CHUNKED}], None
    if len(framings) > 1:
        if len(set(framings)) > 1:
            raise Illegal(f"sent content-length with {framings}", "It is one decimal number (RFC 9110 8.6).")
        where = [framing is not None for _, _, framing in headers].index(True)
        headers = [header for index, header in enumerate(headers) if header[2] is None or index == where]
    return [(name, value) for name, value, _ in headers], framings[0] if framings else None


def _left(left: int, length: int) -> int:
    if length > left:
        hint = "Was the body changed (compressed, say) after the header was set? Is the length counted in characters?"
        raise Contradiction(f"sent a body longer than its content-length, by {length - left} bytes or more", hint)
    return left - length
