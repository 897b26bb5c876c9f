"""Denial: an app may answer a handshake with a response of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asgi_testkit import Message

from ._apps import PEEK, RECEIVE
from ._observe import kind_of
from ._websocket_apps import accept, body, close, connected, deny, send
from ._websocket_case import WebSocketCase, hypercorn, not_websockets, uvicorn, websockets, wire, wsproto
from ._websocket_open_cases import NOTHING_WAS_SENT, READABLE, STRANGERS

NO = body(b"no")
PART = body(b"n", more_body=True)

AS_HTTP = "A denial is held to what a response is held to."
AS_A_WHOLE = "A session reads a denial as a whole (so does uvicorn with websockets): it has no use for half of one."


def not_sessions(seen: str) -> dict[str, str]:
    return wsproto(seen) | wire(seen)


def denies(
    name: str,
    *messages: Any,
    seen: str = "401 no",
    but: dict[str, str] | None = None,
    why: str = "",
) -> WebSocketCase:
    sent = " ".join(map(kind_of, messages))
    return WebSocketCase(f"denies, {name}", connected(*messages), f"{sent} -> {seen}", but or {}, why)


def refused(name: str, message: Any, but: dict[str, str] | None = None, why: str = "") -> WebSocketCase:
    """Return a case in which the start is refused. hypercorn looks at it when the body comes."""
    servers = hypercorn("start body! -> 500") | (but or {})
    return WebSocketCase(f"denies, {name}", connected(message, NO), "start! -> 500", servers, why)


def cut(name: str, *end: Any, story: str = "") -> list[WebSocketCase]:
    return [
        WebSocketCase(
            f"{name} after the start of a denial",
            connected(deny(), *end),
            f"start{story} -> no response",
            not_sessions(f"start{story} -> 401 cut") | hypercorn(f"start{story} -> 500"),
        ),
        WebSocketCase(
            f"{name} after a part of a denial",
            connected(deny(), PART, *end),
            f"start body{story} -> no response",
            not_sessions(f"start body{story} -> 401 n cut") | hypercorn(f"start body{story} -> 401 n cut"),
            AS_A_WHOLE,
        ),
        WebSocketCase(f"{name} after a denial", connected(deny(), NO, *end), f"start body{story} -> 401 no"),
    ]


ORDER = [
    denies("in one part", deny(), NO),
    denies("in two parts", deny(), PART, body(b"o")),
    denies("with no body", deny(), body(), seen="401"),
    WebSocketCase("denies before connect is received", (deny(), NO, RECEIVE), "start body -> 401 no"),
    WebSocketCase(
        "receive amid a denial, and after it",
        connected(deny(), PEEK, NO, RECEIVE),
        "start nothing body disconnect(1006) -> 401 no",
        hypercorn("start nothing body disconnect(1000) -> 401 no"),
    ),
    WebSocketCase(
        "receive after the disconnect after a denial",
        connected(deny(), NO, RECEIVE, PEEK),
        "start body disconnect(1006) disconnect(1006) -> 401 no",
        websockets("start body disconnect(1006) disconnect(1006) -> 401 no")
        | wsproto("start body disconnect(1006) disconnect(1005) -> 401 no")
        | hypercorn("start body disconnect(1000) nothing -> 401 no"),
    ),
    *cut("returns"),
    *cut("raises", LookupError),
]

MISPLACED = [
    case
    for message in (send(text="x"), *STRANGERS)
    for case in cut(f"{message}", message, story=f" {kind_of(message)}!")
]

EXTRA = [
    WebSocketCase(
        "start twice",
        connected(deny(), deny(402), NO),
        "start start! -> no response",
        not_sessions("start start! -> 401 cut") | hypercorn("start start body -> 402 no"),
    ),
    WebSocketCase(
        "accept after the start of a denial",
        connected(deny(), accept()),
        "start accept! -> no response",
        not_sessions("start accept! -> 401 cut") | hypercorn("start accept -> 101 close(1011)"),
    ),
    WebSocketCase(
        "close after the start of a denial",
        connected(deny(), close()),
        "start close! -> no response",
        not_sessions("start close! -> 401 cut") | hypercorn("start close -> 403"),
    ),
    *[cut(kind_of(message), message, story=f" {kind_of(message)}!")[1] for message in (deny(), accept(), close())],
    *[cut(kind_of(message), message, story=f" {kind_of(message)}!")[2] for message in (deny(), accept(), close(), NO)],
]


def length(value: bytes) -> Message:
    return deny(headers=[(b"content-length", value)])


START = [
    denies(
        "headers",
        deny(headers=[(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x", b"")]),
        NO,
        seen="401 [set-cookie: a=1, set-cookie: b=2, x: ] no",
    ),
    WebSocketCase(
        "denies, no headers",
        connected({"type": "websocket.http.response.start", "status": 401}, NO),
        "start body -> 401 no",
        wsproto("start! -> no response") | hypercorn("start body! -> 500"),
    ),
    refused("headers None", deny(headers=None), wsproto("start! -> no response")),
    refused("header name 'x'", deny(headers=[("x", b"v")]), wsproto("start body -> 401 [x: v] no")),
    *[
        refused(
            f"header {name!r}: {value!r}",
            deny(headers=[(name, value)]),
            websockets(f"start body{mark} -> no response") | wsproto("start! -> no response"),
            NOTHING_WAS_SENT,
        )
        for name, value, mark in ((b"x y", b"v", ""), (b"x", b"a\nb", "!"), (b"x", b"a\r\nb: c", "!"))
    ],
    *[denies(f"status {status}", deny(status), NO, seen=f"{status} no") for status in (200, 404, 599)],
    denies("status 600", deny(600), NO, seen="600 no", but=uvicorn("start! -> 500"), why=READABLE),
    *[refused(f"status {status!r}", deny(status)) for status in (1000, 99, "401", None)],
    refused("no status", {"type": "websocket.http.response.start", "headers": []}),
    WebSocketCase(
        "denies, status 101",
        connected(deny(101), body()),
        "start! -> 500",
        websockets("start body -> 101 cut") | wsproto("start! -> no response") | hypercorn("start body! -> 101 cut"),
        "It says that there is a connection, and there is none.",
    ),
]

BODY = [
    denies("body in a bytearray", deny(), body(bytearray(b"no"))),
    denies("body in a memoryview", deny(), body(memoryview(b"no"))),
    denies(
        "no body in the body",
        deny(),
        {"type": "websocket.http.response.body"},
        seen="401",
        but=websockets("start body! -> no response") | wsproto("start body! -> 401 cut"),
        why=AS_HTTP,
    ),
    denies(
        "body None",
        deny(),
        body(None),
        seen="401",
        but=websockets("start body! -> no response") | hypercorn("start body! -> 401 cut"),
        why=AS_HTTP,
    ),
    WebSocketCase(
        "denies, body 'no'",
        connected(deny(), body("no")),
        "start body! -> no response",
        not_websockets("start body! -> 401 cut") | wire("start body! -> 401 cut"),
        AS_A_WHOLE,
    ),
    *[denies(f"status {status}", deny(status), body(), seen=f"{status}") for status in (204, 304)],
    *[
        denies(f"status {status}, body", deny(status), NO, seen=f"{status}", but=wsproto(f"start body! -> {status}"))
        for status in (204, 304)
    ],
    denies("a length that fits", length(b"2"), NO),
    WebSocketCase(
        "denies, too short",
        connected(length(b"5"), NO),
        "start body! -> no response",
        websockets("start body -> 401 no cut")
        | not_sessions("start body! -> 401 cut")
        | hypercorn("start body! -> 401 no cut"),
        AS_HTTP,
    ),
    WebSocketCase(
        "denies, too long",
        connected(length(b"1"), NO),
        "start body! -> no response",
        websockets("start body -> 401 n") | not_websockets("start body! -> 401 cut") | wire("start body! -> 401 cut"),
        AS_HTTP,
    ),
]

DENIAL_CASES: Sequence[WebSocketCase] = [*ORDER, *MISPLACED, *EXTRA, *START, *BODY]
