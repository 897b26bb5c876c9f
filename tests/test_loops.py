"""Event loops in threads of their own: one for each configuration, however many clients there are."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from asgi_testkit import ApplicationStuckError, Receive, Scope, Send, TestClient
from asgi_testkit._blocking import hop as _hop
from asgi_testkit._blocking import loop as _loops
from asgi_testkit._blocking.hop import ThreadHop
from asgi_testkit._blocking.loop import LoopThread, SharedLoops
from asgi_testkit._conversation.loop import current_loop
from asgi_testkit._conversation.task import IndependentTask

from .backends import BACKENDS, Backend
from .ctrl_c import press_ctrl_c
from .programs import run_program

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


@contextmanager
def running(backend: Backend) -> Iterator[LoopThread]:
    loop = LoopThread(backend.name, backend.options)
    try:
        yield loop
    finally:
        loop.stop()


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"answer"})


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# One loop in a thread


def test_a_loop_runs_in_a_thread_of_its_own_and_ends_with_it(backend: Backend) -> None:
    before = set(threading.enumerate())
    with running(backend) as loop:
        [thread] = set(threading.enumerate()) - before
        assert loop.portal.call(threading.current_thread) is thread
    assert not thread.is_alive()


def test_the_portal_and_the_hop_lead_into_the_same_loop(backend: Backend) -> None:
    async def here() -> Any:
        return current_loop()

    with running(backend) as loop:
        assert loop.portal.call(here) is loop.hop.call(here, name="here")


def test_threads_that_ask_at_once_have_one_portal(backend: Backend) -> None:
    loop = LoopThread(backend.name, backend.options)

    async def ask_twice() -> None:
        async with anyio.create_task_group() as both:
            both.start_soon(loop._open_portal)
            both.start_soon(loop._open_portal)

    try:
        loop.hop.call(ask_twice, name="twice")
        with ThreadPoolExecutor(4) as pool:
            portals = list(pool.map(lambda _: loop.portal, range(4)))
        assert set(portals) == {loop.portal}
    finally:
        loop.stop()


def test_stopping_cancels_what_a_test_has_left_in_the_portal(backend: Backend) -> None:
    story: list[str] = []
    started = threading.Event()

    async def sleep() -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            story.append("cancelled")

    with running(backend) as loop:
        future = loop.portal.start_task_soon(sleep)
        assert started.wait(10)
    assert story == ["cancelled"]
    assert future.cancelled()


def test_a_call_in_flight_when_the_loop_is_stopped_gets_an_error(backend: Backend) -> None:
    inside = threading.Event()

    async def sleep() -> None:
        inside.set()
        await anyio.sleep_forever()

    with ThreadPoolExecutor(1) as pool:
        with running(backend) as loop:
            future = pool.submit(loop.hop.call, sleep, name="a call")
            assert inside.wait(10)
        with pytest.raises(RuntimeError, match=r"^the event loop of this client has ended \(a call\)"):
            future.result(10)


def test_a_loop_whose_portal_a_test_has_stopped_ends_as_any_other(backend: Backend) -> None:
    loop = LoopThread(backend.name, backend.options)
    thread = loop.portal.call(threading.current_thread)
    loop.portal.call(loop.portal.stop)
    loop.stop()
    assert not thread.is_alive()
    loop.stop()  # once more does no harm


def test_what_comes_first_and_last_runs_in_the_loop_and_sees_the_caller_s_context(backend: Backend) -> None:
    seen: list[object] = []

    async def note() -> None:
        await anyio.lowlevel.checkpoint()
        seen.append((threading.current_thread().name, variable.get()))

    variable.set("the test's")
    loop = LoopThread(backend.name, backend.options, note)
    loop.stop_after(note)
    assert seen == [(f"{backend.name} loop", "the test's")] * 2


def test_when_what_comes_first_fails_no_thread_is_left(backend: Backend) -> None:
    async def fail() -> None:
        raise LookupError("first")

    before = set(threading.enumerate())
    with pytest.raises(LookupError, match="first"):
        LoopThread(backend.name, backend.options, fail)
    assert set(threading.enumerate()) <= before


def test_when_what_comes_last_fails_no_thread_is_left(backend: Backend) -> None:
    async def fail() -> None:
        raise LookupError("last")

    before = set(threading.enumerate())
    loop = LoopThread(backend.name, backend.options)
    with pytest.raises(LookupError, match="last"):
        loop.stop_after(fail)
    assert set(threading.enumerate()) <= before


def test_a_backend_that_cannot_start_is_an_error_and_leaves_no_thread() -> None:
    def no_loop() -> Any:
        raise LookupError("no loop today")

    before = set(threading.enumerate())
    with pytest.raises(LookupError, match="no loop today"):
        LoopThread("asyncio", {"loop_factory": no_loop})
    assert set(threading.enumerate()) <= before


@contextmanager
def stubborn(loop: LoopThread, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a task in the loop that swallows its cancellation until the end of this."""
    monkeypatch.setattr(_loops, "CANCEL_TIMEOUT", 0.01)
    let_go = threading.Event()

    async def swallow() -> None:
        await anyio.to_thread.run_sync(let_go.wait, 10)

    loop.portal.start_task_soon(swallow)
    try:
        yield
    finally:
        let_go.set()
        loop._thread.join(10)
        assert not loop._thread.is_alive()


