"""WebSockets: round trips, and connections that only open and close, through every client that can do it.

httpx-ws makes frames of the messages even in-process. asgiref's ``ApplicationCommunicator`` is no client, but the app
between two queues: what it does for a connection, without a request, a scope or a handshake, says nothing about ours.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any, Protocol, TypeAlias

import httpx
from asgiref.testing import ApplicationCommunicator
from httpx_ws import aconnect_ws
from httpx_ws.transport import ASGIWebSocketTransport

from asgi_testkit import ASGITransport, AsyncClient, TestClient

from . import apps
from .rounds import Awaited, AwaitedCase, Bar, Blocking, BlockingCase, Case

with warnings.catch_warnings(action="ignore"):  # it would rather have httpx2
    from starlette.testclient import TestClient as StarletteTestClient

OURS = "our AsyncClient"
ASGIREF = "asgiref's ApplicationCommunicator"
HTTPX_WS = "httpx-ws, its ASGIWebSocketTransport"
OVER_OURS = "httpx-ws, our ASGITransport"
BLOCKING = "our TestClient"
STARLETTE = "Starlette's TestClient"

PATH = "/ws"
URL = f"http://testserver{PATH}"
TEXT = apps.TEXT.decode()


class Session(Protocol):
    """What the awaited sessions have in common."""

    async def send_text(self, data: str, /) -> None: ...

    async def receive_text(self) -> str: ...


class BlockingSession(Protocol):
    """What the blocking sessions have in common."""

    def send_text(self, data: str, /) -> None: ...

    def receive_text(self) -> str: ...


#: Opens a session with the client that it holds.
Connect: TypeAlias = Callable[[], AbstractAsyncContextManager[Session]]
BlockingConnect: TypeAlias = Callable[[], AbstractContextManager[BlockingSession]]


@asynccontextmanager
async def ours() -> AsyncIterator[Connect]:
    async with AsyncClient(apps.echoes) as client:
        yield lambda: client.websocket_connect(PATH)


@asynccontextmanager
async def httpx_ws() -> AsyncIterator[Connect]:
    async with httpx.AsyncClient(transport=ASGIWebSocketTransport(apps.echoes)) as client:
        yield lambda: aconnect_ws(URL, client)


@asynccontextmanager
async def httpx_ws_over_ours() -> AsyncIterator[Connect]:
    async with httpx.AsyncClient(transport=ASGITransport(apps.echoes)) as client:
        yield lambda: aconnect_ws(URL, client)


@asynccontextmanager
async def asgiref() -> AsyncIterator[Connect]:
    yield communicate


class Communicator:
    """asgiref's communicator, with the messages that a test using it writes itself."""

    def __init__(self, communicator: Any) -> None:
        self._communicator = communicator

    async def send_text(self, data: str) -> None:
        await self._communicator.send_input({"type": "websocket.receive", "text": data})

    async def receive_text(self) -> str:
        text: str = (await self._communicator.receive_output())["text"]
        return text


@asynccontextmanager
async def communicate() -> AsyncIterator[Session]:
    scope = {"type": "websocket", "path": PATH, "headers": []}
    communicator: Any = ApplicationCommunicator(apps.echoes, scope)  # type: ignore[no-untyped-call]  # has no types
    await communicator.send_input({"type": "websocket.connect"})
    await communicator.receive_output()
    yield Communicator(communicator)
    await communicator.send_input({"type": "websocket.disconnect", "code": 1000})
    await communicator.wait()


def echo(client: Callable[[], AbstractAsyncContextManager[Connect]]) -> Awaited:
    """Send a message and receive it again, in a session that is open."""

    @asynccontextmanager
    async def opener() -> AsyncIterator[Callable[[], Awaitable[object]]]:
        async with client() as connect, connect() as session:

            async def call() -> object:
                await session.send_text(TEXT)
                return await session.receive_text()

            yield call

    return opener


