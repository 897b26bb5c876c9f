"""Recorder: keeps what the last conversations were, in copies and in bounds."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias
from weakref import ref

from .._conversation.conversation import Conversation
from .._conversation.departure import names_departure
from .._conversation.observer import Observed, Observer
from .._conversation.websocket import WebSocketConnection
from .._types import Message
from .secrets import Secrets

#: How many conversations are kept, the last ones; and of each how many messages, the first and the last ones.
CONVERSATIONS_KEPT = 50
FIRST_MESSAGES_KEPT = 20
LAST_MESSAGES_KEPT = 30

#: How many bytes, or characters, are kept of each body for a transcript.
BODY_KEPT = 2048

#: How many are kept of what each message carries for a HAR, which a browser may show.
WHOLE_BODY = 2**20

#: How many frames are shown of what an app has raised.
FRAMES_SHOWN = 3

#: How much is shown of a message that was not received.
SHOWN_OF_MESSAGE = 80

#: Where this package is.
_OURS = str(Path(__file__).parent.parent)

#: What is kept of a scope.
_OF_REQUEST = ("type", "method", "scheme", "server", "path", "raw_path", "query_string", "headers")
_of_request = itemgetter(*_OF_REQUEST)

#: What is kept of a message, besides its type and what it carries.
_KEPT = ("status", "code", "reason", "subprotocol", "message", "path", "more_body")
_DATA = ("body", "text", "bytes")
_COPIED = {"type", *_DATA, "headers", *_KEPT}

#: A message until it is told of: at, to_app, what is kept of it, and how long its data was.
Kept: TypeAlias = tuple[float, bool, Any, int]


@dataclass(slots=True)
class Event:
    """A message, as it was.

    Attributes:
        at: Seconds since the conversation began.
        to_app: Whether it went to the app.
        type: Of the message.
        details: What else there is to show of it, by key.
        headers: Those that it brought.
        data: The beginning of what it carried, text or bytes; None for nothing.
        size: How long that was.
    """

    at: float
    to_app: bool
    type: str
    details: dict[str, Any]
    headers: list[tuple[bytes, bytes]]
    data: str | bytes | None
    size: int


class Record:
    """One conversation. What is kept is made sense of when it is looked at: most are not.

    Attributes:
        conversation: That.
        kind: The type of its scope.
        began: When, in seconds since the epoch.
        clock: The same, by a clock that nobody sets.
        dropped: How many messages were, between the first and the last ones.
        outcome: What has become of the app: "running", "returned", "cancelled", or what it raised.
        raised_at: The last lines of the app's traceback.
        where: Where the app is suspended, if it ran when that was asked.
        not_received: What the app had sent when the client let go of a session, and nobody has received, shortened.
        told: What the client was told instead of an answer, a timeout for instance; "" for nothing.
        left: Whether the client has let go: of a response, by reading or closing it.
        left_by: What the client's block was left by; "" for nothing.
        lasted: Seconds until the app ended; None while it runs.
        faults: What stood between the app and the client; "" for nothing.
        number: It was the first, the second, ... of those that a recorder has kept since it last forgot them.
        cause: The conversation whose app has asked for it; None for none, or for one that nobody has kept.
    """

    dropped: int = 0
    outcome: str = "running"
    raised_at: Sequence[str] = ()
    where: str = ""
    not_received: Sequence[str] = ()
    told: str = ""
    left: bool = False
    left_by: str = ""
    lasted: float | None = None
    faults: str = ""
    number: int = 0
    cause: Record | None = None

    def __init__(self, conversation: Observed) -> None:
        """Begin with what is kept of a scope, whatever a test has put there."""
        scope = conversation.scope
        self.conversation: ref[Observed] = ref(conversation)
        try:
            kind, self._method, *self._url, headers = _of_request(scope)
        except Exception:  # one of a WebSocket or a lifespan has less, or it is not what it should be
            get = scope.get if isinstance(scope, dict) else {}.get
            kind, self._method, *self._url, headers = [get(key) for key in _OF_REQUEST]
        self.kind: str = kind if isinstance(kind, str) else "http"
        self._headers = headers.copy() if isinstance(headers, list) else headers
        self.began: float = time.time()
        self.clock: float = time.perf_counter()
        self._first: list[Kept] = []
        self._last: deque[Kept] = deque()

    @property
    def method(self) -> str:
        """That of the request, or of the handshake."""
        return str(self._method or "GET")

    @property
    def scheme(self) -> str:
        """That of its URL."""
        return str(self._url[0] or "http")

    @property
    def server(self) -> tuple[str, int | None]:
        """Host and port of its URL."""
        server = self._url[1]
        return tuple(server) if isinstance(server, tuple | list) and len(server) == 2 else ("", None)

    @property
    def target(self) -> bytes:
        """Path and query."""
        path, raw_path, query = (part or b"" for part in self._url[2:])
        return bytes(raw_path or str(path or "").encode()) + (b"?" + bytes(query) if query else b"")

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Its headers."""
        return _headers(self._headers)

    @property
    def first(self) -> list[Event]:
        """Its first messages."""
        return [_event_of(*kept) for kept in self._first]

    @property
    def last(self) -> list[Event]:
        """Its last messages, without the first."""
        return [_event_of(*kept) for kept in self._last]

    @property
    def events(self) -> list[Event]:
        """The messages that were kept, in order."""
        return self.first + self.last

    @property
    def status(self) -> int | None:
        """The status of the response, None for want of one; of a WebSocket handshake, that of a denial."""
        starts = (event.details.get("status") for event in self.events if event.type.endswith("http.response.start"))
        return next((status for status in starts if isinstance(status, int)), None)

    def add(self, message: Any, *, to_app: bool, body_kept: int = BODY_KEPT) -> None:
        """Keep a message, and so much of what it carries."""
        copy, size = _copy_of(message, body_kept)
        kept = (time.perf_counter() - self.clock, to_app, copy, size)
        if len(self._first) < FIRST_MESSAGES_KEPT:
            self._first.append(kept)
            return
        self._last.append(kept)
        if len(self._last) > LAST_MESSAGES_KEPT:
            self._last.popleft()
            self.dropped += 1


