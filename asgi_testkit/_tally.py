"""Counts the clients, requests, sessions and lifespans that ran on this package, for the pytest plugin."""

from __future__ import annotations

from collections import Counter

#: What is counted, and told in this order: clients, and transports that were given to one of the HTTP library's own;
#: HTTP requests, and WebSocket handshakes, that an app was called for; apps that were started up.
NOUNS = ("client", "request", "WebSocket session", "lifespan")

#: The numbers; also, by its full name, how often a name that has no replacement was asked for. Threads may get in each
#: other's way, and lose one, once in a very long while: a lock would cost more.
COUNTER: Counter[str] = Counter()


def told(counted: Counter[str]) -> str:
    """Return in words what has run."""
    if not any(counted[noun] for noun in NOUNS):
        return "no client that it replaces was used"
    return ", ".join(f"{counted[noun]} {noun}{'s' * (counted[noun] != 1)}" for noun in NOUNS)
