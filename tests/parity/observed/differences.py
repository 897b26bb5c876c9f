"""Where the client differs from what all servers agree on, and why. All of it is deliberate."""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """Cases in which the client differs, and the one reason for it."""

    cases: tuple[str, ...]
    reason: str


DIFFERENCES = [
    Difference(
        ("The order of the response: for debugging",),
        "The extension `http.response.debug` is made for test clients, so the client offers it.",
    ),
    Difference(
        (
            "Lifespan: the app raises in its startup",
            "Lifespan: an unknown message in its startup",
            "Lifespan: the app raises while it serves",
            "Lifespan: the app raises in its shutdown",
        ),
        "Servers write it to their log, and serve on. In a suite, every test after it would fail for another reason.",
    ),
]

#: How many cases may differ.
AT_MOST = 15
