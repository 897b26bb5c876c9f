"""The short way of a plain request through the HTTP library's client, which takes longer over it than the app does.

Only the public `build_request` and `send` are overridden, and no rule of HTTP is known here. What a request begins
with, its URL and its headers, the library makes once, and it is remembered while the client stays as it is. A request
with which the library's client would do nothing but pass it on to our transport, having no auth, hooks or mounts, goes
there directly. All else is left to the library. That a response is a redirect shows when the app has answered: then the
library sends the request as ever, and gets that answer.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from types import FunctionType
from typing import Any, Generic, NamedTuple, cast

import httpx

from ._http import HTTPLibrary, Request, Response, is_library, library_of
from ._response import Response as Answer
from ._transport import ANSWER, reads_whole

#: What the constructor of a request takes just as `build_request` does.
_BODIES = frozenset({"content", "data", "files", "json"})
_AS_GIVEN = _BODIES | {"params"}

_WAYS_OF_SENDING = frozenset({"auth", "follow_redirects"})

#: How many heads a client remembers, and all of them URLs. Who asks for more than that begins anew.
_REMEMBERED = 1024


class Head(NamedTuple):
    """What a request without a body begins with."""

    url: httpx.URL
    headers: httpx.Headers


#: URLs as each library merges them: a suite makes many clients, and most ask for much the same.
_merged: dict[tuple[HTTPLibrary, str, str], httpx.URL] = {}


class Heads(NamedTuple):
    """The heads of a client's requests, for as long as its headers and its base URL stay what they are.

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


class Shortcut(Generic[Request]):
    """What the short ways of both clients share. A client of the library has to stand behind it."""

    def __init__(self, *, transport: Any, **options: Any) -> None:
        self._library = library_of(self)
        self._sender = transport
        self._mounted = bool(options.get("mounts") or options.get("proxy"))
        self._default_encoding_of_responses = options.get("default_encoding", "utf-8")
        self._heads = Heads(None, [], {})
        base_url = options.get("base_url")
        if type(base_url) is str:
            options["base_url"] = _parse(self._library, base_url)
        as_the_library_s: Any = super()
        as_the_library_s.__init__(transport=transport, **options)

    def build_request(self, method: str, url: Any, **options: Any) -> Request:
        """Build a request, as ``httpx.Client.build_request``."""
        client: Any = self
        http = self._library
        given = {name: value for name, value in options.items() if value is not None and name != "timeout"}
        headers = given.pop("headers", None)
        cookies = client.cookies
        alone = not given and headers is None and not cookies
        # Where there is no body, a method may bring headers of its own: as the first ones, with no way to get at them.
        known = alone or (all(given.values()) and (method == "GET" or not _BODIES.isdisjoint(given)))
        if type(url) is not str or client.params or not known or not _AS_GIVEN.issuperset(given):
            as_the_library_s: Any = super()
            return cast("Request", as_the_library_s.build_request(method, url, **options))

        timeout = options.get("timeout", http.USE_CLIENT_DEFAULT)
        timeout = client.timeout if timeout is http.USE_CLIENT_DEFAULT else http.Timeout(timeout)
        extensions = {"timeout": timeout.as_dict()}
        kind = method if alone else "GET"
        heads = self._heads = self._heads.of(client)
        head = heads.known.get((kind, url))
        if head is None:
            head = heads.add(kind, url, http.Request(kind, self._merge(url), headers=heads.headers))
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

    def _only_passes_on(
        self, request: httpx.Request, client_class: Any, verb: str, stream_class: Any, options: dict[str, Any]
    ) -> bool:
        """Whether the library's client would only pass the request on to our transport.

        Args:
            request: The request.
            client_class: The library's client.
            verb: The method of the transport.
            stream_class: What the body has to be.
            options: How it is to be sent.
        """
        client: Any = self
        http = self._library
        hooks = client.event_hooks
        auth = options.get("auth", http.USE_CLIENT_DEFAULT)
        return not (
            client.is_closed
            or hooks["request"]
            or hooks["response"]
            or (auth is not None and (auth is not http.USE_CLIENT_DEFAULT or client.auth is not None))
            or request.url.userinfo
            or "timeout" not in request.extensions
            or not isinstance(request.stream, stream_class)
            or client.max_redirects < 0
            or self._mounted
            or verb in vars(self._sender)  # a test has put something in its place, which is to see each request once
            or not _is_own(client_class.send)
            or not _WAYS_OF_SENDING.issuperset(options)
            or _logger(http).isEnabledFor(logging.INFO)
        )

    def _is_the_answer(self, response: Any, request: httpx.Request) -> bool:
        """Whether the client has nothing to do because of the response. Note with it, then, what it is to know."""
        client: Any = self
        answer: Any = response
        if not isinstance(response, Answer) or answer.has_redirect_location:
            request.extensions[ANSWER] = response
            return False
        answer.request = request
        answer.default_encoding = self._default_encoding_of_responses
        client.cookies.extract_cookies(response)
        return True


class AwaitedShortcut(Shortcut[Request], Generic[Request, Response]):
    """The short way through an ``AsyncClient`` of the library."""

    async def send(self, request: Request, *, stream: bool = False, **options: Any) -> Response:
        """Send a request, as ``httpx.AsyncClient.send``."""
        http = self._library
        sent: Any = request
        if self._only_passes_on(sent, http.AsyncClient, "handle_async_request", http.AsyncByteStream, options):
            try:
                response: Response = await self._sender.handle_async_request(request)
                if self._is_the_answer(response, sent):
                    if not stream:
                        await _read(response)
                    return response
            except http.RequestError as error:
                error.request = sent
                raise
        as_the_library_s: Any = super()
        return cast("Response", await as_the_library_s.send(request, stream=stream, **options))


async def _read(response: Any) -> None:
    try:
        await response.aread()
    except BaseException:
        await response.aclose()
        raise


class BlockingShortcut(Shortcut[Request], Generic[Request, Response]):
    """The short way through a ``Client`` of the library."""

    def send(self, request: Request, *, stream: bool = False, **options: Any) -> Response:
        """Send a request, as ``httpx.Client.send``. Unless it streams, one trip into the loop does it all."""
        http = self._library
        sent: Any = request
        token = reads_whole.set(not stream)
        try:
            if self._only_passes_on(sent, http.Client, "handle_request", http.SyncByteStream, options):
                try:
                    response: Response = self._sender.handle_request(request)
                    if self._is_the_answer(response, sent):
                        if not stream:
                            _read_blocking(response)
                        return response
                except http.RequestError as error:
                    error.request = sent
                    raise
            as_the_library_s: Any = super()
            return cast("Response", as_the_library_s.send(request, stream=stream, **options))
        finally:
            reads_whole.reset(token)


def _read_blocking(response: Any) -> None:
    try:
        response.read()
    except BaseException:
        response.close()
        raise


@lru_cache
def _parse(http: HTTPLibrary, url: str) -> httpx.URL:
    """Return a URL: nearly every client of a suite has the same base."""
    return http.URL(url)


def _is_own(send: Any) -> bool:
    """Whether the library's `send` is its own: tracing libraries put theirs in its place."""
    return type(send) is FunctionType and _comes_with_library(send)


@lru_cache
def _comes_with_library(function: FunctionType) -> bool:
    return is_library(function.__globals__["__name__"])  # __module__ is copied by wraps()


@lru_cache
def _logger(http: HTTPLibrary) -> logging.Logger:
    """Return where the library reports each request, if anybody listens."""
    return logging.getLogger(cast("Any", http).__name__)
