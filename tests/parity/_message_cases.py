"""What may follow the start of a response: the messages, and what is in them."""

from __future__ import annotations

from collections import UserDict
from types import MappingProxyType
from typing import Any

from asgi_testkit import Receive, Scope, Send

from ._apps import body, plays, start
from ._case import Case, hypercorn, uvicorn
from ._observe import kind_of

PART = body(b"he", more_body=True)
HELLO = body(b"hello")

DEBUG = {"type": "http.response.debug", "info": {}}
MADE_FOR_TESTS = "The http.response.debug extension exists for test clients, so the client offers it."

#: Messages that belong nowhere in a response.
STRANGERS: list[Any] = [
    *[
        {"type": kind}
        for kind in (
            "http.response.trailers",
            "http.response.push",
            "http.response.early_hint",
            "http.response.pathsend",
            "http.response.zerocopysend",
            "http.response.nonsense",
            "http.request",
            "http.disconnect",
            "websocket.accept",
            "lifespan.startup.complete",
            "nonsense",
            b"http.response.start",
            None,
        )
    ],
    {},
    [],
    "http.response.start",
]

MESSAGE = [
    Case("extra keys", plays(start(200, x=1), body(b"x", y=2)), "start body -> 200 x"),
    Case("mappings that are no dicts", plays(UserDict(start()), MappingProxyType(body())), "start body -> 200"),
    *[
        Case(f"{message} first", plays(message, start(), body()), f"{kind_of(message)}! -> 500")
        for message in STRANGERS
    ],
    *[
        Case(f"{message} after start", plays(start(), message, body()), f"start {kind_of(message)}! -> 200 cut")
        for message in STRANGERS
    ],
    *[
        Case(f"{message} after the end", plays(start(), body(), message), f"start body {kind_of(message)}! -> 200")
        for message in STRANGERS
    ],
    Case("None first", plays(None), "None! -> 500", hypercorn("None -> 500")),
    Case("None after start", plays(start(), None), "start None! -> 200 cut", hypercorn("start None -> 200 cut")),
    Case(
        "None after the end",
        plays(start(), body(), None),
        "start body None! -> 200",
        hypercorn("start body None -> 200"),
    ),
    Case(
        "debug first",
        plays(DEBUG, start(), body()),
        "debug start body -> 200",
        uvicorn("debug! -> 500") | hypercorn("debug! -> 500"),
        MADE_FOR_TESTS,
    ),
    Case("body first", plays(body(b"x")), "body! -> 500"),
    Case("start after start", plays(start(), start()), "start start! -> 200 cut"),
    Case("start after a part", plays(start(), PART, start()), "start body start! -> 200 he cut"),
    Case("start after the end", plays(start(), body(), start()), "start body start! -> 200"),
    Case("body after the end", plays(start(), HELLO, body()), "start body body! -> 200 hello"),
    Case(
        "trailers announced and missing",
        plays(start(trailers=True), body(b"x")),
        "start body -> 200 x",
        hypercorn("start body -> 200 x cut"),
    ),
]


async def buffer_reused(scope: Scope, receive: Receive, send: Send) -> None:
    buffer = bytearray(b"ab")
    await send(start())
    await send(body(buffer, more_body=True))
    buffer[:] = b"cd"
    await send(body(buffer))


BODY = [
    Case("body missing", plays(start(), {"type": "http.response.body"}), "start body -> 200"),
    Case("body in a bytearray", plays(start(), body(bytearray(b"x"))), "start body -> 200 x"),
    Case("body in a memoryview", plays(start(), body(memoryview(b"x"))), "start body -> 200 x"),
    Case("body in a buffer that is used again", buffer_reused, "start body body -> 200 abcd"),
    Case(
        "body in a memoryview of wide items",
        plays(start(), body(memoryview(b"abcd").cast("H"))),
        "start body -> 200 abcd",
        uvicorn("start body -> 200 ab cut"),
        "uvicorn counts the items, not the bytes.",
    ),
    Case("body 0", plays(start(), body(0)), "start body -> 200"),
    Case("body None", plays(start(), body(None)), "start body -> 200", hypercorn("start body! -> 200 cut")),
    Case("body ''", plays(start(), body("")), "start body -> 200", hypercorn("start body! -> 200 cut")),
    Case("body 'x'", plays(start(), body("x")), "start body! -> 200 cut"),
    # hypercorn makes bytes of whatever it gets.
    Case("body 1", plays(start(), body(1)), "start body! -> 200 cut", hypercorn("start body -> 200 \0")),
    Case("body [120]", plays(start(), body([120])), "start body! -> 200 cut", hypercorn("start body -> 200 x")),
    *[
        Case(f"more_body {more!r}", plays(start(), body(b"x", more_body=more), body(b"y")), "start body body -> 200 xy")
        for more in (True, 1, "yes")
    ],
    *[
        Case(f"more_body {more!r}", plays(start(), body(b"x", more_body=more), body(b"y")), "start body body! -> 200 x")
        for more in (False, 0, "", None)
    ],
]

MESSAGE_CASES = [*MESSAGE, *BODY]
