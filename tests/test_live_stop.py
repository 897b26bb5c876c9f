"""How a server stops, whatever its clients are about: soon, and nothing is left; and nothing was changed meanwhile."""

from __future__ import annotations

import gc
import logging
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from asgi_testkit import ApplicationStuckError, AsyncClient, LiveServer, Receive, Scope, Send
from asgi_testkit._conversation import task
from asgi_testkit._live.serving import TIME_TO_CLOSE, Serving

from .messages import accept, body, echo, hello, start
from .places import STURDY_PLACES, Guest, Place, handshake, refused, visiting

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("servers_say_nothing"),
    pytest.mark.in_process(reason="it says itself where it runs"),
]

#: For what makes a server close a connection: see `STURDY_PLACES`.
where_connections_are_closed = pytest.mark.parametrize("place", STURDY_PLACES, indirect=True, ids=str)

#: Seconds that an app has in these tests.
GRACE = 0.05

#: Seconds that a stop may take on a machine that is busy. Without an end of ours, it would take servers 600.
SOON = 15


@pytest.fixture
def anyio_backend(place: Place) -> tuple[str, dict[str, Any]]:
    return place.backend.name, place.backend.options


def sockets() -> set[tuple[str, int]]:
    """Return the sockets of this process. Whatever else it opens, as libuv does once a loop, is not a server's."""
    found = set()
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - names are all that is wanted
        with suppress(OSError):  # that of the folder itself is closed by now
            status = os.fstat(int(name))
            if stat.S_ISSOCK(status.st_mode):
                found.add((name, status.st_ino))
    return found


def tasks() -> int:
    """Return how many tasks there are in the running loop."""
    if "trio" in sys.modules and sys.modules["trio"].lowlevel.in_trio_run():
        living: int = sys.modules["trio"].lowlevel.current_statistics().tasks_living
        return living
    return len(sys.modules["asyncio"].all_tasks())


def settings() -> tuple[Any, ...]:
    """Return how signals are handled, and how loggers are set up."""
    loggers: dict[str, Any] = {**logging.Logger.manager.loggerDict, "": logging.getLogger()}
    return (
        [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)],
        {
            name: (each.level, each.propagate, each.disabled, list(each.handlers), list(each.filters))
            for name, each in loggers.items()
            if isinstance(each, logging.Logger)
        },
        logging.getLoggerClass(),
        logging.raiseExceptions,
    )


@contextmanager
def nothing_left() -> Iterator[None]:
    """Check that the block leaves no tasks, nothing open, and signals and loggers as they were."""
    gc.collect()
    before = tasks(), sockets(), settings()
    yield
    assert (tasks(), sockets()) == before[:2]
    handlers, loggers, *others = settings()
    assert [handlers, *others] == [before[2][0], *before[2][2:]]
    for name, state in loggers.items():  # one that is new is as it is made
        assert state == before[2][1].get(name, (logging.NOTSET, True, False, [], []))


class App:
    """An app with something for each kind of guest, which tells when it has been reached."""

    def __init__(self) -> None:
        self.reached = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["path"]:
            case "/idle":
                await hello(scope, receive, send)
            case "/body":
                await receive()
                self.reached.set()
                await receive()
            case "/stream":
                await start(send)
                await body(send, b"part", more=True)
                await anyio.sleep_forever()
            case "/flood":
                await start(send)
                while True:
                    await body(send, b"x" * 65536, more=True)
                    self.reached.set()
            case "/chat":
                await receive()
                await accept(send)
                await receive()
            case _:
                await receive()
                await accept(send)
                await anyio.sleep_forever()


async def idle(app: App, guest: Guest) -> None:
    await guest.say("GET /idle HTTP/1.1", "Host: localhost")
    await guest.hear(b"0\r\n\r\n")


async def silent(app: App, guest: Guest) -> None:
    await anyio.lowlevel.checkpoint()


async def half_a_head(app: App, guest: Guest) -> None:
    await guest.say("GET /idle HTTP/1.1")


async def half_a_body(app: App, guest: Guest) -> None:
    await guest.say("POST /body HTTP/1.1", "Host: localhost", "Content-Length: 10", body=b"half")
    await app.reached.wait()


async def streaming(app: App, guest: Guest) -> None:
    await guest.say("GET /stream HTTP/1.1", "Host: localhost")
    await guest.hear(b"part")


async def flooded(app: App, guest: Guest) -> None:
    await guest.say("GET /flood HTTP/1.1", "Host: localhost")
    await app.reached.wait()


async def chatting(app: App, guest: Guest) -> None:
    await guest.say(*handshake("/chat"))
    await guest.hear(b"\r\n\r\n")


async def unheard(app: App, guest: Guest) -> None:
    await guest.say(*handshake("/deaf"))
    await guest.hear(b"\r\n\r\n")


GUESTS = [idle, silent, half_a_head, half_a_body, streaming, flooded, chatting, unheard]


