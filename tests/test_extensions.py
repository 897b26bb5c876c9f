"""Every extension of the ASGI spec: offered, used, and seen by the test; or not offered, and refused."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import httpx
import pytest

import asgi_testkit.httpx2
from asgi_testkit import (
    ASGIProtocolError,
    ASGITransport,
    AsyncClient,
    ClientDisconnected,
    Message,
    Receive,
    Scope,
    Send,
    TestClient,
)
from asgi_testkit._protocol.extensions import DENIAL, HTTP

from .faces import Face
from .messages import accept, body, hello, start

SIZE = 300_000
ALL: dict[str, Any] = {name: {} for name in (*HTTP, DENIAL)}


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big"
    path.write_bytes(bytes(range(250)) * (SIZE // 250))
    return path


def sends(*messages: Message, status: int = 200, length: int | None = None, trailers: bool = False) -> Any:
    """Return an app that starts a response and sends `messages`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [] if length is None else [(b"content-length", b"%d" % length)]
        await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": trailers})
        for message in messages:
            await send(message)

    return app


def pathsend(path: object) -> Message:
    return {"type": "http.response.pathsend", "path": str(path)}


def zerocopysend(file: Any, **keys: Any) -> Message:
    return {"type": "http.response.zerocopysend", "file": file, **keys}


# Files


@pytest.mark.parametrize("length", [None, SIZE])
def test_a_file_sent_by_its_path_is_the_body(length: int | None, big: Path, face: Face) -> None:
    with face.bare(sends(pathsend(big), length=length), asgi_extensions=ALL, strict=True) as client:
        assert client.get().content == big.read_bytes()
        with client.stream() as stream:
            assert b"".join(stream.chunks()) == big.read_bytes()


@pytest.mark.parametrize("write_buffer", [0, 1, 65536])
def test_an_app_is_held_back_in_the_middle_of_a_file(write_buffer: int, big: Path, face: Face) -> None:
    done: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sends(pathsend(big))(scope, receive, send)
        done.append("sent")

    with face.bare(app, asgi_extensions=ALL, write_buffer=write_buffer) as client, client.stream() as stream:
        seen = stream.next()
        assert seen is not None
        assert len(seen) == 65536
        assert not done
        assert seen + b"".join(stream.chunks()) == big.read_bytes()
        assert done


def test_parts_of_files_and_of_the_body_follow_one_another(big: Path, face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with big.open("rb") as file:
            await start(send, (b"content-length", b"17"))
            await body(send, b"<", more=True)
            file.read(5)
            await send(zerocopysend(file, count=4, more_body=True))
            await body(send, b"|", more=True)
            await send(zerocopysend(file, offset=100, count=3, more_body=True))
            await send(zerocopysend(file, count=3, more_body=True))
            await send(zerocopysend(file.fileno(), offset=SIZE - 4, count=4, more_body=True))
            await body(send, b">")
            assert file.tell() == 12

    content = big.read_bytes()
    with face.bare(app, asgi_extensions=ALL, strict=True) as client:
        assert client.get().content == b"<%b|%b%b%b>" % (content[5:9], content[100:103], content[9:12], content[-4:])


def test_the_last_part_of_a_body_may_be_a_file(big: Path, face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with big.open("rb") as file:
            await sends(zerocopysend(file), length=SIZE)(scope, receive, send)

    with face.bare(app, asgi_extensions=ALL) as client:
        assert client.get().content == big.read_bytes()


@pytest.mark.parametrize("length, text", [(SIZE - 1, "a body longer than"), (SIZE + 1, "shorter than")])
def test_a_file_has_to_be_as_long_as_was_promised(length: int, text: str, big: Path, face: Face) -> None:
    with (
        face.bare(sends(pathsend(big), length=length), asgi_extensions=ALL) as client,
        pytest.raises(ASGIProtocolError, match=text),
    ):
        client.get()


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_file_is_no_body_where_there_is_none(method: str, status: int, face: Face) -> None:
    with (
        Path("/dev/zero").open("rb") as endless,
        face.bare(sends(zerocopysend(endless), status=status), asgi_extensions=ALL) as client,
    ):
        assert client.request(method, "/").content == b""
        with pytest.raises(ASGIProtocolError, match="a response that has none"):
            client.request(method, "/", extensions={"asgi": {"strict": True}})


def test_a_file_that_is_missing_is_the_app_s_own_error(tmp_path: Path, face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        if scope["path"] == "/careful":
            with pytest.raises(FileNotFoundError):
                await send(pathsend(tmp_path / "missing"))
            await body(send, b"sorry")
        else:
            await send(pathsend(tmp_path / "missing"))

    with face.bare(app, asgi_extensions=ALL) as client:
        assert client.get("/careful").text == "sorry"
        with pytest.raises(FileNotFoundError, match="missing"):
            client.get()
        with pytest.raises(httpx.RemoteProtocolError, match="before the end of the body"):
            client.get(extensions={"asgi": {"raise_server_exceptions": False}})


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
def test_a_file_is_read_only_as_long_as_there_is_somebody_to_read_it(spec_version: str, face: Face) -> None:
    ends: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            await send(pathsend("/dev/zero"))
        except ClientDisconnected:
            ends.append("2.4")
        else:
            ends.append("2.3")

    scope = {"asgi": {"version": "3.0", "spec_version": spec_version}}
    with face.bare(app, asgi_extensions=ALL, scope=scope) as client:
        with client.stream() as stream:
            assert stream.next() == b"\0" * 65536
        assert stream.response.extensions["asgi"].done
    assert ends == [spec_version]


def test_trailers_follow_a_file(big: Path, face: Face) -> None:
    last = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
    with face.bare(sends(pathsend(big), last, trailers=True), asgi_extensions=ALL, strict=True) as client:
        response = client.get()
    assert response.content == big.read_bytes()
    assert response.extensions["http.response.trailers"] == [(b"x-sum", b"1")]


# What the test gets to see


async def talkative(scope: Scope, receive: Receive, send: Send) -> None:
    """Use what brings the client something besides the body, if it is offered."""
    offered = scope["extensions"]
    if "http.response.debug" in offered:
        await send({"type": "http.response.debug", "info": {"template": "a.html"}})
    if "http.response.early_hint" in offered:
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]})
        await send({"type": "http.response.early_hint", "links": (b"</c>",)})
    trailing = "http.response.trailers" in offered
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": trailing})
    if "http.response.push" in offered:
        await send({"type": "http.response.push", "path": "/a.css", "headers": [(b"accept", b"text/css")]})
    await body(send, b"hello")
    if trailing:
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})


