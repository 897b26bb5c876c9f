"""The awaited session among other tasks: whose loop, who enters and leaves, who waits, who is cancelled and when."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import pytest

from asgi_testkit import (
    AsyncClient,
    AsyncWebSocketSession,
    Receive,
    Scope,
    Send,
    WebSocketDisconnect,
    WrongEventLoopError,
)
from asgi_testkit._conversation import task as _tasks
from asgi_testkit._conversation.loop import current_loop

from .cancelling import cancel_at_every_await, cancelled_once_blocked
from .messages import Recorder, accept, deny, echo, hang_up, say, several_rounds

pytestmark = pytest.mark.anyio


def client_for(app: Any, **options: Any) -> AsyncClient:
    return AsyncClient(app, lifespan="off", **options)


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept, and say nothing until the client has gone."""
    await receive()
    await accept(send)
    await receive()


async def in_a_task_of_its_own(function: Callable[..., Coroutine[Any, Any, object]], *args: object) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(function, *args)


@pytest.fixture(name="session")
async def open_session() -> AsyncIterator[AsyncWebSocketSession]:
    async with client_for(echo) as client, client.websocket_connect("/fixture") as opened:
        yield opened


# Loops and tasks


async def test_the_app_runs_in_the_loop_of_the_test() -> None:
    seen = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen((current_loop(), threading.get_ident(), anyio.get_current_task().id))
        await accept(send)

    async with client_for(app) as client, client.websocket_connect("/") as session:
        await session.wait()
    [(loop, thread, task)] = seen.events
    assert (loop, thread) == (current_loop(), threading.get_ident())
    assert task != anyio.get_current_task().id


def test_a_session_of_another_loop_says_so(anyio_backend: tuple[str, dict[str, Any]]) -> None:
    name, options = anyio_backend
    session = client_for(silent).websocket_connect("/")

    async def use() -> None:
        with pytest.raises(WrongEventLoopError, match="this WebSocket session was opened in the event loop"):
            await session.send_text("x")
        with pytest.raises(WrongEventLoopError, match="this WebSocket session was opened in the event loop"):
            await session.receive()

    async def connect() -> None:
        async with session:
            await anyio.to_thread.run_sync(lambda: anyio.run(use, backend=name, backend_options=options))

    anyio.run(connect, backend=name, backend_options=options)


async def test_a_session_lives_in_a_fixture(session: AsyncWebSocketSession) -> None:
    await session.send_json({"a": 1})
    assert await session.receive_json() == {"a": 1}
    assert session.scope["path"] == "/fixture"


async def test_a_session_is_entered_used_and_left_in_three_tasks() -> None:
    async with client_for(echo) as client:
        session = client.websocket_connect("/")

        async def use() -> None:
            await session.send_text("hello")
            assert await session.receive_text() == "hello"

        await in_a_task_of_its_own(session.__aenter__)
        await in_a_task_of_its_own(use)
        assert not session.done
        await in_a_task_of_its_own(session.__aexit__, None, None, None)
        assert session.done


async def test_a_session_outlives_a_cancelled_scope_that_it_was_opened_in() -> None:
    async with client_for(echo) as client:
        session = client.websocket_connect("/")
        with anyio.CancelScope() as scope:
            await session.__aenter__()
            scope.cancel()
            await anyio.lowlevel.checkpoint()
        await session.send_text("still here")
        assert await session.receive_text() == "still here"
        await session.__aexit__()


async def test_one_task_sends_while_another_receives() -> None:
    count = 500
    received: list[int] = []

    async def send() -> None:
        for number in range(count):
            await session.send_json(number)

    async def receive() -> None:
        while len(received) < count:
            received.append(await session.receive_json(timeout=None))

    async with (
        client_for(echo, write_buffer=100) as client,
        client.websocket_connect("/") as session,
        anyio.create_task_group() as group,
    ):
        group.start_soon(receive)
        group.start_soon(send)
    assert received == list(range(count))


async def test_messages_for_several_receivers_go_to_one_each() -> None:
    received: list[str] = []

    async def receive() -> None:
        received.append(await session.receive_text())

    async with (
        client_for(echo) as client,
        client.websocket_connect("/") as session,
        anyio.create_task_group() as group,
    ):
        for _ in range(10):
            group.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        for number in range(10):
            await session.send_text(str(number))
    assert sorted(received) == [str(number) for number in range(10)]


