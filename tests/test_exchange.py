"""The contract of an HTTP exchange, held by both clients on every backend."""

from __future__ import annotations

import contextvars
import re
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from asgi_testkit import ApplicationStuckError, ASGIProtocolError, Message, Receive, Scope, Send
from asgi_testkit._conversation import task as _tasks

from .faces import Face
from .messages import Gate, Recorder, body, hello, several_rounds, start

# The response


def test_the_response_is_there_at_its_start(face: Face) -> None:
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send, (b"x-early", b"1"), status=201)
        await gate.wait()
        await body(send, b"late")

    with face.open(app) as client, client.stream() as stream:
        assert stream.response.status_code == 201
        assert stream.response.headers["x-early"] == "1"
        client.call(gate.open)
        assert stream.read() == b"late"


def test_a_chunk_is_there_before_the_next_is_sent(face: Face) -> None:
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send)
        await body(send, b"one", more=True)
        await gate.wait()
        await body(send, b"two")

    with face.open(app) as client, client.stream() as stream:
        assert stream.next() == b"one"
        client.call(gate.open)
        assert stream.chunks() == [b"two"]


def test_empty_chunks_are_left_out(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        for chunk in (b"", b"a", b"", b"b", b""):
            await body(send, chunk, more=True)
        await body(send)

    with face.bare(app) as client, client.stream() as stream:
        assert stream.chunks() == [b"a", b"b"]


@pytest.mark.in_process(reason="a server changes the case of names, and adds headers")
def test_the_status_line_and_the_headers_are_as_sent(face: Face) -> None:
    headers = [
        (b"Set-Cookie", b"a=1"),
        (b"x-name", "caf\u00e9".encode("latin-1")),
        (b"set-cookie", b"b=2"),
        (b"x-name", b"2"),
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, *headers, status=404)
        await body(send)

    with face.bare(app) as client:
        response = client.get()
    assert response.headers.raw == headers
    assert (response.status_code, response.reason_phrase, response.http_version) == (404, "Not Found", "HTTP/1.1")
    assert response.elapsed.total_seconds() > 0


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_that_has_no_body_delivers_none(face: Face, method: str, status: int) -> None:
    sent = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, (b"content-length", b"5"), status=status)
        await body(send, b"hello")
        sent("all")

    with face.bare(app) as client:
        response = client.request(method, "/")
    assert (response.content, response.headers["content-length"]) == (b"", "5")
    assert sent.events == ["all"]


