"""What a client may put on the wire, and what it must not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wsproto.frame_protocol import Opcode

from ._apps import RECEIVE
from ._servers import MESSAGE_LIMIT
from ._websocket_apps import accepted, close
from ._websocket_case import WebSocketCase, hypercorn, websockets, wsproto
from ._websocket_frames import binary, closing, frame, more, ping, pong, text
from ._websocket_peers import SEES, Frames

IN_ORDER = "What was fine arrives, whatever comes after it."
INTERLEAVED = "RFC 6455 5.4: control frames may come in the middle of a message."
MINIMAL = "RFC 6455 5.2: a length takes as few bytes as it can."


def fine(name: str, *client: Any, received: str = "'x'", seen: str = "") -> WebSocketCase:
    steps = [Frames(step) if isinstance(step, bytes) else step for step in client]
    story = f"accept receive({received}) close -> 101 {seen}close(1000)"
    return WebSocketCase(name, accepted(RECEIVE, close()), story, client=steps)


def broken(name: str, data: bytes, code: int = 1002, servers: dict[str, str] | None = None) -> WebSocketCase:
    """Return a case in which the connection fails. With wsproto, the client is not told why."""
    return WebSocketCase(
        name,
        accepted(RECEIVE),
        f"accept disconnect({code}) -> 101 close({code})",
        wsproto(f"accept disconnect({code}) -> 101 cut")
        | hypercorn("accept disconnect(1006) -> 101 cut")
        | (servers or {}),
        client=(Frames(data),),
    )


FINE = [
    fine("text in parts", text("a", fin=False), more(b"", fin=False), more(b"b"), received="'ab'"),
    fine("bytes in parts", binary(b"a", fin=False), more(b"b"), received="b'ab'"),
    fine("text in empty parts", text("", fin=False), more(), received="''"),
    fine("text in parts that split a character", text(b"\xe2\x82", fin=False), more(b"\xac"), received="'€'"),
    fine("a frame in single bytes", *[bytes([byte]) for byte in text("hé")], received="'hé'"),
    fine("two frames at once", text("x") + text("y")),
    fine("a frame of 126 bytes", text("x" * 126), received=repr("x" * 126)),
    fine("a message as long as it may be", binary(b"x" * MESSAGE_LIMIT), received=repr(b"x" * MESSAGE_LIMIT)),
    fine("a ping", ping(b"hi") + text("x"), seen="pong(hi) "),
    fine("a ping, and nothing for the app", ping(b"hi"), SEES, text("x"), seen="pong(hi) "),
    fine("an empty ping", ping() + text("x"), seen="pong() "),
    fine("a ping as long as it may be", ping(b"p" * 125) + text("x"), seen=f"pong({'p' * 125}) "),
    fine("two pings", ping(b"1") + ping(b"2") + text("x"), seen="pong(1) pong(2) "),
    fine("a ping amid a message", text("a", fin=False) + ping(b"p") + more(b"b"), received="'ab'", seen="pong(p) "),
    fine("a pong that nobody asked for", pong(b"p") + text("x")),
]

BROKEN = [
    broken("text that is no UTF-8", text(b"\xff"), 1007),
    broken("text that ends in a character", text(b"a\xe2\x82"), 1007),
    broken("a reserved opcode", frame(3)),
    broken("a reserved opcode for control", frame(11)),
    broken("no mask", frame(Opcode.TEXT, b"x", masked=False)),
    broken("no mask, close", frame(Opcode.CLOSE, b"\x03\xe8", masked=False)),
    *[broken(f"reserved bits {rsv:03b}", frame(Opcode.TEXT, b"x", rsv=rsv)) for rsv in (4, 2, 1)],
    broken("a part of nothing", more(b"x")),
    broken("text amid text", text("a", fin=False) + text("b")),
    broken("bytes amid text", text("a", fin=False) + binary(b"b")),
    broken("a ping too long", ping(b"x" * 126)),
    broken("a ping in parts", ping(b"x", fin=False)),
    broken("close of one byte", frame(Opcode.CLOSE, b"\x03")),
    broken("close, reason too long", closing(1000, b"x" * 124)),
    broken("close, reason that is no UTF-8", closing(1000, b"\xff"), 1007),
    *[
        broken(f"close, code {code}", closing(code))
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    ],
    WebSocketCase(
        "a length in more bytes than it takes",
        accepted(RECEIVE, close()),
        "accept disconnect(1002) close -> 101 close(1002)",
        websockets("accept receive('x') close -> 101 close(1000)")
        | wsproto("accept disconnect(1002) close -> 101 cut")
        | hypercorn("accept disconnect(1006) close -> 101 cut"),
        MINIMAL,
        client=(Frames(b"\x81\xfe\0\1" + bytes(4) + b"x"),),
    ),
    WebSocketCase(
        "a message, and a frame that is none",
        accepted(RECEIVE, RECEIVE),
        "accept receive('x') disconnect(1002) -> 101 close(1002)",
        websockets("accept disconnect(1002) disconnect(1005) -> 101 close(1002)")
        | wsproto("accept receive('x') disconnect(1002) -> 101 cut")
        | hypercorn("accept receive('x') disconnect(1006) -> 101 cut"),
        IN_ORDER,
        client=(Frames(text("x") + frame(3)),),
    ),
]


def too_long(name: str, data: bytes) -> WebSocketCase:
    story = "accept disconnect(1006) -> 101 close(1009)"
    return broken(name, data, 1009, wsproto("accept disconnect(1009) -> 101 close(1009)") | hypercorn(story))


TOO_LONG = [
    too_long("a message too long", binary(b"x" * (MESSAGE_LIMIT + 1))),
    too_long("a message too long, in parts", binary(b"x" * MESSAGE_LIMIT, fin=False) + more(b"x")),
]


def closes(name: str, data: bytes, told: str) -> WebSocketCase:
    return WebSocketCase(
        name,
        accepted(RECEIVE),
        f"accept disconnect({told}) -> 101 close({told})",
        hypercorn(f"accept disconnect(1006) -> 101 close({told})"),
        client=(Frames(data),),
    )


CLOSE = [
    closes("close, no code", closing(), "1005"),
    closes("close, code and reason", closing(1000, "é".encode()), "1000, é"),
    *[closes(f"close, code {code}", closing(code), f"{code}") for code in (1001, 1003, 1007, 1012, 3000, 4999)],
    WebSocketCase(
        "close, code 1014",
        accepted(RECEIVE),
        "accept disconnect(1002) -> 101 close(1002)",
        websockets("accept disconnect(1014) -> 101 close(1014)")
        | wsproto("accept disconnect(1002) -> 101 cut")
        | hypercorn("accept disconnect(1006) -> 101 cut"),
        "IANA knows it, wsproto does not",
        client=(Frames(closing(1014)),),
    ),
    closes("close, and more after it", closing(1000, b"bye") + text("x"), "1000, bye"),
    WebSocketCase(
        "close amid a message",
        accepted(RECEIVE),
        "accept disconnect(1000, bye) -> 101 close(1000, bye)",
        websockets("accept disconnect(1002) -> 101 close(1002)")
        | hypercorn("accept disconnect(1006) -> 101 close(1000, bye)"),
        INTERLEAVED,
        client=(Frames(text("a", fin=False) + closing(1000, b"bye")),),
    ),
]

FRAME_CASES: Sequence[WebSocketCase] = [*FINE, *BROKEN, *TOO_LONG, *CLOSE]