def connect_and_close(client: Callable[[], AbstractAsyncContextManager[Connect]]) -> Awaited:
    """Open a session and leave it, with a client that is open."""

    @asynccontextmanager
    async def opener() -> AsyncIterator[Callable[[], Awaitable[object]]]:
        async with client() as connect:

            async def call() -> object:
                async with connect():
                    return None

            yield call

    return opener


def blocking_echo(client: AbstractContextManager[BlockingConnect]) -> Blocking:
    """As `echo`."""

    @contextmanager
    def opener() -> Iterator[Callable[[], object]]:
        with client as connect, connect() as session:

            def call() -> object:
                session.send_text(TEXT)
                return session.receive_text()

            yield call

    return opener


def blocking_connect_and_close(client: AbstractContextManager[BlockingConnect]) -> Blocking:
    """As `connect_and_close`."""

    @contextmanager
    def opener() -> Iterator[Callable[[], object]]:
        with client as connect:

            def call() -> object:
                with connect():
                    return None

            yield call

    return opener


@contextmanager
def blocking_ours(backend_options: dict[str, Any]) -> Iterator[BlockingConnect]:
    with TestClient(apps.echoes, backend_options=backend_options) as client:
        yield lambda: client.websocket_connect(PATH)


@contextmanager
def starlette(backend_options: dict[str, Any]) -> Iterator[BlockingConnect]:
    with StarletteTestClient(apps.echoes, backend_options=backend_options) as client:
        yield lambda: client.websocket_connect(PATH)


def rivals(
    way: Callable[[AbstractContextManager[BlockingConnect]], Blocking],
) -> Callable[[dict[str, Any]], Mapping[str, Blocking]]:
    """Return what makes Starlette's client and ours work in this `way`."""
    return lambda backend_options: {
        STARLETTE: way(starlette(backend_options)),
        BLOCKING: way(blocking_ours(backend_options)),
    }


CASES: list[Case] = [
    AwaitedCase(
        "awaited WebSocket echo",
        expects=TEXT,
        unit="µs",
        baseline=OURS,
        calls=300,
        rounds=30,
        bars=(Bar(HTTPX_WS, OURS, 5, at_least=True), Bar(OURS, ASGIREF, 1.5)),
        contestants={OURS: echo(ours), ASGIREF: echo(asgiref), HTTPX_WS: echo(httpx_ws)},
    ),
    AwaitedCase(
        "awaited WebSocket connect and close",
        expects=None,
        unit="µs",
        baseline=OURS,
        calls=20,
        rounds=30,
        contestants={
            OURS: connect_and_close(ours),
            ASGIREF: connect_and_close(asgiref),
            HTTPX_WS: connect_and_close(httpx_ws),
        },
    ),
    AwaitedCase(
        "WebSocket echo in frames",
        expects=TEXT,
        unit="µs",
        baseline=HTTPX_WS,
        calls=100,
        rounds=30,
        contestants={HTTPX_WS: echo(httpx_ws), OVER_OURS: echo(httpx_ws_over_ours)},
    ),
    AwaitedCase(
        "WebSocket connect and close in frames",
        expects=None,
        unit="µs",
        baseline=HTTPX_WS,
        calls=20,
        rounds=30,
        contestants={HTTPX_WS: connect_and_close(httpx_ws), OVER_OURS: connect_and_close(httpx_ws_over_ours)},
    ),
    BlockingCase(
        "blocking WebSocket echo",
        expects=TEXT,
        unit="µs",
        baseline=BLOCKING,
        calls=40,
        rounds=30,
        bars=(Bar(STARLETTE, BLOCKING, 3, at_least=True),),
        contestants=rivals(blocking_echo),
    ),
    BlockingCase(
        "blocking WebSocket connect and close",
        expects=None,
        unit="µs",
        baseline=BLOCKING,
        calls=20,
        rounds=30,
        bars=(Bar(STARLETTE, BLOCKING, 2, at_least=True),),
        contestants=rivals(blocking_connect_and_close),
    ),
]
