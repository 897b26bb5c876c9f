"""AsyncClient: an httpx.AsyncClient for one ASGI app, with its lifespan."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import httpx

from ._cookies import CookiesForAnyHost, CookieTypes, jar_for_any_host
from ._core import CLIENT_NAME, ClientCore, handshake, sending_options, with_user_agent
from ._heads import RemembersHeads
from ._http import URL, Cookies, HTTPXAsyncClient, Request, Response, library_of
from ._session import AsyncWebSocketSession
from ._transport import AppTransport, ASGITransport
from ._types import Address, ASGIApp, Background, LifespanMode, public

Session = TypeVar("Session", bound=AsyncWebSocketSession)


class AwaitedClient(
    RemembersHeads[Request],
    CookiesForAnyHost[Request, Cookies],
    Generic[URL, Request, Response, Cookies, Session],
):
    """What `AsyncClient` adds to the client of either HTTP library, which it has to be derived from as well."""

    is_closed: bool

    #: Of what the library and a drop-in want to have classes of their own.
    _transport_class: ClassVar[type[AppTransport[Any, Any]]]
    _session_class: ClassVar[type[AsyncWebSocketSession]]

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_url: URL | str = "http://testserver",
        raise_server_exceptions: bool = True,
        lifespan: LifespanMode = "auto",
        startup_timeout: float | None = 5,
        shutdown_timeout: float | None = 5,
        root_path: str = "",
        client: Address | None = (CLIENT_NAME, 50000),
        write_buffer: int = 65536,
        background: Background = "wait",
        disconnect_grace: float = 1.0,
        strict: bool = False,
        compression: bool = False,
        max_message_size: int | None = 16 * 1024 * 1024,
        scope: Mapping[str, Any] | None = None,
        asgi_extensions: Mapping[str, Any] | None = None,
        cookies: CookieTypes | None = None,
        headers: Any = None,
        **httpx_options: Any,
    ) -> None:
        """Prepare to test `app`.

        Args:
            app: An ASGI application.
            base_url: What relative URLs are relative to. Its scheme, host and port appear in the scope.
            raise_server_exceptions: Whether what the app raises is raised in the test, as it is; see `ASGITransport`.
            lifespan: ``"auto"``, ``"on"`` or ``"off"``; see `LifespanManager`.
            startup_timeout: Seconds that the app's startup may take; None for no limit.
            shutdown_timeout: Seconds that the app's shutdown may take; None for no limit.
            root_path: Where the app is mounted; see `ASGITransport` for this and all that follow.
            client: Host and port of the peer that the app sees.
            write_buffer: How many bytes of the body the app may be ahead of the reader.
            background: ``"wait"`` or ``"detach"``.
            disconnect_grace: Seconds that the app has to end by itself after it was told of a disconnect.
            strict: Whether to refuse what the ASGI spec forbids and servers let pass, too.
            compression: Whether WebSocket frames are compressed for a client that offers it.
            max_message_size: How many bytes a WebSocket message in frames may have, or a denial; None for no limit.
            scope: Keys of the scope to add or replace.
            asgi_extensions: What to offer in ``scope["extensions"]``, in place of what is offered otherwise.
            cookies: Cookies to start with. A ``Domain`` without a dot, such as ``testserver``, works.
            headers: Headers of every request. ``user-agent`` is ``testclient`` unless it is given.
            httpx_options: What else ``httpx.AsyncClient`` takes: auth, params, timeout (in seconds), event_hooks,
                mounts, follow_redirects, ...

        Raises:
            TypeError: `app` is not an ASGI application, or an option is unknown.
            ValueError: An option makes no sense.
        """
        if "transport" in httpx_options:
            msg = "AsyncClient makes its own transport. For another one use httpx.AsyncClient, or mounts="
            raise TypeError(msg)
        core = ClientCore(
            self._transport_class(
                app,
                raise_server_exceptions,
                root_path,
                client,
                write_buffer=write_buffer,
                background=background,
                disconnect_grace=disconnect_grace,
                strict=strict,
                compression=compression,
                max_message_size=max_message_size,
                scope=scope,
                asgi_extensions=asgi_extensions,
            ),
            lifespan=lifespan,
            startup_timeout=startup_timeout,
            shutdown_timeout=shutdown_timeout,
        )
        as_the_library_s: Any = super()
        as_the_library_s.__init__(
            base_url=base_url,
            cookies=jar_for_any_host(cookies),
            headers=with_user_agent(headers, library_of(self)),
            transport=core.transport,
            **httpx_options,
        )
        self._core = core

    @property
    def app(self) -> ASGIApp:
        """The app under test."""
        return self._core.transport.app

    async def request(self, method: str, url: URL | str, **options: Any) -> Response:
        """Build and send a request, as ``httpx.AsyncClient.request``.

        Args:
            method: The HTTP method.
            url: Relative to ``base_url``, or absolute.
            options: content, data, files, json, params, headers, timeout (in seconds), extensions; cookies, which go
                with this request alone; auth and follow_redirects, in place of the client's.
        """
        as_the_library_s: Any = super()
        return cast("Response", await as_the_library_s.request(method, url, **self.with_cookie_header(url, options)))

    def websocket_connect(
        self,
        url: URL | str,
        subprotocols: Sequence[str] | None = None,
        **options: Any,
    ) -> Session:
        """Return a session to connect: ``async with client.websocket_connect(url) as session:``.

        The handshake is a request of this client: its auth, cookies, headers, params and event hooks apply to it.

        Args:
            url: Relative to ``base_url``, or absolute: ``ws://``, ``wss://``, ``http://`` or ``https://``.
            subprotocols: What to offer to the app.
            options: params, headers, cookies, timeout (in seconds; ``read`` limits the handshake and each receive,
                ``write`` each send), extensions; auth, in place of the client's; follow_redirects: whether a redirect,
                in a denial response, is followed.
        """
        sending = {"follow_redirects": False, **sending_options(options)}

        async def connect() -> httpx.Response:
            as_the_library_s: Any = self
            request = self.build_request("GET", url, **handshake(subprotocols, options, library_of(self)))
            return cast("httpx.Response", await as_the_library_s.send(request, stream=True, **sending))

        return cast("Session", self._session_class(connect))

    async def __aenter__(self) -> Self:
        """Run the app's startup.

        Raises:
            LifespanError: The startup failed; see `LifespanManager`. The client is closed then.
            BaseException: What the app raised in its startup, as it is.
        """
        as_the_library_s: Any = super()
        await as_the_library_s.__aenter__()
        try:
            await self._core.open(type(self).__name__)
        except BaseException:
            await as_the_library_s.aclose()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """See all requests to their end, run the app's shutdown, and close.

        What goes wrong is told beside the exception under way, if there is one. Cancelling it leaves nothing running.

        Raises:
            WrongEventLoopError: The client was opened in another event loop.
            LifespanError: The shutdown failed; see `LifespanManager`.
            BaseException: What an app raised that no call has raised yet, as it is.
        """
        self._core.check_loop()  # in the wrong one, the client stays open for the right one to close
        try:
            await self._core.close(exc_value)
        finally:
            as_the_library_s: Any = super()
            await as_the_library_s.__aexit__(exc_type, exc_value, traceback)

    async def aclose(self) -> None:
        """Close the client, as leaving ``async with`` does. Closing it twice does no harm."""
        if not self.is_closed:
            await self.__aexit__()

    def __del__(self) -> None:
        core = self.__dict__.get("_core")
        left = core.unclosed() if core is not None else ""
        if left:
            msg = f"{type(self).__name__} was not closed; still running: {left}"
            warnings.warn(msg, ResourceWarning, source=self, stacklevel=1)


@public
class AsyncClient(
    AwaitedClient[httpx.URL, httpx.Request, httpx.Response, httpx.Cookies, AsyncWebSocketSession], HTTPXAsyncClient
):
    """Tests an ASGI app from inside the test's own event loop.

    Everything of ``httpx.AsyncClient`` works. ``async with AsyncClient(app) as client:`` runs the app's lifespan around
    the block; without ``async with``, requests work and no lifespan runs. Enter, use and exit may happen in different
    tasks.
    """

    _transport_class = ASGITransport
    _session_class = AsyncWebSocketSession
