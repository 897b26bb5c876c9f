"""Opening: what a conversation begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .._protocol.options import ExchangeOptions
from .._types import Scope, SingleCallable
from .causes import Cause
from .errors import MakeError
from .observer import Observer

if TYPE_CHECKING:
    from .faults import Faults


class Elsewhere(Protocol):
    """An app that runs elsewhere than in what a conversation calls: behind a server."""

    def where(self) -> str:
        """Say where it is suspended."""

    def hears(self) -> bool:
        """Whether it waits for a message, or has heard of a disconnect."""


class Opening(NamedTuple):
    """What a conversation begins with.

    Attributes:
        app: What is called.
        scope: What it is called with.
        options: How the conversation is to go.
        timeouts: Seconds, or None for no limit, for ``read`` and ``write``.
        make_error: Makes the errors that the client raises.
        on_settled: Called with the conversation when nothing of it is left to see to.
        observer: Who hears of it.
        stand_in: Whether the client takes the place of another package's.
        elsewhere: The app, where what is called is not that, and it runs elsewhere.
        known: What there is to know of the response besides what was sent; it is filled meanwhile.
        faults: What stands between the app and the conversation; None for nothing.
        cause: The call of an app that asks for it; None if a test does.
        recorders: Who keeps it, and what it will be the cause of, for a client of its own.
    """

    app: SingleCallable
    scope: Scope
    options: ExchangeOptions
    timeouts: Mapping[str, float | None]
    make_error: MakeError
    on_settled: Callable[[Any], object]
    observer: Observer | None = None
    stand_in: bool = False
    elsewhere: Elsewhere | None = None
    known: Mapping[str, Any] = MappingProxyType({})
    faults: Faults[Any] | None = None
    cause: Cause | None = None
    recorders: tuple[Observer, ...] = ()
