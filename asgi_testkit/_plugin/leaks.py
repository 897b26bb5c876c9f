"""Names what a test has left open: responses, sessions, lifespans, and clients that were entered."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias
from weakref import WeakSet, ref

from .._client.transport import AppTransport
from .._conversation.conversation import Conversation
from .._conversation.lifespan import Lifespan
from .._conversation.observer import Observed, Observer
from .._protocol.app import name_of

#: The name of a conversation, "" for a lifespan, and that itself.
Open: TypeAlias = tuple[str, ref[Observed]]


class Leaks(Observer):
    """Knows what was opened in the test that runs, and not closed. It keeps nothing of it alive.

    What a fixture of a wider scope opens is left out, and so is what belongs to a stand-in.
    """

    def __init__(self) -> None:
        self._open: dict[int, Open] = {}
        self._gone: list[Open] = []  # those of them whose conversations were collected meanwhile
        self._transports: WeakSet[AppTransport[Any, Any]] = WeakSet()
        self._wider = 0  # fixtures of wider scopes that are being set up

    @contextmanager
    def in_wider_fixture(self) -> Iterator[None]:
        """Leave out what is opened in this block."""
        self._wider += 1
        try:
            yield
        finally:
            self._wider -= 1

    def opened(self, transport: Any) -> None:
        """Note a transport."""
        if not (self._wider or transport.stand_in):
            self._transports.add(transport)

    def started(self, conversation: Observed) -> None:
        """Note a request, a session or a lifespan."""
        if id(conversation) in self._open:
            self._gone.append(self._open.pop(id(conversation)))
        if not (self._wider or conversation.stand_in):
            self._open[id(conversation)] = getattr(conversation, "name", ""), ref(conversation)

    def left(self, conversation: Observed, reason: BaseException | None) -> None:  # noqa: ARG002 - whatever led to it
        """Forget it: the client has let go, and sees to the rest."""
        self._open.pop(id(conversation), None)

    def forget(self) -> None:
        """Forget all."""
        self._open.clear()
        self._gone.clear()
        self._transports.clear()

    def tell(self, test: str) -> None:
        """Warn of what a test has left open, and forget it.

        Raises:
            ResourceWarning: Where warnings are errors.
        """
        entered = [each for each in self._transports if each.home is not None]
        left = [
            f"a client of {name_of(transport.app)} that was entered, and not left{_server_of(transport)}"
            for transport in entered
        ]
        source: object = next(iter(entered), None)
        for name, conversation in (*self._gone, *self._open.values()):
            there = conversation()
            if isinstance(there, Lifespan):
                if there.supported and not any(there.state is transport.state for transport in entered):
                    left.append(f"a {type(there).__name__} of {there.app!r} that was entered, and not left")
                    source = source or there
            elif name:
                what = (
                    "session was not closed"
                    if name.startswith("WebSocket ")
                    else "response was neither read to its end nor closed"
                )
                left.append(f"{name} whose {what}")
                source = source or there
        for transport in self._transports:
            if transport.home is None:
                left += [_loose_end(each) for each in transport.unsettled if id(each) not in self._open]
        self.forget()
        if left:
            msg = f"{test} has left open: {'; '.join(left)}"
            warnings.warn(msg, ResourceWarning, stacklevel=1, source=source)


def _server_of(transport: AppTransport[Any, Any]) -> str:
    """Name the server that a client has; "" for none."""
    gateway = transport.gateway
    return "" if gateway is None or gateway.serving is None else f", with its server, {gateway.server.name}"


def _loose_end(conversation: Conversation) -> str:
    """Say what has become of an app that the client was to see to, and has not, before it was closed."""
    error = conversation.app_exception
    if isinstance(error, Exception):
        return (
            f"{conversation.name}: the application raised {error!r} after its response, and its client was not closed"
        )
    until = "to the end of the event loop" if conversation.done else "still"
    return f"{conversation.name}: the application runs {until}, and its client was not closed"