def test_a_loop_that_does_not_end_is_an_error_and_no_hang(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = LoopThread(backend.name, backend.options)
    with stubborn(loop, monkeypatch), pytest.raises(ApplicationStuckError, match=r"0\.02 seconds later it has not"):
        loop.stop()


def test_ctrl_c_before_the_loop_runs_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted = threading.Event()
    threads: list[threading.Thread] = []

    class Hop(ThreadHop):
        def __init__(self) -> None:
            super().__init__()
            threads.append(threading.current_thread())
            press_ctrl_c()
            assert interrupted.wait(10)

    monkeypatch.setattr(_loops, "ThreadHop", Hop)
    with pytest.raises(KeyboardInterrupt):
        LoopThread("asyncio", {})
    interrupted.set()
    threads[0].join(10)
    assert not threads[0].is_alive()


@pytest.mark.parametrize("around", BACKENDS, ids=lambda around: f"in-{around.id}")
def test_a_loop_can_be_started_and_stopped_in_async_code(backend: Backend, around: Backend) -> None:
    async def main() -> threading.Thread:
        loop = LoopThread(backend.name, backend.options)
        thread = loop._thread
        loop.stop()
        return thread

    thread = anyio.run(main, backend=around.name, backend_options=around.options)
    assert not thread.is_alive()


def test_what_a_call_into_the_portal_raises_may_end_the_loop_and_nothing_else(backend: Backend) -> None:
    async def fail() -> None:
        raise SystemExit(3)

    loop = LoopThread(backend.name, backend.options)
    thread = loop.portal.call(threading.current_thread)
    with pytest.raises(SystemExit):
        loop.portal.call(fail)
    thread.join(10)
    assert not thread.is_alive()
    loop.stop()


@pytest.mark.parametrize("blocks", ["before the loop runs", "in the startup"])
def test_ctrl_c_while_a_client_is_entered_leaves_no_thread(blocks: str) -> None:
    told = run_program(
        """
        import signal, sys, threading, time
        from asgi_testkit import TestClient
        from asgi_testkit._blocking import loop as _loops

        def interrupt():
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.3)  # the main thread is interrupted while this one is busy

        class Hop(_loops.ThreadHop):
            def __init__(self):
                interrupt()
                super().__init__()

        async def app(scope, receive, send):
            if sys.argv[1] == "in the startup":
                interrupt()
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})

        if sys.argv[1] == "before the loop runs":
            _loops.ThreadHop = Hop
        try:
            TestClient(app).__enter__()
        except KeyboardInterrupt:
            print("interrupted")
        for thread in threading.enumerate():
            if thread is not threading.main_thread():
                thread.join(10)
        print([thread.name for thread in threading.enumerate()])
        """,
        blocks,
        may_complain=True,  # asyncio, of a step that takes so long
    )
    assert told.splitlines() == ["interrupted", "['MainThread']"]


# Loops that are shared


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedLoops]:
    """The shared loops, without those that other tests have started."""
    loops = SharedLoops()
    monkeypatch.setattr(_loops, "shared_loops", loops)
    yield loops
    loops.stop()


