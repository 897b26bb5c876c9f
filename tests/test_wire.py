"""The wire: a client that writes and reads frames, byte by byte, and the app behind them."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import anyio
import anyio.lowlevel
import httpcore
import httpx
import pytest
from wsproto.frame_protocol import Opcode

from asgi_testkit import ASGIProtocolError, ASGITransport, Message, Receive, Scope, Send
from asgi_testkit._conversation.websocket import READ_BUFFER

from .messages import Recorder, accept, deny, echo, hang_up, say
from .wire import (
    ACCEPTED_KEY,
    HANDSHAKE,
    MASK,
    RSV1,
    BytesMessage,
    CloseConnection,
    Decoder,
    Event,
    Ping,
    Pong,
    TextMessage,
    Wire,
    binary,
    closing,
    connected,
    deflated,
    extension_of,
    frame,
    more,
    ping,
    pong,
    text,
)

pytestmark = pytest.mark.anyio

DEFLATE = "permessage-deflate"


def listener(record: Recorder) -> Any:
    """Return an app that accepts, and records what it receives up to the end."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        message: Message = {"type": "websocket.receive"}
        while message["type"] == "websocket.receive":
            message = await receive()
            record(message)

    return app


def speaker(*steps: Any) -> Any:
    """Return an app that accepts, and takes these steps: data to send, or what to await with `receive` and `send`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        for step in steps:
            await (say(send, step) if isinstance(step, str | bytes) else step(receive, send))

    return app


def hangs_up(**more: Any) -> Callable[[Receive, Send], Awaitable[None]]:
    async def step(receive: Receive, send: Send) -> None:
        await hang_up(send, **more)

    return step


async def listens(receive: Receive, send: Send) -> None:
    while (await receive())["type"] == "websocket.receive":
        pass


class OfTheAppError(Exception):
    """What an app raises here."""


async def fails(receive: Receive, send: Send) -> None:
    raise OfTheAppError


def received(*data: str | bytes) -> list[Message]:
    """Return the messages by which an app receives these."""
    return [{"type": "websocket.receive", "text" if isinstance(each, str) else "bytes": each} for each in data]


def gone(code: int, reason: str | None = None) -> Message:
    """Return the message by which an app hears of the end."""
    more = {} if reason is None else {"reason": reason}
    return {"type": "websocket.disconnect", "code": code, **more}


# The handshake


async def test_a_handshake_is_answered_with_101_and_a_stream() -> None:
    async with connected(echo, client=("9.8.7.6", 5)) as wire:
        headers = wire.response.headers
        assert headers["upgrade"] == "websocket"
        assert headers["connection"] == "Upgrade"
        assert headers["sec-websocket-accept"] == ACCEPTED_KEY
        assert "sec-websocket-extensions" not in headers
        assert "sec-websocket-protocol" not in headers
        assert wire.response.extensions["reason_phrase"] == b"Switching Protocols"
        assert isinstance(wire.stream, httpcore.AsyncNetworkStream)
        assert wire.stream.get_extra_info("client_addr") == ("9.8.7.6", 5)
        assert wire.stream.get_extra_info("server_addr") == ("testserver", 80)
        assert wire.stream.get_extra_info("ssl_object") is None


async def test_the_apps_subprotocol_and_headers_are_in_the_101() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["subprotocols"] == ["chat", "superchat"]
        await accept(send, (b"x-app", b"1"), (b"set-cookie", b"a=b"), subprotocol="superchat")
        await receive()
        await receive()

    async with connected(app, headers={"sec-websocket-protocol": "chat, superchat"}) as wire:
        assert wire.response.headers["sec-websocket-protocol"] == "superchat"
        assert wire.response.headers["x-app"] == "1"
        assert wire.response.cookies["a"] == "b"


async def never_called(scope: Scope, receive: Receive, send: Send) -> None:  # pragma: no cover
    pytest.fail("the app was called")


@pytest.mark.parametrize(
    "method, changes, status, header",
    [
        ("GET", {"sec-websocket-key": ""}, 400, {}),
        ("GET", {"sec-websocket-key": "c2hvcnQ="}, 400, {}),
        ("GET", {"sec-websocket-version": ""}, 400, {}),
        ("GET", {"sec-websocket-version": "8"}, 426, {"sec-websocket-version": "13"}),
        ("POST", {}, 405, {"allow": "GET"}),
    ],
)
async def test_a_handshake_that_is_none_is_refused_without_the_app(
    method: str, changes: dict[str, str], status: int, header: dict[str, str]
) -> None:
    async with httpx.AsyncClient(transport=ASGITransport(never_called)) as client:
        response = await client.request(method, "http://testserver", headers=HANDSHAKE | changes)
    assert response.status_code == status
    assert header.items() <= dict(response.headers).items()
    assert response.headers["connection"] == "close"
    assert response.text.endswith("\n")
    assert "network_stream" not in response.extensions


async def denies(scope: Scope, receive: Receive, send: Send) -> None:
    await deny(send, (b"x-app", b"1"), status=401, chunks=(b"not ", b"you"))


async def rejects(scope: Scope, receive: Receive, send: Send) -> None:
    await hang_up(send)


async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
    raise OfTheAppError


@pytest.mark.parametrize(
    "app, status, body", [(denies, 401, b"not you"), (rejects, 403, b""), (breaks, 500, b"Internal Server Error")]
)
async def test_an_app_that_does_not_accept_is_a_response_without_a_stream(app: Any, status: int, body: bytes) -> None:
    async with httpx.AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False)) as client:
        response = await client.get("http://testserver", headers={**HANDSHAKE, "sec-websocket-extensions": DEFLATE})
    assert (response.status_code, response.content) == (status, body)
    assert "network_stream" not in response.extensions
    assert "sec-websocket-extensions" not in response.headers


# Messages


@pytest.mark.parametrize(
    "data",
    ["", "é" * 62, "x" * 125, "x" * 126, "x" * 65535, "x" * 65536, b"", b"\0", bytes(70_000)],
    ids=lambda data: f"{type(data).__name__} of {len(data)}",
)
async def test_messages_go_both_ways(data: str | bytes) -> None:
    record = Recorder()

    async def answers(receive: Receive, send: Send) -> None:
        record(await receive())
        await say(send, data)
        await receive()

    async with connected(speaker(answers)) as wire:
        await wire.write(text(data) if isinstance(data, str) else binary(data))
        assert await wire.next() == (TextMessage(data) if isinstance(data, str) else BytesMessage(data))
    assert record.events == received(data)


FRAGMENTS = [
    (text("caf", fin=False) + more(b"\xc3", fin=False) + more(b"\xa9"), "café"),
    (binary(b"", fin=False) + more(fin=False) + more(b"x", fin=False) + more(), b"x"),
    (text("", fin=False) + more(), ""),
    (text(b"\xf0\x9f", fin=False) + ping(b"1") + more(b"\xa6", fin=False) + pong() + ping() + more(b"\x84"), "🦄"),
]


@pytest.mark.parametrize("data, message", FRAGMENTS, ids=["text", "binary", "empty", "with control frames"])
async def test_fragments_are_joined(data: bytes, message: str | bytes) -> None:
    async with connected(echo) as wire:
        await wire.write(data)
        event = await wire.next()
        while isinstance(event, Pong):
            event = await wire.next()
        assert event == (TextMessage(message) if isinstance(message, str) else BytesMessage(message))


async def test_bytes_may_come_one_by_one() -> None:
    record = Recorder()
    sent = [data for data, _ in FRAGMENTS] + [text("x" * 300), ping(b"last"), closing(4000, "é")]
    async with connected(listener(record)) as wire:
        for number in b"".join(sent):
            await wire.write(bytes([number]))
        assert await wire.rest() == [Pong(b"1"), Pong(), Pong(b"last"), CloseConnection(4000, "é")]
    assert record.events == [*received("café", b"x", "", "🦄", "x" * 300), gone(4000, "é")]


async def test_several_frames_may_come_at_once() -> None:
    record = Recorder()
    async with connected(listener(record)) as wire:
        await wire.write(*(text(str(number)) for number in range(100)), closing())
        assert await wire.rest() == [CloseConnection(1005, "")]
    assert record.events == [*received(*map(str, range(100))), gone(1005, "")]


async def test_nothing_may_be_written() -> None:
    async with connected(echo) as wire:
        await wire.write(b"")
        await wire.write(text("x"))
        assert await wire.next() == TextMessage("x")


async def test_frames_may_be_read_byte_by_byte() -> None:
    async with connected(speaker("one", b"two", hangs_up(code=3000))) as wire:
        decoder, events = Decoder(), []
        while byte := await wire.stream.read(1):
            assert len(byte) == 1
            events += decoder.feed(byte)
            if len(events) == 3:
                await wire.write(closing())
    assert events == [TextMessage("one"), BytesMessage(b"two"), CloseConnection(3000, "")]


async def test_a_message_is_a_frame_that_is_not_masked() -> None:
    async with connected(speaker("one", b"two", listens)) as wire:
        assert await wire.stream.read(100) == b"\x81\x03one"
        assert await wire.stream.read(100) == b"\x82\x03two"


# Control frames


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(125))], ids=len)
async def test_a_ping_is_answered_while_the_app_does_something_else(payload: bytes) -> None:
    async def hangs(receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    async with connected(speaker(hangs)) as wire:
        await wire.write(ping(payload), ping(b"another"))
        assert [await wire.next(), await wire.next()] == [Pong(payload), Pong(b"another")]


async def test_a_pong_that_nobody_asked_for_is_ignored() -> None:
    async with connected(echo) as wire:
        await wire.write(pong(b"x"), text("y"))
        assert await wire.next() == TextMessage("y")


# The client closes


@pytest.mark.parametrize(
    "data, seen, reply",
    [
        (closing(), gone(1005, ""), CloseConnection(1005, "")),
        (closing(1000), gone(1000, ""), CloseConnection(1000, "")),
        (closing(1001, "bye"), gone(1001, "bye"), CloseConnection(1001, "bye")),
        (closing(4999, "é" * 61), gone(4999, "é" * 61), CloseConnection(4999, "é" * 61)),
        (text("half", fin=False) + closing(1000), gone(1000, ""), CloseConnection(1000, "")),
    ],
    ids=["no code", "1000", "1001 with a reason", "the longest reason", "amid a message"],
)
async def test_the_clients_close_is_seen_and_answered(data: bytes, seen: Message, reply: Event) -> None:
    record = Recorder()
    async with connected(listener(record)) as wire:
        await wire.write(data)
        assert await wire.rest() == [reply]
    assert record.events == [seen]
    assert type(record.events[0]["code"]) is int


async def test_a_close_without_a_code_is_answered_with_an_empty_frame() -> None:
    async with connected(echo) as wire:
        await wire.write(closing())
        assert await wire.stream.read(100) == b"\x88\x00"


async def test_what_the_client_sends_after_its_close_is_ignored() -> None:
    record = Recorder()
    async with connected(listener(record)) as wire:
        await wire.write(text("x"), closing(1000), text("y"), ping(), b"\xff" * 40_000)
        assert await wire.rest() == [CloseConnection(1000, "")]
        with pytest.raises(httpcore.WriteError, match="WebSocket /: this stream is at its end"):
            await wire.write(text("z"))
    assert record.events == [*received("x"), gone(1000, "")]


async def test_what_the_app_has_sent_before_the_clients_close_comes_before_the_reply() -> None:
    async with connected(speaker("one", "two", listens)) as wire:
        await wire.write(closing(1000))
        assert await wire.rest() == [TextMessage("one"), TextMessage("two"), CloseConnection(1000, "")]


async def test_when_both_close_at_once_each_sees_what_the_other_said() -> None:
    record = Recorder()

    async def closes(receive: Receive, send: Send) -> None:
        await hang_up(send, code=4001, reason="mine")
        record(await receive())

    async with connected(speaker("first", closes)) as wire:
        await anyio.wait_all_tasks_blocked()
        await wire.write(text("late"), closing(4002, "the client's"))
        assert await wire.rest() == [TextMessage("first"), CloseConnection(4001, "mine")]
    assert record.events == [gone(4001, "mine")]


async def test_nobody_answers_a_client_that_closes_when_the_app_has_returned() -> None:
    async with connected(speaker("last"), raise_app_exceptions=False) as wire:
        await anyio.wait_all_tasks_blocked()
        await wire.write(closing(1000))
        assert await wire.rest() == [TextMessage("last")]


# The app closes


@pytest.mark.parametrize(
    "close, frame_sent",
    [
        ({}, b"\x88\x02\x03\xe8"),
        ({"code": 1001}, b"\x88\x02\x03\xe9"),
        ({"code": 4000, "reason": "é"}, b"\x88\x04\x0f\xa0\xc3\xa9"),
        ({"reason": "x" * 123}, b"\x88\x7d\x03\xe8" + b"x" * 123),
        ({"code": None}, b"\x88\x00"),
        ({"code": None, "reason": "nowhere to put it"}, b"\x88\x00"),
    ],
    ids=["nothing said", "code", "code and reason", "the longest reason", "no code", "no code, but a reason"],
)
async def test_the_apps_close_is_a_frame_and_the_reply_ends_the_stream(
    close: dict[str, Any], frame_sent: bytes
) -> None:
    async with connected(speaker(hangs_up(**close)), disconnect_grace=60) as wire:
        assert await wire.stream.read(1000) == frame_sent
        await wire.write(closing(1000))
        assert await wire.stream.read(1000) == b""
        assert await wire.stream.read(1000) == b""


async def test_a_client_that_does_not_reply_has_its_grace() -> None:
    async with connected(speaker(hangs_up()), disconnect_grace=0.02) as wire:
        began = anyio.current_time()  # before the grace does
        assert await wire.next() == CloseConnection(1000, "")
        await wire.write(text("no reply"), ping())
        assert await wire.next(timeout=None) is None
        assert 0.015 < anyio.current_time() - began < 2
        with pytest.raises(httpcore.WriteError, match="at its end"):
            await wire.write(closing())


async def test_a_read_may_be_over_before_the_grace_is() -> None:
    async with connected(speaker(hangs_up()), disconnect_grace=60) as wire:
        assert await wire.next() == CloseConnection(1000, "")
        with pytest.raises(httpcore.ReadTimeout):
            await wire.next(timeout=0.01)


async def test_what_comes_after_the_apps_close_goes_nowhere() -> None:
    record = Recorder()

    async def closes(receive: Receive, send: Send) -> None:
        await hang_up(send, code=3333)
        record(await receive())

    async with connected(speaker(closes)) as wire:
        assert await wire.next() == CloseConnection(3333, "")
        await wire.write(text("x"), bytes(0), binary(bytes(2 * READ_BUFFER)), ping(), closing(4444))
        assert await wire.rest() == []
    assert record.events == [gone(3333, "")]


# The app breaks off


@pytest.mark.parametrize("raises", [True, False])
async def test_an_app_that_raises_is_a_close_with_1011(raises: bool) -> None:
    async def talk() -> None:
        async with connected(speaker("first", fails), raise_app_exceptions=raises, disconnect_grace=60) as wire:
            assert [await wire.next(), await wire.next()] == [TextMessage("first"), CloseConnection(1011, "")]
            await wire.write(closing(1011))
            assert await wire.next() is None

    if raises:
        with pytest.raises(OfTheAppError):
            await talk()
    else:
        await talk()


async def test_an_app_that_raises_at_the_clients_close_has_closed_first() -> None:
    with pytest.raises(OfTheAppError):
        async with connected(speaker("first", fails)) as wire:
            await anyio.wait_all_tasks_blocked()
            await wire.write(closing(1000))
            assert await wire.rest() == [TextMessage("first"), CloseConnection(1011, "")]


async def test_an_app_that_breaks_the_contract_is_a_close_with_1011() -> None:
    record = Recorder()

    async def goes_on(receive: Receive, send: Send) -> None:
        with pytest.raises(ASGIProtocolError):
            await accept(send)
        record(await receive())

    with pytest.raises(ASGIProtocolError, match=r"sent websocket\.accept while the connection was open"):
        async with connected(speaker(goes_on)) as wire:
            assert await wire.next() == CloseConnection(1011, "")
            await wire.write(closing(1011))
            assert await wire.next() is None
    assert record.events == [gone(1011, "")]


@pytest.mark.parametrize("raises", [True, False])
async def test_an_app_that_returns_without_a_close_ends_the_stream_and_that_is_all(raises: bool) -> None:
    async with connected(speaker("last"), raise_app_exceptions=raises) as wire:
        assert await wire.next() == TextMessage("last")
        assert await wire.next() is None
        with pytest.raises(httpcore.WriteError, match="at its end"):
            await wire.write(text("x"))
        await wire.stream.aclose()
    assert wire.response.extensions["asgi"].app_exception is None


# Frames that are none

INVALID = {
    "reserved opcode": (frame(3), 1002),
    "reserved control opcode": (frame(11), 1002),
    "not masked": (frame(Opcode.TEXT, b"x", mask=b""), 1002),
    "RSV1": (frame(Opcode.TEXT, b"x", rsv=RSV1), 1002),
    "RSV2": (frame(Opcode.TEXT, b"x", rsv=2), 1002),
    "RSV3": (frame(Opcode.TEXT, b"x", rsv=1), 1002),
    "continuation of nothing": (more(b"x"), 1002),
    "message within a message": (text("x", fin=False) + text("y"), 1002),
    "long ping": (ping(bytes(126)), 1002),
    "fragment of a ping": (frame(Opcode.PING, fin=False), 1002),
    "fragment of a close": (frame(Opcode.CLOSE, fin=False), 1002),
    "length in too many bytes": (b"\x81\xfe\x00\x01" + MASK + b"x", 1002),
    "length in far too many bytes": (b"\x81\xff" + (1).to_bytes(8) + MASK + b"x", 1002),
    "negative length": (b"\x82\xff" + b"\xff" * 8 + MASK, 1002),
    "half a code": (frame(Opcode.CLOSE, b"\x03"), 1002),
    **{f"code {code}": (closing(code), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)},
    "long reason": (closing(1000, "x" * 124), 1002),
    "invalid reason": (closing(1000, b"\xff"), 1007),
    "invalid UTF-8": (text(b"\xff"), 1007),
    "truncated UTF-8": (text(b"\xc3"), 1007),
    "surrogate": (text(b"\xed\xa0\x80"), 1007),
    "invalid UTF-8 in a fragment": (text(b"\xc3", fin=False) + more(b"x", fin=False), 1007),
}


@pytest.mark.parametrize("data, code", INVALID.values(), ids=INVALID)
async def test_a_frame_that_is_none_ends_the_connection_and_both_sides_know_why(data: bytes, code: int) -> None:
    record = Recorder()
    async with connected(listener(record), disconnect_grace=60) as wire:
        await wire.write(text("before"), ping(), data, text("after"))
        pong, close = await wire.rest()
        assert pong == Pong()
        assert isinstance(close, CloseConnection)
        assert close.code == code
        assert close.reason
        with pytest.raises(httpcore.WriteError):
            await wire.write(text("after"))
    assert record.events == [*received("before"), gone(code, close.reason)]


async def test_after_the_apps_close_a_frame_that_is_none_ends_the_stream() -> None:
    async with connected(speaker(hangs_up()), disconnect_grace=60) as wire:
        assert await wire.next() == CloseConnection(1000, "")
        await wire.write(frame(3))
        assert await wire.next() is None


@pytest.mark.parametrize(
    "data",
    [
        binary(bytes(10)),
        text("x" * 10),
        text("é" * 5),
        binary(b"x" * 6, fin=False) + more(b"x" * 4),
        text("é", fin=False) + more("é".encode() * 4) + text("x" * 10),
    ],
    ids=["binary", "text", "wide text", "fragments", "two messages"],
)
async def test_a_message_may_be_as_long_as_the_limit(data: bytes) -> None:
    async with connected(echo, max_message_size=10) as wire:
        await wire.write(data)
        assert isinstance(await wire.next(), TextMessage | BytesMessage)


@pytest.mark.parametrize(
    "data",
    [
        binary(bytes(11)),
        text("é" * 6),
        binary(b"x" * 6, fin=False) + more(b"x" * 5, fin=False),
        binary(bytes(1 << 20))[:40],
        text("x" * 100_000),
    ],
    ids=["binary", "characters of several bytes", "fragments", "the beginning of it", "much longer"],
)
async def test_a_longer_message_ends_the_connection(data: bytes) -> None:
    record = Recorder()
    reason = "a message has more than 10 bytes"
    async with connected(listener(record), max_message_size=10) as wire:
        await wire.write(text("before"))
        await wire.write(data)
        assert await wire.rest() == [CloseConnection(1009, reason)]
    assert record.events == [*received("before"), gone(1009, reason)]


async def test_there_need_not_be_a_limit() -> None:
    record = Recorder()
    async with connected(listener(record), max_message_size=None) as wire:
        await wire.write(binary(bytes(17 << 20)), closing())
        await wire.rest()
    assert len(record.events[0]["bytes"]) == 17 << 20


# The client leaves


async def leave_by_the_stream(wire: Wire) -> None:
    await wire.stream.aclose()


async def leave_by_the_response(wire: Wire) -> None:
    await wire.response.aclose()


@pytest.mark.parametrize("leave", [leave_by_the_stream, leave_by_the_response])
async def test_leaving_without_a_close_is_a_connection_lost(leave: Callable[[Wire], Awaitable[None]]) -> None:
    record = Recorder()
    async with connected(listener(record)) as wire:
        await wire.write(text("x"), ping())
        await leave(wire)
        with pytest.raises(httpcore.ReadError, match="WebSocket /: this stream was closed"):
            await wire.stream.read(100)
        with pytest.raises(httpcore.WriteError, match="WebSocket /: this stream was closed"):
            await wire.write(text("y"))
        await leave(wire)
    assert record.events == [*received("x"), gone(1005)]


@pytest.mark.parametrize("leave", [leave_by_the_stream, leave_by_the_response])
async def test_leaving_ends_what_waits(leave: Callable[[Wire], Awaitable[None]]) -> None:
    async def read(wire: Wire) -> None:
        with pytest.raises(httpcore.ReadError):
            await wire.stream.read(100)

    async def hangs(receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(5):
        async with connected(speaker(hangs), disconnect_grace=0.01) as wire, anyio.create_task_group() as group:
            group.start_soon(read, wire)
            group.start_soon(wire.write, binary(bytes(2 * READ_BUFFER)))
            await anyio.wait_all_tasks_blocked()
            await leave(wire)


async def test_leaving_after_a_close_changes_nothing() -> None:
    record = Recorder()
    async with connected(listener(record)) as wire:
        await wire.write(closing(4000, "bye"))
        await wire.stream.aclose()
    assert record.events == [gone(4000, "bye")]


# Waiting


async def test_a_read_that_takes_too_long_says_where_the_app_is_and_loses_nothing() -> None:
    async with connected(echo) as wire:
        await wire.write(text("x")[:3])
        with pytest.raises(httpcore.ReadTimeout, match=r"(?s) 0\.01 seconds \(timeout=\); .*messages\.py"):
            await wire.next(timeout=0.01)
        with pytest.raises(httpcore.ReadTimeout):
            await wire.next(timeout=0)
        with pytest.raises(httpcore.ReadTimeout):
            await wire.next(timeout=-1)
        for odd, kind in (("1", TypeError), (True, TypeError), (float("nan"), ValueError)):
            with pytest.raises(kind, match="timeout is in seconds"):
                await wire.stream.read(1, odd)
            with pytest.raises(kind, match="timeout is in seconds"):
                await wire.stream.write(b"x", odd)
        await wire.write(text("x")[3:])
        assert await wire.next() == TextMessage("x")


async def test_an_app_that_sends_is_held_while_nobody_reads() -> None:
    record = Recorder()

    async def sends(receive: Receive, send: Send) -> None:
        for number in range(6):
            await say(send, bytes(50))
            record(number)
        await listens(receive, send)

    async with connected(speaker(sends), write_buffer=100) as wire:
        await anyio.wait_all_tasks_blocked()
        await wire.write(ping(), text("x"))
        await anyio.wait_all_tasks_blocked()
        assert record.events == [0]
        assert await wire.next() == Pong()
        for taken in range(1, 7):
            assert await wire.next() == BytesMessage(bytes(50))
            await anyio.wait_all_tasks_blocked()
            assert len(record.events) == min(6, taken + 1)


async def test_an_app_that_is_held_goes_on_when_the_client_closes() -> None:
    async with connected(speaker(bytes(50), bytes(50), listens), write_buffer=0) as wire:
        await anyio.wait_all_tasks_blocked()
        await wire.write(closing())
        assert await wire.rest() == [BytesMessage(bytes(50)), CloseConnection(1005, "")]
        await wire.response.extensions["asgi"].wait()


async def test_a_client_that_writes_is_held_while_the_app_does_not_receive() -> None:
    go_on, record = anyio.Event(), Recorder()

    async def waits(receive: Receive, send: Send) -> None:
        await go_on.wait()
        while (message := await receive())["type"] == "websocket.receive":
            record(len(message["bytes"]))

    async def write(wire: Wire) -> None:
        await wire.write(binary(bytes(READ_BUFFER // 2)))
        await wire.write(binary(bytes(READ_BUFFER // 4)))
        record("room")
        await wire.write(binary(bytes(READ_BUFFER)))
        record("written")

    async with connected(speaker(waits)) as wire, anyio.create_task_group() as group:
        group.start_soon(write, wire)
        await anyio.wait_all_tasks_blocked()
        assert record.events == ["room"]
        go_on.set()
    assert record.events == ["room", READ_BUFFER // 2, READ_BUFFER // 4, "written", READ_BUFFER] or (
        record.events == ["room", READ_BUFFER // 2, READ_BUFFER // 4, READ_BUFFER, "written"]
    )


async def test_a_write_that_takes_too_long_says_where_the_app_is_and_stays_written() -> None:
    go_on, record = anyio.Event(), Recorder()

    async def waits_for_the_test(receive: Receive, send: Send) -> None:
        await go_on.wait()
        record(len((await receive())["bytes"]))

    async with connected(speaker(waits_for_the_test, hangs_up())) as wire:
        with pytest.raises(httpcore.WriteTimeout, match=r"(?s)0\.01 seconds passed .*\.waits_for_the_test"):
            await wire.write(binary(bytes(2 * READ_BUFFER)), timeout=0.01)
        go_on.set()
        assert await wire.next() == CloseConnection(1000, "")
    assert record.events == [2 * READ_BUFFER]


async def test_a_write_that_waits_ends_with_the_app() -> None:
    go_on = anyio.Event()

    async def waits(receive: Receive, send: Send) -> None:
        await go_on.wait()

    with anyio.fail_after(5):
        async with (
            connected(speaker(waits), raise_app_exceptions=False) as wire,
            anyio.create_task_group() as group,
        ):
            group.start_soon(wire.write, binary(bytes(2 * READ_BUFFER)))
            await anyio.wait_all_tasks_blocked()
            go_on.set()


# Several tasks


async def test_one_task_reads_while_another_writes() -> None:
    count = 300

    async def write(wire: Wire) -> None:
        for number in range(count):
            await wire.write(text(str(number) * 300))

    async with connected(echo, write_buffer=1000) as wire, anyio.create_task_group() as group:
        group.start_soon(write, wire)
        for number in range(count):
            assert await wire.next() == TextMessage(str(number) * 300)


async def test_two_tasks_may_write() -> None:
    record = Recorder()

    async def write(wire: Wire, who: str) -> None:
        for number in range(50):
            await wire.write(text(f"{who}{number}" + "x" * 3000))

    async with connected(listener(record)) as wire:
        async with anyio.create_task_group() as group:
            group.start_soon(write, wire, "a")
            group.start_soon(write, wire, "b")
        await wire.write(closing())
    written = [message["text"].rstrip("x") for message in record.events[:-1]]
    for who in "ab":
        assert [each for each in written if each[0] == who] == [f"{who}{number}" for number in range(50)]
    assert len(written) == 100


async def test_of_two_tasks_that_read_each_gets_a_part_and_the_end() -> None:
    parts: list[bytes] = []

    async def read(wire: Wire) -> None:
        while part := await wire.stream.read(3):
            parts.append(part)
            await anyio.lowlevel.checkpoint()

    with anyio.fail_after(5):
        async with (
            connected(speaker("one", "two", "three", hangs_up()), disconnect_grace=0.01) as wire,
            anyio.create_task_group() as group,
        ):
            group.start_soon(read, wire)
            group.start_soon(read, wire)
    events = Decoder().feed(b"".join(parts))
    assert events == [TextMessage("one"), TextMessage("two"), TextMessage("three"), CloseConnection(1000, "")]


async def test_two_connections_of_one_transport_do_not_mix() -> None:
    async with (
        httpx.AsyncClient(transport=ASGITransport(echo), base_url="http://testserver") as client,
        client.stream("GET", "/a", headers=HANDSHAKE) as one,
        client.stream("GET", "/b", headers=HANDSHAKE) as other,
    ):
        a, b = Wire(one, Decoder()), Wire(other, Decoder())
        await a.write(text("a"))
        await b.write(text("b"))
        assert [await b.next(), await a.next()] == [TextMessage("b"), TextMessage("a")]


async def test_a_read_that_is_cancelled_loses_nothing() -> None:
    async def slowly(receive: Receive, send: Send) -> None:
        for number in range(60):
            for _ in range(number % 5):
                await anyio.lowlevel.checkpoint()
            await say(send, str(number))
        await hang_up(send)

    read = bytearray()

    async def read_once(wire: Wire) -> None:
        read.extend(await wire.stream.read(2))

    async with connected(speaker(slowly), write_buffer=0, disconnect_grace=5) as wire:
        rounds = 0
        while not read.endswith(b"\x88\x02\x03\xe8"):
            async with anyio.create_task_group() as group:
                group.start_soon(read_once, wire)
                for _ in range(rounds := (rounds + 1) % 7):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
    *messages, close = Decoder().feed(bytes(read))
    assert messages == [TextMessage(str(number)) for number in range(60)]
    assert close == CloseConnection(1000, "")


async def test_a_write_that_is_cancelled_stays_written() -> None:
    record = Recorder()

    async def slowly(receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            record(message["bytes"][0])
            for _ in range(record.events[-1] % 5):
                await anyio.lowlevel.checkpoint()

    async with connected(speaker(slowly)) as wire:
        for number in range(60):
            async with anyio.create_task_group() as group:
                group.start_soon(wire.write, binary(bytes([number]) * READ_BUFFER))
                for _ in range(1 + number % 7):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        await wire.write(closing())
        await wire.response.extensions["asgi"].wait()
    assert record.events == list(range(60))


# Compression


def squeezed(data: bytes) -> bytes:
    """Compress a message on its own."""
    return deflated(data, zlib.compressobj(wbits=-9))


@pytest.mark.parametrize(
    "offer, answer",
    [
        (DEFLATE, DEFLATE),
        (f"{DEFLATE}; client_max_window_bits", f"{DEFLATE}; client_max_window_bits=15"),
        (f"{DEFLATE};client_max_window_bits=9", f"{DEFLATE}; client_max_window_bits=9"),
        (f"{DEFLATE}; server_max_window_bits = 10", f"{DEFLATE}; server_max_window_bits=10"),
        (f"{DEFLATE} ; server_no_context_takeover", f"{DEFLATE}; server_no_context_takeover"),
        (f"{DEFLATE}; client_no_context_takeover", f"{DEFLATE}; client_no_context_takeover"),
        (f"foo, {DEFLATE}; server_max_window_bits=8, {DEFLATE}", DEFLATE),
        (f"{DEFLATE}; server_max_window_bits=10, {DEFLATE}", f"{DEFLATE}; server_max_window_bits=10"),
        (f"foo; bar=1,{DEFLATE}; client_max_window_bits", f"{DEFLATE}; client_max_window_bits=15"),
    ],
)
async def test_the_first_offer_that_can_be_met_is_accepted(offer: str, answer: str) -> None:
    extension = extension_of(answer)
    async with connected(
        echo, headers={"sec-websocket-extensions": offer}, decoder=Decoder([extension]), compression=True
    ) as wire:
        assert wire.response.headers["sec-websocket-extensions"] == answer
        kept = zlib.compressobj(wbits=-9)
        for message in ("", "hello " * 100, "hello " * 100, "é"):
            data = message.encode()
            compressed = squeezed(data) if extension.client_no_context_takeover else deflated(data, kept)
            await wire.write(frame(Opcode.TEXT, compressed, rsv=RSV1), text(message))
            assert [await wire.next(), await wire.next()] == 2 * [TextMessage(message)]


async def test_offers_may_come_in_several_headers() -> None:
    async with httpx.AsyncClient(transport=ASGITransport(echo, compression=True)) as client:
        extensions = [("sec-websocket-extensions", "foo"), ("sec-websocket-extensions", DEFLATE)]
        async with client.stream("GET", "http://t", headers=[*HANDSHAKE.items(), *extensions]) as response:
            assert response.headers["sec-websocket-extensions"] == DEFLATE


@pytest.mark.parametrize(
    "offer",
    [
        "",
        ",,;;=,",
        "foo",
        f"x-{DEFLATE}",
        f"{DEFLATE};",
        f"{DEFLATE}; foo",
        f"{DEFLATE}; client_max_window_bits=",
        f"{DEFLATE}; client_max_window_bits=8",
        f"{DEFLATE}; client_max_window_bits=16",
        f"{DEFLATE}; client_max_window_bits=fifteen",
        f'{DEFLATE}; client_max_window_bits="15"x',
        f"{DEFLATE}; client_max_window_bits=1_0",
        f"{DEFLATE}; client_max_window_bits={'9' * 5000}",
        f"{DEFLATE}; server_max_window_bits",
        f"{DEFLATE}; server_max_window_bits=10; server_max_window_bits=10",
        f"{DEFLATE}; client_max_window_bits; client_max_window_bits =10",
        f"{DEFLATE}; server_no_context_takeover=1",
        f"{DEFLATE}; client_no_context_takeover_",
        f"{DEFLATE}; client_max_window_bits=\xb2",
    ],
)
async def test_an_offer_that_cannot_be_met_is_declined(offer: str) -> None:
    async with httpx.AsyncClient(transport=ASGITransport(echo, compression=True)) as client:
        headers = [*HANDSHAKE.items(), ("sec-websocket-extensions", offer)]
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        async with client.stream("GET", "http://t", headers=encoded) as response:
            assert "sec-websocket-extensions" not in response.headers
            wire = Wire(response, Decoder())
            await wire.write(text("x"))
            assert await wire.next() == TextMessage("x")


async def test_nothing_is_compressed_unless_that_is_wanted() -> None:
    async with connected(echo, headers={"sec-websocket-extensions": DEFLATE}) as wire:
        assert "sec-websocket-extensions" not in wire.response.headers
        await wire.write(text("x"))
        assert await wire.stream.read(100) == b"\x81\x01x"


def compressing(app: Any, **options: Any) -> Any:
    return connected(
        app,
        headers={"sec-websocket-extensions": DEFLATE},
        decoder=Decoder([extension_of(DEFLATE)]),
        compression=True,
        **options,
    )


async def test_a_compressed_message_may_be_in_fragments_with_control_frames_between() -> None:
    data = squeezed(message := "hello, wörld".encode())
    frames = [frame(Opcode.TEXT, data[:1], fin=False, rsv=RSV1), ping(b"1"), more(data[1:5], fin=False), pong()]
    async with compressing(echo) as wire:
        for _ in range(2):
            await wire.write(*frames, more(data[5:], fin=False), ping(b"2"), more())
        assert await wire.next() == Pong(b"1")
        assert await wire.next() == Pong(b"2")
        assert [await wire.next() for _ in range(4)][2:] == 2 * [TextMessage(message.decode())]
        await wire.write(text("not ", fin=False), ping(), more(b"compressed"))
        assert [await wire.next(), await wire.next()] == [Pong(), TextMessage("not compressed")]


@pytest.mark.parametrize(
    "data, code",
    [
        (frame(Opcode.BINARY, b"\xff\xff\xff", rsv=RSV1), 1007),
        (frame(Opcode.BINARY, b"", rsv=RSV1, fin=False) + more(b"\xff\xff\xff"), 1007),
        (frame(Opcode.BINARY, b"\x06", rsv=RSV1), 1007),
        (frame(Opcode.TEXT, squeezed(b"\xff"), rsv=RSV1), 1007),
        (frame(Opcode.PING, b"x", rsv=RSV1), 1002),
        (frame(Opcode.TEXT, squeezed(b"x"), rsv=RSV1, fin=False) + frame(Opcode.CONTINUATION, rsv=RSV1), 1002),
        (frame(Opcode.TEXT, squeezed(b"x"), rsv=RSV1 | 2), 1002),
    ],
    ids=["junk", "junk in a fragment", "junk at the end", "invalid UTF-8", "ping", "continuation", "RSV2"],
)
async def test_a_compressed_frame_that_is_none_ends_the_connection(data: bytes, code: int) -> None:
    record = Recorder()
    async with compressing(listener(record)) as wire:
        await wire.write(data)
        [close] = await wire.rest()
        assert isinstance(close, CloseConnection)
        assert close.code == code
    assert record.events == [gone(code, close.reason or "")]


async def test_a_message_is_as_long_as_it_is_without_compression() -> None:
    data = squeezed(bytes(1000))
    async with compressing(echo, max_message_size=1000) as wire:
        await wire.write(frame(Opcode.BINARY, data, rsv=RSV1))
        assert await wire.next() == BytesMessage(bytes(1000))
        await wire.write(frame(Opcode.BINARY, squeezed(bytes(1001)), rsv=RSV1))
        assert await wire.rest() == [CloseConnection(1009, "a message has more than 1000 bytes")]


@lru_cache
def bomb() -> bytes:
    """Return 100 MiB, packed."""
    compressor = zlib.compressobj(wbits=-15)
    return b"".join(compressor.compress(bytes(1 << 20)) for _ in range(100))


async def test_a_bomb_is_not_unpacked() -> None:
    data = frame(Opcode.BINARY, bomb(), rsv=RSV1)
    async with compressing(echo, max_message_size=1 << 20) as wire:
        tracemalloc.start()
        try:
            await wire.write(data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert await wire.rest() == [CloseConnection(1009, "a message has more than 1048576 bytes")]
    assert peak < 100 << 20


async def test_what_the_app_sends_is_compressed_and_what_the_wire_says_is_not() -> None:
    async with compressing(speaker("x" * 1000, hangs_up(reason="bye"))) as wire:
        assert len(await wire.stream.read(1000)) < 50
        assert await wire.stream.read(1000) == b"\x88\x05\x03\xe8bye"


async def test_wsproto_at_both_ends_agrees() -> None:
    async with compressing(echo) as wire:
        event: Event = Ping(b"x")
        client = wire._decoder._connection
        await wire.stream.write(client.send(event))
        assert await wire.next() == Pong(b"x")
        await wire.stream.write(client.send(TextMessage("hello " * 1000)))
        assert await wire.next() == TextMessage("hello " * 1000)
