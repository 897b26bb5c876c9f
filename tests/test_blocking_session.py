"""The blocking session, where it is more than the awaited one in another thread: threads, trips, Ctrl-C."""

from __future__ import annotations

import contextvars
import gc
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from asgi_testkit import Receive, Scope, Send, TestClient, WebSocketDisconnect, WebSocketSession
from asgi_testkit._blocking import hop as _hop
from asgi_testkit._conversation import task as _tasks

from .backends import Backend
from .ctrl_c import press_ctrl_c
from .faces import Opener, entered
from .messages import Gate, Recorder, accept, echo, hang_up, hello, say
from .programs import PYTHON, ROOT


@pytest.fixture
def opening(opening: Opener) -> Opener:
    """Opens a client without lifespan on each backend, in both ways."""
    return partial(opening, lifespan="off")


@pytest.fixture
def session(opening: Opener) -> Iterator[WebSocketSession]:
    with opening(echo) as client, client.websocket_connect("/fixture") as opened:
        yield opened


@contextmanager
def trips(session: WebSocketSession) -> Iterator[list[Any]]:
    """Count the calls from other threads into the loop of a session, by what they call."""
    called: list[Any] = []
    hop: Any = session._hop
    soon = hop._soon

    def counted(function: Callable[[], object]) -> object:
        called.append(function)
        return soon(function)

    hop._soon = counted
    try:
        yield called
    finally:
        hop._soon = soon


def in_the_loop(session: WebSocketSession, function: Callable[..., Any], *args: Any) -> Any:
    return session._hop.call(partial(function, *args), name="of the test")


def hook(session: WebSocketSession, method: str, before: Callable[[], object]) -> Callable[[], None]:
    """Have something called in the loop before that method of the session's connection. Return how to end that."""
    connection = session._open
    original = getattr(connection, method)

    async def hooked(*args: Any) -> Any:
        before()
        return await original(*args)

    setattr(connection, method, hooked)
    return lambda: delattr(connection, method)


# Fixtures


def test_a_session_lives_in_a_fixture(session: WebSocketSession) -> None:
    session.send_json({"a": 1})
    assert session.receive_json() == {"a": 1}
    assert session.scope["path"] == "/fixture"


# Trips


def test_a_round_trip_is_a_send_that_is_posted_and_at_most_one_trip_more(session: WebSocketSession) -> None:
    with trips(session) as called:
        for number in range(5):
            session.send_text(str(number))
            assert session.receive_text() == str(number)
        assert 5 <= len(called) <= 10  # the answer may be there before it is waited for


@pytest.mark.parametrize("count", [1, 10])
def test_sends_are_posted_until_the_app_may_have_too_much(session: WebSocketSession, count: int) -> None:
    calls = Recorder()
    stop = hook(session, "write", lambda: calls("waited"))
    size = 65536 // count - 16
    for _ in range(2):
        for _ in range(count):
            session.send_bytes(bytes(size))
        assert calls.events == []
        session.send_bytes(bytes(size))
        assert calls.events == ["waited"]
        calls.events.clear()
        assert len([session.receive_bytes() for _ in range(count + 1)]) == count + 1
    stop()


