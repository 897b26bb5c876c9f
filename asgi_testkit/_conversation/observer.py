"""Observer: hears what goes on between clients and apps, for whoever counts or records it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from .._types import Message, Receive, Scope, Send, SingleCallable


class Observed(Protocol):
    """A conversation over HTTP or WebSocket, or a lifespan.

    Attributes:
        scope: The scope that the app was called with.
        stand_in: Whether the client takes the place of another package's.
    """

    scope: Scope
    stand_in: bool

    @property
    def app_exception(self) -> BaseException | None:
        """What the app raised, as it is; None while it runs, or if it returned."""

    @property
    def app_returned(self) -> bool:
        """Whether the app has ended by returning."""


class Observer:
    """Each method is called when what it is named for happens, in the loop of the app, and does nothing by itself.

    None of them may raise.
    """

    def opened(self, transport: object) -> None:
        """A transport to an app was made, for a client of ours or by itself."""

    def started(self, conversation: Observed) -> None:
        """An app is about to be called."""

    def received(self, conversation: Observed, message: Message) -> None:
        """The app has received a message."""

    def sent(self, conversation: Observed, message: Message) -> None:
        """The app sends a message, which has yet to be looked at."""

    def waited_too_long(self, conversation: Observed, error: Exception) -> None:
        """The client has waited for longer than it wanted to, and will raise `error`."""

    def left(self, conversation: Observed, reason: BaseException | None) -> None:
        """The client has let go, `reason` being the exception that is under way there."""

    def ended(self, conversation: Observed) -> None:
        """The app has ended."""


#: The methods of an observer.
_EVENTS = [name for name, method in vars(Observer).items() if callable(method)]


class Several(Observer):
    """Observers that all hear of the same."""

    def __init__(self, *observers: Observer) -> None:
        for event in _EVENTS:
            nothing = getattr(Observer, event)
            heard_by = [getattr(each, event) for each in observers]  # one of them may be several again
            methods = [method for method in heard_by if getattr(method, "__func__", None) is not nothing]
            if methods:
                setattr(self, event, methods[0] if len(methods) == 1 else _each_of(methods))


def _each_of(methods: list[Callable[..., None]]) -> Callable[..., None]:
    def call_each(*heard: object) -> None:
        for method in methods:
            method(*heard)

    return call_each


def together(*observers: Observer | None) -> Observer | None:
    """Return one observer that stands for all of these."""
    there = [each for each in observers if each is not None]
    return there[0] if len(there) == 1 else Several(*there) if there else None


#: Who hears of what begins from now on; None for nobody.
current: Observer | None = None


def call(
    app: SingleCallable, conversation: Observed, receive: Receive, send: Send, observer: Observer
) -> Awaitable[Any]:
    """Call an app with its side of a conversation; the observer hears of each message."""

    async def observed_receive() -> Message:
        message = await receive()
        observer.received(conversation, message)
        return message

    async def observed_send(message: Message) -> None:
        observer.sent(conversation, message)
        await send(message)

    observer.started(conversation)
    return app(conversation.scope, observed_receive, observed_send)
