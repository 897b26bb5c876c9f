"""ASGITransport under any httpx client: whose loop, whose task, who closes, and who is cancelled when."""

from __future__ import annotations

import gc
import inspect
import threading
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import httpx2
import pytest

import asgi_testkit.httpx2
from asgi_testkit import ASGITransport, AsyncClient, HTTPExchange, Receive, Scope, Send, WrongEventLoopError
from asgi_testkit._conversation import task as _tasks
from asgi_testkit._conversation.loop import HomeLoop, current_loop
from asgi_testkit._protocol.handshake import offer

from .backends import Backend
from .cancelling import cancel_at_every_await, cancelled_once_blocked
from .messages import Recorder, body, hello, raises, several_rounds, start

pytestmark = pytest.mark.anyio


def client_for(app: Any, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=ASGITransport(app, **options), base_url="http://testserver")


def plain_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []  # pragma: no cover - never called


# What it takes


def test_it_takes_what_httpx_s_transport_takes() -> None:
    theirs = list(inspect.signature(httpx.ASGITransport).parameters.values())
    ours = list(inspect.signature(ASGITransport).parameters.values())
    assert [(each.name, each.default, each.kind) for each in ours[: len(theirs)]] == [
        (each.name, each.default, each.kind) for each in theirs
    ]
    assert all(each.kind is inspect.Parameter.KEYWORD_ONLY for each in ours[len(theirs) :])


def test_it_has_the_attributes_of_httpx_s() -> None:
    transport = ASGITransport(hello, False, "/root", ("10.0.0.1", 1))
    attributes = (transport.app, transport.raise_app_exceptions, transport.root_path, transport.client)
    assert attributes == (hello, False, "/root", ("10.0.0.1", 1))


async def test_what_is_set_of_it_counts_for_the_requests_to_come() -> None:
    transport = ASGITransport(hello)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        transport.app, transport.raise_app_exceptions = raises, False
        assert (await client.get("/")).status_code == 500
        with pytest.raises(TypeError, match="must be an ASGI application"):
            transport.app = 7  # type: ignore[assignment]
        assert transport.app is raises


@pytest.mark.parametrize(
    "app, text",
    [(None, "not None"), ("module:app", "not 'module:app'"), (plain_wsgi, "a2wsgi.WSGIMiddleware")],
    ids=["none", "string", "wsgi"],
)
def test_what_is_no_asgi_app_is_refused_at_once(app: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        ASGITransport(app)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"background": "later"}, 'background must be "wait" or "detach"'),
        ({"write_buffer": -1}, "write_buffer is a number of bytes"),
        ({"disconnect_grace": -0.1}, "disconnect_grace is in seconds"),
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(options: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ASGITransport(hello, **options)


# Where the app runs


async def test_the_app_runs_in_the_loop_and_the_thread_of_the_test() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([current_loop(), threading.get_ident()])
        await hello(scope, receive, send)

    async with client_for(app) as client:
        await client.get("/")
    assert seen == [current_loop(), threading.get_ident()]


async def test_an_object_of_the_test_s_loop_can_be_used_in_the_app() -> None:
    lock = anyio.Lock()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with lock:
            await hello(scope, receive, send)

    async with client_for(app) as client, anyio.create_task_group() as group:
        await lock.acquire()
        group.start_soon(client.get, "/")
        await anyio.wait_all_tasks_blocked()
        lock.release()


async def test_each_request_runs_in_a_task_of_its_own() -> None:
    tasks: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(anyio.get_current_task().id)
        await hello(scope, receive, send)

    async with client_for(app) as client:
        await client.get("/")
        await client.get("/")
    assert anyio.get_current_task().id not in tasks


async def test_a_cancel_scope_of_the_test_does_not_reach_into_the_app() -> None:
    reached = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()  # the disconnect
        await anyio.lowlevel.checkpoint()  # would raise in a cancelled scope
        reached("the end")

    async with client_for(app) as client:
        assert await cancelled_once_blocked(partial(client.get, "/", timeout=None))
    assert reached.events == ["the end"]


async def test_the_home_loop_is_checked() -> None:
    transport = ASGITransport(hello)
    transport.home = await anyio.to_thread.run_sync(_loop_of_another_thread)
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(WrongEventLoopError, match="this thing was opened in the event loop"):
            await client.get("http://testserver/")


def _loop_of_another_thread() -> HomeLoop:
    async def home() -> HomeLoop:
        return HomeLoop("thing")

    return anyio.run(home)


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"x-name": "a\r\nb"}},
        {"headers": {"x-name": "a\0b"}},
        {"headers": {"x-na\nme": "a"}},
        {"extensions": {"target": b"/\xc3\xa9"}},
        {"extensions": {"target": b"/a b"}},
    ],
)
async def test_a_request_that_no_client_can_send_is_refused(options: Any) -> None:
    async with client_for(hello) as client:
        with pytest.raises(httpx.LocalProtocolError, match="no HTTP client can send"):
            await client.get("/", **options)


