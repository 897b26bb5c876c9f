"""TestClient: the blocking face. It forwards to the transport in another thread's event loop, and does nothing else."""

from __future__ import annotations

import contextvars
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio
import httpx

from ._cookies import CookiesForAnyHost, CookieTypes, jar_for_any_host
from ._core import CLIENT_NAME, ClientCore, with_user_agent
from ._errors import exception_in_flight, tell_beside
from ._exchange import HTTPExchange
from ._response import ResponseStream
from ._transport import ASGITransport
from ._types import Address, ASGIApp, Background, LifespanMode, Scope

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from ._hop import ThreadHop
    from ._loops import LoopThread

T = TypeVar("T")

#: Whether the request that is being sent is read to its end at once. Then one trip into the loop does it all.
_reads_whole = contextvars.ContextVar("_reads_whole", default=False)

#: A request body whose length is known and no more than this many bytes is read before the trip.
_SMALL_BODY = 65536


class TestClient(CookiesForAnyHost, httpx.Client):
    """Tests an ASGI app from blocking code: requests are sent to an event loop in another thread.

    Everything of ``httpx.Client`` works. ``with TestClient(app) as client:`` gives the client a loop of its own, and
    runs the app's lifespan around the block. Without ``with``, requests work and no lifespan runs; all such clients
    share one loop. After the block the client can be used so, or be entered again; `close` ends it.
    """

    __test__ = False  # pytest: no test class

    def __init__(
        self,
        app: ASGIApp,
        base_url: httpx.URL | str = "http://testserver",
        raise_server_exceptions: bool = True,  # noqa: FBT001, FBT002 - Starlette's own signature
        root_path: str = "",
        backend: str = "asyncio",
        backend_options: Mapping[str, Any] | None = None,
        cookies: CookieTypes | None = None,
        headers: Any = None,
        follow_redirects: bool = True,  # noqa: FBT001, FBT002
        client: Address | None = (CLIENT_NAME, 50000),
        *,
        lifespan: LifespanMode = "auto",
        startup_timeout: float | None = 5,
        shutdown_timeout: float | None = 5,
        write_buffer: int = 65536,
        background: Background = "wait",
        disconnect_grace: float = 1.0,
        strict: bool = False,
        scope: Mapping[str, Any] | None = None,
        asgi_extensions: Mapping[str, Any] | None = None,
        **httpx_options: Any,
    ) -> None:
        """Prepare to test `app`.

        Args:
            app: An ASGI application.
            base_url: What relative URLs are relative to. Its scheme, host and port appear in the scope.
            raise_server_exceptions: Whether what the app raises is raised in the test, as it is; see `ASGITransport`.
            root_path: Where the app is mounted; see `ASGITransport`.
            backend: ``"asyncio"`` or ``"trio"``.
            backend_options: As ``anyio.run`` takes them: ``{"use_uvloop": True}``, say.
            cookies: Cookies to start with. A ``Domain`` without a dot, such as ``testserver``, works.
            headers: Headers of every request. ``user-agent`` is ``testclient`` unless it is given.
            follow_redirects: Whether redirects are followed.
            client: Host and port of the peer that the app sees.
            lifespan: ``"auto"``, ``"on"`` or ``"off"``; see `LifespanManager`.
            startup_timeout: Seconds that the app's startup may take; None for no limit.
            shutdown_timeout: Seconds that the app's shutdown may take; None for no limit.
            write_buffer: How many bytes of the body the app may be ahead of the reader; see `ASGITransport` for this
                and all that follow. Reading a stream, the client fetches what is there at once, and that counts as
                read.
            background: ``"wait"`` or ``"detach"``.
            disconnect_grace: Seconds that the app has to end by itself after it was told of a disconnect.
            strict: Whether to refuse what the ASGI spec forbids and servers let pass, too.
            scope: Keys of the scope to add or replace.
            asgi_extensions: What to offer in ``scope["extensions"]``.
            httpx_options: What else ``httpx.Client`` takes: auth, params, timeout (in seconds), event_hooks, mounts,
                ...

        Raises:
            TypeError: `app` is not an ASGI application, or an option is unknown.
            ValueError: An option makes no sense.
        """
        if "transport" in httpx_options:
            msg = "TestClient makes its own transport. For another one use httpx.Client, or mounts="
            raise TypeError(msg)
        if backend not in anyio.get_all_backends():
            msg = f"backend must be one of {', '.join(anyio.get_all_backends())}, not {backend!r}"
            raise ValueError(msg)
        core = ClientCore(
            ASGITransport(
                app,
                raise_server_exceptions,
                root_path,
                client,
                write_buffer=write_buffer,
                background=background,
                disconnect_grace=disconnect_grace,
                strict=strict,
                scope=scope,
                asgi_extensions=asgi_extensions,
            ),
            lifespan=lifespan,
            startup_timeout=startup_timeout,
            shutdown_timeout=shutdown_timeout,
        )
        self._blocking = BlockingTransport(core.transport, backend, backend_options or {})
        super().__init__(
            base_url=base_url,
            cookies=jar_for_any_host(cookies),
            headers=with_user_agent(headers),
            follow_redirects=follow_redirects,
            transport=self._blocking,
            **httpx_options,
        )
        self._core = core

    @property
    def app(self) -> ASGIApp:
        """The app under test."""
        return self._core.transport.app

    @property
    def portal(self) -> BlockingPortal:
        """The portal of anyio into the app's loop, as in ``client.portal.call(async_function, ...)``.

        There is one inside ``with`` only.

        Raises:
            RuntimeError: The client is not entered.
        """
        if self._blocking.own_loop is None:
            msg = "a TestClient has a portal inside `with TestClient(app) as client:` only"
            raise RuntimeError(msg)
        return self._blocking.own_loop.portal

    def request(
        self,
        method: str,
        url: httpx.URL | str,
        *,
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        follow_redirects: Any = httpx.USE_CLIENT_DEFAULT,
        **options: Any,
    ) -> httpx.Response:
        """Build and send a request, as ``httpx.Client.request``.

        Args:
            method: The HTTP method.
            url: Relative to ``base_url``, or absolute.
            auth: In place of the client's.
            follow_redirects: In place of the client's.
            options: content, data, files, json, params, headers, timeout (in seconds), extensions; and cookies, which
                go with this request alone.
        """
        request = self.build_request(method, url, **options)
        return self.send(request, auth=auth, follow_redirects=follow_redirects)

    def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send a request, as ``httpx.Client.send``. Unless it streams, one trip into the loop does it all."""
        token = _reads_whole.set(not stream)
        try:
            return super().send(request, stream=stream, **options)
        finally:
            _reads_whole.reset(token)

    def __enter__(self) -> Self:
        """Start an event loop for the client, and run the app's startup in it.

        Raises:
            LifespanError: The startup failed; see `LifespanManager`. The loop has ended then.
            BaseException: What the app raised in its startup, as it is.
        """
        if self.is_closed:
            msg = "this TestClient was closed, and cannot be entered again"
            raise RuntimeError(msg)
        if self._blocking.own_loop is not None:
            msg = "this TestClient is entered already"
            raise RuntimeError(msg)
        self._blocking.start_own_loop(lambda: self._core.open(type(self).__name__))
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """See all requests to their end, run the app's shutdown, and end the loop.

        What goes wrong is told beside the exception under way, if there is one.

        Raises:
            LifespanError: The shutdown failed; see `LifespanManager`.
            BaseException: What an app raised that no call has raised yet, as it is.
        """
        if self._blocking.own_loop is not None:
            self._blocking.stop_own_loop(lambda: self._core.close(exc_value))

    def close(self) -> None:
        """Close the client for good; inside ``with``, as leaving it does. Closing it twice does no harm."""
        try:
            self.__exit__()
        finally:
            super().close()

    def __del__(self) -> None:
        core = self.__dict__.get("_core")
        if core is None:  # it was never made
            return
        own_loop = "its event loop" if self._blocking.own_loop is not None else ""
        left = ", ".join(filter(None, [own_loop, core.unclosed()]))
        if left:
            msg = f"{type(self).__name__} was not closed; still running: {left}"
            warnings.warn(msg, ResourceWarning, source=self, stacklevel=1)


class BlockingTransport(httpx.BaseTransport):
    """Sends requests to an `ASGITransport` in another thread's event loop.

    Attributes:
        own_loop: The loop that an entered client has for itself; the others share one.
    """

    def __init__(self, transport: ASGITransport, backend: str, backend_options: Mapping[str, Any]) -> None:
        self.own_loop: LoopThread | None = None
        self._transport = transport
        self._configuration = (backend, backend_options)

    def start_own_loop(self, first: Callable[[], Awaitable[None]]) -> None:
        """Start a loop for this transport alone, and run `first` in it. If that raises, the loop ends again."""
        from ._loops import LoopThread

        self.own_loop = LoopThread(*self._configuration, first)

    def stop_own_loop(self, last: Callable[[], Awaitable[None]]) -> None:
        """Run `last` in the loop, and end it."""
        assert self.own_loop is not None
        loop, self.own_loop = self.own_loop, None
        loop.stop_after(last)

    @property
    def hop(self) -> ThreadHop:
        """The way into the loop."""
        if self.own_loop is not None:
            return self.own_loop.hop
        from ._loops import shared_loops

        return shared_loops.get(*self._configuration).hop

    def call(self, function: Callable[[], Awaitable[T]], *, name: str) -> T:
        """Run an async function in the loop: see `ThreadHop.call`."""
        return self.hop.call(function, name=name)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` to the app. See `ASGITransport.handle_async_request`, for the errors as well."""
        hop = self.hop
        sent = _as_async(request)
        name = f"{request.method} {request.url}"
        if not _reads_whole.get():
            response = hop.call(lambda: self._transport.handle_async_request(sent), name=name)
            if isinstance(response.stream, ResponseStream):
                response.stream = BlockingStream(response.extensions["asgi"], hop)
        else:
            response, body = hop.call(lambda: self._whole(sent), name=name)
            response.stream = body
        response.extensions["asgi"] = BlockingExchange(response.extensions["asgi"], hop)
        return response

    async def _whole(self, request: httpx.Request) -> tuple[httpx.Response, httpx.SyncByteStream]:
        response = await self._transport.handle_async_request(request)
        body = WholeBody()
        if isinstance(response.stream, ResponseStream):
            await body.read(response.extensions["asgi"])
        else:
            body.chunks.append(await response.aread())
        return response, body

    def close(self) -> None:
        """See the requests of a client that shares its loop to their end."""
        if self._transport.unsettled:
            self.call(self._transport.aclose, name="close")


