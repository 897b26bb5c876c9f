"""A drop-in for ``starlette.testclient``: ``from asgi_testkit.starlette import TestClient``.

Constructor, methods, defaults and exceptions are Starlette's, and whatever passes with its client passes with this one.
Requests and responses are those of the HTTP library that the installed Starlette's client uses, httpx or httpx2.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from types import EllipsisType, TracebackType
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urljoin

import httpx
import starlette
import starlette.exceptions
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.websockets import WebSocketDisconnect as _StarlettesDisconnect

from ._app import as_single_callable
from ._blocking_session import WebSocketSession
from ._cookies import CookieTypes
from ._core import CLIENT_NAME, ClientCore, sending_options
from ._errors import LifespanError, LifespanTimeout, WebSocketDenied
from ._errors import WebSocketDisconnect as _Disconnect
from ._lenient import LenientConnection, LenientConnectionState, LenientTransport
from ._lifespan import LifespanManager
from ._payload import JSONMode, json_message
from ._portal import PortalTransport
from ._sync import BlockingClient
from ._transport import MESSAGE_LEVEL
from ._types import Address, ASGIApp, LifespanMode, Message, Receive, Scope, Send

__all__ = ["TestClient", "WebSocketDenialResponse", "WebSocketDisconnect", "WebSocketTestSession"]

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


class WebSocketDisconnect(_Disconnect, _StarlettesDisconnect):
    """The connection has ended, or was never established: ours and Starlette's exception in one."""


if TYPE_CHECKING:

    class WebSocketDenialResponse(httpx.Response, WebSocketDenied, WebSocketDisconnect):  # type: ignore[misc]  # pickling
        """The app answered the handshake with this response."""

else:

    def __getattr__(name: str) -> Any:
        if name == "WebSocketDenialResponse":
            return denial_class()
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)


@cache
def denial_class() -> type[WebSocketDenied]:
    """Return the exception for a denial: Starlette's, which is a response of its HTTP library, and ours."""
    with warnings.catch_warnings(action="ignore"):  # who has got as far as this knows which library it is
        from starlette.testclient import WebSocketDenialResponse as StarlettesDenial

    class WebSocketDenialResponse(StarlettesDenial, WebSocketDenied, WebSocketDisconnect):  # type: ignore[misc]  # pickling
        """The app answered the handshake with this response.

        Attributes:
            response: The same, as it came.
        """

        def __init__(self, response: Any, *, text: str = "") -> None:
            WebSocketDenied.__init__(self, response, text=text)
            StarlettesDenial.__init__(
                self,
                response.status_code,
                headers=response.headers,
                content=response.content,
                request=response.request,
                extensions=response.extensions,
            )

    WebSocketDenialResponse.__module__ = __name__
    WebSocketDenialResponse.__qualname__ = "WebSocketDenialResponse"
    return WebSocketDenialResponse


class StarletteConnection(LenientConnection):
    """A connection whose end is Starlette's exception."""

    disconnect_class = WebSocketDisconnect


class StarletteTransport(LenientTransport[Any, Any]):
    """Runs the app for `TestClient`."""

    connection_class = StarletteConnection


