"""Counts the clients, requests, sessions and lifespans that ran on this package, for the pytest plugin."""

from __future__ import annotations

from collections import Counter

from .._conversation.observer import Observed, Observer
from .._types import Message

#: What is counted of each type of scope when an app is called for it.
_CALLS = {"http": "request", "websocket": "WebSocket session"}

#: What is told, in this order: clients, and transports that were given to one of the HTTP library's own; requests and
#: handshakes that an app was called for; apps that were started up.
NOUNS = ("client", *_CALLS.values(), "lifespan")

#: The numbers. Threads may get in each other's way, and lose one, once in a very long while: a lock would cost more.
COUNTER: Counter[str] = Counter()


class Tally(Observer):
    """Counts what it hears of."""

    def opened(self, transport: object) -> None:  # noqa: ARG002 - any counts: each client has one of its own
        """Count a client."""
        COUNTER["client"] += 1

    def started(self, conversation: Observed) -> None:
        """Count a request or a WebSocket session."""
        noun = _CALLS.get(conversation.scope["type"])
        if noun is not None:
            COUNTER[noun] += 1

    def sent(self, conversation: Observed, message: Message) -> None:  # noqa: ARG002 - HTTP has no such message
        """Count a startup."""
        if isinstance(message, dict) and message.get("type") == "lifespan.startup.complete":
            COUNTER["lifespan"] += 1


def told(counted: Counter[str]) -> str:
    """Return in words what has run."""
    if not any(counted[noun] for noun in NOUNS):
        return "no client that it replaces was used"
    return ", ".join(f"{counted[noun]} {noun}{'s' * (counted[noun] != 1)}" for noun in NOUNS)
