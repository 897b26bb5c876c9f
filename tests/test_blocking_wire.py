"""The wire of the blocking client: the stream of a 101 response, used from the test's threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio
import httpcore
import httpx
import pytest

from asgi_testkit import Message, Receive, Scope, Send, TestClient
from asgi_testkit._conversation import task as _tasks
from asgi_testkit._conversation.websocket import READ_BUFFER

from .backends import BACKENDS, Backend
from .messages import Gate, Recorder, accept, echo, hang_up, say
from .wire import (
    ACCEPTED_KEY,
    HANDSHAKE,
    RSV1,
    BytesMessage,
    CloseConnection,
    Decoder,
    Event,
    Pong,
    TextMessage,
    binary,
    closing,
    frame,
    ping,
    text,
)


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.id)
def options(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """What a client takes. Nothing of it is left running."""
    before = set(_tasks._running)
    backend: Backend = request.param
    yield {"backend": backend.name, "backend_options": backend.options, "lifespan": "off"}
    assert not _tasks._running - before


class Wire:
    """The client's end of a connection."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.stream: httpcore.NetworkStream = response.extensions["network_stream"]
        self._decoder = Decoder()

    def write(self, *frames: bytes, timeout: float | None = 5) -> None:
        self.stream.write(b"".join(frames), timeout)

    def read(self) -> list[Event]:
        """Return what is there, once there is something; nothing, at the end."""
        data = self.stream.read(1 << 20, 5)
        return self._decoder.feed(data) if data else []

    def rest(self) -> list[Event]:
        """Return what comes up to the end of the stream."""
        events = []
        while more := self.read():
            events += more
        return events


@contextmanager
def connected(app: Any, **options: Any) -> Iterator[Wire]:
    with TestClient(app, **options) as client, client.stream("GET", "/", headers=HANDSHAKE) as response:
        assert response.status_code == 101
        yield Wire(response)


def listener(record: Recorder) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await receive()
        message: Message = {"type": "websocket.receive"}
        while message["type"] == "websocket.receive":
            message = await receive()
            record(message)

    return app


async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(send)
    await anyio.sleep_forever()


class OfTheAppError(Exception):
    """What an app raises here."""


# What goes over the wire


def test_a_handshake_is_answered_with_101_and_a_stream(options: dict[str, Any]) -> None:
    with connected(echo, client=("9.8.7.6", 5), **options) as wire:
        assert wire.response.headers["sec-websocket-accept"] == ACCEPTED_KEY
        assert isinstance(wire.stream, httpcore.NetworkStream)
        assert wire.stream.get_extra_info("client_addr") == ("9.8.7.6", 5)
        assert wire.stream.get_extra_info("server_addr") == ("testserver", 80)
        assert wire.stream.get_extra_info("socket") is None


def test_messages_and_pings_go_both_ways(options: dict[str, Any]) -> None:
    with connected(echo, **options) as wire:
        for data in ("é", b"\0", "x" * 70_000):
            wire.write(ping(b"1"), text(data) if isinstance(data, str) else binary(data))
            assert wire.read() == [Pong(b"1")]
            assert wire.read() == [TextMessage(data) if isinstance(data, str) else BytesMessage(data)]
        wire.write(closing(4000, "bye"))
        assert wire.rest() == [CloseConnection(4000, "bye")]
        with pytest.raises(httpcore.WriteError, match="at its end"):
            wire.write(text("x"))


def test_a_client_that_is_not_entered_will_do() -> None:
    client = TestClient(echo)
    with client.stream("GET", "/", headers=HANDSHAKE) as response:
        wire = Wire(response)
        wire.write(text("x"))
        assert wire.read() == [TextMessage("x")]
    client.close()


def test_a_response_that_is_read_at_once_has_a_stream_that_was_closed(options: dict[str, Any]) -> None:
    record = Recorder()
    with TestClient(listener(record), **options) as client:
        response = client.get("/", headers=HANDSHAKE)
        assert (response.status_code, response.content) == (101, b"")
        with pytest.raises(httpcore.ReadError):
            response.extensions["network_stream"].read(1)
    assert record.events == [{"type": "websocket.disconnect", "code": 1005}]


