"""AsyncBodyReader: a test's end of the body of a response, item by item."""

from __future__ import annotations

from typing import Self, TypeVar

from .._types import public
from .body_source import BodySource
from .loop import checkpoint
from .step import EndedError
from .steps import AsyncSteps

T = TypeVar("T")


@public
class AsyncBodyReader(AsyncSteps[T]):
    """The lines, the JSON, or the events of a response, as they come: ``response.extensions["asgi"].events()``.

    Iterating yields them until the end of the response, and the steps are those of a session. However long a wait
    takes, the app is not stopped, and a wait that is cancelled loses nothing. The app has ended when the response is
    closed.
    """

    def __init__(self, source: BodySource[T]) -> None:
        """Read from `source`. Made by `HTTPExchange`."""
        self._body = source

    async def _source(self) -> BodySource[T]:
        await checkpoint()
        return self._body

    def __aiter__(self) -> Self:
        """Iterate over the items, until the end of the response."""
        return self

    async def __anext__(self) -> T:
        """Wait for the next item.

        Raises:
            httpx.ReadTimeout: None came within the client's read timeout. The text shows where the app is suspended.
                Nothing is lost, and the app runs on.
            ValueError: The line is no JSON, where it is to be. It is not lost.
            BaseException: What the app raised, as it is.
        """
        await checkpoint()
        body = self._body
        try:
            await body.wait()
        except EndedError:
            raise StopAsyncIteration from None
        arrival = body.arrivals.after()
        assert arrival is not None  # that is what it has waited for
        item = body.view(arrival.item)
        body.arrivals.take(arrival)
        return item
