"""Requests: how they are built quickly, of a remembered URL and headers, and what an app gets of them.

The library takes longer over a URL and headers than an app over its answer. So it makes them once for each URL, and
they are used again while the headers and the base URL of the client stay the same. No rule of HTTP is known here: where
a request is not plain, or a test has patched the library's `build_request`, the library builds the request.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, cast
from weakref import WeakSet

import httpx

from .._conversation.request_body import Body, generator_of
from .._protocol.options import timeouts_of
from .._protocol.scope import http_scope
from .._types import Scope
from .cookies import CookiesForAnyHost, jar_for_any_host
from .library import Cookies, HTTPLibrary, Request, base_in_library, library_of

#: What the constructor of a request takes just as `build_request` does.
_BODIES = frozenset({"content", "data", "files", "json"})
_AS_GIVEN = _BODIES | {"params"}

#: How many heads a client remembers, and all of them URLs, of at most how many characters each.
_REMEMBERED = 1024
_LONGEST_URL = 1024

#: Each library's client with its `build_request`, as it was when ours was made.
_ORIGINALS: dict[type, Any] = {}


class Head(NamedTuple):
    """The URL and the headers of a request without a body."""

    url: httpx.URL
    headers: httpx.Headers


#: URLs as each library merges them: a suite makes many clients, and most ask for much the same.
_merged: dict[tuple[HTTPLibrary, str, str], httpx.URL] = {}


class Heads(NamedTuple):
    """URLs and headers of a client's requests, by method and URL; valid while its base URL and headers are the same.

    A client that has changed gets others: so what one thread makes while another changes the client is not found again.
    """

    base_url: object
    headers: list[tuple[bytes, bytes]]
    known: dict[tuple[str, str], Head]

    def of(self, client: Any) -> Heads:
        """Return these, or new ones if the client has changed, or they have become too many."""
        base_url, headers = client.base_url, client.headers.raw  # anyone may change the headers in place
        if base_url is self.base_url and headers == self.headers and len(self.known) < _REMEMBERED:
            return self
        return Heads(base_url, headers, {})

    def add(self, method: str, url: str, request: httpx.Request) -> Head:
        """Remember how `request`, which has the headers of the client and no body, begins."""
        head = self.known[method, url] = Head(request.url, library_of(request).Headers(request.headers))
        return head


class RemembersHeads(CookiesForAnyHost[Request, Cookies]):
    """Builds plain requests of remembered URLs and headers. A client of the library is its base class as well."""

    _library_client: ClassVar[Any]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if hasattr(cls, "_library"):
            cls._library_client = client = base_in_library(cls)
            _ORIGINALS.setdefault(client, client.build_request)

    def __init__(self, **options: Any) -> None:
        self._heads = Heads(None, [], {})
        base_url = options.get("base_url")
        if type(base_url) is str:
            options["base_url"] = _parse(self._library, base_url)
        self._library_s.__init__(**options)
        timeouts_of({"timeout": self._library_s.timeout.as_dict()})  # an odd one is told here

    def build_request(self, method: str, url: Any, **options: Any) -> Request:
        """Build a request, as ``httpx.Client.build_request``."""
        client: Any = self
        http = self._library
        timeout = options.pop("timeout", http.USE_CLIENT_DEFAULT)
        given = {name: value for name, value in options.items() if value is not None}
        headers = given.pop("headers", None)
        cookies = client.cookies
        alone = not given and headers is None and not cookies
        # Where there is no body, a method may bring headers of its own: as the first ones, with no way to get at them.
        known = alone or (all(given.values()) and (method == "GET" or not _BODIES.isdisjoint(given)))
        plain = type(url) is str and len(url) <= _LONGEST_URL and known and _AS_GIVEN.issuperset(given)
        kind = self._library_client
        if not plain or client.params or kind.build_request is not _ORIGINALS[kind]:
            return super().build_request(method, url, timeout=timeout, **options)

        timeout = client.timeout if timeout is http.USE_CLIENT_DEFAULT else http.Timeout(timeout)
        extensions = {"timeout": timeout.as_dict()}
        verb = method if alone else "GET"
        heads = self._heads = self._heads.of(client)
        head = heads.known.get((verb, url))
        if head is None:
            head = heads.add(verb, url, http.Request(verb, self._merge(url), headers=heads.headers))
        if alone:
            body = http.ByteStream(b"")
            request: Any = http.Request(method, head.url, headers=head.headers, stream=body, extensions=extensions)
            request.read()  # so that it has its content
            return request  # type: ignore[no-any-return]
        if headers is not None:
            head = Head(head.url, http.Headers(head.headers))
            head.headers.update(headers)
        options = {"headers": head.headers, "cookies": cookies or None, "extensions": extensions, **given}
        return cast("Request", http.Request(method, head.url, **options))

    def _merge(self, url: str) -> httpx.URL:
        """Return a URL as the library merges it with that of the client."""
        client: Any = self
        base_url = client.base_url
        known = (self._library, str(base_url), url)
        merged = _merged.get(known)
        if merged is None:
            merged = self._library_s.build_request("GET", url).url
            if len(_merged) >= _REMEMBERED:
                _merged.clear()  # under another thread, perhaps
            if client.base_url is base_url:  # which another thread may have replaced
                _merged[known] = merged
        return cast("httpx.URL", merged)

    def with_cookie_header(self, url: Any, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a request with a header in the place of ``cookies=``, of which the library warns."""
        cookies = options.pop("cookies", None)
        if cookies:
            build = _ORIGINALS[self._library_client]  # whatever a test has put there since
            asks = build(self, "GET", url, cookies=jar_for_any_host(cookies))
            headers = self._library.Headers({"cookie": asks.headers["cookie"]} if "cookie" in asks.headers else {})
            headers.update(options.get("headers"))
            options["headers"] = headers
        return options


