"""`hosts`: apps that answer what other apps send by network clients, in one process, and no way out."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, Self

from .._client.hosts import Services, ServiceTypes, awaited, entered
from .._client.library import HTTPLibrary, library_of
from .._client.outgoing import Outgoing
from .._client.transport import AppTransport
from .._errors import tell_beside
from .._types import public
from .callers_loop import callers_loops
from .hop import Hop
from .transport import BlockingTransport

#: Around all that is entered, and what is replaced for it.
_lock = threading.Lock()


class BlockingWay(BlockingTransport):
    """The way of blocking network clients to an app."""

    def __init__(self, transport: AppTransport[Any, Any], http: HTTPLibrary) -> None:
        """Prepare it; `http` is the library of the requests to come."""
        super().__init__(transport, "asyncio", {}, http)

    @property
    def hop(self) -> Hop:
        """The way into the loop that a request of this thread is answered in."""
        return callers_loops.hop()

    def settle(self, reason: BaseException | None) -> None:
        """See to their end the requests that were answered in loops of other threads."""
        while self._hops:
            hop = self._hops.pop()
            if self._transport.unsettled and not (hop.ended or hop.here):
                hop.call(lambda: self._transport.settle(reason), name="hosts")


#: Those that were asked for, by the way of awaited clients and the library.
_ways: dict[tuple[AppTransport[Any, Any], HTTPLibrary], BlockingWay] = {}


def blocking(before: Any) -> Any:
    """Return what takes the place of the method by which blocking clients send requests to the network."""

    def handle_request(transport: Any, request: Any) -> Any:
        way = entered.destination(request)
        if way is None:
            return before(transport, request)
        http = library_of(request)
        known = _ways.get((way, http))
        return (known or _ways.setdefault((way, http), BlockingWay(way, http))).handle_request(request)

    return handle_request


_outgoing = Outgoing(awaited, blocking)


@public
class Hosts:
    """Apps by their hosts, as `hosts` makes them: for a block, ``with`` or ``async with``."""

    def __init__(
        self,
        services: ServiceTypes,
        *,
        allow: str | Iterable[str] | bool,
        raise_app_exceptions: bool,
    ) -> None:
        """Prepare them; the arguments are those of `hosts`."""
        self._services = Services(services, allow, raise_app_exceptions=raise_app_exceptions)

    def __repr__(self) -> str:
        known = ", ".join(pattern.text for pattern in self._services.transports)
        return f"<{type(self).__name__} {known or 'none'}, {'' if self._holds else 'not '}entered>"

    @property
    def _holds(self) -> bool:
        return self._services in entered.now

    def __enter__(self) -> Self:
        """Lead requests to the apps, and let no other one out, in the whole process.

        Raises:
            RuntimeError: It is entered already.
        """
        with _lock:
            if self._holds:
                msg = f"{self!r} cannot be entered twice at a time"
                raise RuntimeError(msg)
            if entered.enter(self._services):
                _outgoing.start()
        return self

    def __exit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        """Let requests go again where they went before.

        Requests that are under way in other threads' event loops are seen to their end. One in the loop of this thread
        goes on, since to wait for it would stop that loop: ``async with`` does wait.

        Raises:
            BaseException: What an app has raised that no call has raised yet, with ``raise_app_exceptions=True``.
        """
        self._leave()
        self._settle_blocking(exc_value)

    async def __aenter__(self) -> Self:
        """Do as ``with`` does."""
        return self.__enter__()

    async def __aexit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        """Let requests go again where they went before, and see to their end those that are under way.

        Raises:
            BaseException: As for ``with``.
        """
        self._leave()
        failure: BaseException | None = None
        for transport in self._services.transports.values():
            try:
                await transport.settle(exc_value)
            except BaseException as error:
                if failure is None:
                    failure = error
                else:
                    tell_beside(failure, error)
        try:
            self._settle_blocking(exc_value or failure)
        finally:
            if failure is not None:
                raise failure

    def _leave(self) -> None:
        with _lock:
            if self._holds and entered.leave(self._services):
                _outgoing.stop()

    def _settle_blocking(self, reason: BaseException | None) -> None:
        transports = [*self._services.transports.values()]
        for key in [key for key in list(_ways) if key[0] in transports]:
            _ways.pop(key).settle(reason)


def hosts(
    services: ServiceTypes = MappingProxyType({}),
    *,
    allow: str | Iterable[str] | bool = (),
    raise_app_exceptions: bool = False,
) -> Hosts:
    """Have apps answer the requests that network clients of httpx and httpx2 send to these hosts, in the whole process.

    ``with hosts({"auth.internal": auth_app}):``, or ``async with``. A request to any other host is not sent: it raises
    ``ConnectError``. Clients of this package, which have an app of their own, are not concerned.

    Where one such block is in another, the inner one is asked first, and then the outer one.

    Args:
        services: An ASGI application, or an `ASGITransport` with options of its own, by host: ``"auth.internal"``,
            ``"auth.internal:8080"`` for one port, ``"*.internal"`` for all that end so, ``"*"`` for all.
        allow: The hosts whose requests may go to the network, named in the same way; True for all that no app is for.
        raise_app_exceptions: Whether what such an app raises is raised where the request was sent, as it is. Otherwise
            the client gets what it would over a network: status 500, or an incomplete response; and transcripts tell.

    Raises:
        TypeError: Something is no ASGI application, or no host.
        ValueError: A host is none, or is there twice.
    """
    return Hosts(services, allow=allow, raise_app_exceptions=raise_app_exceptions)
