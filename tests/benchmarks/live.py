"""What a real server costs: beside the app in-process, and beside plain httpx on the same server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from asgi_testkit import AsyncClient, LiveServer

from .rounds import Awaited, AwaitedCase, Bar, Case

IN_PROCESS = "in-process"
SERVERS = ("uvicorn", "hypercorn", "anycorn")

app = FastAPI()


@app.get("/items/{number}")
async def item(number: int) -> dict[str, int]:
    return {"number": number}


def plain(server: Any) -> Awaited:
    """A client of httpx, and the server by itself."""

    @asynccontextmanager
    async def opener() -> AsyncIterator[Callable[[], Awaitable[object]]]:
        async def call() -> object:
            return (await client.get("/items/1")).status_code

        async with LiveServer(app, server) as live, httpx.AsyncClient(base_url=live.url) as client:
            yield call

    return opener


def ours(live: Any) -> Awaited:
    @asynccontextmanager
    async def opener() -> AsyncIterator[Callable[[], Awaitable[object]]]:
        async def call() -> object:
            return (await client.get("/items/1")).status_code

        async with AsyncClient(app, live=live) as client:
            yield call

    return opener


def entered(live: Any) -> Awaited:
    """A client that is entered, asks for something, and is left."""

    @asynccontextmanager
    async def opener() -> AsyncIterator[Callable[[], Awaitable[object]]]:
        async def call() -> object:
            async with AsyncClient(app, live=live) as client:
                return (await client.get("/items/1")).status_code

        yield call

    return opener


CASES: list[Case] = [
    *(
        AwaitedCase(
            f"live, a GET on {server}",
            expects=200,
            unit="ms",
            baseline=f"httpx on {server}",
            calls=50,
            rounds=9,
            bars=(Bar(f"live={server!r}", f"httpx on {server}", 1.3),),
            contestants={
                f"httpx on {server}": plain(server),
                f"live={server!r}": ours(server),
                IN_PROCESS: ours(None),
            },
        )
        for server in SERVERS
    ),
    AwaitedCase(
        "live, a client, its lifespan and a GET",
        expects=200,
        unit="ms",
        baseline=IN_PROCESS,
        calls=20,
        rounds=9,
        bars=(Bar("live='uvicorn'", IN_PROCESS, 15),),
        contestants={
            IN_PROCESS: entered(None),
            **{f"live={server!r}": entered(server) for server in SERVERS},
        },
    ),
]
