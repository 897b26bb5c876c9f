"""LiveServer, servers that fail, and guests: clients of a server that are none of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from socket import SO_LINGER, SOL_SOCKET, socket
from struct import pack
from typing import Any

import anyio
import httpcore
import httpx
import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect

from asgi_testkit import (
    ApplicationStuckError,
    AsyncClient,
    LifespanError,
    LifespanManager,
    LiveServer,
    LiveServerError,
    Message,
    Receive,
    Scope,
    Send,
    WrongEventLoopError,
)
from asgi_testkit import WebSocketDisconnect as Disconnect
from asgi_testkit._conversation import observer, task
from asgi_testkit._live import serving
from asgi_testkit._record.recorder import Recorder
from asgi_testkit._record.transcript import transcript

from .messages import accept, body, echo, hang_up, hello, start
from .places import SERVERS, STURDY_PLACES, Place, handshake, port_of, refused, visiting

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("servers_say_nothing"),
    pytest.mark.in_process(reason="it says itself where it runs"),
]

#: For what makes a server close a connection: see `STURDY_PLACES`.
where_connections_are_closed = pytest.mark.parametrize("place", STURDY_PLACES, indirect=True, ids=str)


@pytest.fixture
def anyio_backend(place: Place) -> tuple[str, dict[str, Any]]:
    return place.backend.name, place.backend.options


def outside() -> httpx.AsyncClient:
    """Return a client that is none of ours."""
    return httpx.AsyncClient(trust_env=False)


class App:
    """An app with a lifespan, which notes what happens and fails at some paths."""

    def __init__(self) -> None:
        self.story: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.story.append("started")
            scope["state"]["story"] = self.story
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.story.append("stopped")
            await send({"type": "lifespan.shutdown.complete"})
            return
        assert scope["state"]["story"] is self.story
        self.story.append(f"{scope['root_path']}{scope['path']}")
        if scope["path"].startswith("/fails"):
            raise ZeroDivisionError(scope["path"])
        await start(send)
        await body(send, b"hello")


# A LiveServer


async def test_an_app_is_served_inside_the_block(place: Place) -> None:
    app = App()
    server = LiveServer(app, place.server, root_path="/behind")
    assert repr(server) == f"<LiveServer of {app!r}, not running>"
    async with server, outside() as guest:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert repr(server) == f"<LiveServer of {app!r}, at {server.url}>"
        assert server.state == {"story": app.story}
        assert (await guest.get(server.url)).text == "hello"
        port = server.port
        with pytest.raises(RuntimeError, match="runs already"):
            await server.__aenter__()
    assert app.story[0] == "started"
    assert app.story[1].startswith("/behind")
    assert app.story[2] == "stopped"
    refused(port)
    with pytest.raises(RuntimeError, match="a URL inside its `with`"):
        server.url  # noqa: B018
    async with server:  # once more
        assert server.port


async def test_the_app_of_a_lifespan_manager_is_not_started_twice(place: Place) -> None:
    app = App()
    async with LifespanManager(app) as running:
        async with LiveServer(running.app, place.server) as server, outside() as guest:
            assert (await guest.get(server.url)).text == "hello"
            assert server.state == {"story": app.story}
        assert "stopped" not in app.story


@where_connections_are_closed
async def test_what_guests_make_an_app_raise_is_raised_at_the_end(place: Place) -> None:
    app = App()
    with pytest.raises(ZeroDivisionError, match="/fails/1") as caught:
        async with LiveServer(app, place.server) as server, outside() as guest:
            for path in ("/fails/1", "/", "/fails/2"):
                assert (await guest.get(server.url + path)).status_code == (500 if path != "/" else 200)
    [note] = caught.value.__notes__
    assert "/fails/2" in note
    assert app.story[-1] == "stopped"


@where_connections_are_closed
async def test_it_is_told_beside_what_is_under_way(place: Place) -> None:
    with pytest.raises(LookupError) as caught:
        async with LiveServer(App(), place.server) as server, outside() as guest:
            await guest.get(f"{server.url}/fails")
            raise LookupError("of the test")
    assert "ZeroDivisionError" in "".join(caught.value.__notes__)


@where_connections_are_closed
async def test_a_client_s_guests_are_told_of_when_it_is_left(place: Place) -> None:
    app = App()
    with pytest.raises(ZeroDivisionError, match="/fails/1"):
        async with AsyncClient(app, live=place.server) as client, outside() as guest:
            assert (await client.get("/")).text == "hello"
            await guest.get(f"http://127.0.0.1:{port_of(client)}/fails/1")
            assert (await client.get("/")).text == "hello"
    assert app.story == ["started", "/", "/fails/1", "/", "stopped"]
    with pytest.raises(LookupError) as caught:
        async with AsyncClient(app, live=place.server) as client, outside() as guest:
            await guest.get(f"http://127.0.0.1:{port_of(client)}/fails/2")
            raise LookupError("of the test")
    assert "ZeroDivisionError" in "".join(caught.value.__notes__)


@where_connections_are_closed
async def test_what_is_no_exception_does_not_end_the_server(place: Place) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/end":
            raise SystemExit(3)
        await hello(scope, receive, send)

    with pytest.raises(RuntimeError, match=r"raised SystemExit\(3\)") as caught:
        async with LiveServer(app, place.server, lifespan="off") as server, outside() as guest:
            assert (await guest.get(f"{server.url}/end")).status_code == 500
            assert (await guest.get(server.url)).text == "hello"
    assert isinstance(caught.value.__cause__, SystemExit)


@where_connections_are_closed
async def test_a_browser_that_goes_is_no_failure(place: Place) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        await websocket.send_text("hello")
        try:
            await websocket.receive_text()
        except WebSocketDisconnect:
            gone.set()
            raise

    gone = anyio.Event()
    async with LiveServer(app, place.server, lifespan="off") as server:
        guest = await visiting(server.port)
        await guest.say(*handshake())
        await guest.hear(b"hello")
        await guest.leave()
        await gone.wait()


@where_connections_are_closed
async def test_a_header_of_ours_that_nobody_has_sent_calls_no_app(place: Place) -> None:
    app = App()
    async with AsyncClient(app, live=place.server) as client, outside() as guest:
        assert (await client.get("/")).text == "hello"
        late = {"x-asgi-testkit-exchange": "1"}  # that was the number of the request before
        for headers in (late, {"x-asgi-testkit-exchange": "none"}):
            assert (await guest.get(f"http://127.0.0.1:{port_of(client)}/", headers=headers)).status_code == 500
        assert (await client.get("/")).text == "hello"
    assert app.story == ["started", "/", "/", "stopped"]


async def test_guests_are_in_transcripts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Recorder()
    monkeypatch.setattr(observer, "current", listener)
    async with LiveServer(App(), place.server) as server, outside() as guest:
        await guest.post(f"{server.url}/page", content=b"sent")
    told = transcript(listener)
    assert "POST /page  ->  200" in told
    assert "http.response.body  hello" in told


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_server_may_be_in_a_thread(server: Any, backend: str) -> None:
    if (server, backend) == ("uvicorn", "trio"):
        with pytest.raises(ValueError, match="does not run on trio"):
            LiveServer(App(), server, backend=backend).__enter__()
        return
    app = App()
    with LiveServer(app, server, backend=backend) as live_server:
        assert httpx.get(live_server.url, trust_env=False).text == "hello"
        with pytest.raises(RuntimeError, match="runs already"):
            live_server.__enter__()
        port = live_server.port
    refused(port)
    assert app.story == ["started", "/", "stopped"]
    live_server.__exit__()  # does no harm
    with pytest.raises(ZeroDivisionError), live_server:
        httpx.get(f"{live_server.url}/fails", trust_env=False)


def test_a_server_is_stopped_in_the_loop_that_it_was_started_in() -> None:
    server = LiveServer(App())
    with asyncio.Runner() as runner, asyncio.Runner() as another:
        runner.run(server.__aenter__())
        with pytest.raises(WrongEventLoopError, match="LiveServer"):
            another.run(server.__aexit__())
        runner.run(server.__aexit__())


async def test_an_app_that_does_not_start_is_not_served(place: Place) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    server = LiveServer(app, place.server)
    with pytest.raises(LifespanError, match="no database"):
        await server.__aenter__()
    assert repr(server).endswith("not running>")


# Servers that fail


def fails(app: Any, sock: socket) -> Any:
    raise OSError("no more ports")


@asynccontextmanager
async def returns(app: Any, sock: socket) -> AsyncIterator[None]:
    for _ in range(0):
        yield  # pragma: no cover - it has to stand somewhere


@asynccontextmanager
async def ends(app: Any, sock: socket) -> AsyncIterator[None]:
    with anyio.CancelScope() as scope:
        scope.cancel()
        yield


@asynccontextmanager
async def breaks_down(app: Any, sock: socket) -> AsyncIterator[None]:
    async def serve() -> None:
        raise OSError("the disk is full")

    async with anyio.create_task_group() as group:
        group.start_soon(serve)
        yield


async def test_a_server_that_does_not_start_is_an_error_and_leaves_nothing(place: Place) -> None:
    server: Any
    for server, error in ((fails, "no more ports"), (returns, "generator didn't yield")):
        app = App()
        with pytest.raises((OSError, RuntimeError), match=error):
            await AsyncClient(app, live=server).__aenter__()
        with pytest.raises((OSError, RuntimeError), match=error):
            await LiveServer(app, server).__aenter__()
        with pytest.raises((OSError, RuntimeError), match=error):
            await AsyncClient(app, live=server).get("/")
        assert app.story == ["started", "stopped"] * 2


@pytest.mark.parametrize("raises", [True, False])
async def test_a_server_that_ends_too_soon_is_an_error_of_its_own(place: Place, raises: bool) -> None:
    server: Any
    for server, trouble in ((ends, "which has ended, broke"), (breaks_down, "which has ended with .*the disk is full")):
        app = App()
        async with AsyncClient(app, live=server, raise_server_exceptions=raises) as client:
            for _ in range(2):
                with pytest.raises(LiveServerError, match=f"the server, {server.__name__}, {trouble}"):
                    await client.get("/")
            with pytest.raises(LiveServerError, match=trouble):
                await client.websocket_connect("/").__aenter__()
        assert app.story == ["started", "stopped"]


class Rude:
    """A server of a few lines, on asyncio, which says something to whoever comes, and closes the connection."""

    def __init__(self, *says: bytes, call: bool = False) -> None:
        self.says = says
        self.call = call

    @asynccontextmanager
    async def __call__(self, app: Any, sock: socket) -> AsyncIterator[None]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            if self.call:
                headers = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in head[1:-2])]
                await app({"type": "http", "path": "/", "headers": headers}, None, ignore)
            writer.writelines(self.says)
            writer.close()

        async def ignore(message: Message) -> None:
            pass

        async with await asyncio.start_server(serve, sock=sock):
            yield


RUDE = {
    "nothing": Rude(),
    "half a head": Rude(b"HTTP/1.1 200 OK\r\nx: "),
    "half a body": Rude(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
    "garbage": Rude(b"220 smtp ready\r\n"),
    "half of what the app has said": Rude(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", call=True),
}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("says", RUDE)
async def test_a_server_that_breaks_off_by_itself_is_an_error_of_its_own(says: str, raises: bool) -> None:
    async with AsyncClient(hello, live=RUDE[says], lifespan="off", raise_server_exceptions=raises) as client:
        with pytest.raises(
            LiveServerError, match=r"<.*Rude .*>, broke off the connection: .*Error\(.* Its log may say"
        ):
            await client.get("/")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("says", ["nothing", "half a head", "garbage"])
async def test_so_it_is_in_a_handshake(says: str) -> None:
    async with AsyncClient(echo, live=RUDE[says], lifespan="off") as client:
        with pytest.raises(LiveServerError, match="broke off"):
            await client.websocket_connect("/").__aenter__()


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
async def test_anycorn_breaks_down_on_uvloop_when_it_closes_a_connection() -> None:
    """A fault of anycorn 0.20.1, pinned: it closes twice, and uvloop refuses the second ``write_eof()``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, status=413)
        await body(send, b"too much")

    async with AsyncClient(app, live="anycorn", lifespan="off") as client:
        guest = await visiting(port_of(client))
        await guest.say("POST / HTTP/1.1", "Host: localhost", "Content-Length: 100")
        await guest.hear(b"too much")
        with pytest.raises(LiveServerError, match=r"anycorn .* broke off the connection"):
            await client.get("/")
        with pytest.raises(LiveServerError, match=r"anycorn .*, which has ended with .*the handler is closed"):
            await client.get("/")
        await guest.leave()


