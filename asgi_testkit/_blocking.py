"""The way of a blocking request: into the loop of another thread, and back with its response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import anyio
import httpx

from ._conversation import Conversation
from ._errors import exception_in_flight, tell_beside
from ._exchange import HTTPExchange
from ._http import derived, library_of, network_of
from ._response import Response, ResponseStream
from ._transport import ANSWER, AppTransport, reads_whole
from ._types import Scope, public
from ._websocket import WebSocketConnection

if TYPE_CHECKING:
    from ._hop import Hop
    from ._loops import LoopThread

#: A request body whose length is known and no more than this many bytes is read before the trip.
_SMALL_BODY = 65536


class BlockingTransport:
    """Sends requests to an `ASGITransport` in another thread's event loop, or in one that this thread runs for them.

    There is a ``BaseTransport`` of the library to derive it from.

    Attributes:
        own_loop: The loop that an entered client has for itself; the others share one.
        standby: Whether the shared loop may run in the thread that sends.
    """

    standby = True

    def __init__(
        self, transport: AppTransport[httpx.Request, httpx.Response], backend: str, backend_options: Mapping[str, Any]
    ) -> None:
        self.own_loop: LoopThread | None = None
        self._shared_loop: LoopThread | None = None
        self._transport = transport
        self._configuration = (backend, backend_options)

    def start_own_loop(self, first: Callable[[], Awaitable[None]]) -> None:
        """Start a loop for this transport alone, and run `first` in it. If that raises, the loop ends again."""
        from ._loops import LoopThread

        self.own_loop = LoopThread(*self._configuration, first)

    def stop_own_loop(self, last: Callable[[], Awaitable[None]]) -> None:
        """Run `last` in the loop, and end it."""
        assert self.own_loop is not None
        self.own_loop.hop.check_thread("shutdown")
        loop, self.own_loop = self.own_loop, None
        loop.stop_after(last)

    @property
    def hop(self) -> Hop:
        """The way into the loop."""
        if self.own_loop is not None:
            return self.own_loop.hop
        if self._shared_loop is None or not self._shared_loop.runs:  # nor does it after a fork
            from ._loops import shared_loops

            self._shared_loop = shared_loops.get(*self._configuration, standby=self.standby)
        return self._shared_loop.hop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` to the app. See `ASGITransport.handle_async_request`, for the errors as well."""
        if ANSWER in request.extensions:
            answer: httpx.Response = request.extensions.pop(ANSWER)
            return answer
        return self._send(request)

    def _send(self, request: httpx.Request) -> httpx.Response:
        return self._send_by(self.hop, request)

    def _send_by(self, hop: Hop, request: httpx.Request) -> httpx.Response:
        sent = _as_async(request)
        if not reads_whole.get():
            response = hop.call(lambda: self._transport.handle_async_request(sent), name=request)
            if isinstance(response.stream, ResponseStream):
                kind: Any = derived(BlockingStream, library_of(request), "SyncByteStream")
                response.stream = kind(response.extensions["asgi"], hop)
        else:
            response = hop.call(lambda: self._whole(sent), name=request, in_place=True)
        if "network_stream" in response.extensions:
            from ._blocking_wire import BlockingWireStream

            kind = derived(BlockingWireStream, network_of(library_of(request)), "NetworkStream")
            response.extensions["network_stream"] = kind(response.extensions["network_stream"], hop)
        if "asgi" in response.extensions:  # a WebSocket handshake may be refused without the app
            response.extensions["asgi"] = BlockingExchange(response.extensions["asgi"], hop)
        return response

    async def _whole(self, request: httpx.Request) -> httpx.Response:
        response: Any = await self._transport.handle_async_request(request)
        body: Any = derived(WholeBody, library_of(request), "SyncByteStream")()
        if isinstance(response, Response):
            await body.read(response.extensions["asgi"])
            response.arrived(body)
        elif isinstance(response.stream, ResponseStream):
            await body.read(response.extensions["asgi"])
            response.stream = body
        return response  # type: ignore[no-any-return]

    def close(self) -> None:
        """See the requests of a client that shares its loop to their end."""
        if self._transport.unsettled:
            self.hop.call(self._transport.aclose, name="close")


