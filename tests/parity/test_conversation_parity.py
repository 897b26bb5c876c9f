"""Where both ends take turns: they stream, they wait for each other, and the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar

import httpx
import pytest

from asgi_testkit import Receive, Scope, Send

from ._apps import PEEK, RECEIVE, body, plays, settle, start
from ._observe import Witness
from ._worlds import World

pytestmark = pytest.mark.anyio

MIB = b"x" * 1024 * 1024


# Streaming


@pytest.mark.parametrize(
    "parts, story",
    [
        ((), "request"),
        ((b"ab",), "request(ab, more) request"),
        ((b"ab", b"cd", b"ef"), "request(ab, more) request(cd, more) request(ef, more) request"),
    ],
)
async def test_each_chunk_of_an_upload_is_received_before_the_next_is_made(
    world: World, parts: tuple[bytes, ...], story: str
) -> None:
    received = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            received.set()
        await send(start())
        await send(body())

    async def upload() -> AsyncIterator[bytes]:
        for part in parts:
            yield part
            await received.wait()
            received.clear()

    witness = Witness(app)
    async with world.client(witness) as client:
        await client.post("/", content=upload())
    assert " ".join(witness.story) == f"{story} start body"


async def test_an_upload_in_one_go_arrives_whole_and_ends_once(world: World) -> None:
    parts: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more_body = True
        while more_body:
            message = await receive()
            parts.append(message["body"])
            more_body = message["more_body"]
        await send(start())
        await send(body())

    async with world.client(app) as client:
        await client.post("/", content=MIB)
    assert b"".join(parts) == MIB


async def test_the_head_reaches_the_client_before_there_is_a_body(world: World) -> None:
    seen = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(201))
        await seen.wait()
        await send(body(b"x"))

    async with world.client(app) as client, client.stream("GET", "/") as response:
        assert response.status_code == 201
        seen.set()
        assert await response.aread() == b"x"


async def test_a_chunk_reaches_the_client_before_the_next_is_sent(world: World) -> None:
    seen = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"1", more_body=True))
        await seen.wait()
        await send(body(b"2"))

    async with world.client(app) as client, client.stream("GET", "/") as response:
        chunks = response.aiter_raw()
        assert await anext(chunks) == b"1"
        seen.set()
        assert await anext(chunks) == b"2"


async def test_the_app_waits_for_a_client_that_does_not_read(world: World) -> None:
    witness = Witness(plays(start(), *[body(MIB, more_body=True)] * 32, body()))
    async with world.client(witness) as client, client.stream("GET", "/") as response:
        await settle()
        assert not witness.ended.is_set()
        assert len(await response.aread()) == 32 * len(MIB)
        await witness.ended.wait()


async def test_the_response_is_complete_while_the_app_still_runs(world: World) -> None:
    seen = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"x"))
        await seen.wait()

    witness = Witness(app)
    async with world.client(witness) as client:
        assert (await client.get("/")).content == b"x"
        assert not witness.ended.is_set()
        seen.set()
        await witness.ended.wait()


async def test_a_waiting_receive_wakes_up_when_the_response_is_complete(world: World) -> None:
    woke_up = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        receiving = asyncio.ensure_future(receive())
        await send(start())
        await settle()
        woke_up.append(receiving.done())
        await send(body())
        woke_up.append((await receiving)["type"])

    witness = Witness(app)
    async with world.client(witness) as client:
        await client.get("/")
        await witness.ended.wait()
    assert woke_up == [False, "http.disconnect"]


# Side by side


async def test_requests_run_side_by_side(world: World) -> None:
    met = asyncio.Barrier(2)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await met.wait()
        await send(start())
        await send(body())

    async with world.client(app) as client, asyncio.TaskGroup() as group:
        group.create_task(client.get("/"))
        group.create_task(client.get("/"))


async def test_each_request_has_a_task_and_a_context_of_its_own(world: World) -> None:
    calls: ContextVar[int] = ContextVar("calls", default=0)
    tasks = set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.add(asyncio.current_task())
        calls.set(calls.get() + 1)
        await send(start(200 + calls.get()))
        await send(body())

    async with world.client(app) as client:
        assert [(await client.get("/")).status_code for _ in range(2)] == [201, 201]
    assert len(tasks) == 2


# Departure


async def test_leaving_a_response_is_a_disconnect_and_what_is_sent_then_goes_nowhere(world: World) -> None:
    witness = Witness(plays(RECEIVE, start(), RECEIVE, PEEK, body(b"1", more_body=True), body(b"2")))
    async with world.client(witness) as client:
        async with client.stream("GET", "/"):
            pass
        await witness.ended.wait()
    again = "nothing" if world.name == "hypercorn" else "disconnect"
    assert witness.story == ["request", "start", "disconnect", again, "body", "body"]


async def test_after_the_client_has_left_nothing_is_checked(world: World) -> None:
    witness = Witness(plays(RECEIVE, start(), RECEIVE, {"type": "nonsense"}))
    async with world.client(witness) as client:
        async with client.stream("GET", "/"):
            pass
        await witness.ended.wait()
    checked = "nonsense!" if world.name == "hypercorn" else "nonsense"
    assert witness.story == ["request", "start", "disconnect", checked]


async def test_cancelling_a_request_is_a_disconnect(world: World) -> None:
    called = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        called.set()
        await receive()
        await send(start())
        await send(body())

    witness = Witness(app)
    async with world.client(witness) as client:
        request = asyncio.create_task(client.get("/"))
        await called.wait()
        request.cancel()
        await asyncio.wait([request])
        await witness.ended.wait()
    assert request.cancelled()
    assert witness.story == ["request", "disconnect", "start", "body"]


async def test_a_read_timeout_is_a_disconnect(world: World) -> None:
    witness = Witness(plays(RECEIVE, RECEIVE))
    async with world.client(witness) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/", timeout=httpx.Timeout(None, read=0.1))
        await witness.ended.wait()
    assert witness.story[-1] == "disconnect"


async def test_an_upload_that_breaks_off_is_a_disconnect(world: World) -> None:
    received = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        received.set()
        await receive()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"ab"
        await received.wait()
        raise LookupError

    witness = Witness(app)
    async with world.client(witness) as client:
        with pytest.raises(LookupError):
            await client.post("/", content=chunks())
        await witness.ended.wait()
    assert witness.story == ["request(ab, more)", "disconnect"]


async def test_an_app_that_is_not_listening_is_left_alone(world: World) -> None:
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await left.wait()
        await send(body())

    witness = Witness(app)
    async with world.client(witness) as client:
        async with client.stream("GET", "/"):
            pass
        await settle()
        left.set()
        await witness.ended.wait()
    assert witness.story == ["start", "body"]


async def test_leaving_frees_an_app_that_waits_for_the_reader(world: World) -> None:
    witness = Witness(plays(start(), *[body(MIB, more_body=True)] * 32, body()))
    async with world.client(witness) as client:
        async with client.stream("GET", "/"):
            await settle()
            assert not witness.ended.is_set()
        await witness.ended.wait()
    assert witness.story == ["start", *["body"] * 33]
