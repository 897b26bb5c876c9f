"""The stand-ins for the transports of httpx-ws and httpx2: what a test sees of an app's sessions is the same."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any, NamedTuple, TypeAlias

import anyio
import anyio.lowlevel
import httpx
import httpx2
import httpx2.websockets
import httpx_ws
import httpx_ws.transport
import pytest
from httpx_ws.transport import ASGIWebSocketAsyncNetworkStream

from asgi_testkit import Receive, Scope, Send
from asgi_testkit._protocol.handshake import offer
from asgi_testkit._standins import httpx2_websockets as _for_httpx2_ws
from asgi_testkit._standins import httpx_ws as _for_httpx_ws
from asgi_testkit._standins import websockets as _like_httpx_ws
from asgi_testkit._standins.httpx_ws import ASGIWebSocketTransport
from asgi_testkit._standins.tally import COUNTER
from tests.backends import BACKENDS
from tests.messages import accept, deny, echo, hang_up, hello, say

URL = "ws://testserver/socket"

#: Seconds for what theirs lets run out, and for all else.
SHORT = 0.05
LONG = 10.0

VERSION_OF_HTTPX2 = tuple(int(part) for part in version("httpx2").split(".")[:2])

#: What an app and a test have seen, in order.
Story: TypeAlias = list[Any]

Talk: TypeAlias = Callable[[Any, Story], Awaitable[None]]

App: TypeAlias = Callable[[Story], Any]

pytestmark = pytest.mark.anyio


def aconnect(url: str, client: httpx.AsyncClient) -> AbstractAsyncContextManager[httpx_ws.AsyncWebSocketSession]:
    """Connect by httpx-ws; its own signature leaves the type of the session open."""
    return httpx_ws.aconnect_ws(url, client)


class Library(NamedTuple):
    """A library of WebSocket sessions, its transport, and ours in that one's place."""

    client: Any
    connect: Any
    theirs: Any
    ours: Any


HTTPX_WS = Library(
    client=httpx.AsyncClient,
    connect=aconnect,
    theirs=httpx_ws.transport.ASGIWebSocketTransport,
    ours=_for_httpx_ws.ASGIWebSocketTransport,
)
HTTPX2 = Library(
    client=httpx2.AsyncClient,
    connect=lambda url, client: client.websocket(url),
    theirs=httpx2.websockets.ASGIWebSocketTransport,
    ours=_for_httpx2_ws.ASGIWebSocketTransport,
)


def shape(error: Any) -> Any:
    """Return what kind of exception it is, or what kinds a group holds; and what there is to see of it."""
    if isinstance(error, BaseExceptionGroup):
        return [shape(inner) for inner in error.exceptions]
    if isinstance(error, httpx_ws.WebSocketDisconnect | httpx2.websockets.WebSocketDisconnect):
        return "closed", int(error.code), error.reason
    if isinstance(error, httpx_ws.WebSocketUpgradeError | httpx2.websockets.WebSocketUpgradeError):
        return "denied", error.response.status_code, error.response.headers.get("x-app"), error.response.content
    return type(error).__name__


async def story_of(library: Library, kind: Any, app: App, talk: Talk) -> Story:
    """Return the story of a session, up to the exit of the client."""
    story: Story = []
    transport = kind(app(story), initial_receive_timeout=SHORT if app in (says_nothing, hesitates) else LONG)
    try:
        async with library.client(transport=transport) as client, library.connect(URL, client) as session:
            await talk(session, story)
    except Exception as error:
        story.append(shape(error))
    return story


# Apps


def echoes(story: Story) -> Any:
    return echo


def closes(story: Story) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await say(send, "last")
        await hang_up(send, code=4001, reason="enough")

    return app


def rejects(story: Story) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await hang_up(send, code=4003, reason="no")

    return app


def denies(story: Story) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        story.append("extensions" in scope)
        await deny(send, (b"x-app", b"1"), status=401, chunks=(b"not ", b"you"))

    return app


def raises(story: Story) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("nothing here")

    return app


def accepts_and_raises(story: Story) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await say(send, "soon")
        raise LookupError("nothing here")

    return app


def says_nothing(story: Story) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    return app


def hesitates(story: Story) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(4 * SHORT)

    return app


def accepts_and_returns(story: Story) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await say(send, "all")

    return app


def takes_its_time(story: Story) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        story.append((await receive())["text"])
        await anyio.sleep(0.1)
        story.append("the app has ended")

    return app


def says_a_lot(story: Story) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        for _ in range(100):
            await say(send, "x" * 10_000)
        story.append("all is said")
        await receive()

    return app


def listens_late(story: Story) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await receive()
        await anyio.sleep(0.05)
        for _ in range(20):
            message = await receive()
        await say(send, str(len(message["text"])))

    return app


# What tests do


async def exchange(session: Any, story: Story) -> None:
    await session.send_text("é")
    story.append(await session.receive_text())
    await session.send_bytes(b"\0")
    story.append(await session.receive_bytes())