@pytest.mark.parametrize("method", ["GET\r\nX: y", "", "GET X", "G(T", "MÉTHODE", "\0"])
@pytest.mark.parametrize("headers", [{}, offer(None)], ids=["HTTP", "WebSocket"])
async def test_a_method_that_no_client_can_send_is_refused(method: str, headers: Any) -> None:
    async with client_for(hello) as client:
        with pytest.raises(httpx.LocalProtocolError, match="no HTTP client can send the method") as caught:
            await client.request(method, "/", headers=headers)
        assert repr(caught.value.request.method) in str(caught.value)


@pytest.mark.parametrize("method", ["M-SEARCH", "PROPFIND", "x!#$%&'*+-.^_`|~0"])
async def test_any_other_method_is_sent(method: str) -> None:
    async with client_for(hello) as client:
        response = await client.request(method, "/")
    assert response.extensions["asgi"].scope["method"] == method.upper()


# A blocking client, by mistake


@pytest.mark.parametrize(
    "library, transport", [(httpx, ASGITransport), (httpx2, asgi_testkit.httpx2.ASGITransport)], ids=["httpx", "httpx2"]
)
async def test_a_blocking_client_is_told_what_to_use(library: Any, transport: Any) -> None:
    ours = "asgi_testkit" if library.__name__ == "httpx" else "asgi_testkit.httpx2"
    text = rf"ASGITransport runs an app .* for an AsyncClient\. .*{ours}\.TestClient\(app\) is a Client"
    client = library.Client(transport=transport(hello), base_url="http://testserver")
    with pytest.raises(TypeError, match=text):
        client.get("/")
    client.close()
    with pytest.raises(TypeError, match=text), library.Client(transport=transport(hello)):
        pytest.fail("it was entered")  # pragma: no cover


# Errors, and who hears of them


