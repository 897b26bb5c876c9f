"""A run of tests that is to go over a real server as a whole, as ``pytest --asgi-live`` asks for."""

from __future__ import annotations

from collections import Counter


class LiveRun:
    """What a run of tests has on a server.

    Attributes:
        server: The server.
        paused: Why clients that are made now stay in-process; "" if they do not.
        requests: How many requests and handshakes have gone over the wire.
        in_process: How many have not, by what kept them from it.
    """

    def __init__(self, server: str) -> None:
        self.server: str = server
        self.paused: str = ""
        self.requests: int = 0
        self.in_process: Counter[str] = Counter()


#: The run that is under way; None for none.
current: LiveRun | None = None
