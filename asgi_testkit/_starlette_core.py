"""What the drop-in for Starlette's TestClient does in the event loop, and how it gets there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

import httpx

from ._app import as_single_callable
from ._core import ClientCore
from ._errors import LifespanError, LifespanTimeout
from ._lenient import LenientConnection, LenientTransport
from ._lifespan import LifespanManager
from ._portal import PortalTransport
from ._starlette_errors import WebSocketDisconnect
from ._transport import MESSAGE_LEVEL
from ._types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    PortalFactory = Callable[[], AbstractContextManager[BlockingPortal]]


class StarletteConnection(LenientConnection):
    """A connection whose end is Starlette's exception."""

    disconnect_class = WebSocketDisconnect

    async def start(self) -> None:
        """Call the app, and note which thread that is."""
        self.thread = threading.get_ident()
        await super().start()


class StarletteTransport(LenientTransport[Any, Any]):
    """Runs the app for `TestClient`. Its settings may be changed at any time."""

    connection_class = StarletteConnection

    @property
    def app(self) -> ASGIApp:
        """The app that requests go to."""
        return self._app

    @app.setter
    def app(self, app: ASGIApp) -> None:
        self._app = app
        self._call = as_single_callable(app)

    @property
    def raise_app_exceptions(self) -> bool:
        """Whether what the app raises is raised in the test."""
        return self._options.raise_server_exceptions

    @raise_app_exceptions.setter
    def raise_app_exceptions(self, raised: bool) -> None:
        self._options = self._options._replace(raise_server_exceptions=raised)


class Upgrade(Exception):  # noqa: N818 - no error, and Starlette's name for it
    """What a request for a session leads to, in place of a response. It is not to be seen outside.

    Attributes:
        request: The request, which has not been sent.
    """

    def __init__(self, request: httpx.Request) -> None:
        self.request = request


def _setting(name: str) -> Any:
    """Return a property that is a setting of the transport in the loop."""

    def get(transport: Any) -> Any:
        return getattr(transport._transport, name)  # noqa: SLF001 - it is to be a method of the class below

    def change(transport: Any, value: Any) -> None:
        setattr(transport._transport, name, value)  # noqa: SLF001

    return property(get, change)


class StarletteBlockingTransport(PortalTransport):
    """The way of a `TestClient` into the loop, with what suites read and set of the one that Starlette's client has."""

    _transport: StarletteTransport
    _usual_factory: WeakMethod[PortalFactory] | None = None

    app = _setting("app")
    app_state = _setting("state")
    client = _setting("client")
    raise_server_exceptions = _setting("raise_app_exceptions")
    root_path = _setting("root_path")

    @property
    def portal_factory(self) -> PortalFactory | None:
        """Makes a context manager around a portal: as a rule the client's method, which requests are not sent by."""
        if self.own_factory is None and self._usual_factory is not None:
            return self._usual_factory()
        return self.own_factory

    @portal_factory.setter
    def portal_factory(self, factory: PortalFactory | None) -> None:
        usual = self._usual_factory is not None and factory == self._usual_factory()
        self.own_factory = None if usual else factory

    def usually(self, factory: PortalFactory) -> None:
        """Take the client's method, which is not to keep the client."""
        self._usual_factory = WeakMethod(factory)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` to the app.

        Raises:
            Upgrade: It asks for a session.
            BaseException: As `PortalTransport`.
        """
        if MESSAGE_LEVEL in request.extensions:
            raise Upgrade(request)
        return super().handle_request(request)

    def scope_of(self, request: httpx.Request) -> Scope:
        """Return the scope of the session that `request` asks for."""
        return self._transport.websocket_scope_of(request)

    def connect(self, app: ASGIApp, scope: Scope, request: httpx.Request) -> httpx.Response:
        """Call `app` with the scope of a session, and return the response by which it is connected."""
        request.extensions = {**request.extensions, MESSAGE_LEVEL: (app, scope)}
        response = self._send(request)
        response.request = request
        return response


class StarletteCore(ClientCore):
    """The lifespan as Starlette's client runs it: one state for good, and an app has to support it.

    Attributes:
        app: The app whose lifespan it is.
        app_state: What the app keeps in ``scope["state"]``.
        task: The app's lifespan, as a future of ``concurrent.futures``. Cancelling it has no effect.
    """

    task: Future[None]

    def __init__(self, transport: Any, *options: Any) -> None:
        self.app: ASGIApp = transport.app
        self.app_state: dict[str, Any] = {}
        super().__init__(transport, *options)
        transport.state = self.app_state

    def _new_manager(self) -> LifespanManager:
        manager = LifespanManager(self._lifespan, *self._timeouts, lifespan=self._mode)
        manager.state = self.app_state
        return manager

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = self.task
        try:
            await as_single_callable(self.app)(scope, receive, send)
        except BaseException as error:
            task.set_exception(error)
            raise
        task.set_result(None)

    async def open(self, owner: str) -> None:
        """Run the app's startup. What the app raises is raised, be it that it does not support lifespan."""
        self.task = Future()
        self.task.set_running_or_notify_cancel()  # so that it cannot be cancelled: that would not end the lifespan
        cause = None
        state = self.transport.state
        try:
            await super().open(owner)
        except LifespanError as error:
            cause = error.__cause__
            if cause is None:
                raise
        self.transport.state = state
        if cause is not None:
            raise cause

    async def _shut_down(self, reason: BaseException | None) -> None:
        state = self.transport.state
        try:
            await super()._shut_down(reason)
        except LifespanTimeout:
            raise
        except LifespanError:
            pass  # the app has said that it failed, and has raised nothing: Starlette's client takes no notice
        finally:
            self.transport.state = state
