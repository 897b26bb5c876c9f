"""Names what a test has left open: responses, sessions, lifespans, and clients that were entered."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

from .._client.transport import AppTransport
from .._conversation.conversation import Conversation
from .._conversation.lifespan import LifespanManager
from .._conversation.observer import Observed, Observer
from .._protocol.app import name_of
from .._types import Message


class Leaks(Observer):
    """Knows what was opened in the test that runs, and not closed. It keeps nothing of it alive.

    What a fixture of a wider scope opens is left out, and so is what belongs to a stand-in.
    """

    def __init__(self) -> None:
        self._open: dict[int, tuple[str, ref[Observed]]] = {}
        self._number_of: WeakKeyDictionary[Observed, int] = WeakKeyDictionary()
        self._numbers = itertools.count()
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
        """Note a request or a session."""
        if conversation.scope["type"] != "lifespan":
            self._note(conversation)

    def sent(self, conversation: Observed, message: Message) -> None:
        """Note an app that has started up."""
        if conversation.scope["type"] == "lifespan" and message["type"] == "lifespan.startup.complete":
            self._note(conversation)

    def _note(self, conversation: Observed) -> None:
        if not (self._wider or conversation.stand_in):
            number = self._number_of[conversation] = next(self._numbers)
            self._open[number] = _name_of(conversation), ref(conversation)

    def left(self, conversation: Observed, reason: BaseException | None) -> None:  # noqa: ARG002 - whatever led to it
        """Forget it: the client has let go, and sees to the rest."""
        self._open.pop(self._number_of.get(conversation, -1), None)

    def ended(self, conversation: Observed) -> None:
        """Forget an app whose startup was broken off; where the end of a loop cancels it, that is kept as an error."""
        if conversation.scope["type"] == "lifespan" and conversation.app_exception is None:
            self.left(conversation, None)

    def forget(self) -> None:
        """Forget all."""
        self._open.clear()
        self._transports.clear()

    def tell(self, test: str) -> None:
        """Warn of what a test has left open, and forget it.

        Raises:
            ResourceWarning: Where warnings are errors.
        """
        there = [(name, conversation()) for name, conversation in self._open.values()]
        entered = [each for each in self._transports if each.home is not None]
        states = [transport.state for transport in entered]
        left = [f"a client of {name_of(transport.app)} was entered, and not left" for transport in entered]
        for name, conversation in there:
            if isinstance(conversation, LifespanManager) and any(conversation.state is state for state in states):
                continue  # the client's
            left.append(name)
        for transport in self._transports:
            if transport.home is None:
                left += [
                    _loose_end(each) for each in transport.unsettled if self._number_of.get(each) not in self._open
                ]
        source = next((each for _, each in there if each is not None), None) or next(iter(entered), None)
        self.forget()
        if left:
            msg = f"{test} has left open: {'; '.join(left)}"
            warnings.warn(msg, ResourceWarning, stacklevel=1, source=source)


def _loose_end(conversation: Conversation) -> str:
    """Say what has become of an app that the client was to see to, and has not, before it was closed."""
    error = conversation.app_exception
    if isinstance(error, Exception):
        return (
            f"{conversation.name}: the application raised {error!r} after its response, and its client was not closed"
        )
    until = "to the end of the event loop" if conversation.done else "still"
    return f"{conversation.name}: the application runs {until}, and its client was not closed"


def _name_of(conversation: Any) -> str:
    kind = conversation.scope["type"]
    if kind == "lifespan":
        return f"a {type(conversation).__name__} of {conversation.app!r} was entered, and not left"
    if kind == "websocket":
        return f"{conversation.name}: the session was not closed"
    return f"{conversation.name}: the response was neither read to its end nor closed"
