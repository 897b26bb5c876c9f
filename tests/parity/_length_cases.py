"""How long a body may be, and when there is none."""

from __future__ import annotations

from asgi_testkit import Message

from ._apps import body, plays, start
from ._case import Case, h11, httptools, uvicorn
from ._message_cases import HELLO, PART
from ._observe import calls
from ._servers import SERVERS
from ._start_cases import CLOSES, LETS_IT_OUT, NOTHING_WAS_SENT, refused

CHUNKED = (b"transfer-encoding", b"chunked")
HEAD = calls("HEAD")


def length(*values: bytes, status: int = 200) -> Message:
    return start(status, [(b"content-length", value) for value in values])


LENGTH = [
    Case("a length that fits", plays(length(b"5"), HELLO), "start body -> 200 [content-length: 5] hello"),
    Case(
        "a length that two parts fill",
        plays(length(b"5"), PART, body(b"llo")),
        "start body body -> 200 [content-length: 5] hello",
    ),
    Case(
        "a full length, then an empty end",
        plays(length(b"5"), body(b"hello", more_body=True), body()),
        "start body body -> 200 [content-length: 5] hello",
    ),
    Case(
        "a full length and no end",
        plays(length(b"5"), body(b"hello", more_body=True)),
        "start body -> 200 [content-length: 5] hello",
    ),
    Case("length 0, no body", plays(length(b"0"), body()), "start body -> 200 [content-length: 0]"),
    Case("length 0, no end", plays(length(b"0")), "start -> 200 [content-length: 0]"),
    Case("length 05", plays(length(b"05"), HELLO), "start body -> 200 [content-length: 05] hello"),
    Case(
        "length ' 5 '",
        plays(length(b" 5 "), HELLO),
        "start body -> 200 [content-length: 5] hello",
        h11("start! -> no response"),
    ),
    Case("too long", plays(length(b"3"), HELLO), "start body! -> 200 [content-length: 3] cut"),
    Case(
        "too long in the second part",
        plays(length(b"3"), PART, body(b"llo")),
        "start body body! -> 200 [content-length: 3] he cut",
    ),
    Case(
        "too long after it was full",
        plays(length(b"5"), body(b"hello", more_body=True), body(b"!")),
        "start body body! -> 200 [content-length: 5] hello",
    ),
    Case("too long for 0", plays(length(b"0"), HELLO), "start body! -> 200 [content-length: 0]"),
    Case("too short", plays(length(b"9"), HELLO), "start body! -> 200 [content-length: 9] hello cut"),
    Case("too short by all", plays(length(b"5"), body()), "start body! -> 200 [content-length: 5] cut"),
    Case(
        "body None and a length",
        plays(length(b"0"), body(None)),
        "start body -> 200 [content-length: 0]",
        dict.fromkeys(SERVERS, "start body! -> 200 [content-length: 0]"),
        "Without a length it is let pass; a length makes it no worse.",
    ),
    Case("the same length twice", plays(length(b"5", b"5"), HELLO), "start body -> 200 [content-length: 5] hello"),
    Case(
        "length '5, 5'",
        plays(length(b"5, 5"), HELLO),
        "start body -> 200 [content-length: 5] hello",
        httptools("start! -> no response"),
    ),
    *[refused(f"length {value!r}", length(value)) for value in (b"five", b"", b"5.0", b"0x5")],
    *[
        refused(f"length {value!r}", length(value), LETS_IT_OUT)
        for value in (b"+0", b"0_0", "\N{ARABIC-INDIC DIGIT ZERO}".encode())
    ],
    *[
        refused(f"length {value!r}", length(value), httptools("start body! -> no response"))
        for value in (b"-1", b"1" * 21)
    ],
    Case(
        "two lengths, the first right",
        plays(length(b"5", b"6"), HELLO),
        "start! -> 500",
        CLOSES | LETS_IT_OUT,
        NOTHING_WAS_SENT,
    ),
    Case(
        "two lengths, the second right",
        plays(length(b"6", b"5"), HELLO),
        "start! -> 500",
        CLOSES | httptools("start body! -> no response"),
        NOTHING_WAS_SENT,
    ),
    *[
        Case(
            f"chunked and a length of {n}",
            plays(start(200, [CHUNKED, (b"content-length", b"%d" % n)]), HELLO),
            "start body -> 200 hello",
            httptools(f"start body -> 200 [content-length: {n}] hello"),
        )
        for n in (5, 3)
    ],
]

HEAD_ONLY = [
    Case("HEAD", plays(start(), body()), "start body -> 200", call=HEAD),
    Case("HEAD, body", plays(start(), HELLO), "start body -> 200", call=HEAD),
    Case("HEAD, length, no body", plays(length(b"5"), body()), "start body -> 200 [content-length: 5]", call=HEAD),
    Case("HEAD, length, body", plays(length(b"5"), HELLO), "start body -> 200 [content-length: 5]", call=HEAD),
    Case("HEAD, length, longer body", plays(length(b"3"), HELLO), "start body -> 200 [content-length: 3]", call=HEAD),
    Case("HEAD, length, no end", plays(length(b"5"), PART), "start body -> 200 [content-length: 5]", call=HEAD),
]


def without_body(status: int) -> list[Case]:
    return [
        Case(f"{status}", plays(start(status), body()), f"start body -> {status}"),
        Case(f"{status}, no end", plays(start(status)), f"start -> {status}"),
        Case(
            f"{status}, body",
            plays(start(status), HELLO),
            f"start body -> {status}",
            uvicorn(f"start body! -> {status}"),
            "hypercorn, granian and daphne let it pass, and send none of it.",
        ),
        Case(
            f"{status}, length 0",
            plays(length(b"0", status=status), body()),
            f"start body -> {status} [content-length: 0]",
        ),
        Case(
            f"{status}, length, no body",
            plays(length(b"5", status=status), body()),
            f"start body -> {status} [content-length: 5]",
            httptools(f"start body! -> {status} [content-length: 5]"),
        ),
        Case(
            f"{status}, length, body",
            plays(length(b"5", status=status), HELLO),
            f"start body -> {status} [content-length: 5]",
            h11(f"start body! -> {status} [content-length: 5]"),
        ),
    ]


LENGTH_CASES = [*LENGTH, *HEAD_ONLY, *without_body(204), *without_body(304)]
