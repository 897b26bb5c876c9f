"""Causes: the call of an app that something is done for.

What an app asks of another one goes through code of its own, and a client that may be anyone's: no argument can be
handed on there. So this is a context variable. It is set in the task that calls an app, and the tasks and worker
threads that the app starts inherit it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol
from weakref import ref

from .loop import HomeLoop
from .observer import Observed, Observer


class Cause(Observed, Protocol):
    """The call of an app, in a conversation, a lifespan, or by a server."""

    @property
    def home(self) -> HomeLoop | None:
        """The event loop of the app; None before it is called."""

    @property
    def recorders(self) -> tuple[Observer, ...]:
        """Who keeps it, and what it is the cause of, for a client of its own."""


#: A weak reference: a context may outlive the call by far.
_here: ContextVar[ref[Cause] | None] = ContextVar("asgi_testkit: the call of an app that runs here", default=None)


def begin(cause: Cause) -> None:
    """Note that what follows in this task is done for a call of an app."""
    _here.set(ref(cause))


def current() -> Cause | None:
    """Return the call of an app that what runs here is done for; None for none, as in a test."""
    there = _here.get()
    return None if there is None else there()
