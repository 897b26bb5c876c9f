"""The loop of bare clients: it runs in the thread that calls until it needs its own, and then there for good."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import httpx
import pytest

from asgi_testkit import Message, Receive, Scope, Send, TestClient, _hop
from asgi_testkit._loops import LoopThread, StandbyLoop, shared_loops

from .backends import BACKENDS, Backend
from .ctrl_c import press_ctrl_c, sleep_through_ctrl_c
from .messages import accept, body, hello, say, start
from .programs import run_program

LENDABLE = [backend for backend in BACKENDS if StandbyLoop.possible(backend.name, backend.options)]


@pytest.fixture(params=LENDABLE, ids=lambda backend: backend.id)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of clients whose loop is lent."""
    backend: Backend = request.param
    return {"backend": backend.name, "backend_options": backend.options}


def loop_of(options: dict[str, Any]) -> LoopThread:
    return shared_loops.get(options["backend"], options["backend_options"], standby=True)


class Threads:
    """An app that notes the thread and the loop that it runs in, and then does what a test wants."""

    def __init__(self, then: Callable[[], Any] | None = None) -> None:
        self.threads: list[threading.Thread] = []
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self._then = then

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.threads.append(threading.current_thread())
        self.loops.add(asyncio.get_running_loop())
        if self._then is not None and scope.get("path") != "/plain":
            await self._then()
        await hello(scope, receive, send)

    def all_here(self) -> bool:
        return set(self.threads) == {threading.current_thread()}

    def last_in_own(self, options: dict[str, Any]) -> bool:
        """Whether the last request, and only that, ran in the loop's own thread, and the loop was always the same."""
        *others, last = self.threads
        assert len(self.loops) == 1
        return set(others) == {threading.current_thread()} and last is loop_of(options)._thread


# The thread that calls


def test_requests_run_in_the_thread_that_calls(options: dict[str, Any]) -> None:
    app = Threads(anyio.lowlevel.checkpoint)
    for _ in range(3):
        assert TestClient(app, **options).get("/").text == "hello"
    assert app.all_here()
    assert len(app.loops) == 1


def test_a_loop_is_lent_to_any_thread_but_to_one_only(options: dict[str, Any]) -> None:
    app = Threads()

    def get() -> threading.Thread:
        TestClient(app, **options).get("/")
        return threading.current_thread()

    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(get).result(10)
        assert pool.submit(get).result(10) is thread
    assert app.threads == [thread, thread]
    get()
    assert app.threads[2] is loop_of(options)._thread
    assert len(app.loops) == 1


@pytest.mark.parametrize("backend", [b for b in BACKENDS if b not in LENDABLE], ids=lambda backend: backend.id)
def test_other_backends_have_their_thread(backend: Backend) -> None:
    threads: list[threading.Thread] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        threads.append(threading.current_thread())
        await hello(scope, receive, send)

    TestClient(app, backend=backend.name, backend_options=backend.options).get("/")
    assert threads == [shared_loops.get(backend.name, backend.options)._thread]


def test_a_loop_that_is_not_asyncio_s_own_has_its_thread() -> None:
    uvloop = pytest.importorskip("uvloop")
    options: dict[str, Any] = {"backend": "asyncio", "backend_options": {"loop_factory": uvloop.new_event_loop}}
    app = Threads()
    TestClient(app, **options).get("/")
    assert app.threads == [loop_of(options)._thread]


def test_entered_clients_have_their_thread(options: dict[str, Any]) -> None:
    app = Threads()
    with TestClient(app, lifespan="off", **options) as client:
        client.get("/")
    assert threading.current_thread() not in app.threads


def test_the_debug_mode_of_asyncio_has_no_complaint() -> None:
    options: dict[str, Any] = {"backend": "asyncio", "backend_options": {"debug": True}}
    app = Threads(anyio.lowlevel.checkpoint)
    TestClient(app, **options).get("/")
    [loop] = app.loops
    assert loop.get_debug()
    assert app.all_here()


def test_the_current_loop_of_the_thread_stays_what_it_is(options: dict[str, Any]) -> None:
    mine = asyncio.new_event_loop()
    asyncio.set_event_loop(mine)
    try:
        app = Threads()
        TestClient(app, **options).get("/")
        assert app.all_here()
        assert asyncio.get_event_loop() is mine
        assert sys.get_asyncgen_hooks().firstiter is None
    finally:
        asyncio.set_event_loop(None)
        mine.close()