def test_what_was_sent_is_a_copy(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [[bytearray(b"x-name"), bytearray(b"before")]]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        headers[0][1][:] = b"after!"
        headers.clear()
        buffer = bytearray(b"one")
        await send({"type": "http.response.body", "body": buffer, "more_body": True})
        buffer[:] = b"two"
        await send({"type": "http.response.body", "body": memoryview(buffer), "more_body": True})
        buffer[:] = b"..."
        await body(send)

    with face.bare(app) as client:
        response = client.get()
    assert response.headers["x-name"] == "before"
    assert response.content == b"onetwo"


@pytest.mark.in_process(reason="the extensions are the server's")
def test_the_debug_extension_is_offered_and_reaches_the_response(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["extensions"] == {"http.response.debug": {}}
        await send({"type": "http.response.debug", "info": {"template": "index.html"}})
        await hello(scope, receive, send)

    with face.bare(app) as client:
        assert client.get().extensions["http.response.debug"] == {"template": "index.html"}


def test_a_compressed_response_is_decoded(face: Face) -> None:
    import gzip

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, (b"content-encoding", b"gzip"))
        await body(send, gzip.compress(b"hello"))

    with face.bare(app) as client:
        assert client.get().text == "hello"


# Backpressure


@pytest.mark.parametrize("write_buffer, ahead", [(4096, 5), (1, 1), (0, 1)])
def test_the_app_is_held_back_when_it_is_ahead_of_the_reader(face: Face, write_buffer: int, ahead: int) -> None:
    sent = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        for number in range(20):
            sent(number)
            await body(send, bytes(1024), more=True)
        await body(send)

    with face.open(app, write_buffer=write_buffer, lifespan="off") as client, client.stream() as stream:
        client.call(anyio.wait_all_tasks_blocked)
        assert len(sent.events) == ahead
        assert len(stream.read()) == 20 * 1024


def test_without_a_buffer_a_send_ends_when_its_chunk_was_taken(face: Face) -> None:
    sent = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        for chunk in (b"one", b"two", b"three"):
            await body(send, chunk, more=True)
            sent(chunk)
        await body(send)

    with face.open(app, write_buffer=0, lifespan="off") as client, client.stream() as stream:
        for number, chunk in enumerate([b"one", b"two", b"three"]):
            client.call(anyio.wait_all_tasks_blocked)
            assert len(sent.events) == number
            assert stream.next() == chunk


@pytest.mark.parametrize("method, chunk", [("GET", b""), ("HEAD", b"chunk")])
def test_without_a_buffer_a_send_waits_for_the_reader_even_if_its_chunk_brings_nothing(
    method: str, chunk: bytes, face: Face
) -> None:
    sent = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        for number in range(20):
            await body(send, chunk, more=True)
            sent(number)
        await body(send)

    with face.open(app, write_buffer=0, lifespan="off") as client:
        with client.stream(method, "/") as stream:
            client.call(anyio.wait_all_tasks_blocked)
            assert sent.events == []
            assert stream.read() == b""
        assert len(sent.events) == 20
        assert client.request(method, "/").content == b""


# Trailers


def with_trailers(*, parts: int = 2) -> Any:
    """Return an app that announces trailers, which come in two parts, and sends some of them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "trailers": True})
        await body(send, b"hello")
        for part in range(parts):
            headers = [(b"x-part", str(part).encode())]
            await send({"type": "http.response.trailers", "headers": headers, "more_trailers": part == 0})

    return app


OFFERED: dict[str, Any] = {"http.response.trailers": {}}


def test_trailers_are_an_extension_of_the_response(face: Face) -> None:
    both = [(b"x-part", b"0"), (b"x-part", b"1")]
    with face.bare(with_trailers(), asgi_extensions=OFFERED) as client:
        response = client.get()
        assert (response.text, response.extensions["http.response.trailers"]) == ("hello", both)
        with client.stream() as stream:
            growing = stream.response.extensions["http.response.trailers"]
            assert stream.read() == b"hello"
            assert growing == both


@pytest.mark.parametrize("parts", [0, 1])
def test_an_app_has_to_complete_the_trailers_that_it_has_announced(parts: int, face: Face) -> None:
    app = with_trailers(parts=parts)
    with (
        face.bare(app, asgi_extensions=OFFERED) as client,
        pytest.raises(ASGIProtocolError, match="without more_trailers, missing"),
    ):
        client.get()
    with (
        face.bare(app, asgi_extensions=OFFERED, raise_server_exceptions=False) as client,
        pytest.raises(httpx.RemoteProtocolError, match="before the end of the trailers"),
    ):
        client.get()


def test_a_timeout_says_that_trailers_are_missing(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await with_trailers(parts=1)(scope, receive, send)
        await anyio.sleep_forever()

    with (
        face.bare(app, asgi_extensions=OFFERED, timeout=0.02) as client,
        pytest.raises(httpx.ReadTimeout, match=r"waiting for http\.response\.trailers"),
    ):
        client.get()


# The request


async def echo_messages(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the messages of the request, up to the end of its body."""
    messages: list[Message] = []
    while not messages or messages[-1]["more_body"]:
        messages.append(await receive())
    await start(send)
    await body(send, repr(messages).encode())


def request_message(chunk: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": chunk, "more_body": more}


@pytest.mark.parametrize("content", [None, b"", b"hello", b"x" * 100_000], ids=["none", "empty", "short", "long"])
@pytest.mark.in_process(on="hypercorn", reason="hypercorn sends an empty message after the body")
def test_a_plain_body_is_one_message(face: Face, content: bytes | None) -> None:
    with face.bare(echo_messages) as client:
        text = client.post(content=content).text
    assert text == repr([request_message(content or b"", more=False)])


def test_a_streamed_body_is_a_message_a_chunk_and_an_empty_one(face: Face) -> None:
    with face.bare(echo_messages) as client:
        text = client.post(content=client.upload(b"one", b"", b"two")).text
    expected = [
        request_message(b"one", more=True),
        request_message(b"two", more=True),
        request_message(b"", more=False),
    ]
    assert text == repr(expected)


def test_a_small_multipart_body_arrives_whole(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        content = b""
        while True:
            message = await receive()
            content += message["body"]
            if not message["more_body"]:
                break
        assert int(dict(scope["headers"])[b"content-length"]) == len(content)
        await start(send)
        await body(send, content)

    with face.bare(app) as client:
        response = client.post(files={"upload": ("name.txt", b"contents")}, data={"field": "value"})
    assert b"contents" in response.content
    assert b"value" in response.content


@pytest.mark.in_process(reason="httpx's HTTP/1.1 sends the whole request before it reads the response")
def test_an_unread_tail_is_not_drained(face: Face) -> None:
    asked = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await hello(scope, receive, send)

    def blocking() -> Any:
        while True:
            asked("for more")
            yield b"chunk"

    async def awaited() -> AsyncIterator[bytes]:
        while True:
            asked("for more")
            yield b"chunk"

    with face.bare(app) as client:
        assert client.post(content=blocking() if face.name == "blocking" else awaited()).text == "hello"
    assert asked.events == ["for more"]


@pytest.mark.parametrize("headers", [{}, {"content-length": "8"}], ids=["chunked", "of known length"])
@pytest.mark.in_process(reason="httpx's HTTP/1.1 sends the whole request before it reads the response")
def test_the_second_chunk_of_an_upload_may_depend_on_the_first_of_the_response(
    face: Face, headers: dict[str, str]
) -> None:
    gate = Gate()
    told: list[str] = []

    def blocking() -> Any:
        yield b"ping"
        assert told == ["PING"]  # it cannot wait for that, but it is asked for more in the next call only
        yield b"pong"

    async def awaited() -> AsyncIterator[bytes]:
        yield b"ping"
        await gate.wait()
        yield b"pong"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send)
        while (message := await receive())["more_body"]:
            await body(send, message["body"].upper(), more=True)
            if face.name == "blocking":
                await gate.wait()
        await body(send)

    upload = blocking() if face.name == "blocking" else awaited()
    with face.open(app) as client, client.stream("POST", content=upload, headers=headers) as stream:
        assert stream.next() == b"PING"
        told.append("PING")
        client.call(gate.open)
        assert stream.chunks() == [b"PONG"]


@pytest.mark.in_process(on="hypercorn", reason="what receive() gives after a disconnect is the server's to decide")
def test_after_the_body_receive_waits_for_the_end_of_the_response(face: Face) -> None:
    received = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            received((await receive())["type"])
            received((await receive())["type"])

        await receive()
        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await anyio.wait_all_tasks_blocked()
            assert received.events == []
            await hello(scope, receive, send)
        received((await receive())["type"])

    with face.bare(app) as client:
        assert client.get().text == "hello"
    assert received.events == ["http.disconnect"] * 3


@pytest.mark.parametrize("write_buffer", [0, 3])
def test_the_last_send_returns_before_receive_tells_of_the_end(face: Face, write_buffer: int) -> None:
    story = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def respond() -> None:
            await start(send)
            await body(send, b"one ", more=True)
            await body(send, b"two")
            story("sent")  # a telemetry of the app ends a span here, say

        await receive()
        async with anyio.create_task_group() as group:  # as Starlette streams: whoever is first cancels the other
            group.start_soon(respond)
            story((await receive())["type"])
            group.cancel_scope.cancel()

    with face.open(app, lifespan="off", write_buffer=write_buffer) as client, client.stream() as stream:
        client.call(anyio.wait_all_tasks_blocked)
        assert stream.chunks() == [b"one ", b"two"]
    assert story.events == ["sent", "http.disconnect"]


def test_a_last_send_that_the_app_gives_up_does_not_keep_receive_waiting(face: Face) -> None:
    story = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            story((await receive())["type"])

        await receive()
        await start(send)
        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            with anyio.move_on_after(0.01):
                await body(send, b"too much")
            story("given up")

    with face.open(app, lifespan="off", write_buffer=0) as client, client.stream() as stream:
        while "http.disconnect" not in story.events:
            client.call(anyio.lowlevel.checkpoint)
        assert stream.chunks() == [b"too much"]
    assert story.events == ["given up", "http.disconnect"]


def test_a_receive_that_the_app_drops_loses_nothing(face: Face) -> None:
    dropped = threading.Event()
    gate = Gate()

    def blocking() -> Any:
        assert dropped.wait(5)
        yield b"one"

    async def awaited() -> AsyncIterator[bytes]:
        await gate.wait()
        yield b"one"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.move_on_after(0) as dropping:
            await receive()
        assert dropping.cancelled_caught
        dropped.set()
        await gate.open()
        await echo_messages(scope, receive, send)

    with face.bare(app) as client:
        text = client.post(content=blocking() if face.name == "blocking" else awaited()).text
    assert text == repr([request_message(b"one", more=True), request_message(b"", more=False)])


def failing_body(face: Face) -> Any:
    """Return a body of one chunk, that raises a LookupError then."""

    def blocking() -> Any:
        yield b"one"
        raise LookupError("mine")

    async def awaited() -> AsyncIterator[bytes]:
        yield b"one"
        raise LookupError("mine")

    return blocking() if face.name == "blocking" else awaited()


def test_an_error_in_the_body_of_the_request_is_the_test_s_own_and_the_app_sees_a_disconnect(face: Face) -> None:
    received = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received(await receive())
        received(await receive())
        await hello(scope, receive, send)

    with face.bare(app) as client, pytest.raises(LookupError, match="mine"):
        client.post(content=failing_body(face))
    assert received.events == [request_message(b"one", more=True), {"type": "http.disconnect"}]


@pytest.mark.in_process(reason="httpx's HTTP/1.1 sends the whole request before it reads the response")
def test_an_error_in_the_body_of_the_request_after_the_start_reaches_the_reader(face: Face) -> None:
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send)
        await gate.wait()
        while (await receive())["type"] == "http.request":
            await body(send, b"more", more=True)

    upload = failing_body(face)
    with face.open(app) as client, client.stream("POST", content=upload) as stream:
        client.call(gate.open)
        with pytest.raises(LookupError, match="mine"):
            stream.chunks()


def test_the_chunks_of_a_body_have_to_be_bytes(face: Face) -> None:
    with (
        face.bare(echo_messages) as client,
        pytest.raises(TypeError, match="chunks of a request body are bytes, not 'text'"),
    ):
        client.post(content=client.upload("text"))


def test_expect_100_continue_needs_nothing(face: Face) -> None:
    with face.bare(echo_messages) as client:
        assert client.post(headers={"expect": "100-continue"}, content=b"hello").status_code == 200


def test_an_app_that_is_held_back_goes_on_as_soon_as_all_is_taken(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"a", more=True)
        await body(send, b"x" * 70_000, more=True)  # held back until the test has taken both
        await body(send, b"z")

    with face.bare(app, timeout=5) as client, client.stream() as stream:
        assert b"".join(stream.chunks()) == b"a" + b"x" * 70_000 + b"z"


# Leaving early


def endless(noticed: Recorder) -> Any:
    """Return an app that streams until the client has gone, as frameworks do: one task sends, the other listens."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            while (message := await receive())["type"] != "http.disconnect":
                pass
            noticed(message["type"])
            group.cancel_scope.cancel()

        await start(send)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                while True:
                    await body(send, b"tick", more=True)
        finally:
            noticed("cleaned up")

    return app


def test_leaving_a_stream_is_a_disconnect_and_the_app_has_ended_when_it_is_left(face: Face) -> None:
    noticed = Recorder()
    with face.bare(endless(noticed)) as client:
        with client.stream() as stream:
            assert stream.next() == b"tick"
            assert noticed.events == []
        assert noticed.events == ["http.disconnect", "cleaned up"]
        assert stream.response.extensions["asgi"].done
        assert stream.response.extensions["asgi"].app_exception is None


@pytest.mark.parametrize("size", [0, 70_000], ids=["listens", "is held back, and let go by the disconnect"])
def test_an_app_that_listens_or_will_in_a_moment_has_its_grace_to_end_by_itself(face: Face, size: int) -> None:
    noticed = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        await body(send, b"x" * size, more=True)
        noticed((await receive())["type"])
        await several_rounds()  # a grace is time
        noticed("by itself")

    with face.bare(app) as client, client.stream():
        pass
    assert noticed.events == ["http.disconnect", "by itself"]


def test_an_app_that_overstays_its_grace_is_cancelled(face: Face) -> None:
    noticed = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        noticed((await receive())["type"])
        try:
            await anyio.sleep_forever()
        except BaseException as error:
            noticed(type(error).__name__)
            raise

    with face.bare(app, disconnect_grace=0.01) as client, client.stream():
        pass
    assert noticed.events[0] == "http.disconnect"
    assert noticed.events[1].startswith("Cancelled")


def test_an_app_that_does_not_listen_is_cancelled_at_once(face: Face) -> None:
    noticed = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await anyio.sleep_forever()
        finally:
            noticed("cleaned up")

    with face.bare(app, disconnect_grace=3600) as client, client.stream():
        pass
    assert noticed.events == ["cleaned up"]


def test_an_app_that_sends_for_ever_without_a_pause_is_stopped(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        while True:
            await body(send, b"tick", more=True)

    with face.bare(app) as client, client.stream() as stream:
        assert stream.next() == b"tick"
    assert stream.response.extensions["asgi"].done


@pytest.mark.in_process(on="hypercorn", reason="what receive() gives after a disconnect is the server's to decide")
def test_receive_tells_of_the_disconnect_again_and_again(face: Face) -> None:
    received = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        for _ in range(3):
            received((await receive())["type"])

    with face.bare(app) as client, client.stream():
        pass
    assert received.events == ["http.disconnect"] * 3


@pytest.mark.parametrize("version", ["2.3", "2.4"])
@pytest.mark.parametrize("way", ["receive", "send"])
def test_an_app_that_takes_no_notice_of_the_disconnect_however_often_it_is_told_is_cancelled(
    face: Face, way: str, version: str
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        while True:
            with suppress(OSError):
                await (receive() if way == "receive" else body(send, b"more", more=True))

    scope = {"asgi": {"version": "3.0", "spec_version": version}}
    with face.bare(app, scope=scope, disconnect_grace=0.01) as client, client.stream() as stream:
        pass
    assert stream.response.extensions["asgi"].done


@pytest.mark.parametrize("held_back", [False, True])
@pytest.mark.parametrize(
    "version, outcome",
    [("2.3", "silent"), ("2.4", "ClientDisconnected"), ("2.10", "ClientDisconnected"), ("3.0", "ClientDisconnected")],
)
def test_what_send_does_after_a_disconnect_depends_on_the_version(
    face: Face, version: str, outcome: str, held_back: bool
) -> None:
    outcomes = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        if not held_back:
            await receive()
        try:
            await body(send, b"x" * 70_000, more=True)
            await body(send, b"more")
        except OSError as error:
            outcomes(type(error).__name__)
            raise
        outcomes("silent")

    scope = {"asgi": {"version": "3.0", "spec_version": version}}
    with face.bare(app, scope=scope) as client, client.stream():
        pass
    assert outcomes.events == [outcome]


def test_a_client_disconnected_is_no_failure_be_it_grouped_or_made_into_a_frameworks_own(face: Face) -> None:
    async def grouped(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        async with anyio.create_task_group() as group:
            group.start_soon(body, send, b"x" * 70_000)

    async def renamed(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await body(send, b"x" * 70_000)
        except OSError:
            raise ClientDisconnect  # noqa: B904 - as Starlette does

    async def translated(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await body(send, b"x" * 70_000)
        except OSError as error:
            raise WebSocketDisconnect from error

    for app, kind in ((grouped, ExceptionGroup), (renamed, ClientDisconnect), (translated, WebSocketDisconnect)):
        with face.bare(app, scope={"asgi": {"version": "3.0", "spec_version": "2.4"}}) as client:
            with client.stream() as stream:
                pass
            assert isinstance(stream.response.extensions["asgi"].app_exception, kind)


class DisconnectError(LookupError):
    """An app's own, whatever its name."""


@pytest.mark.parametrize("chained", [False, True])
def test_an_error_in_the_handling_of_client_disconnected_is_a_failure_all_the_same(face: Face, chained: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await body(send, b"x" * 70_000)
        except OSError as error:
            if chained:
                raise DisconnectError("in its cleanup") from error
            raise DisconnectError("in its cleanup")  # noqa: B904

    scope = {"asgi": {"version": "3.0", "spec_version": "2.4"}}
    with face.bare(app, scope=scope) as client, pytest.raises(LookupError, match="in its cleanup"), client.stream():
        pass


def test_an_error_of_the_app_after_the_disconnect_is_raised(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        await receive()
        raise LookupError("in its cleanup")

    with face.bare(app) as client, pytest.raises(LookupError, match="in its cleanup"), client.stream():
        pass


def test_the_test_s_own_exception_wins_and_the_app_s_is_a_note(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        await receive()
        raise LookupError("in its cleanup")

    with face.bare(app) as client:
        with pytest.raises(ZeroDivisionError) as caught, client.stream():
            raise ZeroDivisionError
        assert "LookupError: in its cleanup" in "".join(caught.value.__notes__)


def test_pytest_outcomes_pass_through_a_stream(face: Face) -> None:
    with face.bare(endless(Recorder())) as client:
        with pytest.raises(pytest.skip.Exception), client.stream():
            pytest.skip("not today")
        with pytest.raises(pytest.fail.Exception), client.stream():
            pytest.fail("no")


def test_an_app_that_goes_on_when_it_is_cancelled_does_not_hold_up_the_test(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tasks, "CANCEL_TIMEOUT", 0.05)

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        while True:
            try:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                pass

    with face.open(stubborn, lifespan="off") as client:
        with (
            pytest.raises(ApplicationStuckError, match=r"was cancelled, and 0.05 seconds later") as caught,
            client.stream(),
        ):
            pass
        assert "test_exchange.py" in str(caught.value)
        assert "in test_an_app_that_goes_on" in str(caught.value)


# Time-outs


def test_a_silent_app_is_a_read_timeout_that_says_where_it_is_suspended(face: Face) -> None:
    noticed = Recorder()

    async def handler() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            noticed("ended")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await handler()

    with face.bare(app) as client, pytest.raises(httpx.ReadTimeout) as caught:
        client.get("/slow", timeout=0.05)
    assert noticed.events == ["ended"]
    text = str(caught.value)
    assert text.startswith(
        "GET /slow: 0.05 seconds passed (timeout=, read) while waiting for http.response.start; the application is "
    )
    assert re.search(rf'File "{__file__}", line \d+, in .*app\n(?s:.*), line \d+, in .*handler', text)
    assert caught.value.request.url == "http://testserver/slow"


def test_a_read_timeout_gives_the_app_its_disconnect_first(face: Face) -> None:
    received = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        received((await receive())["type"])

    with face.bare(app) as client, pytest.raises(httpx.ReadTimeout):
        client.get(timeout=0.05)
    assert received.events == ["http.disconnect"]


def test_a_stream_that_falls_silent_is_a_read_timeout(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"tick", more=True)
        await anyio.sleep_forever()

    with face.bare(app) as client:
        with (
            pytest.raises(httpx.ReadTimeout, match=r"while waiting for http.response.body"),
            client.stream(timeout=0.05) as stream,
        ):
            assert stream.next() == b"tick"
            stream.next()
        with pytest.raises(httpx.ReadTimeout):
            client.get(timeout=0.05)


def test_background_work_that_outlasts_the_read_timeout_is_one(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await anyio.sleep_forever()

    with face.bare(app) as client, pytest.raises(httpx.ReadTimeout, match='background="detach" does not wait'):
        client.get(timeout=0.05)


def test_only_the_read_timeout_counts(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(0.02)  # longer than any of the others
        await hello(scope, receive, send)

    with face.bare(app) as client:
        assert client.get(timeout=httpx.Timeout(0.001, read=5)).text == "hello"
        assert client.get(timeout=None).text == "hello"


def test_when_the_app_fails_after_a_time_out_the_time_out_wins(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()
        raise LookupError("in its cleanup")

    with face.bare(app) as client:
        with pytest.raises(httpx.ReadTimeout) as caught:
            client.get(timeout=0.05)
        assert "LookupError: in its cleanup" in "".join(caught.value.__notes__)


# Errors of the app


def failing(error: BaseException, *, after: str) -> Any:
    """Return an app that raises `error` at some point."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if after != "nothing":
            await start(send)
        if after in {"a part", "the end"}:
            await body(send, b"part", more=after == "a part")
        raise error

    return app


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, "group"], ids=str)
@pytest.mark.parametrize("after", ["nothing", "the start", "a part", "the end"])
def test_what_the_app_raises_reaches_the_test_as_itself(face: Face, kind: Any, after: str) -> None:
    error = ExceptionGroup("of the app's own", [ValueError()]) if kind == "group" else kind()
    with face.bare(failing(error, after=after)) as client:
        with pytest.raises(type(error)) as caught:
            client.get()
        assert caught.value is error
        assert caught.traceback[-1].name == "app"


def test_a_cancellation_that_the_app_raises_itself_is_its_exception(face: Face) -> None:
    errors = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.CancelScope() as scope_:
            scope_.cancel()
            try:
                await anyio.lowlevel.checkpoint()
            except anyio.get_cancelled_exc_class() as error:
                errors(error)
        raise errors.events[0]

    with face.bare(app, raise_server_exceptions=False) as client:
        response = client.get()
    assert response.status_code == 500
    assert response.extensions["asgi"].app_exception is errors.events[0]


@pytest.mark.parametrize("after", ["the start", "a part", "the end"])
def test_what_was_sent_before_the_error_can_be_read(face: Face, after: str) -> None:
    error = ValueError("x")
    with face.bare(failing(error, after=after)) as client, client.stream() as stream:
        assert stream.response.status_code == 200
        if after != "the start":
            assert stream.next() == b"part"
        with pytest.raises(ValueError, match="x") as caught:
            stream.next()
        assert caught.value is error
        assert stream.response.extensions["asgi"].app_exception is error


@pytest.mark.in_process(reason="when the end of a response arrives is the network's to decide")
def test_an_error_behind_an_unread_response_is_raised_when_it_is_left(face: Face) -> None:
    with (
        face.bare(failing(ValueError("x"), after="the end")) as client,
        pytest.raises(ValueError, match="x"),
        client.stream(),
    ):
        pass


@pytest.mark.in_process(on="hypercorn", reason="its 500 has no body")
def test_a_server_s_client_gets_a_500_when_nothing_was_sent(face: Face) -> None:
    error = ValueError("x")
    with face.bare(failing(error, after="nothing"), raise_server_exceptions=False) as client:
        response = client.get()
        assert (response.status_code, response.text) == (500, "Internal Server Error")
        assert response.extensions["asgi"].app_exception is error
        assert client.request("HEAD", "/").content == b""


@pytest.mark.parametrize("after", ["the start", "a part"])
def test_a_server_s_client_gets_what_was_sent_and_then_an_incomplete_response(face: Face, after: str) -> None:
    error = ValueError("x")
    with face.bare(failing(error, after=after), raise_server_exceptions=False) as client:
        with client.stream() as stream:
            if after == "a part":
                assert stream.next() == b"part"
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete") as caught:
                stream.next()
            assert caught.value.__cause__ is error
        with pytest.raises(httpx.RemoteProtocolError):
            client.get()


def test_a_server_s_client_does_not_notice_an_error_after_the_end(face: Face) -> None:
    error = ValueError("x")
    with face.bare(failing(error, after="the end"), raise_server_exceptions=False) as client:
        response = client.get()
    assert response.text == "part"
    assert response.extensions["asgi"].app_exception is error


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_server_is_raised_even_then(face: Face, kind: type[BaseException]) -> None:
    with face.bare(failing(kind(), after="nothing"), raise_server_exceptions=False) as client, pytest.raises(kind):
        client.get()


def test_one_request_can_choose_for_itself(face: Face) -> None:
    lenient = {"asgi": {"raise_server_exceptions": False}}
    with face.bare(failing(ValueError("x"), after="nothing")) as client:
        assert client.get(extensions=lenient).status_code == 500
        with pytest.raises(ValueError, match="x"):
            client.get()
        with pytest.raises(ValueError, match=r"knows scope, raise_server_exceptions, .* not 'raise_errors'"):
            client.get(extensions={"asgi": {"raise_errors": False}})


@pytest.mark.parametrize(
    "sends, text",
    [
        (
            0,
            "returned while waiting for http.response.start. Does every branch of this path send a response?",
        ),
        (
            1,
            "returned while waiting for http.response.body. Is the last http.response.body, the one without",
        ),
        (
            2,
            "returned while waiting for http.response.body. Is the last http.response.body, the one without",
        ),
    ],
)
@pytest.mark.in_process(reason="a server answers that with status 500, and raises nothing")
def test_an_app_that_returns_early_is_told_what_is_missing(face: Face, sends: int, text: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if sends > 0:
            await start(send)
        if sends > 1:
            await body(send, b"part", more=True)

    with face.bare(app) as client:
        with pytest.raises(ASGIProtocolError, match=re.escape(text)):
            client.get()
        lenient = {"asgi": {"raise_server_exceptions": False}}
        if sends:
            with pytest.raises(httpx.RemoteProtocolError, match="returned before the end of the body"):
                client.get(extensions=lenient)
        else:
            assert client.get(extensions=lenient).status_code == 500


@pytest.mark.in_process(reason="a server minds no missing last message then")
def test_an_app_that_returns_with_all_of_its_content_length_sent_is_told_too(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, (b"content-length", b"4"))
        await body(send, b"part", more=True)

    with face.bare(app) as client:
        with pytest.raises(ASGIProtocolError, match=r"returned while waiting for http.response.body"):
            client.get()
        assert client.get(extensions={"asgi": {"raise_server_exceptions": False}}).text == "part"


@pytest.mark.in_process(reason="it is the server that refuses a message")
def test_a_bad_message_is_refused_at_its_send(face: Face) -> None:
    refused = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await body(send, b"too early")
        except ASGIProtocolError as error:
            refused(error)
            raise

    with face.bare(app) as client:
        with pytest.raises(
            ASGIProtocolError, match=r"sent http.response.body while waiting for http.response.start"
        ) as caught:
            client.get()
        assert refused.events == [caught.value]
        assert client.get(extensions={"asgi": {"raise_server_exceptions": False}}).status_code == 500


@pytest.mark.in_process(reason="it is the server that refuses a message")
def test_a_refusal_that_the_app_swallows_is_not_lost(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        try:
            await body(send, b"too late")
        except ASGIProtocolError:
            pass

    with face.bare(app) as client:
        with pytest.raises(ASGIProtocolError, match="while the response was already complete"):
            client.get()
        assert client.get(extensions={"asgi": {"raise_server_exceptions": False}}).text == "hello"


@pytest.mark.in_process(reason="it is the server that refuses a message")
@pytest.mark.parametrize("early", [False, True], ids=["after the start", "before it"])
def test_to_a_servers_client_an_app_that_handles_a_refusal_has_done_nothing(face: Face, early: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not early:
            await start(send, status=201)
        for illegal in ({"type": "http.response.start", "status": None}, {"type": "nonsense"}):
            with pytest.raises(ASGIProtocolError):
                await send(illegal)
        if early:
            await start(send, status=201)
        await body(send, b"still here")

    with face.bare(app) as client:
        response = client.get(extensions={"asgi": {"raise_server_exceptions": False}})
        assert (response.status_code, response.text) == (201, "still here")
        with pytest.raises(ASGIProtocolError, match="sent http"):
            client.get()


@pytest.mark.in_process(reason="it is the server that refuses a message")
@pytest.mark.parametrize("status", [100, 103])
def test_an_interim_status_is_no_response(face: Face, status: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, status=status)

    with face.bare(app) as client:
        with pytest.raises(ASGIProtocolError, match=f"status={status}. A final response has three digits"):
            client.get()
        with pytest.raises(httpx.RemoteProtocolError, match=f"answered with status {status}, and then with no respon"):
            client.get(extensions={"asgi": {"raise_server_exceptions": False}})


@pytest.mark.in_process(reason="it is the server that refuses a message")
def test_the_last_part_of_a_body_that_is_too_short_is_passed_on_once(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, (b"content-length", b"9"))
        for _ in range(2):
            with suppress(ASGIProtocolError):
                await body(send, b"part")

    lenient = {"asgi": {"raise_server_exceptions": False}}
    with face.bare(app) as client, client.stream(extensions=lenient) as stream:
        assert stream.next() == b"part"
        with pytest.raises(httpx.RemoteProtocolError, match="returned before the end of the body"):
            stream.next()


def test_strict_refuses_what_servers_let_pass(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, (b"X-Upper", b"1"))
        await body(send)

    with face.bare(app) as client:
        assert client.get().headers["x-upper"] == "1"
        with pytest.raises(ASGIProtocolError, match="lower-cased"):
            client.get(extensions={"asgi": {"strict": True}})


# Background work


@pytest.mark.in_process(reason="when the end of a response arrives is the network's to decide")
def test_a_call_returns_when_background_work_is_done(face: Face) -> None:
    done = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        done("background")

    with face.bare(app) as client:
        assert client.get().text == "hello"
        assert done.events == ["background"]
        with client.stream() as stream:
            pass
        assert done.events == ["background"] * 2
        assert stream.response.extensions["asgi"].app_exception is None


def test_a_detached_call_returns_at_the_end_of_the_body(face: Face) -> None:
    gate = Gate()
    done = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await gate.wait()
        done("background")

    with face.open(app, background="detach", lifespan="off") as client:
        response = client.get()
        assert not response.extensions["asgi"].done
        with pytest.raises(TimeoutError, match=r"has not ended within 0.01 seconds \(timeout=\); it is suspended at"):
            client.wait(response, 0.01)
        client.call(gate.open)
        client.wait(response)
        assert response.extensions["asgi"].done
        assert done.events == ["background"]


@pytest.mark.parametrize("listens", [False, True])
def test_what_is_detached_is_awaited_when_the_client_closes(face: Face, listens: bool) -> None:
    done = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await hello(scope, receive, send)
        if listens:
            await receive()
        await gate.wait()
        await several_rounds()
        done("background")

    gate = Gate()
    with face.open(app, background="detach", lifespan="off") as client:
        client.get()
        assert done.events == []
        client.call(gate.open)
    assert done.events == ["background"]


def test_what_is_detached_and_overstays_its_grace_is_cancelled_when_the_client_closes(face: Face) -> None:
    done = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        try:
            await anyio.sleep_forever()
        finally:
            done("cleaned up")

    with face.bare(app, background="detach", disconnect_grace=0.01) as client:
        client.get()
        client.get()
        assert done.events == []
    assert done.events == ["cleaned up"] * 2


def test_an_error_in_detached_work_is_raised_when_the_client_closes(face: Face) -> None:
    gates = [Gate(), Gate()]
    pending = list(gates)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        gate = pending.pop(0)
        await hello(scope, receive, send)
        await gate.wait()
        raise LookupError(len(pending))

    with pytest.raises(LookupError) as caught, face.open(app, background="detach", lifespan="off") as client:
        responses = [client.get(), client.get()]
        for gate, response in zip(gates, responses, strict=True):
            client.call(gate.open)
            client.wait(response)
    assert "LookupError" in "".join(caught.value.__notes__)  # of two, one is told beside the other


def test_an_error_in_detached_work_does_not_replace_the_test_s_own(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await hello(scope, receive, send)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        raise LookupError("detached")

    with pytest.raises(ZeroDivisionError) as caught, face.open(app, background="detach", lifespan="off") as client:
        client.wait(client.get())
        raise ZeroDivisionError
    assert "LookupError: detached" in "".join(caught.value.__notes__)


def test_detached_errors_are_not_raised_for_a_server_s_client(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await anyio.lowlevel.checkpoint()
        raise LookupError("detached")

    with face.open(app, background="detach", lifespan="off", raise_server_exceptions=False) as client:
        response = client.get()
        client.wait(response)
        assert isinstance(response.extensions["asgi"].app_exception, LookupError)


def test_leaving_a_detached_stream_early_leaves_the_app_running(face: Face) -> None:
    noticed = Recorder()
    with face.open(endless(noticed), background="detach", lifespan="off") as client:
        with client.stream() as stream:
            assert stream.next() == b"tick"
        client.wait(stream.response)
    assert noticed.events == ["http.disconnect", "cleaned up"]


def test_a_stream_that_was_never_closed_ends_with_the_client(face: Face) -> None:
    noticed = Recorder()
    with face.open(endless(noticed), lifespan="off") as client:
        client.unclosed()
        assert noticed.events == []
    assert noticed.events == ["http.disconnect", "cleaned up"]


def test_a_response_can_be_closed_after_the_client(face: Face) -> None:
    with face.open(endless(Recorder()), lifespan="off") as client:
        response = client.unclosed()
    if face.name == "blocking":
        response.close()
    else:
        anyio.run(response.aclose)
    assert response.is_closed


# Context


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.mark.in_process(reason="a server knows nothing of the test's context")
def test_the_app_sees_the_test_s_context_and_leaves_it_alone(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen = variable.get()
        variable.set("by the app")
        await start(send)
        await body(send, seen.encode())

    with face.bare(app) as client:
        variable.set("by the test")
        assert client.get().text == "by the test"
        assert variable.get() == "by the test"
        assert client.get().text == "by the test"


def test_the_scope_can_be_changed_for_a_client_and_for_a_request(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, f"{scope['client']} {scope['http_version']} {scope['tenant']}".encode())

    with face.bare(app, scope={"tenant": "a", "http_version": "2"}, client=("10.0.0.1", 1)) as client:
        assert client.get().text == "('10.0.0.1', 1) 2 a"
        response = client.get(extensions={"asgi": {"scope": {"tenant": "b"}}})
        assert response.text == "('10.0.0.1', 1) 2 b"
        assert response.extensions["asgi"].scope["tenant"] == "b"
