"""The drop-in for Starlette's TestClient: ours, with its constructor, methods and defaults."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urljoin

import httpx
import starlette
import starlette.exceptions
from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..._blocking.client import BlockingClient
from ..._client.client import CLIENT_NAME
from ..._client.cookies import CookieTypes
from ..._client.library import bound
from ..._types import Address, ASGIApp, LifespanMode
from ..names import REPLACEMENT
from .conversation import LenientTransport
from .errors import in_door, in_starlettes_client
from .lifespan import StarletteCore
from .session import WebSocketTestSession
from .transport import PortalTransport, Upgrade

#: Starlette's first version that prefers httpx2, if it is installed.
_PREFERS_HTTPX2 = (1, 2)


def library() -> Any:
    """Return the HTTP library that Starlette's client uses, without importing that: it may warn of its choice."""
    loaded = getattr(sys.modules.get("starlette.testclient"), "httpx", None)  # it may be half imported
    if loaded is not None:
        return loaded
    version = tuple(int(part) for part in starlette.__version__.split(".")[:2])
    if version < _PREFERS_HTTPX2 or find_spec("httpx2") is None:
        return httpx
    import httpx2

    return httpx2


_library = library()
bound(_library.__name__)
_Headers = _library.Headers
_UNSET = _library.USE_CLIENT_DEFAULT

_NO_TIMEOUT = (
    "You should not use the 'timeout' argument with the TestClient. "
    "It is ignored. See https://github.com/Kludex/starlette/issues/1108 for more information."
)

#: Starlette 0.4x has none of its own.
_DEPRECATION = getattr(starlette.exceptions, "StarletteDeprecationWarning", DeprecationWarning)

if TYPE_CHECKING:
    _Client = httpx.Client
else:
    _Client = _library.Client