SEEN: dict[str, Any] = {
    "http.response.debug": {"template": "a.html"},
    "http.response.early_hint": [b"</a.css>; rel=preload", b"</b.js>; rel=preload", b"</c>"],
    "http.response.push": [("/a.css", [(b"accept", b"text/css")])],
    "http.response.trailers": [(b"x-sum", b"1")],
}


def seen(response: Any) -> dict[str, Any]:
    return {name: value for name, value in response.extensions.items() if name in HTTP}


def test_what_extensions_bring_is_in_the_extensions_of_the_response(face: Face) -> None:
    with face.bare(talkative, asgi_extensions=ALL, strict=True) as client:
        assert seen(client.get()) == SEEN
        with client.stream() as stream:
            assert stream.read() == b"hello"
            assert seen(stream.response) == SEEN


@pytest.mark.parametrize("name", sorted(SEEN))
def test_each_extension_can_be_offered_alone(name: str, face: Face) -> None:
    with face.bare(talkative, asgi_extensions={name: {}}) as client:
        assert seen(client.get()) == {name: SEEN[name]}


def test_either_library_gets_all_of_it() -> None:
    for kind in (TestClient, asgi_testkit.httpx2.TestClient):
        assert seen(kind(talkative, asgi_extensions=ALL).get("/")) == SEEN


@pytest.mark.anyio
async def test_a_plain_client_over_the_transport_gets_all_of_it() -> None:
    async with httpx.AsyncClient(
        transport=ASGITransport(talkative, asgi_extensions=ALL), base_url="http://a"
    ) as client:
        assert seen(await client.get("/")) == SEEN
    async with asgi_testkit.httpx2.AsyncClient(talkative, asgi_extensions=ALL) as other:
        assert seen(await other.get("/")) == SEEN


def test_pushes_and_trailers_come_while_the_response_is_read(face: Face) -> None:
    with face.bare(talkative, asgi_extensions=ALL, write_buffer=0) as client, client.stream() as stream:
        growing = stream.response.extensions
        assert growing["http.response.trailers"] == []
        assert stream.read() == b"hello"
        assert growing["http.response.trailers"] == SEEN["http.response.trailers"]
        assert growing["http.response.push"] == SEEN["http.response.push"]


def test_an_offer_that_is_not_taken_up_leaves_an_empty_list(face: Face) -> None:
    with face.bare(hello, asgi_extensions=ALL) as client:
        assert seen(client.get()) == {"http.response.early_hint": [], "http.response.push": []}


USES: dict[str, Message] = {
    "http.response.debug": {"info": {}},
    "http.response.early_hint": {"links": [b"</a>"]},
    "http.response.pathsend": {"path": "/etc/hosts"},
    "http.response.push": {"path": "/a", "headers": []},
    "http.response.trailers": {"headers": []},
    "http.response.zerocopysend": {"file": 0},
}


@pytest.mark.parametrize("name", sorted(HTTP))
def test_what_is_not_offered_is_refused(name: str, face: Face) -> None:
    others: dict[str, Any] = {other: {} for other in HTTP - {name}}
    with (
        face.bare(sends({"type": name, **USES[name]}), asgi_extensions=others) as client,
        pytest.raises(ASGIProtocolError, match=f"The {name} extension is not offered in scope"),
    ):
        client.get()


