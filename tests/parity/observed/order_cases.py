"""In which order an app may send, and how it may end."""

from __future__ import annotations

import asyncio
from collections import UserDict
from typing import Any

from .call import Step, tries
from .case import TWICE, Case, Topic, body, part, start

TOPIC: Topic = "The order of the response"

#: Messages that belong nowhere in a response.
STRANGERS: dict[str, Any] = {
    "an unknown type": {"type": "http.response.nonsense"},
    "a message of WebSocket": {"type": "websocket.accept"},
    "no type": {},
    "trailers that were not offered": {"type": "http.response.trailers", "headers": []},
}


def sends(name: str, *app: Step, **more: Any) -> Case:
    return Case(TOPIC, name, app, **more)


def ends(how: str, *end: Step) -> list[Case]:
    return [
        sends(f"{how} at once", *end),
        sends(f"{how} after the start", start(), *end),
        sends(f"{how} after a part", start(), part(b"he"), *end),
        sends(f"{how} after the end", start(), body(b"hello"), *end),
    ]


ORDER_CASES = [
    sends("start, body", start(), body(b"hello")),
    sends("start, parts, end", start(), part(b"he"), part(b"ll"), body(b"o")),
    sends("parts and an empty end", start(), part(b"hello"), body()),
    sends("keys that are not of the specification", start(x=1), body(b"hello", y=2)),
    sends("mappings that are no dicts", UserDict(start()), UserDict(body(b"hello"))),
    sends("body first", body(b"x")),
    sends("body first, and then a response", tries(body(b"x")), start(), body(b"y")),
    sends("a second start", start(), start()),
    sends("a second start, and then the body", start(), tries(start(500)), body(b"x")),
    sends("a second start after a part", start(), part(b"x"), start(500)),
    sends("a second start after a part, and then the rest", start(), part(b"x"), tries(start(500)), body(b"y")),
    sends("a second start after the end", start(), body(b"x"), start(500)),
    sends("a second response after the end", start(), body(b"x"), tries(start(500), body(b"y"))),
    sends("body after the end", start(), body(b"x"), body(b"y")),
    sends("an empty body after the end", start(), body(b"x"), body()),
    *[sends(f"{name} first", message) for name, message in STRANGERS.items()],
    *[sends(f"{name} after the start", start(), message) for name, message in STRANGERS.items()],
    *[
        sends(f"{name} after the start, and then the body", start(), tries(message), body(b"x"))
        for name, message in STRANGERS.items()
    ],
    *[
        sends(f"{name} first, and then a response", tries(message), start(), body(b"x"))
        for name, message in STRANGERS.items()
    ],
    sends("an unknown type after the end", start(), body(b"x"), {"type": "http.response.nonsense"}),
    sends("for debugging", {"type": "http.response.debug", "info": {}}, start(), body()),
    *ends("returns"),
    *ends("raises", LookupError),
    *ends("raises CancelledError", asyncio.CancelledError),
    *[
        sends(
            f"a second request on the connection, after an app that {how}",
            start(),
            body(b"x"),
            *end,
            client=TWICE,
        )
        for how, end in {"returned": (), "raised after its end": (LookupError,)}.items()
    ],
]
