"""The transport of a blocking client: sends a request to the event loop, and brings the response back."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from inspect import isgenerator
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx

from .._client.library import HTTPLibrary, derived
from .._client.request import send_once
from .._client.response import OwnStream, ResponseStream, exception_in_flight
from .._client.transport import AppTransport
from .._conversation.conversation import Conversation
from .._conversation.http import HTTPExchange
from .._conversation.request_body import generator_of
from .._conversation.websocket import WebSocketConnection
from .._types import Scope, T, public
from .hop import Hop, LoopStandsStillError, ThreadHop

if TYPE_CHECKING:
    from .._conversation.body_source import BodySource
    from .._conversation.wire import WireStream
    from .._protocol.events import ServerSentEvent
    from .body_reader import BodyReader
    from .loop import LentLoop, LoopThread

#: A request body whose length is known and no more than this many bytes is read before the trip.
_SMALL_BODY = 65536

#: What is done with a request in the loop.
Handler: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]

_END: Any = object()


class BlockingTransport:
    """Sends requests to an `ASGITransport` in another thread's event loop.

    There is a ``BaseTransport`` of the library to derive it from.

    Attributes:
        own_loop: The loop that an entered client has for itself, or was lent; the others share one.
        lender: Who lends it.
    """

    lender: LoopThread | None = None

    def __init__(
        self,
        transport: AppTransport[httpx.Request, httpx.Response],
        backend: str,
        backend_options: Mapping[str, Any],
        http: HTTPLibrary,
    ) -> None:
        """Prepare it; `http` is the library of the requests to come."""
        self.own_loop: LoopThread | LentLoop | None = None
        self._entered = False
        self._lock = threading.Lock()  # around the two
        self._transport = transport
        self._configuration = (backend, backend_options)
        self._http = http
        self._hops: set[ThreadHop] = set()  # of shared loops, with something in them that is to be closed, perhaps

    def start_own_loop(self, first: Callable[[], Awaitable[None]]) -> None:
        """Start a loop for this transport alone, or borrow one, and run `first` in it. If that raises, it is left."""
        from .loop import LentLoop, LoopThread

        with self._lock:
            if self._entered:
                msg = "this TestClient is entered already"
                raise RuntimeError(msg)
            self._entered = True
        try:
            if self.lender is None:
                self.own_loop = LoopThread(*self._configuration, first)
            else:
                self.own_loop = LentLoop(self.lender, first)
        except BaseException:
            self._entered = False
            raise

    def stop_own_loop(self, last: Callable[[], Awaitable[None]], then: Callable[[], object] = bool) -> None:
        """Run `last` in the loop, and end it. `then` is called when it has ended."""
        if self.own_loop is not None:
            self.own_loop.hop.check_thread("shutdown")
        with self._lock:  # one thread stops it
            loop, self.own_loop = self.own_loop, None
        if loop is not None:
            try:
                loop.stop_after(last)
            finally:
                then()
                self._entered = False

    @property
    def hop(self) -> Hop:
        """The way into the loop."""
        if self.own_loop is not None:
            return self.own_loop.hop
        from .loop import shared_loops

        return shared_loops.get(*self._configuration).hop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` to the app. See `ASGITransport.handle_async_request`, for the errors as well."""
        send_once(request)
        return self._send(request, self._transport.handle_async_request)

    def _send(self, request: httpx.Request, handle: Handler) -> httpx.Response:
        while True:
            try:
                return self._send_by(self.hop, request, handle, can_move=self.own_loop is None)
            except LoopStandsStillError:
                continue  # the way is into another one then

    def _send_by(self, hop: Hop, request: httpx.Request, handle: Handler, *, can_move: bool = False) -> httpx.Response:
        sent = _as_async(request, hop, self._http)

        async def send() -> tuple[httpx.Response, list[bytes] | None]:
            response = await handle(sent)
            exchange = response.extensions.get("asgi")  # a WebSocket handshake may be refused without the app
            return response, exchange.take_whole() if isinstance(exchange, HTTPExchange) else None

        if self.own_loop is None and isinstance(hop, ThreadHop):
            self._hops -= {known for known in list(self._hops) if known.ended}
            self._hops.add(hop)
        response, body = hop.call(send, name=request, can_move=can_move)
        if isinstance(response.stream, ResponseStream):
            kind: Any = derived(BlockingStream, self._http, "SyncByteStream")
            response.stream = kind(response.extensions["asgi"], self._http, hop, body)
        if "network_stream" in response.extensions:
            stream: WireStream = response.extensions["network_stream"]
            kind = derived(BlockingWireStream, stream.network, "NetworkStream")
            response.extensions["network_stream"] = kind(stream, hop)
        if "asgi" in response.extensions:
            response.extensions["asgi"] = BlockingExchange(response.extensions["asgi"], hop, body)
        return response

    def close(self) -> None:
        """See the requests of a client that shares its loop to their end."""
        while self._hops:
            hop = self._hops.pop()
            if self._transport.unsettled and not hop.ended:  # nor is there a thread after a fork
                hop.call(self._transport.aclose, name="close")