@pytest.mark.parametrize("name", ["http.response.pathsend", "http.response.zerocopysend", "http.response.trailers"])
def test_what_is_offered_and_comes_too_early_is_refused_for_that(name: str, face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": name, **USES[name]})

    with (
        face.bare(app, asgi_extensions=ALL) as client,
        pytest.raises(ASGIProtocolError, match=r"while waiting for http\.response\.start"),
    ):
        client.get()


# What is offered, and to whom

TLS = {"tls_version": 0x0304, "server_cert": None, "client_cert_chain": (), "cipher_suite": None}


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await (hello(scope, receive, send) if scope["type"] == "http" else accept(send))


def offers(client: Any, **options: Any) -> tuple[Any, Any]:
    """Return what a request and a WebSocket are offered."""
    response = client.get(**options)
    with client.connect(**options) as socket:
        return response.extensions["asgi"].scope["extensions"], socket.session.scope["extensions"]


def test_each_scope_is_offered_what_it_is_for(face: Face) -> None:
    given = {**ALL, "tls": TLS, "acme.com/mail": {"size": 5}, "mine": {}}
    with face.bare(answer, asgi_extensions=given) as client:
        for_http, for_websockets = offers(client)
    anywhere = {"tls": TLS, "acme.com/mail": {"size": 5}, "mine": {}}
    assert for_http == {**{name: {} for name in HTTP}, **anywhere}
    assert for_websockets == {DENIAL: {}, **anywhere}


def test_without_an_offer_of_its_own_a_test_offers_what_it_can_see_by_itself(face: Face) -> None:
    with face.bare(answer) as client:
        assert offers(client) == ({"http.response.debug": {}}, {DENIAL: {}})
    with face.bare(answer, asgi_extensions={}) as client:
        assert offers(client) == ({}, {})


def test_what_is_put_into_the_scope_is_the_offer(face: Face) -> None:
    scope: dict[str, Any] = {"extensions": {"http.response.push": {}, DENIAL: {}}}
    with face.bare(talkative, scope=scope) as client:
        assert seen(client.get()) == {"http.response.push": SEEN["http.response.push"]}
        one: dict[str, Any] = {"asgi": {"scope": {"extensions": {"http.response.trailers": {}}}}}
        assert seen(client.get(extensions=one)) == {"http.response.trailers": SEEN["http.response.trailers"]}
        assert seen(client.get()) == {"http.response.push": SEEN["http.response.push"]}
    with face.bare(answer, scope={"extensions": None}) as client:
        assert offers(client) == (None, None)


NOT_SUPPORTED = [
    *("http.response.early_hints", "http.response.trailer", "http.response.pathSend", "http.response.", "http.nope"),
    *("websocket.http.responses", "websocket.http", "websocket.compression"),
]


@pytest.mark.parametrize("kind", [ASGITransport, AsyncClient, TestClient])
@pytest.mark.parametrize("name", NOT_SUPPORTED)
def test_an_offer_of_what_is_not_supported_names_it(kind: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"asgi_extensions offers '{name}', which is not supported"):
        kind(hello, asgi_extensions={"tls": {}, name: {}})
    with pytest.raises(ValueError, match=rf'scope\["extensions"\] offers \'{name}\''):
        kind(hello, scope={"extensions": {name: {}}})


@pytest.mark.parametrize("extensions", [5, "tls", ["tls"], {"tls": None}, {"tls": True}, {5: {}}], ids=repr)
def test_an_offer_is_a_mapping_of_names_to_mappings(extensions: Any) -> None:
    with pytest.raises(TypeError, match="asgi_extensions maps the names of extensions to dicts"):
        TestClient(hello, asgi_extensions=extensions)


@pytest.mark.parametrize(
    "extensions, error", [({"http.response.nope": {}}, ValueError), (["tls"], TypeError)], ids=repr
)
def test_the_offer_of_one_request_is_checked_too(extensions: Any, error: type[Exception], face: Face) -> None:
    called: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        called.append(scope)
        await answer(scope, receive, send)

    options = {"extensions": {"asgi": {"scope": {"extensions": extensions}}}}
    with face.bare(app) as client:
        with pytest.raises(error, match=r'scope\["extensions"\]'):
            client.get(**options)
        with pytest.raises(error, match=r'scope\["extensions"\]'):
            client.connect(**options).__enter__()
        assert not called
        assert client.get().text == "hello"


# Headers that are remembered


@pytest.mark.anyio
async def test_no_large_header_is_remembered() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, (b"x-back", dict(scope["headers"]).get(b"x-big", b"")))
        await body(send)

    async with httpx.AsyncClient(transport=ASGITransport(app), base_url="http://a") as client:
        await client.get("/")
        tracemalloc.start()
        try:
            for number in range(20):
                big = f"{number}" + "x" * 500_000
                assert (await client.get("/", headers={"x-big": big})).headers["x-back"] == big
            assert tracemalloc.get_traced_memory()[0] < 3_000_000
        finally:
            tracemalloc.stop()
