"""httpx-ws, a WebSocket client on httpx: it works in-process with the transport alone, awaited and blocking."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from importlib.metadata import version
from typing import Any, TypeAlias

import anyio
import httpx
import httpx_ws
import httpx_ws.transport
import pytest
from wsproto.events import BytesMessage, TextMessage

from asgi_testkit import ASGIProtocolError, ASGITransport, AsyncClient, Receive, Scope, Send, TestClient
from tests.backends import BACKENDS
from tests.messages import Recorder, accept, closes, denies, deny, echo, hang_up, raises, say

#: Its own default would be 20 seconds of it.
NO_KEEPALIVE: Any = {"keepalive_ping_interval_seconds": None}

URL = "http://testserver/socket"

Awaited: TypeAlias = AbstractAsyncContextManager[httpx_ws.AsyncWebSocketSession]
Blocking: TypeAlias = AbstractContextManager[httpx_ws.WebSocketSession]


def over(app: Any, **options: Any) -> httpx.AsyncClient:
    """Return a plain client of httpx."""
    return httpx.AsyncClient(transport=ASGITransport(app, **options))


def aconnect(url: str, client: httpx.AsyncClient, **options: Any) -> Awaited:
    """Connect by httpx-ws; its own signature leaves the type of the session open."""
    return httpx_ws.aconnect_ws(url, client, **options)


def connect(url: str, client: httpx.Client, **options: Any) -> Blocking:
    return httpx_ws.connect_ws(url, client, **options)


async def chat(scope: Scope, receive: Receive, send: Send) -> None:
    """Choose the last subprotocol, say where we are, and echo."""
    await receive()
    await accept(send, subprotocol=scope["subprotocols"][-1])
    await say(send, scope["path"])
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def rejects(scope: Scope, receive: Receive, send: Send) -> None:
    await hang_up(send)


def listener(record: Recorder) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        record(await receive())

    return app


# Awaited


@pytest.mark.anyio
async def test_a_plain_httpx_client_talks_to_the_app() -> None:
    big = "x" * 200_000
    options = {"subprotocols": ["one", "two"], "max_message_size_bytes": 1000}
    async with over(chat) as client, aconnect(URL, client, **options) as session:
        assert session.subprotocol == "two"
        assert await session.receive_text(timeout=5) == "/socket"
        await session.send_text("é")
        assert await session.receive_text(timeout=5) == "é"
        await session.send_bytes(b"\0")
        assert await session.receive_bytes(timeout=5) == b"\0"
        await session.send_json({"a": [1]})
        assert await session.receive_json(timeout=5) == {"a": [1]}
        await session.send_text(big)
        assert await session.receive_text(timeout=5) == big


@pytest.mark.anyio
async def test_our_own_client_will_do_as_well() -> None:
    async with AsyncClient(echo, lifespan="off") as client, aconnect("/", client) as session:
        await session.send_text("x")
        assert await session.receive_text(timeout=5) == "x"


@pytest.mark.anyio
async def test_a_ping_gets_its_pong() -> None:
    async with over(echo) as client, aconnect(URL, client, **NO_KEEPALIVE) as session:
        for payload in (b"", b"x" * 125):
            pong = await session.ping(payload)
            with anyio.fail_after(5):
                await pong.wait()


@pytest.mark.anyio
async def test_keepalive_pings_are_answered_while_the_app_does_something_else() -> None:
    pinged = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await pinged.wait()
        await say(send, "done")
        await receive()
        await receive()

    class Session(httpx_ws.AsyncWebSocketSession):
        async def ping(self, payload: bytes = b"") -> anyio.Event:
            pong = await super().ping(payload)
            with anyio.fail_after(5):
                await pong.wait()
            pinged.set()
            return pong

    async with (
        over(app) as client,
        aconnect(
            URL, client, keepalive_ping_interval_seconds=0.01, keepalive_ping_timeout_seconds=5, session_class=Session
        ) as session,
    ):
        assert await session.receive_text(timeout=5) == "done"


@pytest.mark.anyio
async def test_fragments_arrive_as_one_message() -> None:
    async with over(echo) as client, aconnect(URL, client) as session:
        await session.send(TextMessage("frag", message_finished=False))
        await session.send(TextMessage("ments"))
        await session.send(BytesMessage(b"", message_finished=False))
        await session.send(BytesMessage(b"\0"))
        assert await session.receive_text(timeout=5) == "fragments"
        assert await session.receive_bytes(timeout=5) == b"\0"


@pytest.mark.anyio
async def test_the_apps_close_is_a_disconnect() -> None:
    async with over(closes) as client, aconnect(URL, client) as session:
        assert await session.receive_text(timeout=5) == "last"
        with pytest.raises(httpx_ws.WebSocketDisconnect) as caught:
            await session.receive_text(timeout=5)
        assert (caught.value.code, caught.value.reason) == (4001, "enough")


@pytest.mark.anyio
@pytest.mark.parametrize("close, seen", [((), (1000, "")), ((3000, "bye"), (3000, "bye"))])
async def test_the_app_sees_how_the_session_was_closed(close: Any, seen: Any) -> None:
    record = Recorder()
    async with over(listener(record)) as client, aconnect(URL, client) as session:
        await session.close(*close)
    assert record.events == [{"type": "websocket.disconnect", "code": seen[0], "reason": seen[1]}]


@pytest.mark.anyio
async def test_leaving_the_session_closes_it() -> None:
    record = Recorder()
    async with over(listener(record)) as client, aconnect(URL, client):
        pass
    assert record.events == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]


@pytest.mark.anyio
@pytest.mark.parametrize("app, status", [(denies, 401), (rejects, 403)])
async def test_a_denial_is_an_upgrade_error_with_the_response(app: Any, status: int) -> None:
    async with over(app) as client:
        with pytest.raises(httpx_ws.WebSocketUpgradeError) as caught:
            async with aconnect(URL, client):
                pytest.fail("the session was entered")  # pragma: no cover
    response = caught.value.response
    assert response.status_code == status
    assert response.headers.get("x-app") == ("1" if status == 401 else None)


@pytest.mark.anyio
async def test_a_denial_without_an_end_is_an_upgrade_error_at_once_and_the_app_ends() -> None:
    record = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await deny(send, status=401, chunks=(bytes(65536),) * 1_000_000)
        except OSError:
            record("gone")

    async with over(app) as client:
        with pytest.raises(httpx_ws.WebSocketUpgradeError) as caught:
            async with aconnect(URL, client):
                pytest.fail("the session was entered")  # pragma: no cover
        assert caught.value.response.status_code == 401
        assert record.events == ["gone"]


@pytest.mark.anyio
@pytest.mark.parametrize("told", [True, False])
async def test_what_the_app_raises_is_1011_and_itself(told: bool) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        async with aconnect(URL, client) as session:
            with pytest.raises(httpx_ws.WebSocketDisconnect) as caught:
                await session.receive_text(timeout=5)
            assert caught.value.code == 1011

    async with over(raises, raise_app_exceptions=told) as client:
        if told:
            with pytest.raises(LookupError, match="/socket"):
                await talk(client)
        else:
            await talk(client)


@pytest.mark.anyio
async def test_an_app_that_returns_is_a_network_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)

    async with (
        over(app, raise_app_exceptions=False) as client,
        aconnect(URL, client) as session,
    ):
        with pytest.raises(httpx_ws.WebSocketNetworkError):
            await session.receive_text(timeout=5)


@pytest.mark.anyio
async def test_a_message_that_is_too_long_is_1009() -> None:
    async with over(echo, max_message_size=10) as client, aconnect(URL, client) as session:
        await session.send_text("x" * 11)
        with pytest.raises(httpx_ws.WebSocketDisconnect) as caught:
            await session.receive_text(timeout=5)
        assert caught.value.code == 1009


@pytest.mark.anyio
async def test_two_sessions_at_once_do_not_mix() -> None:
    async with over(chat) as client:
        assert await paths_of_two_sessions(client) == {"/0": "/0", "/1": "/1"}


@pytest.mark.skipif(version("httpx-ws").startswith("0.8."), reason="those before leave things unclosed, too")
@pytest.mark.parametrize("anyio_backend", [(each.name, each.options) for each in BACKENDS if each.id != "eager"])
@pytest.mark.anyio
async def test_two_sessions_at_once_mix_with_the_transport_of_httpx_ws() -> None:
    async with httpx.AsyncClient(transport=httpx_ws.transport.ASGIWebSocketTransport(chat)) as client:
        paths = await paths_of_two_sessions(client)
    assert len(set(paths.values())) == 1  # once this fails, the docs need not tell it any more


async def paths_of_two_sessions(client: httpx.AsyncClient) -> dict[str, str]:
    """Connect to two paths at the same time. Return which the app saw, by that which was asked for."""
    paths = {}

    async def talk(path: str) -> None:
        url = f"http://testserver{path}"
        async with aconnect(url, client, subprotocols=["chat"], **NO_KEEPALIVE) as session:
            paths[path] = await session.receive_text(timeout=5)

    async with anyio.create_task_group() as group:
        for number in range(2):
            group.start_soon(talk, f"/{number}")
    return paths


# Blocking


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.id)
def backend(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The backend, as `TestClient` takes it."""
    return {"backend": request.param.name, "backend_options": request.param.options}


