"""A conversation as httpx sees it: a response, and its body as a stream."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from http import HTTPStatus
from importlib import import_module
from itertools import chain
from types import ModuleType
from typing import Any, cast

import httpx

from ._errors import exception_in_flight
from ._exchange import HTTPExchange
from ._fields import REMEMBERED
from ._handshake import Refusal
from ._http import HTTPLibrary, derived, library_of
from ._websocket import WebSocketConnection

_REASON_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}

_ENCODED = frozenset({b"content-encoding"})


async def response_to(exchange: HTTPExchange) -> httpx.Response:
    """Return the response at ``http.response.start``, its body as a stream; or, for want of one, a server's 500.

    Raises:
        httpx.ReadTimeout: The app was silent for longer than the read timeout. It has been stopped.
        BaseException: What the app raised before the start, where the test is to get it.
    """
    extensions: dict[str, Any] = {"http_version": b"HTTP/1.1", "asgi": exchange}
    sent = exchange.response
    if not (sent.status or await exchange.started()):
        return _internal_server_error(exchange, extensions)
    extensions["reason_phrase"] = _REASON_PHRASES.get(sent.status, b"")
    extensions.update(sent.extensions)  # lists among them grow
    response: Any = response_class(exchange.http)(
        sent.status,
        headers=_headers_of(exchange.http, tuple(sent.headers)),
        stream=stream_of(exchange),
        extensions=extensions,
    )
    response.belongs_to(exchange)
    return response  # type: ignore[no-any-return]


async def response_to_handshake(connection: WebSocketConnection, agreed: list[tuple[bytes, bytes]]) -> httpx.Response:
    """Return the response to a WebSocket handshake: 101, the app's denial, a rejection's 403, or a server's 500.

    Args:
        connection: The connection.
        agreed: The headers by which the protocol is agreed upon, should the app accept.

    Raises:
        httpx.ReadTimeout: The app was silent for longer than the read timeout. It has been stopped.
        BaseException: What the app raised before it answered, where the test is to get it.
    """
    extensions: dict[str, Any] = {"http_version": b"HTTP/1.1", "asgi": connection}
    if not await connection.answered():
        return _internal_server_error(connection, extensions)
    state = connection.state
    if state.accepted:
        subprotocol = [(b"sec-websocket-protocol", state.subprotocol.encode())] if state.subprotocol is not None else []
        status, headers = 101, [*agreed, *subprotocol, *state.headers]
    elif state.rejected:
        status, headers = 403, [(b"content-length", b"0"), (b"connection", b"close")]
    else:
        status, headers = state.denial.status, state.denial.headers
    extensions["reason_phrase"] = _REASON_PHRASES.get(status, b"")
    return connection.http.Response(status, headers=headers, stream=stream_of(connection), extensions=extensions)


def refuse_handshake(refusal: Refusal, http: HTTPLibrary) -> httpx.Response:
    """Return the response to a handshake that is none."""
    return http.Response(
        refusal.status,
        headers=[(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), *refusal.headers],
        stream=http.ByteStream(f"{refusal.why}\n".encode()),
        extensions={"http_version": b"HTTP/1.1", "reason_phrase": _REASON_PHRASES[refusal.status]},
    )


def _internal_server_error(exchange: HTTPExchange | WebSocketConnection, extensions: dict[str, Any]) -> httpx.Response:
    apology = exchange.apology
    return exchange.http.Response(
        500,
        headers=[(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")] if apology else [],
        stream=exchange.http.ByteStream(b"" if exchange.scope.get("method") == "HEAD" else apology),
        extensions={**extensions, "reason_phrase": _REASON_PHRASES[500]},
    )


def _headers_of(http: HTTPLibrary, sent: tuple[tuple[bytes, bytes], ...]) -> httpx.Headers:
    small = sum(map(len, chain.from_iterable(sent))) <= REMEMBERED
    return _headers(http, sent) if small else http.Headers(sent)


@lru_cache(maxsize=1024)  # an app sends much the same headers again and again; each response takes a copy
def _headers(http: HTTPLibrary, sent: tuple[tuple[bytes, bytes], ...]) -> httpx.Headers:
    return http.Headers(sent)


class Response:
    """A response whose body, wanted as a whole, is read without asynchronous iterators, and decoders with no work.

    There is a ``Response`` of the library to derive it from.
    """

    extensions: dict[str, Any]
    headers: httpx.Headers
    is_closed: bool
    is_stream_consumed: bool
    stream: Any
    _exchange: HTTPExchange
    _seconds: float | None = None
    _downloaded: int | None = None
    _is_here = False

    def belongs_to(self, exchange: HTTPExchange) -> None:
        """Note what it is the response of."""
        self._exchange = exchange

    def arrived(self, body: httpx.SyncByteStream) -> None:
        """Take a body that can be read without waiting."""
        self.stream = body
        self._is_here = True

    async def aread(self) -> bytes:
        """Read and return the body."""
        as_the_library_s: Any = super()
        if self.is_closed or self.is_stream_consumed:
            content: bytes = await as_the_library_s.aread()
            return content
        self.is_stream_consumed = True
        exchange = self._exchange
        try:
            await exchange.gather()
        except exchange.http.RequestError as error:
            self._name_request(error)
            raise
        self.arrived(exchange.http.ByteStream(b"".join(exchange.take_chunks())))
        self.is_stream_consumed = False
        read: bytes = as_the_library_s.read()
        return read

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Iterate over the body, decoded."""
        read_before = self.is_stream_consumed or self.is_closed
        if read_before or not self._is_here or chunk_size is not None or has_any(self.headers, _ENCODED):
            as_the_library_s: Any = super()
            yield from as_the_library_s.iter_bytes(chunk_size)
            return
        self.is_stream_consumed = True
        self._downloaded = 0
        try:
            for chunk in self.stream:
                self._downloaded += len(chunk)
                yield chunk
        except self._exchange.http.RequestError as error:
            self._name_request(error)
            raise
        self._end()
        self.is_closed = True  # with nothing left to close

    def _name_request(self, error: httpx.RequestError) -> None:
        this: Any = self
        with suppress(RuntimeError):  # without a client, it has none
            error.request = this.request

    def close(self) -> None:
        """Let go of the response."""
        self._end()
        as_the_library_s: Any = super()
        as_the_library_s.close()

    async def aclose(self) -> None:
        """Let go of the response."""
        self._end()
        as_the_library_s: Any = super()
        await as_the_library_s.aclose()

    def _end(self) -> None:
        if not self.is_closed:
            self._seconds = time.perf_counter() - self._exchange.began

    @property
    def num_bytes_downloaded(self) -> int:
        """How many bytes of the body have been read, before they were decoded."""
        if self._downloaded is not None:
            return self._downloaded
        as_the_library_s: Any = super()
        downloaded: int = as_the_library_s.num_bytes_downloaded
        return downloaded

    @property
    def elapsed(self) -> dt.timedelta:
        """The time from the request to the end of the response."""
        if self._seconds is not None:
            return dt.timedelta(seconds=self._seconds)
        as_the_library_s: Any = super()
        return cast("dt.timedelta", as_the_library_s.elapsed)

    @elapsed.setter
    def elapsed(self, elapsed: dt.timedelta) -> None:
        self._seconds = elapsed.total_seconds()

    def __reduce__(self) -> tuple[Any, ...]:  # a derived class cannot be found by its name
        this: Any = self
        state = {name: value for name, value in this.__getstate__().items() if name != "_exchange"}
        return _blank_response, (cast("ModuleType", library_of(this)).__name__,), state


