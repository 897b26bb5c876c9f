"""What the two clients share: an app, the transport to it, and its lifespan while a client is open."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

import httpx

from ._cookies import CookiesForAnyHost, CookieTypes, jar_for_any_host
from ._handshake import offer
from ._heads import RemembersHeads
from ._http import URL, Cookies, HTTPLibrary, Request, Response, base_in_library, library_of
from ._lifespan import LifespanManager
from ._tasks import HomeLoop, checkpoint
from ._transport import MESSAGE_LEVEL, AppTransport
from ._types import ASGIApp, LifespanMode

Session = TypeVar("Session")

#: What a client is called in ``user-agent`` and in ``scope["client"]``, as Starlette's.
CLIENT_NAME = "testclient"


def with_user_agent(headers: Any, http: HTTPLibrary) -> httpx.Headers:
    """Return `headers`, whatever the library takes for them, with a user-agent."""
    result = http.Headers(headers)
    result.setdefault("user-agent", CLIENT_NAME)
    return result


def handshake(subprotocols: Sequence[str] | None, options: dict[str, Any], http: HTTPLibrary) -> dict[str, Any]:
    """Return the options of a request that opens a session, given those that a test wants it to have."""
    headers: Any = offer(subprotocols)
    if options.get("headers"):
        headers = http.Headers(headers)
        headers.update(options["headers"])
    extensions = {**(options.get("extensions") or {}), MESSAGE_LEVEL: True}
    return {**options, "headers": headers, "extensions": extensions}


class ClientCore:
    """Starts up and shuts down a client's app. `AsyncClient` awaits it, `TestClient` calls it from another thread.

    Attributes:
        transport: Runs the app.
    """

    def __init__(
        self,
        transport: AppTransport[Any, Any],
        startup_timeout: float | None,
        shutdown_timeout: float | None,
        lifespan: LifespanMode,
    ) -> None:
        self.transport = transport
        self._timeouts = startup_timeout, shutdown_timeout
        self._mode = lifespan
        self._manager = self._new_manager()

    def _new_manager(self) -> LifespanManager:
        return LifespanManager(self.transport.app, *self._timeouts, lifespan=self._mode)

    async def open(self, owner: str) -> None:
        """Run the app's startup, as `LifespanManager` does. `owner` is what errors call the client."""
        manager = self._new_manager()
        await manager.__aenter__()
        self._manager = manager
        self.transport.state = manager.state
        self.transport.home = HomeLoop(owner)

    def check_loop(self) -> None:
        """Check that the running event loop is the one that the client was opened in, if it was."""
        if self.transport.home is not None:
            self.transport.home.check()

    async def close(self, reason: BaseException | None) -> None:
        """See the requests to their end, then run the app's shutdown.

        What goes wrong is told beside `reason`, the exception that is under way, not instead.
        """
        self.check_loop()
        try:
            await self.transport.settle(reason)
        except BaseException as error:
            await self._shut_down(error)
            raise
        await self._shut_down(reason)
        if reason is None:
            await checkpoint()

    async def _shut_down(self, reason: BaseException | None) -> None:
        try:
            await self._manager.__aexit__(None, reason, None)
        finally:
            self.transport.home = None
            self.transport.state = {}

    def forget_loop(self) -> None:
        """Forget the loop that it was opened in, which has died, and the lifespan with it."""
        if self.transport.home is not None:
            self.transport.home = None
            self._manager = self._new_manager()

    def unclosed(self) -> str:
        """Say what is left to close; empty if nothing is."""
        left = ["the lifespan of its app"] if self._manager.running else []
        return ", ".join(left + self.transport.running())


class AppClient(
    RemembersHeads[Request],
    CookiesForAnyHost[Request, Cookies],
    Generic[URL, Request, Response, Cookies, Session],
):
    """What `AsyncClient` and `TestClient` have in common."""

    is_closed: bool

    #: Of what the library and a drop-in want to have classes of their own.
    _transport_class: ClassVar[type[AppTransport[Any, Any]]]
    _session_class: ClassVar[type[Any]]

    _core: ClientCore

    def _become_client(
        self, core: ClientCore, transport: object, /, *, cookies: CookieTypes | None, headers: Any, **options: Any
    ) -> None:
        """Make it a client of the library, whose requests go over `transport`.

        Raises:
            TypeError: An option is unknown, or a second transport.
        """
        http = library_of(self)
        if "transport" in options:
            library_s = base_in_library(type(self)).__name__
            msg = f"{type(self).__name__} makes its own transport. For another one use httpx.{library_s}, or mounts="
            raise TypeError(msg)
        super().__init__(
            cookies=jar_for_any_host(cookies),
            headers=with_user_agent(headers, http),
            transport=transport,
            **options,
        )
        self._core = core

    @property
    def app(self) -> ASGIApp:
        """The app under test."""
        return self._core.transport.app

    def websocket_connect(
        self,
        url: URL | str,
        subprotocols: Sequence[str] | None = None,
        **options: Any,
    ) -> Session:
        """Return a session to connect: ``with client.websocket_connect(url) as session:``, or ``async with``.

        The handshake is a request of this client: its auth, cookies, headers, params and event hooks apply to it.

        Args:
            url: Relative to ``base_url``, or absolute: ``ws://``, ``wss://``, ``http://`` or ``https://``.
            subprotocols: What to offer to the app.
            options: params, headers, cookies, timeout (in seconds; ``read`` limits the handshake and each receive,
                ``write`` each send), extensions; auth, in place of the client's; follow_redirects: whether a redirect,
                in a denial response, is followed.
        """
        sending = {"follow_redirects": options.pop("follow_redirects", False)}
        if "auth" in options:
            sending["auth"] = options.pop("auth")

        def connect() -> Any:  # the response; or, with an AsyncClient, what it is awaited of
            as_the_library_s: Any = self
            request = self.build_request("GET", url, **handshake(subprotocols, options, library_of(self)))
            return as_the_library_s.send(request, stream=True, **sending)

        return cast("Session", self._session_class(connect))

    def _left_open(self) -> str:
        return self._core.unclosed()

    def __del__(self) -> None:
        left = self._left_open() if "_core" in self.__dict__ else ""  # else it was never made
        if left:
            msg = f"{type(self).__name__} was not closed; still running: {left}"
            warnings.warn(msg, ResourceWarning, source=self, stacklevel=1)
