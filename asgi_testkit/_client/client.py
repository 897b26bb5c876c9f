"""AsyncClient: an httpx.AsyncClient for one ASGI app, with its lifespan; and what `TestClient` shares with it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, Generic, Self, TypeVar, Unpack, cast

import httpx

from .._conversation.lifespan import RunningApp
from .._protocol.app import name_of
from .._protocol.expectation import ExpectedStatus, expected_status
from .._protocol.handshake import offer
from .._protocol.options import TransportOptions, mapping
from .._types import Address, ASGIApp, LifespanMode, public
from .borrowed import BorrowedTransport
from .cookies import CookieTypes, jar_for_any_host
from .core import ClientCore
from .expectation import expectation_of
from .library import URL, Cookies, HTTPLibrary, HTTPXAsyncClient, Request, Response
from .live import REFUSED, gateway_of
from .options import ClientOptions, SendOptions
from .request import RemembersHeads
from .session import AsyncWebSocketSession
from .transport import AppTransport, ASGITransport

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
    extensions = options.get("extensions") or {}
    asked = {**mapping(extensions.get("asgi", {}), 'extensions={"asgi": ...}'), "frames": False}
    return {**options, "headers": headers, "extensions": {**extensions, "asgi": asked}}


class AppClient(RemembersHeads[Request, Cookies], Generic[URL, Request, Response, Cookies, Session]):
    """What `AsyncClient` and `TestClient` have in common."""

    is_closed: bool

    #: Of what the library and a drop-in want to have classes of their own.
    _transport_class: ClassVar[type[AppTransport[Any, Any]]]
    _session_class: ClassVar[type[Any]]

    #: Options that say nothing, as they are those of a client that is given none.
    _usual: ClassVar[Mapping[str, Any]] = {"client": (CLIENT_NAME, 50000), "strict": False, "write_buffer": 65536}

    #: Whose app this client is for, and who starts it up and shuts it down, if another client does.
    _owner: AppClient[Any, Any, Any, Any, Any] | None = None

    _core: ClientCore
    _expected: ExpectedStatus | None

    def _transport_of(
        self,
        options: ClientOptions,
        base_url: URL | str,
        app: ASGIApp,
        raises: bool,  # noqa: FBT001 - as the clients' own signatures
        root_path: str,
        client: Address | None,
    ) -> AppTransport[Any, Any]:
        """Make the transport of these arguments, and of its own ones among `options`, which keep the library's."""
        given: dict[str, Any] = options  # type: ignore[assignment]  # a dict, of which the keys are known
        own = {name: given.pop(name) for name in TransportOptions.__annotations__ if name in given}
        live, context = given.pop("live", None), given.pop("ssl", None)
        transport = self._transport_class(app, raises, root_path, client, **own)
        transport.gateway = gateway_of(
            transport.serve_guest,
            live,
            context,
            base_url=str(base_url),
            http2=given.get("http2", False),
            refused=self._refused_live({**own, "client": client}),
        )
        return transport

    def _refused_live(self, given: Mapping[str, Any]) -> list[str]:
        """Return those of the options of a transport that differ from the usual, and have no meaning on a server."""
        says_nothing = [name for name in ("scope", "faults") if not given.get(name)]
        differs = [name for name in REFUSED if name in given and given[name] != self._usual.get(name)]
        return [name for name in differs if name not in says_nothing]

    def _become_client(
        self, core: ClientCore, transport: object, /, *, cookies: CookieTypes | None, headers: Any, **options: Any
    ) -> None:
        """Make it a client of the library, whose requests go over `transport`.

        Raises:
            TypeError: An option is unknown, or a second transport.
            ValueError: An option makes no sense.
        """
        if "transport" in options:
            another = f"httpx.{self._library_client.__name__}"
            msg = f"{type(self).__name__} makes its own transport. For another one use {another}, or mounts="
            raise TypeError(msg)
        self._given = {**options}
        self._expected = expected_status(options.pop("expect_status", None))
        self._sends_over = transport
        super().__init__(
            cookies=jar_for_any_host(cookies),
            headers=with_user_agent(headers, self._library),
            transport=transport,
            **options,
        )
        self._core = core

    def __repr__(self) -> str:
        running = len(self._core.transport.running())
        requests = f", {running} request{'s' * (running != 1)} running" if running else ""
        client: Any = self
        where = str(client.base_url).rstrip("/")
        return f"<{type(self).__name__} of {name_of(self.app)} at {where}{', closed' * self.is_closed}{requests}>"

    @property
    def app(self) -> ASGIApp:
        """The app under test."""
        return self._core.transport.app

    @property
    def state(self) -> Mapping[str, Any]:
        """What the app keeps in the state of its lifespan, of which each request gets a shallow copy.

        It is that of the manager where the app is a `LifespanManager`'s, and empty where no lifespan has run.

        Raises:
            RuntimeError: The client is not entered.
        """
        if self._core.transport.home is None:
            msg = f"a {type(self).__name__} has the state of its app's lifespan inside its `with` block only: enter it"
            raise RuntimeError(msg)
        return self.app.state if isinstance(self.app, RunningApp) else self._core.transport.state

    def transcript(self) -> str:
        """Return what has gone on as text; see `ASGITransport.transcript`.

        Raises:
            RuntimeError: The client was made without ``record=True``.
        """
        return self._core.transport.transcript()

    def har(self) -> dict[str, Any]:
        """Return the same as HAR 1.2, for ``json.dump``; see `ASGITransport.har`.

        Raises:
            RuntimeError: The client was made without ``record=True``.
        """
        return self._core.transport.har()

    def acting_as(self, *, headers: Any = None, cookies: CookieTypes | None = None, auth: Any = None) -> Self:
        """Return a client for a second user of the same running app, with a cookie jar of its own.

        Headers, cookies and auth are those given here: none of this client's goes over. All else is as it is with this
        client now: base URL, params, timeout, event hooks, mounts, ``follow_redirects``, ``expect_status``. It starts
        and stops no app, and works for as long as this one does, which sees its requests to their end, too. So it need
        not be closed, or entered; it can be.

        Args:
            headers: Headers of every request. ``user-agent`` is ``testclient`` unless it is given.
            cookies: Cookies to start with.
            auth: As ``httpx.AsyncClient`` takes it: a pair of name and password, or an ``httpx.Auth``.
        """
        client = copy(self)
        client._become_second_user(headers=headers, cookies=cookies, auth=auth, owner=self._owner or self)  # noqa: SLF001 - ours
        return client

    def _become_second_user(self, *, owner: AppClient[Any, Any, Any, Any, Any], **identity: Any) -> None:
        """Make this copy of a client one of its own, with nothing of the identity of the other."""
        self._owner = owner
        now: Any = self
        mounts = {
            pattern: transport and BorrowedTransport(transport, owner)
            for pattern, transport in (self._given.get("mounts") or {}).items()
        }
        as_now = {
            "base_url": now.base_url,
            "params": now.params,
            "timeout": now.timeout,
            "event_hooks": {event: list(hooks) for event, hooks in now.event_hooks.items()},
            "follow_redirects": now.follow_redirects,
            "max_redirects": now.max_redirects,
            "mounts": mounts,
        }
        transport = BorrowedTransport(self._sends_over, owner)
        self._become_client(self._core, transport, **{**self._given, **as_now, **identity})

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
            client: Any = self
            request = self.build_request("GET", url, **handshake(subprotocols, options, self._library))
            return client.send(request, stream=True, **sending)

        return cast("Session", self._session_class(connect))

    def _left_open(self) -> str:
        return self._core.unclosed()

    def __del__(self) -> None:
        made = "_core" in self.__dict__
        left = self._left_open() if made and self._owner is None else ""
        if left:
            msg = f"{type(self).__name__} was not closed; still running: {left}"
            warnings.warn(msg, ResourceWarning, source=self, stacklevel=1)


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
        cookies: CookieTypes | None = None,
        headers: Any = None,
        follow_redirects: bool = False,
        **options: Unpack[ClientOptions],
    ) -> None:
        """Prepare to test `app`.

        Args:
            app: An ASGI application.
            base_url: What relative URLs are relative to. Its scheme, host and port appear in the scope.
            raise_server_exceptions: Whether what the app raises is raised in the test, as it is; see `ASGITransport`.
            lifespan: ``"auto"``, ``"on"`` or ``"off"``; see `LifespanManager`.
            startup_timeout, shutdown_timeout: Seconds that each may take; None for no limit.
            root_path, client: As for `ASGITransport`.
            cookies: Cookies to start with. A ``Domain`` without a dot, such as ``testserver``, works.
            headers: Headers of every request. ``user-agent`` is ``testclient`` unless it is given.
            follow_redirects: Whether redirects are followed.
            options: write_buffer, background, disconnect_grace, strict, compression, max_message_size, scope,
                asgi_extensions, record and faults, as for `ASGITransport`; live, a real server for the app, by name
                (``"uvicorn"``, ``"hypercorn"``, ``"anycorn"``) or a function that runs one, False for none in any case;
                ssl, what that server speaks TLS with; expect_status, the status that each answer must have, such as 200
                or ``"2xx"``, or several of these, else `send` raises an AssertionError (None: any status); and what
                else ``httpx.AsyncClient`` takes: auth, params, timeout (in seconds), event_hooks, mounts, http2, ...

        Raises:
            TypeError: `app` is not an ASGI application, or an option is unknown.
            ValueError: An option makes no sense, or none with ``live``.
            ModuleNotFoundError: The server is not installed.
        """
        transport = self._transport_of(options, base_url, app, raise_server_exceptions, root_path, client)
        core = ClientCore(transport, startup_timeout, shutdown_timeout, lifespan)
        own = {"base_url": base_url, "cookies": cookies, "headers": headers, "follow_redirects": follow_redirects}
        self._become_client(core, transport, **own, **options)

    async def request(self, method: str, url: URL | str, **options: Any) -> Response:
        """Build and send a request, as ``httpx.AsyncClient.request``.

        Args:
            method: The HTTP method.
            url: Relative to ``base_url``, or absolute.
            options: content, data, files, json, params, headers, timeout (in seconds), extensions; cookies, which go
                with this request alone; auth and follow_redirects, in place of the client's.
        """
        return cast("Response", await self._library_s.request(method, url, **self.with_cookie_header(url, options)))

    async def send(self, request: Request, **options: Unpack[SendOptions]) -> Response:
        """Send a request, as ``httpx.AsyncClient.send``.

        Args:
            request: Of `build_request`, as a rule.
            options: stream, whether the body is left to be read; auth and follow_redirects, in place of the client's.

        Raises:
            AssertionError: The answer, the last one where redirects were followed, has another status than
                ``expect_status`` has. It is closed. The text has a transcript of what led to it.
        """
        expectation = expectation_of(request, self._expected)
        response: Any = await self._library_s.send(request, **options)
        if expectation is not None and not expectation.accepts(response):
            await response.aclose()
            raise expectation.complaint(response)
        return cast("Response", response)

    async def __aenter__(self) -> Self:
        """Run the app's startup.

        Raises:
            LifespanError: The startup failed; see `LifespanManager`. The client is closed then.
            BaseException: What the app raised in its startup, as it is.
        """
        await self._library_s.__aenter__()
        if self._owner is not None:
            return self
        try:
            await self._core.open(type(self).__name__)
        except BaseException:
            await self._library_s.aclose()
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
            if self._owner is None:
                await self._core.close(exc_value)
        finally:
            await self._library_s.__aexit__(exc_type, exc_value, traceback)

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
