"""What expect, find, refute and drain do, each with one deadline. None of them loses anything.

They are coroutines that wait for nothing but what a `Source` fetches. So a blocking test drives the same ones in its
own thread, by a source whose methods do not suspend.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._protocol.options import duration
from .._protocol.patterns import check, described, fits, shown
from .arrivals import Arrival, Arrivals, Deadline, Lull

if TYPE_CHECKING:
    from .conversation import Conversation

T = TypeVar("T")

#: Returns what an arrival is to the test. A ValueError: it is nothing that could fit.
View = Callable[[Any], T]


class EndedError(Exception):
    """Nothing more can come. The text says how it ended; the cause is what another call would raise."""


class Source(ABC, Generic[T]):
    """Where the items of the steps come from.

    Attributes:
        conversation: Whose items they are.
        noun: What errors call an item.
        arrivals: What has come and was not taken.
    """

    conversation: Conversation
    noun: str
    arrivals: Arrivals[Any]

    @abstractmethod
    def view(self, arrival: Any) -> T:
        """Return what an arrival is to the test; a ValueError: it is no such thing."""

    @abstractmethod
    def json(self, arrival: Any) -> Any:
        """Return what its JSON stands for; a ValueError: it is none."""

    @abstractmethod
    async def fetch(self, after: int, deadline: Deadline) -> bool:
        """Wait for an arrival with a number above `after`, and fetch all that is here. Cancelling it loses nothing.

        Args:
            after: That number.
            deadline: Until when to wait. The app is not stopped when it is over.

        Returns:
            Whether one came in time.

        Raises:
            EndedError: None can come.
            BaseException: What the app has raised, as it is.
        """

    async def where(self) -> str:
        """Say, after "the application", where it is, or that it has ended."""
        conversation = self.conversation
        if not conversation.done:
            return f"is {conversation.where()}"
        error = conversation.app_exception
        return "has ended" if error is None else f"has ended: it raised {error!r}"


class Step(Generic[T]):
    """A step under way.

    Attributes:
        looked_at: The number of the last item that was looked at; -1 for none.
    """

    looked_at = -1

    def __init__(self, source: Source[Any], view: View[T], pattern: Any, within: float | None) -> None:
        check(pattern)
        self._source = source
        self._view = view
        self._pattern = pattern
        self._within = duration(within, "within")
        self._deadline = Deadline(self._within)

    async def next(self, after: int) -> Arrival[Any] | None:
        """Wait for the first item with a number above `after`, and leave it; None if none came in time."""
        arrivals = self._source.arrivals
        while (arrival := arrivals.after(after)) is None:
            if not await self._source.fetch(after, self._deadline):
                return None
        self.looked_at = arrival.number
        return arrival

    def fitting(self, arrival: Arrival[Any]) -> tuple[bool, Any]:
        """Return whether an item fits, and what it is to the test."""
        try:
            item = self._view(arrival.item)
        except ValueError:
            return False, None
        return fits(self._pattern, item), item

    @property
    def wanted(self) -> str:
        """Say what was to come."""
        return f"{self._source.noun} that fits {described(self._pattern)}"

    @property
    def in_time(self) -> str:
        """Say in which time."""
        return f"within {self._within} second{'' if self._within == 1 else 's'}"

    async def failure(self, what: str) -> AssertionError:
        """Return the error of the step: what went wrong, what was seen, where the app is."""
        source = self._source
        lines = [f"{source.conversation.name}: {what}."]
        seen = source.arrivals.seen(self.looked_at)
        if seen:
            lines.append(f"The last {source.noun}s seen, in order (*: not received yet):")
            lines += [f"  {'*' if here else ' '} {shown(item)}" for item, here in seen]
        else:
            lines.append(f"No {source.noun} has been seen.")
        lines.append(f"The application {await source.where()}")
        return AssertionError("\n".join(lines))


async def expect(source: Source[Any], view: View[T], pattern: Any, within: float | None) -> T:
    """Return the next item, which has to fit; see `AsyncSteps.expect`."""
    __tracebackhide__ = True  # pytest is to show the line of the test
    step = Step(source, view, pattern, within)
    next_one = f"The next {source.noun} was to fit {described(pattern)}"
    while True:
        try:
            arrival = await step.next(-1)
        except EndedError as end:
            raise await step.failure(f"no {source.noun} can come any more: {end}. {next_one}") from end.__cause__
        if arrival is None:
            raise await step.failure(f"no {source.noun} came {step.in_time}. {next_one}")
        good, item = step.fitting(arrival)
        if not good:
            which = f"is {shown(arrival.item)}, which does not fit {described(pattern)}"
            raise await step.failure(f"the next {source.noun} {which}. It stays the next one")
        if source.arrivals.take(arrival):  # else another task, or thread, was faster
            return item  # type: ignore[no-any-return]


async def find(source: Source[Any], view: View[T], pattern: Any, within: float | None) -> T:
    """Return the first item that fits; see `AsyncSteps.find`."""
    __tracebackhide__ = True
    step = Step(source, view, pattern, within)
    while True:
        try:
            arrival = await step.next(step.looked_at)
        except EndedError as end:
            raise await step.failure(f"no {step.wanted} has come, and none can any more: {end}") from end.__cause__
        if arrival is None:
            raise await step.failure(f"no {step.wanted} came {step.in_time}")
        good, item = step.fitting(arrival)
        if good and source.arrivals.take(arrival):
            return item  # type: ignore[no-any-return]


async def refute(source: Source[Any], view: View[Any], pattern: Any, within: float | None) -> None:
    """Wait that nothing that fits comes; see `AsyncSteps.refute`."""
    __tracebackhide__ = True
    step = Step(source, view, pattern, within)
    try:
        while (arrival := await step.next(step.looked_at)) is not None:
            if pattern is None or step.fitting(arrival)[0]:
                which = source.noun if pattern is None else step.wanted
                raise await step.failure(f"no {which} was to come, and {shown(arrival.item)} came")
    except EndedError:
        pass


async def drain(source: Source[T], quiet: float | None, within: float | None) -> list[T]:
    """Return all that is here; see `AsyncSteps.drain`."""
    __tracebackhide__ = True
    arrivals = source.arrivals
    step = Step(source, source.view, None, within)
    seconds = duration(quiet, "quiet")
    lull = Lull(seconds, duration(within, "within"))
    try:
        while await source.fetch(arrivals.newest, lull) and seconds != 0:
            pass
    except EndedError:
        pass
    except Exception:
        if arrivals.after() is None:  # else the next call raises it
            raise
    if lull.impatient:
        step.looked_at = arrivals.newest
        quiet_for = f"quiet for {quiet} seconds" if quiet is not None else "at its end"
        raise await step.failure(f"{source.noun}s still came after {within} seconds; it was never {quiet_for}")
    looked_at = []
    at = -1
    while (arrival := arrivals.after(at)) is not None:
        looked_at.append((arrival, source.view(arrival.item)))
        at = arrival.number
    return [item for arrival, item in looked_at if arrivals.take(arrival)]
