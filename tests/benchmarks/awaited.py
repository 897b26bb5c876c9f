"""Awaited requests: the same job through every client that can do it.

What ``httpx.ASGITransport`` costs depends on more than httpx: with every request it imports sniffio, and where that is
not installed, the search in vain takes longer than all the rest of it. httpx and anyio do without sniffio by now; trio
and asgi-lifespan bring it. So there are two of it here.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.machinery import PathFinder
from typing import Any, Protocol

import httpx
from asgi_lifespan import LifespanManager
from async_asgi_testclient import TestClient as AsyncASGITestClient  # type: ignore[import-untyped]  # has no types

from asgi_testkit import ASGITransport, AsyncClient, Message

from . import apps
from .rounds import Awaited, AwaitedCase, Bar, Case

RAW = "await app(...)"
FLOOR = "httpx, floor"
HTTPX = "httpx, its ASGITransport"
NO_SNIFFIO = f"{HTTPX}, no sniffio"
OURS = "httpx, our ASGITransport"
CLIENT = "our AsyncClient"
ASYNC_ASGI = "async-asgi-testclient"

SIZE = 16 * apps.MIB
URL = "http://testserver"
CHUNKS = [apps.CHUNK] * (SIZE // len(apps.CHUNK))


class Floor(httpx.AsyncBaseTransport):
    """A transport that does nothing but read the body of a POST, and return the response that the app would send."""

    def __init__(self, body: list[bytes], headers: list[tuple[bytes, bytes]]) -> None:
        self._body = body
        self._headers = headers

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            assert isinstance(request.stream, httpx.AsyncByteStream)
            async for _ in request.stream:
                pass
        return httpx.Response(200, headers=self._headers, stream=FloorStream(self._body))


class FloorStream(httpx.AsyncByteStream):
    """A body that is there."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


