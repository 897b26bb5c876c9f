"""What may be in a part of the body."""

from __future__ import annotations

from typing import Any

from .call import Call, tries
from .case import Case, Topic, body, part, start

TOPIC: Topic = "The body of the response"


def sends(name: str, *parts: Any) -> Case:
    return Case(TOPIC, name, (start(), *parts))


async def buffer_used_again(call: Call) -> None:
    buffer = bytearray(b"ab")
    await call.send(part(buffer))
    buffer[:] = b"cd"
    await call.send(body(buffer))


BODY_CASES = [
    sends("missing", {"type": "http.response.body"}),
    sends("empty", body(b"")),
    sends("only more_body, which is false", {"type": "http.response.body", "more_body": False}),
    sends("a bytearray", body(bytearray(b"x"))),
    sends("a memoryview", body(memoryview(b"x"))),
    sends("a buffer that is used again", buffer_used_again),
    sends("None", body(None)),
    sends("a str", body("x")),
    sends("a str, and then bytes", tries(body("x")), body(b"y")),
    sends("a str as a part, and then bytes", tries(part("x")), body(b"y")),
    sends("an empty str", body("")),
    sends("an int", body(1)),
    sends("a list", body([120])),
    sends("1 MB", body(b"x" * 1_000_000)),
    sends("empty parts", part(), part(b"a"), part(), body(b"b")),
    *[
        sends(f"more_body={more!r}", body(b"x", more_body=more), body(b"y"))
        for more in (True, 1, "yes", False, 0, None)
    ],
]
