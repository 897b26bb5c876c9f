"""LiveServer: an app on a real server, for browsers, other programs, and clients in other languages."""

from __future__ import annotations

import ssl as tls
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from .._client.core import ClientCore
from .._client.live import check_context
from .._client.transport import ASGITransport
from .._types import ASGIApp, LifespanMode, ServerFactory, ServerName, public

if TYPE_CHECKING:
    from .._live.gateway import Gateway
    from .loop import LoopThread


@public
class LiveServer:
    """Runs an app on a real server: ``async with LiveServer(app) as server: server.url``; or ``with``, in a thread.

    Awaited, the server runs in the test's own event loop, so the app can use what fixtures of the test have opened
    there. The app's lifespan runs around it. What the app raises while it serves is answered and logged by the server
    as in production, and raised in the test when the block is left.

    Attributes:
        app: The app under test.
    """

    def __init__(  # noqa: D417 - what other classes explain is named, several in a line
        self,
        app: ASGIApp,
        server: ServerName | ServerFactory = "uvicorn",
        *,
        ssl: tls.SSLContext | None = None,
        http2: bool = False,
        lifespan: LifespanMode = "auto",
        startup_timeout: float | None = 5,
        shutdown_timeout: float | None = 5,
        root_path: str = "",
        disconnect_grace: float = 1.0,
        backend: str = "asyncio",
        backend_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare to serve `app`, on 127.0.0.1 and a port that is free.

        Args:
            app: An ASGI application. That of a `LifespanManager` has been started up already.
            server: The name of a server, or what runs one: see the how-to on live servers.
            ssl: What the server is to speak TLS with: it has the certificate.
            http2: Whether it is to speak HTTP/2 as well, over TLS.
            lifespan, startup_timeout, shutdown_timeout: As for `LifespanManager`.
            root_path: Where the app is mounted.
            disconnect_grace: Seconds that calls of the app have to end when the server stops; then they are cancelled.
            backend, backend_options: Of the loop in a thread, for ``with``; as for `TestClient`.

        Raises:
            TypeError: `app` is not an ASGI application, or an option is of the wrong type.
            ValueError: There is no server by that name, or an option makes no sense.
            ModuleNotFoundError: The server is not installed.
        """
        from .._live.gateway import Gateway  # few tests need it
        from .._live.servers import server_of

        check_context(ssl)
        self.app: ASGIApp = app
        transport = ASGITransport(app, root_path=root_path, disconnect_grace=disconnect_grace)
        found = server_of(server, context=ssl, http2=http2)
        self._gateway: Gateway = Gateway(found, transport.serve_guest, context=ssl, http2=http2)
        transport.gateway = self._gateway
        self._core = ClientCore(transport, startup_timeout, shutdown_timeout, lifespan)
        self._configuration = backend, backend_options or {}
        self._loop: LoopThread | None = None

    def __repr__(self) -> str:
        where = "not running" if self._gateway.serving is None else f"at {self.url}"
        return f"<{type(self).__name__} of {self.app!r}, {where}>"

    @property
    def url(self) -> str:
        """The URL of the server, ``http://127.0.0.1:54321`` for instance.

        Raises:
            RuntimeError: The server does not run.
        """
        return f"{'https' if self._gateway.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port that it listens at.

        Raises:
            RuntimeError: The server does not run.
        """
        if self._gateway.serving is None:
            msg = "a LiveServer has a URL inside its `with` (or `async with`) block only: enter it"
            raise RuntimeError(msg)
        return self._gateway.serving.port

    @property
    def state(self) -> Mapping[str, Any]:
        """What the app keeps in the state of its lifespan, of which each request gets a shallow copy."""
        return self._core.state

    async def __aenter__(self) -> Self:
        """Run the app's startup, and start the server in the running loop.

        Raises:
            LifespanError: The startup failed; see `LifespanManager`.
            ValueError: The server does not run on trio.
            BaseException: What the app raised in its startup, or the server.
        """
        self._check_new()
        await self._open()
        return self

    async def __aexit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        """Stop the server, and run the app's shutdown.

        Calls of the app have their ``disconnect_grace``, and are cancelled then. What goes wrong is told beside the
        exception under way, if there is one. Cancelling it shortens the grace, and leaves nothing running.

        Raises:
            BaseException: What the app has raised in a call, the first; others are notes on it.
            LifespanError: The shutdown failed; see `LifespanManager`.
            WrongEventLoopError: It was started in another event loop.
        """
        await self._core.close(exc_value)

    def __enter__(self) -> Self:
        """Start a loop in a thread, run the app's startup in it, and start the server."""
        from .loop import LoopThread

        self._check_new()
        self._loop = LoopThread(*self._configuration, self._open)
        return self

    def __exit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        """Stop the server, run the app's shutdown, and end the loop; as ``async with`` does."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop_after(lambda: self._core.close(exc_value))

    async def _open(self) -> None:
        await self._core.open(type(self).__name__)

    def _check_new(self) -> None:
        if self._gateway.serving is not None or self._loop is not None:
            msg = "this LiveServer runs already"
            raise RuntimeError(msg)
