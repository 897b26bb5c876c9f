"""Bodies read by lines, JSON and events: no wait loses anything, or stops an app, and each body has one reader."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import pytest

from asgi_testkit import AsyncBodyReader, AsyncClient, Receive, Scope, Send, ServerSentEvent, TestClient
from asgi_testkit.starlette import TestClient as DropIn

from .cancelling import cancel_at_every_await
from .faces import Client, Face, Reader, Stream
from .messages import Gate, accept, body, hello, several_rounds, start

TEXT = (b"content-type", b"text/plain")

#: Ends the response.
END = object()


class Feed:
    """An app whose body comes as the test hands it over: bytes, an exception to raise, or the end.

    Attributes:
        ended: How many calls have ended.
    """

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self._headers = headers
        self._parts: deque[Any] = deque()
        self._news = anyio.Event()
        self.ended = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        try:
            await start(send, *self._headers)
            while True:
                while not self._parts:
                    self._news = anyio.Event()
                    await self._news.wait()
                part = self._parts.popleft()
                if part is END:
                    await body(send)
                    return
                if isinstance(part, Exception):
                    raise part
                await body(send, part, more=True)
        finally:
            self.ended += 1

    async def give(self, *parts: Any) -> None:
        """Send what comes next; in the loop."""
        self._parts.extend(parts)
        self._news.set()


@contextmanager
def fed(face: Face, *headers: tuple[bytes, bytes], **options: Any) -> Iterator[tuple[Feed, Client, Stream]]:
    feed = Feed(*headers)
    with face.open(feed, lifespan="off", **options) as client, client.stream() as stream:
        yield feed, client, stream


@contextmanager
def reading(face: Face, kind: str, *parts: Any, headers: Any = (), **options: Any) -> Iterator[Reader]:
    """Read a body of these parts."""
    with fed(face, *headers, **options) as (feed, client, stream):
        client.call(feed.give, *parts)
        yield stream.reader(kind)


# Iterating


def test_lines_come_as_soon_as_they_are_whole_and_the_last_one_at_the_end(face: Face) -> None:
    with fed(face) as (feed, client, stream):
        lines = stream.reader("lines")
        client.call(feed.give, b"one\ntw", b"o\r", b"\nthr\xc3", b"\xa4")
        assert [lines.do("__next__"), lines.do("__next__")] == ["one", "two"]
        client.call(feed.give, END)
        assert list(lines) == ["thrä"]
        assert list(lines) == []


def test_lines_are_in_the_charset_of_the_response(face: Face) -> None:
    headers = [(b"Content-Type", b'text/plain; x=y; charset="latin-1"')]
    with reading(face, "lines", b"\xe4\n", END, headers=headers) as lines:
        assert list(lines) == ["ä"]
    with reading(face, "lines", "ä\n".encode(), END, headers=[(b"content-type", b"text/plain; charset=hex")]) as lines:
        assert list(lines) == ["ä"]


def test_ndjson_gives_values_and_what_is_no_json_is_an_error_and_stays(face: Face) -> None:
    with reading(face, "ndjson", b'{"n": 1}\n\n"\xe2\x80\xa8"\r\n[1', b",2]\nnull\nnone\n3", END) as values:
        assert values.do("__next__") == {"n": 1}
        assert values.expect("\u2028") == "\u2028"
        assert values.expect_json([1, 2]) == [1, 2]
        assert values.expect(None) is None
        for _ in range(2):
            with pytest.raises(ValueError, match="Expecting value") as caught:
                values.do("__next__")
            assert caught.value.__notes__ == ["The application sent the line 'none', which is no JSON. It is not lost."]
        with pytest.raises(ValueError, match="Expecting value"):
            values.drain(0.01)
        with pytest.raises(AssertionError, match="the next line is 'none', which does not fit 3"):
            values.expect(3)
        assert values.find(3) == 3


def test_events_come_with_type_data_id_and_retry(face: Face) -> None:
    text = b": hello\n\nid: 1\nretry: 10\nevent: tick\ndata: a\ndata: b\n\ndata: {}\n\ndata: broken off"
    with reading(face, "events", text, END) as events:
        assert list(events) == [ServerSentEvent("tick", "a\nb", "1", 10), ServerSentEvent("message", "{}", "1")]


# The steps


def test_the_steps_work_on_lines(face: Face) -> None:
    with reading(face, "lines", b"a\nb\n[1]\nd\ne\n") as lines:
        assert lines.expect("a") == "a"
        assert lines.find_json([1]) == [1]
        with pytest.raises(AssertionError, match="GET /: the next line is 'b', which does not fit 'd'"):
            lines.expect("d")
        lines.refute("f", within=0.01)
        lines.refute_json([1], within=0)
        assert lines.drain() == ["b", "d", "e"]


def test_the_steps_work_on_events_and_find_their_data(face: Face) -> None:
    with reading(face, "events", b'data: {"n": 1}\n\ndata: x\n\nevent: bye\ndata: {"n": 2}\n\n') as events:
        assert events.find_json({"n": 2}) == {"n": 2}
        assert events.expect_json({"n": 1}) == {"n": 1}
        with pytest.raises(AssertionError, match="event that fits 'y' came within"):
            events.find("y", within=0.01)
        assert events.expect(ServerSentEvent(data="x")).data == "x"


def test_a_step_that_waits_in_vain_stops_nothing_though_comments_come(face: Face) -> None:
    with fed(face) as (feed, client, stream):
        events = stream.reader("events")
        client.call(feed.give, b": ping\n\n")
        events.refute(within=0.02)
        client.call(feed.give, b": ping\n\n", b"data: a")
        with pytest.raises(AssertionError, match=r"no event came within 0 seconds[^$]*news.wait\(\)"):
            events.expect("x", within=0)
        assert feed.ended < 1
        client.call(feed.give, b"\n\n")
        assert events.expect(ServerSentEvent(data="a"))
    assert feed.ended == 1


@pytest.mark.parametrize("part", [b": ping\n\n", b"data: tick\n\n"])
def test_an_endless_flood_does_not_outlast_the_deadline(face: Face, part: bytes) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        while True:
            await body(send, part, more=True)

    with face.bare(app, write_buffer=0) as client, client.stream() as stream:
        events = stream.reader("events")
        with pytest.raises(AssertionError, match=r"within 0.02 seconds"):
            events.find("x", within=0.02)


def test_an_item_that_takes_longer_than_the_read_timeout_is_an_error_that_stops_nothing(face: Face) -> None:
    with fed(face, timeout=0.02) as (feed, client, stream):
        lines = stream.reader("lines")
        with pytest.raises(httpx.ReadTimeout, match="while waiting for lines of the body; the app"):
            lines.do("__next__")
        client.call(feed.give, b"a\n", END)
        assert list(lines) == ["a"]


# The end


def test_the_end_is_told_by_the_steps(face: Face) -> None:
    with reading(face, "lines", b"a\n", END) as lines:
        assert lines.drain(quiet=None) == ["a"]
        assert lines.drain() == []
        lines.refute(within=None)
        with pytest.raises(AssertionError, match="no line can come any more: the response has come to its end"):
            lines.expect("b")
        with pytest.raises(AssertionError, match="no line that fits 'b' has come, and none can any more: the response"):
            lines.find("b")


@pytest.mark.parametrize("verb", ["expect", "find", "refute"])
def test_what_the_app_raises_is_raised_after_what_came_before(face: Face, verb: str) -> None:
    with reading(face, "lines", b"a\n", LookupError("the app's own")) as lines:
        assert lines.drain(quiet=None) == ["a"]
        for _ in range(2):
            with pytest.raises(LookupError, match="the app's own"):
                lines.do(verb, "x", within=5)


def test_a_body_that_is_broken_off_is_told_in_httpx_s_way(face: Face) -> None:
    parts = (b"a\nb", LookupError("the app's own"))
    with reading(face, "lines", *parts, raise_server_exceptions=False) as lines:
        assert lines.expect("a") == "a"
        with pytest.raises(httpx.RemoteProtocolError, match="the response is incomplete: the application raised"):
            lines.do("__next__")


def test_the_app_is_seen_to_its_end_when_the_response_is_closed(face: Face) -> None:
    finished = []
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"a\n")
        await gate.wait()
        await several_rounds()
        finished.append("background work")

    with face.open(app, lifespan="off") as client:
        with client.stream() as stream:
            assert list(stream.reader("lines")) == ["a"]
            assert not finished
            client.call(gate.open)
        assert finished


def test_a_reader_of_a_response_that_was_closed_says_so(face: Face) -> None:
    feed = Feed()
    with face.open(feed, lifespan="off") as client:
        with client.stream() as stream:
            lines = stream.reader("lines")
        with pytest.raises(httpx.ReadError, match="the client was closed while it was reading the response"):
            lines.do("__next__")


def test_a_reader_whose_client_was_closed_says_so() -> None:
    with TestClient(Feed(), lifespan="off") as client, client.stream("GET", "/") as response:
        lines = response.extensions["asgi"].lines()
        client.close()
        with pytest.raises(httpx.ReadError, match="the client was closed while it was reading the response"):
            next(lines)


def test_a_server_s_500_has_no_body_of_the_app(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError

    with face.bare(app, raise_server_exceptions=False) as client, client.stream() as stream:
        lines = stream.reader("lines")
        with pytest.raises(httpx.RemoteProtocolError, match="the response is incomplete: the application raised"):
            lines.expect("x")


# Content codings


@pytest.mark.parametrize("coding, squeeze", [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_content_coding_is_undone(face: Face, coding: str, squeeze: Any) -> None:
    squeezed = squeeze(b"data: a\n\ndata: b\n\n")
    headers = [(b"content-encoding", coding.encode())]
    with reading(face, "events", squeezed[:9], squeezed[9:], END, headers=headers) as events:
        assert [event.data for event in events] == ["a", "b"]


def test_a_body_that_is_not_in_its_coding_is_httpx_s_error_after_what_was_right(face: Face) -> None:
    squeezer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    right = squeezer.compress(b"a\n") + squeezer.flush(zlib.Z_SYNC_FLUSH)
    with reading(face, "lines", right, b"\xff\xff", headers=[(b"content-encoding", b"gzip")]) as lines:
        assert lines.expect("a") == "a"
        for _ in range(2):
            with pytest.raises(httpx.DecodingError, match="GET /: the body is not what its content-encoding says"):
                lines.expect("b")


def test_a_coding_that_is_not_undone_leaves_the_body_to_httpx(face: Face) -> None:
    with fed(face, (b"content-encoding", b"br")) as (feed, client, stream):
        with pytest.raises(ValueError, match="content-encoding 'br', which is not decoded here"):
            stream.reader("lines")
        client.call(feed.give, b"whatever")
        assert stream.next() == b"whatever"


# One reader


@pytest.mark.parametrize("second", ["lines", "ndjson", "events", "read", "next", "chunks"])
def test_nobody_else_reads_what_a_reader_has(face: Face, second: str) -> None:
    with fed(face) as (feed, client, stream):
        lines = stream.reader("lines")
        assert stream.response.is_stream_consumed
        with pytest.raises(httpx.StreamConsumed):
            stream.reader(second) if second in {"lines", "ndjson", "events"} else getattr(stream, second)()
        client.call(feed.give, b"a\n", END)
        assert list(lines) == ["a"]


def test_a_reader_has_nothing_to_read_where_httpx_has_begun(face: Face) -> None:
    with fed(face) as (feed, client, stream):
        client.call(feed.give, b"a\n", END)
        assert not stream.response.is_stream_consumed
        assert stream.next() == b"a\n"
        with pytest.raises(httpx.StreamConsumed):
            stream.reader("lines")
    with face.bare(hello) as client:
        with client.stream() as stream:
            assert stream.read() == b"hello"
            with pytest.raises(httpx.StreamConsumed):
                stream.reader("lines")
        response = client.get()
        assert response.text == "hello"
        with pytest.raises(httpx.StreamConsumed):
            response.extensions["asgi"].lines()


def test_a_body_that_came_with_the_response_is_read_as_well() -> None:
    with TestClient(hello, lifespan="off").stream("GET", "/") as response:
        lines = response.extensions["asgi"].lines()
        assert lines.expect("hello") == "hello"
        assert list(lines) == []
        with pytest.raises(httpx.StreamConsumed):
            response.read()
        with pytest.raises(httpx.StreamConsumed):
            list(response.iter_raw())


def test_a_line_that_another_thread_takes_meanwhile_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a look at the line and the moment in which it is taken."""
    feed = Feed()
    with TestClient(feed, lifespan="off") as client, client.stream("GET", "/") as response:
        lines = response.extensions["asgi"].lines()
        client.portal.call(feed.give, b"a\nb\n")
        view = lines._body.view
        others: list[str] = []

        def look(line: str) -> str:
            if not others:
                others.append("here it comes")
                others.append(next(lines))
            return view(line)  # type: ignore[no-any-return]

        monkeypatch.setattr(lines._body, "view", look)
        assert next(lines) == "b"
    assert others == ["here it comes", "a"]