def scope_of(request: httpx.Request, **options: Any) -> Scope:
    """Return the HTTP scope of a request, with the options of `http_scope`.

    Raises:
        httpx.LocalProtocolError: No client could send such a request.
        TypeError: ``extensions={"target": ...}``, which is to replace its path and query, as in httpcore, is no bytes.
    """
    url = request.url
    target: Any = request.extensions.get("target") or url.raw_path
    if not isinstance(target, bytes):
        msg = f'extensions={{"target": ...}} is bytes, not {target!r}'
        raise TypeError(msg)
    try:
        return http_scope(
            method=request.method,
            scheme=url.scheme,
            host=url.host,
            port=url.port,
            target=target,
            headers=request.headers.raw,
            **options,
        )
    except ValueError as error:
        raise library_of(request).LocalProtocolError(f"{request!r}: {error}", request=request) from None


#: Bodies that can be sent only once, and were.
_SENT: WeakSet[Any] = WeakSet()


def send_once(request: httpx.Request) -> None:
    """Note that a request is sent. A network's client takes a generator to its end, whether or not the app reads it.

    Raises:
        httpx.StreamConsumed: Its body is of a generator, and was sent before: after a redirect, or for digest auth.
    """
    if generator_of(request.stream) is not None:
        if request.stream in _SENT:
            raise library_of(request).StreamConsumed
        _SENT.add(request.stream)


def body_of(request: httpx.Request, http: HTTPLibrary) -> Body:
    """Return the body of a request that is about to be sent.

    Raises:
        TypeError: It cannot be iterated asynchronously.
        httpx.StreamConsumed: As `send_once`.
    """
    stream = request.stream
    if isinstance(stream, http.ByteStream):
        try:
            return request.content
        except http.RequestNotRead:
            return b"".join(stream)
    if not isinstance(stream, http.AsyncByteStream):
        msg = f"the body of {request!r} is {stream!r}, which cannot be iterated asynchronously"
        raise TypeError(msg)
    send_once(request)
    return stream


@lru_cache
def _parse(http: HTTPLibrary, url: str) -> httpx.URL:
    """Return a URL: nearly every client of a suite has the same base."""
    return http.URL(url)
