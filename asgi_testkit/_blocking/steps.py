"""Steps: the blocking twins of AsyncSteps. Patterns are held against items in the thread of the test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from .._conversation import step
from .._conversation.arrivals import Deadline
from .._conversation.step import Source

T = TypeVar("T")
R = TypeVar("R")


class CallIntoLoop(Protocol):
    """Runs an async function in the loop, and returns or raises its outcome."""

    def __call__(self, function: Callable[[], Awaitable[R]], /) -> R: ...


class SourceInLoop(Source[T]):
    """A source that is in the event loop, for a step in another thread. Its methods never suspend: they block."""

    def __init__(self, source: Source[T], call: CallIntoLoop) -> None:
        """Take the source, and the way to it."""
        self._source = source
        self._call = call
        self.conversation = source.conversation
        self.noun = source.noun
        self.arrivals = source.arrivals

    def view(self, arrival: Any) -> T:
        """Return what an arrival is to the test; see `Source.view`."""
        return self._source.view(arrival)

    def json(self, arrival: Any) -> Any:
        """Return what its JSON stands for; see `Source.json`."""
        return self._source.json(arrival)

    async def fetch(self, after: int, deadline: Deadline) -> bool:
        """Make a trip into the loop; see `Source.fetch`."""
        return self._call(partial(self._source.fetch, after, deadline))

    async def where(self) -> str:
        """Say where the app is; see `Source.where`."""
        if self.conversation.done:  # its loop may have ended, too
            return await super().where()
        return self._call(super().where)


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, in this thread, and return its result."""
    __tracebackhide__ = True
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    msg = "a step was suspended"
    raise AssertionError(msg)


class Steps(ABC, Generic[T]):
    """The steps of a blocking test, the twins of those of `AsyncSteps`. Functions are called in the test's thread."""

    @abstractmethod
    def _source(self) -> Source[T]:
        """Return where the items come from."""

    def expect(self, pattern: Any, within: float | None = 5) -> T:
        """Wait for the next item, which has to fit, and return it; as `AsyncWebSocketSession.expect`."""
        __tracebackhide__ = True
        source = self._source()
        return finish(step.expect(source, source.view, pattern, within))

    def find(self, pattern: Any, within: float | None = 5) -> T:
        """Wait for the first item that fits, and return it; as `AsyncWebSocketSession.find`."""
        __tracebackhide__ = True
        source = self._source()
        return finish(step.find(source, source.view, pattern, within))

    def refute(self, pattern: Any = None, *, within: float | None) -> None:
        """Wait, and see that nothing that fits comes; as `AsyncWebSocketSession.refute`."""
        __tracebackhide__ = True
        source = self._source()
        finish(step.refute(source, source.view, pattern, within))

    def drain(self, quiet: float | None = 0, *, within: float | None = 5) -> list[T]:
        """Return all that is here, in order; as `AsyncWebSocketSession.drain`."""
        __tracebackhide__ = True
        return finish(step.drain(self._source(), quiet, within))

    def expect_json(self, pattern: Any, within: float | None = 5) -> Any:
        """Wait for the next item, whose JSON has to fit; as `AsyncWebSocketSession.expect_json`."""
        __tracebackhide__ = True
        source = self._source()
        return finish(step.expect(source, source.json, pattern, within))

    def find_json(self, pattern: Any, within: float | None = 5) -> Any:
        """Wait for the first item whose JSON fits; as `AsyncWebSocketSession.find_json`."""
        __tracebackhide__ = True
        source = self._source()
        return finish(step.find(source, source.json, pattern, within))

    def refute_json(self, pattern: Any, *, within: float | None) -> None:
        """Wait, and see that nothing comes whose JSON fits; as `AsyncWebSocketSession.refute_json`."""
        __tracebackhide__ = True
        source = self._source()
        finish(step.refute(source, source.json, pattern, within))
