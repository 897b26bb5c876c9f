"""BodyReader: the blocking twin of AsyncBodyReader."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

from .._conversation.body_source import BodySource
from .._conversation.step import EndedError, Source
from .._types import public
from .hop import Hop, LoopHasEndedError
from .steps import SourceInLoop, Steps

T = TypeVar("T")
R = TypeVar("R")


@public
class BodyReader(Steps[T]):
    """The lines, the JSON, or the events of a response to a `TestClient`: the blocking twin of `AsyncBodyReader`."""

    def __init__(self, source: BodySource[T], hop: Hop) -> None:
        """Read from `source`. Made by `BlockingExchange`."""
        self._body = source
        self._hop = hop

    def _source(self) -> Source[T]:
        return SourceInLoop(self._body, self._call)

    def _call(self, function: Callable[[], Awaitable[R]]) -> R:
        exchange = self._body.conversation
        try:
            return self._hop.call(function, name=exchange.name)
        except LoopHasEndedError as error:
            ended = error
        # Another thread has closed the client, which ends the loop; unless that has died.
        raise exchange.closed_while_reading() if exchange.closed else ended

    def __iter__(self) -> Self:
        """Iterate over the items, until the end of the response."""
        return self

    def __next__(self) -> T:
        """Wait for the next item; as `AsyncBodyReader.__anext__`."""
        body = self._body
        while True:
            if (arrival := body.arrivals.after()) is not None:
                item = body.view(arrival.item)
                if body.arrivals.take(arrival):  # else another thread was faster
                    return item
            try:
                self._call(body.wait)
            except EndedError:
                raise StopIteration from None
