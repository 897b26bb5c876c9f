"""The WebSockets of httpx2 itself: they work in-process with the transport alone, awaited and blocking."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import anyio
import httpcore2
import httpx2
import httpx2.websockets
import pytest

from asgi_testkit import Receive, Scope, Send
from asgi_testkit.httpx2 import ASGITransport, AsyncClient, TestClient
from tests.backends import BACKENDS
from tests.messages import Recorder, accept, closes, denies, echo, raises

VERSION_OF_HTTPX2 = tuple(int(part) for part in version("httpx2").split(".")[:2])

URL = "ws://testserver/socket"


async def returns(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(send)


def over(app: Any, **options: Any) -> httpx2.AsyncClient:
    """Return a plain client of httpx2."""
    return httpx2.AsyncClient(transport=ASGITransport(app, **options))


# Awaited


@pytest.mark.anyio
async def test_a_plain_client_of_httpx2_talks_to_the_app() -> None:
    big = "x" * 50_000
    async with over(echo) as client, client.websocket(URL) as session:
        assert isinstance(session.stream, httpcore2.AsyncNetworkStream)
        await session.send_text("é")
        assert await session.receive_text(timeout=5) == "é"
        await session.send_bytes(b"\0")
        assert await session.receive_bytes(timeout=5) == b"\0"
        await session.send_text(big)
        assert await session.receive_text(timeout=5) == big
        pong = await session.ping()
        with anyio.fail_after(5):
            await pong.wait()


@pytest.mark.anyio
async def test_our_own_client_will_do_as_well() -> None:
    async with AsyncClient(echo, lifespan="off") as client, client.websocket("/") as session:
        await session.send_text("x")
        assert await session.receive_text(timeout=5) == "x"


@pytest.mark.anyio
async def test_the_apps_close_is_a_disconnect() -> None:
    async with over(closes) as client, client.websocket(URL) as session:
        assert await session.receive_text(timeout=5) == "last"
        with pytest.raises(httpx2.websockets.WebSocketDisconnect) as caught:
            await session.receive_text(timeout=5)
        assert (caught.value.code, caught.value.reason) == (4001, "enough")


@pytest.mark.anyio
async def test_the_app_sees_how_the_session_was_closed() -> None:
    record = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        record(await receive())

    async with over(app) as client:
        async with client.websocket(URL) as session:
            await session.close(3000, "bye")
        async with client.websocket(URL):
            pass
    assert record.events == [
        {"type": "websocket.disconnect", "code": 3000, "reason": "bye"},
        {"type": "websocket.disconnect", "code": 1000, "reason": ""},
    ]


@pytest.mark.anyio
async def test_a_denial_is_an_upgrade_error_with_the_response() -> None:
    async with over(denies) as client:
        with pytest.raises(httpx2.websockets.WebSocketUpgradeError) as caught:
            async with client.websocket(URL):
                pytest.fail("the session was entered")  # pragma: no cover
    assert isinstance(caught.value.response, httpx2.Response)
    assert caught.value.response.status_code == 401
    assert caught.value.response.headers["x-app"] == "1"


@pytest.mark.anyio
async def test_what_the_app_raises_is_1011_and_itself() -> None:
    async with over(raises) as client:
        with pytest.raises(LookupError, match="/socket"):
            async with client.websocket(URL) as session:
                with pytest.raises(httpx2.websockets.WebSocketDisconnect) as caught:
                    await session.receive_text(timeout=5)
                assert caught.value.code == 1011


@pytest.mark.skipif(VERSION_OF_HTTPX2 < (2, 14), reason="those before go on reading at the end of a stream")
@pytest.mark.anyio
async def test_an_app_that_returns_is_a_network_error() -> None:
    async with (
        over(returns, raise_app_exceptions=False) as client,
        client.websocket(URL) as session,
    ):
        with pytest.raises(httpx2.websockets.WebSocketNetworkError):
            await session.receive_text(timeout=5)


@pytest.mark.anyio
async def test_the_errors_of_the_stream_are_those_of_the_library_below_httpx2() -> None:
    async with over(echo) as client, client.websocket(URL) as session:
        with pytest.raises(httpcore2.ReadTimeout):
            await session.stream.read(1, timeout=0.01)
    with pytest.raises(httpcore2.ReadError):
        await session.stream.read(1)
    with pytest.raises(httpcore2.WriteError):
        await session.stream.write(b"")


# Blocking


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.id)
def backend(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The backend, as `TestClient` takes it."""
    return {"backend": request.param.name, "backend_options": request.param.options}


def test_a_blocking_session_talks_to_the_app(backend: dict[str, Any]) -> None:
    with (
        TestClient(echo, lifespan="off", **backend) as client,
        client.websocket("/socket") as session,
    ):
        assert isinstance(session.stream, httpcore2.NetworkStream)
        session.send_text("é")
        assert session.receive_text(timeout=5) == "é"
        session.send_bytes(b"\0")
        assert session.receive_bytes(timeout=5) == b"\0"
        assert session.ping().wait(5)


def test_a_blocking_session_needs_no_client_that_is_entered() -> None:
    client = TestClient(echo)
    with client.websocket("/") as session:
        session.send_text("x")
        assert session.receive_text(timeout=5) == "x"
    client.close()


def test_the_apps_close_ends_a_blocking_session(backend: dict[str, Any]) -> None:
    with (
        TestClient(closes, lifespan="off", **backend) as client,
        client.websocket("/") as session,
    ):
        assert session.receive_text(timeout=5) == "last"
        with pytest.raises(httpx2.websockets.WebSocketDisconnect) as caught:
            session.receive_text(timeout=5)
        assert (caught.value.code, caught.value.reason) == (4001, "enough")


def test_a_denial_is_an_upgrade_error_when_blocking_too(backend: dict[str, Any]) -> None:
    with (
        TestClient(denies, lifespan="off", **backend) as client,
        pytest.raises(httpx2.websockets.WebSocketUpgradeError) as caught,
        client.websocket("/"),
    ):
        pytest.fail("the session was entered")  # pragma: no cover
    assert caught.value.response.status_code == 401


def test_what_the_app_raises_is_raised_when_blocking_too(backend: dict[str, Any]) -> None:
    with (
        TestClient(raises, lifespan="off", **backend) as client,
        pytest.raises(LookupError, match="/socket"),
        client.websocket("/socket") as session,
        pytest.raises(httpx2.websockets.WebSocketDisconnect),
    ):
        session.receive_text(timeout=5)