def test_there_is_one_loop_for_each_configuration(shared: SharedLoops) -> None:
    loops = [shared.get(backend.name, backend.options) for backend in BACKENDS]
    assert len(set(loops)) == len(BACKENDS)
    assert [shared.get(backend.name, dict(backend.options)) for backend in BACKENDS] == loops


def test_later_changes_of_the_options_are_not_those_of_the_loop(shared: SharedLoops) -> None:
    options = {"debug": True}
    loop = shared.get("asyncio", options)
    options["debug"] = False
    assert shared.get("asyncio", {"debug": True}) is loop
    assert shared.get("asyncio", options) is not loop


def test_bare_clients_share_the_loop_of_their_configuration(shared: SharedLoops, backend: Backend) -> None:
    loops: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        loops.append(current_loop())
        await answer(scope, receive, send)

    for _ in range(3):
        TestClient(app, backend=backend.name, backend_options=backend.options).get("/")
    assert loops == [shared.get(backend.name, backend.options).portal.call(current_loop)] * 3


def test_many_threads_ask_for_a_loop_at_once_and_get_the_same(shared: SharedLoops, backend: Backend) -> None:
    count = 20
    everyone = threading.Barrier(count)

    def get(_: int) -> LoopThread:
        everyone.wait(10)
        return shared.get(backend.name, backend.options)

    with ThreadPoolExecutor(count) as pool:
        assert len(set(pool.map(get, range(count)))) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files as Linux does")
def test_threads_and_open_files_do_not_grow_with_the_clients(shared: SharedLoops, backend: Backend) -> None:
    def use_clients(count: int) -> list[TestClient]:
        clients = [TestClient(answer, backend=backend.name, backend_options=backend.options) for _ in range(count)]
        assert {client.get("/").text for client in clients} == {"answer"}
        return clients

    kept = use_clients(1)
    threads, files = set(threading.enumerate()), open_files()
    with ThreadPoolExecutor(4) as pool:
        for clients in pool.map(use_clients, [250] * 4):
            kept += clients
    assert len(kept) == 1001
    assert set(threading.enumerate()) <= threads  # those of other tests may end meanwhile
    assert open_files() <= files


def test_after_a_fork_the_loops_are_the_parent_s(shared: SharedLoops, monkeypatch: pytest.MonkeyPatch) -> None:
    parents = shared.get("asyncio", {})
    with monkeypatch.context() as patch:
        patch.setattr(shared, "_process", os.getpid() + 1)
        shared.stop()
        child_s = shared.get("asyncio", {})
    assert child_s is not parents
    assert parents.portal.call(threading.get_ident) != child_s.portal.call(threading.get_ident)
    parents.stop()
    child_s.stop()
    shared._loops.clear()


def test_all_loops_are_stopped_though_one_does_not_end(shared: SharedLoops, monkeypatch: pytest.MonkeyPatch) -> None:
    loops = [shared.get(backend.name, backend.options) for backend in BACKENDS]
    with stubborn(loops[1], monkeypatch):
        with pytest.raises(ApplicationStuckError):
            shared.stop()
        monkeypatch.undo()
        for loop in loops[:1] + loops[2:]:
            loop._thread.join(10)
        assert [loop._thread.is_alive() for loop in loops] == [False, True] + [False] * (len(loops) - 2)


def test_a_loop_that_has_ended_by_itself_is_replaced(shared: SharedLoops, backend: Backend) -> None:
    async def fail() -> None:
        raise SystemExit(3)

    first = shared.get(backend.name, backend.options)
    with pytest.raises(SystemExit):
        first.portal.call(fail)
    first._thread.join(10)
    second = shared.get(backend.name, backend.options)
    assert second is not first
    assert second is shared.get(backend.name, backend.options)
    assert TestClient(answer, backend=backend.name, backend_options=backend.options).get("/").text == "answer"


def test_after_a_stop_the_loops_start_anew(shared: SharedLoops) -> None:
    first = shared.get("asyncio", {})
    shared.stop()
    second = shared.get("asyncio", {})
    assert second is not first
    client = TestClient(answer)
    assert client.get("/").text == "answer"