class WithoutSniffio(httpx.AsyncBaseTransport):
    """``httpx.ASGITransport`` as it is where sniffio is not installed."""

    def __init__(self, app: apps.App) -> None:
        self._transport = httpx.ASGITransport(app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        there = sys.modules.pop("sniffio", None)
        sys.meta_path.insert(0, self)
        try:
            return await self._transport.handle_async_request(request)
        finally:
            sys.meta_path.remove(self)
            if there is not None:
                sys.modules["sniffio"] = there

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Search the whole path for sniffio, as the import system does, and find nothing."""
        if name == "sniffio":
            PathFinder.find_spec("no_sniffio")
            raise ModuleNotFoundError(name)


class Job(Protocol):
    """What a client is asked to do."""

    async def by_httpx(self, client: httpx.AsyncClient) -> object: ...

    async def by_async_asgi(self, client: AsyncASGITestClient) -> object: ...


class Get:
    """A GET whose response is read as a whole."""

    async def by_httpx(self, client: httpx.AsyncClient) -> object:
        return len((await client.get("/")).content)

    async def by_async_asgi(self, client: AsyncASGITestClient) -> object:
        return len((await client.get("/")).content)


class HundredGets:
    """A hundred at once."""

    async def by_httpx(self, client: httpx.AsyncClient) -> object:
        responses = await asyncio.gather(*(client.get("/") for _ in range(100)))
        return sum(len(response.content) for response in responses)

    async def by_async_asgi(self, client: AsyncASGITestClient) -> object:
        responses = await asyncio.gather(*(client.get("/") for _ in range(100)))
        return sum(len(response.content) for response in responses)


class Stream:
    """A GET whose response is read chunk by chunk."""

    async def by_httpx(self, client: httpx.AsyncClient) -> object:
        length = 0
        async with client.stream("GET", "/") as response:
            async for chunk in response.aiter_raw():
                length += len(chunk)
        return length

    async def by_async_asgi(self, client: AsyncASGITestClient) -> object:
        length = 0
        response = await client.get("/", stream=True)
        async for chunk in response.iter_content(len(apps.CHUNK)):
            length += len(chunk)
        return length


@dataclass(frozen=True)
class Post:
    """A POST of this many bytes, at once or from a generator. The app answers with what it has counted."""

    size: int
    chunked: bool

    async def by_httpx(self, client: httpx.AsyncClient) -> object:
        return int((await client.post("/", content=self._content())).content)

    async def by_async_asgi(self, client: AsyncASGITestClient) -> object:
        return int((await client.post("/", data=self._content())).content)

    def _content(self) -> Any:
        return chunks(self.size) if self.chunked else WHOLE


WHOLE = bytes(SIZE)


async def chunks(size: int, *, anew: bool = False) -> AsyncIterator[bytes]:
    for _ in range(0, size, len(apps.CHUNK)):
        yield bytes(len(apps.CHUNK)) if anew else apps.CHUNK


def through_httpx(make_client: Callable[[], httpx.AsyncClient], job: Job) -> Awaited:
    @asynccontextmanager
    async def opener() -> AsyncIterator[Callable[[], Awaitable[object]]]:
        async with make_client() as client:
            yield lambda: job.by_httpx(client)

    return opener


def through_async_asgi(app: apps.App, job: Job) -> Awaited:
    @asynccontextmanager
    async def opener() -> AsyncIterator[Callable[[], Awaitable[object]]]:
        client = AsyncASGITestClient(app)
        yield lambda: job.by_async_asgi(client)

    return opener


def called_raw(app: apps.App) -> Awaited:
    """Call the app with a scope that is there already."""
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def call() -> object:
        length = 0

        async def send(message: Message) -> None:
            nonlocal length
            length += len(message.get("body", b""))

        await app(dict(scope), receive, send)
        return length

    @asynccontextmanager
    async def opener() -> AsyncIterator[Callable[[], Awaitable[object]]]:
        yield call

    return opener


def everyone(
    app: apps.App, job: Job, body: list[bytes], headers: list[tuple[bytes, bytes]] | None = None
) -> dict[str, Awaited]:
    """Return all the clients that can do `job`. The floor answers with `body` and `headers`, as the app does."""

    def over(transport: httpx.AsyncBaseTransport) -> Awaited:
        return through_httpx(lambda: httpx.AsyncClient(transport=transport, base_url=URL), job)

    return {
        FLOOR: over(Floor(body, headers or [])),
        HTTPX: over(httpx.ASGITransport(app)),
        NO_SNIFFIO: over(WithoutSniffio(app)),
        OURS: over(ASGITransport(app)),
        CLIENT: through_httpx(lambda: AsyncClient(app, lifespan="off"), job),
        ASYNC_ASGI: through_async_asgi(app, job),
    }


def small_get(name: str, app: apps.App, *bars: Bar) -> AwaitedCase:
    return AwaitedCase(
        name,
        expects=len(apps.TEXT),
        unit="µs",
        baseline=FLOOR,
        calls=150,
        rounds=30,
        bars=bars,
        contestants={RAW: called_raw(app), **everyone(app, Get(), [apps.TEXT], apps.HEADERS)},
    )


def transfer(name: str, app: apps.App, job: Job, body: list[bytes], *bars: Bar) -> AwaitedCase:
    return AwaitedCase(
        name,
        expects=SIZE,
        unit="ms",
        baseline=HTTPX,
        calls=1,
        rounds=20,
        bars=bars,
        contestants=everyone(app, job, body),
    )


async def enter_and_exit(client: Any) -> object:
    async with client:
        return None


def lifespan(enter: Callable[[], Awaitable[object]]) -> Awaited:
    @asynccontextmanager
    async def opener() -> AsyncIterator[Callable[[], Awaitable[object]]]:
        yield enter

    return opener


async def asgi_lifespan_and_httpx() -> object:
    async with (
        LifespanManager(apps.speaks_lifespan) as manager,
        httpx.AsyncClient(transport=httpx.ASGITransport(manager.app), base_url=URL),
    ):
        return None


ASGI_LIFESPAN = "asgi-lifespan and httpx.AsyncClient"

CASES: list[Case] = [
    small_get("awaited GET", apps.small, Bar(OURS, FLOOR, 1.30), Bar(CLIENT, FLOOR, 0.6)),
    small_get("awaited GET, app suspends once", apps.suspends_once, Bar(OURS, HTTPX, 1.0), Bar(OURS, NO_SNIFFIO, 1.0)),
    small_get("awaited GET, app waits for an event", apps.waits_for_an_event),
    AwaitedCase(
        "100 awaited GETs at once, app suspends once",
        expects=100 * len(apps.TEXT),
        unit="ms",
        baseline=FLOOR,
        calls=2,
        rounds=20,
        contestants=everyone(apps.suspends_once, HundredGets(), [apps.TEXT], apps.HEADERS),
    ),
    transfer(
        "16 MiB download, read as a whole",
        apps.sends(SIZE),
        Get(),
        CHUNKS,
        Bar(OURS, HTTPX, 1.1),
    ),
    transfer(
        "16 MiB download, streamed",
        apps.sends(SIZE),
        Stream(),
        CHUNKS,
        Bar(OURS, HTTPX, 1.1),
    ),
    transfer("16 MiB upload, bytes", apps.receives, Post(SIZE, chunked=False), [str(SIZE).encode()]),
    transfer("16 MiB upload, generator", apps.receives, Post(SIZE, chunked=True), [str(SIZE).encode()]),
    AwaitedCase(
        "lifespan, awaited enter and exit",
        expects=None,
        unit="µs",
        baseline=ASGI_LIFESPAN,
        calls=20,
        rounds=20,
        contestants={
            ASGI_LIFESPAN: lifespan(asgi_lifespan_and_httpx),
            CLIENT: lifespan(lambda: enter_and_exit(AsyncClient(apps.speaks_lifespan))),
            ASYNC_ASGI: lifespan(lambda: enter_and_exit(AsyncASGITestClient(apps.speaks_lifespan))),
        },
    ),
]