def test_a_handshake_that_is_none_has_no_stream(options: dict[str, Any]) -> None:
    with TestClient(echo, **options) as client:
        response = client.get("/", headers=HANDSHAKE | {"sec-websocket-version": "8"})
    assert response.status_code == 426
    assert not {"network_stream", "asgi"} & response.extensions.keys()


def test_messages_are_compressed_for_a_client_that_offers_it(options: dict[str, Any]) -> None:
    headers = {**HANDSHAKE, "sec-websocket-extensions": "permessage-deflate"}
    with (
        TestClient(echo, compression=True, **options) as client,
        client.stream("GET", "/", headers=headers) as response,
    ):
        stream = response.extensions["network_stream"]
        stream.write(frame(1, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=RSV1))  # RFC 7692 section 7.2.3.1
        assert stream.read(100) == b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"


def test_the_limit_and_the_protocol_hold(options: dict[str, Any]) -> None:
    for data, code in ((text("x" * 11), 1009), (frame(3), 1002), (text(b"\xff"), 1007)):
        with connected(echo, max_message_size=10, **options) as wire:
            wire.write(data)
            [close] = wire.rest()
            assert isinstance(close, CloseConnection)
            assert close.code == code


# The end


def test_the_apps_close_waits_for_the_reply_as_long_as_the_grace(options: dict[str, Any]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await hang_up(send, code=4001, reason="enough")

    with connected(app, disconnect_grace=0.02, **options) as wire:
        assert wire.read() == [CloseConnection(4001, "enough")]
        assert wire.rest() == []


@pytest.mark.parametrize("raises", [True, False])
def test_what_the_app_raises_is_raised_when_the_response_is_closed(options: dict[str, Any], raises: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        raise OfTheAppError

    def talk() -> None:
        with connected(app, raise_server_exceptions=raises, **options) as wire:
            assert wire.read() == [CloseConnection(1011, "")]
            wire.write(closing(1011))
            assert wire.rest() == []

    if raises:
        with pytest.raises(OfTheAppError):
            talk()
    else:
        talk()


def test_an_app_that_returns_without_a_close_ends_the_stream_and_that_is_all(options: dict[str, Any]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)

    with connected(app, **options) as wire:
        assert wire.rest() == []
    assert wire.response.extensions["asgi"].done


def close_the_stream(wire: Wire) -> None:
    wire.stream.close()


def close_the_response(wire: Wire) -> None:
    wire.response.close()


@pytest.mark.parametrize("leave", [close_the_stream, close_the_response])
def test_leaving_without_a_close_is_a_connection_lost(options: dict[str, Any], leave: Callable[[Wire], None]) -> None:
    record = Recorder()
    with connected(listener(record), **options) as wire:
        wire.write(text("x"))
        leave(wire)
        with pytest.raises(httpcore.ReadError, match="WebSocket /: this stream was closed"):
            wire.read()
        with pytest.raises(httpcore.WriteError, match="WebSocket /: this stream was closed"):
            wire.write(text("y"))
        leave(wire)
    assert record.events == [
        {"type": "websocket.receive", "text": "x"},
        {"type": "websocket.disconnect", "code": 1005},
    ]


def test_a_stream_whose_client_was_closed_was_closed_with_it(options: dict[str, Any]) -> None:
    record = Recorder()
    with TestClient(listener(record), **options) as client:
        response = client.send(client.build_request("GET", "/", headers=HANDSHAKE), stream=True)
    wire = Wire(response)
    with pytest.raises(httpcore.ReadError):
        wire.read()
    with pytest.raises(httpcore.WriteError):
        wire.write(text("x"))
    wire.stream.close()
    response.close()
    assert record.events[0]["type"] == "websocket.disconnect"


# Waiting


def test_a_read_that_takes_too_long_loses_nothing(options: dict[str, Any]) -> None:
    with connected(echo, **options) as wire:
        with pytest.raises(httpcore.ReadTimeout, match=r"(?s) 0\.01 seconds \(timeout=\); .*messages\.py"):
            wire.stream.read(1, 0.01)
        wire.write(text("x"))
        assert wire.read() == [TextMessage("x")]


def test_a_write_that_takes_too_long_says_where_the_app_is(options: dict[str, Any]) -> None:
    with (
        connected(hangs, disconnect_grace=0.01, **options) as wire,
        pytest.raises(httpcore.WriteTimeout, match=r"(?s)0\.01 seconds passed .* in hangs"),
    ):
        wire.write(binary(bytes(2 * READ_BUFFER)), timeout=0.01)


def test_an_app_that_sends_is_held_while_nobody_reads(options: dict[str, Any]) -> None:
    record = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        for number in range(3):
            await say(send, bytes(10))
            record(number)
        await hang_up(send)

    with (
        TestClient(app, write_buffer=0, **options) as client,
        client.stream("GET", "/", headers=HANDSHAKE) as response,
    ):
        wire = Wire(response)
        for taken in range(3):
            client.portal.call(anyio.wait_all_tasks_blocked)
            assert len(record.events) == taken
            assert wire.read() == [BytesMessage(bytes(10))]


def test_one_thread_reads_while_another_writes(options: dict[str, Any]) -> None:
    count = 100

    def write(wire: Wire) -> None:
        for number in range(count):
            wire.write(text(str(number) * 1000))

    with connected(echo, write_buffer=1000, **options) as wire, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write, wire)
        for number in range(count):
            assert wire.read() == [TextMessage(str(number) * 1000)]
        writing.result(5)


@pytest.mark.parametrize("leave", [close_the_stream, close_the_response])
def test_leaving_ends_what_waits_in_other_threads(options: dict[str, Any], leave: Callable[[Wire], None]) -> None:
    with connected(hangs, disconnect_grace=0.01, **options) as wire, ThreadPoolExecutor(2) as pool:
        waiting = waits_of(wire)
        reading = pool.submit(wire.stream.read, 100)
        writing = pool.submit(wire.stream.write, binary(bytes(2 * READ_BUFFER)))
        for _ in range(2):
            assert waiting.acquire(timeout=5)
        leave(wire)
        assert isinstance(reading.exception(5), httpcore.ReadError)
        assert writing.exception(5) is None


def test_leaving_the_client_ends_what_waits_in_other_threads(options: dict[str, Any]) -> None:
    with ThreadPoolExecutor(1) as pool:
        with TestClient(hangs, disconnect_grace=0.01, **options) as client:
            wire = Wire(client.send(client.build_request("GET", "/", headers=HANDSHAKE), stream=True))
            waiting = waits_of(wire)
            reading = pool.submit(wire.stream.read, 100)
            assert waiting.acquire(timeout=5)
        assert isinstance(reading.exception(5), httpcore.ReadError)


def waits_of(wire: Wire) -> threading.Semaphore:
    """Return what is released whenever a call begins to wait in the loop."""
    connection, waiting = wire.response.extensions["asgi"].conversation, threading.Semaphore(0)

    wait = connection.for_client.wait

    async def counted(timeout: float | None) -> bool:
        waiting.release()
        return await wait(timeout)  # type: ignore[no-any-return]

    connection.for_client.wait = counted  # by which reads and writes wait
    return waiting


def test_an_app_may_go_on_once_the_test_says_so(options: dict[str, Any]) -> None:
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await gate.wait()
        await say(send, "open")
        await hang_up(send)

    with TestClient(app, **options) as client, client.stream("GET", "/", headers=HANDSHAKE) as response:
        wire = Wire(response)
        client.portal.call(gate.open)
        assert wire.read() == [TextMessage("open")]
        assert wire.read() == [CloseConnection(1000, "")]
        wire.write(closing(1000))
        assert wire.rest() == []