class WebSocketTestSession(WebSocketSession):
    """A blocking test's end of a WebSocket connection, with the names of Starlette's.

    `send` and `receive` are at the level of ASGI messages, whichever: nothing is checked.

    Attributes:
        accepted_subprotocol: The subprotocol that the app chose.
        extra_headers: The headers that it sent with ``websocket.accept``, as it sent them.
    """

    accepted_subprotocol: str | None = None
    extra_headers: Any = None

    def __enter__(self) -> Self:
        """Connect; see `WebSocketSession`, but the app's errors are Starlette's as well.

        Raises:
            WebSocketDisconnect: The app rejected the handshake by ``websocket.close``.
            WebSocketDenialResponse: The app answered the handshake with a response of its own.
            BaseException: What the app raised, as it is.
        """
        super().__enter__()
        acceptance = cast("LenientConnectionState", self._open.state).acceptance
        self.accepted_subprotocol = acceptance.get("subprotocol")
        self.extra_headers = acceptance.get("headers")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close the connection, if nobody has, and see the app to its end.

        An app that was told, and listens, has its ``disconnect_grace``; then, or if it does not, it is cancelled.

        Raises:
            BaseException: What the app raised, as it is, even in place of the `WebSocketDisconnect` that is under way.
        """
        reason = None if isinstance(exc_value, WebSocketDisconnect) else exc_value
        super().__exit__(exc_type, reason, traceback)

    def _denied(self, response: httpx.Response, text: str) -> WebSocketDenied:
        return denial_class()(response, text=text)

    def send(self, message: Any) -> None:
        """Send an ASGI message, whichever; it does not wait for the app."""
        self._write(message)

    def send_text(self, data: str) -> None:
        """Send a text message."""
        self._write({"type": "websocket.receive", "text": data})

    def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message."""
        self._write({"type": "websocket.receive", "bytes": data})

    def send_json(self, data: Any, mode: JSONMode = "text") -> None:
        """Send JSON, compact and in UTF-8, in a text message or in a binary one."""
        self._write(json_message(data, mode))

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Send ``websocket.disconnect``. What the app sends after it can be received still."""
        self._write({"type": "websocket.disconnect", "code": code, "reason": reason})

    def _write(self, message: Message) -> None:
        connection = self._open
        connection.check_writable()
        self._hop.post(lambda: connection.put(message))

    def receive(self, *, timeout: float | EllipsisType | None = ...) -> Message:
        """Wait for a message of the app, and return it as it is, ``websocket.close`` as well.

        Raises:
            WebSocketDisconnect: The app has closed the connection, and that message was received already.
            ASGIProtocolError: The app returned without closing it.
            BaseException: What the app raised, as it is.
        """
        message: Message = self._next(_as_it_is, timeout)
        return message

    def receive_text(self, *, timeout: float | EllipsisType | None = ...) -> str:
        """Wait for a message, and return its text.

        Raises:
            WebSocketDisconnect: The connection was closed.
            KeyError: The message has none.
        """
        return cast("str", self._received(timeout)["text"])

    def receive_bytes(self, *, timeout: float | EllipsisType | None = ...) -> bytes:
        """Wait for a message, and return its bytes.

        Raises:
            WebSocketDisconnect: The connection was closed.
            KeyError: The message has none.
        """
        return cast("bytes", self._received(timeout)["bytes"])

    def receive_json(self, mode: JSONMode = "text", *, timeout: float | EllipsisType | None = ...) -> Any:
        """Wait for a message, and return what its JSON stands for.

        Raises:
            WebSocketDisconnect: The connection was closed.
            KeyError: The message is of the other kind.
        """
        import json

        message = self._received(timeout)
        return json.loads(message["text"] if mode == "text" else message["bytes"])

    def _received(self, timeout: float | EllipsisType | None) -> Message:
        message = self.receive(timeout=timeout)
        if message["type"] == "websocket.close":
            text = f"{self._open.name}: the application closed the connection"
            raise WebSocketDisconnect(message.get("code", 1000), message.get("reason"), text=text)
        return message

    def __next__(self) -> Any:
        """Return the text or the bytes of the next message."""
        try:
            message = self._received(...)
        except WebSocketDisconnect:
            raise StopIteration from None
        text = message.get("text")
        return message.get("bytes") if text is None else text


def _as_it_is(message: Any) -> Any:
    return message


class StarletteCore(ClientCore):
    """The lifespan as Starlette's client runs it: one state for good, and an app has to support it.

    Attributes:
        app_state: What the app keeps in ``scope["state"]``.
        task: The app's lifespan, as a future of ``concurrent.futures``.
    """

    task: Future[None]

    def __init__(self, transport: Any, **options: Any) -> None:
        self.app_state: dict[str, Any] = {}
        super().__init__(transport, **options)
        transport.state = self.app_state

    def _new_manager(self) -> LifespanManager:
        startup_timeout, shutdown_timeout, lifespan = self._lifespan_options
        manager = LifespanManager(self._lifespan, startup_timeout, shutdown_timeout, lifespan=lifespan)
        manager.state = self.app_state
        return manager

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = self.task
        try:
            await as_single_callable(self.transport.app)(scope, receive, send)
        except BaseException as error:
            task.set_exception(error)
            raise
        task.set_result(None)

    async def open(self, owner: str) -> None:
        """Run the app's startup. What the app raises is raised, be it that it does not support lifespan."""
        self.task = Future()
        cause = None
        try:
            await super().open(owner)
        except LifespanError as error:
            cause = error.__cause__
            if cause is None:
                raise
        if cause is not None:
            raise cause

    async def _shut_down(self, reason: BaseException | None) -> None:
        try:
            await super()._shut_down(reason)
        except LifespanTimeout:
            raise
        except LifespanError:
            pass  # the app has said that it failed, and has raised nothing: Starlette's client takes no notice
        finally:
            self.transport.state = self.app_state


