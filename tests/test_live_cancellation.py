"""What becomes of an app on a real server when its client goes, or is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from asgi_testkit import AsyncClient, Receive, Scope, Send

from .messages import body, say, start
from .places import SERVERS

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("servers_say_nothing")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("server", SERVERS)
async def test_a_cancelled_request_cancels_an_app_that_does_not_listen(server: Any) -> None:
    story: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            called.set()
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            story.append("cancelled")
            raise

    called = anyio.Event()
    async with AsyncClient(app, live=server, lifespan="off", disconnect_grace=0.05) as client:
        request = asyncio.ensure_future(client.get("/"))
        await called.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert story == ["cancelled"]


@pytest.mark.parametrize("server", SERVERS)
async def test_what_an_app_raises_when_it_is_cancelled_comes_out(server: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await anyio.sleep_forever()
        finally:
            raise LookupError("cleaning up failed")

    async with AsyncClient(app, live=server, lifespan="off", disconnect_grace=0) as client:
        with pytest.raises(LookupError, match="cleaning up failed"):
            async with client.stream("GET", "/"):
                pass


@pytest.mark.parametrize("server", SERVERS)
async def test_leaving_a_session_cancels_an_app_that_does_not_read_it(server: Any) -> None:
    story: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            story.append("cancelled")
            raise

    async with AsyncClient(app, live=server, lifespan="off", disconnect_grace=0.05) as client:
        async with client.websocket_connect("/") as session:
            for _ in range(3):  # more than is under way between the two
                await session.send_text("x" * 1_000_000)
        assert story == ["cancelled"]


@pytest.mark.parametrize("server", SERVERS)
async def test_an_app_that_only_sends_does_not_stop_the_loop_when_its_client_has_gone(server: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        while True:
            await body(send, b"x" * 10000, more=True)

    client = AsyncClient(app, live=server, lifespan="off", disconnect_grace=0.05)
    async with client, client.stream("GET", "/") as response:
        chunks: Any = response.aiter_raw()
        await anext(chunks)
        await chunks.aclose()


@pytest.mark.parametrize("server", SERVERS)
async def test_a_send_after_the_client_has_gone_is_no_failure(server: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await say(send, "anybody there?")

    async with AsyncClient(app, live=server, lifespan="off") as client, client.websocket_connect("/"):
        pass
