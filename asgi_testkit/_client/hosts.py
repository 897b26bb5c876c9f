"""Hosts that are apps: where a request goes that an app, or a test, sends by a network client of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from .._protocol.hosts import DEFAULT_PORTS, HostPattern, host_pattern
from .._types import ASGIApp
from .library import library_of
from .transport import AppTransport, ASGITransport

#: Apps, or the ways to them, by their hosts.
ServiceTypes: TypeAlias = Mapping[str, ASGIApp | AppTransport[Any, Any]]


class Services:
    """Apps by their hosts, and the hosts that are let out to the network.

    Attributes:
        transports: The ways to the apps, by their hosts.
    """

    def __init__(
        self,
        services: ServiceTypes,
        allow: str | Iterable[str] | bool,  # noqa: FBT001 - all hosts, or none
        *,
        raise_app_exceptions: bool,
    ) -> None:
        """Prepare them; the arguments are those of `hosts`."""
        if not isinstance(services, Mapping):
            msg = f'hosts() takes apps by their hosts, hosts({{"auth.internal": app}}), not {services!r}'
            raise TypeError(msg)
        self.transports: dict[HostPattern, AppTransport[Any, Any]] = {}
        for host, app in services.items():
            pattern = host_pattern(host, "hosts()")
            if any(pattern[1:] == known[1:] for known in self.transports):
                msg = f"hosts(): {host!r} is there twice"
                raise ValueError(msg)
            self.transports[pattern] = _transport_to(host, app, raise_app_exceptions=raise_app_exceptions)
        if not isinstance(allow, str | bool | Iterable):
            msg = f"allow= is a list of hosts, or True for all, not {allow!r}"
            raise TypeError(msg)
        self.allows_all: bool = allow is True
        texts = [] if isinstance(allow, bool) else [allow] if isinstance(allow, str) else allow
        self._allowed = [host_pattern(text, "allow=") for text in texts]

    def find(self, names: Iterable[str], port: int | None) -> AppTransport[Any, Any] | None:
        """Return the way to the app that is the host of these names; None for none."""
        fitting = [pattern for pattern in self.transports if pattern.fits({*names}, port)]
        return self.transports[max(fitting, key=lambda pattern: pattern.weight)] if fitting else None

    def lets_out(self, names: Iterable[str], port: int | None) -> bool:
        """Whether the host of these names is named among those that are let out."""
        return any(pattern.fits({*names}, port) for pattern in self._allowed)


def _transport_to(host: str, app: Any, *, raise_app_exceptions: bool) -> AppTransport[Any, Any]:
    if isinstance(app, AppTransport):
        return app
    try:
        transport = ASGITransport(app, raise_app_exceptions)
    except TypeError as error:
        msg = f"hosts(): {host!r}: {error}"
        raise TypeError(msg) from None
    transport.in_process = "for hosts()"
    return transport


#: Where a request goes: the way to an app; None is the network.
Destination: TypeAlias = AppTransport[Any, Any] | None

#: What decides on that: of a URL, the scheme, the host, and the port.
Key: TypeAlias = tuple[str, bytes, int | None]

#: For how many of these it is remembered.
_REMEMBERED = 1024


class Levels:
    """Those services that hold now, in the whole process.

    Attributes:
        now: The innermost last.
    """

    def __init__(self) -> None:
        self.now: tuple[Services, ...] = ()
        self._known: dict[Key, Destination] = {}

    def enter(self, services: Services) -> bool:
        """Have services hold. Return whether no others do."""
        self._change((*self.now, services))
        return len(self.now) == 1

    def leave(self, services: Services) -> bool:
        """Have services hold no longer. Return whether no others do."""
        self._change(tuple(each for each in self.now if each is not services))
        return not self.now

    def _change(self, now: tuple[Services, ...]) -> None:
        self.now = now
        self._known = {}  # last: what another thread has looked up before goes into the other one

    def destination(self, request: Any) -> Destination:
        """Return where a request goes.

        Raises:
            httpx.ConnectError: Nowhere.
        """
        url = request.url
        known, key = self._known, (url.scheme, url.raw_host, url.port)
        if key in known:
            return known[key]
        found = _look_up(self.now, request)
        if len(known) < _REMEMBERED:
            known[key] = found
        return found


def _look_up(levels: tuple[Services, ...], request: Any) -> Destination:
    url = request.url
    names = {name.removesuffix(".") for name in (url.host.lower(), url.raw_host.decode("ascii").lower())}
    port = url.port or DEFAULT_PORTS.get(url.scheme)
    for services in reversed(levels):
        transport = services.find(names, port)
        if transport is not None:
            return transport
        if services.lets_out(names, port):
            return None
    if not levels or any(services.allows_all for services in levels):
        return None
    raise library_of(request).ConnectError(_complaint(request, levels), request=request)


entered = Levels()


def _complaint(request: Any, levels: tuple[Services, ...]) -> str:
    url = request.url
    host, target = url.host, f"{url.scheme}://{url.netloc.decode('ascii')}{url.path}"
    known = sorted({pattern.text for services in levels for pattern in services.transports})
    there = f"is none of those that hosts() knows: {', '.join(known)}" if known else "is not known: hosts() knows none"
    return (
        f"{request.method} {target} was not sent: the host {host} {there}. If an app is to answer, write "
        f'hosts({{"{host}": app}}); if the request is to go to the network, hosts(..., allow=["{host}"])'
    )


def awaited(before: Any) -> Any:
    """Return what takes the place of the method by which awaited clients send requests to the network."""

    async def handle_async_request(transport: Any, request: Any) -> Any:
        way = entered.destination(request)
        return await (before(transport, request) if way is None else way.handle_async_request(request))

    return handle_async_request
