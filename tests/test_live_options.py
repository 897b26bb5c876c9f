"""Which servers there are, what of a client's options has no meaning on one, and TLS with HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from socket import SO_ACCEPTCONN, SOL_SOCKET, socket
from typing import Any

import anyio
import httpx
import pytest

from asgi_testkit import AsyncClient, LiveServer, Message, Receive, Scope, Send, TestClient, faults
from asgi_testkit._client.live import REFUSED
from asgi_testkit._conversation.loop import asyncio_runs
from asgi_testkit._live import servers

from .faces import Face
from .messages import body, hello, start
from .places import LIVE_FACES, SERVERS, LiveFace, Place, client_context, server_context

pytestmark = pytest.mark.in_process(reason="it says itself where it runs")

CLIENTS = [AsyncClient, TestClient]

#: A value of each option that is refused.
VALUES: dict[str, Any] = {
    "write_buffer": 0,
    "strict": True,
    "scope": {"a": 1},
    "asgi_extensions": {"http.response.trailers": {}},
    "faults": faults.SplitBody("empty"),
    "client": ("10.0.0.1", 1),
}


# Options that have no meaning


@pytest.mark.parametrize("client_class", CLIENTS)
@pytest.mark.parametrize("name", REFUSED)
def test_an_option_without_meaning_is_refused_and_says_why(client_class: Any, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}= has no meaning with live=: .* is ") as caught:
        client_class(hello, live="uvicorn", **{name: VALUES[name]})
    assert str(caught.value).endswith(REFUSED[name])


@pytest.mark.parametrize("client_class", CLIENTS)
def test_several_are_named_at_once(client_class: Any) -> None:
    with pytest.raises(ValueError, match="has no meaning") as caught:
        client_class(hello, live="uvicorn", base_url="https://testserver", **VALUES)
    told = str(caught.value).split("; ")
    assert sorted(each.partition("=")[0] for each in told) == sorted([*REFUSED, "live"])


@pytest.mark.parametrize("client_class", CLIENTS)
def test_an_option_that_says_nothing_is_not_refused(client_class: Any) -> None:
    client = client_class(hello, live="uvicorn", write_buffer=65536, strict=False, scope={}, faults=[])
    assert client._core.transport.gateway is not None
    assert client_class(hello, live=False)._core.transport.gateway is None
    assert client_class(hello)._core.transport.gateway is None


@pytest.mark.parametrize("name", sorted(set(REFUSED) - {"client", "asgi_extensions"}))
def test_so_is_an_option_of_a_request(name: str) -> None:
    with TestClient(hello, live="uvicorn", lifespan="off") as client:
        with pytest.raises(ValueError, match=rf'{{"asgi": {{"{name}": \.\.\.}}}} has no meaning with live=: .* is '):
            client.get("/", extensions={"asgi": {name: VALUES[name]}})
        assert client.get("/", extensions={"asgi": {"disconnect_grace": 0}}).text == "hello"


# Servers


@pytest.mark.parametrize("client_class", [*CLIENTS, LiveServer])
def test_a_server_that_nobody_knows_is_refused(client_class: Any) -> None:
    given: Callable[[Any], Any] = (
        (lambda live: LiveServer(hello, live))
        if client_class is LiveServer
        else lambda live: client_class(hello, live=live)
    )
    with pytest.raises(ValueError, match="one of uvicorn, hypercorn, anycorn, or what runs a server, not 'daphne'"):
        given("daphne")
    with pytest.raises(
        TypeError, match=r"name of a server \(uvicorn, hypercorn, anycorn\), or what runs one, not 8000"
    ):
        given(8000)


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_is_not_installed_says_how_to(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda name: None if name == server else find_spec(name))
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'asgi-testkit\[{server}\]'") as caught:
        AsyncClient(hello, live=server)
    assert caught.value.name == server


@pytest.mark.parametrize("server, package", [("uvicorn", "zttp"), ("hypercorn", "h2"), ("anycorn", "h2")])
def test_what_http2_needs_and_is_not_installed_is_named(
    server: Any, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda name: None if name == package else find_spec(name))
    with pytest.raises(ModuleNotFoundError, match=rf"HTTP/2 with live='{server}' needs .*: pip install {package}"):
        AsyncClient(hello, live=server, ssl=server_context(), base_url="https://testserver", http2=True)


def test_uvicorn_does_not_run_on_trio() -> None:
    async def main() -> None:
        with pytest.raises(
            ValueError, match=r'uvicorn .* does not run on trio: live="hypercorn" and live="anycorn" do'
        ):
            await AsyncClient(hello, live="uvicorn", lifespan="off").__aenter__()
        with pytest.raises(ValueError, match="does not run on trio"):
            await AsyncClient(hello, live="uvicorn").get("/")
        with pytest.raises(ValueError, match="does not run on trio"):
            await LiveServer(hello, lifespan="off").__aenter__()

    anyio.run(main, backend="trio")


def test_what_runs_a_server_is_given_the_app_and_a_socket_that_listens() -> None:
    @asynccontextmanager
    async def server(app: Any, sock: socket) -> AsyncIterator[None]:
        async def receive() -> Message:
            return {"type": "lifespan.startup"}

        async def send(message: Message) -> None:
            story.append(message["type"])

        host, _ = sock.getsockname()
        assert host == "127.0.0.1"
        assert sock.getsockopt(SOL_SOCKET, SO_ACCEPTCONN)
        await app({"type": "lifespan"}, receive, send)  # for servers that insist on it
        async with servers._uvicorn(app, sock, context=None, http2=False):
            yield
        story.append("stopped")

    async def main() -> None:
        async with AsyncClient(hello, live=server, lifespan="off") as client:
            assert (await client.get("/")).text == "hello"
        await AsyncClient(hello, live=server).get("/")

    story: list[str] = []
    anyio.run(main)
    assert story == ["lifespan.startup.complete", "lifespan.shutdown.complete", "stopped"] * 2


def test_uvicorn_is_what_we_make_it_of() -> None:
    """It is started by parts of `uvicorn.Server` that are not documented: 0.54 was read."""
    uvicorn = pytest.importorskip("uvicorn")
    config = uvicorn.Config(hello, lifespan="off", log_config=None, loop="none", proxy_headers=False)
    config.load()
    server = uvicorn.Server(config)
    assert {"ssl", "lifespan_class"} <= {*vars(config)}
    assert {"connections", "tasks"} <= {*vars(server.server_state)}
    for name in ("startup", "main_loop", "on_tick"):
        assert callable(getattr(uvicorn.Server, name))

    async def main() -> None:
        with socket() as sock:
            sock.bind(("127.0.0.1", 0))
            server.lifespan = config.lifespan_class(config)
            assert await server.on_tick(0) is False
            await server.startup(sockets=[sock])
            assert [each.getsockname() for listener in server.servers for each in listener.sockets] == [
                sock.getsockname()
            ]
            for listener in server.servers:
                listener.close()

    anyio.run(main)


# TLS


def test_a_context_and_a_base_url_go_together() -> None:
    with pytest.raises(ValueError, match="live= with the base URL https://testserver needs ssl="):
        AsyncClient(hello, live="uvicorn", base_url="https://testserver")
    with pytest.raises(ValueError, match="ssl= needs a base URL that begins with https://, and http://testserver does"):
        AsyncClient(hello, live="uvicorn", ssl=server_context())
    wrong: Any = True
    with pytest.raises(TypeError, match=r"ssl= is an ssl.SSLContext, .* not True"):
        AsyncClient(hello, live="uvicorn", ssl=wrong)
    with pytest.raises(TypeError, match=r"ssl= is an ssl.SSLContext, .* not True"):
        LiveServer(hello, ssl=wrong)
    live: Any
    for live in (None, False):
        with pytest.raises(ValueError, match="ssl= is for live="):
            AsyncClient(hello, live=live, ssl=server_context(), base_url="https://testserver")


@pytest.fixture(params=LIVE_FACES, ids=str)
def face(request: pytest.FixtureRequest) -> LiveFace:
    made: LiveFace = request.param
    return made


async def tell(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell over which scheme and version a request has come; or echo one message of a session."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": f"{scope['scheme']} {message['text']}"})
        await receive()
    else:
        if (
            scope["method"] == "POST"
        ):  # over HTTP/2, hypercorn breaks off if the app is faster, and zttp never tells a GET
            while (await receive())["more_body"]:
                pass
        await start(send)
        await body(send, f"{scope['scheme']} {scope['http_version']}".encode())


def test_a_client_speaks_tls(face: Face) -> None:
    with face.open(tell, lifespan="off", ssl=server_context(), base_url="https://testserver") as client:
        response = client.get("/")
        assert (response.text, response.http_version) == ("https 1.1", "HTTP/1.1")
        with client.connect("/") as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "wss hello"
        with pytest.raises(ValueError, match=r"http://testserver/ cannot be asked .* the server speaks TLS, by ssl="):
            client.get("http://testserver/")


def test_a_client_without_a_context_does_not(face: Face) -> None:
    with (
        face.open(tell, lifespan="off") as client,
        pytest.raises(ValueError, match=r"https://testserver/ cannot be asked .* no TLS: ssl= is missing"),
    ):
        client.get("https://testserver/")


def test_a_client_speaks_http2(face: LiveFace) -> None:
    if face.server == "uvicorn":
        pytest.importorskip("zttp")  # the parity group has it
    options = {"ssl": server_context(), "base_url": "https://testserver", "http2": True}
    with face.open(tell, lifespan="off", **options) as client:
        for _ in range(3):
            response = client.post("/", content=b"x" * 1000)
            assert (response.text, response.http_version) == ("https 2", "HTTP/2")
        assert client.get("/").text == "https 2"
        with client.connect("/") as socket:  # over HTTP/1.1
            socket.send_text("hello")
            assert socket.receive_text() == "wss hello"


def test_http2_without_tls_is_http1(face: LiveFace) -> None:
    if face.server == "uvicorn":
        pytest.importorskip("zttp")
    with face.open(tell, lifespan="off", http2=True) as client:
        assert client.get("/").text == "http 1.1"


@pytest.fixture
def anyio_backend(place: Place) -> tuple[str, dict[str, Any]]:
    return place.backend.name, place.backend.options


@pytest.mark.anyio
async def test_a_server_shows_its_certificate_to_guests(place: Place) -> None:
    async with LiveServer(tell, place.server, lifespan="off", ssl=server_context()) as server:
        assert server.url == f"https://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(verify=client_context(), trust_env=False) as guest:
            assert (await guest.get(server.url)).text == "https 1.1"
        if asyncio_runs():
            asyncio.get_running_loop().set_debug(False)  # in which asyncio reports a handshake that a guest breaks off
        with pytest.raises(httpx.ConnectError):
            async with httpx.AsyncClient(verify=ssl.create_default_context(), trust_env=False) as guest:
                await guest.get(server.url)


@pytest.mark.anyio
async def test_a_guest_speaks_http2(place: Place) -> None:
    if place.server == "uvicorn":
        pytest.importorskip("zttp")
    async with (
        LiveServer(tell, place.server, lifespan="off", ssl=server_context(), http2=True) as server,
        httpx.AsyncClient(verify=client_context(), trust_env=False, http2=True) as guest,
    ):
        response = await guest.get(server.url)
        assert (response.text, response.http_version) == ("https 2", "HTTP/2")
