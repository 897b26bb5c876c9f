"""Requests through portals of anyio: for loops that a test, or its framework's client, has made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar

import httpx
from anyio.from_thread import BlockingPortal

from ._blocking import BlockingTransport
from ._conversation import Conversation
from ._hop import Hop
from ._http import derived, library_of

T = TypeVar("T")


class PortalHop(Hop):
    """The way into a loop by a portal, or by anything that has its ``call``."""

    portal: BlockingPortal

    def __init__(self, portal: BlockingPortal) -> None:
        """Take the portal; in any thread."""
        self.portal = portal

    @property
    def here(self) -> bool:
        """Whether the calling thread is the loop's own; the portal itself looks after that."""
        return False

    def call(self, function: Callable[[], Awaitable[T]], *, name: object, can_move: bool = False) -> T:  # noqa: ARG002 - errors are the portal's
        """Run an async function in the loop, and return or raise its outcome."""
        return self.portal.call(function)

    def post(self, function: Callable[[], object]) -> None:
        """Have a plain function called in the loop."""
        self.portal.call(function)


@contextmanager
def through(portal: AbstractContextManager[BlockingPortal]) -> Iterator[Hop]:
    """Give the way through a portal, as long as that is open."""
    with portal as opened:
        yield PortalHop(opened)


@contextmanager
def passing_loop(backend: str, backend_options: Mapping[str, Any]) -> Iterator[Hop]:
    """Give the way into a loop that ends afterwards."""
    from ._loops import LoopThread

    loop = LoopThread(backend, backend_options)
    try:
        yield loop.hop
    finally:
        loop.stop()


class PortalTransport(BlockingTransport):
    """A blocking transport that goes through the portal of a factory, where there is one.

    Attributes:
        own_factory: Makes a context manager around a portal, in which a request runs; None: none is needed.
        fresh_loop: Whether each request outside of ``with`` is to run in a loop of its own.
    """

    own_factory: Callable[[], AbstractContextManager[BlockingPortal]] | None = None
    fresh_loop = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[PortalStream] = set()

    @property
    def configuration(self) -> tuple[str, dict[str, Any]]:
        """The backend of the loops, and its options."""
        backend, options = self._configuration
        return backend, dict(options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` to the app, all of its body at once. What the debug extension tells is put on the response."""
        request.read()
        response = super().handle_request(request)
        debug = response.extensions.get("http.response.debug")
        if debug is not None:
            for name in {"template", "context"} & debug.keys():
                setattr(response, name, debug[name])
        return response

    def _send_by(self, hop: Hop, request: httpx.Request, *, can_move: bool = False) -> httpx.Response:
        way = self._way()
        if way is None:
            return super()._send_by(hop, request, can_move=can_move)
        with ExitStack() as stack:
            hop = stack.enter_context(way)
            response = super()._send_by(hop, request)
            kind: Any = derived(PortalStream, library_of(request), "SyncByteStream")
            response.stream = kind(response, hop, stack.pop_all(), self._open)
            return response

    def _way(self) -> AbstractContextManager[Hop] | None:
        if self.own_factory is not None:
            return through(self.own_factory())
        # An app that calls a blocking client on the thread of its loop stops that loop: the call has to have another.
        if self.own_loop is None and (self.fresh_loop or self.hop.here):
            return passing_loop(*self._configuration)
        return None

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
