"""What the app is told of a request."""

from __future__ import annotations

from typing import TypeAlias

import httpx
import pytest

from asgi_testkit import Receive, Scope, Send

from ._apps import body, plays, start
from ._worlds import OURS, World

pytestmark = pytest.mark.anyio

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

#: Path, raw path and query string; None if the app was not called.
Told: TypeAlias = tuple[str, bytes, bytes] | None

#: Request targets, and what the app is told of them.
TARGETS: dict[bytes, Told] = {
    b"/": ("/", b"/", b""),
    b"*": ("*", b"*", b""),
    # Nothing is normalised.
    b"//a//b/": ("//a//b/", b"//a//b/", b""),
    b"/a/../b/./c": ("/a/../b/./c", b"/a/../b/./c", b""),
    b"/a;b=1;c": ("/a;b=1;c", b"/a;b=1;c", b""),
    b"/a+b": ("/a+b", b"/a+b", b""),
    b"/:80/@a": ("/:80/@a", b"/:80/@a", b""),
    b'/[a]{b}|c\\d^`"<>': ('/[a]{b}|c\\d^`"<>', b'/[a]{b}|c\\d^`"<>', b""),
    # The path is decoded, once.
    b"/%C3%A9": ("/é", b"/%C3%A9", b""),
    b"/%FF": (f"/{REPLACEMENT}", b"/%FF", b""),
    b"/a%E2%82": (f"/a{REPLACEMENT}", b"/a%E2%82", b""),
    b"/a%2fb%2Fc": ("/a/b/c", b"/a%2fb%2Fc", b""),
    b"/%2541": ("/%41", b"/%2541", b""),
    b"/%00%0A": ("/\0\n", b"/%00%0A", b""),
    b"/%3Fa%23b": ("/?a#b", b"/%3Fa%23b", b""),
    b"/%": ("/%", b"/%", b""),
    b"/%4": ("/%4", b"/%4", b""),
    b"/%zz": ("/%zz", b"/%zz", b""),
    # The query is not.
    b"/a?": ("/a", b"/a", b""),
    b"/a??": ("/a", b"/a", b"?"),
    b"/a?b?c": ("/a", b"/a", b"b?c"),
    b"/a?b=%zz&c=%FF+d&[]{}|": ("/a", b"/a", b"b=%zz&c=%FF+d&[]{}|"),
}

#: Targets that no browser sends. What uvicorn makes of them with httptools comes last.
ODD_TARGETS: dict[bytes, tuple[Told, Told]] = {
    b"/a#b": (("/a#b", b"/a#b", b""), ("/a", b"/a", b"")),
    b"/a?b#c": (("/a", b"/a", b"b#c"), ("/a", b"/a", b"b")),
    b"http://a:81/b%20c?d": (("http://a:81/b c", b"http://a:81/b%20c", b"d"), ("/b c", b"/b%20c", b"d")),
    b"http://a": (("http://a", b"http://a", b""), None),
    b"a": (("a", b"a", b""), None),
    b"?a": (("", b"", b"a"), None),
}


class Listener:
    """An app that keeps the scope of its last call."""

    scope: Scope | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        await plays(start(), body())(scope, receive, send)


async def told_of(target: bytes, world: World) -> Told:
    listener = Listener()
    async with world.client(listener) as client:
        await client.get("/", extensions={"target": target})
    scope = listener.scope
    return None if scope is None else (scope["path"], scope["raw_path"], scope["query_string"])


@pytest.mark.parametrize("target", TARGETS)
async def test_a_target_becomes_path_and_query(world: World, target: bytes) -> None:
    assert await told_of(target, world) == TARGETS[target]


@pytest.mark.parametrize("target", ODD_TARGETS)
async def test_an_odd_target_becomes_path_and_query(world: World, target: bytes) -> None:
    taken, taken_by_httptools = ODD_TARGETS[target]
    assert await told_of(target, world) == (taken_by_httptools if world.name == "uvicorn-httptools" else taken)


@pytest.mark.parametrize("target", [b"/\xc3\xa9", b"/a?\xc3\xa9", b"/a b", b"/a\r\nb: c", b"/\x7f"])
async def test_a_target_with_bytes_that_belong_in_none_leaves_no_client(world: World, target: bytes) -> None:
    async with world.client(Listener()) as client:
        with pytest.raises(httpx.LocalProtocolError):
            await client.get("/", extensions={"target": target})


async def test_the_scope_of_a_request(world: World) -> None:
    listener = Listener()
    async with world.client(listener) as client:
        request = httpx.Request(
            "POST",
            client.base_url.join("/a%20b?c=%20d"),
            headers=[
                (b"Host", b"example.org:81"),
                (b"X-B", b"2"),
                (b"X-A", b"1"),
                (b"x-b", b"\xe9"),
                (b"Content-Length", b"3"),
            ],
            content=b"abc",
        )
        await client.send(request)
    scope = dict(listener.scope or {})
    asgi, extensions = scope.pop("asgi"), scope.pop("extensions", None)
    addresses = [scope.pop("client"), scope.pop("server")]
    assert scope == {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "root_path": "",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=%20d",
        "headers": [
            (b"host", b"example.org:81"),
            (b"x-b", b"2"),
            (b"x-a", b"1"),
            (b"x-b", b"\xe9"),
            (b"content-length", b"3"),
        ],
        "state": {},
    }
    assert asgi == {"version": "3.0", "spec_version": "2.1" if world.name == "hypercorn" else "2.3"}
    # uvicorn has none, and no such key. The one that the client offers is made for test clients.
    assert extensions == {"hypercorn": {}, OURS: {"http.response.debug": {}}}.get(world.name)
    assert [(type(address), *map(type, address)) for address in addresses] == [(tuple, str, int)] * 2


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_the_method_is_what_was_asked(world: World, method: str) -> None:
    listener = Listener()
    async with world.client(listener) as client:
        await client.request(method, "/")
    assert listener.scope is not None
    assert listener.scope["method"] == method