async def listen(session: Any, story: Story, timeout: float = LONG) -> None:
    while True:
        story.append(await session.receive_text(timeout=timeout))


async def listen_within(session: Any, story: Story, timeout: float = LONG) -> None:
    try:
        await listen(session, story, timeout)
    except (httpx_ws.HTTPXWSException, httpx2.websockets.HTTPXWSException, TimeoutError) as error:
        story.append(shape(error))


async def listen_and_go_on(session: Any, story: Story) -> None:
    story.append(await session.receive_text())
    await listen_within(session, story, SHORT)
    await session.send_text("anybody there?")


async def say_one_thing(session: Any, story: Story) -> None:
    await session.send_text("one thing")


async def say_much(session: Any, story: Story) -> None:
    for _ in range(20):
        await session.send_text("x" * 10_000)
    story.append(await session.receive_text())


async def leave(session: Any, story: Story) -> None:
    await anyio.wait_all_tasks_blocked()


async def fail(session: Any, story: Story) -> None:
    raise ZeroDivisionError


@pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")  # theirs leaves some
@pytest.mark.parametrize("anyio_backend", [(each.name, each.options) for each in BACKENDS if each.id != "eager"])
@pytest.mark.parametrize(
    "app, talk",
    [
        (echoes, exchange),
        (closes, listen),
        (closes, listen_within),
        (rejects, leave),
        (denies, leave),
        (raises, leave),
        (accepts_and_raises, listen),
        (accepts_and_raises, listen_within),
        (says_nothing, leave),
        (hesitates, leave),
        (accepts_and_returns, listen_and_go_on),
        (takes_its_time, say_one_thing),
        (says_a_lot, leave),
        (listens_late, say_much),
        (echoes, fail),
        (echoes, leave),
    ],
)
@pytest.mark.parametrize(
    "library",
    [
        pytest.param(HTTPX_WS, id="httpx-ws"),
        pytest.param(
            HTTPX2,
            id="httpx2",
            marks=pytest.mark.skipif(VERSION_OF_HTTPX2 < (2, 14), reason="those before have another transport"),
        ),
    ],
)
@pytest.mark.slow
async def test_a_test_sees_the_same_over_either_transport(library: Library, app: App, talk: Talk) -> None:
    theirs = await story_of(library, library.theirs, app, talk)
    gc.collect()
    ours = await story_of(library, library.ours, app, talk)
    assert ours == theirs


@pytest.mark.parametrize(
    "app, talk, story",
    [
        (echoes, exchange, ["é", b"\0"]),
        (closes, listen_within, ["last", ("closed", 4001, "enough")]),
        (takes_its_time, say_one_thing, ["one thing", "the app has ended"]),
    ],
)
@pytest.mark.parametrize("library", [HTTPX_WS, HTTPX2], ids=["httpx-ws", "httpx2"])
async def test_a_session_goes_on_every_loop(library: Library, app: App, talk: Talk, story: Story) -> None:
    assert await story_of(library, library.ours, app, talk) == story


# Of the transport itself


async def connect(transport: Any, url: str = URL, **headers: str) -> Any:
    """Return the network stream of a connection."""
    request = httpx.Request("GET", url, headers={**offer(None), **headers})
    response = await transport.handle_async_request(request)
    assert response.status_code == 101
    await response.aclose()
    return response.extensions["network_stream"]


@pytest.mark.parametrize("url", [URL, "wss://testserver/socket", "http://testserver/socket"])
async def test_the_stream_is_one_of_theirs(url: str) -> None:
    async with ASGIWebSocketTransport(echo) as transport:
        stream = await connect(transport, url)
        assert isinstance(stream, ASGIWebSocketAsyncNetworkStream)
        assert stream.scope["path"] == "/socket"
        async with httpx_ws.AsyncWebSocketSession(stream) as session:  # which the response's end has left open
            assert session._keepalive_ping_interval_seconds is None
            await session.send_text("x")
            assert await session.receive_text(timeout=5) == "x"
    await stream.aclose()


@pytest.mark.parametrize("anyio_backend", [(each.name, each.options) for each in BACKENDS])
@pytest.mark.parametrize("library", [HTTPX_WS, HTTPX2], ids=["httpx-ws", "httpx2"])
async def test_http_goes_over_the_library_s_own_transport(library: Library) -> None:
    tasks = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(anyio.get_current_task().id)
        content = (await receive())["body"]
        assert not (await receive())["more_body"]
        headers = [("x-root", scope["root_path"]), ("x-client", scope["client"][0])]  # text: a server would refuse it
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    transport = library.ours(app, root_path="/root", client=("192.0.2.1", 1))
    before = COUNTER.copy()
    async with library.client(transport=transport, base_url="http://testserver") as client:
        response = await client.post("/", content=b"hello", timeout=0.0)
        assert (response.text, response.headers["x-root"], response.headers["x-client"]) == (
            "hello",
            "/root",
            "192.0.2.1",
        )
    assert tasks == [anyio.get_current_task().id]
    assert (COUNTER - before)["request"] == 1


