"""How an app may answer a handshake: it accepts, it rejects, or it fails to do either."""

from __future__ import annotations

import asyncio
from collections import UserDict
from collections.abc import Sequence
from typing import Any

from asgi_testkit import Message

from ._apps import PEEK, RECEIVE
from ._observe import kind_of
from ._websocket_apps import accept, accepted, body, close, connected, deny, send
from ._websocket_case import WebSocketCase, hypercorn, not_websockets, uvicorn, websockets, wsproto

NOTHING_WAS_SENT = "Refused by each; then a 500 (uvicorn, with websockets) tells more than a closed connection."
READABLE = "What one server lets pass, and a client can read, is let pass."
FAILED = "An app that fails closes with 1011 (hypercorn, daphne): a test can tell it from one that returned."
SAME_AGAIN = "It is still the same disconnect: under a server, what has ended by then is the socket."

OFFERED = ("a", "b")

#: Messages that belong nowhere in a conversation.
STRANGERS: list[Any] = [
    *[
        {"type": kind}
        for kind in (
            "websocket.connect",
            "websocket.receive",
            "websocket.disconnect",
            "websocket.nonsense",
            "http.response.start",
            "http.response.body",
            "lifespan.startup.complete",
            b"websocket.accept",
            None,
        )
    ],
    {},
    [],
    "websocket.accept",
]


def accepts(
    name: str, message: Message, seen: str = "", but: dict[str, str] | None = None, why: str = "", **more: Any
) -> WebSocketCase:
    headers = f"[{seen}] " if seen else ""
    story = f"accept close -> 101 {headers}close(1000)"
    return WebSocketCase(name, connected(message, close()), story, but or {}, why, **more)


def refused(
    name: str, message: Message, but: dict[str, str] | None = None, why: str = NOTHING_WAS_SENT, **more: Any
) -> WebSocketCase:
    servers = not_websockets("accept! -> no response") | (but or {})
    return WebSocketCase(name, connected(message, close()), "accept! -> 500", servers, why, **more)


def header(name: Any, value: Any = b"v") -> Message:
    return accept(headers=[(name, value)])


LETS_IT_OUT = websockets("accept close -> no response")  # no client can parse it


def lets_pass(headers: str = "") -> dict[str, str]:
    return websockets(f"accept close -> 101 {headers}close(1000)")


ACCEPT = [
    accepts("accept", accept()),
    accepts("accept, extra keys", accept(x=1)),
    accepts("accept in a mapping that is no dict", UserDict(accept())),
    WebSocketCase(
        "accept before connect is received",
        (accept(), RECEIVE, close()),
        "accept close -> 101 close(1000)",
    ),
    WebSocketCase(
        "accept twice",
        accepted(accept()),
        "accept accept! -> 101 close(1011)",
        uvicorn("accept accept! -> 101 cut"),
        FAILED,
    ),
    *[
        WebSocketCase(f"{kind_of(message)} first", connected(message), f"{kind_of(message)}! -> 500")
        for message in (send(text="x"), body(b"x"))
    ],
    *[
        WebSocketCase(
            f"{message} first",
            connected(message),
            f"{kind_of(message)}! -> 500",
        )
        for message in STRANGERS
    ],
    WebSocketCase("None first", connected(None), "None! -> 500", hypercorn("None -> 500")),
    *[
        WebSocketCase(
            f"{message} after accept",
            accepted(message),
            f"accept {kind_of(message)}! -> 101 close(1011)",
            uvicorn(f"accept {kind_of(message)}! -> 101 cut"),
            FAILED,
        )
        for message in (*STRANGERS, deny(), body(b"x"))
    ],
]

SUBPROTOCOL = [
    accepts("a subprotocol", accept(subprotocol="b"), "sec-websocket-protocol: b", offers=OFFERED),
    accepts("subprotocol None", accept(subprotocol=None), offers=OFFERED),
    refused("subprotocol ''", accept(subprotocol=""), lets_pass(), offers=OFFERED),
    refused(
        "a subprotocol that was not offered",
        accept(subprotocol="c"),
        lets_pass("[sec-websocket-protocol: c] "),
        offers=OFFERED,
    ),
    refused(
        "a subprotocol in another case",
        accept(subprotocol="A"),
        lets_pass("[sec-websocket-protocol: A] "),
        offers=OFFERED,
    ),
    refused("a subprotocol where none was offered", accept(subprotocol="a"), lets_pass("[sec-websocket-protocol: a] ")),
    refused(
        "a subprotocol in bytes",
        accept(subprotocol=b"a"),
        lets_pass("[sec-websocket-protocol: b'a'] "),
        offers=OFFERED,
    ),
    accepts(
        "a subprotocol as a header",
        header(b"sec-websocket-protocol", b"a"),
        "sec-websocket-protocol: a",
        hypercorn("accept! -> no response"),
        offers=OFFERED,
    ),
]