async def test_receivers_of_either_kind_find_theirs() -> None:
    """A receiver that is woken by the wrong kind has an error; the message is for the other then."""

    async def text() -> None:
        with pytest.raises((TypeError, WebSocketDisconnect)):  # trio's order is random: the other may come first
            await session.receive_text()

    async def data() -> None:
        received(await session.receive_bytes())
        await session.close()

    received = Recorder()
    async with (
        client_for(echo) as client,
        client.websocket_connect("/") as session,
        anyio.create_task_group() as group,
    ):
        group.start_soon(text)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(data)
        await anyio.wait_all_tasks_blocked()
        await session.send_bytes(b"data")
    assert received.events == [b"data"]


async def test_hundreds_of_sessions_at_once_do_not_mix() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await arrived.wait()
        await accept(send)
        await say(send, scope["path"])
        await receive()

    async def talk(number: int) -> None:
        async with client.websocket_connect(f"/{number}", timeout=60) as session:  # a server may be slow
            answers[number] = await session.receive_text()

    arrived = anyio.Event()
    answers: dict[int, str] = {}
    async with client_for(app) as client:
        async with anyio.create_task_group() as group:
            for number in range(300):
                group.start_soon(talk, number)
            await anyio.lowlevel.checkpoint()
            arrived.set()
        assert not client._core.transport.unsettled
    assert answers == {number: f"/{number}" for number in range(300)}


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.in_process(reason="sockets and servers have buffers of their own")
async def test_every_wait_ends_when_another_task_ends_the_session(end: str) -> None:
    ended = Recorder()

    async def wait_for(call: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(WebSocketDisconnect) as caught:
            await call()
        ended(caught.value.code)

    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await anyio.sleep_forever()

    async with (
        client_for(deaf) as client,
        client.websocket_connect("/") as session,
        anyio.create_task_group() as group,
    ):
        for call in (session.receive, session.receive_text, session.receive_bytes, session.receive_json):
            group.start_soon(wait_for, call)
        if end == "abort":
            group.start_soon(wait_for, lambda: session.send_bytes(bytes(100_000)))
        await anyio.wait_all_tasks_blocked()
        await getattr(session, end)()
    assert ended.events == ([1006] * 5 if end == "abort" else [1000] * 4)


async def test_leaving_the_block_ends_a_receive_in_another_task() -> None:
    async def receive() -> None:
        with pytest.raises(WebSocketDisconnect, match="the test closed the connection"):
            await session.receive()

    async with (
        client_for(silent) as client,
        anyio.create_task_group() as group,
        client.websocket_connect("/") as session,
    ):
        group.start_soon(receive)
        await anyio.wait_all_tasks_blocked()


@pytest.mark.in_process(reason="asks when all tasks are blocked, which is no matter of sockets")
async def test_closing_the_client_ends_a_handshake_in_another_task() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        heard(await receive())

    async def connect() -> None:
        with pytest.raises(httpx.ReadError, match=r"^WebSocket /: the client was closed while it was connecting$"):
            await client.websocket_connect("/").__aenter__()

    heard = Recorder()
    client = client_for(app)
    async with anyio.create_task_group() as group:
        group.start_soon(connect)
        await anyio.wait_all_tasks_blocked()
        await client.aclose()
    assert heard.events == [{"type": "websocket.disconnect", "code": 1006}]


async def test_a_session_in_a_task_group_fails_with_the_error_of_the_app_and_no_group_of_ours() -> None:
    error = LookupError("x")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        raise error

    async def talk() -> None:
        async with client.websocket_connect("/") as session:
            await session.receive()

    async with client_for(app) as client:
        with pytest.raises(ExceptionGroup) as caught:
            await in_a_task_of_its_own(talk)
    assert caught.value.exceptions == (error,)


def test_a_session_is_opened_in_the_loop_of_its_client(anyio_backend: tuple[str, dict[str, Any]]) -> None:
    name, options = anyio_backend
    client = client_for(echo)

    async def wrong() -> None:
        with pytest.raises(WrongEventLoopError, match="this AsyncClient was opened in the event loop"):
            await client.websocket_connect("/").__aenter__()

    async def right() -> None:
        async with client:
            thread = threading.Thread(target=lambda: anyio.run(wrong, backend=name, backend_options=options))
            thread.start()
            thread.join()

    anyio.run(right, backend=name, backend_options=options)


# Time-outs and cancellation


async def test_a_receive_that_a_scope_ends_loses_nothing() -> None:
    async with client_for(echo) as client, client.websocket_connect("/") as session:
        for number in range(3):
            with anyio.move_on_after(0.01) as scope:
                await session.receive_text()
            assert scope.cancelled_caught
            await session.send_text(str(number))
            assert await session.receive_text() == str(number)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_receive_within_wait_for_loses_nothing() -> None:
    async with client_for(echo) as client, client.websocket_connect("/") as session:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.receive_text(), 0.01)
        await session.send_text("later")
        assert await asyncio.wait_for(session.receive_text(), 5) == "later"


