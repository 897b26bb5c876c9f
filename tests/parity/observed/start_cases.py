"""How a response may start: status and headers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from .call import Call, tries
from .case import Case, Topic, body, start

TOPIC: Topic = "The start of the response"


def starts(name: str, message: Any, **more: Any) -> Case:
    return Case(TOPIC, name, (message, body(b"x")), **more)


def header(name: Any, value: Any = b"v", **more: Any) -> Case:
    return starts(f"a header {name!r}: {value!r}", start(headers=[(name, value)]), **more)


def refused_first(name: str, message: Any) -> Case:
    return Case(TOPIC, f"{name}, and then one that is right", (tries(message), start(), body(b"x")))


async def from_a_generator(call: Call) -> None:
    await call.send(start(headers=((name, b"1") for name in (b"x-a", b"x-b"))))


START_CASES = [
    *[starts(f"status {status}", start(status)) for status in (200, 201, 299, 404, 418, 500, 599)],
    *[starts(f"status {status}", start(status)) for status in (600, 999, 1000, 99, 0, -1)],
    *[starts(f"status {status}", start(status)) for status in (100, 101, 103, 199)],
    *[starts(f"status {status!r}", start(status)) for status in ("200", None, 200.0, True)],
    starts("status in an enum", start(HTTPStatus.CREATED)),
    starts("no status", {"type": "http.response.start", "headers": []}),
    starts("no headers", {"type": "http.response.start", "status": 200}),
    starts("headers None", start(headers=None)),
    starts("headers in a tuple", start(headers=((b"x-a", b"1"),))),
    starts("headers in lists", start(headers=[[b"x-a", b"1"]])),
    Case(TOPIC, "headers of a generator", (from_a_generator, body(b"x"))),
    starts("headers in a dict", start(headers={b"x-a": b"1"})),
    starts("a header of one part", start(headers=[(b"x-a",)])),
    starts("a header of three parts", start(headers=[(b"x-a", b"1", b"2")])),
    starts("headers in order, and twice", start(headers=[(b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"3")])),
    starts("cookies twice", start(headers=[(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]), shows=("set-cookie",)),
    starts("its own date", start(headers=[(b"date", b"mine")]), shows=("date",)),
    header(b"X-Up"),
    header(b"x-a", b""),
    header(b"x-a", b"a b"),
    header(b"x-a", b" v "),
    header(b"x-a", b"a\tb"),
    header(b"x-a", b"\xe9"),
    header(b"x-a", b"\x01"),
    header(b"x-a", b"\x7f"),
    header(b"x-a", bytearray(b"v")),
    *[header(b"x-a", value) for value in (b"a\nb", b"a\rb", b"a\r\nx-b: c", b"a\0b", "v", 1, None)],
    *[header(name) for name in (b"x- a", b"x-a:", b"x-\r\na", b"x-a\0", b"", b"\xe9", b"x-(a)", "x-a", 1, None)],
    starts("a header's name of unusual characters", start(headers=[(b"x-!#$%&'*+.^_`|~", b"v")])),
    refused_first("status None", start(None)),
    refused_first("no status", {"type": "http.response.start"}),
    refused_first("a value of two lines", start(headers=[(b"x-a", b"a\nb")])),
    refused_first("a value that is a str", start(headers=[(b"x-a", "v")])),
    refused_first("headers None", start(headers=None)),
]
