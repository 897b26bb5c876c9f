"""Tells of recorded conversations as text, to be read below a failing test."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple, Self

from .._protocol.hosts import DEFAULT_PORTS
from .recorder import BODY_KEPT, Event, Record, Recorder
from .secrets import Secrets

#: How long a section may be, in characters. What is left out is at its beginning.
LONGEST = 65536

#: Where the app is served when a request is tried by hand, as a rule.
BY_HAND = "http://127.0.0.1:8000"

#: Headers of a request that curl sends by itself, or that it must not repeat.
_OF_CURL = frozenset({b"accept", b"accept-encoding", b"connection", b"content-length", b"host", b"user-agent"})

#: Headers of a message that are shown: those that decide how it is to be read.
_SHOWN_HEADERS = (b"content-type", b"location", b"set-cookie")


def transcript(recorder: Recorder, *, leave_out: int = 0) -> str:
    """Return what a recorder has kept as text, its secrets masked, without the first so many conversations."""
    recorder.look()
    kept = list(recorder.records)
    names, records = Names.among(kept), kept[leave_out:]
    secrets = recorder.secrets
    for record in records:
        learn(secrets, record)
    lines = (line for record in records for line in lines_of(record, names))
    text = writable(secrets.masked("\n".join(lines)))
    if len(text) <= LONGEST:
        return text
    return "... (the beginning is left out)\n" + text[-LONGEST:].partition("\n")[2]


def writable(text: str) -> str:
    """Return a text that UTF-8 can encode: half of a surrogate pair, which it cannot, becomes an escape."""
    return text.encode(errors="backslashreplace").decode()


def learn(secrets: Secrets, record: Record) -> None:
    """Note the secrets of a conversation."""
    secrets.add_headers(record.headers)
    secrets.add_query(record.target.partition(b"?")[2])
    bodies = {True: b"", False: b""}
    types = {True: content_type(record.headers), False: ""}
    for event in record.events:
        secrets.add_headers(event.headers)
        types[event.to_app] = content_type(event.headers) or types[event.to_app]
        data = event.data.encode(errors="surrogatepass") if isinstance(event.data, str) else event.data
        if record.kind == "websocket":
            secrets.add_body(data or b"", "json")
        else:
            bodies[event.to_app] += data or b""
    for to_app, body in bodies.items():
        secrets.add_body(body, types[to_app])


def content_type(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the type of a body, in lower case; "" if it is not said."""
    values = [value.decode("latin-1").lower() for name, value in headers if name.lower() == b"content-type"]
    return values[0] if values else ""


class Names(NamedTuple):
    """What conversations are called, so that one can be told from the others.

    Attributes:
        kept: All of them.
        numbered: Whether they have numbers: one is the cause of another.
        with_host: Whether their hosts are named: there are several.
    """

    kept: list[Record]
    numbered: bool
    with_host: bool

    @classmethod
    def among(cls, kept: list[Record]) -> Self:
        """Return those for these conversations."""
        caused_by = [record.cause for record in kept if record.cause is not None]
        hosts = {str(record.server[0]) for record in (*kept, *caused_by) if record.kind != "lifespan"}
        return cls(kept, bool(caused_by), len(hosts) > 1)

    def of(self, record: Record) -> str:
        """Return that of one."""
        number = f"{record.number}. " if self.numbered and record in self.kept else ""
        if record.kind == "lifespan":
            return f"{number}lifespan"
        verb = "WebSocket" if record.kind == "websocket" else record.method
        return f"{number}{verb} {self._base(record)}{record.target.decode('latin-1')}"

    def _base(self, record: Record) -> str:
        host, port = record.server
        default = port is None or port == DEFAULT_PORTS.get(record.scheme)
        return f"{record.scheme}://{host}{'' if default else f':{port}'}" if self.with_host else ""


def lines_of(record: Record, names: Names) -> Iterator[str]:
    """Yield the lines that tell of a conversation."""
    yield heading(record, names)
    if record.cause is not None:
        yield f"             caused by {names.of(record.cause)}"
    if record.faults:
        yield f"             faults: {record.faults}"
    for _, events in groupby(record.first, key=_kind_of_chunk):
        yield _told(list(events))
    if record.dropped:
        yield f"             ... {record.dropped} messages are left out"
    for _, events in groupby(record.last, key=_kind_of_chunk):
        yield _told(list(events))
    if record.not_received:
        shown = ", ".join(record.not_received)
        yield f"             {len(record.not_received)} of them not received by the test: {shown}"
    if record.told:
        yield f"             the client: {record.told}"
    elif record.where and record.outcome == "running":
        yield f"             the app is {record.where}"
    for line in record.raised_at:
        yield f"             {line}"
    if record.kind == "http":
        yield f"  {curl(record)}"


def heading(record: Record, names: Names) -> str:
    """Return the line that a conversation begins with."""
    named = names.of(record)
    app = {"running": "the app still runs", "cancelled": "the app was cancelled"}
    ended = app.get(record.outcome, f"the app {record.outcome}")
    if record.kind == "lifespan":
        return f"{named}  ({ended})"
    status = record.status
    if record.kind == "websocket":
        denied = "" if status is None else f"  ->  {status}"
        return f"{named}{denied}  ({ended})"
    return f"{named}  ->  {'no response' if status is None else status}  ({ended})"


def _kind_of_chunk(event: Event) -> tuple[bool, str] | int:
    """Return what chunks of one body have in common, and no two other messages."""
    is_chunk = event.type in {"http.request", "http.response.body"}
    return (event.to_app, event.type) if is_chunk else id(event)


def _told(events: list[Event]) -> str:
    """Return the line of a message, or of a run of chunks."""
    event = events[0]
    details = [event.details.get(key) for key in ("status", "code", "subprotocol", "path", "reason", "message")]
    parts = [event.type, *(str(detail) for detail in details if detail not in (None, ""))]
    shown = [(name.lower(), value) for name, value in event.headers if name.lower() in _SHOWN_HEADERS]
    parts += [f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in shown]
    carried = [each for each in events if each.data]
    if carried:
        parts.append(data(carried))
    if len(carried) > 1:
        parts.append(f"({len(carried)} parts)")
    return f"{event.at * 1000:8.1f} ms  {'>' if event.to_app else '<'} {'  '.join(parts)}"


def data(events: list[Event]) -> str:
    """Return what messages carried, or its beginning, in one line."""
    if isinstance(events[0].data, str):
        whole = "".join(each.data for each in events if isinstance(each.data, str))
    else:
        joined = b"".join(each.data for each in events if isinstance(each.data, bytes))
        try:
            whole = joined.decode()
        except UnicodeDecodeError:
            whole = repr(joined)
    size = sum(each.size for each in events)
    text = whole[:BODY_KEPT].replace("\r", "\\r").replace("\n", "\\n")
    return text if size <= len(whole) <= BODY_KEPT else f"{text}... ({size} in all)"


def curl(record: Record) -> str:
    """Return the command that makes an HTTP request once more."""
    words: list[Any] = ["curl", "-i"]
    if record.method != "GET":
        words += ["-X", record.method]
    for name, value in record.headers:
        if name.lower() not in _OF_CURL:
            words += ["-H", f"{name.decode('latin-1')}: {value.decode('latin-1')}"]
    hosts = [value.decode("latin-1") for name, value in record.headers if name.lower() == b"host"]
    if hosts:
        words += ["-H", f"host: {hosts[0]}"]
    carried = [event for event in record.events if event.to_app and event.data]
    if carried:
        words += ["--data-binary", data(carried)]
    return shlex.join([*words, f"{BY_HAND}{record.target.decode('latin-1')}"])
