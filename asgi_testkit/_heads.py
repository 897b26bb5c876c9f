"""Builds plain requests quickly: their URLs and headers are remembered.

The library takes longer over a URL and headers than an app over its answer. So it makes them once for each URL, and
they are used again while the headers and the base URL of the client stay the same. No rule of HTTP is known here: where
a request is not plain, or a test has patched the library's `build_request`, the library builds the request.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Generic, NamedTuple, cast

import httpx

from ._http import HTTPLibrary, Request, base_in_library, is_library, library_of
from ._options import timeouts_of

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


class RemembersHeads(Generic[Request]):
    """Builds plain requests of remembered URLs and headers. A client of the library is its base class as well."""

    _library_client: type

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if any(is_library(base.__module__) for base in cls.__mro__):
            cls._library_client = client = base_in_library(cls)
            _ORIGINALS.setdefault(client, client.build_request)

    def __init__(self, **options: Any) -> None:
        self._library = library_of(self)
        self._heads = Heads(None, [], {})
        base_url = options.get("base_url")
        if type(base_url) is str:
            options["base_url"] = _parse(self._library, base_url)
        as_the_library_s: Any = super()
        as_the_library_s.__init__(**options)
        timeouts_of({"timeout": as_the_library_s.timeout.as_dict()})  # an odd one is told here

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
        kind: Any = self._library_client
        if not plain or client.params or kind.build_request is not _ORIGINALS[kind]:
            as_the_library_s: Any = super()
            return cast("Request", as_the_library_s.build_request(method, url, timeout=timeout, **options))

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
        as_the_library_s: Any = super()
        base_url = client.base_url
        known = (self._library, str(base_url), url)
        merged = _merged.get(known)
        if merged is None:
            merged = as_the_library_s.build_request("GET", url).url
            if len(_merged) >= _REMEMBERED:
                _merged.clear()  # under another thread, perhaps
            if client.base_url is base_url:  # which another thread may have replaced
                _merged[known] = merged
        return cast("httpx.URL", merged)


def original_build_request(client: Any) -> Any:
    """Return the `build_request` of the library's client that `client` is, whatever a test has put there since."""
    return _ORIGINALS[client._library_client]  # noqa: SLF001 - it is a RemembersHeads


@lru_cache
def _parse(http: HTTPLibrary, url: str) -> httpx.URL:
    """Return a URL: nearly every client of a suite has the same base."""
    return http.URL(url)
