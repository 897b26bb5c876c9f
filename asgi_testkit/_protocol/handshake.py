"""The opening handshake of a WebSocket connection (RFC 6455 section 4), from either end. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .._types import Scope
from .fields import TOKEN

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


class Refusal(NamedTuple):
    """How a server answers a handshake that is none."""

    status: int
    why: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


def offer(subprotocols: Iterable[str] | None) -> dict[str, str]:
    """Return the headers by which a client asks for a connection (RFC 6455 section 4.1).

    Raises:
        TypeError: `subprotocols` is one string, where several are meant, or one of them is none.
        ValueError: One of them has characters that a subprotocol cannot have.
    """
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
        "sec-websocket-version": "13",
    }
    if subprotocols is not None:
        if isinstance(subprotocols, str | bytes):
            msg = f"subprotocols is a list of strings: [{subprotocols!r}], not {subprotocols!r}"
            raise TypeError(msg)
        offered = list(subprotocols)
        for subprotocol in offered:
            if not isinstance(subprotocol, str):
                msg = f"subprotocols is a list of strings; {subprotocol!r} is none"
                raise TypeError(msg)
            if not TOKEN.fullmatch(subprotocol.encode(errors="replace")):
                msg = f"{subprotocol!r} cannot be a subprotocol: see RFC 6455 4.1 for its characters"
                raise ValueError(msg)
        if offered:
            headers["sec-websocket-protocol"] = ", ".join(offered)
    return headers


def refusal(scope: Scope) -> Refusal | None:
    """Return what is wrong with the handshake of an HTTP scope, None if nothing is (RFC 6455 section 4.2)."""
    if scope["method"] != "GET":
        return Refusal(405, f"a WebSocket handshake is a GET request, not {scope['method']}", ((b"allow", b"GET"),))
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    if not _is_key(headers.get(b"sec-websocket-key", b"")):
        return Refusal(400, "Sec-WebSocket-Key is missing, or is not 16 bytes in base64")
    version = b", ".join(value for name, value in scope["headers"] if name == b"sec-websocket-version")
    if not version:
        return Refusal(400, "Sec-WebSocket-Version is missing")
    if version != b"13":
        why = f"Sec-WebSocket-Version is {version.decode('latin-1')}, and this is version 13"
        return Refusal(426, why, ((b"sec-websocket-version", b"13"),))
    return None


def acceptance(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the headers by which a server agrees (RFC 6455 section 4.2.2, 5)."""
    key = dict(scope["headers"])[b"sec-websocket-key"]
    token = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    return [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", token)]


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False
