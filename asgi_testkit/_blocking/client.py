"""TestClient: the blocking client. It sends requests to an event loop in another thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack, cast

import anyio
import httpx

from .._client.client import CLIENT_NAME, AppClient, Session
from .._client.cookies import CookieTypes
from .._client.core import ClientCore
from .._client.expectation import expectation_of
from .._client.library import URL, Cookies, HTTPXClient, Request, Response, derived
from .._client.options import ClientOptions, SendOptions
from .._client.transport import ASGITransport
from .._types import Address, ASGIApp, LifespanMode, public
from .session import WebSocketSession
from .transport import BlockingTransport

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal


class BlockingClient(AppClient[URL, Request, Response, Cookies, Session]):
    """`TestClient` without its base class, which is httpx's or httpx2's ``Client``."""

    #: Of what a drop-in wants to have classes of its own.
    _core_class: ClassVar[type[ClientCore]] = ClientCore
    _blocking_class: ClassVar[type[BlockingTransport]] = BlockingTransport

    def __init__(  # noqa: D417 - what the awaited client and the transport explain is named, several in a line
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
        **options: Unpack[ClientOptions],
    ) -> None:
        """Prepare to test `app`.

        Args:
            app, base_url, raise_server_exceptions, cookies, headers: As for `AsyncClient`.
            lifespan, startup_timeout, shutdown_timeout: As for `AsyncClient`.
            backend: ``"asyncio"`` or ``"trio"``.
            backend_options: As ``anyio.run`` takes them: ``{"use_uvloop": True}``, say.
            follow_redirects: Whether redirects are followed.
            root_path, client: As for `ASGITransport`.
            options: write_buffer, background, disconnect_grace, strict, compression, max_message_size, scope,
                asgi_extensions, record and faults, as for `ASGITransport` (reading a stream, the client fetches what is
                there at once, and that counts as read); live and ssl, as for `AsyncClient`; and what else
                ``httpx.Client`` takes: auth, params, timeout (in seconds), event_hooks, mounts, http2, ...

        Raises:
            TypeError: `app` is not an ASGI application, or an option is unknown.
            ValueError: An option makes no sense, or none with ``live``.
            ModuleNotFoundError: The server is not installed.
        """
        if backend not in anyio.get_all_backends():
            msg = f"backend must be one of {', '.join(anyio.get_all_backends())}, not {backend!r}"
            raise ValueError(msg)
        transport = self._transport_of(options, base_url, app, raise_server_exceptions, root_path, client)
        core = self._core_class(transport, startup_timeout, shutdown_timeout, lifespan)
        kind = derived(self._blocking_class, self._library, "BaseTransport")  # type: ignore[arg-type]  # types are hashable
        self._blocking: BlockingTransport = kind(transport, backend, backend_options or {}, self._library)
        own = {"base_url": base_url, "cookies": cookies, "headers": headers, "follow_redirects": follow_redirects}
        self._become_client(core, self._blocking, **own, **options)

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
        """Build and send a request, as ``httpx.Client.request``; with the options of `AsyncClient.request`."""
        return cast("Response", self._library_s.request(method, url, **self.with_cookie_header(url, options)))

    def send(self, request: Request, **options: Unpack[SendOptions]) -> Response:
        """Send a request, as ``httpx.Client.send``; with the options and errors of `AsyncClient.send`."""
        expectation = expectation_of(request, self._expected)
        response: Any = self._library_s.send(request, **options)
        if expectation is not None and not expectation.accepts(response):
            response.close()
            raise expectation.complaint(response)
        return cast("Response", response)

    def __enter__(self) -> Self:
        """Start an event loop for the client, and run the app's startup in it.

        Raises:
            LifespanError: The startup failed; see `LifespanManager`. The loop has ended then.
            BaseException: What the app raised in its startup, as it is.
        """
        if self.is_closed:
            msg = "this TestClient was closed, and cannot be entered again"
            raise RuntimeError(msg)
        if self._owner is None:
            self._blocking.start_own_loop(lambda: self._core.open(type(self).__name__))
        return self

    def __exit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        """See all requests to their end, run the app's shutdown, and end the loop.

        What goes wrong is told beside the exception under way, if there is one.

        Raises:
            LifespanError: The shutdown failed; see `LifespanManager`.
            BaseException: What an app raised that no call has raised yet, as it is.
        """
        if self._owner is None:
            self._blocking.stop_own_loop(lambda: self._core.close(exc_value), self._core.forget_loop)

    def close(self) -> None:
        """Close the client for good; inside ``with``, as leaving it does. Closing it twice does no harm."""
        if self._owner is None and self._blocking.own_loop is not None:
            self._blocking.own_loop.hop.check_thread("close")  # before anything is closed
        try:
            self.__exit__()
        finally:
            self._library_s.close()

    def _left_open(self) -> str:
        own_loop = "its event loop" if self._blocking.own_loop is not None else ""
        return ", ".join(filter(None, [own_loop, super()._left_open()]))


@public
class TestClient(
    BlockingClient[httpx.URL, httpx.Request, httpx.Response, httpx.Cookies, WebSocketSession], HTTPXClient
):
    """Tests an ASGI app from blocking code; the app runs in an event loop in another thread.

    Everything of ``httpx.Client`` works. ``with TestClient(app) as client:`` gives the client a loop of its own, and
    runs the app's lifespan around the block. Without ``with``, requests work and no lifespan runs; all such clients
    share one loop. After the block the client can be used so, or be entered again; `close` ends it.
    """

    __test__ = False  # pytest: no test class

    _transport_class = ASGITransport
    _session_class = WebSocketSession
