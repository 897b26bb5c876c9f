"""Makes a response of httpx, or httpx2, of what an app sends, with the body as a stream."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from http import HTTPStatus
from operator import attrgetter
from typing import Any

import httpx

from .._conversation.http import HTTPExchange
from .._conversation.loop import cancellation_in_flight
from .._conversation.websocket import WebSocketConnection
from .._protocol.fields import REMEMBERED
from .._protocol.handshake import Refusal
from .library import HTTPLibrary, OfLibrary, base_in_library, derived, is_library, library_of

_ENCODED = frozenset({b"content-encoding"})

_REASON_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


async def response_to(exchange: HTTPExchange, http: HTTPLibrary) -> httpx.Response:
    """Return the response at ``http.response.start``, its body as a stream; or, for want of one, a server's 500."""
    extensions: dict[str, Any] = {"http_version": b"HTTP/1.1", "asgi": exchange}
    sent = exchange.state
    if not (sent.status or await exchange.started()):
        return _internal_server_error(exchange, extensions, http)
    extensions["reason_phrase"] = _REASON_PHRASES.get(sent.status, b"")
    extensions.update(sent.extensions)  # lists among them grow
    make = _headers if sent.size <= REMEMBERED else _headers.__wrapped__
    headers = make(http, tuple(sent.headers))
    kind: Any = derived(Response, http, "Response")
    stream = derived(ResponseStream, http, "AsyncByteStream")(exchange, http)
    response: httpx.Response = kind(sent.status, headers=headers, stream=stream, extensions=extensions)
    return response


async def response_to_handshake(
    connection: WebSocketConnection, request: httpx.Request, agreed: Sequence[tuple[bytes, bytes]] = ()
) -> httpx.Response:
    """Return the response to a WebSocket handshake: 101, the app's denial, a rejection's 403, or a server's 500.

    In `agreed` are the headers by which the protocol is agreed upon, should the app accept.
    """
    http = library_of(request)
    extensions: dict[str, Any] = {"http_version": b"HTTP/1.1", "asgi": connection}
    if not await connection.answered():
        return _internal_server_error(connection, extensions, http)
    state = connection.state
    if state.accepted:
        subprotocol = [(b"sec-websocket-protocol", state.subprotocol.encode())] if state.subprotocol is not None else []
        status, headers = 101, [*agreed, *subprotocol, *state.headers]
    elif state.rejected:
        status, headers = 403, [(b"content-length", b"0"), (b"connection", b"close")]
    else:
        status, headers = state.denial.status, state.denial.headers
    extensions["reason_phrase"] = _REASON_PHRASES.get(status, b"")
    stream: Any = derived(ResponseStream, http, "AsyncByteStream")(connection, http)
    return http.Response(status, headers=headers, stream=stream, extensions=extensions)


def refuse_handshake(refusal: Refusal, http: HTTPLibrary) -> httpx.Response:
    """Return the response to a handshake that is none."""
    return http.Response(
        refusal.status,
        headers=[(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), *refusal.headers],
        stream=http.ByteStream(f"{refusal.why}\n".encode()),
        extensions={"http_version": b"HTTP/1.1", "reason_phrase": _REASON_PHRASES[refusal.status]},
    )


