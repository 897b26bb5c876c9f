"""Requests that ask for a WebSocket connection, more or less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ._websocket_case import Compared, hypercorn, not_websockets, websockets, wsproto
from ._websocket_frames import HANDSHAKE, KEY

#: The app is called with a scope of this type, and accepts it or answers it.
WEBSOCKET, HTTP = "websocket 101", "http 299"

RFC_KEY = "RFC 6455 4.2.1: a key is 16 bytes in base64. uvicorn with websockets insists on it."
RFC_VERSION = "RFC 6455 4.4: the server tells which version it speaks."
NOT_COMPRESSED = "Frames are compressed for a test that asks for it, so that the others can read them."


@dataclass(frozen=True)
class Handshake(Compared):
    """A request, and how it is answered.

    Attributes:
        name: What is special about it.
        headers: Its headers, but for the host.
        seen: The scope that the app is called with, if it is called, and the answer.
        but: Servers that answer something else, and what.
        why: The reason, where `seen` is not what most servers answer (uvicorn with websockets breaks ties).
        method: Its method.
    """

    name: str
    headers: Sequence[tuple[str, str]]
    seen: str
    but: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    method: str = "GET"


def changed(**changes: str | None) -> list[tuple[str, str]]:
    """Return the headers of a handshake with one of them changed, or left out."""
    new = {name.replace("_", "-"): value for name, value in changes.items()}
    return [(name, value) for name, value in (HANDSHAKE | new).items() if value is not None]


def added(name: str, value: str) -> list[tuple[str, str]]:
    return [*HANDSHAKE.items(), (name, value)]


UPGRADE = [
    Handshake("a handshake", changed(), WEBSOCKET),
    Handshake("upgrade among other things", changed(connection="keep-alive, Upgrade"), WEBSOCKET),
    Handshake("upgrade in lower case", changed(connection="upgrade"), WEBSOCKET),
    Handshake("WebSocket in mixed case", changed(upgrade="WebSocket"), WEBSOCKET),
    Handshake("no connection", changed(connection=None), HTTP),
    Handshake("connection: keep-alive", changed(connection="keep-alive"), HTTP),
    Handshake("no upgrade", changed(upgrade=None), HTTP),
    Handshake("an upgrade to something else", changed(upgrade="foo/2"), HTTP),
    Handshake("an upgrade to something else as well", changed(upgrade="websocket, foo/2"), HTTP),
    *[
        Handshake(method, changed(), "405 [allow: GET]", wsproto("400") | hypercorn(HTTP), method=method)
        for method in ("POST", "HEAD")
    ],
]

KEYS = [
    Handshake("no key", changed(sec_websocket_key=None), "400"),
    *[
        Handshake(f"key {key!r}", changed(sec_websocket_key=key), "400", not_websockets(WEBSOCKET), RFC_KEY)
        for key in ("", "!!!", "!" * 24, "YWJj")
    ],
    Handshake("two keys", added("sec-websocket-key", KEY), WEBSOCKET, websockets("400")),
]

WITH_VERSION = "[sec-websocket-version: 13]"

VERSIONS = [
    *[
        Handshake(name, changed(sec_websocket_version=version), "400", wsproto(f"400 {WITH_VERSION}"))
        for name, version in (("no version", None), ("version ''", ""))
    ],
    *[
        Handshake(
            f"version {version}",
            changed(sec_websocket_version=version),
            f"426 {WITH_VERSION}",
            websockets("400") | hypercorn("400"),
            RFC_VERSION,
        )
        for version in ("8", "12", "13, 8")
    ],
]

DEFLATE = "permessage-deflate"

EXTENSIONS = [
    Handshake("an extension that nobody knows", added("sec-websocket-extensions", "foo; bar=1"), WEBSOCKET),
    Handshake(
        "compression",
        added("sec-websocket-extensions", DEFLATE),
        WEBSOCKET,
        websockets(f"{WEBSOCKET} [sec-websocket-extensions: {DEFLATE}; server_max_window_bits=12]")
        | not_websockets(f"{WEBSOCKET} [sec-websocket-extensions: {DEFLATE}]"),
        NOT_COMPRESSED,
    ),
]

HANDSHAKES: Sequence[Handshake] = [*UPGRADE, *KEYS, *VERSIONS, *EXTENSIONS]
