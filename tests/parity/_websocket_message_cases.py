"""What an app may send on an open connection, what it receives, and how it may close."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from asgi_testkit import Receive, Send

from ._apps import PEEK, RECEIVE, settle
from ._observe import kind_of
from ._websocket_apps import MEET, SETTLE, accept, accepted, close, deny, send
from ._websocket_case import WebSocketCase, hypercorn, not_websockets, uvicorn, websockets, wsproto
from ._websocket_open_cases import FAILED, SAME_AGAIN, STRANGERS

UNSENDABLE = "RFC 6455 keeps it out of a close frame, and so does uvicorn with websockets."


def sends(name: str, message: Any, seen: str, but: dict[str, str] | None = None, why: str = "") -> WebSocketCase:
    servers = {world: f"accept {story}" for world, story in (but or {}).items()}
    story = f"accept send close -> 101 {seen} close(1000)"
    return WebSocketCase(f"sends {name}", accepted(message, close()), story, servers, why)


def fails(name: str, message: Any, but: dict[str, str] | None = None) -> WebSocketCase:
    """Return a case in which the message is refused, and the app lets the exception pass."""
    kind = kind_of(message)
    servers = uvicorn(f"accept {kind}! -> 101 cut") | {world: f"accept {story}" for world, story in (but or {}).items()}
    story = f"accept {kind}! -> 101 close(1011)"
    more = () if kind == "close" else (close(),)
    return WebSocketCase(f"sends {name}", accepted(message, *more), story, servers, FAILED)


async def buffer_reused(receive: Receive, send: Send) -> None:
    buffer = bytearray(b"ab")
    await send({"type": "websocket.send", "bytes": buffer})
    buffer[:] = b"cd"
    await send({"type": "websocket.send", "bytes": buffer})
    await send({"type": "websocket.close"})


SEND = [
    sends("text", send(text="é"), "'é'"),
    sends("bytes", send(bytes=b"\xff"), r"b'\xff'"),
    sends("text None and bytes", send(text=None, bytes=b"x"), "b'x'"),
    sends("bytes None and text", send(bytes=None, text="x"), "'x'"),
    sends("text and bytes", send(text="x", bytes=b"y"), "b'y'"),
    sends("text and b''", send(text="x", bytes=b""), "b''"),
    sends("'' and bytes", send(text="", bytes=b"y"), "b'y'"),
    sends("''", send(text=""), "''"),
    sends("b''", send(bytes=b""), "b''"),
    sends("NUL", send(text="a\0b"), r"'a\x00b'"),
    sends("extra keys", send(text="x", y=1), "'x'"),
    sends("a bytearray", send(bytes=bytearray(b"x")), "b'x'"),
    sends("a memoryview", send(bytes=memoryview(b"x")), "b'x'"),
    sends("much", send(bytes=b"x" * 70_000), repr(b"x" * 70_000)),
    WebSocketCase(
        "sends several",
        accepted(send(text="1"), send(bytes=b"2"), send(text="3"), close()),
        "accept send send send close -> 101 '1' b'2' '3' close(1000)",
    ),
    WebSocketCase(
        "sends a buffer that is used again",
        accepted(buffer_reused),
        "accept send send close -> 101 b'ab' b'cd' close(1000)",
    ),
    *[
        fails(name, message, websockets("send close -> 101 close(1000)"))
        for name, message in {
            "nothing": send(),
            "text None": send(text=None),
            "bytes None": send(bytes=None),
            "text None and bytes None": send(text=None, bytes=None),
        }.items()
    ],
    fails("text b'x'", send(text=b"x"), wsproto("send close -> 101 b'x' close(1000)")),
    fails("bytes 'x'", send(bytes="x"), wsproto("send close -> 101 'x' close(1000)")),
    fails("text 5", send(text=5)),
    fails("bytes 2", send(bytes=2), hypercorn(r"send close -> 101 b'\x00\x00' close(1000)")),
    fails("bytes [120]", send(bytes=[120]), hypercorn("send close -> 101 b'x' close(1000)")),
    fails("a lone surrogate", send(text="\ud800")),
]

RECEIVES = [
    WebSocketCase(
        "receives text and bytes",
        accepted(RECEIVE, RECEIVE, RECEIVE, RECEIVE, close()),
        r"accept receive('é') receive(b'\xff') receive('') receive(b'') close -> 101 close(1000)",
        client=("é", b"\xff", "", b""),
    ),
    WebSocketCase(
        "echoes",
        accepted(RECEIVE, send(text="a"), RECEIVE, send(text="b"), close()),
        "accept receive('1') send receive('2') send close -> 101 'a' 'b' close(1000)",
        client=("1", "2"),
    ),
]


def described(close: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} {value!r}" if len(repr(value)) < 20 else f"{key} of {length(value)}" for key, value in close.items()
    )


def length(reason: str) -> str:
    return f"{len(reason)} characters in {len(reason.encode())} bytes"


def closes(seen: str, but: dict[str, str] | None = None, why: str = "", **more: Any) -> WebSocketCase:
    servers = {world: f"accept close {story}" for world, story in (but or {}).items()}
    story = f"accept close -> 101 {seen}"
    return WebSocketCase(f"closes, {described(more)}", accepted(close(**more)), story, servers, why)


def cannot_close(but: dict[str, str] | None = None, why: str = FAILED, **more: Any) -> WebSocketCase:
    servers = uvicorn("accept close! -> 101 cut") | (but or {})
    story = "accept close! -> 101 close(1011)"
    return WebSocketCase(f"closes, {described(more)}", accepted(close(**more)), story, servers, why)


def lets_pass(code: int | str) -> dict[str, str]:
    return not_websockets(f"accept close -> 101 close({code})")


#: How hypercorn ends a connection whose app fails in closing it: it takes it for closed already.
CUT = hypercorn("accept close! -> 101 cut")

CLOSE = [
    closes("close(1000)", code=1000),
    closes("close(1000)", reason=None),
    closes("close(1000)", reason=""),
    closes("close(4000, bye é)", code=4000, reason="bye é"),
    *[closes(f"close({code})", code=code) for code in (1001, 1003, 1007, 1011, 1012, 1014, 3000, 4999)],
    WebSocketCase(
        "closes, code None",
        accepted(close(code=None)),
        "accept close -> 101 close(1005)",
        hypercorn("accept close! -> 101 cut"),
    ),
    # These three stand for the lack of a code; wsproto sends 1000 instead.
    *[cannot_close(lets_pass(1000), UNSENDABLE, code=code) for code in (1005, 1006, 1015)],
    *[cannot_close(lets_pass(code), UNSENDABLE, code=code) for code in (0, 999, 1004, 1016, 2999, 5000, 65535)],
    cannot_close(lets_pass(1), UNSENDABLE, code=True),
    *[cannot_close(CUT, code=code) for code in (-1, 65536)],
    *[cannot_close(hypercorn("accept close -> 101 close(1000)"), code=code) for code in ("1000", 1000.0)],
    closes("close(1000, 123 bytes)", reason="x" * 123),
    closes("close(1000, 123 bytes)", reason="x" + "é" * 61),
    cannot_close(lets_pass("1000, 123 bytes"), UNSENDABLE, reason="x" * 124),
    cannot_close(lets_pass("1000, 122 bytes"), UNSENDABLE, reason="é" * 61 + "€"),
    *[cannot_close(CUT, reason=reason) for reason in (5, b"x", "\ud800")],
]


async def waits_for_its_own_close(receive: Receive, send: Send) -> None:
    """Receive while closing: what is received wakes up."""
    async with asyncio.TaskGroup() as group:
        group.create_task(receive())  # type: ignore[arg-type]
        await settle()
        await send(close(code=1001, reason="bye"))


CLOSED = [
    WebSocketCase(
        "receives after it closed",
        accepted(close(code=1001, reason="bye"), RECEIVE),
        "accept close disconnect(1001, bye) -> 101 close(1001, bye)",
        hypercorn("accept close disconnect(1000) -> 101 close(1001, bye)"),
    ),
    WebSocketCase(
        "receives after it closed, again",
        accepted(close(code=1001), RECEIVE, PEEK),
        "accept close disconnect(1001) disconnect(1001) -> 101 close(1001)",
        uvicorn("accept close disconnect(1001) disconnect(1005) -> 101 close(1001)")
        | hypercorn("accept close disconnect(1000) nothing -> 101 close(1001)"),
        SAME_AGAIN,
    ),
    WebSocketCase(
        "receives while it closes",
        accepted(waits_for_its_own_close),
        "accept close disconnect(1001, bye) -> 101 close(1001, bye)",
        hypercorn("accept close disconnect(1000) -> 101 close(1001, bye)"),
    ),
    WebSocketCase(
        "receives what came before it closed",
        accepted(MEET, SETTLE, close(), RECEIVE, RECEIVE, RECEIVE),
        "accept close receive('1') receive('2') disconnect(1000) -> 101 close(1000)",
        client=("1", "2", MEET),
    ),
    *[
        WebSocketCase(
            f"{message} after close",
            accepted(close(), message),
            f"accept close {kind_of(message)}! -> 101 close(1000)",
        )
        for message in (send(text="x"), accept(), deny(), *STRANGERS)
    ],
    WebSocketCase(
        "closes twice",
        accepted(close(), close()),
        "accept close close! -> 101 close(1000)",
        hypercorn("accept close close -> 101 close(1000)"),
    ),
    WebSocketCase("raises after close", accepted(close(), LookupError), "accept close -> 101 close(1000)"),
]

END = [
    WebSocketCase(f"{name}{where}", accepted(*part, *end), f"accept{story} -> 101{seen} {ours}", servers, why)
    for where, part, story, seen in (
        (" after accept", (), "", ""),
        (" after a message", (send(text="x"),), " send", " 'x'"),
    )
    for name, end, ours, why in (
        ("returns", (), "cut", ""),
        ("raises", (LookupError,), "close(1011)", FAILED),
        ("raises CancelledError", (asyncio.CancelledError,), "close(1011)", FAILED),
    )
    for servers in [
        uvicorn(f"accept{story} -> 101{seen} cut") | hypercorn(f"accept{story} -> 101{seen} close(1011)"),
    ]
]

MESSAGE_CASES: Sequence[WebSocketCase] = [*SEND, *RECEIVES, *CLOSE, *CLOSED, *END]