async def failing_after_the_disconnect(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await start(send)
    await receive()
    raise LookupError("in its cleanup")


async def test_the_error_of_the_app_does_not_replace_the_one_in_a_plain_httpx_stream() -> None:
    async with client_for(failing_after_the_disconnect) as client:
        with pytest.raises(ZeroDivisionError) as caught:
            async with client.stream("GET", "/"):
                raise ZeroDivisionError
    assert "LookupError: in its cleanup" in "".join(caught.value.__notes__)


async def test_closing_a_response_within_an_unrelated_except_raises_the_error_of_the_app() -> None:
    async with client_for(failing_after_the_disconnect) as client:
        response = await client.send(client.build_request("GET", "/"), stream=True)
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            with pytest.raises(LookupError, match="in its cleanup"):
                await response.aclose()


async def test_an_error_is_raised_once() -> None:
    async with client_for(failing_after_the_disconnect) as client:
        response = await client.send(client.build_request("GET", "/"), stream=True)
        with pytest.raises(LookupError):
            await response.aclose()
        await response.aclose()


async def test_a_hook_that_raises_ends_the_app_and_wins() -> None:
    ended = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        ended((await receive())["type"])

    async def hook(response: httpx.Response) -> None:
        raise ZeroDivisionError

    async with httpx.AsyncClient(transport=ASGITransport(app), event_hooks={"response": [hook]}) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("http://testserver/")
    assert ended.events == ["http.disconnect"]


# Closing


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await receive()
    await receive()


@pytest.mark.parametrize("app, fails", [(endless, False), (failing_after_the_disconnect, True)])
async def test_closing_the_client_ends_a_read_in_another_task(app: Any, fails: bool) -> None:
    errors: list[BaseException] = []

    async def note(call: Callable[[], Awaitable[object]]) -> None:
        try:
            await call()
        except (httpx.ReadError, LookupError) as error:
            errors.append(error)

    client = client_for(app)
    response = await client.send(client.build_request("GET", "/"), stream=True)
    async with anyio.create_task_group() as group:
        group.start_soon(note, response.aread)
        await anyio.wait_all_tasks_blocked()
        await note(client.aclose)
    names = {type(error).__name__ for error in errors}
    assert names in ([{"LookupError"}, {"LookupError", "ReadError"}] if fails else [{"ReadError"}])
    assert len(errors) == len(names)  # whoever comes first has the app's error, and nobody has it twice


async def test_closing_the_client_ends_a_request_in_another_task() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()

    async def get() -> None:
        with pytest.raises(httpx.ReadError, match="the client was closed while it was reading"):
            await client.get("/")

    client = client_for(app)
    async with anyio.create_task_group() as group:
        group.start_soon(get)
        await anyio.wait_all_tasks_blocked()
        await client.aclose()


async def test_the_transport_names_what_runs_and_forgets_what_has_ended() -> None:
    transport = ASGITransport(endless)
    async with httpx.AsyncClient(transport=transport) as client:
        response = await client.send(client.build_request("GET", "http://testserver/events"), stream=True)
        assert transport.running() == ["GET /events"]
        await response.aclose()
        assert transport.running() == []
        assert not transport.unsettled


async def test_closing_awaits_all_within_one_grace() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await receive()
        await receive()
        await anyio.sleep_forever()

    client = client_for(app, background="detach", disconnect_grace=0.2)
    for _ in range(10):
        await client.get("/")
    with anyio.fail_after(1.5):  # ten graces take longer
        await client.aclose()


async def test_the_deadline_of_a_failing_close_is_kept_and_every_error_told() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        try:
            await anyio.sleep_forever()
        finally:
            raise LookupError(scope["path"])

    client = client_for(app, background="detach", disconnect_grace=0)
    for path in ("/1", "/2", "/3"):
        await client.get(path)
    with pytest.raises(LookupError) as caught:
        await client.aclose()
    told = str(caught.value) + "".join(caught.value.__notes__)
    assert all(path in told for path in ("/1", "/2", "/3"))


# Cancellation, at every await


async def talkative(scope: Scope, receive: Receive, send: Send) -> None:
    """Suspend at every kind of await that an app has."""
    while (await receive())["more_body"]:
        await anyio.lowlevel.checkpoint()
    await start(send)
    for _ in range(3):
        await body(send, b"x" * 10, more=True)
        await anyio.lowlevel.checkpoint()
    await body(send)
    await anyio.lowlevel.checkpoint()


async def exercise(client: httpx.AsyncClient) -> None:
    async def upload() -> Any:
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
            yield b"chunk"

    assert (await client.post("/", content=upload())).content == b"x" * 30
    async with client.stream("POST", "/", content=b"body") as response:
        await response.aread()


@pytest.mark.parametrize("write_buffer", [65536, 0])
@pytest.mark.parametrize("how", ["by scope", "by task"])
async def test_a_request_can_be_cancelled_at_every_await(
    how: str, write_buffer: int, anyio_backend: tuple[str, Any]
) -> None:
    def check() -> None:
        assert not client._transport.running()  # type: ignore[attr-defined]

    async with AsyncClient(talkative, write_buffer=write_buffer, lifespan="off") as client:
        assert await cancel_at_every_await(lambda: exercise(client), how, anyio_backend, check) > 5


async def test_a_cancelled_request_lets_the_app_finish_within_its_grace() -> None:
    finished = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()
        await several_rounds()  # a grace is time
        finished(True)

    async with client_for(app) as client:
        assert await cancelled_once_blocked(partial(client.get, "/"))
    assert finished.events == [True]


async def test_a_read_can_be_cancelled_and_the_app_ends() -> None:
    async with client_for(endless) as client, client.stream("GET", "/") as response:
        with anyio.move_on_after(0.01):
            await response.aread()
        assert response.extensions["asgi"].done


async def test_background_work_can_be_cancelled() -> None:
    cancelled = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        try:
            await anyio.sleep_forever()
        finally:
            cancelled(True)

    async with client_for(app) as client:
        assert await cancelled_once_blocked(partial(client.get, "/"))
        assert cancelled.events == [True]


async def test_waiting_for_the_end_of_the_app_can_be_cancelled_and_loses_nothing() -> None:
    async with client_for(endless) as client, client.stream("GET", "/") as response:
        exchange: HTTPExchange = response.extensions["asgi"]
        with anyio.move_on_after(0.01):
            await exchange.wait(None)
        assert not exchange.done
        assert exchange.app_exception is None


# Many at once, and many in a row


async def test_a_thousand_requests_at_once_do_not_mix() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await arrived.wait()
        await start(send)
        await body(send, scope["path"].encode())

    async def get(number: int) -> None:
        answers[number] = (await client.get(f"/{number}")).text
        if len(answers) == 1:
            return

    arrived = anyio.Event()
    answers: dict[int, str] = {}
    async with client_for(app) as client:
        async with anyio.create_task_group() as group:
            for number in range(1000):
                group.start_soon(get, number)
            await anyio.lowlevel.checkpoint()
            arrived.set()
        assert not client._transport.unsettled  # type: ignore[attr-defined]
    assert answers == {number: f"/{number}" for number in range(1000)}


@pytest.mark.parametrize("suspends", [False, True])
async def test_a_finished_request_leaves_nothing_behind(suspends: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if suspends:
            await anyio.lowlevel.checkpoint()
        await hello(scope, receive, send)

    before = set(_tasks._running)
    async with client_for(app) as client:
        await client.get("/")
        response = await client.get("/")
        request = weakref.ref(response.request)
        exchange = weakref.ref(response.extensions["asgi"])
        gc.collect()
        gc.disable()
        try:
            del response
            await anyio.lowlevel.checkpoint()
            assert request() is None  # with no help of the garbage collector
            assert exchange() is None
        finally:
            gc.enable()
    assert not _tasks._running - before


def test_the_suite_knows_its_backends(anyio_backend: tuple[str, Any]) -> None:
    assert Backend("", *anyio_backend).name in {"asyncio", "trio"}


@pytest.mark.anyio
async def test_an_error_in_a_body_that_no_client_reads_has_the_request_that_it_was_raised_with() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"a", more=True)
        raise httpx.ReadError("of the app's own")

    response = await ASGITransport(app).handle_async_request(httpx.Request("GET", "http://testserver"))
    with pytest.raises(httpx.ReadError, match="of the app's own") as caught:
        await response.aread()
    with pytest.raises(RuntimeError, match="request"):
        caught.value.request  # noqa: B018 - a property