def has_any(headers: httpx.Headers, names: frozenset[bytes]) -> bool:
    """Whether one of these names, in lower case, is among the headers.

    The library decodes all of the headers before it says as much, if nothing was asked of them before.
    """
    return not names.isdisjoint([name.lower() for name, _ in headers.raw])


def response_class(http: HTTPLibrary) -> type[httpx.Response]:
    """Return the class of responses that ``http.response.start`` makes."""
    kind: Any = derived(Response, http, "Response")
    return kind  # type: ignore[no-any-return]


def _blank_response(library: str) -> httpx.Response:
    kind = response_class(cast("HTTPLibrary", import_module(library)))
    return kind.__new__(kind)


def stream_of(conversation: HTTPExchange | WebSocketConnection) -> httpx.AsyncByteStream:
    """Return the body of a response as a stream."""
    kind: Any = derived(ResponseStream, conversation.http, "AsyncByteStream")
    return kind(conversation)  # type: ignore[no-any-return]


class ResponseStream:
    """The body of a response, as httpx reads it, with an ``AsyncByteStream`` to derive it from."""

    def __init__(self, exchange: HTTPExchange | WebSocketConnection) -> None:
        self._exchange = exchange

    def __aiter__(self) -> ResponseStream:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._exchange.next_chunk()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Let go of the response: see `HTTPExchange.close` and `WebSocketConnection.close`."""
        await self._exchange.close(exception_in_flight())
