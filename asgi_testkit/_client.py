"""AsyncClient: an httpx.AsyncClient for one ASGI app, with its lifespan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

import httpx

from ._cookies import CookieTypes
from ._core import CLIENT_NAME, AppClient, ClientCore, Session
from ._http import URL, Cookies, HTTPXAsyncClient, Request, Response
from ._session import AsyncWebSocketSession
from ._transport import ASGITransport
from ._types import Address, ASGIApp, Background, LifespanMode, public


class AwaitedClient(AppClient[URL, Request, Response, Cookies, Session]):
    """`AsyncClient` without its base class, which is httpx's or httpx2's ``AsyncClient``."""

    def __init__(  # noqa: D417 - what the transport explains is named, several in a line
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
            startup_timeout, shutdown_timeout: Seconds that each may take; None for no limit.
            root_path, client: As for `ASGITransport`.
            write_buffer, background, disconnect_grace, strict: As for `ASGITransport`.
            compression, max_message_size, scope, asgi_extensions: As for `ASGITransport`.
            cookies: Cookies to start with. A ``Domain`` without a dot, such as ``testserver``, works.
            headers: Headers of every request. ``user-agent`` is ``testclient`` unless it is given.
            httpx_options: What else ``httpx.AsyncClient`` takes: auth, params, timeout (in seconds), event_hooks,
                mounts, follow_redirects, ...

        Raises:
            TypeError: `app` is not an ASGI application, or an option is unknown.
            ValueError: An option makes no sense.
        """
        transport = self._transport_class(
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
        )
        core = ClientCore(transport, startup_timeout, shutdown_timeout, lifespan)
        self._become_client(core, transport, cookies=cookies, headers=headers, base_url=base_url, **httpx_options)

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
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
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
