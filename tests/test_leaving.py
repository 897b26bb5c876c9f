"""The response, or the session, is complete, and the app works on: whoever leaves then is not kept waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from asgi_testkit import AsyncClient, Receive, Scope, Send
from asgi_testkit._conversation import task as _tasks

from .backends import BACKENDS, Backend
from .faces import Face
from .messages import Recorder, accept, body, hang_up, say, start

#: Seconds that no read timeout below lasts, and that leaving must not take.
LONG = 30.0

Ending = Callable[[], Awaitable[None]]


class OfTheTestError(Exception):
    """What a test raises itself."""


class WorksOn:
    """Sends all that it has to send, and then does something that nobody waits for."""

    def __init__(self, then: Ending = anyio.sleep_forever) -> None:
        self.told = Recorder()
        self.working = anyio.Event()
        self._then = then

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await accept(send)
            await say(send, "all of it")
            await hang_up(send, code=4000)
        else:
            await start(send)
            await body(send, b"all of it")
        self.working.set()
        try:
            await self._then()
            self.told("finished")
        except anyio.get_cancelled_exc_class():
            self.told("cancelled")
            raise


def opened(client: Any, what: str) -> Any:
    """Return a context manager around a response or a session of a `Client`."""
    return client.stream() if what == "stream" else client.connect()


both = pytest.mark.parametrize("what", ["stream", "session"])


@both
@pytest.mark.parametrize("timeout", [LONG, None])
def test_the_test_s_own_exception_wins_and_does_not_wait_for_the_read_timeout(
    face: Face, what: str, timeout: float | None
) -> None:
    app = WorksOn()
    began = time.monotonic()
    with (
        face.open(app, lifespan="off", timeout=timeout, disconnect_grace=0.01) as client,
        pytest.raises(OfTheTestError),
        opened(client, what),
    ):
        raise OfTheTestError
    assert app.told.events == ["cancelled"]
    assert time.monotonic() - began < LONG / 2


@both
def test_what_the_app_does_then_has_its_grace(face: Face, what: str) -> None:
    async def a_little_more() -> None:
        for _ in range(20):
            await anyio.lowlevel.checkpoint()

    app = WorksOn(a_little_more)
    with (
        face.open(app, lifespan="off", disconnect_grace=5) as client,
        pytest.raises(OfTheTestError),
        opened(client, what),
    ):
        raise OfTheTestError
    assert app.told.events == ["finished"]


@both
def test_what_else_goes_wrong_is_told_beside_the_test_s_own_exception(face: Face, what: str) -> None:
    async def fail() -> None:
        await anyio.lowlevel.checkpoint()
        raise LookupError("in the background")

    with (
        face.open(WorksOn(fail), lifespan="off") as client,
        pytest.raises(OfTheTestError) as caught,
        opened(client, what),
    ):
        raise OfTheTestError
    assert "LookupError: in the background" in "".join(caught.value.__notes__)


@both
@pytest.mark.anyio
async def test_a_cancelled_scope_ends_without_a_time_out(what: str) -> None:
    app = WorksOn()
    async with AsyncClient(app, lifespan="off", timeout=None, disconnect_grace=0.01) as client:
        with anyio.fail_after(LONG):
            with anyio.CancelScope() as scope:
                async with client.stream("GET", "/") if what == "stream" else client.websocket_connect("/"):
                    await app.working.wait()
                    scope.cancel()
                    await anyio.sleep_forever()
            assert scope.cancelled_caught
    assert app.told.events == ["cancelled"]


@both
@pytest.mark.anyio
@pytest.mark.parametrize("how", ["cancel", "wait_for", "timeout"])
async def test_a_cancelled_task_ends_without_a_time_out(
    what: str, how: str, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    if anyio_backend[0] == "trio":
        return
    app = WorksOn()

    async def idle(reached: Callable[[], object]) -> None:
        async with (
            AsyncClient(app, timeout=None, disconnect_grace=0.01) as client,
            client.stream("GET", "/") if what == "stream" else client.websocket_connect("/"),
        ):
            await app.working.wait()
            reached()
            await asyncio.sleep(LONG)

    if how == "timeout":
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as limit:
                await idle(lambda: limit.reschedule(0))  # at once
    else:
        entered = asyncio.Event()
        task = asyncio.create_task(idle(entered.set))
        await entered.wait()
        if how == "wait_for":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(task, 0.01)
        else:
            task.cancel()
            await asyncio.wait({task}, timeout=LONG / 2)
        assert task.cancelled()
    assert app.told.events == ["cancelled"]


@pytest.mark.anyio
@pytest.mark.parametrize("by_task", [False, True])
async def test_a_cancelled_test_that_closes_its_response_itself_ends_without_a_time_out(
    by_task: bool, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    app = WorksOn()
    entered = anyio.Event()

    async def idle() -> None:
        async with AsyncClient(app, lifespan="off", timeout=None, disconnect_grace=0.01) as client:
            response = await client.send(client.build_request("GET", "/"), stream=True)
            async with aclosing(response):
                await app.working.wait()
                entered.set()
                await anyio.sleep_forever()

    if by_task and anyio_backend[0] != "trio":
        task = asyncio.ensure_future(idle())
        await entered.wait()
        task.cancel()
        await asyncio.wait({task}, timeout=LONG / 2)
        assert task.cancelled()
    else:
        async with anyio.create_task_group() as group:
            group.start_soon(idle)
            await entered.wait()
            group.cancel_scope.cancel()
    assert app.told.events == ["cancelled"]


def test_who_reads_to_the_end_waits_for_the_app_as_long_as_for_its_response(face: Face) -> None:
    text = "waiting for the application to return after its response"
    options = {"timeout": 0.05, "disconnect_grace": 0.01}
    with face.open(WorksOn(), lifespan="off", **options) as client, pytest.raises(httpx.ReadTimeout, match=text):
        client.get()


@pytest.mark.parametrize("when", ["before the start", "after the start", "in the upload"])
def test_leaving_earlier_is_no_slower(face: Face, when: str) -> None:
    told = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if when == "after the start":
                await start(send)
                await body(send, b"part", more=True)
            elif when == "in the upload":
                await start(send)
                while (await receive()).get("more_body"):
                    pass
            await anyio.sleep_forever()
        finally:
            told("ended")

    async def endless() -> Any:
        while True:
            yield b"part"
            await anyio.lowlevel.checkpoint()

    began = time.monotonic()
    with face.open(
        app, lifespan="off", timeout=0.05 if when == "before the start" else LONG, disconnect_grace=0
    ) as client:
        if when == "before the start":
            with pytest.raises(httpx.ReadTimeout):
                client.get()
        else:
            content = endless() if when == "in the upload" and face.name == "awaited" else b"part"
            with pytest.raises(OfTheTestError), client.stream("POST", content=content):
                raise OfTheTestError
    assert told.events == ["ended"]
    assert time.monotonic() - began < LONG / 2


# The end of a detached conversation


def running() -> set[object]:
    return {task.id for task in anyio.get_running_tasks()} | _tasks._running


@pytest.mark.anyio
async def test_a_detached_upload_that_nobody_reads_is_closed_and_leaves_no_task() -> None:
    closed: list[str] = []

    async def parts() -> Any:
        try:
            while True:
                yield b"x" * 1000
        finally:
            closed.append("closed")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        await body(send)
        await anyio.lowlevel.checkpoint()

    before = running()
    async with AsyncClient(app, lifespan="off", background="detach") as client:
        response = await client.post("/", content=parts())
        await response.extensions["asgi"].wait()
        await anyio.wait_all_tasks_blocked()
        assert closed == ["closed"]  # before the client is
        assert running() <= before
        assert not client._core.transport.unsettled


@pytest.mark.anyio
async def test_a_detached_upload_that_waits_when_the_app_ends_is_cancelled_and_closed() -> None:
    closed: list[str] = []

    async def parts() -> Any:
        try:
            yield b"x"
            await anyio.sleep_forever()
        finally:
            closed.append("closed")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        with anyio.move_on_after(0.01):
            await receive()
        await start(send)
        await body(send)
        await anyio.lowlevel.checkpoint()

    async with AsyncClient(app, lifespan="off", background="detach") as client:
        response = await client.post("/", content=parts())
        await response.extensions["asgi"].wait()
        await anyio.wait_all_tasks_blocked()
        assert closed == ["closed"]


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
def test_closing_leaves_the_apps_of_another_loop_to_that(backend: Backend) -> None:
    app = WorksOn()
    client = AsyncClient(app, background="detach", disconnect_grace=0)
    with (
        start_blocking_portal(backend.name, backend.options) as first,
        start_blocking_portal(backend.name, backend.options) as second,
    ):
        first.call(client.get, "/")
        second.call(client._core.transport.aclose)
        assert app.told.events == []
        first.call(client.aclose)
        assert app.told.events == ["cancelled"]


@pytest.mark.anyio
async def test_what_the_closing_of_a_detached_upload_raises_is_raised_at_the_end_once() -> None:
    async def parts() -> Any:
        try:
            while True:
                yield b"x" * 1000
        finally:
            raise OfTheTestError

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        await body(send)

    client = AsyncClient(app, lifespan="off", background="detach")
    response = await client.post("/", content=parts())
    await response.extensions["asgi"].wait()
    await anyio.wait_all_tasks_blocked()
    with pytest.raises(OfTheTestError):
        await client.aclose()
    await client.aclose()


@pytest.mark.parametrize("background", ["wait", "detach"])
def test_an_upload_that_fails_is_raised_once(face: Face, background: str) -> None:
    async def awaited() -> Any:
        yield b"part"
        raise OfTheTestError

    def blocking() -> Any:
        yield b"part"
        raise OfTheTestError

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    content = awaited() if face.name == "awaited" else blocking()
    with face.open(app, lifespan="off", background=background) as client, pytest.raises(OfTheTestError):
        client.post(content=content)


@pytest.mark.parametrize("ends_well", [True, False])
@pytest.mark.anyio
async def test_closing_in_the_next_loop_cancels_nobody_and_tells_what_an_app_raised_before(
    ends_well: bool, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    name, options = anyio_backend

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"ok")
        if not ends_well:
            raise LookupError("the app's")
        await anyio.sleep_forever()

    client = AsyncClient(app, background="detach")

    async def get() -> None:
        assert (await client.get("/")).text == "ok"

    def in_another_loop() -> None:
        anyio.run(get, backend=name, backend_options=options)

    await anyio.to_thread.run_sync(in_another_loop)
    if ends_well:
        await client.aclose()
    else:
        with pytest.raises(LookupError, match="the app's"):
            await client.aclose()
    assert not client._core.transport.unsettled