def test_what_was_due_between_two_requests_happens_before_the_second(options: dict[str, Any]) -> None:
    story: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        story.append(scope["path"])
        if scope["path"] == "/first":
            loop = asyncio.get_running_loop()
            loop.call_later(0.02, lambda: loop.call_soon(story.append, "timer"))
        await hello(scope, receive, send)

    client = TestClient(app, **options)
    client.get("/first")
    threading.Event().wait(0.05)  # nobody runs the loop
    assert story == ["/first"]
    client.get("/second")
    assert story == ["/first", "timer", "/second"]


def test_an_exception_of_the_app_is_raised_here(options: dict[str, Any]) -> None:
    async def fail() -> None:
        await anyio.lowlevel.checkpoint()
        raise LookupError("the app's")

    app = Threads(fail)
    client = TestClient(app, **options)
    with pytest.raises(LookupError, match="the app's"):
        client.get("/")
    client.get("/plain")
    assert app.all_here()


def test_a_timeout_fires_here(options: dict[str, Any]) -> None:
    app = Threads(anyio.sleep_forever)
    client = TestClient(app, timeout=0.01, **options)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/")
    client.get("/plain")
    assert app.all_here()


# What the loop needs its thread for


def test_a_task_that_the_app_leaves_behind_goes_on_between_the_requests(options: dict[str, Any]) -> None:
    gone_on = threading.Event()
    tasks: list[Any] = []

    async def go_on() -> None:
        await asyncio.sleep(0.01)
        gone_on.set()

    async def leave() -> None:
        tasks.append(asyncio.get_running_loop().create_task(go_on()))

    app = Threads(leave)
    client = TestClient(app, **options)
    client.get("/")
    assert gone_on.wait(10)
    client.get("/plain")
    assert app.last_in_own(options)


def test_a_stream_goes_on_between_the_chunks_in_one_thread(options: dict[str, Any]) -> None:
    sent = threading.Event()
    threads: list[threading.Thread] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        threads.append(threading.current_thread())
        await start(send)
        await body(send, b"one", more=True)
        await anyio.sleep(0.01)
        await body(send, b"two", more=True)
        threads.append(threading.current_thread())
        sent.set()
        await body(send, b"three")

    with TestClient(app, **options).stream("GET", "/") as response:
        assert sent.wait(10)
        assert [*response.iter_raw()] == [b"one", b"two", b"three"]
    assert threads == [loop_of(options)._thread] * 2


def test_a_websocket_connection_goes_on_between_the_messages_in_one_thread(options: dict[str, Any]) -> None:
    got: list[Message] = []
    had = threading.Event()
    threads: list[threading.Thread] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        threads.append(threading.current_thread())
        await receive()
        await accept(send)
        got.append(await receive())
        threads.append(threading.current_thread())
        had.set()
        await say(send, "bye")

    with TestClient(app, **options).websocket_connect("/") as session:
        session.send_text("hello")
        assert had.wait(10)
        assert session.receive_text() == "bye"
    assert got[0].get("text") == "hello"
    assert threads == [loop_of(options)._thread] * 2