# The process

IN_A_PROCESS = """
    import sys, threading
    from asgi_testkit import TestClient

    started = threading.Event()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"answer"})
        if scope["path"] == "/left":
            import anyio

            started.set()
            await anyio.sleep_forever()

    backend, *options = sys.argv[1:]
    options = {"use_uvloop": True} if options else {}
    client = TestClient(app, backend=backend, backend_options=options, background="detach")
"""

FORK = """
import os, warnings

assert client.get("/").text == "answer"
warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forking with threads
child = os.fork()
if not child:
    if True:
        {in_child}
    sys.exit(3)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 3, status
print(client.get("/").text)
"""

WAYS_TO_END = {
    "idle": """
        print(client.get("/").text)
    """,
    "never used": """
        print("answer")
    """,
    "with a task of the app left": """
        print(client.get("/left").text)
        assert started.wait(10)
    """,
    "with a request in flight in a daemon thread": """
        def get():
            try:
                client.get("/left", extensions={"asgi": {"background": "wait"}})
            except RuntimeError as error:
                assert "the event loop of this client has ended" in str(error)

        threading.Thread(target=get, daemon=True).start()
        assert started.wait(10)
        print("answer")
    """,
    "forked, with clients in parent and child": FORK.format(
        in_child="""
            assert client.get("/").text == "answer"
            assert TestClient(app, backend=backend, backend_options=options).get("/").text == "answer"
        """
    ),
    "forked, with clients in the parent only": FORK.format(in_child="pass"),
}


@pytest.mark.parametrize("way", WAYS_TO_END)
@pytest.mark.parametrize("arguments", [("asyncio",), ("asyncio", "uvloop"), ("trio",)], ids=" ".join)
def test_the_loops_end_with_the_process_without_a_warning(way: str, arguments: tuple[str, ...]) -> None:
    source = textwrap.dedent(IN_A_PROCESS) + textwrap.dedent(WAYS_TO_END[way])
    assert run_program(source, *arguments).split() == ["answer"]


def test_a_task_that_swallows_its_cancellation_does_not_keep_the_process() -> None:
    told = run_program(
        """
        import asyncio
        from asgi_testkit import TestClient
        from asgi_testkit._blocking import loop as _loops

        _loops.CANCEL_TIMEOUT = 0.05

        async def swallow():
            while True:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    print("swallowed", flush=True)

        async def app(scope, receive, send):
            app.task = asyncio.create_task(swallow())
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

        print(TestClient(app).get("/").status_code, flush=True)
        """,
        may_complain=True,  # Python, of the error that is raised at exit
    )
    assert told.split() == ["204", "swallowed"]


def test_the_thread_of_an_app_does_not_depend_on_what_the_test_does(backend: Backend) -> None:
    threads: list[threading.Thread] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        threads.append(threading.current_thread())
        if scope["path"] == "/worker":
            await anyio.to_thread.run_sync(threading.get_ident)
        await answer(scope, receive, send)

    client = TestClient(app, backend=backend.name, backend_options=backend.options)
    client.get("/")
    try:
        raise LookupError
    except LookupError:
        client.get("/")
    with client.stream("GET", "/worker"):
        pass
    ThreadPoolExecutor(1).submit(client.get, "/").result(10)
    client.get("/")
    assert threads == [threads[0]] * 5
    assert threads[0] is not threading.current_thread()


def test_the_loop_of_bare_clients_goes_on_between_two_requests(backend: Backend) -> None:
    rang = threading.Event()
    tasks: list[Any] = []

    async def ring() -> None:
        await anyio.sleep(0.01)
        rang.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(IndependentTask(ring, name="a task that is left behind"))
        await answer(scope, receive, send)

    TestClient(app, backend=backend.name, backend_options=backend.options).get("/")
    assert rang.wait(10)


# Loops that wait for each other

