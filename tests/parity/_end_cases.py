"""How an app may end, and when."""

from __future__ import annotations

import asyncio

from asgi_testkit import Receive, Scope, Send

from ._apps import body, plays, start
from ._case import Case, uvicorn
from ._length_cases import length
from ._message_cases import HELLO, PART


def ends(name: str, *end: type[BaseException]) -> list[Case]:
    return [
        Case(f"{name} at once", plays(*end), "-> 500"),
        Case(f"{name} after start", plays(start(), *end), "start -> 200 cut"),
        Case(f"{name} after start, length", plays(length(b"5"), *end), "start -> 200 [content-length: 5] cut"),
        Case(f"{name} after a part", plays(start(), PART, *end), "start body -> 200 he cut"),
        Case(
            f"{name} after a part, length",
            plays(length(b"5"), PART, *end),
            "start body -> 200 [content-length: 5] he cut",
        ),
        Case(f"{name} after the end", plays(start(), HELLO, *end), "start body -> 200 hello"),
    ]


async def returns_something(scope: Scope, receive: Receive, send: Send) -> str:
    return "something"


async def responds_and_returns_something(scope: Scope, receive: Receive, send: Send) -> str:
    await send(start())
    await send(body())
    return "something"


END_CASES = [
    *ends("returns"),
    *ends("raises", LookupError),
    *ends("raises CancelledError", asyncio.CancelledError),
    Case(
        "returns something at once",
        returns_something,
        "-> 500",
        uvicorn("-> no response"),
        "What is returned makes no difference; uvicorn closes the connection over it.",
    ),
    Case("returns something after the end", responds_and_returns_something, "start body -> 200"),
]
