"""Where an app can be called over WebSocket: under a real server, or under the client, with and without frames."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, TypeAlias

import anyio
import httpx

import asgi_testkit
from asgi_testkit._types import SingleCallable

from ._servers import MESSAGE_LIMIT, WEBSOCKET_SERVERS, serve
from ._websocket_apps import Actor
from ._websocket_case import WIRE, WebSocketCase
from ._websocket_frames import BROKEN, HANDSHAKE
from ._websocket_peers import Peer, SessionPeer, WirePeer, act, refusal
from ._worlds import DEADLINE, OURS, InProcess, OnLoopback

#: Where there are frames.
WIRES = (*WEBSOCKET_SERVERS, WIRE)

WORLDS = (*WEBSOCKET_SERVERS, OURS, WIRE)


class OnTheWire:
    """The transport under test: the bytes of a network, without one."""

    name = WIRE

    @contextlib.asynccontextmanager
    async def client(self, app: SingleCallable) -> AsyncIterator[httpx.AsyncClient]:
        transport = asgi_testkit.ASGITransport(
            app, raise_app_exceptions=False, background="detach", max_message_size=MESSAGE_LIMIT
        )
        with anyio.fail_after(DEADLINE):
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                yield client


World: TypeAlias = OnLoopback | InProcess | OnTheWire


@contextlib.asynccontextmanager
async def world_of(name: str) -> AsyncIterator[World]:
    if name == OURS:
        yield InProcess()
    elif name == WIRE:
        yield OnTheWire()
    else:
        on_loopback = OnLoopback(name, keep_alive=False)  # a client that was refused has gone
        with _falling_over_quietly():
            async with serve(name, on_loopback) as on_loopback.url:
                yield on_loopback


@contextlib.contextmanager
def _falling_over_quietly() -> Iterator[None]:
    """Take no notice of hypercorn's own errors: where it trips over an app's mistake, all there is to see is a cut."""
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    assert handler is not None  # the test runner's, which makes failures of them

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> object:
        return context["message"] == "Unhandled exception in client_connected_cb" or handler(loop, context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(handler)


@contextlib.asynccontextmanager
async def calling(client: httpx.AsyncClient, offers: Sequence[str] = ()) -> AsyncIterator[Peer | str]:
    """Call the app, and give the client's end of the connection, or tell why there is none."""
    call = _session if isinstance(client, asgi_testkit.AsyncClient) else _wire
    async with contextlib.AsyncExitStack() as stack:
        try:
            peer = await call(client, offers, stack)
        except BROKEN:
            peer = "no response"
        yield peer


async def _session(client: Any, offers: Sequence[str], stack: contextlib.AsyncExitStack) -> Peer | str:
    try:
        connecting = client.websocket_connect("/", subprotocols=offers)
        return SessionPeer(await stack.enter_async_context(connecting))
    except asgi_testkit.WebSocketDisconnect as rejection:
        response = rejection.response
    assert response is not None
    return await refusal(response)


async def _wire(client: httpx.AsyncClient, offers: Sequence[str], stack: contextlib.AsyncExitStack) -> Peer | str:
    offered = {"sec-websocket-protocol": ", ".join(offers)} if offers else {}
    response = await stack.enter_async_context(client.stream("GET", "/", headers=HANDSHAKE | offered))
    return WirePeer(response) if response.status_code == 101 else await refusal(response)


async def converse(world: World, case: WebSocketCase) -> str:
    """Play both parts, and tell what happened at either end."""
    actor = Actor(*case.app)
    async with world.client(actor) as client:
        async with calling(client, case.offers) as peer:
            seen = [peer] if isinstance(peer, str) else await act(peer, case.client, actor)
        await actor.ended.wait()
    return " ".join([*actor.story, "->", *seen])