HEADERS = [
    accepts("accept, headers ()", accept(headers=())),
    accepts("accept, headers in lists", accept(headers=[[b"x", b"v"]]), "x: v"),
    accepts("accept, headers of a dict", accept(headers={b"x": b"v"}.items()), "x: v"),
    accepts("accept, header in bytearrays", header(bytearray(b"x"), bytearray(b"v")), "x: v"),
    accepts(
        "accept, headers twice and in no order",
        accept(headers=[(b"X", b"2"), (b"a", b"1"), (b"x", b"1"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]),
        "x: 2, a: 1, x: 1, set-cookie: a=1, set-cookie: b=2",
    ),
    refused("accept, headers None", accept(headers=None), wsproto("accept! -> 500"), why=""),
    refused("accept, headers in a dict", accept(headers={b"xy": b"v"})),
    refused("accept, header of one part", accept(headers=[(b"x",)])),
    refused("accept, header name 'x'", header("x"), wsproto("accept close -> 101 [x: v] close(1000)"), why=""),
    *[
        refused(f"accept, header name {name!r}", header(name), LETS_IT_OUT)
        for name in (b"x y", b"x\r\ny", b"", b"\xe9", b"x\0")
    ],
    *[refused(f"accept, header name {name!r}", header(name)) for name in (None, 1)],
    *[
        accepts(f"accept, header value {value!r}", header(b"x", value), f"x: {value.decode('latin-1')}")
        for value in (b"", b"a b", b"\xe9")
    ],
    accepts(r"accept, header value b'\x01'", header(b"x", b"\1"), "x: \1", websockets("accept! -> 500")),
    accepts(
        "accept, header value b' v '",
        header(b"x", b" v "),
        "x: v",
        not_websockets("accept! -> no response"),
        READABLE,
    ),
    *[
        refused(f"accept, header value {value!r}", header(b"x", value))
        for value in (b"a\nb", b"a\r\nb: c", b"a\0b", None, 1)
    ],
]

REJECT = [
    *[
        WebSocketCase(f"reject{how}", connected(message), "close -> 403")
        for how, message in {
            "": close(),
            ", code": close(code=4000),
            ", code that none may send": close(code=1005),
            ", code that is none": close(code="x"),
            ", code None": close(code=None),
            ", reason": close(reason="why"),
            ", reason None": close(reason=None),
            ", reason that is none": close(reason=5),
            ", reason too long": close(reason="x" * 124),
        }.items()
    ],
    WebSocketCase("reject before connect is received", (close(), RECEIVE), "close -> 403"),
    WebSocketCase(
        "receive after reject",
        connected(close(), RECEIVE),
        "close disconnect(1006) -> 403",
        hypercorn("close disconnect(1000) -> 403"),
    ),
    WebSocketCase(
        "receive after the disconnect after reject",
        connected(close(), RECEIVE, PEEK),
        "close disconnect(1006) disconnect(1006) -> 403",
        uvicorn("close disconnect(1006) disconnect(1005) -> 403") | hypercorn("close disconnect(1000) nothing -> 403"),
        SAME_AGAIN,
    ),
    *[
        WebSocketCase(f"{message} after reject", connected(close(), message), f"close {kind_of(message)}! -> 403")
        for message in (close(), accept(), send(text="x"), deny(), body(b"x"), *STRANGERS)
    ],
    WebSocketCase("raises after reject", connected(close(), LookupError), "close -> 403"),
]


def neither(name: str, *part: Any) -> list[WebSocketCase]:
    return [
        WebSocketCase(f"{name} before connect is received", part, "-> 500"),
        WebSocketCase(f"{name} before accept", connected(*part), "-> 500"),
    ]


NEITHER = [
    *neither("returns"),
    *neither("raises", LookupError),
    *neither("raises CancelledError", asyncio.CancelledError),
]

OPEN_CASES: Sequence[WebSocketCase] = [*ACCEPT, *SUBPROTOCOL, *HEADERS, *REJECT, *NEITHER]