class RudeSocket:
    """A server of a few lines, on asyncio, for one WebSocket: it says something, hears something, and is lost."""

    def __init__(self, says: bytes = b"", hears: int = 0) -> None:
        self.says = says
        self.hears = hears
        self.heard = b""

    @asynccontextmanager
    async def __call__(self, app: Any, sock: socket) -> AsyncIterator[None]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async def receive() -> Message:
                if not connected:
                    connected.append(True)
                    return {"type": "websocket.connect"}
                await lost.wait()
                return {"type": "websocket.disconnect", "code": 1006}

            async def send(message: Message) -> None:
                if message["type"] == "websocket.accept":
                    writer.write(
                        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                    )
                    writer.write(self.says)
                    accepted.set()

            connected: list[bool] = []
            accepted, lost = asyncio.Event(), asyncio.Event()
            head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            headers = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in head[1:-2])]
            async with asyncio.TaskGroup() as group:
                group.create_task(app({"type": "websocket", "path": "/", "headers": headers}, receive, send))
                await accepted.wait()
                self.heard = await reader.readexactly(self.hears)
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))  # so it is a reset
                writer.transport.abort()
                lost.set()

        async with await asyncio.start_server(serve, sock=sock):
            yield


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_pings_are_answered_and_a_session_that_is_lost_is_told_of() -> None:
    ping, pong, text = b"\x89\x02hi", b"\x8a\x00", b"\x81\x05hello"
    server = RudeSocket(ping + pong + text, hears=8)  # two bytes, a mask of four, and "hi"
    async with AsyncClient(echo, live=server, lifespan="off") as client, client.websocket_connect("/") as session:
        assert await session.receive_text() == "hello"
        with pytest.raises(LiveServerError, match=r"broke off the connection: .*no close frame"):
            await session.receive_text()
    assert server.heard[0] == 0x8A


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_session_that_the_server_closes_has_its_code() -> None:
    server = RudeSocket(b"\x88\x02\x03\xf4")  # as one does that restarts
    async with AsyncClient(echo, live=server, lifespan="off") as client, client.websocket_connect("/") as session:
        with pytest.raises(Disconnect) as caught:
            await session.receive_text()
    assert caught.value.code == 1012


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_code_of_the_app_is_known_where_its_close_is_lost() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await hang_up(send, code=4001, reason="enough")

    async with (
        AsyncClient(app, live=RudeSocket(), lifespan="off") as client,
        client.websocket_connect("/") as session,
    ):
        with pytest.raises(Disconnect) as caught:
            await session.receive_text()
    assert (caught.value.code, caught.value.reason) == (4001, "enough")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_server_may_answer_without_the_app() -> None:
    server = Rude(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno!")
    async with AsyncClient(hello, live=server, lifespan="off") as client:
        response = await client.get("/")
        assert (response.status_code, response.reason_phrase, response.text) == (400, "Bad Request", "no!")


async def test_a_server_that_never_starts_is_told_of(place: Place) -> None:
    async with anyio.create_task_group() as group:
        with pytest.raises(httpx.ReadTimeout, match="not called yet: its server has yet to start"):
            await AsyncClient(hello, live=never_starts).get("/", timeout=0.05)
        for client in (AsyncClient(hello, live=never_starts), LiveServer(hello, never_starts)):
            with anyio.move_on_after(0.01) as scope:
                await client.__aenter__()
            assert scope.cancelled_caught
        group.cancel_scope.cancel()


async def test_a_server_that_does_not_start_in_time_is_an_error(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "TIME_TO_START", 0.01)
    too_long = r"^the server, never_starts, has not started within 0\.01 seconds; it is "
    for client in (AsyncClient(hello, live=never_starts), LiveServer(hello, never_starts)):
        with pytest.raises(LiveServerError, match=too_long) as caught:
            await client.__aenter__()
        assert "in never_starts" in str(caught.value)


@asynccontextmanager
async def never_starts(app: Any, sock: socket) -> AsyncIterator[None]:
    await anyio.sleep_forever()
    yield  # pragma: no cover - it has to stand somewhere


# A server for the requests of a client that is not entered


async def test_requests_at_once_share_a_server(place: Place) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        ports.append(scope["server"][1])
        if len(ports) == 5:
            all_here.set()
        await all_here.wait()
        await hello(scope, receive, send)

    all_here = anyio.Event()
    ports: list[int] = []
    client = AsyncClient(app, live=place.server)
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(client.get, "/")
    assert len({*ports}) == 1
    refused(ports[0])
    await client.get("/")
    assert len({*ports}) == 2
    await client.aclose()


# What is abandoned, and what others do


@where_connections_are_closed
@pytest.mark.parametrize("entered", [True, False])
async def test_an_app_that_will_not_end_is_abandoned(
    place: Place, entered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/wait":
            waiting.set()
            await waiting_no_more.wait()
            await hello(scope, receive, send)
        while scope["path"] == "/" and not over:
            with suppress(anyio.get_cancelled_exc_class()):
                await anyio.sleep_forever()

    async def wait(client: AsyncClient) -> None:
        assert (await client.get("/wait")).text == "hello"

    over: list[int] = []
    waiting, waiting_no_more = anyio.Event(), anyio.Event()
    monkeypatch.setattr(task, "CANCEL_TIMEOUT", 0.1)
    client = AsyncClient(app, live=place.server, lifespan="off", disconnect_grace=0)
    if entered:
        await client.__aenter__()
    async with anyio.create_task_group() as group:
        group.start_soon(wait, client)
        await waiting.wait()
        with pytest.raises(httpx.ReadTimeout) as caught:
            await client.get("/", timeout=0.05)
        assert "has not ended" in "".join(caught.value.__notes__)
        waiting_no_more.set()
    with pytest.raises(httpx.ReadTimeout):  # with no other request at the same time
        await client.get("/", timeout=0.05)
    over.append(1)
    await client.aclose()


async def test_a_guest_s_app_that_will_not_end_is_abandoned(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        called.set()
        while True:
            with suppress(anyio.get_cancelled_exc_class()):
                await anyio.sleep_forever()

    called = anyio.Event()
    monkeypatch.setattr(task, "CANCEL_TIMEOUT", 0.1)
    server = LiveServer(app, place.server, lifespan="off", disconnect_grace=0)
    await server.__aenter__()
    guest = await visiting(server.port)
    await guest.say("GET / HTTP/1.1", "Host: localhost")
    await called.wait()
    with pytest.raises(ApplicationStuckError, match="test_a_guest_s_app_that_will_not_end"):
        await server.__aexit__()
    await guest.leave()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_client_that_is_dropped_says_that_its_server_runs() -> None:
    client = await AsyncClient(hello, live="uvicorn", lifespan="off").__aenter__()
    with pytest.warns(ResourceWarning, match="AsyncClient was not closed; still running: its server"):
        client.__del__()
    await client.aclose()
    server = LiveServer(hello)
    await server.__aexit__()  # which was never entered


async def test_a_request_whose_body_fails_fails_with_that(place: Place) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        raise LookupError("the file is gone")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "http.request":
            pass

    async with AsyncClient(app, live=place.server, lifespan="off") as client:
        with pytest.raises(LookupError, match="the file is gone"):
            await client.post("/", content=chunks())


async def test_fakes_of_httpx_and_httpcore_are_not_met(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fake(*args: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", fake)
    monkeypatch.setattr(httpcore.AsyncConnectionPool, "handle_async_request", fake)
    async with AsyncClient(App(), live=place.server) as client:
        assert (await client.get("/")).text == "hello"
    with pytest.raises(AssertionError):
        await outside().get("http://127.0.0.1/")
