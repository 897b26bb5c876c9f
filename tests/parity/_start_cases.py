"""How a response may start: status and headers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from asgi_testkit import Message, Receive, Scope, Send

from ._apps import body, plays, start
from ._case import Case, h11, httptools, hypercorn, uvicorn

CLOSES = uvicorn("start! -> no response")
LETS_IT_OUT = httptools("start body -> no response")  # no client can parse it

NOTHING_WAS_SENT = "Refused by each; then a 500 (hypercorn, granian) tells more than a closed connection."
READABLE = "What one server lets pass, and a client can read, is let pass."


def accepted(name: str, message: Message, seen: str, but: dict[str, str] | None = None, why: str = "") -> Case:
    return Case(name, plays(message, body()), f"start body -> {seen}", but or {}, why)


def refused(name: str, message: Message, but: dict[str, str] | None = None) -> Case:
    return Case(name, plays(message, body()), "start! -> 500", CLOSES | (but or {}), NOTHING_WAS_SENT)


def header(name: Any, value: Any = b"v") -> Message:
    return start(200, [(name, value)])


STATUS = [
    *[accepted(f"status {status}", start(status), f"{status}") for status in (200, 299, 404, 599)],
    accepted("status from an enum", start(HTTPStatus.CREATED), "201"),
    accepted("status 200.0", start(200.0), "200", h11("start! -> no response")),
    accepted("status 600", start(600), "600", CLOSES, READABLE),
    accepted("status 999", start(999), "999", CLOSES, READABLE),
    *[refused(f"status {status}", start(status)) for status in (1000, 99, 0, -1, True, None)],
    refused("no status", {"type": "http.response.start"}),
    refused("status '200'", start("200"), hypercorn("start body -> 200")),
    refused("status 200.5", start(200.5), hypercorn("start body -> 200")),
    *[
        Case(
            f"status {status}",
            plays(start(status), body()),
            "start! -> no response",
            LETS_IT_OUT | hypercorn("start body! -> no response"),
            "A client waits for a response after it, wherever it is sent; only h11 tells the app.",
        )
        for status in (100, 103, 199)
    ],
]

HEADER_NAME = [
    *[
        accepted(f"header name {name!r}", header(name), f"200 [{name.decode()}: v]")
        for name in (b"_", b"1", b"!#$%&'*+.^`|~")
    ],
    accepted("upper-case header name", header(b"X-Up"), "200 [x-up: v]"),
    accepted("header name in a bytearray", header(bytearray(b"x")), "200 [x: v]"),
    accepted("header name in a memoryview", header(memoryview(b"x")), "200 [x: v]", httptools("start! -> no response")),
    *[
        refused(f"header name {name!r}", header(name))
        for name in (b"x y", b"x:y", b":x", b"x\r\ny", b"x\0", b"x\x7f", b"x@y", b"(x)", b'"x"', None, 1)
    ],
    *[refused(f"header name {name!r}", header(name), LETS_IT_OUT) for name in (b"", b"x/y", b"\xe9")],
    *[
        refused(f"header name {name!r}", header(name), hypercorn("start body -> 200 [x: v]"))
        for name in (b" x", b"x ", b"x\n")
    ],
    refused("header name 'x'", header("x"), h11("start body -> 200 [x: v]")),
]

HEADER_VALUE = [
    *[
        accepted(f"header value {value!r}", header(b"x", value), f"200 [x: {value.decode('latin-1')}]")
        for value in (b"", b"a b", b"a\tb", b"\x80", b"\xe9", b"\xff")
    ],
    accepted("header value in a bytearray", header(b"x", bytearray(b"v")), "200 [x: v]"),
    accepted("header value in a memoryview", header(b"x", memoryview(b"v")), "200 [x: v]"),
    *[
        accepted(f"header value {value!r}", header(b"x", value), "200 [x: v]", h11("start! -> no response"))
        for value in (b" v ", b"\tv\t")
    ],
    *[
        accepted(
            f"header value {value!r}",
            header(b"x", value),
            f"200 [x: {value.decode()}]",
            httptools("start! -> no response"),
        )
        for value in (b"\x01", b"a\x08b", b"a\x0eb", b"a\x1fb", b"\x7f")
    ],
    *[
        refused(f"header value {value!r}", header(b"x", value))
        for value in (b"a\nb", b"a\rb", b"a\r\nb: c", b"a\r\n b", b"a\0b", b"a\x0bb", b"a\x0cb", None, 1)
    ],
    refused(r"header value b'v\n'", header(b"x", b"v\n"), hypercorn("start body -> 200 [x: v]")),
    refused("header value 'v'", header(b"x", "v"), h11("start body -> 200 [x: v]")),
]


async def headers_from_a_generator(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(200, ((name, b"v") for name in (b"x", b"y"))))
    await send(body())


async def headers_changed_afterwards(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"x", b"v")]
    await send(start(200, headers))
    headers.append((b"y", b"v"))
    await send(body())


HEADERS = [
    accepted("no headers", {"type": "http.response.start", "status": 200}, "200"),
    accepted("headers ()", start(200, ()), "200"),
    accepted("headers b''", start(200, b""), "200"),
    accepted("headers in lists", start(200, [[b"x", b"v"]]), "200 [x: v]"),
    accepted("headers of a dict", start(200, {b"x": b"v"}.items()), "200 [x: v]"),
    Case("headers from a generator", headers_from_a_generator, "start body -> 200 [x: v, y: v]"),
    Case("headers changed after they were sent", headers_changed_afterwards, "start body -> 200 [x: v]"),
    accepted(
        "headers twice and in no order",
        start(200, [(b"x", b"2"), (b"a", b"1"), (b"X", b"1"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]),
        "200 [x: 2, a: 1, x: 1, set-cookie: a=1, set-cookie: b=2]",
    ),
    accepted("upgrade", header(b"upgrade", b"x"), "200 [upgrade: x]"),
    refused("headers None", start(200, None)),
    refused("headers 5", start(200, 5)),
    refused("headers 'ab'", start(200, "ab")),
    refused("headers in a dict", start(200, {b"xy": b"v"})),
    refused("header of one part", start(200, [(b"x",)])),
    refused("header of three parts", start(200, [(b"x", b"y", b"z")])),
    accepted("transfer-encoding: chunked", header(b"transfer-encoding", b"chunked"), "200"),
    accepted("transfer-encoding: Chunked", header(b"transfer-encoding", b"Chunked"), "200"),
    refused("transfer-encoding: gzip", header(b"transfer-encoding", b"gzip"), LETS_IT_OUT),
]

START_CASES = [*STATUS, *HEADER_NAME, *HEADER_VALUE, *HEADERS]