class BlockingStream:
    """The body of a response, fetched as it is read: what is there comes in one trip.

    There is a ``SyncByteStream`` of the library to derive it from, as there is for `WholeBody`.
    """

    def __init__(self, exchange: HTTPExchange | WebSocketConnection, hop: Hop) -> None:
        self._exchange = exchange
        self._hop = hop

    def __iter__(self) -> Iterator[bytes]:
        while chunks := self._hop.call(self._next_chunks, name=self._exchange.name):
            yield from chunks

    async def _next_chunks(self) -> list[bytes]:
        chunk = await self._exchange.next_chunk()
        return [] if chunk is None else [chunk, *self._exchange.take_chunks()]

    def close(self) -> None:
        """Let go of the response: see `HTTPExchange.close`."""
        if not self._exchange.closed:  # by the end of the client, and its loop, perhaps
            reason = exception_in_flight()
            self._hop.call(lambda: self._exchange.close(reason), name=self._exchange.name)


class WholeBody:
    """The body of a response that was read to its end, and the error that ended it."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self._error: BaseException | None = None

    async def read(self, exchange: HTTPExchange) -> None:
        """Read all of the body; an error is kept until the reader comes to it."""
        try:
            await exchange.gather()
        except BaseException as error:
            if isinstance(error, anyio.get_cancelled_exc_class()) and error is not exchange.app_exception:
                raise  # not a failure, but the end of this trip: Ctrl-C, or the loop ends
            self._error = error
        self.chunks = exchange.take_chunks()

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def close(self) -> None:
        """Let go of the response. An error that was not come to is not lost."""
        error, self._error = self._error, None
        reason = exception_in_flight()
        if error is not None:
            if reason is None:
                raise error
            tell_beside(reason, error)


@public
class BlockingExchange:
    """The blocking view of an exchange: ``response.extensions["asgi"]`` of a `TestClient`.

    For tests, four things are public: `scope`, `done`, `app_exception` and `wait`.
    """

    def __init__(self, conversation: Conversation, hop: Hop) -> None:
        self.conversation = conversation
        self.hop = hop

    @property
    def scope(self) -> Scope:
        """The scope that the app was called with, and that it may have changed."""
        return self.conversation.scope

    @property
    def app_exception(self) -> BaseException | None:
        """What the app raised, as it is; None while it runs, or if it returned."""
        return self.conversation.app_exception

    @property
    def done(self) -> bool:
        """Whether the app has ended."""
        return self.conversation.done

    def wait(self, timeout: float | None = 5.0) -> None:
        """Wait until the app has ended. What it raised is in `app_exception`; it is not raised here.

        Args:
            timeout: Seconds; None for no limit. The app runs on when it is over.

        Raises:
            TimeoutError: The app has not ended in time. The text shows where it is suspended.
        """
        self.hop.call(lambda: self.conversation.wait(timeout), name=self.conversation.name)


def _as_async(request: httpx.Request) -> httpx.Request:
    """Return the request with a body that the loop can read."""
    http = library_of(request)
    stream = request.stream
    if isinstance(stream, http.ByteStream):
        return request
    assert isinstance(stream, http.SyncByteStream)  # httpx has checked that
    threaded: Any = derived(ThreadedStream, http, "AsyncByteStream")
    body: httpx.AsyncByteStream = threaded(stream)
    length = request.headers.get("content-length", "")
    # httpx's own bodies, of files and fields, can be read either way. A generator of the test may have to wait.
    if isinstance(stream, http.AsyncByteStream) and length.isdecimal() and int(length) <= _SMALL_BODY:
        body = http.ByteStream(b"".join(stream))
    return http.Request(
        request.method, request.url, headers=request.headers, stream=body, extensions=request.extensions
    )


class ThreadedStream:
    """A blocking iterable of the test as a body. A worker thread waits for its chunks, so that the loop need not.

    There is an ``AsyncByteStream`` of the library to derive it from.
    """

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        from anyio import to_thread

        chunks = iter(self._stream)
        while (chunk := await to_thread.run_sync(next, chunks, None, abandon_on_cancel=True)) is not None:
            yield chunk