@in_door
class TestClient(
    BlockingClient[httpx.URL, httpx.Request, httpx.Response, httpx.Cookies, WebSocketTestSession], _Client
):
    """Tests an ASGI app from blocking code, as ``starlette.testclient.TestClient``, which it can replace.

    It is ours under Starlette's names, see `asgi_testkit.TestClient`, and forgives what Starlette's forgives.
    """

    __test__ = False  # pytest: no test class

    _transport_class = LenientTransport
    _session_class = WebSocketTestSession
    _core_class = StarletteCore
    _blocking_class = PortalTransport
    _usual: ClassVar[Mapping[str, Any]] = {**BlockingClient._usual, "write_buffer": 0}  # noqa: SLF001 - of our own base

    _core: StarletteCore
    _blocking: PortalTransport
    _portal: BlockingPortal | None = None

    def __init__(  # noqa: D417 - what is as with ours is named, several in a line
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
        fresh_loop: bool | None = None,
        lifespan: LifespanMode = "on",
        startup_timeout: float | None = None,
        shutdown_timeout: float | None = None,
        write_buffer: int = 0,
        timeout: Any = None,
        **options: Any,
    ) -> None:
        """Prepare to test `app`.

        Args:
            app, root_path, backend, backend_options, cookies, headers: As for `asgi_testkit.TestClient`.
            follow_redirects, client, lifespan, startup_timeout: As for `asgi_testkit.TestClient`.
            shutdown_timeout, options: As for `asgi_testkit.TestClient`.
            base_url: What relative URLs are relative to. Those of WebSockets are relative to ``ws://testserver``.
            raise_server_exceptions: Whether what the app raises is raised in the test. In a WebSocket session it
                always is.
            fresh_loop: Whether each request outside of ``with`` gets an event loop of its own, as with Starlette.
                Otherwise all clients share one: that is much faster. None: as the setting ``asgi_testkit_fresh_loop``
                says, with ``pytest --asgi-testkit``; without that, they share one.
            write_buffer: How many bytes of a streamed body the app may be ahead of the reader. 0: by one chunk.
            timeout: How long, in seconds, to wait for the app; None for no limit. What a single request says of that is
                ignored, as with Starlette.

        Raises:
            TypeError: `app` is not an ASGI application, or an option is unknown.
            ValueError: An option makes no sense.
        """
        super().__init__(
            app,
            base_url,
            raise_server_exceptions,
            root_path,
            backend,
            backend_options,
            cookies,
            headers,
            follow_redirects,
            client,
            lifespan=lifespan,
            startup_timeout=startup_timeout,
            shutdown_timeout=shutdown_timeout,
            write_buffer=write_buffer,
            timeout=timeout,
            **options,
        )
        self.async_backend: dict[str, Any] = {"backend": backend, "backend_options": dict(backend_options or {})}
        self._blocking.fresh_loop = REPLACEMENT.fresh_loop if fresh_loop is None else fresh_loop
        if getattr(type(self), _FACTORY) is _OWN_FACTORY:
            self._blocking.usually(self._portal_factory)
        else:  # a subclass has one, as is done with Starlette's
            self._blocking.own_factory = self._portal_factory

    @property
    def app(self) -> ASGIApp:
        """The app whose lifespan runs inside ``with``. Requests go to the one that the client was made with."""
        return self._core.app

    @app.setter
    def app(self, app: ASGIApp) -> None:
        self._core.app = app

    @property
    def app_state(self) -> dict[str, Any]:
        """What the app keeps in ``scope["state"]``. Each request gets a shallow copy.

        As with Starlette's, another dict that is put here is that of the lifespan alone.
        """
        return self._core.app_state

    @app_state.setter
    def app_state(self, state: dict[str, Any]) -> None:
        self._core.app_state = state

    @property
    def task(self) -> Future[None]:
        """The app's lifespan, once the client was entered."""
        return self._core.task

    @property  # type: ignore[override]  # Starlette's is None outside of `with`, and can be set
    def portal(self) -> BlockingPortal | None:
        """The portal of anyio into the app's loop; None outside of ``with``, unless it was set to one to be used."""
        own_loop = self._blocking.own_loop
        return self._portal if own_loop is None else own_loop.portal

    @portal.setter
    def portal(self, portal: BlockingPortal | None) -> None:
        self._portal = portal
        if getattr(type(self), _FACTORY) is _OWN_FACTORY:
            self._blocking.own_factory = None if portal is None else self._portal_factory

    @contextmanager
    def _portal_factory(self) -> Iterator[BlockingPortal]:
        if self.portal is not None:
            yield self.portal
        else:
            with start_blocking_portal(**self.async_backend) as portal:
                yield portal

    def request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Response:
        """Build and send a request, as Starlette's; ``timeout=`` is ignored, with its warning."""
        if options.get("timeout", _UNSET) is not _UNSET:
            warnings.warn(_NO_TIMEOUT, _DEPRECATION, stacklevel=2)
        return _Client.request(self, method, url, **options)  # which warns of cookies

    def build_request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Request:
        """Build a request; ``timeout=`` is ignored."""
        options.pop("timeout", None)
        return super().build_request(method, url, **options)

    def websocket_connect(
        self, url: httpx.URL | str, subprotocols: Sequence[str] | None = None, **options: Any
    ) -> WebSocketTestSession:
        """Return a session to connect: ``with client.websocket_connect(url) as session:``.

        Args:
            url: Relative to ``ws://testserver``, or absolute.
            subprotocols: What to offer to the app.
            options: What ``client.get`` takes.

        Raises:
            RuntimeError: The request was answered by something else than the client's app: a mount of the client, say.
        """
        headers = _Headers(options.pop("headers", None))
        headers.setdefault("connection", "upgrade")
        headers.setdefault("sec-websocket-key", "testserver==")
        headers.setdefault("sec-websocket-version", "13")
        if subprotocols is not None:
            headers.setdefault("sec-websocket-protocol", ", ".join(subprotocols))
        target = urljoin("ws://testserver", str(url))
        try:
            response = _Client.request(self, "GET", target, headers=headers, **options)
        except Upgrade as upgrade:
            request = upgrade.request
        else:
            msg = (
                f"{response.url} is not served by the app of this TestClient, and a session needs that. Is it mounted?"
            )
            raise RuntimeError(msg)
        found = in_starlettes_client("WebSocketTestSession")
        derived = isinstance(found, type) and issubclass(found, WebSocketTestSession)  # a test has put it there
        kind: Any = found if derived else WebSocketTestSession
        way = self._blocking
        session: WebSocketTestSession = kind(way.app, way.scope_of(request), way.portal_factory)
        session.goes_over(way, request)
        return session


_FACTORY = "_portal_factory"
_OWN_FACTORY = getattr(TestClient, _FACTORY)