async def test_a_receive_that_is_cancelled_as_its_message_comes_loses_nothing() -> None:
    async def receive() -> None:
        received.append(await session.receive_text())

    received: list[str] = []
    rooms: list[Send] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        rooms.append(send)
        await silent(scope, receive, send)

    async with client_for(app) as client, client.websocket_connect("/") as session:
        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await anyio.wait_all_tasks_blocked()
            await say(rooms[0], "now")
            group.cancel_scope.cancel()
        assert (received[0] if received else await session.receive_text()) == "now"


@pytest.mark.in_process(reason="sockets and servers have buffers of their own")
async def test_a_send_that_is_cancelled_has_sent_its_message() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await listens.wait()
        for _ in range(2):
            heard(len((await receive())["bytes"]))
        await hang_up(send)

    listens, heard = anyio.Event(), Recorder()
    async with client_for(app) as client, client.websocket_connect("/") as session:
        assert await cancelled_once_blocked(partial(session.send_bytes, bytes(100_000)))
        listens.set()
        await session.send_bytes(bytes(5))
        assert [data async for data in session] == []
    assert heard.events == [100_000, 5]


async def test_a_handshake_that_is_cancelled_lets_the_app_finish_within_its_grace() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        heard(await receive())
        await several_rounds()  # a grace is time
        heard("finished")

    heard = Recorder()
    async with client_for(app) as client:
        assert await cancelled_once_blocked(client.websocket_connect("/").__aenter__)
        assert heard.events == [{"type": "websocket.disconnect", "code": 1006}, "finished"]


@pytest.mark.in_process(on="hypercorn", reason="hypercorn tells of every close of the client as 1006")
async def test_a_block_that_is_cancelled_closes_the_connection_and_sees_the_app_to_its_end() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        heard((await receive())["code"])
        await several_rounds()  # a grace is time
        heard("finished")

    async def converse() -> None:
        async with client.websocket_connect("/") as session:
            await session.receive()

    heard = Recorder()
    async with client_for(app) as client:
        assert await cancelled_once_blocked(converse)
        assert heard.events == [1000, "finished"]


async def test_a_wait_that_is_cancelled_changes_nothing() -> None:
    async with client_for(echo) as client, client.websocket_connect("/") as session:
        with anyio.move_on_after(0.01) as scope:
            await session.wait(None)
        assert scope.cancelled_caught
        await session.send_text("still here")
        assert await session.receive_text() == "still here"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_task_ends_the_app_s_grace_at_once() -> None:
    cleaned_up = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await receive()
        leaving.set()
        try:
            await anyio.sleep_forever()
        finally:
            cleaned_up(True)

    async def talk() -> None:
        async with client.websocket_connect("/"):
            pass

    leaving = anyio.Event()
    async with client_for(app, disconnect_grace=3600) as client:
        task = asyncio.ensure_future(talk())
        await leaving.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cleaned_up.events == [True]