def test_messages_can_be_sent_to_an_app_that_has_ended(options: dict[str, Any]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await say(send, "bye")

    with TestClient(app, **options).websocket_connect("/") as session:
        session.send_text("nobody reads this")
        assert session.receive_text() == "bye"


@pytest.mark.parametrize("run", [anyio.to_thread.run_sync, asyncio.to_thread], ids=["anyio", "asyncio"])
def test_after_the_use_of_worker_threads_the_loop_has_its_own(options: dict[str, Any], run: Any) -> None:
    async def work() -> None:
        await run(threading.get_ident)

    app = Threads(work)
    client = TestClient(app, **options)
    client.get("/")
    client.get("/plain")
    assert app.last_in_own(options)


def test_a_worker_thread_of_the_app_may_call_the_client(options: dict[str, Any]) -> None:
    async def work() -> None:
        assert (await anyio.to_thread.run_sync(client.get, "/plain")).text == "hello"

    app = Threads(work)
    client = TestClient(app, **options)
    assert client.get("/").text == "hello"
    assert app.last_in_own(options)


def test_the_app_may_call_back_from_a_worker_thread(options: dict[str, Any]) -> None:
    async def here() -> threading.Thread:
        return threading.current_thread()

    async def work() -> None:
        threads.append(await anyio.to_thread.run_sync(anyio.from_thread.run, here))

    threads: list[threading.Thread] = []
    TestClient(Threads(work), **options).get("/")
    assert threads == [threading.current_thread()]


def test_two_threads_at_once_do_not_wait_for_each_other(options: dict[str, Any]) -> None:
    both: list[anyio.Event] = []
    inside = threading.Event()

    async def meet() -> None:
        if not both:
            both.append(anyio.Event())
            inside.set()
            await both[0].wait()
        both[0].set()

    def second() -> str:
        assert inside.wait(10)
        return client.get("/").text

    app = Threads(meet)
    client = TestClient(app, **options)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(second)
        assert client.get("/").text == "hello"
        assert future.result(10) == "hello"
    assert app.last_in_own(options)


@pytest.mark.parametrize("around", BACKENDS, ids=lambda around: f"in-{around.id}")
def test_where_a_loop_runs_already_it_is_in_another_thread(options: dict[str, Any], around: Backend) -> None:
    app = Threads(anyio.lowlevel.checkpoint)
    client = TestClient(app, **options)
    client.get("/")

    async def main() -> None:
        client.get("/")

    anyio.run(main, backend=around.name, backend_options=around.options)
    assert app.last_in_own(options)


def test_the_portal_is_that_of_the_loop_s_own_thread(options: dict[str, Any]) -> None:
    app = Threads()
    TestClient(app, **options).get("/")
    loop = loop_of(options)
    assert loop.portal.call(threading.current_thread) is loop._thread
    assert loop.portal is loop.portal


def test_the_app_is_not_shown_an_exception_of_the_test(options: dict[str, Any]) -> None:
    seen: list[BaseException | None] = []

    async def look() -> None:
        seen.append(sys.exception())

    client = TestClient(Threads(look), **options)
    try:
        raise LookupError
    except LookupError:
        client.get("/")
    assert seen == [None]


@pytest.mark.parametrize("number", [signal.SIGALRM, signal.SIGINT], ids=["an alarm", "Ctrl-C"])
def test_the_handler_of_a_signal_may_strike_the_test_and_not_the_loop(options: dict[str, Any], number: int) -> None:
    class Struck(BaseException):
        pass

    def strike(*_: Any) -> None:
        raise Struck

    ended: list[str] = []

    async def wait() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, number)
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")

    app = Threads(wait)
    client = TestClient(app, **options)
    client.get("/plain")
    before = signal.signal(number, strike)
    try:
        with pytest.raises(Struck):
            client.get("/")
    finally:
        signal.signal(number, before)
    assert ended == ["cancelled"]
    assert app.last_in_own(options)
    assert client.get("/plain").text == "hello"


# What an app may do to its loop


def test_a_client_that_calls_itself_is_told(options: dict[str, Any]) -> None:
    async def call() -> None:
        client.get("/")

    client = TestClient(Threads(call), **options)
    with pytest.raises(RuntimeError, match="it would wait for itself for ever"):
        client.get("/")
    assert client.get("/plain").text == "hello"


async def cancel_all() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await anyio.sleep_forever()


async def stop_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await anyio.sleep_forever()


@pytest.mark.parametrize("damage", [cancel_all, stop_the_loop])
def test_an_app_that_takes_its_loop_down_is_told_and_the_next_has_one(options: dict[str, Any], damage: Any) -> None:
    client = TestClient(Threads(damage), **options)
    with pytest.raises(RuntimeError, match="the event loop of this client has ended"):
        client.get("/")
    assert client.get("/plain").text == "hello"


def test_the_loop_may_be_ended_by_another_thread_in_the_middle_of_a_call(options: dict[str, Any]) -> None:
    inside = threading.Event()

    async def wait() -> None:
        inside.set()
        await anyio.sleep_forever()

    def stop() -> None:
        assert inside.wait(10)
        loop.stop()

    client = TestClient(Threads(wait), **options)
    loop = loop_of(options)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(stop)
        with pytest.raises(RuntimeError, match="the event loop of this client has ended"):
            client.get("/")
        future.result(10)
    assert client.get("/plain").text == "hello"


def test_a_loop_that_was_never_needed_ends_as_any_other(options: dict[str, Any]) -> None:
    loop = loop_of(options)
    loop.stop()
    assert not loop.runs
    loop.stop()  # once more does no harm