def test_the_exchange_of_a_websocket_has_no_lines() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await receive()

    with TestClient(app, lifespan="off").websocket_connect("/ws") as session:
        exchange = session.response.extensions["asgi"]
        with pytest.raises(TypeError, match="WebSocket /ws: what a handshake has led to is read by a session"):
            exchange.lines()


def test_the_drop_in_reads_streams_as_well() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"a\nb", more=True)  # and no end, which Starlette's client does without

    with DropIn(app).stream("GET", "/") as response:
        assert list(response.extensions["asgi"].lines()) == ["a", "b"]


# Among other tasks


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["by scope", "by task"])
async def test_a_wait_that_is_cancelled_loses_nothing_and_the_app_runs_on(
    how: str, anyio_backend: tuple[str, Any]
) -> None:
    feed = Feed()
    async with AsyncClient(feed, lifespan="off").stream("GET", "/") as response:
        events: AsyncBodyReader[ServerSentEvent] = response.extensions["asgi"].events()
        taken: list[str] = []
        number = 0

        async def read() -> None:
            nonlocal number
            await feed.give(b"data: %d\n\nda" % number, b"ta: %d\n\n" % (number + 1))
            number += 2
            taken.append((await anext(events)).data)
            taken.append((await events.find(lambda event: True)).data)

        assert await cancel_at_every_await(read, how, anyio_backend, lambda: None) > 1
        taken += [event.data for event in await events.drain(0.02)]
        assert sorted(taken, key=int) == [str(each) for each in range(number)]
        assert feed.ended < 1
    assert feed.ended == 1


