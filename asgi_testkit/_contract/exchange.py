"""Exchange: what is kept of a request and its response until they are judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._types import Message

#: How many bytes are kept of a body. Of a longer one, none are: it cannot be judged by its beginning.
BODY_KEPT = 2**20


class Body:
    """A body, as it goes by.

    Attributes:
        size: How many bytes have gone by.
        whole: Whether its end has.
    """

    __slots__ = ("_parts", "size", "whole")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size: int = 0
        self.whole: bool = False

    def add(self, message: Message) -> None:
        """Keep a copy of what a message carries."""
        chunk = bytes(message.get("body", b""))
        self.size += len(chunk)
        if self.size <= BODY_KEPT:
            self._parts.append(chunk)
        else:
            self._parts.clear()
        self.whole = not message.get("more_body", False)

    @property
    def content(self) -> bytes | None:
        """All of it; None if it has not ended, or is too long."""
        return b"".join(self._parts) if self.whole and self.size <= BODY_KEPT else None


class Exchange:
    """A request and its response.

    Attributes:
        test: The node id of the test in which it began; "" outside of any.
        request, response: Their bodies.
        status: That of the response; None for want of one.
        response_headers: Those of the response.
        method, path, root_path, query, headers: Of the request, as the app has routed it.
        app: The application that says in the scope that it is the one; None if none does.
        route: The template of the route that it took; None if it does not say so.
        parameters: The names of what it took out of the path.
        raised: Whether the app has raised, by which a response with status 500 says nothing of the app.
    """

    method: str = ""
    path: str = ""
    root_path: str = ""
    query: bytes = b""
    headers: Mapping[str, list[str]] = {}
    app: Any = None
    route: str | None = None
    parameters: frozenset[str] = frozenset()
    status: int | None = None
    response_headers: Mapping[str, list[str]] = {}
    raised: bool = False

    def __init__(self, test: str) -> None:
        """Begin with nothing; `test` is the node id of the test that runs."""
        self.test: str = test
        self.request: Body = Body()
        self.response: Body = Body()

    def start(self, message: Message) -> None:
        """Take the start of a response."""
        self.status = int(message["status"])
        self.response_headers = _by_name(message.get("headers", ()))

    def take_scope(self, scope: Mapping[str, Any]) -> None:
        """Take from a scope what is needed, after the app has routed the request."""
        self.method = scope["method"]
        self.path = scope["path"]
        self.root_path = scope.get("root_path", "")
        self.query = scope.get("query_string", b"")
        self.headers = _by_name(scope["headers"])
        self.app = scope.get("app")
        self.route = scope.get("path_template") or getattr(scope.get("route"), "path_format", None)
        self.parameters = frozenset(scope.get("path_params") or ())

    def forget_bodies(self) -> None:
        """Keep no bodies."""
        self.request, self.response = Body(), Body()

    @property
    def size(self) -> int:
        """How many bytes it keeps."""
        return sum(min(body.size, BODY_KEPT) for body in (self.request, self.response))


def _by_name(headers: Any) -> Mapping[str, list[str]]:
    """Return the values of headers by their names, in lower case."""
    found: dict[str, list[str]] = {}
    if isinstance(headers, list | tuple):  # an iterator is for the client
        for name, value in headers:
            found.setdefault(bytes(name).decode("latin-1").lower(), []).append(bytes(value).decode("latin-1"))
    return found


def pairs(headers: Mapping[str, list[str]]) -> Iterable[tuple[bytes, bytes]]:
    """Yield headers as ASGI has them."""
    return [(name.encode(), value.encode("latin-1")) for name, values in headers.items() for value in values]