def _internal_server_error(
    exchange: HTTPExchange | WebSocketConnection, extensions: dict[str, Any], http: HTTPLibrary
) -> httpx.Response:
    apology = exchange.apology
    return http.Response(
        500,
        headers=[(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")] if apology else [],
        stream=http.ByteStream(b"" if exchange.scope.get("method") == "HEAD" else apology),
        extensions={**extensions, "reason_phrase": _REASON_PHRASES[500]},
    )


@lru_cache(maxsize=1024)  # an app sends much the same headers again and again; each response takes a copy
def _headers(http: HTTPLibrary, sent: tuple[tuple[bytes, bytes], ...]) -> httpx.Headers:
    return http.Headers(sent)


def exception_in_flight() -> BaseException | None:
    """Return the exception of the test that is just passing through the library, or None.

    A response is closed by the library in ``finally:`` and ``except:`` blocks, too, while an exception of the test
    passes through; whatever goes wrong then must not replace that exception. ``sys.exception()`` alone would also see
    an exception which the test handles around an ordinary call, so the frame that handles it has to be the library's.
    """
    error = sys.exception()
    if error is None or error.__traceback__ is None or isinstance(error, GeneratorExit):
        return None  # a generator that is closed (httpx2 closes the response then) does not fail
    handler = error.__traceback__.tb_frame.f_globals.get("__name__", "")
    return error if is_library(handler) else None


class OwnStream:
    """A stream of ours: the body of a response.

    Attributes:
        exchange: What it is of.
        http: The library of the response.
        whole: All of the body, if that is here, and there is nothing left to wait for.
    """

    exchange: Any
    http: HTTPLibrary
    whole: list[bytes] | None = None

    def begin(self) -> None:
        """Note that the library reads the body.

        Raises:
            httpx.StreamConsumed: A reader of ours has it.
        """
        if self.exchange.claimed:
            raise self.http.StreamConsumed
        self.exchange.begun = True


class Response(OfLibrary):
    """A response whose body, if it is read whole, is read in one step, past the library's three nested iterators.

    That is while nobody has put a stream of their own around the body, or something else in the place of the library's
    methods. There is a ``Response`` of the library to derive it from.
    """

    headers: httpx.Headers
    elapsed: dt.timedelta
    is_closed: bool
    _own: OwnStream | None = None
    _untouched = True
    _body: bytes | None = None  # on its way to the content
    _downloaded: int | None = None

    @property
    def stream(self) -> Any:
        """The body, as it is read."""
        return self.__dict__["stream"]

    @stream.setter
    def stream(self, stream: Any) -> None:
        # We put ours here, and the client its own around it, of a class that is private to the library.
        before = self.__dict__.get("stream")
        if isinstance(stream, OwnStream):
            self._own = stream
            fits = before is None or isinstance(before, OwnStream)
        else:
            module = type(stream).__module__
            fits = isinstance(before, OwnStream) and "." in module and is_library(module)
        self._untouched = self._untouched and fits
        self.__dict__["stream"] = stream

    @property
    def is_stream_consumed(self) -> bool:
        """Whether the body is read, or was; by a reader of ours, too."""
        return self.__dict__.get("is_stream_consumed", False) or (self._own is not None and self._own.exchange.claimed)

    @is_stream_consumed.setter
    def is_stream_consumed(self, consumed: bool) -> None:
        self.__dict__["is_stream_consumed"] = consumed

    async def aread(self) -> bytes:
        """Read and return the body."""
        own = self._own
        if own is None or not self._can_be_read(own):
            content: bytes = await self._library_s.aread()
            return content
        exchange: HTTPExchange = own.exchange
        try:
            chunks = await exchange.read()
        except own.http.RequestError as error:
            with suppress(RuntimeError):  # without a client, it has none
                error.request = self._library_s.request
            raise
        return self._take(own, chunks)

    def read(self) -> bytes:
        """Read and return the body."""
        own = self._own
        if own is not None and own.whole is not None and self._can_be_read(own):
            return self._take(own, own.whole)
        content: bytes = self._library_s.read()
        return content

    def _can_be_read(self, own: OwnStream) -> bool:
        """Whether the body is to be read here, and not in the library's way. If so, it counts as consumed."""
        if self.is_closed or self.is_stream_consumed or not self._untouched:
            return False
        if not _ENCODED.isdisjoint([name.lower() for name, _ in self.headers.raw]):
            return False
        library: Any = own.http.Response
        own.exchange.begun = self.is_stream_consumed = _methods(library) == _originals(library)
        return self.is_stream_consumed

    def _take(self, own: OwnStream, chunks: list[bytes]) -> bytes:
        exchange = own.exchange
        self._body = body = b"".join(chunks)
        self._downloaded = len(body)
        self.is_closed = True
        self.elapsed = dt.timedelta(seconds=time.perf_counter() - exchange.began)
        self.__dict__["stream"] = own.http.ByteStream(body)  # the client's leads back to this
        content: bytes = self._library_s.read()
        return content

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Iterate over the body, decoded."""
        body, self._body = self._body, None
        if body is not None:
            yield body
        else:
            yield from self._library_s.iter_bytes(chunk_size)

    @property
    def num_bytes_downloaded(self) -> int:
        """How many bytes of the body have been read, before they were decoded."""
        read: int = self._library_s.num_bytes_downloaded if self._downloaded is None else self._downloaded
        return read

    def __reduce__(self) -> tuple[Any, ...]:  # a derived class cannot be found by its name
        this: Any = self
        state = {name: value for name, value in this.__getstate__().items() if name != "_own"}
        return object.__new__, (base_in_library(type(self)),), state


_methods = attrgetter("aread", "aiter_bytes", "aiter_raw", "read", "iter_bytes", "iter_raw")


@lru_cache
def _originals(library: Any) -> tuple[Any, ...]:
    """Return the methods of a library's response, as they were when the first was made."""
    return _methods(library)


class ResponseStream(OwnStream):
    """The body of a response, as httpx reads it, with an ``AsyncByteStream`` to derive it from."""

    def __init__(self, exchange: HTTPExchange | WebSocketConnection, http: HTTPLibrary) -> None:
        self.exchange = exchange
        self.http = http

    def __aiter__(self) -> ResponseStream:
        return self

    async def __anext__(self) -> bytes:
        self.begin()
        chunk: bytes | None = await self.exchange.next_chunk()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Let go of the response: see `HTTPExchange.close` and `WebSocketConnection.close`."""
        await self.exchange.close(exception_in_flight() or cancellation_in_flight())
