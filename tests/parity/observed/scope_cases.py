"""What the app is told of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgi_testkit import Scope

from .call import answers, tells
from .case import Case
from .client import READ, Connect, Request

#: Headers that are told: no client sends them by itself.
INVENTED = {b"a", b"a-b", b"a_b", b"cookie"}


def told(name: str, what: Callable[[Scope], object], **request: Any) -> Case:
    return Case("The scope", name, (tells(what), answers), (Request(**request), READ))


def target(target: bytes, name: str = "") -> Case:
    shown = name or target.decode("ascii", "backslashreplace")
    return told(f"the target {shown}", lambda scope: (scope["path"], scope["query_string"]), target=target)


def raw(target: bytes) -> Case:
    return told(f"raw_path of {target.decode()}", lambda scope: scope.get("raw_path"), target=target)


def connection(name: str, what: Callable[[Scope], object], **connect: Any) -> Case:
    return Case("The scope", f"WebSocket, {name}", (tells(what), answers), (Connect(**connect),))


def sent(scope: Scope) -> list[tuple[bytes, object]]:
    return [(name, value if len(value) < 100 else len(value)) for name, value in scope["headers"] if name in INVENTED]


def headers(name: str, *headers: tuple[bytes, bytes]) -> Case:
    return told(f"headers, {name}", sent, headers=headers)


def types(values: Any) -> str:
    return f"{type(values).__name__} of {', '.join(type(value).__name__ for value in values)}"


SCOPE_CASES = [
    told("type", lambda scope: scope["type"]),
    told("asgi, version", lambda scope: scope["asgi"]["version"]),
    told("asgi, spec_version", lambda scope: scope["asgi"].get("spec_version")),
    told("http_version", lambda scope: scope["http_version"]),
    told("scheme", lambda scope: scope["scheme"]),
    told("root_path", lambda scope: repr(scope["root_path"])),
    told("client, a tuple of str and int", lambda scope: types(scope["client"])),
    told("server, a tuple of str and int", lambda scope: types(scope["server"])),
    told(
        "headers, a list of tuples of bytes",
        lambda scope: (type(scope["headers"]).__name__, types(scope["headers"][0])),
    ),
    told("state without a lifespan", lambda scope: scope.get("state", "none")),
    told("extensions, those of HTTP", lambda scope: sorted(scope.get("extensions") or {})),
    *[
        told(f"the method {method}", lambda scope: scope["method"], method=method)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH")
    ],
    *[
        target(each)
        for each in (
            b"/",
            b"/a/",
            b"/a+b",
            b"/a;b=1",
            b"/:80/@a",
            b"//a//b",
            b"/a/../b/./c",
            b"/%41",
            b"/%C3%A9",
            b"/%FF",
            b"/a%2Fb",
            b"/%2541",
            b"/%3Fa%23b",
            b"/%",
            b"/%zz",
            b"/a?",
            b"/a??",
            b"/a?b?c",
            b"/a?b=%20&c=+",
            b"/a?b=%zz",
            b"*",
        )
    ],
    *[raw(each) for each in (b"/a%20b", b"/a%2Fb?c", b"/a%c3%a9")],
    headers("upper-case names", (b"A-B", b"c")),
    headers("outer white space", (b"a", b"  b c\t")),
    headers("an empty value", (b"a", b"")),
    headers("latin-1", (b"a", b"\xe9")),
    headers("twice", (b"a", b"1"), (b"a", b"2")),
    headers("twice, with others between", (b"a", b"1"), (b"a-b", b"2"), (b"a", b"3")),
    headers("an underscore", (b"a_b", b"c")),
    headers("cookies in two", (b"cookie", b"a=1"), (b"cookie", b"b=2")),
    headers("as long as 4,000 bytes", (b"a", b"b" * 4000)),
    told("headers, host", lambda scope: dict(scope["headers"])[b"host"], headers=((b"host", b"a.example:81"),)),
    told(
        "headers, content-length",
        lambda scope: dict(scope["headers"]).get(b"content-length"),
        method="POST",
        body=b"abc",
    ),
    connection("type", lambda scope: scope["type"]),
    connection("asgi, spec_version", lambda scope: scope["asgi"].get("spec_version")),
    connection("scheme", lambda scope: scope.get("scheme")),
    connection("http_version", lambda scope: scope.get("http_version")),
    connection("no method", lambda scope: scope.get("method")),
    connection("path and query", lambda scope: (scope["path"], scope["query_string"]), target=b"/a%20b?c=%20d"),
    connection("raw_path", lambda scope: scope.get("raw_path"), target=b"/a%20b?c"),
    connection("root_path", lambda scope: repr(scope["root_path"])),
    connection("headers", sent, headers=((b"a", b"1"), (b"A-B", b"2"))),
    connection("subprotocols", lambda scope: list(scope["subprotocols"]), offers=("a", "b")),
    connection("no subprotocols", lambda scope: list(scope["subprotocols"])),
    connection("client, a tuple of str and int", lambda scope: types(scope["client"])),
    connection("state without a lifespan", lambda scope: scope.get("state", "none")),
    connection("extensions", lambda scope: sorted(scope.get("extensions") or {})),
]