class BlockingStream(OwnStream):
    """The body of a response, fetched from the event loop as it is read.

    There is a ``SyncByteStream`` of the library to derive it from.
    """

    def __init__(
        self, exchange: HTTPExchange | WebSocketConnection, http: HTTPLibrary, hop: Hop, body: list[bytes] | None
    ) -> None:
        """Take the body of `exchange`; `body` if all of it came with the response."""
        self.exchange = exchange
        self.http = http
        self._hop = hop
        self.whole = body

    def __iter__(self) -> Iterator[bytes]:
        self.begin()
        if self.whole is not None:
            yield from self.whole
            return
        while chunks := self._hop.call(self._next_chunks, name=self.exchange.name):
            yield from chunks

    async def _next_chunks(self) -> list[bytes]:
        chunk = await self.exchange.next_chunk()
        return [] if chunk is None else [chunk, *self.exchange.take_chunks()]

    def close(self) -> None:
        """Let go of the response: see `HTTPExchange.close`."""
        if not self.exchange.closed:  # by the end of the client, and its loop, perhaps
            reason = exception_in_flight()
            self._hop.call(lambda: self.exchange.close(reason), name=self.exchange.name)


class BlockingWireStream:
    """The blocking twin of `WireStream`: the ``network_stream`` of a `TestClient`'s 101 response.

    There is a ``NetworkStream`` of httpcore, or of what the HTTP library has in its place, to derive it from.
    """

    def __init__(self, stream: WireStream, hop: Hop) -> None:
        self._stream = stream
        self._hop = hop

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read from the connection; as `WireStream.read`."""
        self._stream.check(self._stream.network.ReadError)
        return self._hop.call(lambda: self._stream.read(max_bytes, timeout), name="read")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write to the connection; as `WireStream.write`."""
        self._stream.check(self._stream.network.WriteError)
        self._hop.call(lambda: self._stream.write(buffer, timeout), name="write")

    def close(self) -> None:
        """Close the socket; as `WireStream.aclose`."""
        if not self._stream.over:
            self._hop.call(self._stream.aclose, name="close")

    def get_extra_info(self, info: str) -> Any:
        """Return ``client_addr`` or ``server_addr``; None for what there is not in-process."""
        return self._stream.get_extra_info(info)