class Recorder(Observer):
    """Keeps records of the conversations that it hears of, the last ones, and of none of them anything but copies."""

    def __init__(self, *, body_kept: int = BODY_KEPT) -> None:
        """Begin with none; `body_kept` is how many bytes, or characters, are kept of what each message carries."""
        self._body_kept = body_kept
        self.records: deque[Record] = deque(maxlen=CONVERSATIONS_KEPT)
        self.secrets: Secrets = Secrets()
        self._of: dict[int, Record] = {}  # by the id of a conversation that goes on
        self._numbers = count(1)

    def started(self, conversation: Observed) -> None:
        """Begin a record."""
        record = self._of[id(conversation)] = Record(conversation)
        record.number = next(self._numbers)
        if isinstance(conversation, Conversation):
            if conversation.cause is not None:
                record.cause = self._record_of(conversation.cause)
            if conversation.faults is not None:
                record.faults = conversation.faults.told
        self.records.append(record)

    def _record_of(self, conversation: Observed) -> Record | None:
        going_on = self._of.get(id(conversation))  # it may have begun before the others were forgotten
        known = [*self.records, *([] if going_on is None else [going_on])]
        return next((record for record in reversed(known) if record.conversation() is conversation), None)

    def received(self, conversation: Observed, message: Message) -> None:
        """Keep a message to the app."""
        record = self._of.get(id(conversation))
        if record is not None:
            record.add(message, to_app=True, body_kept=self._body_kept)

    def sent(self, conversation: Observed, message: Message) -> None:
        """Keep a message of the app."""
        record = self._of.get(id(conversation))
        if record is not None:  # what an app has left running may send after its end
            record.add(message, to_app=False, body_kept=self._body_kept)

    def waited_too_long(self, conversation: Observed, error: Exception) -> None:
        """Keep what the client is told."""
        record = self._of.get(id(conversation))
        if record is not None:
            record.told = f"{type(error).__name__}: {error}"

    def left(self, conversation: Observed, reason: BaseException | None) -> None:
        """Keep by what the client was led to leave."""
        record = self._of.get(id(conversation))
        if record is None:  # it was called off before the app was called
            return
        record.left = True
        if reason is not None:
            record.left_by = type(reason).__name__
        if isinstance(conversation, WebSocketConnection):
            record.not_received = [_shown(message[:SHOWN_OF_MESSAGE]) for message in conversation.not_taken]
        if record.lasted is not None:
            del self._of[id(conversation)]

    def ended(self, conversation: Observed) -> None:
        """Keep what has become of the app."""
        record = self._of.get(id(conversation))
        if record is None:
            return
        record.lasted = time.perf_counter() - record.clock
        error = conversation.app_exception
        if error is None:
            record.outcome = "returned" if conversation.app_returned else "cancelled"
        elif names_departure(error) and record.left:
            record.outcome = f"raised {type(error).__name__}: the client had gone"
        else:
            record.outcome = f"raised {_shown(error)}"
            with suppress(Exception):  # an exception may be of any kind, too
                record.raised_at = _last_lines(error)
        if record.left or record.kind == "lifespan":
            del self._of[id(conversation)]

    def forget(self) -> None:
        """Forget what has been said. What goes on is heard as before."""
        self.records.clear()
        self._numbers = count(1)
        for number, record in list(self._of.items()):
            if record.conversation() is None:
                del self._of[number]

    def look(self) -> None:
        """Note where the apps are suspended that still run."""
        for record in list(self.records):  # a thread may begin one meanwhile
            conversation = record.conversation()
            if record.outcome == "running" and isinstance(conversation, Conversation):
                with suppress(Exception):  # another thread may run it
                    record.where = conversation.where()