@pytest.mark.parametrize(
    "guests", [*([each] for each in GUESTS), GUESTS], ids=lambda g: g[0].__name__ if len(g) == 1 else "all"
)
async def test_a_server_stops_whatever_its_guests_are_about(place: Place, guests: Any) -> None:
    await anyio.to_thread.run_sync(bool)  # what this starts, once a loop, is not the server's
    with nothing_left():
        app = App()
        handlers = settings()[0]
        server = LiveServer(app, place.server, lifespan="off", disconnect_grace=GRACE)
        await server.__aenter__()
        port = server.port
        assert settings()[0] == handlers
        came = []
        for behave in guests:
            came.append(await visiting(port))
            await behave(app, came[-1])
        begun = anyio.current_time()
        await server.__aexit__()
        assert anyio.current_time() - begun < SOON
        refused(port)
        for guest in came:
            with anyio.fail_after(SOON):
                await guest.hear_all()  # all have been hung up on
            await guest.leave()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_uvicorn_stops_where_connections_cannot_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Serving, "_cut_connections", lambda self: None)  # as it is elsewhere than on Unix
    app = App()
    server = LiveServer(app, "uvicorn", lifespan="off", disconnect_grace=GRACE)
    await server.__aenter__()
    guest = await visiting(server.port)
    await flooded(app, guest)
    begun = anyio.current_time()
    await server.__aexit__()
    assert anyio.current_time() - begun < SOON
    await guest.leave()


def test_a_stop_has_half_a_second_besides_the_grace() -> None:
    assert 2 * TIME_TO_CLOSE <= 0.5


@pytest.mark.parametrize("path", ["/stream", "/flood", "/body", "/chat", "/deaf"])
async def test_a_cancelled_client_leaves_nothing(place: Place, path: str) -> None:
    async def use(client: AsyncClient) -> None:
        if path in {"/chat", "/deaf"}:
            async with client.websocket_connect(path):
                used.set()
                await anyio.sleep_forever()
        async with client.stream("POST" if path == "/body" else "GET", path):
            used.set()
            await anyio.sleep_forever()

    await anyio.to_thread.run_sync(bool)
    with nothing_left():
        app = App()
        used = app.reached if path == "/body" else anyio.Event()
        async with anyio.create_task_group() as group:

            async def enter() -> None:
                async with AsyncClient(app, live=place.server, lifespan="off", disconnect_grace=GRACE) as client:
                    await use(client)

            group.start_soon(enter)
            await used.wait()
            group.cancel_scope.cancel()


async def test_a_stop_that_is_cancelled_shortens_the_grace_and_leaves_nothing(place: Place) -> None:
    await anyio.to_thread.run_sync(bool)
    with nothing_left():
        app = App()
        server = LiveServer(app, place.server, lifespan="off", disconnect_grace=600)
        await server.__aenter__()
        guest = await visiting(server.port)
        await streaming(app, guest)
        begun = anyio.current_time()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await server.__aexit__()
        assert anyio.current_time() - begun < SOON
        await guest.leave()


async def test_a_server_that_does_not_stop_by_itself_is_cancelled(place: Place) -> None:
    @asynccontextmanager
    async def server(app: Any, sock: Any) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await anyio.sleep_forever()

    begun = anyio.current_time()
    async with AsyncClient(hello, live=server, lifespan="off"):
        pass
    assert anyio.current_time() - begun < SOON


class Stubborn:
    """A server that does not stop. It is no generator: those that are abandoned are told of when they are collected."""

    def __init__(self, app: Any, sock: Any) -> None:
        pass

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *reason: object) -> None:
        with anyio.CancelScope(shield=True):
            while True:
                with suppress(anyio.get_cancelled_exc_class()):  # asyncio's own passes through the shield
                    await anyio.sleep_forever()


async def test_a_server_that_cannot_even_be_cancelled_is_abandoned(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "CANCEL_TIMEOUT", 0.1)
    with pytest.raises(ApplicationStuckError, match=r"^the server, Stubborn, was cancelled, and 0\.1 seconds later it"):
        async with AsyncClient(hello, live=Stubborn, lifespan="off"):
            pass


# Many


@where_connections_are_closed
async def test_sixty_failures_at_once_each_reach_their_own_request(place: Place) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        here.append(scope["path"])
        if len(here) == len(errors):
            all_here.set()
        await all_here.wait()
        raise errors[scope["path"]]

    async def fail(path: str, error: Exception) -> None:
        with pytest.raises(LookupError) as caught:
            await client.get(path)
        assert caught.value is error

    all_here = anyio.Event()
    errors = {f"/{n}": LookupError(n) for n in range(60)}
    here: list[str] = []
    await anyio.to_thread.run_sync(bool)
    with nothing_left():
        async with (
            AsyncClient(app, live=place.server, lifespan="off", timeout=30) as client,
            anyio.create_task_group() as group,
        ):
            for path, error in errors.items():
                group.start_soon(fail, path, error)


@pytest.mark.slow
@where_connections_are_closed
async def test_a_thousand_requests_and_two_hundred_sessions_leave_nothing(place: Place) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (hello if scope["type"] == "http" else echo)(scope, receive, send)

    await anyio.to_thread.run_sync(bool)
    with nothing_left():
        async with AsyncClient(app, live=place.server, lifespan="off", timeout=30) as client:
            before = tasks() + len(sockets())
            for n in range(1000):
                assert (await client.get(f"/{n}")).text == "hello"
            for n in range(200):
                async with client.websocket_connect("/") as session:
                    await session.send_text(str(n))
                    assert await session.receive_text() == str(n)
            assert tasks() + len(sockets()) < before + 20  # those of a few whose end is still under way