@public
class BlockingExchange:
    """The blocking view of an exchange: ``response.extensions["asgi"]`` of a `TestClient`.

    For tests, there are `scope`, `done`, `app_exception`, `caused_by` and `wait`; and `lines`, `ndjson` and `events`,
    which read the body so that no wait stops the app.
    """

    def __init__(self, conversation: Conversation, hop: Hop, body: list[bytes] | None = None) -> None:
        self.conversation = conversation
        self.hop = hop
        self._body = body  # if all of it came with the response

    def __repr__(self) -> str:
        return repr(self.conversation)

    @property
    def scope(self) -> Scope:
        """The scope that the app was called with, and that it may have changed."""
        return self.conversation.scope

    @property
    def app_exception(self) -> BaseException | None:
        """What the app raised, as it is; None while it runs, or if it returned."""
        return self.conversation.app_exception

    @property
    def caused_by(self) -> HTTPExchange | WebSocketConnection | None:
        """The request, or WebSocket, whose app has asked for this one; None if the test has.

        It is that of the app's own side: look at its `scope`, `done` and `app_exception`, and do not await its `wait`.
        """
        return self.conversation.caused_by

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

    def lines(self) -> BodyReader[str]:
        """Read the body line by line; as `HTTPExchange.lines`."""
        from .._conversation.body_source import LineSource  # few tests need it

        return self._read_by(LineSource)

    def ndjson(self) -> BodyReader[Any]:
        """Read the body value by value, with JSON in each line that is not empty; as `HTTPExchange.ndjson`."""
        from .._conversation.body_source import JSONSource

        return self._read_by(JSONSource)

    def events(self) -> BodyReader[ServerSentEvent]:
        """Read the body event by event, as a browser reads server-sent events; as `HTTPExchange.events`."""
        from .._conversation.body_source import EventSource

        return self._read_by(EventSource)

    def _read_by(self, kind: Callable[[HTTPExchange], BodySource[T]]) -> BodyReader[T]:
        from .body_reader import BodyReader

        if not isinstance(self.conversation, HTTPExchange):
            msg = f"{self.conversation.name}: what a handshake has led to is read by a session, not line by line"
            raise TypeError(msg)
        source = kind(self.conversation)
        source.feed(self._body or ())
        return BodyReader(source, self.hop)


def _as_async(request: httpx.Request, hop: Hop, http: HTTPLibrary) -> httpx.Request:
    """Return the request with a body that the loop can read."""
    stream = request.stream
    if isinstance(stream, http.ByteStream):
        return request
    assert isinstance(stream, http.SyncByteStream)  # httpx has checked that
    length = request.headers.get("content-length", "")
    body: httpx.AsyncByteStream
    # httpx's own bodies, of files and fields, can be read either way. A generator of the test may have to wait.
    small = isinstance(stream, http.AsyncByteStream) and length.isdecimal() and int(length) <= _SMALL_BODY
    if small or not isinstance(hop, ThreadHop):
        body = http.ByteStream(b"".join(stream))
    else:
        kind: Any = derived(CallersStream, http, "AsyncByteStream")
        body = kind(stream, hop)
    return http.Request(
        request.method, request.url, headers=request.headers, stream=body, extensions=request.extensions
    )


class CallersStream:
    """The body of a blocking request, for the event loop: its chunks are made in the test's own thread.

    There is an ``AsyncByteStream`` of the library to derive it from.
    """

    ends_with_call = True

    def __init__(self, stream: httpx.SyncByteStream, hop: ThreadHop) -> None:
        """Take the body; in the thread that has made it."""
        self._stream = stream
        self._hop = hop
        self._thread = threading.current_thread()
        self._chunks: Iterator[bytes] = iter(())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._chunks = await self._hop.ask(self._thread, lambda: iter(self._stream))
        while (chunk := await self._hop.ask(self._thread, lambda: next(self._chunks, _END))) is not _END:
            yield chunk

    async def aclose(self) -> None:
        """Close the body; if the thread is in no call, it is left to the garbage collector."""
        if self._hop.errands.reach(self._thread):
            await self._hop.ask(self._thread, self._close)

    def _close(self) -> None:
        for each in (self._chunks, generator_of(self._stream)):  # the library's own, and within that the test's
            if isgenerator(each):
                each.close()
        self._stream.close()