class BlockingStream(httpx.SyncByteStream):
    """The body of a response, fetched as it is read: what is there comes in one trip."""

    def __init__(self, exchange: HTTPExchange, hop: ThreadHop) -> None:
        self._exchange = exchange
        self._hop = hop

    def __iter__(self) -> Iterator[bytes]:
        while chunks := self._hop.call(self._next_chunks, name=self._exchange.name):
            yield from chunks

    async def _next_chunks(self) -> list[bytes]:
        chunk = await self._exchange.next_chunk()
        return [] if chunk is None else [chunk, *self._exchange.take()]

    def close(self) -> None:
        """Let go of the response: see `HTTPExchange.close`."""
        reason = exception_in_flight()
        self._hop.call(lambda: self._exchange.close(reason), name=self._exchange.name)


class WholeBody(httpx.SyncByteStream):
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
        self.chunks = exchange.take()

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


class BlockingExchange:
    """The blocking view of an exchange: ``response.extensions["asgi"]`` of a `TestClient`."""

    def __init__(self, exchange: HTTPExchange, hop: ThreadHop) -> None:
        self._exchange = exchange
        self._hop = hop

    @property
    def scope(self) -> Scope:
        """The scope that the app was called with, and that it may have changed."""
        return self._exchange.scope

    @property
    def app_exception(self) -> BaseException | None:
        """What the app raised, as it is; None while it runs, or if it returned."""
        return self._exchange.app_exception

    @property
    def done(self) -> bool:
        """Whether the app has ended."""
        return self._exchange.done

    def wait(self, timeout: float | None = 5.0) -> None:
        """Wait until the app has ended. What it raised is in `app_exception`; it is not raised here.

        Args:
            timeout: Seconds; None for no limit. The app runs on when it is over.

        Raises:
            TimeoutError: The app has not ended in time. The text shows where it is suspended.
        """
        self._hop.call(lambda: self._exchange.wait(timeout), name=self._exchange.name)


def _as_async(request: httpx.Request) -> httpx.Request:
    """Return the request with a body that the loop can read."""
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        return request
    assert isinstance(stream, httpx.SyncByteStream)  # httpx has checked that
    length = request.headers.get("content-length", "")
    body: httpx.AsyncByteStream = ThreadedStream(stream)
    if length.isdecimal() and int(length) <= _SMALL_BODY:
        body = httpx.ByteStream(b"".join(stream))
    return httpx.Request(
        request.method, request.url, headers=request.headers, stream=body, extensions=request.extensions
    )


class ThreadedStream(httpx.AsyncByteStream):
    """A blocking iterable of the test as a body. A worker thread waits for its chunks, so that the loop need not."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        from anyio import to_thread

        chunks = iter(self._stream)
        while (chunk := await to_thread.run_sync(next, chunks, None, abandon_on_cancel=True)) is not None:
            yield chunk
