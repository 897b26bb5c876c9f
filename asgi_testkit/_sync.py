"""TestClient: the blocking face. It forwards to the transport in an event loop of its own, and does nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast

import anyio
import httpx

from ._blocking import BlockingTransport
from ._blocking_session import WebSocketSession
from ._cookies import CookiesForAnyHost, CookieTypes, jar_for_any_host
from ._core import CLIENT_NAME, ClientCore, handshake, sending_options, with_user_agent
from ._heads import RemembersHeads
from ._http import URL, Cookies, HTTPXClient, Request, Response, derived, library_of
from ._transport import AppTransport, ASGITransport
from ._types import Address, ASGIApp, Background, LifespanMode, public

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal


Session = TypeVar("Session", bound=WebSocketSession)


class BlockingClient(
    RemembersHeads[Request],
    CookiesForAnyHost[Request, Cookies],
    Generic[URL, Request, Response, Cookies, Session],
):
    """What `TestClient` adds to the client of either HTTP library, which it has to be derived from as well."""

    is_closed: bool

    #: Of what the library and a drop-in want to have classes of their own.
    _transport_class: ClassVar[type[AppTransport[Any, Any]]]
    _session_class: ClassVar[type[WebSocketSession]]
    _core_class: ClassVar[type[ClientCore]] = ClientCore
    _blocking_class: ClassVar[type[BlockingTransport]] = BlockingTransport

    def __init__(
        self,
        app: ASGIApp,
        base_url: URL | str = "http://testserver",
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
        compression: bool = False,
        max_message_size: int | None = 16 * 1024 * 1024,
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
            compression: Whether WebSocket frames are compressed for a client that offers it.
            max_message_size: How many bytes a WebSocket message in frames may have, or a denial; None for no limit.
            scope: Keys of the scope to add or replace.
            asgi_extensions: What to offer in ``scope["extensions"]``, in place of what is offered otherwise.
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
        core = self._core_class(
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
        http = library_of(self)
        self._blocking: BlockingTransport = derived(self._blocking_class, http, "BaseTransport")(  # type: ignore[arg-type]  # types are hashable
            core.transport, backend, backend_options or {}
        )
        as_the_library_s: Any = super()
        as_the_library_s.__init__(
            base_url=base_url,
            cookies=jar_for_any_host(cookies),
            headers=with_user_agent(headers, http),
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

    def request(self, method: str, url: URL | str, **options: Any) -> Response:
        """Build and send a request, as ``httpx.Client.request``.

        Args:
            method: The HTTP method.
            url: Relative to ``base_url``, or absolute.
            options: content, data, files, json, params, headers, timeout (in seconds), extensions; cookies, which go
                with this request alone; auth and follow_redirects, in place of the client's.
        """
        as_the_library_s: Any = super()
        return cast("Response", as_the_library_s.request(method, url, **self.with_cookie_header(url, options)))

    def websocket_connect(
        self,
        url: URL | str,
        subprotocols: Sequence[str] | None = None,
        **options: Any,
    ) -> Session:
        """Return a session to connect: ``with client.websocket_connect(url) as session:``.

        The handshake is a request of this client: its auth, cookies, headers, params and event hooks apply to it.

        Args:
            url: Relative to ``base_url``, or absolute: ``ws://``, ``wss://``, ``http://`` or ``https://``.
            subprotocols: What to offer to the app.
            options: params, headers, cookies, timeout (in seconds; ``read`` limits the handshake and each receive,
                ``write`` each send), extensions; auth, in place of the client's; follow_redirects: whether a redirect,
                in a denial response, is followed.
        """
        sending = {"follow_redirects": False, **sending_options(options)}

        def connect() -> httpx.Response:
            as_the_library_s: Any = self
            request = self.build_request("GET", url, **handshake(subprotocols, options, library_of(self)))
            return cast("httpx.Response", as_the_library_s.send(request, stream=True, **sending))

        return cast("Session", self._session_class(connect))

    def __enter__(self) -> Self:
        """Start an event loop for the client, and run the app's startup in it.

        Raises:
            LifespanError: The startup failed; see `LifespanManager`. The loop has ended then.
            BaseException: What the app raised in its startup, as it is.
        """
        if self.is_closed:
            msg = "this TestClient was closed, and cannot be entered again"
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
        self._blocking.stop_own_loop(lambda: self._core.close(exc_value))

    def close(self) -> None:
        """Close the client for good; inside ``with``, as leaving it does. Closing it twice does no harm."""
        if self._blocking.own_loop is not None:
            self._blocking.own_loop.hop.check_thread("close")  # before anything is closed
        try:
            self.__exit__()
        finally:
            as_the_library_s: Any = super()
            as_the_library_s.close()

    def __del__(self) -> None:
        core = self.__dict__.get("_core")
        if core is None:  # it was never made
            return
        own_loop = "its event loop" if self._blocking.own_loop is not None else ""
        left = ", ".join(filter(None, [own_loop, core.unclosed()]))
        if left:
            msg = f"{type(self).__name__} was not closed; still running: {left}"
            warnings.warn(msg, ResourceWarning, source=self, stacklevel=1)


@public
class TestClient(
    BlockingClient[httpx.URL, httpx.Request, httpx.Response, httpx.Cookies, WebSocketSession], HTTPXClient
):
    """Tests an ASGI app from blocking code: requests are sent to an event loop of the client's.

    Everything of ``httpx.Client`` works. ``with TestClient(app) as client:`` gives the client a loop of its own, and
    runs the app's lifespan around the block. Without ``with``, requests work and no lifespan runs; all such clients
    share one loop. After the block the client can be used so, or be entered again; `close` ends it.
    """

    __test__ = False  # pytest: no test class

    _transport_class = ASGITransport
    _session_class = WebSocketSession
