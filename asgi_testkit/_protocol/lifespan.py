"""What an app may send on the lifespan scope. Tables and checks; no I/O.

Rule 1: everything that decides whether a message is legal lives in this file (ASGI Lifespan spec).
"""

from __future__ import annotations

from typing import Any

from .._types import Message
from .fields import Automaton, Illegal, Quick


class State(Quick):
    """Where the lifespan is. The values read as English after "while"."""

    STARTING = "waiting for lifespan.startup.complete"
    STARTED = "the application was serving"
    STARTUP_FAILED = "its startup had already failed"
    STOPPING = "waiting for lifespan.shutdown.complete"
    STOPPED = "its shutdown was already complete"
    SHUTDOWN_FAILED = "its shutdown had already failed"
    FAILED = "refusing everything after its first illegal message"


class Event(Quick):
    """What moves the lifespan on: four messages of the app, and the client's wish to end."""

    STARTUP_COMPLETE = "lifespan.startup.complete"
    STARTUP_FAILED = "lifespan.startup.failed"
    SHUTDOWN = "lifespan.shutdown"
    SHUTDOWN_COMPLETE = "lifespan.shutdown.complete"
    SHUTDOWN_FAILED = "lifespan.shutdown.failed"


TRANSITIONS: dict[State, dict[Event, State]] = {
    State.STARTING: {
        Event.STARTUP_COMPLETE: State.STARTED,
        Event.STARTUP_FAILED: State.STARTUP_FAILED,
    },
    State.STARTED: {
        Event.SHUTDOWN: State.STOPPING,
    },
    State.STARTUP_FAILED: {},
    State.STOPPING: {
        Event.SHUTDOWN_COMPLETE: State.STOPPED,
        Event.SHUTDOWN_FAILED: State.SHUTDOWN_FAILED,
    },
    State.STOPPED: {},
    State.SHUTDOWN_FAILED: {},
    State.FAILED: {},
}

#: What the mistake usually is.
HINTS: dict[tuple[State, Event], str] = {
    (State.STARTING, Event.SHUTDOWN_COMPLETE): "The answer to lifespan.startup is lifespan.startup.complete.",
    (State.STARTED, Event.STARTUP_COMPLETE): "Is lifespan.startup answered twice, by the app and by a middleware?",
    (State.STARTED, Event.SHUTDOWN_COMPLETE): "Wait for lifespan.shutdown first: await receive() once more.",
    (State.STOPPING, Event.STARTUP_COMPLETE): "The answer to lifespan.shutdown is lifespan.shutdown.complete.",
    (State.STOPPED, Event.SHUTDOWN_COMPLETE): "Is lifespan.shutdown answered twice, by the app and by a middleware?",
}

_MESSAGES = {event.value: event for event in Event if event is not Event.SHUTDOWN}


class LifespanState(Automaton[None]):
    """The state machine of one lifespan.

    Attributes:
        message: What the app said of its failure, ``""`` if nothing.
    """

    transitions = TRANSITIONS
    hints = HINTS
    state: State = State.STARTING
    message: str = ""

    def _kind_of(self, message: Any) -> Event:
        try:
            return _MESSAGES[message["type"]]
        except (TypeError, KeyError, IndexError):
            raise Illegal(
                f"sent {message!r}, which is no message of the lifespan protocol",
                "Does it look at scope['type']? An app that does not speak lifespan has to raise there; or leave it "
                'alone with lifespan="off".',
            ) from None

    def _take(self, kind: Event, message: Message) -> None:
        self._step(kind)
        if kind in {Event.STARTUP_FAILED, Event.SHUTDOWN_FAILED}:
            self.message = str(message.get("message", ""))

    def expects(self, message: Message) -> bool:
        """Whether a message of the app is legal now."""
        return _MESSAGES.get(message["type"]) in TRANSITIONS[self.state]

    def shut_down(self) -> None:
        """Begin the shutdown."""
        try:
            self._step(Event.SHUTDOWN)
        except Illegal as illegal:
            self._refuse(illegal, self.state)
