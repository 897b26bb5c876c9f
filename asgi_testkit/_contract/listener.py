"""Listener: keeps what is said over HTTP, for whoever judges it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from .._conversation.observer import Observed, Observer
from .._types import Message, Scope
from .exchange import Exchange

P = ParamSpec("P")

#: How many bytes are kept at most until they are taken; of what comes then, the bodies are not.
ALL_KEPT = 64 * 2**20


def _never_raises(method: Callable[Concatenate[Listener, P], None]) -> Callable[Concatenate[Listener, P], None]:
    """Have a method note what goes wrong in it: an app may have put anything into a scope or a message."""

    @wraps(method)
    def guarded(self: Listener, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self._troubles.append(
                f"what an app has sent was not understood: {type(error).__name__} in {method.__name__}"
            )

    return guarded


class Listener(Observer):
    """Keeps each exchange until it has ended, and then until it is taken.

    Nothing is judged meanwhile: that would keep the loop of the app waiting, and time may be what a test is about.

    Attributes:
        test: The node id of the test that runs; "" between tests.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.test: str = ""
        self._troubles: list[str] = []
        self._under_way: dict[int, tuple[Exchange, Scope]] = {}
        self._ended: list[Exchange] = []
        self._kept = 0

    def take(self) -> list[Exchange]:
        """Return the exchanges that have ended since the last time."""
        self._kept = 0
        ended, self._ended = self._ended, []
        return ended

    def take_rest(self) -> list[Exchange]:
        """Return those as well that have not ended."""
        for number in list(self._under_way):
            self._finish(number, raised=False)
        return self.take()

    def take_troubles(self) -> list[str]:
        """Return what went wrong here since the last time."""
        troubles, self._troubles = self._troubles, []
        return troubles

    @_never_raises
    def started(self, conversation: Observed) -> None:
        """Begin with an exchange."""
        number = id(conversation)
        if number in self._under_way:  # that of a conversation that was collected before its end
            self._finish(number, raised=False)
        if conversation.scope["type"] == "http":
            self._under_way[number] = Exchange(self.test), conversation.scope

    @_never_raises
    def received(self, conversation: Observed, message: Message) -> None:
        """Keep a part of a request."""
        exchange = self._exchange(conversation)
        if exchange is not None and message["type"] == "http.request":
            exchange.request.add(message)

    @_never_raises
    def sent(self, conversation: Observed, message: Message) -> None:
        """Keep the start of a response, or a part of it. What is sent in another way, as a file, is not known here."""
        exchange = self._exchange(conversation)
        if exchange is None or exchange.response.whole:
            return
        if message["type"] == "http.response.start":
            exchange.start(message)
        elif message["type"] == "http.response.body":
            exchange.response.add(message)

    @_never_raises
    def ended(self, conversation: Observed) -> None:
        """Have the exchange ready to be judged."""
        if id(conversation) in self._under_way:
            self._finish(id(conversation), raised=conversation.app_exception is not None)

    def _exchange(self, conversation: Observed) -> Exchange | None:
        exchange, _ = self._under_way.get(id(conversation), (None, None))
        return exchange

    @_never_raises
    def _finish(self, number: int, *, raised: bool) -> None:
        exchange, scope = self._under_way.pop(number)
        exchange.take_scope(scope)
        exchange.raised = raised
        self._kept += exchange.size
        if self._kept > ALL_KEPT:
            exchange.forget_bodies()
        self._ended.append(exchange)