@pytest.mark.parametrize("library", [HTTPX_WS, HTTPX2], ids=["httpx-ws", "httpx2"])
async def test_what_a_test_changes_of_the_transport_counts(library: Library) -> None:
    transport = library.ours(raises([]))
    async with library.client(transport=transport, base_url="http://testserver") as client:
        with pytest.raises(LookupError):
            await client.get("/")
        transport.raise_app_exceptions = False
        assert (await client.get("/")).status_code == 500
        transport.app = echo
        async with library.connect(URL, client) as session:
            await session.send_text("x")
            assert await session.receive_text(timeout=5) == "x"


@pytest.mark.parametrize("library", [HTTPX_WS, HTTPX2], ids=["httpx-ws", "httpx2"])
def test_the_options_are_theirs(library: Library) -> None:
    transport = library.ours(hello, False, "/mount", ("127.0.0.9", 9), initial_receive_timeout=None)
    assert (transport.raise_app_exceptions, transport.root_path, transport.client) == (
        False,
        "/mount",
        ("127.0.0.9", 9),
    )


async def test_a_websocket_url_needs_a_handshake() -> None:
    async with httpx.AsyncClient(transport=ASGIWebSocketTransport(echo)) as client:
        with pytest.raises(httpx.LocalProtocolError, match="has the headers Connection: Upgrade and Upgrade"):
            await client.get(URL)


async def test_a_handshake_that_is_none_is_an_upgrade_error() -> None:
    transport = ASGIWebSocketTransport(echo)
    with pytest.raises(httpx_ws.WebSocketUpgradeError) as caught:
        await connect(transport, **{"sec-websocket-key": "none"})
    assert caught.value.response.status_code == 400


async def test_what_the_app_raised_is_the_cause() -> None:
    with pytest.raises(httpx_ws.WebSocketDisconnect) as caught:
        await connect(ASGIWebSocketTransport(raises([])))
    assert isinstance(caught.value.__cause__, LookupError)


async def test_an_app_that_does_not_accept_in_time_is_told_of() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    transport = ASGIWebSocketTransport(app, initial_receive_timeout=0.01)
    with pytest.raises(
        RuntimeError, match=r"(?s)Did you forget to call accept\(\).*the application is .*<locals>\.app"
    ):
        await connect(transport)
    assert transport.unsettled  # as with theirs, it goes on
    await transport.aclose()
    assert not transport.unsettled


async def test_the_last_session_is_closed_first_and_all_before_any_is_waited_for() -> None:
    told: list[str] = []
    last_one_told = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await receive()
        if scope["path"] == "/2":
            last_one_told.set()
        await last_one_told.wait()
        told.append(scope["path"])

    async with ASGIWebSocketTransport(app) as transport:
        for number in range(3):
            await connect(transport, f"ws://testserver/{number}")
    assert sorted(told) == ["/0", "/1", "/2"]


async def test_an_app_that_overstays_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_like_httpx_ws, "_PATIENCE", 0.05)
    ended = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    transport = ASGIWebSocketTransport(app)
    async with transport:
        await connect(transport)
    assert ended == [True]


async def test_nobody_waits_for_ever_for_an_app_that_has_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_like_httpx_ws, "_SILENCE", 0.05)
    async with (
        httpx.AsyncClient(transport=ASGIWebSocketTransport(accepts_and_returns([]))) as client,
        aconnect(URL, client) as session,
    ):
        assert await session.receive_text() == "all"
        with pytest.raises(httpx_ws.WebSocketNetworkError):
            await session.receive_text()


async def test_two_sessions_at_once_do_not_mix() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await say(send, scope["path"])
        await receive()

    paths: dict[str, str] = {}

    async def talk(path: str) -> None:
        async with aconnect(f"ws://testserver{path}", client) as session:
            paths[path] = await session.receive_text(timeout=5)

    async with httpx.AsyncClient(transport=ASGIWebSocketTransport(app)) as client, anyio.create_task_group() as group:
        for number in range(2):
            group.start_soon(talk, f"/{number}")
    assert paths == {"/0": "/0", "/1": "/1"}


async def test_a_failed_block_does_not_wait_for_the_apps_and_comes_in_a_group() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await anyio.sleep_forever()

    transport = ASGIWebSocketTransport(app)
    failure = ZeroDivisionError()
    with pytest.raises(ExceptionGroup) as caught:
        async with transport:
            await connect(transport)
            raise failure
    assert caught.value.exceptions == (failure,)
    assert not transport.unsettled


async def test_a_cancelled_block_is_just_cancelled() -> None:
    with anyio.CancelScope() as scope:
        async with ASGIWebSocketTransport(echo) as transport:
            await connect(transport)
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert not transport.unsettled
