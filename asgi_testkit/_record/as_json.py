"""A recorded conversation as JSON, one object for each, for programs. docs/howto/transcripts.md describes it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from .recorder import Event, Record, Recorder
from .secrets import Secrets
from .transcript import learn, writable

#: The version of the form. It becomes another one when what there is changes, and not when there is more.
SCHEMA = 1

#: The keys whose text is ours.
_OURS = frozenset({"kind", "began", "encoding", "to", "faults"})

#: The beginnings of the types of messages that ASGI names. Another type is whatever the app has sent.
_NAMED_BY_ASGI = ("http.", "websocket.", "lifespan.")


def conversations(recorder: Recorder) -> list[dict[str, Any]]:
    """Return what a recorder has kept, its secrets masked."""
    recorder.look()
    records = list(recorder.records)
    for record in records:
        learn(recorder.secrets, record)
    # An app may send a status that is an enum.
    plain = json.loads(json.dumps([as_json(record, records) for record in records]))
    kept: list[dict[str, Any]] = _masked(plain, recorder.secrets)
    return kept


def _masked(thing: Any, secrets: Secrets) -> Any:
    """Return a thing with the secrets masked in its texts, and those alone: a PIN may be a number that is ours, too."""
    if isinstance(thing, dict):
        return {key: value if _is_ours(key, value) else _masked(value, secrets) for key, value in thing.items()}
    if isinstance(thing, list):
        return [_masked(each, secrets) for each in thing]
    return writable(secrets.masked(thing)) if isinstance(thing, str) else thing


def _is_ours(key: str, value: Any) -> bool:
    return key in _OURS or (key == "type" and value.startswith(_NAMED_BY_ASGI))


def as_json(record: Record, kept: Collection[Record]) -> dict[str, Any]:
    """Return a conversation as JSON has it; `kept` are all of them."""
    host, port = record.server
    return {
        "schema": SCHEMA,
        "number": record.number,
        "caused_by": record.cause.number if record.cause is not None and record.cause in kept else None,
        "kind": record.kind,
        "method": record.method,
        "scheme": record.scheme,
        "server": [host, port],
        "target": record.target.decode("latin-1"),
        "headers": _headers(record.headers),
        "began": datetime.fromtimestamp(record.began, UTC).isoformat(),
        "lasted_ms": None if record.lasted is None else round(record.lasted * 1000, 3),
        "status": record.status,
        "app": record.outcome,
        "raised_at": [*record.raised_at],
        "where": record.where if record.outcome == "running" else "",
        "not_received": [*record.not_received],
        "client": record.told,
        "left_by": record.left_by,
        "faults": record.faults,
        "messages": [_message(event) for event in record.events],
        "dropped": record.dropped,
    }


def _message(event: Event) -> dict[str, Any]:
    text, encoding = _text(event.data)
    return {
        "at_ms": round(event.at * 1000, 3),
        "to": "app" if event.to_app else "client",
        "type": event.type,
        "headers": _headers(event.headers),
        "data": text,
        "encoding": encoding,
        "size": event.size,
        **{key: value if isinstance(value, int | str | None) else str(value) for key, value in event.details.items()},
    }


def _text(data: str | bytes | None) -> tuple[str | None, str]:
    """Return data as text, and how it has become that: bytes that are no UTF-8 have one character for each."""
    if not isinstance(data, bytes):
        return data, "utf-8"
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def _headers(headers: Iterable[tuple[bytes, bytes]]) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]
