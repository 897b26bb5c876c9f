"""Whose classes are at work is decided by whoever makes the request, and by nothing else."""

from __future__ import annotations

import pickle
from typing import Any

import httpcore
import httpcore2
import httpx
import httpx2
import pytest

import asgi_testkit
import asgi_testkit.httpx2
from asgi_testkit._client.library import HTTPLibrary, Names, bound, derived, is_library, library_of, network_of

from .apps import mirror
from .programs import run_program

BOTH = {httpx.__name__: httpx, "httpx2": httpx2}  # one and the same, where the suite runs on httpx2
LIBRARIES = pytest.mark.parametrize("library", list(BOTH.values()), ids=list(BOTH))


async def silent(scope: Any, receive: Any, send: Any) -> None:
    """Wait for the client to go."""
    await receive()
    await receive()


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send what is received, on a WebSocket, until it is closed."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


@LIBRARIES
def test_the_library_is_that_of_the_class(library: Any) -> None:
    class Mine(library.Request):  # type: ignore[misc]
        pass

    request = library.Request("GET", "http://testserver/")
    assert library_of(request) is library_of(Mine("GET", "http://testserver/")) is bound(library.__name__)
    assert library_of(library.Response(200)) is library_of(library.Client(trust_env=False)) is library_of(request)
    assert library_of(request).Response is library.Response


def test_what_is_of_neither_library_is_refused() -> None:
    with pytest.raises(TypeError, match="something of httpx or of httpx2 is expected, and <class 'str'> is of neither"):
        library_of("GET /")


@pytest.mark.anyio
async def test_a_request_of_neither_library_is_refused() -> None:
    transport: Any = asgi_testkit.ASGITransport(mirror)
    with pytest.raises((TypeError, AttributeError)):
        await transport.handle_async_request("GET /")


def test_names_of_modules_are_told_apart() -> None:
    assert [name for name in ("httpx", "httpx._client", "httpx2", "httpx2._models", "httpx_ws", "httpxyz", "")
            if is_library(name)] == ["httpx", "httpx._client", "httpx2", "httpx2._models"]  # fmt: skip


def test_each_library_has_its_own_network_streams() -> None:
    assert network_of(library_of(httpx2.Response(200))).ReadError is httpcore2.ReadError
    assert network_of(library_of(httpx.Response(200))).ReadError is httpcore.ReadError


def test_a_derived_class_is_both_and_there_is_one_of_it() -> None:
    class Stream:
        """Flows."""

    kind = derived(Stream, httpx2, "AsyncByteStream")
    assert issubclass(kind, Stream)
    assert issubclass(kind, httpx2.AsyncByteStream)
    assert (kind.__name__, kind.__doc__, kind.__module__) == ("Stream", "Flows.", __name__)
    assert derived(Stream, httpx2, "AsyncByteStream") is kind is not derived(Stream, httpx2, "SyncByteStream")


@LIBRARIES
@pytest.mark.anyio
async def test_one_transport_serves_the_clients_of_both(library: Any) -> None:
    async with library.AsyncClient(transport=asgi_testkit.ASGITransport(mirror)) as client:
        response = await client.post("http://testserver/path", content=b"body")
        assert type(response).__bases__[1] is library.Response
        assert response.json()["body"] == "body"
        assert response.elapsed.total_seconds() > 0
        async with client.stream("GET", "http://testserver/") as streamed:
            assert isinstance(streamed, library.Response)
            chunks: Any = streamed.aiter_raw()  # type: ignore[attr-defined]
            assert b"".join([chunk async for chunk in chunks]).startswith(b"{")


@LIBRARIES
@pytest.mark.anyio
async def test_errors_are_those_of_the_library_that_asked(library: Any) -> None:
    async with library.AsyncClient(transport=asgi_testkit.ASGITransport(silent), timeout=0.01) as client:
        with pytest.raises(library.ReadTimeout, match="the application is suspended at") as caught:
            await client.get("http://testserver/")
    assert isinstance(caught.value.request, library.Request)


@LIBRARIES
@pytest.mark.anyio
async def test_a_response_that_is_not_read_does_not_say_how_long_it_took(library: Any) -> None:
    async with library.AsyncClient(transport=asgi_testkit.ASGITransport(mirror)) as client:
        async with client.stream("GET", "http://testserver/") as response:
            with pytest.raises(RuntimeError, match="may only be accessed after the response has been read or closed"):
                _ = response.elapsed
        assert response.elapsed.total_seconds() > 0


@LIBRARIES
@pytest.mark.anyio
async def test_a_response_can_be_pickled(library: Any) -> None:
    async with library.AsyncClient(transport=asgi_testkit.ASGITransport(mirror)) as client:
        response = await client.get("http://testserver/")
    copy = pickle.loads(pickle.dumps(response))
    assert isinstance(copy, library.Response)
    assert (copy.status_code, copy.json(), copy.elapsed) == (200, response.json(), response.elapsed)


# What tests put in the place of its names


class Fake:
    """What a test puts in the place of a class."""