def test_a_blocking_session_talks_to_the_app(backend: dict[str, Any]) -> None:
    big = "x" * 200_000
    with (
        TestClient(chat, lifespan="off", **backend) as client,
        connect("/socket", client, subprotocols=["one", "two"]) as session,
    ):
        assert session.subprotocol == "two"
        assert session.receive_text(timeout=5) == "/socket"
        session.send_text("é")
        assert session.receive_text(timeout=5) == "é"
        session.send_bytes(b"\0")
        assert session.receive_bytes(timeout=5) == b"\0"
        session.send_json({"a": [1]})
        assert session.receive_json(timeout=5) == {"a": [1]}
        session.send_text(big)
        assert session.receive_text(timeout=5) == big
        assert session.ping().wait(5)


def test_a_blocking_session_needs_no_client_that_is_entered() -> None:
    client = TestClient(echo)
    with connect("/", client, **NO_KEEPALIVE) as session:
        session.send_text("x")
        assert session.receive_text(timeout=5) == "x"
    client.close()


def test_the_apps_close_ends_a_blocking_session(backend: dict[str, Any]) -> None:
    with (
        TestClient(closes, lifespan="off", **backend) as client,
        connect("/", client) as session,
    ):
        assert session.receive_text(timeout=5) == "last"
        with pytest.raises(httpx_ws.WebSocketDisconnect) as caught:
            session.receive_text(timeout=5)
        assert (caught.value.code, caught.value.reason) == (4001, "enough")


