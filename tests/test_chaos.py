"""Apps and clients that do anything, in any order: nothing hangs, nothing is left running, no error is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asgi_testkit import (
    ApplicationStuckError,
    ASGIProtocolError,
    AsyncClient,
    AsyncWebSocketSession,
    Message,
    Receive,
    Scope,
    Send,
    TestClient,
    WebSocketDisconnect,
    WebSocketSession,
)
from asgi_testkit._conversation import task as _tasks

from .backends import BACKENDS, Backend

pytestmark = pytest.mark.slow

START = {"type": "http.response.start", "status": 200, "headers": []}
LENGTH = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]}
BODY = {"type": "http.response.body", "body": b"abc", "more_body": True}
LAST = {"type": "http.response.body", "body": b"abc"}
END = {"type": "http.response.body"}
NONSENSE = {"type": "nonsense"}

app_steps = st.lists(
    st.sampled_from(["start", "length", "body", "last", "end", "nonsense", "receive", "pause", "raise", "hang"]),
    max_size=8,
)
client_steps = st.sampled_from(["get", "upload", "read", "one chunk", "leave", "raise", "cancel", "detach", "abandon"])


class OfTheAppError(Exception):
    """What an app raises here."""


class OfTheTestError(Exception):
    """What a test raises here."""


async def fail() -> None:
    raise OfTheAppError


async def take(
    steps: list[str], messages: Mapping[str, Message], deeds: Mapping[str, Any], send: Send, *, swallows: bool
) -> None:
    """Take the steps of an app, which are messages to send, or deeds."""
    for step in steps:
        try:
            await (send(messages[step]) if step in messages else deeds[step]())
        except ASGIProtocolError:
            if not swallows:
                raise


def app_of(steps: list[str], *, swallows: bool) -> Any:
    """Return an app that takes these steps; one that swallows goes on after an error of `send`."""
    messages: dict[str, Message] = {
        "start": START,
        "length": LENGTH,
        "body": BODY,
        "last": LAST,
        "end": END,
        "nonsense": NONSENSE,
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        deeds = {"receive": receive, "pause": anyio.lowlevel.checkpoint, "raise": fail, "hang": anyio.sleep_forever}
        await take(steps, messages, deeds, send, swallows=swallows)

    return app


async def chunks() -> Any:
    await anyio.lowlevel.checkpoint()
    yield b"one"
    await anyio.lowlevel.checkpoint()
    yield b"two"


async def act(client: AsyncClient, step: str, rounds: int) -> None:
    if step in {"get", "detach"}:
        await client.get("/")
    elif step == "upload":
        await client.post("/", content=chunks())
    elif step == "abandon":
        await client.send(client.build_request("GET", "/"), stream=True)
    elif step == "cancel":
        async with anyio.create_task_group() as group:
            group.start_soon(client.get, "/")
            for _ in range(rounds):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    else:
        async with client.stream("GET", "/") as response:
            if step == "read":
                await response.aread()
            elif step == "one chunk" and response.status_code == 200:
                async with aclosing(response.stream.__aiter__()) as parts:  # type: ignore[type-var, union-attr]
                    await anext(parts, None)
            elif step == "raise":
                raise OfTheTestError
            await anyio.lowlevel.checkpoint()


async def run(steps: list[str], step: str, rounds: int, options: dict[str, Any], *, swallows: bool) -> None:
    before = set(_tasks._running)
    with anyio.fail_after(10):
        try:
            async with AsyncClient(
                app_of(steps, swallows=swallows), lifespan="off", timeout=0.02, disconnect_grace=0.01, **options
            ) as client:
                await act(client, step, rounds)
        except* (OfTheAppError, OfTheTestError, ASGIProtocolError, httpx.ReadTimeout, httpx.RemoteProtocolError):
            pass  # any of these may be what comes of it
    assert not client._core.transport.unsettled
    assert not _tasks._running - before


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=app_steps,
    step=client_steps,
    rounds=st.integers(0, 6),
    raises=st.booleans(),
    swallows=st.booleans(),
    write_buffer=st.sampled_from([0, 4, 65536]),
    version=st.sampled_from(["2.3", "2.4"]),
)
@example(steps=["body"], step="get", rounds=0, raises=True, swallows=False, write_buffer=0, version="2.3")
@example(steps=["body"], step="get", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["raise"], step="upload", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["receive"] * 3, step="upload", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["start"], step="read", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["start", "body"], step="one chunk", rounds=0, raises=True, swallows=True, write_buffer=9, version="2.3")
@example(steps=["start"], step="raise", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["start"], step="leave", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["start"], step="abandon", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["hang"], step="cancel", rounds=2, raises=True, swallows=True, write_buffer=0, version="2.3")
def test_whatever_happens_it_ends_and_says_how(
    backend: Backend,
    steps: list[str],
    step: str,
    rounds: int,
    raises: bool,
    swallows: bool,
    write_buffer: int,
    version: str,
) -> None:
    options = {
        "raise_server_exceptions": raises,
        "write_buffer": write_buffer,
        "background": "detach" if step == "detach" else "wait",
        "scope": {"asgi": {"version": "3.0", "spec_version": version}},
    }

    async def main() -> None:
        await run(steps, step, rounds, options, swallows=swallows)

    anyio.run(main, backend=backend.name, backend_options=backend.options)


# WebSockets

ACCEPT = {"type": "websocket.accept"}
BAD_ACCEPT = {"type": "websocket.accept", "subprotocol": "not offered"}
CLOSE = {"type": "websocket.close", "code": 3000, "reason": "the app's"}
DENIAL = {"type": "websocket.http.response.start", "status": 403}
DENIAL_BODY = {"type": "websocket.http.response.body", "body": b"abc", "more_body": True}
DENIAL_END = {"type": "websocket.http.response.body"}

socket_app_steps = st.lists(
    st.sampled_from(
        [
            *("text", "bytes", "long", "receive", "pause", "close", "raise", "hang", "echo"),
            *("accept", "bad accept", "deny", "deny more", "denied", "nonsense"),
        ]
    ),
    max_size=8,
)
#: Most conversations should get further than the handshake.
socket_apps = st.one_of(
    socket_app_steps,
    socket_app_steps.map(lambda steps: ["accept", *steps]),
    socket_app_steps.map(lambda steps: ["receive", "accept", *steps]),
)
socket_steps = st.lists(
    st.sampled_from(
        [
            *("text", "bytes", "long", "receive", "receive text", "iterate", "pause", "drop"),
            *("close", "abort", "wait", "raise", "leave"),
        ]
    ),
    max_size=6,
)


class Told:
    """What either end has said and heard. Its messages are numbers, in the text or in the length of the bytes."""

    def __init__(self) -> None:
        self.said = 0
        self.heard: list[int] = []

    def data(self, kind: str) -> str | bytes:
        """Return the next message to send."""
        self.said += 1
        return str(self.said) if kind == "text" else bytes(self.said + (40_000 if kind == "long" else 0))

    def hear(self, data: str | bytes) -> None:
        self.heard.append(int(data) if isinstance(data, str) else len(data) % 40_000)


def socket_app_of(steps: list[str], told: Told, *, swallows: bool) -> Any:
    """Return an app that takes these steps; one that swallows goes on after an error of `send`."""
    messages: dict[str, Message] = {
        "accept": ACCEPT,
        "bad accept": BAD_ACCEPT,
        "close": CLOSE,
        "nonsense": NONSENSE,
        "deny": DENIAL,
        "deny more": DENIAL_BODY,
        "denied": DENIAL_END,
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def hear() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                told.hear(message["text"] if "text" in message else message["bytes"])
            return message

        async def say(kind: str) -> None:
            data = told.data(kind)
            try:
                await send({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})
            except ASGIProtocolError:  # a message that is refused was never sent
                told.said -= 1
                raise

        async def echo() -> None:
            while (await hear())["type"] != "websocket.disconnect":
                await say("text")

        deeds: dict[str, Any] = {
            "receive": hear,
            "pause": anyio.lowlevel.checkpoint,
            "raise": fail,
            "hang": anyio.sleep_forever,
            **{kind: partial(say, kind) for kind in ("text", "bytes", "long")},
            "echo": echo,
        }
        await take(steps, messages, deeds, send, swallows=swallows)

    return app


#: What a session may raise, whatever happens. RuntimeError: the test has ended it, as its text says.
MAY_COME = (
    *(OfTheAppError, ASGIProtocolError, WebSocketDisconnect, TimeoutError, TypeError, ValueError),
    *(httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.RemoteProtocolError, RuntimeError),
)


def check(error: BaseException) -> None:
    """Check that an error is one that may come, and says what its type does not."""
    assert not isinstance(error, ApplicationStuckError)
    if type(error) in {TypeError, ValueError}:
        assert "It is not lost" in str(error)
    if type(error) is RuntimeError:
        assert "the test has ended this session" in str(error)


async def converse(session: AsyncWebSocketSession, steps: list[str], told: Told) -> None:
    for step in steps:
        try:
            if step in {"text", "bytes", "long"}:
                await session.send(told.data(step))
            elif step == "receive":
                message = await session.receive()
                told.hear(message["text"] if "text" in message else message["bytes"])
            elif step == "receive text":
                told.hear(await session.receive_text())
            elif step == "iterate":
                async for data in session:
                    told.hear(data)
            elif step == "drop":
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    told.hear(await session.receive_text())
            elif step == "raise":
                raise OfTheTestError
            elif step == "leave":
                return
            elif step == "wait":
                await session.wait(0.002)
            elif step == "pause":
                await anyio.lowlevel.checkpoint()
            else:
                await (session.close if step == "close" else session.abort)()
        except MAY_COME as error:
            check(error)


def converse_blocking(session: WebSocketSession, steps: list[str], told: Told) -> None:
    for step in steps:
        try:
            if step in {"text", "bytes", "long"}:
                session.send(told.data(step))
            elif step == "receive":
                message = session.receive()
                told.hear(message["text"] if "text" in message else message["bytes"])
            elif step == "receive text":
                told.hear(session.receive_text())
            elif step == "iterate":
                for data in session:
                    told.hear(data)
            elif step == "drop":
                told.hear(session.receive_text(timeout=0))
            elif step == "raise":
                raise OfTheTestError
            elif step == "leave":
                return
            elif step == "wait":
                session.wait(0.002)
            elif step != "pause":
                (session.close if step == "close" else session.abort)()
        except MAY_COME as error:
            check(error)


def check_order(app: Told, test: Told) -> None:
    """Check that each end has heard what the other said, from the beginning and without a gap."""
    assert app.heard == list(range(1, len(app.heard) + 1))
    assert sorted(test.heard) == list(range(1, len(test.heard) + 1))
    assert len(app.heard) <= test.said
    assert len(test.heard) <= app.said


conversations = given(
    steps=socket_apps,
    tests=st.lists(socket_steps, min_size=1, max_size=2),
    raises=st.booleans(),
    swallows=st.booleans(),
    write_buffer=st.sampled_from([0, 40, 65536]),
    detached=st.booleans(),
    version=st.sampled_from(["2.3", "2.4"]),
)


def such_as(app: str, test: str) -> Any:
    """Return an example of a conversation, its steps separated by commas."""
    return example(
        steps=app.split(", "),
        tests=[test.split(", ")],
        raises=True,
        swallows=False,
        write_buffer=65536,
        detached=False,
        version="2.4",
    )


def of_conversations(function: Any) -> Any:
    """Have a test try many conversations, each kind of step among them."""
    decorated = conversations(function)
    for app, test in (
        ("accept, text, bytes, hang", "receive, receive text, receive"),
        ("accept, bytes, text, close", "receive, iterate"),
        ("accept, bytes, hang", "drop, pause, wait, receive"),
        ("accept, echo", "text, bytes, long, receive text, raise"),
        ("accept, text, raise", "abort, text, receive"),
        ("accept, pause, bad accept", "close, iterate, leave"),
        ("deny, deny more, denied, nonsense", "leave"),
    ):
        decorated = such_as(app, test)(decorated)
    return decorated


def socket_options(*, raises: bool, write_buffer: int, detached: bool, version: str) -> dict[str, Any]:
    return {
        "raise_server_exceptions": raises,
        "write_buffer": write_buffer,
        "background": "detach" if detached else "wait",
        "scope": {"asgi": {"version": "3.0", "spec_version": version}},
        "timeout": 0.003,
        "disconnect_grace": 0.002,
    }


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@of_conversations
@example(
    steps=["text", "accept", "text"],
    tests=[["receive"]],
    raises=False,
    swallows=True,
    write_buffer=0,
    detached=False,
    version="2.3",
)
def test_however_they_converse_it_ends_and_says_how(
    backend: Backend, steps: list[str], tests: list[list[str]], swallows: bool, **options: Any
) -> None:
    app, test = Told(), Told()

    async def main() -> None:
        before = set(_tasks._running)
        with anyio.fail_after(10):
            try:
                async with (
                    AsyncClient(
                        socket_app_of(steps, app, swallows=swallows), lifespan="off", **socket_options(**options)
                    ) as client,
                    client.websocket_connect("/") as session,
                    anyio.create_task_group() as group,
                ):
                    for each in tests:
                        group.start_soon(converse, session, each, test)
            except* (OfTheTestError, *MAY_COME) as errors:
                for error in errors.exceptions:
                    check(error)
        assert not client._core.transport.unsettled
        assert not _tasks._running - before

    anyio.run(main, backend=backend.name, backend_options=backend.options)
    check_order(app, test)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@of_conversations
def test_however_threads_converse_it_ends_and_says_how(
    backend: Backend, steps: list[str], tests: list[list[str]], swallows: bool, **options: Any
) -> None:
    app, test = Told(), Told()
    client = TestClient(
        socket_app_of(steps, app, swallows=swallows),
        backend=backend.name,
        backend_options=backend.options,
        **socket_options(**options),
    )
    try:
        try:
            with client.websocket_connect("/") as session:
                for each in tests:
                    converse_blocking(session, each, test)
        finally:
            client.close()
    except (OfTheTestError, *MAY_COME) as error:
        check(error)
    assert not client._core.transport.unsettled
    check_order(app, test)
