"""A call is cancelled: what the app makes of that, what the test gets to see, and that nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext, suppress
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from asgi_testkit import ASGITransport, AsyncClient, Receive, Scope, Send
from asgi_testkit._conversation import task as _tasks

from .backends import BACKENDS
from .messages import Recorder, body, hello, start

pytestmark = pytest.mark.anyio

Step = Callable[[], Awaitable[object]]


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    before = set(_tasks._running)  # an earlier test may have left one that cannot be stopped
    yield
    assert not _tasks._running - before


def client_for(app: Any, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=ASGITransport(app, **options), base_url="http://testserver")


class Cancelling:
    """An app that cancels the client's scope, takes a step, and says hello."""

    def __init__(self, then: Step, before: Step = anyio.lowlevel.checkpoint) -> None:
        self.scope = anyio.CancelScope()
        self.then = then
        self.before = before
        self.story: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.before()
        self.scope.cancel()
        try:
            await self.then()
        except anyio.get_cancelled_exc_class():
            self.story.append("cancelled")
            raise
        await hello(scope, receive, send)

    async def get(self, **options: Any) -> httpx.Response | None:
        """Return the response, if it gets that far."""
        response = None
        async with client_for(self, **options) as client:
            with self.scope, anyio.fail_after(5):
                response = await client.get("/")
        return response


async def nothing() -> None:
    """Do not suspend."""


async def shielded() -> None:
    with anyio.CancelScope(shield=True):
        await anyio.wait_all_tasks_blocked()
        await anyio.lowlevel.checkpoint()


# What the app makes of it


@pytest.mark.parametrize("before", [nothing, anyio.lowlevel.checkpoint])
@pytest.mark.parametrize("then", [nothing, shielded])
async def test_a_response_that_the_app_completes_all_the_same_is_delivered(then: Step, before: Step) -> None:
    app = Cancelling(then, before)
    response = await app.get()
    assert response is not None
    assert response.content == b"hello"
    assert not app.scope.cancelled_caught


async def test_the_cancellation_is_heeded_by_the_next_wait_then() -> None:
    app = Cancelling(shielded)
    async with client_for(app) as client:
        with app.scope:
            assert (await client.get("/")).content == b"hello"
            await anyio.lowlevel.checkpoint()
            pytest.fail("the cancellation was lost")  # pragma: no cover
    assert app.scope.cancelled_caught


@pytest.mark.parametrize("before", [nothing, anyio.lowlevel.checkpoint])
async def test_the_app_s_next_wait_is_cancelled_as_if_it_were_the_client_s(before: Step) -> None:
    app = Cancelling(anyio.lowlevel.checkpoint, before)
    assert await app.get() is None
    assert (app.scope.cancelled_caught, app.story) == (True, ["cancelled"])


async def test_an_app_is_cancelled_for_good_where_the_client_is() -> None:
    waits = Recorder()

    async def stubborn() -> None:
        for _ in range(3):
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                waits("cancelled")

    app = Cancelling(stubborn)
    response = await app.get()
    assert response is not None  # as it would be if the app ran in the client's own task
    assert response.content == b"hello"
    assert waits.events == ["cancelled"] * 3


async def test_in_a_cancelled_scope_the_app_is_not_called() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pass  # pragma: no cover - it must not be called

    async with client_for(app) as client:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await client.get("/")
        assert scope.cancelled_caught
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with AsyncClient(app).websocket_connect("/"):
            pass  # pragma: no cover - nor is this reached
    assert scope.cancelled_caught


async def test_a_shield_of_the_app_holds() -> None:
    story = Recorder()
    blocked, release = anyio.Event(), anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with anyio.CancelScope(shield=True):
                blocked.set()
                await release.wait()
                story("released")
            await anyio.sleep_forever()
        finally:
            story("cancelled")

    async with client_for(app) as client, anyio.create_task_group() as group:
        group.start_soon(client.get, "/")
        await blocked.wait()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
            assert story.events == []
            release.set()
    assert story.events == ["released", "cancelled"]