def _copy_of(message: Any, body_kept: int) -> tuple[Any, int]:
    """Return what is kept of a message, which may be anything, and how long its data was. Most are never looked at."""
    try:
        # What is unknown is left out: it may be anything that the app has.
        copy = message.copy() if message.keys() <= _COPIED else {key: message[key] for key in _COPIED & message.keys()}
        data = copy.get("body") or copy.get("text") or copy.get("bytes")
        if not data:
            return copy, 0
        size = len(data)
        if size > body_kept or not isinstance(data, str | bytes):
            key = next(key for key in _DATA if copy.get(key))
            copy[key] = data[:body_kept] if isinstance(data, str) else bytes(data[:body_kept])
    except Exception:
        return _shown(message), 0
    return copy, size


def _event_of(at: float, to_app: bool, copy: Any, size: int) -> Event:  # noqa: FBT001 - a tuple's
    """Return a message as it is told, out of what was kept of it."""
    try:
        data = next((copy[key] for key in _DATA if copy.get(key)), None)
        details = {key: copy[key] for key in _KEPT if key in copy}
        return Event(at, to_app, str(copy["type"]), details, _headers(copy.get("headers")), data, size)
    except Exception:
        return Event(at, to_app, _shown(copy), {}, [], None, 0)


def _headers(headers: Any) -> list[tuple[bytes, bytes]]:
    if not isinstance(headers, Iterable) or isinstance(headers, Iterator):  # an iterator is the app's, and is used up
        return []
    return [(bytes(name), bytes(value)) for name, value in headers]


def _last_lines(error: BaseException) -> list[str]:
    """Return the last lines of a traceback, without what is ours, and without the source."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_OURS)]
    return [f'File "{frame.filename}", line {frame.lineno}, in {frame.name}' for frame in frames[-FRAMES_SHOWN:]]


def _shown(thing: object) -> str:
    """Return a short `repr` of anything."""
    try:
        shown = repr(thing)
    except Exception:
        return f"<{type(thing).__name__}>"
    return shown if len(shown) <= BODY_KEPT else f"{shown[:BODY_KEPT]}..."
