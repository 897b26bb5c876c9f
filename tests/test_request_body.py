"""The body of a request, pulled chunk by chunk; what the exchange makes of it is in test_exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import anyio
import anyio.lowlevel
import httpx
import pytest

from asgi_testkit import AsyncClient, Receive, Scope, Send
from asgi_testkit._client.library import library_of
from asgi_testkit._client.request import body_of as body_of_request
from asgi_testkit._conversation.request_body import RequestBody
from asgi_testkit._conversation.wakeup import Wakeup

from .messages import Recorder, hello

pytestmark = pytest.mark.anyio


def body_of(stream: Any) -> RequestBody:
    request = httpx.Request("POST", "http://testserver/", stream=stream)
    return RequestBody(body_of_request(request, library_of(request)), name="POST /", reader=Wakeup(), waiter=Wakeup())


async def taken(body: RequestBody) -> list[tuple[bytes, bool]]:
    """Take all of a body, as an app does."""
    parts: list[tuple[bytes, bool]] = []
    while not body.finished:
        part = body.take()
        if part is None:
            await anyio.lowlevel.checkpoint()
        else:
            parts.append(part)
    return parts


class ChunkIterator:
    """An iterator that is no generator, and cannot be closed."""

    def __init__(self, chunks: list[Any]) -> None:
        self._chunks = chunks

    async def __anext__(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        if not self._chunks:
            raise StopAsyncIteration
        chunk: bytes = self._chunks.pop(0)
        return chunk


class Chunks(httpx.AsyncByteStream):
    """A stream of the test's own making."""

    def __init__(self, *chunks: Any) -> None:
        self._chunks = list(chunks)
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return cast("AsyncIterator[bytes]", ChunkIterator(self._chunks))

    async def aclose(self) -> None:
        self.closed = True


async def test_a_body_that_httpx_has_not_read_is_one_part_all_the_same() -> None:
    assert await taken(body_of(httpx.ByteStream(b"hello"))) == [(b"hello", False)]


async def test_a_stream_of_the_test_s_own_making_is_read_and_closed() -> None:
    stream = Chunks(b"one", bytearray(b"two"), b"", memoryview(b"three"))
    body = body_of(stream)
    assert await taken(body) == [(b"one", True), (b"two", True), (b"three", True), (b"", False)]
    await body.close(grace=1)
    assert stream.closed
    assert not body.pumping


async def test_a_body_that_is_not_asked_for_is_not_begun() -> None:
    stream = Chunks(b"one")
    body = body_of(stream)
    await body.close(grace=1)
    assert not stream.closed
    assert not body.pumping


async def test_a_stream_that_is_suspended_when_the_app_ends_is_cancelled_and_closed() -> None:
    story = Recorder()

    async def forever() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await anyio.sleep_forever()
        finally:
            story("closed")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        with anyio.move_on_after(0.01):
            await receive()
        await hello(scope, receive, send)

    async with AsyncClient(app, lifespan="off") as client:
        assert (await client.post("/", content=forever())).text == "hello"
    assert story.events == ["closed"]


async def test_an_error_in_the_end_of_a_generator_is_the_test_s_own() -> None:
    async def fails_when_closed() -> AsyncIterator[bytes]:
        try:
            yield b"one"
        finally:
            raise LookupError("in its end")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await hello(scope, receive, send)

    async with AsyncClient(app, lifespan="off") as client:
        with pytest.raises(LookupError, match="in its end"):
            await client.post("/", content=fails_when_closed())


async def test_a_body_that_cannot_be_awaited_is_refused() -> None:
    class Blocking(httpx.SyncByteStream):
        pass

    with pytest.raises(TypeError, match="cannot be iterated asynchronously"):
        body_of(Blocking())
