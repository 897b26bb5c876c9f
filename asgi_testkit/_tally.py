"""What has run on this package in this process: plain numbers, for the pytest plugin to tell."""

from __future__ import annotations

from typing import NamedTuple, Self


class Tally(NamedTuple):
    """How much has run, or ran between two readings.

    Attributes:
        clients: Clients, and transports that were given to a client of the HTTP library's own.
        requests: HTTP requests that an app was called for.
        websockets: WebSocket handshakes, likewise.
        lifespans: Apps that were started up.
    """

    clients: int = 0
    requests: int = 0
    websockets: int = 0
    lifespans: int = 0

    def plus(self, other: Self) -> Self:
        """Return the sum of two readings."""
        return type(self)(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def since(self, earlier: Self) -> Self:
        """Return what came after an earlier reading."""
        return type(self)(*(mine - theirs for mine, theirs in zip(self, earlier, strict=True)))

    def told(self) -> str:
        """Return it in words."""
        if not any(self):
            return "no client that it replaces was used"
        nouns = ("client", "request", "WebSocket session", "lifespan")
        counted = [f"{count} {noun}{'s' * (count != 1)}" for count, noun in zip(self, nouns, strict=True)]
        return ", ".join(counted)


class Counter:
    """Counts. Threads may get in each other's way, and lose one, once in a very long while: a lock would cost more."""

    __slots__ = Tally._fields

    clients: int
    requests: int
    websockets: int
    lifespans: int

    def __init__(self) -> None:
        for name in Tally._fields:
            setattr(self, name, 0)

    def read(self) -> Tally:
        """Return the numbers as they are now."""
        return Tally(*(getattr(self, name) for name in Tally._fields))


COUNTER = Counter()
