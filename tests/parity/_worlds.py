"""Where an app can run: under a real server, or under the client."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import anyio
import httpx

import asgi_testkit
from asgi_testkit import Receive, Scope, Send
from asgi_testkit._types import SingleCallable

from ._servers import SERVERS, serve

OURS = "asgi_testkit"
WORLDS = (*SERVERS, OURS)

#: How the client does as a server's client does.
LIKE_A_SERVER: dict[str, Any] = {"raise_server_exceptions": False, "background": "detach"}

#: Seconds that a test has before it fails. None needs even one.
DEADLINE = 10.0


def loopback_client(url: str, *, keep_alive: bool = True) -> httpx.AsyncClient:
    limits = httpx.Limits(max_keepalive_connections=None if keep_alive else 0)
    # There is no TLS to verify, and loading the certificates for it would take longer than the test.
    return httpx.AsyncClient(base_url=url, trust_env=False, verify=False, limits=limits)


class InProcess:
    """The client under test."""

    name = OURS

    @contextlib.asynccontextmanager
    async def client(self, app: SingleCallable) -> AsyncIterator[httpx.AsyncClient]:
        with anyio.fail_after(DEADLINE):
            async with asgi_testkit.AsyncClient(app, lifespan="off", **LIKE_A_SERVER) as client:
                yield client


class OnLoopback:
    """A real server. It runs this object, which leaves each request to the app of the test."""

    def __init__(self, name: str, *, keep_alive: bool = True) -> None:
        self.name = name
        self.url = ""
        self._keep_alive = keep_alive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> object:
        return await self._app(scope, receive, send) if scope["type"] != "lifespan" else None

    @contextlib.asynccontextmanager
    async def client(self, app: SingleCallable) -> AsyncIterator[httpx.AsyncClient]:
        self._app = app
        with anyio.fail_after(DEADLINE):
            async with loopback_client(self.url, keep_alive=self._keep_alive) as client:
                yield client


World: TypeAlias = OnLoopback | InProcess


@contextlib.asynccontextmanager
async def running(world: str, app: SingleCallable) -> AsyncIterator[httpx.AsyncClient]:
    """Run `app` by itself, lifespan included, and give a client for it."""
    with anyio.fail_after(DEADLINE):
        if world == OURS:
            async with asgi_testkit.AsyncClient(app, **LIKE_A_SERVER) as client:
                yield client
        else:
            async with serve(world, app) as url, loopback_client(url) as client:
                yield client
