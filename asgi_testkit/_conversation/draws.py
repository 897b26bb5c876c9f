"""Draws: which faults a request has, of those that were asked for and those that a seed draws for it."""

from __future__ import annotations

import os
import sys
from itertools import count
from typing import Any

from .._protocol.faults import Chaos, Fault, SlowReader
from .errors import MakeError
from .faults import Faults, HTTPFaults, WebSocketFaults


class Draws:
    """What faults are drawn by, but for a seed: the test that runs, and the clients that it has.

    Attributes:
        name: Its node id.
        chaos: What all of its clients have that are not told otherwise; None for nothing.
        clients: Numbers them.
    """

    def __init__(self, name: str, chaos: Chaos | None = None) -> None:
        self.name = name
        self.chaos = chaos
        self.clients = count()


class Suite:
    """Knows the test that runs.

    Attributes:
        test: As our plugin for pytest has put it here; None: it is not loaded, or no test runs.
    """

    test: Draws | None = None

    def __init__(self) -> None:
        self._other = Draws("")

    def current(self) -> Draws:
        """Return the test that runs, be it by the variable in which pytest tells other programs of it."""
        if self.test is not None:
            return self.test
        name = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        if self._other.name != name:
            self._other = Draws(name)
        return self._other


suite = Suite()


class Numbers:
    """The number of a client in a test, and those of its requests."""

    def __init__(self) -> None:
        self._test: Draws | None = None
        self._client = 0
        self._requests = count()

    def draw(self, chaos: Chaos, kind: str) -> tuple[Fault, ...]:
        """Draw the faults for the next request; `kind` is the type of its scope."""
        test = suite.current()
        if test is not self._test:
            self._test, self._client, self._requests = test, next(test.clients), count()
        return chaos.draw(kind, test.name, self._client, next(self._requests))


def wanted(asked: tuple[Fault, ...] | None) -> tuple[Fault, ...]:
    """Return the faults that are asked for: by a request or a client, or else by the suite."""
    if asked is None:
        return () if suite.test is None or suite.test.chaos is None else (suite.test.chaos,)
    return asked


def faults_between(
    asked: tuple[Fault, ...], kind: str, numbers: Numbers, make_error: MakeError
) -> tuple[Faults[Any], int]:
    """Return what stands between an app and a conversation, and how many bytes the app may be ahead of the reader.

    Args:
        asked: The faults that are asked for. They overrule what is drawn.
        kind: The type of the scope.
        numbers: Those of its client.
        make_error: As in `Opening`.
    """
    faults = [fault for fault in asked if not isinstance(fault, Chaos)]
    told = ""
    for chaos in asked:
        if isinstance(chaos, Chaos):
            kinds = {type(fault) for fault in faults}
            faults += [fault for fault in numbers.draw(chaos, kind) if type(fault) not in kinds]
            told = f" (drawn by {chaos!r})"
    told = f"{', '.join(map(repr, faults)) or 'none'}{told}"
    paces = [fault.write_buffer for fault in faults if isinstance(fault, SlowReader)]
    between = (WebSocketFaults if kind == "websocket" else HTTPFaults)(faults, told, make_error)
    return between, min(paces, default=sys.maxsize)