SERVICES = """
    import sys, threading
    from asgi_testkit import TestClient

    options = {"backend": sys.argv[2], "backend_options": {"use_uvloop": True} if sys.argv[3:] else {}}

    async def reply(send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"ok"})

    async def c(scope, receive, send):
        await reply(send)

    async def b(scope, receive, send):
        assert scope["type"] == "http"
        assert TestClient(c, **options).get("/").text == "ok"
        await reply(send)

    async def calls_through_an_entered_client(scope, receive, send):
        with TestClient(b, **options) as client:
            assert client.get("/").text == "ok"
        await reply(send)

    async def waits_for_another_thread(scope, receive, send):
        texts = []
        thread = threading.Thread(target=lambda: texts.append(TestClient(c, **options).get("/").text))
        thread.start()
        thread.join()
        assert texts == ["ok"]
        await reply(send)

    print(TestClient(globals()[sys.argv[1]], **options).get("/").text)
    print(TestClient(c, **options).get("/").text)
"""


def test_an_app_may_wait_for_a_request_of_another_thread(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hop, "LOOK_INTERVAL", 0.05)
    options: dict[str, Any] = {"backend": backend.name, "backend_options": backend.options}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(TestClient(answer, **options).get, "/").result(10).text == "answer"
        await answer(scope, receive, send)

    assert TestClient(app, **options).get("/").text == "answer"


@pytest.mark.parametrize("app", ["calls_through_an_entered_client", "waits_for_another_thread"])
@pytest.mark.parametrize("backend", [("asyncio",), ("asyncio", "uvloop"), ("trio",)], ids=" ".join)
def test_services_that_call_each_other_do_not_wait_for_each_other_for_ever(app: str, backend: tuple[str, ...]) -> None:
    assert run_program(SERVICES, app, *backend, may_complain=True).split() == ["ok", "ok"]


def test_a_loop_that_an_app_has_ended_says_of_what(backend: Backend) -> None:
    async def leave() -> None:
        await anyio.lowlevel.checkpoint()
        sys.exit("no configuration")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if backend.name == "trio":  # where no task is outside of all nurseries
            async with anyio.create_task_group() as group:
                group.start_soon(leave)
        left.append(asyncio.ensure_future(leave()))
        await anyio.sleep_forever()

    left: list[Any] = []
    client = TestClient(app, backend=backend.name, backend_options=backend.options)
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - on trio, the group itself
        client.get("/")
    if backend.name != "trio":
        assert isinstance(caught.value, RuntimeError)
        assert isinstance(caught.value.__cause__, SystemExit)
        assert "It has died of SystemExit('no configuration')" in str(caught.value)
    assert "no configuration" in "".join(traceback.format_exception(caught.value))


def test_a_client_is_entered_by_one_thread_and_left_by_one() -> None:
    story: list[str] = []
    inside, go_on = threading.Event(), threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        story.append("started")
        inside.set()
        await anyio.to_thread.run_sync(go_on.wait, 10)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        story.append("stopped")
        await send({"type": "lifespan.shutdown.complete"})

    client = TestClient(app)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.__enter__)
        assert inside.wait(10)
        with pytest.raises(RuntimeError, match="this TestClient is entered already"):
            client.__enter__()
        go_on.set()
        first.result(10)
        for left in [pool.submit(client.__exit__) for _ in range(2)]:
            left.result(10)
    assert story == ["started", "stopped"]
    with client:
        assert story == ["started", "stopped", "started"]


def test_a_client_that_could_not_be_entered_can_be_entered_again() -> None:
    attempts: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        attempts.append("startup")
        if len(attempts) == 1:
            raise LookupError("the first time")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    client = TestClient(app)
    with pytest.raises(LookupError, match="the first time"):
        client.__enter__()
    with client:
        assert attempts == ["startup", "startup"]


def test_after_its_loop_has_died_a_client_says_so_once_more_and_can_be_used_again() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["path"] == "/leave":
            left.append(asyncio.ensure_future(leave()))
            await anyio.sleep_forever()
        else:
            await answer(scope, receive, send)

    async def leave() -> None:
        sys.exit(7)

    left: list[Any] = []
    client = TestClient(app)
    with pytest.raises(RuntimeError, match=r"It has died of SystemExit\(7\)") as caught, client:
        client.get("/leave")
    assert isinstance(caught.value.__cause__, SystemExit)
    assert client.get("/").text == "answer"
    with client:
        assert client.get("/").text == "answer"
