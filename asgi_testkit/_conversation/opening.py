"""Opening: what a conversation begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from .._protocol.options import ExchangeOptions
from .._types import Scope, SingleCallable
from .errors import MakeError
from .observer import Observer


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
        where: Says where the app is suspended, where it runs elsewhere than in what is called.
        known: What there is to know of the response besides what was sent; it is filled meanwhile.
    """

    app: SingleCallable
    scope: Scope
    options: ExchangeOptions
    timeouts: Mapping[str, float | None]
    make_error: MakeError
    on_settled: Callable[[Any], object]
    observer: Observer | None = None
    stand_in: bool = False
    where: Callable[[], str] | None = None
    known: Mapping[str, Any] = MappingProxyType({})