def test_what_is_there_comes_in_one_trip(opening: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await accept(send)
        for number in range(10):
            await say(send, str(number))
        await receive()
        await receive()

    with opening(app) as client, client.websocket_connect("/") as session:
        in_the_loop(session, anyio.wait_all_tasks_blocked)
        with trips(session) as called:
            assert [session.receive_text() for _ in range(10)] == [str(number) for number in range(10)]
            assert len(called) == 1


def test_reading_what_was_fetched_takes_no_trip_even_after_the_end(opening: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await accept(send)
        await say(send, "one")
        await say(send, "two")
        await hang_up(send)

    with opening(app) as client, client.websocket_connect("/") as session:
        session.wait()
        with trips(session) as called:
            assert session.receive_text() == "one"
            with pytest.raises(TypeError, match="sent text, not bytes: 'two'"):
                session.receive_bytes()
            assert session.receive_text() == "two"
            assert len(called) == 1
            assert list(session) == []
            assert len(called) == 2


def test_what_tells_of_a_session_takes_no_trip(session: WebSocketSession) -> None:
    with trips(session) as called:
        assert (session.done, session.app_exception, session.close_code, session.close_reason) == (False,) + (None,) * 3
        assert (session.subprotocol, session.headers["upgrade"]) == (None, "websocket")
        assert called == []


def test_leaving_takes_one_trip(opening: Opener) -> None:
    with opening(echo) as client:
        session = client.websocket_connect("/").__enter__()
        with trips(session) as called:
            session.__exit__()
            assert len(called) == 1
            session.close()
            session.abort()
            session.__exit__()
            assert len(called) == 1


@pytest.mark.in_process(on="hypercorn", reason="hypercorn tells of every close of the client as 1006")
def test_sends_go_before_a_close_that_follows_them(opening: Opener) -> None:
    heard = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await accept(send)
        await receive()
        while (message := await receive())["type"] == "websocket.receive":
            heard(message["text"])
        heard(message["code"])

    with opening(app) as client:
        for code in range(3000, 3010):
            with client.websocket_connect("/") as session:
                for text in "abc":
                    session.send_text(text)
                session.close(code)
            assert heard.events == ["a", "b", "c", code]
            heard.events.clear()


# Threads


def test_several_threads_use_one_session(session: WebSocketSession) -> None:
    count = 8

    def work(number: int) -> list[str]:
        for each in range(20):
            session.send_text(f"{number} {each}")
        return [session.receive_text() for _ in range(20)]

    with ThreadPoolExecutor(count) as pool:
        received = [text for texts in pool.map(work, range(count)) for text in texts]
    assert sorted(received) == sorted(f"{number} {each}" for number in range(count) for each in range(20))


def test_one_thread_sends_while_another_receives(session: WebSocketSession) -> None:
    count = 300
    with ThreadPoolExecutor(1) as pool:
        receiving = pool.submit(lambda: [session.receive_json() for _ in range(count)])
        for number in range(count):
            session.send_json(number)
        assert receiving.result(10) == list(range(count))


def test_several_threads_have_a_session_each(opening: Opener) -> None:
    count = 16
    everyone = threading.Barrier(count)

    def talk(number: int) -> str:
        with client.websocket_connect(f"/{number}") as session:
            everyone.wait(10)
            session.send_text(str(number))
            text: str = session.receive_text()
            return text

    with opening(echo) as client, ThreadPoolExecutor(count) as pool:
        assert list(pool.map(talk, range(count))) == [str(number) for number in range(count)]


def test_a_thread_that_comes_to_the_loop_after_another_has_fetched_does_not_wait(session: WebSocketSession) -> None:
    """It would wait for the next message, while the one for it is here."""
    session._open.arrivals.add(["fetched for another"])
    session._call(partial(session._fetch, session._open, 0, time.monotonic()))
    assert session.receive_text(timeout=0) == "fetched for another"


def test_a_receive_that_gives_up_leaves_what_comes_to_the_others(opening: Opener) -> None:
    """One that no longer waits does not keep the others from fetching all."""
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await accept(send)
        await gate.wait()
        for text in ("one", "two"):
            await say(send, text)
        await receive()
        await receive()

    with opening(app) as client, client.websocket_connect("/") as session:
        with pytest.raises(httpx.ReadTimeout):
            session.receive(timeout=0.01)
        in_the_loop(session, gate.open)
        in_the_loop(session, anyio.wait_all_tasks_blocked)
        with trips(session) as called:
            assert (session.receive_text(), session.receive_text()) == ("one", "two")
            assert len(called) == 1


def test_called_on_the_thread_of_its_own_loop_it_says_what_to_do(opening: Opener) -> None:
    sessions: list[WebSocketSession] = []
    errors = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await accept(send)
        await receive()
        await receive()
        for verb in (sessions[0].receive, sessions[0].close, sessions[0].wait):
            with pytest.raises(RuntimeError, match=r"on the thread of its own event loop \(WebSocket /\)") as caught:
                verb()
            errors(caught.value)

    with opening(app) as client, client.websocket_connect("/") as session:
        sessions.append(session)
        session.send_text("go")
        session.wait()
        assert session.app_exception is None
    assert len(errors.events) == 3


def test_a_worker_thread_of_the_app_may_use_it(opening: Opener) -> None:
    sessions: list[WebSocketSession] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await anyio.to_thread.run_sync(sessions[0].send_text, "from a thread")
            await hello(scope, receive, send)
            return
        await echo(scope, receive, send)

    with opening(app) as client, client.websocket_connect("/") as session:
        sessions.append(session)
        assert client.get("/").text == "hello"
        assert session.receive_text() == "from a thread"


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.mark.in_process(reason="a server knows nothing of the test's context")
def test_the_app_sees_the_context_of_the_thread_that_connects(opening: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await accept(send)
        await say(send, variable.get())
        await hang_up(send)

    def talk(text: str) -> list[str]:
        variable.set(text)
        with client.websocket_connect("/") as session:
            return list(session)

    with opening(app) as client, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(talk, "abcd")) == [["a"], ["b"], ["c"], ["d"]]


# Backpressure


def test_what_a_trip_has_fetched_counts_as_read(opening: Opener) -> None:
    sent = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await accept(send)
        for number in range(4):
            sent(number)
            await say(send, str(number))
        await receive()
        await receive()

    with opening(app, write_buffer=20) as client, client.websocket_connect("/") as session:
        in_the_loop(session, anyio.wait_all_tasks_blocked)
        assert sent.events == [0, 1]
        assert session.receive_text() == "0"
        in_the_loop(session, anyio.wait_all_tasks_blocked)
        assert sent.events == [0, 1, 2, 3]
        assert [session.receive_text() for _ in range(3)] == ["1", "2", "3"]


# The end of the loop


def test_after_the_client_a_session_says_that_it_was_closed(backend: Backend) -> None:
    with entered(echo, lifespan="off", backend=backend.name, backend_options=backend.options) as client:
        session = client.websocket_connect("/").__enter__()
    for verb in (session.receive, lambda: list(session)):
        with pytest.raises(httpx.ReadError, match="the client was closed while it was using the connection"):
            verb()
    session.wait()
    with pytest.raises(RuntimeError, match="the test has ended this session"):
        session.send_text("a")
    session.close()
    session.abort()
    session.__exit__()
    assert session.done


async def nothing() -> None:
    pass


def test_the_end_of_the_loop_ends_a_receive(backend: Backend) -> None:
    waits = threading.Event()
    client = TestClient(echo, backend=backend.name, backend_options=backend.options)
    client._blocking.start_own_loop(nothing)
    session = client.websocket_connect("/").__enter__()
    hook(session, "wait_for_message", waits.set)
    with ThreadPoolExecutor(1) as pool:
        receiving = pool.submit(session.receive)
        assert waits.wait(10)
        client._blocking.stop_own_loop(nothing)
        with pytest.raises(RuntimeError, match="the event loop of this client has ended"):
            receiving.result(10)


def test_a_client_that_is_collected_with_an_open_session_warns_and_names_it(backend: Backend) -> None:
    client = TestClient(echo, backend=backend.name, backend_options=backend.options)
    transport = client._core.transport
    session = client.websocket_connect("/room").__enter__()
    hop = session._hop
    del session  # whose way to connect knows the client
    gc.collect()
    with pytest.warns(ResourceWarning, match=r"^TestClient was not closed; still running: WebSocket /room$"):
        del client
    hop.call(transport.aclose, name="close")


# Ctrl-C


@pytest.fixture
def _looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes just before the thread begins to wait is noticed at its next look at the loop."""
    monkeypatch.setattr(_hop, "LOOK_INTERVAL", 0.02)


@pytest.mark.usefixtures("_looking_often")
def test_ctrl_c_in_a_receive_loses_nothing_and_the_session_lives_on(session: WebSocketSession) -> None:
    stop = hook(session, "wait_for_message", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        session.receive()
    stop()
    session.send_text("after")
    assert session.receive_text() == "after"


@pytest.mark.in_process(reason="sockets and servers have buffers of their own")
@pytest.mark.usefixtures("_looking_often")
def test_ctrl_c_in_a_send_that_waits_has_sent_the_message(opening: Opener) -> None:
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await accept(send)
        await gate.wait()
        await say(send, str(len((await receive())["bytes"])))
        await receive()

    with opening(app) as client, client.websocket_connect("/") as session:
        stop = hook(session, "room", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            session.send_bytes(bytes(100_000))
        stop()
        in_the_loop(session, gate.open)
        assert session.receive_text() == "100000"


@pytest.mark.usefixtures("_looking_often")
def test_ctrl_c_in_the_handshake_is_a_disconnect_for_the_app(opening: Opener) -> None:
    story = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        if scope["path"] == "/echo":
            await echo(scope, receive, send)
            return
        await receive()
        press_ctrl_c()
        story(await receive())

    with opening(app) as client:
        with pytest.raises(KeyboardInterrupt):
            client.websocket_connect("/").__enter__()
        assert story.events == [{"type": "websocket.disconnect", "code": 1006}]
        with client.websocket_connect("/echo") as session:
            session.send_text("a")
            assert session.receive_text() == "a"


@pytest.mark.usefixtures("_looking_often")
@pytest.mark.in_process(on="hypercorn", reason="hypercorn tells of every close of the client as 1006")
def test_ctrl_c_when_the_block_is_left_ends_the_app_all_the_same(opening: Opener) -> None:
    story = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await accept(send)
        try:
            story((await receive())["code"])
            press_ctrl_c()
            await anyio.sleep_forever()
        finally:
            story("cleaned up")

    before = set(_tasks._running)
    with opening(app, disconnect_grace=0.05) as client:
        with pytest.raises(KeyboardInterrupt), client.websocket_connect("/") as session:
            pass
        assert session.done
    assert story.events == [1000, "cleaned up"]
    assert not _tasks._running - before


@pytest.mark.usefixtures("_looking_often")
@pytest.mark.in_process(on="hypercorn", reason="hypercorn tells of every close of the client as 1006")
def test_ctrl_c_in_the_block_closes_the_session(opening: Opener) -> None:
    story = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await accept(send)
        story((await receive())["code"])

    with opening(app) as client, pytest.raises(KeyboardInterrupt), client.websocket_connect("/") as session:
        hook(session, "wait_for_message", press_ctrl_c)
        session.receive()
    assert story.events == [1000]


INTERRUPTED = """
import sys, threading
from asgi_testkit import TestClient

async def app(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    print("inside", flush=True)
    print((await receive())["code"])

client = TestClient(app, backend=sys.argv[1], lifespan="off")
try:
    with client, client.websocket_connect("/") as session:
        session.send_text("go")
        session.receive()
except KeyboardInterrupt:
    print("interrupted")
client.close()
print(sorted(thread.name for thread in threading.enumerate() if not thread.daemon))
"""


@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
def test_a_program_that_is_interrupted_ends_by_itself(backend_name: str) -> None:
    command = [*PYTHON, "-c", INTERRUPTED, backend_name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        process.send_signal(signal.SIGINT)
        output, complaints = process.communicate(timeout=20)
    assert complaints == ""
    assert output.split("\n") == ["1000", "interrupted", "['MainThread']", ""]
    assert process.returncode == 0


def test_an_end_that_one_thread_has_heard_is_raised_by_the_next_send_of_another(opening: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await accept(send)
        await hang_up(send, code=3000)

    with opening(app) as client, client.websocket_connect("/") as session, ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: list(session)).result(5) == []
        with pytest.raises(WebSocketDisconnect, match="the application closed the connection") as caught:
            session.send_text("a")
        assert caught.value.code == 3000


def test_a_client_that_another_thread_closes_is_a_read_error(opening: Opener) -> None:
    errors: list[BaseException] = []
    connected = threading.Event()

    def converse() -> None:
        with suppress(httpx.ReadError), client.websocket_connect("/") as session:
            connected.set()
            try:
                session.receive(timeout=None)
            except BaseException as error:
                errors.append(error)
                raise

    for _ in range(5):
        connected.clear()
        with opening(echo) as client, ThreadPoolExecutor(1) as pool:
            future = pool.submit(converse)
            assert connected.wait(10)
            client.close()
            future.result(10)
    assert [type(error) for error in errors] == [httpx.ReadError] * 5
    assert all("the client was closed while it was using the connection" in str(error) for error in errors)