_library = library()

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


class TestClient(
    BlockingClient[httpx.URL, httpx.Request, httpx.Response, httpx.Cookies, WebSocketTestSession], _Client
):
    """Tests an ASGI app from blocking code, as ``starlette.testclient.TestClient``, which it can replace.

    It is ours under Starlette's names, see `asgi_testkit.TestClient`, and forgives what Starlette's forgives.
    """

    __test__ = False  # pytest: no test class

    _transport_class = StarletteTransport
    _session_class = WebSocketTestSession
    _core_class = StarletteCore
    _blocking_class = PortalTransport

    _core: StarletteCore
    _blocking: PortalTransport
    _portal: BlockingPortal | None = None

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
        fresh_loop: bool = False,
        lifespan: LifespanMode = "on",
        startup_timeout: float | None = None,
        shutdown_timeout: float | None = None,
        write_buffer: int = 0,
        timeout: Any = None,
        **options: Any,
    ) -> None:
        """Prepare to test `app`.

        Args:
            app: An ASGI application.
            base_url: What relative URLs are relative to. Those of WebSockets are relative to ``ws://testserver``.
            raise_server_exceptions: Whether what the app raises is raised in the test. In a WebSocket session it
                always is.
            root_path: Where the app is mounted.
            backend: ``"asyncio"`` or ``"trio"``.
            backend_options: As ``anyio.run`` takes them.
            cookies: Cookies to start with.
            headers: Headers of every request.
            follow_redirects: Whether redirects are followed.
            client: Host and port of the peer that the app sees.
            fresh_loop: Whether each request outside of ``with`` gets an event loop of its own, as with Starlette.
                Otherwise all clients share one: that is much faster.
            lifespan: ``"on"``, ``"auto"`` or ``"off"``; see `LifespanManager`.
            startup_timeout: Seconds that the app's startup may take; None for no limit.
            shutdown_timeout: Seconds that the app's shutdown may take; None for no limit.
            write_buffer: How many bytes of a streamed body the app may be ahead of the reader. 0: by one chunk.
            timeout: How long, in seconds, to wait for the app; None for no limit. What a single request says of that is
                ignored, as with Starlette.
            options: What else `asgi_testkit.TestClient` takes.

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
        self.async_backend = {"backend": backend, "backend_options": dict(backend_options or {})}
        self._blocking.fresh_loop = fresh_loop
        if getattr(type(self), _FACTORY) is not _OWN_FACTORY:  # a subclass has one, as is done with Starlette's
            self._blocking.portal_factory = self._portal_factory

    @property
    def app_state(self) -> dict[str, Any]:
        """What the app keeps in ``scope["state"]``. Each request gets a shallow copy."""
        return self._core.app_state

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
        self._blocking.portal_factory = None if portal is None else self._portal_factory

    @contextmanager
    def _portal_factory(self) -> Iterator[BlockingPortal]:
        if self.portal is not None:
            yield self.portal
        else:
            with start_blocking_portal(*self._blocking.configuration) as portal:
                yield portal

    def request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Response:
        """Build and send a request, as Starlette's; ``timeout=`` is ignored, with its warning."""
        if options.get("timeout", _library.USE_CLIENT_DEFAULT) is not _library.USE_CLIENT_DEFAULT:
            warnings.warn(_NO_TIMEOUT, _DEPRECATION, stacklevel=2)
        return super().request(method, url, **options)

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
        """
        headers = _library.Headers(options.pop("headers", None))
        headers.setdefault("connection", "upgrade")
        headers.setdefault("sec-websocket-key", "testserver==")
        headers.setdefault("sec-websocket-version", "13")
        if subprotocols is not None:
            headers.setdefault("sec-websocket-protocol", ", ".join(subprotocols))
        extensions = {**(options.pop("extensions", None) or {}), MESSAGE_LEVEL: True}
        sending = {**sending_options(options), "follow_redirects": False}

        def connect() -> httpx.Response:
            target = urljoin("ws://testserver", str(url))
            request = self.build_request("GET", target, headers=headers, extensions=extensions, **options)
            return self.send(request, stream=True, **sending)

        return WebSocketTestSession(connect)


_FACTORY = "_portal_factory"
_OWN_FACTORY = getattr(TestClient, _FACTORY)
