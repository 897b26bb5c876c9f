"""Where an app is, as an error says it: the user's own line, however many of a framework's lie around it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import anyio
import anyio.to_thread
import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, WebSocket
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from asgi_testkit import ApplicationStuckError, AsyncClient, LifespanTimeout, Receive, Scope, Send, TestClient
from asgi_testkit._conversation import observer
from asgi_testkit._conversation import task as _tasks
from asgi_testkit._conversation.observer import Observed, Observer
from tests.backends import Backend

app = FastAPI()
let_go = threading.Event()


async def sleep() -> None:
    await anyio.sleep_forever()  # here


def block() -> None:
    let_go.wait(10)  # here


class LetsGo(Observer):
    """Lets the threads of an app end, once it was looked at."""

    def waited_too_long(self, conversation: Observed, error: Exception) -> None:
        let_go.set()


@pytest.fixture(autouse=True)
def threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go.clear()
    monkeypatch.setattr(observer, "current", LetsGo())


@app.get("/endpoint")
async def endpoint() -> None:
    await sleep()


async def ticks() -> AsyncIterator[bytes]:
    yield b"tick"
    await sleep()


@app.get("/streaming-response")
async def streaming_response() -> StreamingResponse:
    return StreamingResponse(ticks())


@app.get("/gather")
async def gather() -> None:
    await asyncio.gather(sleep(), asyncio.sleep(60))


@app.get("/asyncio-task-group")
async def asyncio_task_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(sleep())


@app.get("/task-group")
async def task_group() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(sleep)
        group.start_soon(sleep)


@app.get("/def")
def blocking_endpoint() -> None:
    block()


async def slow_dependency() -> AsyncIterator[None]:
    await sleep()
    yield  # pragma: no cover


@app.get("/dependency")
async def with_dependency(_: Annotated[None, Depends(slow_dependency)]) -> None:
    pass  # pragma: no cover


@app.get("/def-dependency")
async def with_blocking_dependency(_: Annotated[None, Depends(block)]) -> None:
    pass  # pragma: no cover


@app.get("/anyio-to-thread")
async def anyio_to_thread() -> None:
    await anyio.to_thread.run_sync(block)


@app.get("/asyncio-to-thread")
async def asyncio_to_thread() -> None:
    await asyncio.to_thread(block)


@app.get("/background")
async def background(tasks: BackgroundTasks) -> None:
    tasks.add_task(sleep)


@app.get("/queue")
async def queue() -> None:
    await asyncio.Queue[None]().get()  # here


@app.get("/httpx")
async def over_httpx() -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        await sleep()
        raise AssertionError  # pragma: no cover

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        await client.get("http://service/")


@app.get("/app-in-app")
async def app_in_app() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await sleep()

    async with AsyncClient(inner, lifespan="off", timeout=None) as client:
        await client.get("/")


@app.websocket("/websocket")
async def websocket(socket: WebSocket) -> None:
    await socket.accept()
    async with anyio.create_task_group() as group:
        group.start_soon(sleep)
        await socket.receive_text()


class Middleware(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        return await call_next(request)


wrapped = FastAPI()
wrapped.add_middleware(Middleware)
wrapped.add_middleware(Middleware)
wrapped.mount("/", app)

#: The paths, and whether the loop has to be asyncio's.
PATHS = {
    "/endpoint": False,
    "/streaming-response": False,
    "/gather": True,
    "/asyncio-task-group": True,
    "/task-group": False,
    "/def": False,
    "/dependency": False,
    "/def-dependency": False,
    "/anyio-to-thread": False,
    "/asyncio-to-thread": True,
    "/background": False,
    "/queue": True,
    "/httpx": False,
    "/app-in-app": False,
    "/websocket": False,
}


def names_the_line(told: str) -> bool:
    """Whether an error tells of a line of this file that is marked, with its number and its text."""
    line = rf'  File "{re.escape(__file__)}", line \d+, in \w+\n    .*  # here$'
    return re.search(line, told, re.MULTILINE) is not None


@pytest.mark.anyio
@pytest.mark.parametrize("served", [app, wrapped], ids=["bare", "behind-middleware"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_timeout_names_the_user_s_own_line(
    path: str, served: FastAPI, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    if PATHS[path] and anyio_backend[0] == "trio":
        return
    async with AsyncClient(served, lifespan="off", timeout=0.1, disconnect_grace=0) as client:
        with pytest.raises(httpx.ReadTimeout) as caught:
            if path == "/websocket":
                async with client.websocket_connect(path) as session:
                    await session.receive()
            else:
                await client.get(path)
    assert names_the_line(str(caught.value)), caught.value


@pytest.mark.parametrize("path", ["/def", "/task-group"])
def test_so_does_one_of_a_blocking_client(path: str, backend: Backend) -> None:
    options: dict[str, Any] = {"backend": backend.name, "backend_options": backend.options}
    with (
        TestClient(app, timeout=0.1, disconnect_grace=0, **options) as client,
        pytest.raises(httpx.ReadTimeout) as caught,
    ):
        client.get(path)
    assert names_the_line(str(caught.value)), caught.value


@pytest.mark.anyio
async def test_so_does_a_lifespan_s_timeout_and_that_of_an_app_that_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    async def starts_slowly(scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(sleep)
            await receive()
            await anyio.Event().wait()

    with pytest.raises(LifespanTimeout) as slow:
        async with AsyncClient(starts_slowly, startup_timeout=0.05):
            pytest.fail("the client was entered")  # pragma: no cover
    assert names_the_line(str(slow.value)), slow.value

    async def shielded(scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.CancelScope(shield=True):
            await sleep()

    monkeypatch.setattr(_tasks, "CANCEL_TIMEOUT", 0.05)
    with pytest.raises((ApplicationStuckError, httpx.ReadTimeout)) as stuck:
        async with AsyncClient(shielded, lifespan="off", timeout=0.05, disconnect_grace=0) as client:
            await client.get("/")
    assert names_the_line(str(stuck.value)), stuck.value