@pytest.mark.anyio
async def test_two_tasks_share_one_reader() -> None:
    feed = Feed()
    found: dict[str, str] = {}
    async with AsyncClient(feed, lifespan="off").stream("GET", "/") as response:
        lines = response.extensions["asgi"].lines()

        async def look_for(letter: str) -> None:
            found[letter] = await lines.find(letter)

        async with anyio.create_task_group() as group:
            for letter in "ba":
                group.start_soon(look_for, letter)
            await anyio.wait_all_tasks_blocked()
            await feed.give(b"x\na\nb\n", b"c\n", END)
        assert found == {"a": "a", "b": "b"}
        assert [line async for line in lines] == ["x", "c"]


# On a server


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
async def test_a_stream_of_a_server_is_read_the_same_way(server: Any) -> None:
    feed = Feed(TEXT)
    async with AsyncClient(feed, live=server, lifespan="off") as client:
        async with client.stream("GET", "/") as response:
            values = response.extensions["asgi"].ndjson()
            await feed.give(json.dumps({"n": 1}).encode(), b"\n[2]\n")
            assert await values.find([2]) == [2]
            await values.refute([3], within=0.05)
            with pytest.raises(AssertionError, match=r"within 0.01 seconds[^$]*news.wait\(\)"):
                await values.find([3], within=0.01)
            await feed.give(b"[3]\n", END)
            assert await values.find([3]) == [3]
            assert await values.drain(quiet=None) == [{"n": 1}]
        async with client.stream("GET", "/") as response:
            lines = response.extensions["asgi"].lines()
            await feed.give(b"a\n")
            assert await lines.expect("a") == "a"
    assert feed.ended == 2
