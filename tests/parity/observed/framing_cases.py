"""How long a body is said to be, and is; and when there is none."""

from __future__ import annotations

from typing import Any

from .call import Step, tries
from .case import Case, Topic, body, part, start
from .client import READ, Request

TOPIC: Topic = "Length and framing"
LENGTH = b"content-length"
CHUNKED = (b"transfer-encoding", b"chunked")


def framed(name: str, *app: Step, method: str = "GET", **more: Any) -> Case:
    return Case(TOPIC, name, app, (Request(method), READ), **more)


def length(value: bytes, status: int = 200) -> dict[str, Any]:
    return start(status, [(LENGTH, value)])


FRAMING_CASES = [
    framed("a length that fits", length(b"5"), body(b"hello"), shows=("content-length",)),
    framed("a length that two parts fill", length(b"5"), part(b"he"), body(b"llo")),
    framed("a full length and an empty end", length(b"5"), part(b"hello"), body()),
    framed("a full length and no end", length(b"5"), part(b"hello")),
    framed("length 0", length(b"0"), body()),
    framed("too long", length(b"3"), body(b"hello")),
    framed("too long by its second part", length(b"3"), part(b"he"), body(b"llo")),
    framed("too short", length(b"9"), body(b"hello")),
    framed("too short, and nothing of it", length(b"9"), body()),
    framed("too long, and then what fits", length(b"3"), tries(body(b"hello")), body(b"hel")),
    framed("too long as a part, and then what fits", length(b"3"), tries(part(b"hello")), body(b"hel")),
    framed("too short, and then the rest", length(b"9"), tries(body(b"hello")), body(b" all")),
    framed("a length that is no number", length(b"five"), body(b"hello")),
    framed("a negative length", length(b"-1"), body(b"hello")),
    framed("two lengths that differ", start(headers=[(LENGTH, b"5"), (LENGTH, b"6")]), body(b"hello")),
    framed("the same length twice", start(headers=[(LENGTH, b"5"), (LENGTH, b"5")]), body(b"hello")),
    framed("chunked, by the app", start(headers=[CHUNKED]), body(b"hello")),
    framed(
        "chunked, and a length", start(headers=[(b"transfer-encoding", b"chunked"), (LENGTH, b"5")]), body(b"hello")
    ),
    framed("gzip as a transfer encoding", start(headers=[(b"transfer-encoding", b"gzip")]), body(b"hello")),
    framed("connection: close, by the app", start(headers=[(b"connection", b"close")]), body(b"hello")),
    framed("HEAD", start(), body(), method="HEAD"),
    framed("HEAD and a body", start(), body(b"hello"), method="HEAD"),
    framed("HEAD, a length and no body", length(b"5"), body(), method="HEAD", shows=("content-length",)),
    framed("HEAD, a length and a body", length(b"5"), body(b"hello"), method="HEAD", shows=("content-length",)),
    framed("HEAD and parts", start(), part(b"he"), body(b"llo"), method="HEAD"),
    *[
        case
        for status in (204, 304)
        for case in (
            framed(f"{status}", start(status), body()),
            framed(f"{status} and a body", start(status), body(b"hello")),
            framed(f"{status} and parts", start(status), part(b"he"), body(b"llo")),
            framed(f"{status} and length 0", length(b"0", status), body()),
        )
    ],
    framed("205 and no body", start(205), body()),
    framed("302 and no body", start(302, [(b"location", b"/a")]), body(), shows=("location",)),
]
