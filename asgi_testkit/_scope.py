"""Builds the ASGI scope of a request, as uvicorn would. Pure: no state, no I/O.

Where servers disagree, the majority is followed: ``root_path`` leaves ``path`` alone (uvicorn alone puts it in front).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx

from ._extensions import DEBUG, DENIAL
from ._fields import REMEMBERED, TOKEN
from ._http import library_of
from ._types import Address, Scope

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

#: The version of the HTTP & WebSocket spec that scopes advertise. At 2.3, as uvicorn's, ``send()`` is silent after a
#: disconnect; from 2.4 on it raises. Override it with ``scope={"asgi": {"version": "3.0", "spec_version": "2.4"}}``.
HTTP_SPEC_VERSION = "2.3"

#: The same for WebSocket scopes; ``send()`` raises after a disconnect, as uvicorn's does.
WEBSOCKET_SPEC_VERSION = "2.4"

#: What the client offers in ``scope["extensions"]``. ``http.response.debug`` is made for test clients.
HTTP_EXTENSIONS: Mapping[str, Any] = {DEBUG: {}}
WEBSOCKET_EXTENSIONS: Mapping[str, Any] = {DENIAL: {}}

_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}

_USUAL = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

_NAME = itemgetter(0)

_UNSAFE_IN_TARGET = re.compile(rb"[^\x21-\x7e]")
_UNSAFE_IN_VALUE = re.compile(rb"[\x00\r\n]")


def http_scope(
    request: httpx.Request,
    *,
    client: Address | None,
    root_path: str,
    state: Mapping[str, Any],
    extensions: Mapping[str, Any],
) -> Scope:
    """Return the scope of `request` (ASGI HTTP spec, "HTTP Connection Scope").

    ``extensions={"target": b"..."}`` of a request replaces its path and query, as in httpcore. `state`, the lifespan's,
    and the ASGI `extensions` to offer are copied.

    Raises:
        httpx.LocalProtocolError: The method, the target or a header has a byte that no client can send.
    """
    if request.method not in _USUAL and not TOKEN.fullmatch(request.method.encode(errors="replace")):
        msg = f"no HTTP client can send the method {request.method!r}: it is a token (RFC 9110 5.6.2)"
        raise library_of(request).LocalProtocolError(msg, request=request)
    url = request.url
    target: Any = request.extensions.get("target") or url.raw_path
    if not isinstance(target, bytes):
        msg = f'extensions={{"target": ...}} is bytes, not {target!r}'
        raise TypeError(msg)
    if "target" in request.extensions and _UNSAFE_IN_TARGET.search(target):
        msg = f"the target of {request!r} has a byte that no HTTP client can send unescaped: {target!r}"
        raise library_of(request).LocalProtocolError(msg, request=request)
    raw_path, _, query_string = target.partition(b"?")
    try:
        headers = [
            (_header if len(name) + len(value) <= REMEMBERED else _header.__wrapped__)(name, value)
            for name, value in request.headers.raw
        ]
    except ValueError as error:
        raise library_of(request).LocalProtocolError(f"{request!r}: {error}", request=request) from None
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": HTTP_SPEC_VERSION},
        "http_version": "1.1",
        "server": (url.host, DEFAULT_PORTS.get(url.scheme) if url.port is None else url.port),
        "client": client,
        "scheme": url.scheme,
        "method": request.method,
        "root_path": root_path,
        "path": decode_path(raw_path),
        "raw_path": raw_path,
        "query_string": query_string,
        "headers": headers,
        "state": dict(state),
        "extensions": {name: dict(value) for name, value in extensions.items()},
    }


def asks_for_websocket(scope: Scope) -> bool:
    """Whether the request of an HTTP scope is a WebSocket handshake (RFC 6455 section 4.2.1, 3 and 4).

    One that asks to upgrade to something else, or without ``Connection: Upgrade``, is an ordinary request.
    """
    headers = scope["headers"]
    if b"upgrade" not in map(_NAME, headers):
        return False
    value = next(value for name, value in headers if name == b"upgrade")
    return value.lower() == b"websocket" and b"upgrade" in _tokens(scope, b"connection", lower=True)


def websocket_scope(scope: Scope, *, extensions: Mapping[str, Any]) -> Scope:
    """Return the scope of a handshake, given as an HTTP scope (ASGI WebSocket spec, "WebSocket Connection Scope")."""
    websocket = dict(scope)
    del websocket["method"]
    websocket.update(
        type="websocket",
        asgi={"version": "3.0", "spec_version": WEBSOCKET_SPEC_VERSION},
        scheme=_WEBSOCKET_SCHEMES.get(scope["scheme"], scope["scheme"]),
        subprotocols=[token.decode("latin-1") for token in _tokens(scope, b"sec-websocket-protocol")],
        extensions={name: dict(value) for name, value in extensions.items()},
    )
    return websocket


def _tokens(scope: Scope, header: bytes, *, lower: bool = False) -> list[bytes]:
    listed = b",".join(value for name, value in scope["headers"] if name == header)
    tokens = (token.strip() for token in (listed.lower() if lower else listed).split(b","))
    return [token for token in tokens if token]


@lru_cache(maxsize=1024)  # a client sends much the same headers again and again
def _header(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if not TOKEN.fullmatch(name) or _UNSAFE_IN_VALUE.search(value):
        msg = f"no HTTP client can send the header {name!r}: {value!r}"
        raise ValueError(msg)
    return name.lower(), value.strip(b" \t")


def decode_path(raw_path: bytes) -> str:
    """Percent-decode `raw_path` once; what is not UTF-8 becomes U+FFFD. ``+`` stays, and nothing is normalised."""
    if b"%" not in raw_path:
        return raw_path.decode("ascii")
    return unquote_to_bytes(raw_path).decode("utf-8", "replace")
