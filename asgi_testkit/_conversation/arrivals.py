"""Arrivals: what has come from the app, in order, until the test takes it. Deadline: until when it is waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import anyio

T = TypeVar("T")

#: How many items an error shows.
SHOWN_ITEMS = 20

_GONE: Any = object()


class Arrival(NamedTuple, Generic[T]):
    """An item, and its number: those that came later have higher ones."""

    number: int
    item: T


class Arrivals(Generic[T]):
    """The items that have come, and that the test has not taken. What a step passes over stays, in order.

    Items are added in the event loop. All else may be done in any thread: each step of it is one operation of a dict,
    so of two threads that want the same item, one gets it.
    """

    def __init__(self) -> None:
        self._here: dict[int, T] = {}
        self._count = 0
        self._first = 0  # no item has a number below
        self._taken: deque[tuple[int, T]] = deque(maxlen=SHOWN_ITEMS)

    def __iter__(self) -> Iterator[T]:
        """Iterate over what is here, in order."""
        return iter(list(self._here.values()))

    def __bool__(self) -> bool:
        """Whether anything is here."""
        return bool(self._here)

    def pass_on(self, item: T) -> None:
        """Note an item that the test takes as it comes."""
        self._taken.append((self._count, item))
        self._count += 1

    def add(self, items: Iterable[T]) -> None:
        """Add what has come."""
        for item in items:
            self._here[self._count] = item
            self._count += 1

    def after(self, number: int = -1) -> Arrival[T] | None:
        """Return the first item with a higher number, and leave it; None if there is none."""
        first = self._first
        at = max(number + 1, first)
        item = _GONE
        while at < self._count and (item := self._here.get(at, _GONE)) is _GONE:
            at += 1
        if number < first:
            self._first = at
        return None if item is _GONE else Arrival(at, item)

    def take(self, arrival: Arrival[T]) -> bool:
        """Take an item that was looked at. Return whether nobody else has taken it meanwhile."""
        if self._here.pop(arrival.number, _GONE) is _GONE:
            return False
        self._taken.append(arrival)
        return True

    @property
    def newest(self) -> int:
        """The number of the item that came last; -1 before the first."""
        return self._count - 1

    def seen(self, number: int) -> list[tuple[T, bool]]:
        """Return the last items up to a number, each with whether it is still here, for an error."""
        here = [(at, item) for at, item in list(self._here.items()) if at <= number]
        known = sorted([*self._taken, *here[-SHOWN_ITEMS:]], key=lambda each: each[0])
        return [(item, at in self._here) for at, item in known[-SHOWN_ITEMS:]]


class Deadline:
    """The end of a wait, on the clock of the loop in which it is waited; the time runs from the first wait on."""

    _start: float | None = None

    def __init__(self, seconds: float | None, waited: float = 0.0) -> None:
        """Set it.

        Args:
            seconds: How long; None for no limit.
            waited: How much of that has passed before.
        """
        self._seconds = None if seconds is None else seconds - waited

    def left(self) -> float | None:
        """Return how many seconds are left, 0 if none are; None for no limit."""
        if self._seconds is None:
            return None
        if self._start is None:
            self._start = anyio.current_time()
            return max(0.0, self._seconds)
        return max(0.0, self._start + self._seconds - anyio.current_time())

    def begin(self) -> bool:
        """Begin a wait, the first of which starts the clock. Return whether there is time for it.

        There always is for the first: what is here already is looked at in any case.
        """
        first = self._start is None
        return self.left() != 0 or first


class Lull(Deadline):
    """The end of a wait for a time in which nothing comes. It begins anew with each wait, until `patience` is over.

    Attributes:
        impatient: Whether that was so.
    """

    impatient = False

    def __init__(self, seconds: float | None, patience: float | None) -> None:
        super().__init__(seconds)
        self._patience = Deadline(patience)

    def begin(self) -> bool:
        """Begin a wait, and the time anew. Return whether there is patience for it."""
        self._start = None
        self.impatient = not self._patience.begin()
        return not self.impatient