async def talkative(scope: Scope, receive: Receive, send: Send) -> None:
    """Suspend at every kind of await that an app has."""
    await receive()
    await anyio.lowlevel.checkpoint()
    if scope["path"] == "/denied":
        await deny(send, status=403, chunks=(b"a" * 10, b"b" * 10))
        return
    await accept(send)
    while (message := await receive())["type"] == "websocket.receive":
        await anyio.lowlevel.checkpoint()
        await say(send, message["bytes"])
        await say(send, "and more")
    await anyio.lowlevel.checkpoint()
    if message["code"] == 4000:
        await anyio.sleep_forever()  # it has its grace, and is cancelled then


async def exercise(client: AsyncClient) -> None:
    with pytest.raises(WebSocketDisconnect):
        await client.websocket_connect("/denied").__aenter__()
    async with client.websocket_connect("/") as session:
        for _ in range(2):
            await session.send_bytes(bytes(100_000))
            assert len(await session.receive_bytes()) == 100_000
            assert await session.receive_text() == "and more"
    await session.wait()
    async with client.websocket_connect("/") as session:
        await session.close(4000)


@pytest.mark.parametrize("write_buffer", [65536, 0])
@pytest.mark.parametrize("how", ["by scope", "by task"])
async def test_a_session_can_be_cancelled_at_every_await(
    how: str, write_buffer: int, anyio_backend: tuple[str, Any]
) -> None:
    def check() -> None:
        assert not client._core.transport.running()
        assert not client._core.transport.unsettled

    async with client_for(talkative, write_buffer=write_buffer, disconnect_grace=0.001) as client:
        assert await cancel_at_every_await(lambda: exercise(client), how, anyio_backend, check) > 10


# The connection, as the wire uses it


async def test_a_connection_tells_what_has_come_of_it_without_raising() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await receive()
        await say(send, "a message")
        raise LookupError

    async with client_for(app, disconnect_grace=7) as client:
        with pytest.raises(LookupError):
            async with client.websocket_connect("/") as session:
                connection = session._open
                assert (connection.messages_wait, connection.ended, connection.failed) == (False, False, False)
                assert connection.options.disconnect_grace == 7
                assert "in test_a_connection_tells" in connection.where()
                assert not await connection.for_client.wait(0.001)
                moves: list[bool] = []

                async def see_it_move() -> None:
                    moves.append(await connection.for_client.wait(5))

                async with anyio.create_task_group() as group:
                    group.start_soon(see_it_move)
                    await anyio.wait_all_tasks_blocked()
                    connection.for_client.fire()
                async with anyio.create_task_group() as group:
                    group.start_soon(see_it_move)
                    await anyio.wait_all_tasks_blocked()
                    await session.send_text("go")
                assert moves == [True, True]
                await session.wait()
                assert (connection.messages_wait, connection.ended, connection.failed) == (True, True, True)


async def test_messages_of_several_tasks_arrive_in_the_order_in_which_they_were_sent(
    session: AsyncWebSocketSession,
) -> None:
    sent: list[str] = []

    async def one() -> None:
        text = f"number {len(sent)}"
        sent.append(text)
        await session.send_text(text)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(one)
    assert [await session.receive_text() for _ in sent] == sent


# What is left


async def test_a_client_that_is_collected_with_an_open_session_warns_and_names_it() -> None:
    client = client_for(silent)
    transport = client._core.transport
    session = client.websocket_connect("/room")
    await session.__aenter__()
    del session  # whose way to connect knows the client
    with pytest.warns(ResourceWarning, match=r"^AsyncClient was not closed; still running: WebSocket /room$"):
        del client
    await transport.aclose()


async def test_a_session_that_was_never_entered_needs_no_closing() -> None:
    async with client_for(silent) as client:
        client.websocket_connect("/")
        assert not client._core.transport.unsettled


async def test_a_finished_session_leaves_nothing_behind() -> None:
    before = set(_tasks._running)
    async with client_for(echo) as client:
        async with client.websocket_connect("/") as session:
            await session.send_text("hello")
            assert await session.receive_text() == "hello"
        left: list[weakref.ref[Any]] = [weakref.ref(each) for each in (session, session._open, session.response)]
        del session
        await anyio.lowlevel.checkpoint()
        assert left[0]() is None
        gc.collect()  # httpx has a response and its stream refer to each other
        assert [each() for each in left] == [None] * 3
        assert not client._core.transport.unsettled
    assert not _tasks._running - before
