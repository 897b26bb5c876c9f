"""One WebSocket conversation at a time: what the app's calls come to, and what the client sees."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from asgi_testkit import Message, Receive, Scope, Send

from ._apps import RECEIVE, settle
from ._websocket_apps import MEET, Actor, accept, accepted, close, connected, send
from ._websocket_case import WebSocketCase
from ._websocket_denial_cases import DENIAL_CASES
from ._websocket_departure_cases import DEPARTURE_CASES, EARLY_DEPARTURES
from ._websocket_message_cases import MESSAGE_CASES
from ._websocket_open_cases import OPEN_CASES
from ._websocket_peers import LEAVES, Closes, act
from ._websocket_worlds import WORLDS, World, calling, converse, world_of

pytestmark = pytest.mark.anyio

MIB = b"x" * 1024 * 1024

CASES = [*OPEN_CASES, *DENIAL_CASES, *MESSAGE_CASES, *DEPARTURE_CASES]


@pytest.fixture(scope="module", params=WORLDS)
async def world(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[World]:
    async with world_of(request.param) as world:
        yield world


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
async def test_a_conversation_is_what_the_table_says(world: World, case: WebSocketCase) -> None:
    assert await converse(world, case) == case.seen_in(world.name)


def test_where_the_client_does_not_follow_most_servers_there_is_a_reason() -> None:
    assert [case.name for case in CASES if case.why] == [case.name for case in CASES if case.seen != case.consensus]


# Departure


@pytest.mark.parametrize("name", EARLY_DEPARTURES)
async def test_a_client_that_goes_before_it_is_answered_was_never_there(world: World, name: str) -> None:
    part, ours, under_uvicorn, under_hypercorn = EARLY_DEPARTURES[name]
    stories = {"uvicorn": under_uvicorn, "hypercorn": under_hypercorn}
    actor = Actor(*connected(MEET, MEET, *part))
    async with world.client(actor) as client, contextlib.AsyncExitStack() as stack:
        call = asyncio.create_task(stack.enter_async_context(calling(client)))
        await actor.meeting.wait()
        call.cancel()
        await asyncio.wait([call])
        await actor.meeting.wait()
        await actor.ended.wait()
    assert call.cancelled()
    assert " ".join(actor.story) == stories.get(world.name.partition("-")[0], ours)


async def test_leaving_frees_an_app_that_waits_for_the_reader(world: World) -> None:
    actor = Actor(*accepted(*[send(bytes=MIB)] * 32))
    async with world.client(actor) as client:
        async with calling(client) as peer:
            assert not isinstance(peer, str)
            assert await peer.see() == "101"
            await settle()
            assert not actor.ended.is_set()
            await peer.leave()
        await actor.ended.wait()
    if world.name == "hypercorn":
        assert actor.story == ["accept", *["send"] * 32]
    else:
        assert actor.story[-1] == "send gone"


# Side by side


async def test_the_app_waits_for_a_client_that_does_not_read(world: World) -> None:
    actor = Actor(*accepted(*[send(bytes=MIB)] * 32, close()))
    async with world.client(actor) as client, calling(client) as peer:
        assert not isinstance(peer, str)
        assert await peer.see() == "101"
        await settle()
        assert not actor.ended.is_set()
        seen = await act(peer, (), actor)
        await actor.ended.wait()
    assert [len(data) for data in seen] == [len(repr(MIB))] * 32 + [len("close(1000)")]


async def test_connections_are_open_side_by_side(world: World) -> None:
    met = asyncio.Barrier(2)

    async def app(scope: Scope, receive: Receive, sending: Send) -> None:
        await receive()
        await sending(accept())
        await met.wait()
        await sending(close())

    async def call() -> list[str]:
        async with calling(client) as peer:
            assert not isinstance(peer, str)
            return [await peer.see(), await peer.see()]

    async with world.client(app) as client, asyncio.TaskGroup() as group:
        calls = [group.create_task(call()) for _ in range(2)]
    assert [call.result() for call in calls] == [["101", "close(1000)"]] * 2


async def test_each_connection_has_a_task_and_a_context_of_its_own(world: World) -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)
    tasks = set()

    async def app(scope: Scope, receive: Receive, sending: Send) -> None:
        tasks.add(asyncio.current_task())
        variable.set(variable.get() + 1)
        await sending(accept())
        await sending(close(code=4000 + variable.get()))

    seen = []
    async with world.client(app) as client:
        for _ in range(2):
            async with calling(client) as peer:
                assert not isinstance(peer, str)
                seen += [await peer.see(), await peer.see()]
    assert seen == ["101", "close(4001)"] * 2
    assert len(tasks) == 2


# What the app is told, to the letter


class Listener(Actor):
    """An app that keeps its scope, and the messages that it receives, as they are."""

    def __init__(self, *part: Any) -> None:
        super().__init__(*part)
        self.scope: Scope = {}
        self.received: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> object:
        async def keep() -> Message:
            message = await receive()
            self.received.append(message)
            return message

        self.scope = scope
        return await super().__call__(scope, keep, send)


async def listens(world: World, part: Sequence[Any], client_part: Sequence[Any] = ()) -> Listener:
    listener = Listener(*part)
    async with world.client(listener) as client:
        async with calling(client) as peer:
            assert not isinstance(peer, str)
            await act(peer, client_part, listener)
        await listener.ended.wait()
    return listener


async def test_a_message_has_the_one_key_that_is_set(world: World) -> None:
    listener = await listens(world, accepted(RECEIVE, RECEIVE, close()), ("x", b"y"))
    assert listener.received == [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "x"} | ({"bytes": None} if world.name == "hypercorn" else {}),
        {"type": "websocket.receive", "bytes": b"y"} | ({"text": None} if world.name == "hypercorn" else {}),
    ]


@pytest.mark.parametrize(
    "client_part, told",
    [
        (Closes(1000, "bye"), {"code": 1000, "reason": "bye"}),
        (Closes(4000), {"code": 4000, "reason": ""}),
        (LEAVES, {"code": 1005}),
    ],
    ids=["closed with a reason", "closed without", "lost"],
)
async def test_a_disconnect_has_a_reason_where_there_was_a_close(
    world: World, client_part: object, told: dict[str, Any]
) -> None:
    listener = await listens(world, accepted(RECEIVE), (client_part,))
    if world.name == "hypercorn":  # it tells of nothing else
        told = {"code": 1006}
    assert listener.received[1:] == [{"type": "websocket.disconnect"} | told]


async def test_the_apps_own_close_is_a_disconnect_with_a_reason(world: World) -> None:
    listener = await listens(world, accepted(close(code=4000), RECEIVE))
    told = {"code": 1000} if world.name == "hypercorn" else {"code": 4000, "reason": ""}
    assert listener.received[1:] == [{"type": "websocket.disconnect"} | told]
