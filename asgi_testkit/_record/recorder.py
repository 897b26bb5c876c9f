"""Recorder: keeps what the last conversations were, in copies and in bounds."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

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

#: How many bytes, or characters, are kept of each body, and how many of all others.
BODY_KEPT = 2048

#: How many frames are shown of what an app has raised.
FRAMES_SHOWN = 3

#: How much is shown of a message that was not received.
SHOWN_OF_MESSAGE = 80

#: Where this package is.
_OURS = str(Path(__file__).parent.parent)

#: What is kept of a message, besides its type and what it carries.
_KEPT = ("status", "code", "reason", "subprotocol", "message", "path", "more_body")


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


@dataclass(slots=True)
class Record:
    """One conversation.

    Attributes:
        kind: The type of its scope.
        method, scheme, server, target, headers: Of the request, or of the handshake.
        began: When, in seconds since the epoch.
        first, last: Its messages; those between them were dropped, as many as `dropped` says.
        outcome: What has become of the app: "running", "returned", "cancelled", or what it raised.
        raised_at: The last lines of the app's traceback.
        where: Where the app is suspended, if it ran when that was asked.
        not_received: What the app had sent when the client let go of a session, and nobody has received, shortened.
        told: What the client was told instead of an answer, a timeout for instance; "" for nothing.
        left: Whether the client has let go: of a response, by reading or closing it.
        left_by: What the client's block was left by; "" for nothing.
        lasted: Seconds until the app ended; None while it runs.
    """

    kind: str
    method: str = ""
    scheme: str = ""
    server: tuple[str, int | None] | None = None
    target: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    began: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.perf_counter)
    first: list[Event] = field(default_factory=list)
    last: deque[Event] = field(default_factory=lambda: deque(maxlen=LAST_MESSAGES_KEPT))
    dropped: int = 0
    outcome: str = "running"
    raised_at: list[str] = field(default_factory=list)
    where: str = ""
    not_received: list[str] = field(default_factory=list)
    told: str = ""
    left: bool = False
    left_by: str = ""
    lasted: float | None = None

    @property
    def events(self) -> Iterator[Event]:
        """The messages that were kept, in order."""
        yield from self.first
        yield from self.last

    @property
    def status(self) -> int | None:
        """The status of the response, None for want of one; of a WebSocket handshake, that of a denial."""
        starts = (event.details.get("status") for event in self.events if event.type.endswith("http.response.start"))
        return next((status for status in starts if isinstance(status, int)), None)

    def add(self, event: Event) -> None:
        """Keep a message."""
        if len(self.first) < FIRST_MESSAGES_KEPT:
            self.first.append(event)
        else:
            self.dropped += len(self.last) == LAST_MESSAGES_KEPT
            self.last.append(event)


class Recorder(Observer):
    """Keeps records of the conversations that it hears of, the last ones, and of none of them anything but copies."""

    def __init__(self) -> None:
        self.records: deque[Record] = deque(maxlen=CONVERSATIONS_KEPT)
        self.secrets: Secrets = Secrets()
        self._of: WeakKeyDictionary[Observed, Record] = WeakKeyDictionary()

    def started(self, conversation: Observed) -> None:
        """Begin a record."""
        record = Record("http")
        try:
            record = _record_of(conversation.scope)
        finally:
            self._of[conversation] = record
            self.records.append(record)

    def received(self, conversation: Observed, message: Message) -> None:
        """Keep a message to the app."""
        self._note(conversation, message, to_app=True)

    def sent(self, conversation: Observed, message: Message) -> None:
        """Keep a message of the app."""
        self._note(conversation, message, to_app=False)

    def _note(self, conversation: Observed, message: Message, *, to_app: bool) -> None:
        record = self._of.get(conversation)
        if record is not None:
            record.add(_event_of(message, time.perf_counter() - record.clock, to_app=to_app))

    def waited_too_long(self, conversation: Observed, error: Exception) -> None:
        """Keep what the client is told."""
        record = self._of.get(conversation)
        if record is not None:
            record.told = f"{type(error).__name__}: {error}"

    def left(self, conversation: Observed, reason: BaseException | None) -> None:
        """Keep by what the client was led to leave."""
        record = self._of.get(conversation)
        if record is not None:
            record.left = True
            if isinstance(conversation, WebSocketConnection):
                record.not_received = [_shown(message[:SHOWN_OF_MESSAGE]) for message in conversation.not_taken]
            record.left_by = "" if reason is None else type(reason).__name__

    def ended(self, conversation: Observed) -> None:
        """Keep what has become of the app."""
        record = self._of.get(conversation)
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
            record.raised_at = _last_lines(error)

    def look(self) -> None:
        """Note where the apps are suspended that still run."""
        for conversation, record in list(self._of.items()):
            if record.outcome == "running" and isinstance(conversation, Conversation):
                with suppress(Exception):  # another thread may run it
                    record.where = conversation.where()


def _record_of(scope: Any) -> Record:
    kind = str(scope.get("type"))
    if kind == "lifespan":
        return Record(kind)
    query = bytes(scope.get("query_string", b""))
    path = bytes(scope.get("raw_path") or str(scope.get("path", "")).encode())
    return Record(
        kind,
        method=str(scope.get("method", "GET")),
        scheme=str(scope.get("scheme", "http")),
        server=scope.get("server"),
        target=path + (b"?" + query if query else b""),
        headers=_headers(scope.get("headers")),
    )


def _event_of(message: Any, at: float, *, to_app: bool) -> Event:
    """Return what is kept of a message, which may be anything."""
    try:
        carried = next((message[key] for key in ("body", "text", "bytes") if message.get(key)), b"")
        data = carried if isinstance(carried, str) else bytes(carried)
        details = {key: message[key] for key in _KEPT if key in message}
        headers = _headers(message.get("headers"))
        return Event(at, to_app, str(message["type"]), details, headers, data[:BODY_KEPT] or None, len(data))
    except Exception:
        return Event(at, to_app, _shown(message), {}, [], None, 0)


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
