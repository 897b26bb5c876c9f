"""The steps of sessions: what each returns, raises and leaves, on both faces and among other tasks and threads."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio
import trio.testing
from dirty_equals import IsPartialDict

from asgi_testkit import AsyncClient, Receive, Scope, Send, TestClient, WebSocketDisconnect
from asgi_testkit._blocking.steps import finish
from asgi_testkit.starlette import TestClient as DropIn

from .cancelling import cancel_at_every_await
from .faces import Face, Opener, Socket
from .messages import accept, hang_up, say


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    """Send what it is told to: the strings of a list, and close, raise or return at the end of it."""
    assert scope["type"] == "websocket"
    await receive()
    await accept(send)
    while (message := await receive())["type"] == "websocket.receive":
        for word in json.loads(message["text"]):
            if word == "close":
                await hang_up(send, code=4001)
                return
            if word == "raise":
                raise LookupError("the app's own")
            await say(send, word)


@contextmanager
def connected(face: Face, app: Any = told, **options: Any) -> Iterator[Socket]:
    with face.bare(app, lifespan="off", **options) as client, client.connect("/told") as socket:
        yield socket


def tell(socket: Socket, *words: str) -> None:
    socket.send_text(json.dumps(words))


# expect


def test_expect_returns_the_next_message_if_it_fits(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, "one", "two", "three")
        assert socket.do("expect", "one") == "one"
        assert socket.do("expect", re.compile("^t")) == "two"
        assert socket.do("expect", lambda message: len(message) == 5) == "three"


def test_a_message_that_does_not_fit_stays_the_next_and_the_error_shows_it(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, "one", "two", "three")
        assert socket.receive_text() == "one"
        with pytest.raises(AssertionError) as caught:
            socket.do("expect", "three")
        lines = str(caught.value).splitlines()
        assert lines[:5] == [
            "WebSocket /told: the next message is 'two', which does not fit 'three'. It stays the next one.",
            "The last messages seen, in order (*: not received yet):",
            "    'one'",
            "  * 'two'",
            "The application is suspended at:",
        ]
        assert "await receive()" in str(caught.value)
        assert [socket.receive_text(), socket.receive_text()] == ["two", "three"]


def test_expect_waits_so_long_and_the_session_goes_on(face: Face) -> None:
    with connected(face) as socket:
        with pytest.raises(AssertionError, match=r"no message came within 0.01 seconds. The next message was to fit"):
            socket.do("expect", "x", within=0.01)
        with pytest.raises(AssertionError, match="No message has been seen"):
            socket.do("expect", "x", 0)
        tell(socket, "x")
        assert socket.do("expect", "x", within=None) == "x"


def test_a_close_is_an_assertion_that_tells_of_it(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, "one", "close")
        assert socket.do("expect", "one") == "one"
        socket.wait()
        with pytest.raises(AssertionError, match="can come any more: the application closed the connection") as caught:
            socket.do("expect", "x")
        assert isinstance(caught.value.__cause__, WebSocketDisconnect)
        assert caught.value.__cause__.code == 4001
        assert str(caught.value).endswith("The application has ended")
        with pytest.raises(WebSocketDisconnect):
            socket.receive()


@pytest.mark.parametrize("verb", ["expect", "find"])
def test_what_the_app_raises_is_raised_as_it_is(face: Face, verb: str) -> None:
    with connected(face) as socket:
        tell(socket, "raise")
        with pytest.raises(LookupError, match="the app's own"):
            socket.do(verb, "x")


def test_an_app_whose_errors_are_not_raised_is_told_of(face: Face) -> None:
    with connected(face, raise_server_exceptions=False) as socket:
        tell(socket, "raise")
        with pytest.raises(AssertionError, match=r"The application has ended: it raised LookupError\("):
            socket.do("find", "x")


def test_what_a_pattern_raises_is_raised_and_the_message_stays(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, "one")
        for verb in ("expect", "find"):
            with pytest.raises(ValueError, match="invalid literal"):
                socket.do(verb, lambda message: int(message) > 1)
        assert socket.receive_text() == "one"


@pytest.mark.parametrize("verb", ["expect", "find", "refute"])
def test_what_makes_no_sense_is_refused(face: Face, verb: str) -> None:
    with connected(face) as socket:
        with pytest.raises(TypeError, match="the class str is no pattern"):
            socket.do(verb, str, within=1)
        with pytest.raises(TypeError, match="within is in seconds"):
            socket.do(verb, "x", within="1")


# find


def test_find_returns_the_first_that_fits_and_leaves_the_others_in_order(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, "a1", "b1", "a2", "b2", "b3")
        assert socket.do("find", re.compile("b")) == "b1"
        assert socket.do("find", "b2") == "b2"
        assert [socket.receive_text() for _ in range(3)] == ["a1", "a2", "b3"]


def test_every_way_to_receive_reads_first_what_was_passed_over(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, "text", "5", "message", "x", "y", "z", "last", "close")
        assert socket.do("find", "last") == "last"
        assert socket.receive_text() == "text"
        assert socket.receive_json() == 5
        assert socket.receive() == {"type": "websocket.send", "text": "message"}
        with pytest.raises(TypeError, match="It is not lost"):
            socket.receive_bytes()
        assert list(socket) == ["x", "y", "z"]


def test_find_says_what_it_has_seen_when_nothing_fits_in_time(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, *map(str, range(30)))
        with pytest.raises(AssertionError, match=r"no message that fits 'x' came within 0.05 seconds") as caught:
            socket.do("find", "x", within=0.05)
        shown = [line for line in str(caught.value).splitlines() if line.startswith("  * ")]
        assert shown == [f"  * '{number}'" for number in range(10, 30)]
        assert [socket.receive_text() for _ in range(30)] == list(map(str, range(30)))


def test_find_at_the_end_says_that_nothing_more_can_come(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, "one", "close")
        with pytest.raises(AssertionError, match="no message that fits 'x' has come, and none can any more: the app"):
            socket.do("find", "x", within=None)
        assert socket.receive_text() == "one"


@pytest.mark.in_process(reason="a server has buffers of its own")
def test_what_find_passes_over_does_not_hold_the_app_back(face: Face) -> None:
    with connected(face, write_buffer=0) as socket:
        tell(socket, *"abcdef")
        assert socket.do("find", "f") == "f"
        assert [socket.receive_text() for _ in range(5)] == [*"abcde"]


async def talkative(scope: Scope, receive: Receive, send: Send) -> None:
    """Send for ever, as fast as it can."""
    await receive()
    await accept(send)
    while True:
        await say(send, "blah")
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("verb", ["find", "refute"])
def test_an_endless_flood_does_not_outlast_the_deadline(face: Face, verb: str) -> None:
    with connected(face, talkative) as socket:
        if verb == "refute":
            socket.do(verb, "x", within=0.02)
        else:
            with pytest.raises(AssertionError, match=r"within 0.02 seconds"):
                socket.do(verb, "x", within=0.02)
        assert socket.receive_text() == "blah"


# refute


def test_refute_is_content_if_nothing_that_fits_comes_and_what_comes_stays(face: Face) -> None:
    with connected(face) as socket:
        socket.do("refute", within=0.01)
        tell(socket, "one", "two")
        socket.do("refute", "x", within=0.05)
        assert [socket.receive_text(), socket.receive_text()] == ["one", "two"]


def test_refute_shows_what_has_come(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, "one", "two")
        with pytest.raises(AssertionError, match="no message that fits 'two' was to come, and 'two' came"):
            socket.do("refute", "two", within=5)
        with pytest.raises(AssertionError, match="no message was to come, and 'one' came"):
            socket.do("refute", within=5)
        assert [socket.receive_text(), socket.receive_text()] == ["one", "two"]


def test_the_end_is_nothing_that_comes(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, "close")
        socket.do("refute", within=None)


def test_an_app_that_raises_is_not_silent(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, "raise")
        with pytest.raises(LookupError):
            socket.do("refute", within=5)


# drain


def test_drain_returns_what_was_passed_over_and_what_is_here(face: Face) -> None:
    with connected(face) as socket:
        assert socket.do("drain") == []
        tell(socket, "a", "b", "c", "d")
        assert socket.do("find", "b") == "b"
        assert socket.do("drain", 0.05) == ["a", "c", "d"]
        assert socket.do("drain") == []


def test_drain_waits_until_it_is_quiet_or_the_end_comes(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        for number in range(3):
            await anyio.sleep(0.01)
            await say(send, str(number))
        await hang_up(send)

    with connected(face, app) as socket:
        assert socket.do("drain", quiet=None) == ["0", "1", "2"]
        assert socket.do("drain", quiet=5) == []


def test_drain_gives_up_where_it_does_not_become_quiet_and_what_came_stays(face: Face) -> None:
    with connected(face, talkative) as socket:
        with pytest.raises(AssertionError, match=r"messages still came after 0.02 seconds; it was never quiet"):
            socket.do("drain", 1, within=0.02)
        with pytest.raises(AssertionError, match="it was never at its end"):
            socket.do("drain", None, within=0.02)
        assert socket.receive_text() == "blah"


def test_drain_returns_what_came_before_the_app_raised_and_then_raises_that(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, "one", "raise")
        assert socket.do("drain", quiet=None) == ["one"]
        with pytest.raises(LookupError):
            socket.do("drain")


# JSON


def test_json_has_verbs_of_its_own(face: Face) -> None:
    with connected(face) as socket:
        tell(socket, '{"n": 1}', "no JSON", '{"n": 2, "m": 3}', '{"n": 4}')
        assert socket.do("expect_json", {"n": 1}) == {"n": 1}
        assert socket.do("find_json", IsPartialDict(n=2)) == {"n": 2, "m": 3}
        with pytest.raises(AssertionError, match="the next message is 'no JSON', which does not fit"):
            socket.do("expect_json", IsPartialDict())
        with pytest.raises(AssertionError, match=r"no message that fits \{'n': 4\} was to come, and '\{\"n\": 4\}'"):
            socket.do("refute_json", {"n": 4}, within=5)
        socket.do("refute_json", {"n": 1}, within=0)
        assert socket.receive_text() == "no JSON"
        assert socket.receive_json() == {"n": 4}


def test_bytes_are_matched_as_they_are_and_read_as_json(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        for data in (b"abc", b"[1]", b"\xff"):
            await say(send, data)
        await receive()

    with connected(face, app) as socket:
        assert socket.do("expect", re.compile(b"b")) == b"abc"
        assert socket.do("expect_json", [1]) == [1]
        with pytest.raises(AssertionError):
            socket.do("expect_json", 1)
        assert socket.do("expect", b"\xff") == b"\xff"


# Time


def test_within_is_one_deadline_on_the_clock_of_the_loop() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        while True:
            await anyio.sleep(3)
            await say(send, "tick")

    async def main() -> None:
        async with AsyncClient(app, lifespan="off").websocket_connect("/") as session:
            began = trio.current_time()
            with pytest.raises(AssertionError, match="within 10 seconds"):
                await session.find("tock", within=10)
            assert trio.current_time() - began == 10
            assert await session.drain() == ["tick"] * 3
            await session.refute(within=1)
            assert trio.current_time() - began == 11
            with pytest.raises(AssertionError, match="messages still came after 60 seconds"):
                await session.drain(4, within=60)
            assert trio.current_time() - began == 72
            assert await session.drain(2) == ["tick"] * 21
            assert trio.current_time() - began == 74

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


# Among other tasks


@pytest.mark.anyio
async def test_tasks_that_look_for_different_messages_each_get_theirs() -> None:
    found: dict[str, str | bytes] = {}
    async with AsyncClient(told, lifespan="off").websocket_connect("/") as session:

        async def look_for(letter: str) -> None:
            found[letter] = await session.find(re.compile(letter))

        async with anyio.create_task_group() as group:
            for letter in "dbeac":
                group.start_soon(look_for, letter)
            await anyio.wait_all_tasks_blocked()
            await session.send_text(json.dumps(["a", "x", "b", "c", "y", "d", "e"]))
        assert found == {letter: letter for letter in "abcde"}
        assert await session.drain() == ["x", "y"]


@pytest.mark.anyio
async def test_a_task_that_receives_gets_what_another_has_passed_over() -> None:
    received = []
    async with AsyncClient(told, lifespan="off").websocket_connect("/") as session:

        async def receive() -> None:
            received.append(await session.receive_text())

        async with anyio.create_task_group() as group:
            group.start_soon(session.find, "last")
            await anyio.wait_all_tasks_blocked()
            group.start_soon(receive)
            await anyio.wait_all_tasks_blocked()
            await session.send_text('["first", "last"]')
        assert received == ["first"]


@pytest.mark.anyio
async def test_two_that_expect_the_same_get_one_each_and_no_message_twice() -> None:
    got = []
    async with AsyncClient(told, lifespan="off").websocket_connect("/") as session:

        async def expect() -> None:
            got.append(await session.expect(re.compile(".")))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(expect)
            await anyio.wait_all_tasks_blocked()
            await session.send_text(json.dumps([*"abcde"]))
        assert sorted(got) == [*"abcde"]
        assert await session.drain() == []


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["by scope", "by task"])
async def test_a_step_that_is_cancelled_loses_nothing(how: str, anyio_backend: tuple[str, Any]) -> None:
    left: list[list[str | bytes]] = []

    async def steps() -> None:
        async with AsyncClient(told, lifespan="off").websocket_connect("/") as session:
            await session.send_text(json.dumps([*"abcd"]))
            taken: list[str | bytes] = []
            try:
                taken.append(await session.find("c"))
                await session.refute("x", within=0)
                taken += await session.drain()
                assert taken == [*"cabd"]
            except BaseException:
                arrivals = session._open.arrivals
                left.append(sorted([*taken, *arrivals]))
                raise

    assert await cancel_at_every_await(steps, how, anyio_backend, lambda: None) > 3
    assert left
    assert all([*"abcd"][: len(each)] == each for each in left)


@pytest.mark.anyio
async def test_a_step_is_a_checkpoint_though_the_message_is_here() -> None:
    async with AsyncClient(told, lifespan="off").websocket_connect("/") as session:
        await session.send_text('["a", "b"]')
        await session.find("b")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await session.expect("a")
        assert scope.cancelled_caught
        assert await session.expect("a") == "a"


# Among other threads


@pytest.mark.in_process(reason="the order in which a server sends is not the point")
def test_threads_that_look_for_different_messages_each_get_theirs(opening: Opener) -> None:
    found: dict[str, Any] = {}
    letters = [*"abcdefgh"]
    with opening(told, lifespan="off") as client, client.websocket_connect("/") as session:

        def look_for(letter: str) -> None:
            for _ in range(20):
                found[letter] = found.get(letter, "") + session.find(letter)

        threads = [threading.Thread(target=look_for, args=letter) for letter in letters]
        for thread in threads:
            thread.start()
        for _ in range(20):
            session.send_text(json.dumps(["-", *reversed(letters)]))
        for thread in threads:
            thread.join()
        assert found == {letter: letter * 20 for letter in letters}
        assert session.drain(0.05) == ["-"] * 20


def test_threads_that_expect_the_next_message_get_each_message_once(opening: Opener) -> None:
    got: list[Any] = []
    numbers = [str(number) for number in range(200)]
    with opening(told, lifespan="off") as client, client.websocket_connect("/") as session:

        def take() -> None:
            for _ in range(25):
                got.append(session.expect(re.compile(".")))
                got.append(session.receive_text())

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in numbers:
            session.send_text(json.dumps([number]))
        for thread in threads:
            thread.join()
    assert sorted(got, key=int) == numbers


def test_a_pattern_is_held_against_messages_in_the_thread_of_the_test(opening: Opener) -> None:
    seen = []

    def fits(message: str) -> bool:
        seen.append(threading.current_thread())
        return message == "b"

    with opening(told, lifespan="off") as client, client.websocket_connect("/") as session:
        session.send_text('["a", "b"]')
        assert session.find(fits) == "b"
    assert set(seen) == {threading.current_thread()}


@pytest.mark.parametrize("verb", ["expect", "find", "_next"])
def test_a_message_that_another_takes_meanwhile_is_left_to_it(verb: str) -> None:
    """As a thread may, between a look at the message and the moment in which it is taken."""
    others: list[str] = []

    with TestClient(told, lifespan="off").websocket_connect("/") as session:

        def look(message: str | bytes) -> str | bytes:
            if not others:
                others.append(session.receive_text())
            return message

        session.send_text('["a", "b"]')
        steps: dict[str, Any] = {"expect": session.expect, "find": session.find, "_next": session._next}
        assert steps[verb](look, 5) == "b"
    assert others == ["a"]


def test_what_is_here_can_be_expected_when_the_client_is_closed() -> None:
    client = TestClient(told, lifespan="off")
    with client, client.websocket_connect("/") as session:
        session.send_text('["a", "b", "c"]')
        assert session.find("c") == "c"
        client.close()
        assert session.expect("a") == "a"
        with pytest.raises(AssertionError, match="the next message is 'b'") as caught:
            session.expect("x")
    assert str(caught.value).endswith("The application has ended")


def test_a_step_of_a_blocking_test_does_not_suspend() -> None:
    """It would never go on."""

    async def suspended() -> None:
        await anyio.lowlevel.checkpoint()

    async def main() -> None:
        with pytest.raises(AssertionError, match="a step was suspended"):
            finish(suspended())

    anyio.run(main)


# The drop-in


def test_the_drop_in_s_session_has_the_steps_on_the_data_of_messages() -> None:
    with DropIn(told).websocket_connect("/") as session:
        session.send_text('["a", "{}", "b", "close"]')
        assert session.find("b") == "b"
        assert session.receive() == {"type": "websocket.send", "text": "a"}
        assert session.expect_json({}) == {}
        with pytest.raises(AssertionError, match=r"the next message is \{'type'"):
            session.expect_json({})
        assert len(session.drain()) == 1
        with pytest.raises(AssertionError, match="no message can come any more: the application closed"):
            session.expect("x")
