"""The ASGI extensions that a test can offer to its app. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

DEBUG = "http.response.debug"
EARLY_HINT = "http.response.early_hint"
PATHSEND = "http.response.pathsend"
PUSH = "http.response.push"
TRAILERS = "http.response.trailers"
ZEROCOPYSEND = "http.response.zerocopysend"

#: Those that bring messages to the protocol of HTTP.
HTTP = frozenset({DEBUG, EARLY_HINT, PATHSEND, PUSH, TRAILERS, ZEROCOPYSEND})

#: The one for WebSockets: a handshake may be answered with a response.
DENIAL = "websocket.http.response"


@dataclass(frozen=True)
class FileBody:
    """Reads a file that an app wants sent as part of its response (pathsend, zerocopysend).

    Attributes:
        file: The path of a file; or an open one, which stays open, or its file descriptor.
        offset: The byte to begin with; None: the position of the open file, which moves on then.
        count: The number of bytes, if there are as many; None: to the end of the file.
        more_body: Whether the body goes on after it.
    """

    file: Any
    offset: int | None
    count: int | None
    more_body: Any


_ELSEWHERE = {"http": "websocket.", "websocket": "http."}


def checked(extensions: Any, argument: str) -> Mapping[str, Mapping[str, Any]]:
    """Return `extensions`, if an app can be offered them.

    Names of other kinds, ``tls`` and those of vendors, bring no messages: they are there for the app to look at.

    Args:
        extensions: The names, and what there is to know of each.
        argument: What a test calls them.

    Raises:
        TypeError: It is no mapping of names to mappings.
        ValueError: It offers to apps what would be refused.
    """
    if not isinstance(extensions, Mapping):
        msg = f"{argument} maps the names of extensions to dicts; it is not {extensions!r}"
        raise TypeError(msg)
    for name, value in extensions.items():
        if not (isinstance(name, str) and isinstance(value, Mapping)):
            msg = f"{argument} maps the names of extensions to dicts, such as {{}}, not {name!r} to {value!r}"
            raise TypeError(msg)
        if name.startswith(("http.", "websocket.")) and name not in HTTP and name != DENIAL:
            known = ", ".join(sorted({*HTTP, DENIAL}))
            msg = f"{argument} offers {name!r}, which is not supported. Is it spelt as one of {known}?"
            raise ValueError(msg)
    return extensions


def offered(extensions: Any, kind: Literal["http", "websocket"]) -> Mapping[str, Mapping[str, Any]]:
    """Return what of ``asgi_extensions`` a scope of this kind is offered; raises as `checked` does."""
    offers = checked(extensions, "asgi_extensions").items()
    return {name: value for name, value in offers if not name.startswith(_ELSEWHERE[kind])}
