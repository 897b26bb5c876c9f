"""The drop-in's transport: it calls the event loop directly, or by a portal of anyio that a test has set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any, TypeAlias, TypeVar
from weakref import WeakMethod

import httpx
from anyio.from_thread import BlockingPortal

from ..._blocking.hop import Hop, ThreadHop
from ..._blocking.transport import BlockingTransport, Handler
from ..._client.library import derived
from ..._conversation.conversation import Conversation
from ..._types import ASGIApp, Scope
from .conversation import LenientTransport

T = TypeVar("T")

PortalFactory: TypeAlias = Callable[[], AbstractContextManager[BlockingPortal]]


class PortalHop(Hop):
    """Calls into an event loop by a portal of anyio, or what has its ``call``."""

    portal: BlockingPortal

    def __init__(self, portal: BlockingPortal) -> None:
        """Take the portal; in any thread."""
        self.portal = portal

    def call(self, function: Callable[[], Awaitable[T]], *, name: object, can_move: bool = False) -> T:  # noqa: ARG002 - errors are the portal's
        """Run an async function in the loop, and return or raise its outcome."""
        return self.portal.call(function)

    def post(self, function: Callable[[], object]) -> None:
        """Have a plain function called in the loop."""
        self.portal.call(function)


class Upgrade(Exception):  # noqa: N818 - no error, and Starlette's name for it
    """Raised in place of a response by a request that asks for a session. It is caught in `websocket_connect`.

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


class PortalTransport(BlockingTransport):
    """The drop-in's blocking transport, with the settings that suites read and set on Starlette's.

    Attributes:
        own_factory: Makes a context manager around a portal, in which a request runs; None: none is needed.
        fresh_loop: Whether each request outside of ``with`` is to run in a loop of its own.
    """

    own_factory: PortalFactory | None = None
    fresh_loop = False
    _usual_factory: WeakMethod[PortalFactory] | None = None
    _transport: LenientTransport

    app: Any = _setting("app")
    app_state: Any = _setting("state")
    client: Any = _setting("client")
    raise_server_exceptions: Any = _setting("raise_app_exceptions")
    root_path: Any = _setting("root_path")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[PortalStream] = set()

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
        """Send `request` to the app, all of its body at once. What the debug extension tells is put on the response.

        Raises:
            Upgrade: It asks for a session.
            BaseException: As `BlockingTransport`.
        """
        if request.url.scheme in {"ws", "wss"}:  # by which Starlette's client knows one, too
            raise Upgrade(request)
        request.read()
        response = super().handle_request(request)
        debug = response.extensions.get("http.response.debug")
        if debug is not None:
            for name in {"template", "context"} & debug.keys():
                setattr(response, name, debug[name])
        return response

    def scope_of(self, request: httpx.Request) -> Scope:
        """Return the scope of the session that `request` asks for."""
        return self._transport.websocket_scope_of(request)

    def connect(self, app: ASGIApp, scope: Scope, request: httpx.Request) -> httpx.Response:
        """Call `app` with the scope of a session, and return the response by which it is connected."""
        response = self._send(request, partial(self._transport.connect, app, scope))
        response.request = request
        return response

    def _send_by(self, hop: Hop, request: httpx.Request, handle: Handler, *, can_move: bool = False) -> httpx.Response:
        with ExitStack() as stack:
            if self.own_factory is not None:
                hop = PortalHop(stack.enter_context(self.own_factory()))
            # An app that calls a blocking client on the thread of its loop stops that: the call has to have another.
            elif self.own_loop is None and (self.fresh_loop or (isinstance(hop, ThreadHop) and hop.here)):
                from ..._blocking.loop import LoopThread

                loop = LoopThread(*self._configuration)
                stack.callback(loop.stop)
                hop = loop.hop
            else:
                return super()._send_by(hop, request, handle, can_move=can_move)
            response = super()._send_by(hop, request, handle)
            kind: Any = derived(PortalStream, self._http, "SyncByteStream")
            response.stream = kind(response, hop, stack.pop_all(), self._open)
            return response

    def close(self) -> None:
        """See the requests of a client that shares its loop to their end, each of them, whatever the others raise."""
        with ExitStack() as stack:
            stack.callback(super().close)
            while self._open:
                stack.callback(self._open.pop().abort)


class PortalStream:
    """The body of a response that came through a portal, which is needed until it is closed.

    There is a ``SyncByteStream`` of the library to derive it from.
    """

    def __init__(self, response: Any, hop: Hop, stack: ExitStack, registry: set[PortalStream]) -> None:
        self._stream = response.stream
        self._conversation: Conversation = response.extensions["asgi"].conversation
        self._hop = hop
        self._stack = stack
        self._registry = registry
        registry.add(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        """Let go of the response, then of the portal."""
        self._registry.discard(self)
        with self._stack:
            self._stream.close()

    def abort(self) -> None:
        """See the app to its end, without waiting for what it has to do still."""
        conversation = self._conversation
        with self._stack:
            self._hop.call(lambda: conversation.part(None, detach=False), name=conversation.name)