def test_the_app_sees_how_a_blocking_session_was_closed(backend: dict[str, Any]) -> None:
    record = Recorder()
    with TestClient(listener(record), lifespan="off", **backend) as client:
        with connect("/", client) as session:
            session.close(3000, "bye")
        with connect("/", client):
            pass
    assert record.events == [
        {"type": "websocket.disconnect", "code": 3000, "reason": "bye"},
        {"type": "websocket.disconnect", "code": 1000, "reason": ""},
    ]


def test_a_denial_is_an_upgrade_error_when_blocking_too(backend: dict[str, Any]) -> None:
    with (
        TestClient(denies, lifespan="off", **backend) as client,
        pytest.raises(httpx_ws.WebSocketUpgradeError) as caught,
        connect("/", client),
    ):
        pytest.fail("the session was entered")  # pragma: no cover
    assert caught.value.response.status_code == 401
    assert caught.value.response.headers["x-app"] == "1"


def test_what_the_app_raises_is_raised_when_blocking_too(backend: dict[str, Any]) -> None:
    with (
        TestClient(raises, lifespan="off", **backend) as client,
        pytest.raises(LookupError, match="/socket"),
        connect("/socket", client) as session,
        pytest.raises(httpx_ws.WebSocketDisconnect),
    ):
        session.receive_text(timeout=5)


def test_two_blocking_sessions_at_once_do_not_mix(backend: dict[str, Any]) -> None:
    with (
        TestClient(chat, lifespan="off", **backend) as client,
        connect("/a", client, subprotocols=["chat"]) as one,
        connect("/b", client, subprotocols=["chat"]) as other,
    ):
        assert other.receive_text(timeout=5) == "/b"
        assert one.receive_text(timeout=5) == "/a"


def test_an_app_that_breaks_the_contract_is_told_of() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await accept(send)

    with (
        pytest.raises(ASGIProtocolError, match=r"sent websocket\.accept while the connection was open"),
        TestClient(app, lifespan="off") as client,
        connect("/", client) as session,
        pytest.raises(httpx_ws.WebSocketDisconnect),
    ):
        session.receive_text(timeout=5)
