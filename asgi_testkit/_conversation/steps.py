"""AsyncSteps: the steps of a test, as what it reads from has them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from . import step
from .step import Source

T = TypeVar("T")


class AsyncSteps(ABC, Generic[T]):
    """The steps, awaited. What is skipped by one of them stays, in order, for the next, and for all other ways to read.

    ``within`` is one limit for the whole step, in seconds of the loop's clock; None for no limit. It stops nothing: the
    app runs on. Cancelling a step loses nothing.

    A pattern is a value, to which an item is compared (``pattern == item``, so that the ``__eq__`` of the pattern
    decides, as those of dirty-equals do); a compiled regular expression, which is searched for; or a plain function,
    which is called with the item, and whose answer counts.
    """

    @abstractmethod
    async def _source(self) -> Source[T]:
        """Return where the items come from, at a checkpoint."""

    async def expect(self, pattern: Any, within: float | None = 5) -> T:
        """Wait for the next item, which has to fit, and return it. One that does not fit stays the next.

        Args:
            pattern: What fits.
            within: Seconds; None for no limit.

        Raises:
            AssertionError: It does not fit, did not come in time, or cannot come, because the other side has ended.
                The text shows the last 20 that were seen, and where the app is suspended.
            BaseException: What the app raised, as it is.
        """
        __tracebackhide__ = True
        source = await self._source()
        return await step.expect(source, source.view, pattern, within)

    async def find(self, pattern: Any, within: float | None = 5) -> T:
        """Wait for the first item that fits, and return it. Those before it stay, in order; the rest is as `expect`.

        What stays is kept in memory, and counts as read: it does not hold the app back.
        """
        __tracebackhide__ = True
        source = await self._source()
        return await step.find(source, source.view, pattern, within)

    async def refute(self, pattern: Any = None, *, within: float | None) -> None:
        """Wait, and see that nothing that fits comes. Whatever comes stays, in order. The end is nothing that comes.

        Args:
            pattern: What fits; None: everything.
            within: Seconds, all of which it waits if the other side does not end before; None: until that ends.

        Raises:
            AssertionError: It came. It stays, and the text is as with `expect`.
            BaseException: What the app raised, as it is.
        """
        __tracebackhide__ = True
        source = await self._source()
        await step.refute(source, source.view, pattern, within)

    async def drain(self, quiet: float | None = 0, *, within: float | None = 5) -> list[T]:
        """Return all that is here, in order: what was skipped, and what the app has sent.

        Args:
            quiet: Go on until nothing came for so many seconds; None: until the other side ends.
            within: For how many seconds things may come before it has to be quiet; None for no limit.

        Raises:
            AssertionError: They still came after that. They stay, and the text is as with `expect`.
            BaseException: What the app raised, as it is, if there is nothing to return before that.
        """
        __tracebackhide__ = True
        return await step.drain(await self._source(), quiet, within)

    async def expect_json(self, pattern: Any, within: float | None = 5) -> Any:
        """Wait for the next item, whose JSON has to fit, and return what it stands for. The rest is as `expect`.

        What is no JSON does not fit.
        """
        __tracebackhide__ = True
        source = await self._source()
        return await step.expect(source, source.json, pattern, within)

    async def find_json(self, pattern: Any, within: float | None = 5) -> Any:
        """Wait for the first item whose JSON fits, and return what it stands for. The rest is as `find`."""
        __tracebackhide__ = True
        source = await self._source()
        return await step.find(source, source.json, pattern, within)

    async def refute_json(self, pattern: Any, *, within: float | None) -> None:
        """Wait, and see that nothing comes whose JSON fits. The rest is as `refute`."""
        __tracebackhide__ = True
        source = await self._source()
        await step.refute(source, source.json, pattern, within)