async def test_what_the_app_raises_on_being_cancelled_comes_out_with_the_context_that_it_has() -> None:
    error = LookupError("cleaning up failed")

    async def fail_to_clean_up() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise error

    app = Cancelling(fail_to_clean_up)
    with pytest.raises(LookupError) as caught:
        await app.get()
    assert caught.value is error
    assert isinstance(error.__context__, anyio.get_cancelled_exc_class())
    assert not hasattr(error, "__notes__")


async def test_the_group_that_a_task_group_of_the_app_raises_is_not_wrapped_once_more() -> None:
    error = LookupError("a child failed to clean up")

    async def child() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise error

    async def have_children() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child)

    app = Cancelling(have_children)
    with pytest.raises(ExceptionGroup) as caught:
        await app.get()
    assert caught.value.exceptions == (error,)


async def test_background_work_is_cancelled_with_the_client() -> None:
    story = Recorder()
    scope = anyio.CancelScope()

    async def app(scope_: Scope, receive: Receive, send: Send) -> None:
        await hello(scope_, receive, send)
        try:
            await anyio.wait_all_tasks_blocked()  # the client waits for nothing but the end
            scope.cancel()
            await anyio.lowlevel.checkpoint()
            pytest.fail("background work goes on")  # pragma: no cover
        finally:
            story("cancelled")

    async with client_for(app) as client:
        with scope:
            await client.get("/")
    assert scope.cancelled_caught
    assert story.events == ["cancelled"]


@pytest.mark.parametrize("write_buffer", [0, 4])
async def test_a_response_of_which_too_much_is_left_is_not_delivered(write_buffer: int) -> None:
    app = Cancelling(shielded)
    assert await app.get(write_buffer=write_buffer) is None
    assert app.scope.cancelled_caught


async def test_a_handshake_that_was_cancelled_is_not_answered_any_more() -> None:
    scope = anyio.CancelScope()

    async def app(scope_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        scope.cancel()
        await shielded()

    async with AsyncClient(app, lifespan="off") as client:
        with scope:
            await client.websocket_connect("/").__aenter__()
    assert scope.cancelled_caught


# Disconnect first


async def receive_all(receive: Receive, story: Callable[[str], object]) -> None:
    try:
        while True:
            message = await receive()
            story(message["type"])
            if message["type"] == "http.disconnect":
                return
    except anyio.get_cancelled_exc_class():
        story("cancelled")
        raise


@pytest.mark.parametrize("grace, told", [(5, ["http.request", "http.disconnect"]), (0, ["http.request", "cancelled"])])
async def test_an_app_that_listens_is_told_first_unless_it_has_no_grace(grace: float, told: list[str]) -> None:
    story = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive_all(receive, story)

    async with client_for(app, disconnect_grace=grace) as client, anyio.create_task_group() as group:
        group.start_soon(client.get, "/")
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert story.events == told


async def test_what_an_app_raises_that_was_told_is_a_note_on_the_cancellation() -> None:
    error = LookupError("the client has gone")
    raised: list[BaseException] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive_all(receive, Recorder())
        raise error

    async def get(client: httpx.AsyncClient) -> None:
        try:
            await client.get("/")
        except BaseException as cancellation:
            raised.append(cancellation)
            raise

    async with client_for(app) as client, anyio.create_task_group() as group:
        group.start_soon(get, client)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    [cancellation] = raised
    assert isinstance(cancellation, anyio.get_cancelled_exc_class())
    assert any("LookupError: the client has gone" in note for note in cancellation.__notes__)


async def test_a_detached_app_does_not_share_the_cancellation() -> None:
    story = Recorder()
    release = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()
        story("finished")

    async with client_for(app, background="detach", disconnect_grace=0) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.get, "/")
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        release.set()
        await anyio.wait_all_tasks_blocked()
    assert story.events == ["finished"]


# asyncio's own task.cancel(): it is said once, and must not be lost


def on_asyncio_loops(test: Callable[[], Awaitable[None]]) -> Any:
    """Make an asynchronous test of what only asyncio has."""
    asyncio_loops = [backend for backend in BACKENDS if backend.name == "asyncio"]

    @pytest.mark.parametrize("backend", asyncio_loops, ids=lambda backend: backend.id)
    def run(backend: Any) -> None:
        anyio.run(test, backend=backend.name, backend_options=backend.options)

    return run