@LIBRARIES
@pytest.mark.parametrize("name", sorted(set(HTTPLibrary.__annotations__) - {"USE_CLIENT_DEFAULT"}))
@pytest.mark.anyio
async def test_a_fake_for_the_app_s_own_calls_is_not_for_the_client(
    library: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours: Any = asgi_testkit if library is httpx else asgi_testkit.httpx2
    async with library.AsyncClient(transport=asgi_testkit.ASGITransport(mirror)) as theirs:
        monkeypatch.setattr(library, name, Fake)
        assert (await theirs.post("http://testserver/", content=b"body")).json()["body"] == "body"
        async with ours.AsyncClient(mirror, cookies={"a": "1"}) as client:
            client.cookies = {"b": "2"}
            assert (await client.post("/", json={}, cookies={"c": "3"}, timeout=5)).status_code == 200
            with pytest.raises(ConnectionError):
                await client.post("/", content=failing())
    with ours.TestClient(mirror) as blocking, blocking.stream("POST", "/", content=iter([b"a"])) as response:
        assert response.read()


def test_a_class_that_another_package_calls_its_own_is_still_the_library_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx.BaseTransport, "__module__", "openai")  # which does that to httpx2's
    assert Names(httpx.__name__).BaseTransport is httpx.BaseTransport


@LIBRARIES
def test_a_fake_that_is_there_when_a_name_is_first_asked_for_is_told(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(library.__name__)
    monkeypatch.setattr(library, "Client", Fake)
    with pytest.raises(
        ImportError, match=rf"{library.__name__}\.Client is <class .*Fake'>, which a test has put there"
    ):
        _ = names.Client
    monkeypatch.undo()
    assert names.Client is library.Client


async def failing() -> Any:
    yield b"a"
    raise ConnectionError


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_fake_that_was_there_first_is_an_import_error(library: str) -> None:
    told = run_program(
        """
        import importlib, sys
        from unittest.mock import patch
        library = importlib.import_module(sys.argv[1])
        with patch.object(library, "AsyncClient"):
            try:
                from asgi_testkit import AsyncClient
            except ImportError as error:
                print(error)
        from asgi_testkit import AsyncClient
        """,
        library,
    )
    assert told.startswith(f"{library}.AsyncClient is <MagicMock")
    assert "Import what you need of asgi_testkit before you patch" in told


# The clients of asgi_testkit.httpx2


@pytest.mark.anyio
async def test_the_awaited_client_is_one_of_httpx2() -> None:
    async with asgi_testkit.httpx2.AsyncClient(mirror) as client:
        assert isinstance(client, httpx2.AsyncClient)
        response: httpx2.Response = await client.post("/", content=upload(), cookies={"a": "1"})
        cookies: httpx2.Cookies = client.cookies
    assert isinstance(response.request, httpx2.Request)
    assert (response.json()["body"], response.json()["headers"]["cookie"]) == ("in two parts", "a=1")
    assert isinstance(cookies, httpx2.Cookies)


async def upload() -> Any:
    """Generate a body."""
    yield b"in two "
    yield b"parts"


def test_the_blocking_client_is_one_of_httpx2() -> None:
    with asgi_testkit.httpx2.TestClient(mirror, headers=httpx2.Headers({"x-name": "value"})) as client:
        assert isinstance(client, httpx2.Client)
        response: httpx2.Response = client.post("/", files={"file": b"content"})
        with client.stream("GET", "/") as streamed:
            assert isinstance(streamed, httpx2.Response)
            assert streamed.read().startswith(b"{")
    assert isinstance(response, httpx2.Response)
    assert response.json()["headers"]["x-name"] == "value"
    assert "content" in response.json()["body"]


@pytest.mark.anyio
async def test_an_awaited_session_is_of_httpx2() -> None:
    async with asgi_testkit.httpx2.AsyncClient(echo).websocket_connect("/") as session:
        response: httpx2.Response = session.response
        headers: httpx2.Headers = session.headers
        await session.send_text("hello")
        assert await session.receive_text() == "hello"
    assert isinstance(response, httpx2.Response)
    assert headers["upgrade"] == "websocket"


def test_a_blocking_session_is_of_httpx2() -> None:
    with asgi_testkit.httpx2.TestClient(echo).websocket_connect("/") as session:
        response: httpx2.Response = session.response
        session.send_text("hello")
        assert session.receive_text() == "hello"
    assert isinstance(response, httpx2.Response)


@LIBRARIES
@pytest.mark.parametrize(
    "client_class", [asgi_testkit.TestClient, asgi_testkit.httpx2.TestClient], ids=["for httpx", "for httpx2"]
)
def test_cookies_of_either_library_are_taken(client_class: Any, library: Any) -> None:
    cookies = library.Cookies()
    cookies.set("a", "1", domain="testserver.local")
    with client_class(mirror, cookies=cookies) as client:
        assert client.get("/").json()["headers"]["cookie"] == "a=1"
        client.cookies = library.Cookies({"b": "2"})
        assert client.get("/").json()["headers"]["cookie"] == "b=2"