def test_an_async_generator_that_is_left_is_closed(options: dict[str, Any]) -> None:
    closed = threading.Event()

    async def wait() -> AsyncIterator[None]:
        try:
            yield
        finally:
            closed.set()

    async def look() -> None:
        await anext(wait())

    client = TestClient(Threads(look), **options)
    client.get("/")
    client.get("/plain")
    assert closed.wait(10)


# Ctrl-C


def test_ctrl_c_cancels_the_app_and_is_raised_when_that_has_ended(options: dict[str, Any]) -> None:
    story: list[str] = []

    client = TestClient(Threads(partial(sleep_through_ctrl_c, story)), **options)
    with pytest.raises(KeyboardInterrupt):
        client.get("/")
    assert story == ["ended"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert client.get("/plain").text == "hello"


def test_ctrl_c_twice_ends_an_app_that_never_waits(options: dict[str, Any]) -> None:
    async def busy() -> None:
        while True:
            press_ctrl_c()

    client = TestClient(Threads(busy), **options)
    with pytest.raises(KeyboardInterrupt):
        client.get("/")
    assert client.get("/plain").text == "hello"


def test_ctrl_c_while_the_loop_catches_up_does_not_begin_the_call(options: dict[str, Any]) -> None:
    async def remember() -> None:
        asyncio.get_running_loop().call_later(0.001, press_ctrl_c)

    app = Threads(remember)
    client = TestClient(app, **options)
    client.get("/")
    threading.Event().wait(0.01)
    with pytest.raises(KeyboardInterrupt):
        client.get("/plain")
    assert len(app.threads) == 1
    assert client.get("/plain").text == "hello"


def test_ctrl_c_does_not_wait_for_ever_for_an_app_that_ignores_it(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_hop, "CANCEL_TIMEOUT", 0.01)
    let_go = threading.Event()

    async def ignore() -> None:
        press_ctrl_c()
        while not let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)

    client = TestClient(Threads(ignore), **options)
    try:
        with pytest.raises(KeyboardInterrupt):
            client.get("/")
    finally:
        let_go.set()
    assert client.get("/plain").text == "hello"
    client.close()


# The process

APP = """
    import asyncio, gc, os, signal, sys, threading, warnings
    import anyio, anyio.to_thread
    from asgi_testkit import TestClient

    async def app(scope, receive, send):
        match scope["path"]:
            case "/anyio":
                await anyio.to_thread.run_sync(threading.get_ident)
            case "/asyncio":
                await asyncio.to_thread(threading.get_ident)
            case "/left":
                app.left = asyncio.create_task(anyio.sleep_forever())
            case "/timer":
                asyncio.get_running_loop().call_later(1000, print)
            case "/process":
                assert await (await asyncio.create_subprocess_exec("true")).wait() == 0
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": threading.current_thread().name.encode()})

    client = TestClient(app)
"""


@pytest.mark.parametrize("path", ["/plain", "/anyio", "/asyncio", "/left", "/timer", "/process"])
@pytest.mark.parametrize("requests", [1, 2])
def test_the_process_ends_whatever_the_app_has_used(path: str, requests: int) -> None:
    told = run_program(
        APP
        + """
    for _ in range(int(sys.argv[2])):
        told = client.get(sys.argv[1]).text
    print(told)
    """,
        path,
        str(requests),
    )
    moved = requests == 2 and path in {"/anyio", "/asyncio", "/left"}
    assert told == ("asyncio loop\n" if moved else "MainThread\n")


@pytest.mark.parametrize("use", ["uses", "collects"])
@pytest.mark.parametrize("end", ["sys.exit(0)", "os._exit(0)"])
def test_a_forked_process_does_the_loop_of_its_parent_no_harm(use: str, end: str) -> None:
    told = run_program(
        APP
        + f"""
    warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forking with threads
    assert client.get("/").text == "MainThread"
    child = os.fork()
    if not child:
        if {use == "uses"}:
            assert client.get("/").text == "MainThread"
        gc.collect()
        {end}
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    for _ in range(2):  # a trip that has to wake the loop: its selector must be as it was
        thread = threading.Thread(target=lambda: print(client.get("/").text))
        thread.start()
        thread.join(10)
    """
    )
    assert told == "asyncio loop\n" * 2
