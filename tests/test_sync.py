"""TestClient, where it is more than AsyncClient in another thread: arguments, portal, threads, trips, Ctrl-C."""

from __future__ import annotations

import asyncio
import gc
import inspect
import signal
import subprocess
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from asgi_testkit import ASGIProtocolError, Message, Receive, Scope, Send, TestClient
from asgi_testkit._blocking.hop import Call
from asgi_testkit._blocking.loop import LoopThread
from asgi_testkit._conversation.loop import current_loop

from .backends import Backend
from .ctrl_c import press_ctrl_c
from .faces import Opener, bare, entered
from .messages import Gate, body, hello, start
from .programs import PYTHON, ROOT


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls from outside into a loop, by name."""
    names: list[Any] = []
    init = Call.__init__

    def counted(self: Call[Any], function: Callable[[], Awaitable[Any]], name: object, **options: Any) -> None:
        names.append(name)
        init(self, function, name, **options)

    monkeypatch.setattr(Call, "__init__", counted)
    return names


async def received(receive: Receive) -> list[bytes]:
    """Receive the request, and return its chunks."""
    chunks, more = [], True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        chunks.append(message["body"])
        more = message["more_body"]
    return chunks


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    chunks = await received(receive)
    await start(send)
    await body(send, b"|".join(chunks))


# Arguments


def test_the_positional_arguments_are_those_of_starlette() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would rather have another httpx
        from starlette.testclient import TestClient as Starlette
    kinds = {inspect.Parameter.POSITIONAL_OR_KEYWORD}

    def arguments(client: Any) -> list[tuple[str, Any]]:
        parameters = inspect.signature(client).parameters.values()
        return [(parameter.name, parameter.default) for parameter in parameters if parameter.kind in kinds]

    assert arguments(TestClient) == arguments(Starlette)


def test_a_transport_cannot_be_given() -> None:
    with pytest.raises(TypeError, match="makes its own transport"):
        TestClient(hello, transport=httpx.MockTransport(lambda request: httpx.Response(200)))  # type: ignore[call-arg]


def test_an_unknown_backend_is_an_error_that_names_the_known() -> None:
    with pytest.raises(ValueError, match=r"^backend must be one of asyncio, trio, not 'curio'$"):
        TestClient(hello, backend="curio")


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(TypeError, match="no_such_option"):
        TestClient(hello, no_such_option=True)  # type: ignore[call-arg]


def test_a_backend_that_cannot_start_is_an_error_on_entering_and_leaves_no_thread() -> None:
    def no_loop() -> Any:
        raise LookupError("no loop today")

    threads = set(threading.enumerate())
    client = TestClient(hello, backend_options={"loop_factory": no_loop})
    with pytest.raises(LookupError, match="no loop today"), client:
        pytest.fail("the client was entered")  # pragma: no cover
    assert set(threading.enumerate()) <= threads
    client.close()


def test_the_app_is_the_one_that_was_given() -> None:
    assert TestClient(hello).app is hello


def test_the_app_runs_on_the_backend_that_was_asked_for(opening: Opener, backend: Backend) -> None:
    loops: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        loops.append(current_loop())
        await hello(scope, receive, send)

    with opening(app) as client:
        assert client.get("/").text == "hello"
    module = type(loops[0]).__module__.partition(".")[0]
    assert module == ("uvloop" if backend.id == "uvloop" else backend.name)


# The portal


def test_the_portal_runs_functions_in_the_app_s_loop(backend: Backend) -> None:
    loops: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        loops.append(current_loop())
        await hello(scope, receive, send)

    async def here(argument: str) -> tuple[str, Any]:
        return argument, current_loop()

    with entered(app, backend=backend.name, backend_options=backend.options) as client:
        client.get("/")
        assert client.portal.call(here, "argument") == ("argument", loops[0])


def test_there_is_no_portal_outside_with() -> None:
    client = TestClient(hello)
    with pytest.raises(RuntimeError, match=r"inside `with TestClient\(app\) as client:` only$"):
        _ = client.portal
    with client:
        assert client.portal.call(threading.get_ident) != threading.get_ident()
    with pytest.raises(RuntimeError, match=r"inside `with TestClient\(app\) as client:` only$"):
        _ = client.portal
    client.close()


def test_what_a_test_leaves_in_the_portal_is_cancelled(backend: Backend) -> None:
    inside = threading.Event()

    async def sleep() -> None:
        inside.set()
        await anyio.sleep_forever()

    with entered(hello, backend=backend.name, backend_options=backend.options) as client:
        future = client.portal.start_task_soon(sleep)
        assert inside.wait(10)
    assert future.cancelled()


# Entering, leaving, closing


def test_a_client_can_be_entered_again_and_has_a_new_loop_then(backend: Backend) -> None:
    client = TestClient(hello, backend=backend.name, backend_options=backend.options)
    portals = []
    for _ in range(2):
        with client:
            portals.append(client.portal)
            assert client.get("/").text == "hello"
    assert portals[0] is not portals[1]
    assert client.get("/").text == "hello"
    client.close()


def test_a_client_cannot_be_entered_while_it_is() -> None:
    with entered(hello) as client:
        with pytest.raises(RuntimeError, match="is entered already"):
            client.__enter__()
        assert client.get("/").text == "hello"


@pytest.mark.parametrize("opener", [entered, bare])
def test_after_close_a_client_is_of_no_use_and_says_so(opener: Opener) -> None:
    with opener(hello) as client:
        client.get("/")
        client.close()
        client.close()
        with pytest.raises(RuntimeError, match="closed"):
            client.get("/")
    with pytest.raises(RuntimeError, match=r"^this TestClient was closed, and cannot be entered again$"):
        client.__enter__()


def test_closing_inside_with_runs_the_shutdown_once() -> None:
    story: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for phase in ("startup", "shutdown"):
            await receive()
            story.append(phase)
            await send({"type": f"lifespan.{phase}.complete"})

    with TestClient(app) as client:
        client.close()
        assert story == ["startup", "shutdown"]
    assert story == ["startup", "shutdown"]


def test_a_startup_that_fails_leaves_no_thread(backend: Backend) -> None:
    error = ValueError("the app's")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise error

    threads = set(threading.enumerate())
    client = TestClient(app, backend=backend.name, backend_options=backend.options)
    with pytest.raises(ValueError, match="the app's") as caught, client:
        pytest.fail("the client was entered")  # pragma: no cover
    assert caught.value is error
    assert set(threading.enumerate()) <= threads
    client.close()


async def fails_at_shutdown(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    msg = "the app's"
    raise ValueError(msg)


def test_a_shutdown_that_fails_leaves_no_thread(backend: Backend) -> None:
    threads = set(threading.enumerate())
    client = TestClient(fails_at_shutdown, backend=backend.name, backend_options=backend.options)
    with pytest.raises(ValueError, match="the app's"), client:
        pass
    assert set(threading.enumerate()) <= threads
    client.close()


def test_the_test_s_own_exception_wins_over_the_app_s(backend: Backend) -> None:
    mine = AssertionError("the test's")
    with pytest.raises(AssertionError, match="the test's") as caught:  # noqa: SIM117 - one raises out of the other
        with TestClient(fails_at_shutdown, backend=backend.name, backend_options=backend.options):
            raise mine
    assert caught.value is mine
    assert "ValueError: the app's" in mine.__notes__[0]


def test_closing_a_bare_client_sees_a_detached_app_to_its_end(backend: Backend) -> None:
    story: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        try:
            await anyio.sleep_forever()
        finally:
            story.append("ended")

    client = TestClient(
        app, backend=backend.name, backend_options=backend.options, background="detach", disconnect_grace=0.01
    )
    assert client.get("/").text == "hello"
    assert not story
    client.close()
    assert story == ["ended"]


@pytest.mark.in_process(reason="counts the trips into the loop")
def test_closing_a_bare_client_that_has_nothing_to_see_to_takes_no_trip(trips: list[Any]) -> None:
    client = TestClient(hello)
    response = client.get("/")
    client.close()
    assert trips == [response.request]


@pytest.mark.in_process(reason="names what still runs, and that is the server, too")
def test_a_client_that_is_collected_while_its_app_runs_warns_and_names_what_runs() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()

    threads = set(threading.enumerate())
    client = TestClient(app)
    client.__enter__()
    loop = client._blocking.own_loop
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del client
        gc.collect()
    assert [(warning.category, str(warning.message)) for warning in caught] == [
        (ResourceWarning, "TestClient was not closed; still running: its event loop, the lifespan of its app")
    ]
    assert isinstance(loop, LoopThread)
    loop.stop()
    assert set(threading.enumerate()) <= threads


def test_a_bare_client_needs_no_closing() -> None:
    client = TestClient(hello)
    assert client.get("/").text == "hello"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del client
        gc.collect()
    assert not caught


def test_a_client_that_was_never_made_is_collected_in_silence() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client = TestClient.__new__(TestClient)
        del client
        gc.collect()
    assert not caught


# Threads


def test_several_threads_use_one_client_at_once(opening: Opener) -> None:
    count = 16
    everyone = threading.Barrier(count)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await anyio.to_thread.run_sync(everyone.wait, 10, limiter=anyio.CapacityLimiter(1))
        await start(send)
        await body(send, scope["path"].encode())

    with opening(app) as client, ThreadPoolExecutor(count) as pool:
        paths = [f"/{number}" for number in range(count)]
        assert [response.text for response in pool.map(client.get, paths)] == paths


def test_called_on_the_thread_of_its_own_loop_it_says_what_to_do(opening: Opener) -> None:
    clients: list[TestClient] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        clients[0].get("/again")

    with opening(app) as client:
        clients.append(client)
        with pytest.raises(RuntimeError, match=r"on the thread of its own event loop .* use AsyncClient"):
            client.get("/")


def test_the_app_can_call_it_in_a_worker_thread(opening: Opener) -> None:
    clients: list[TestClient] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if scope["path"] == "/inner":
            await hello(scope, receive, send)
            return
        response = await anyio.to_thread.run_sync(clients[0].get, "/inner")
        await start(send)
        await body(send, b"inner says " + response.content)

    with opening(app) as client:
        clients.append(client)
        assert client.get("/").text == "inner says hello"


@pytest.mark.anyio
@pytest.mark.in_process(on="hypercorn", reason="hypercorn sends an empty message after the body")
async def test_in_async_code_of_another_loop_it_works_and_blocks(opening: Opener) -> None:
    with opening(echo) as client:
        assert client.post("/", content=b"request").text == "request"


# Trips into the loop


@pytest.mark.parametrize(
    "request_it",
    [
        lambda client: client.get("/"),
        lambda client: client.post("/", content=b"request"),
        lambda client: client.post("/", json={"key": "value"}),
        lambda client: client.post("/", data={"key": "value"}),
        lambda client: client.post("/", files={"file": ("name.txt", b"content")}),
        lambda client: client.send(client.build_request("PUT", "/", content=b"request")),
    ],
    ids=["get", "content", "json", "form", "multipart", "send"],
)
@pytest.mark.in_process(reason="counts the trips into the loop")
def test_a_small_request_takes_one_trip(
    opening: Opener, trips: list[Any], request_it: Callable[[TestClient], httpx.Response]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        chunks = await received(receive)
        await start(send)
        for number in range(10):
            await body(send, f"{number};".encode(), more=True)
        await body(send, str(len(chunks)).encode())

    with opening(app) as client:
        trips.clear()
        assert request_it(client).text == "0;1;2;3;4;5;6;7;8;9;1"
        assert len(trips) == 1


@pytest.mark.in_process(reason="counts the trips into the loop")
def test_what_is_there_of_a_stream_comes_in_one_trip(opening: Opener, trips: list[Any]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send)
        for number in range(10):
            await body(send, str(number).encode(), more=True)
        await body(send)

    with opening(app) as client, client.stream("GET", "/") as response:
        trips.clear()
        assert list(response.iter_raw()) == [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"]
        assert len(trips) <= 4  # the app was ahead, but need not have been all the way; the end; the close


def test_without_a_write_buffer_the_chunks_of_a_stream_come_one_by_one(opening: Opener) -> None:
    sent: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send)
        for chunk in (b"one", b"two", b"three"):
            await body(send, chunk, more=True)
            sent.append(chunk)
        await body(send)

    with opening(app, write_buffer=0) as client, client.stream("GET", "/") as response:
        assert isinstance(response.stream, httpx.SyncByteStream)
        chunks = response.iter_raw()
        assert not sent
        assert next(chunks) == b"one"
        assert b"two" not in sent
        assert list(chunks) == [b"two", b"three"]
    assert sent == [b"one", b"two", b"three"]


# Streams


def test_leaving_a_stream_early_tells_the_app(opening: Opener) -> None:
    messages: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await received(receive)
        await start(send)
        await body(send, b"chunk", more=True)
        messages.append(await receive())

    with opening(app) as client:
        with client.stream("GET", "/") as response:
            assert next(response.iter_raw()) == b"chunk"
        assert messages == [{"type": "http.disconnect"}]


def test_an_error_of_the_test_in_a_stream_stays_itself_and_has_the_app_s_as_a_note(opening: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send)
        await body(send, b"chunk", more=True)
        await received(receive)
        await receive()
        msg = "the app's"
        raise ValueError(msg)

    mine = AssertionError("the test's")
    with opening(app) as client:
        with pytest.raises(AssertionError, match="the test's") as caught, client.stream("GET", "/"):
            raise mine
        assert caught.value is mine


@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.in_process(on="hypercorn", reason="its 500 has no body")
def test_an_answer_that_the_transport_made_itself_is_read_as_any_other(opening: Opener, size: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        raise ValueError(size)

    with opening(app, raise_server_exceptions=False) as client:
        response = client.get("/")
        assert (response.status_code, response.text) == (500, "Internal Server Error")
        with client.stream("GET", "/") as streamed:
            assert streamed.read() == b"Internal Server Error"


# Uploads


@pytest.mark.in_process(reason="how far a server reads ahead is its own to decide")
def test_a_generator_is_run_off_the_loop_s_thread_and_lazily(opening: Opener) -> None:
    threads: list[int] = []
    consumed: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        for chunk in (b"one", b"two", b"three"):
            threads.append(threading.get_ident())
            consumed.append(chunk)
            yield chunk

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        assert not consumed
        threads.append(threading.get_ident())
        assert (await receive())["body"] == b"one"
        assert consumed == [b"one"]
        rest = await received(receive)
        await start(send)
        await body(send, b"|".join(rest))

    with opening(app) as client:
        assert client.post("/", content=chunks()).text.rstrip("|") == "two|three"
    loop_s, *generator_s = threads
    assert loop_s not in generator_s


def test_a_generator_that_blocks_does_not_block_the_loop(opening: Opener) -> None:
    go_on = threading.Event()

    def chunks() -> Iterator[bytes]:
        assert go_on.wait(10)
        yield b"chunk"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if scope["path"] == "/other":
            await hello(scope, receive, send)
            go_on.set()
            return
        await echo(scope, receive, send)

    with opening(app) as client, ThreadPoolExecutor(1) as pool:
        upload = pool.submit(client.post, "/", content=chunks())
        assert client.get("/other").text == "hello"
        assert upload.result(10).text.rstrip("|") == "chunk"


@pytest.mark.parametrize("chunks_before", [0, 1])
@pytest.mark.in_process(on="hypercorn", reason="hypercorn sends an empty message after the body")
def test_an_error_of_a_generator_is_raised_as_itself(opening: Opener, chunks_before: int) -> None:
    error = ValueError("the generator's")

    def chunks() -> Iterator[bytes]:
        for _ in range(chunks_before):
            yield b"chunk"
        raise error

    with opening(echo) as client:
        with pytest.raises(ValueError, match="the generator's") as caught:
            client.post("/", content=chunks())
        assert caught.value is error
        assert client.post("/", content=b"after").text == "after"


def test_a_large_multipart_body_is_streamed(opening: Opener) -> None:
    content = b"x" * 200_000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        chunks = await received(receive)
        await start(send)
        await body(send, f"{len(chunks) > 1} {content in b''.join(chunks)}".encode())

    with opening(app) as client:
        assert client.post("/", files={"file": ("name.txt", content)}).text == "True True"


# Errors after a part of the response


async def breaks_off(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await start(send)
    await body(send, b"part", more=True)
    msg = "the app's"
    raise ValueError(msg)


def test_an_error_after_a_part_comes_after_the_response_hooks(opening: Opener) -> None:
    seen: list[int] = []
    hooks = {"response": [lambda response: seen.append(response.status_code)]}
    with opening(breaks_off, event_hooks=hooks) as client, pytest.raises(ValueError, match="the app's"):
        client.get("/")
    assert seen == [200]


@pytest.mark.in_process(reason="when the end of a response arrives is the network's to decide")
def test_an_error_that_a_hook_never_comes_to_is_a_note_on_the_hook_s(opening: Opener) -> None:
    def fail(response: httpx.Response) -> None:
        msg = "the hook's"
        raise AssertionError(msg)

    hooks = {"response": [fail]}
    with opening(breaks_off, event_hooks=hooks) as client, pytest.raises(AssertionError, match="the hook's") as caught:
        client.get("/")
    assert "ValueError: the app's" in caught.value.__notes__[0]


@pytest.mark.in_process(reason="when the end of a response arrives is the network's to decide")
def test_an_error_that_nobody_comes_to_is_raised_when_the_response_is_closed(opening: Opener) -> None:
    hooks = {"response": [lambda response: response.close()]}
    with opening(breaks_off, event_hooks=hooks) as client, pytest.raises(ValueError, match="the app's"):
        client.get("/")


def test_a_cancellation_that_the_app_raises_itself_after_a_part_is_an_error_like_any_other(opening: Opener) -> None:
    error = asyncio.CancelledError("the app's")
    seen: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send)
        await body(send, b"part", more=True)
        raise error

    hooks = {"response": [lambda response: seen.append(response.status_code)]}
    with opening(app, event_hooks=hooks) as client, pytest.raises(asyncio.CancelledError) as caught:
        client.get("/")
    assert caught.value is error
    assert seen == [200]


def test_a_client_cannot_be_left_on_the_thread_of_its_own_loop(backend: Backend) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        with pytest.raises(RuntimeError, match=r"called on the thread of its own event loop \(close\)"):
            client.close()
        with pytest.raises(RuntimeError, match=r"called on the thread of its own event loop \(shutdown\)"):
            client.__exit__()
        await hello(scope, receive, send)

    with TestClient(app, backend=backend.name, backend_options=backend.options) as client:
        assert client.get("/").text == "hello"
        assert client.get("/").text == "hello"


async def nothing() -> None:
    pass


def test_the_end_of_the_loop_in_the_middle_of_a_body_is_an_error_and_no_cancellation(backend: Backend) -> None:
    inside = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send)
        await body(send, b"part", more=True)
        inside.set()
        await anyio.sleep_forever()

    client = TestClient(app, backend=backend.name, backend_options=backend.options)
    client._blocking.start_own_loop(nothing)
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(client.get, "/")
        assert inside.wait(10)
        client._blocking.stop_own_loop(nothing)
        with pytest.raises(RuntimeError, match="the event loop of this client has ended"):
            response.result(10)


def test_an_app_that_returns_too_early_is_an_error_of_protocol(opening: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send)
        await body(send, b"part", more=True)

    with opening(app) as client, pytest.raises(ASGIProtocolError, match="application returned while"):
        client.get("/")


# The exchange


def test_the_exchange_tells_of_the_app_while_it_runs_and_afterwards(opening: Opener) -> None:
    error = ValueError("the app's")
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await hello(scope, receive, send)
        await gate.wait()
        scope["changed"] = True
        raise error

    with opening(app, background="detach", raise_server_exceptions=False) as client:
        exchange = client.get("/path").extensions["asgi"]
        assert (exchange.done, exchange.app_exception, exchange.scope["path"]) == (False, None, "/path")
        with pytest.raises(TimeoutError, match=r"not ended within 0\.01 seconds.* suspended at:(?s:.*) in Gate\.wait"):
            exchange.wait(0.01)
        exchange.hop.call(gate.open, name="open the gate")
        exchange.wait()
        assert (exchange.done, exchange.app_exception, exchange.scope["changed"]) == (True, error, True)
        exchange.wait(None)


# Ctrl-C


def test_ctrl_c_is_a_disconnect_for_the_app_and_the_client_lives_on(opening: Opener) -> None:
    story: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if scope["path"] == "/hello":
            await hello(scope, receive, send)
            return
        await received(receive)
        press_ctrl_c()
        story.append((await receive())["type"])
        story.append("ended")

    with opening(app) as client:
        client.get("/hello")  # now all the threads are there
        threads = set(threading.enumerate())
        with pytest.raises(KeyboardInterrupt):
            client.get("/")
        assert story == ["http.disconnect", "ended"]
        assert set(threading.enumerate()) <= threads
        assert client.get("/hello").text == "hello"


@pytest.mark.parametrize("started", [False, True], ids=["before the response", "in the response"])
def test_ctrl_c_ends_an_app_that_does_not_listen(opening: Opener, started: bool) -> None:
    story: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if started:
            await start(send)
            await body(send, b"chunk", more=True)
        press_ctrl_c()
        try:
            await anyio.sleep_forever()
        finally:
            story.append("cancelled")

    with opening(app) as client, pytest.raises(KeyboardInterrupt):
        client.get("/")
    assert story == ["cancelled"]


def test_ctrl_c_in_a_stream_ends_the_app(opening: Opener) -> None:
    story: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await received(receive)
        await start(send)
        await body(send, b"chunk", more=True)
        press_ctrl_c()
        story.append((await receive())["type"])

    with (
        opening(app, write_buffer=0) as client,
        pytest.raises(KeyboardInterrupt),
        client.stream("GET", "/") as response,
    ):
        list(response.iter_raw())
    assert story == ["http.disconnect"]


INTERRUPTED = """
import sys, threading
from asgi_testkit import TestClient

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await receive()
    print("inside", flush=True)
    print((await receive())["type"])

backend, opened = sys.argv[1:]
client = TestClient(app, backend=backend, lifespan="off")
try:
    if opened == "entered":
        with client:
            client.get("/")
    else:
        client.get("/")
except KeyboardInterrupt:
    print("interrupted")
client.close()
print(sorted(thread.name for thread in threading.enumerate() if not thread.daemon))
"""


@pytest.mark.parametrize("opened", ["entered", "bare"])
@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
def test_a_program_that_is_interrupted_ends_by_itself(backend_name: str, opened: str) -> None:
    command = [*PYTHON, "-c", INTERRUPTED, backend_name, opened]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        process.send_signal(signal.SIGINT)
        output, complaints = process.communicate(timeout=20)
    assert complaints == ""
    assert output.split("\n") == ["http.disconnect", "interrupted", "['MainThread']", ""]
    assert process.returncode == 0