class Swallowing:
    """An app that swallows its cancellation, and says hello."""

    def __init__(self, reached: Callable[[], object] = bool) -> None:
        self.cancelled = 0
        self._reached = reached

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._reached()
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            self.cancelled += 1
        await asyncio.sleep(0)  # once is once
        await hello(scope, receive, send)


@on_asyncio_loops
async def test_a_cancelled_task_is_cancelled_whatever_the_app_makes_of_it() -> None:
    app = Swallowing()
    async with client_for(app) as client:
        request = asyncio.create_task(client.get("/"))
        await anyio.wait_all_tasks_blocked()
        request.cancel("the test's")
        with pytest.raises(asyncio.CancelledError, match="the test's"):
            await request
    assert app.cancelled == 1


@on_asyncio_loops
async def test_asyncio_s_timeouts_work() -> None:
    app = Swallowing(lambda: limit.reschedule(0) if not app.cancelled else None)  # the first time, at once
    async with client_for(app) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as limit:
                await client.get("/")
        request = asyncio.create_task(client.get("/"))
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(request, 0.01)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)  # nothing of it is left
    assert app.cancelled == 2


@on_asyncio_loops
async def test_asyncio_s_task_groups_work() -> None:
    app = Swallowing()
    blocked = asyncio.Event()

    async def fail() -> None:
        await blocked.wait()
        raise LookupError

    async with client_for(app) as client:
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(client.get("/"))
                group.create_task(fail())
                await anyio.lowlevel.checkpoint()
                blocked.set()
    assert [type(error) for error in caught.value.exceptions] == [LookupError]
    assert app.cancelled == 1


@on_asyncio_loops
async def test_what_the_app_raises_on_a_cancelled_task_comes_out_too() -> None:
    error = LookupError("cleaning up failed")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        limit.reschedule(0)  # at once
        try:
            await asyncio.sleep(1000)
        finally:
            raise error

    async with client_for(app) as client:
        with pytest.raises(LookupError) as caught:
            async with asyncio.timeout(None) as limit:
                await client.get("/")
    assert caught.value is error
    assert isinstance(error.__context__, asyncio.CancelledError | TimeoutError)


async def anyio_remembers() -> bool:
    """Whether anyio tells, of a task and its scope that were cancelled at once, the task after the scope."""
    scope = anyio.CancelScope()

    async def wait() -> None:
        with scope:
            with suppress(asyncio.CancelledError):
                await anyio.sleep_forever()
            await asyncio.sleep(0)

    task = asyncio.create_task(wait())
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    scope.cancel()
    await asyncio.wait([task])
    return task.cancelled()


@on_asyncio_loops
async def test_a_task_that_is_cancelled_within_a_cancelled_scope_is_cancelled() -> None:
    told = pytest.raises(asyncio.CancelledError) if await anyio_remembers() else nullcontext()
    app = Cancelling(shielded, before=nothing)

    async def get(client: httpx.AsyncClient) -> None:
        with app.scope:
            await client.get("/")
            await asyncio.sleep(0)

    async def app_that_cancels_both(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        request.cancel()
        await app(scope, receive, send)

    async with client_for(app_that_cancels_both) as client:
        request = asyncio.create_task(get(client))
        with told:
            await request


async def test_cancelling_at_any_moment_leaves_the_response_or_the_cancellation() -> None:
    """Whatever the moment, the app has ended, and exactly one of the two comes out."""
    told: set[bool] = set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.lowlevel.checkpoint()
        await start(send)
        await anyio.lowlevel.checkpoint()
        await body(send, b"part", more=True)
        with anyio.CancelScope(shield=True):
            await anyio.lowlevel.checkpoint()
        await body(send, b"last")

    for rounds in range(20):
        response = None
        async with client_for(app) as client:

            async def get(client: httpx.AsyncClient = client) -> None:
                nonlocal response
                response = await client.get("/")

            async with anyio.create_task_group() as group:
                group.start_soon(get)
                for _ in range(rounds):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        told.add(response is not None)
        if response is not None:
            assert response.content == b"partlast"
    assert told == {True, False}
