"""The exceptions of this package, and notes that tell a second failure beside the first.

What goes wrong on the way is told by whose fault it is::

    RuntimeError
     ├── ASGIProtocolError        the app sent what ASGI forbids, or left out what it demands
     │    └── BrokenContractError ... and a drop-in's original asserts the contrary (also an AssertionError)
     ├── ApplicationStuckError    the app was cancelled and went on all the same
     ├── LifespanError            the app said that its startup or shutdown failed
     │    └── LifespanTimeout     ... or did not say anything in time (also a TimeoutError)
     ├── LiveServerError          the server that ``live=`` runs the app on has failed, and not the app
     └── WrongEventLoopError      the test used a client in another event loop than it was opened in
    Exception
     └── WebSocketDisconnect      the app closed the connection, or rejected the handshake
          └── WebSocketDenied     ... or answered the handshake with a response of its own
    OSError
     └── ClientDisconnected       what the *app* gets from ``send()`` after the client has gone

Outcomes that a network would produce are httpx's own (``httpx.ReadTimeout``, ``httpx.RemoteProtocolError``, ...; or
httpx2's), and an exception that the app raises reaches the test as itself: neither is ever wrapped in one of these.
"""

from __future__ import annotations

import traceback
from contextlib import suppress
from functools import partial
from typing import Any

from ._types import public


@public
class ASGIProtocolError(RuntimeError):
    """The app broke the ASGI contract.

    Raised out of the app's own ``send()`` for a message that it must not send, and into the test when the app
    returned without sending what was due. The text says what was sent, in which state, and what to check.
    """


class BrokenContractError(ASGIProtocolError, AssertionError):
    """The app broke the ASGI contract, in a way that the client which a drop-in stands in for asserts it does not."""


@public
class ApplicationStuckError(RuntimeError):
    """The app was cancelled and has not ended; or a task that it started has not, when a blocking client's loop was to.

    It swallows its cancellation (``except BaseException`` or a bare ``except:`` in a loop?) or is shielded from it.
    The text shows where the app is suspended. Of what it started by itself, only the app knows.
    """


@public
class LifespanError(RuntimeError):
    """The app reported ``lifespan.startup.failed`` or ``lifespan.shutdown.failed``, or broke off without a word.

    Attributes:
        phase: ``"startup"`` or ``"shutdown"``.
        message: What the app said, ``""`` if it said nothing.
    """

    def __init__(self, text: str, *, phase: str, message: str = "") -> None:
        super().__init__(text)
        self.phase = phase
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), phase=self.phase, message=self.message), self.args, self.__dict__


@public
class LifespanTimeout(LifespanError, TimeoutError):  # noqa: N818 - the field's names for time-outs end so
    """The app did not finish its startup or shutdown in time. The text shows where it is suspended."""


@public
class LiveServerError(RuntimeError):
    """The server that ``live=`` runs the app on did not do its part: it ended, or broke off a connection by itself.

    It is raised whatever ``raise_server_exceptions`` is.
    """


@public
class WrongEventLoopError(RuntimeError):
    """A client was opened in one event loop and used in another."""


@public
class WebSocketDisconnect(Exception):  # noqa: N818 - the field's name for it
    """The WebSocket connection has ended, or was never established.

    Attributes:
        code: The close code (RFC 6455 section 7.4). 1005: the app rejected with a code that is no int, which the text
            shows. 1006: there was no close frame.
        reason: The reason that was given; ``""`` for none. One that is no str, as a rejection may have, is made one.
        response: Where the app rejected the handshake: the response to it, status 403, an ``httpx.Response`` (or
            httpx2's). None after that.
    """

    def __init__(self, code: int = 1000, reason: str | None = None, *, text: str = "", response: Any = None) -> None:
        """Describe the end: code, reason, and in `text` how it came about."""
        self.code: int = code if isinstance(code, int) else 1005  # which stands for no code (section 7.1.5)
        self.reason: str = "" if reason is None else str(reason)
        self.response = response
        closed = f"code {code if isinstance(code, int) else repr(code)}"
        if self.reason:
            closed += f", reason {reason!r}"
        # Not super(): a class that is a framework's WebSocketDisconnect as well would be described by both.
        Exception.__init__(self, f"{text or 'the connection was closed'} ({closed})")

    def __reduce__(self) -> tuple[Any, ...]:  # without __init__, which would take the text for a code
        return Exception.__new__, (type(self), *self.args), self.__getstate__()


@public
class WebSocketDenied(WebSocketDisconnect):
    """The app answered the WebSocket handshake with a response of its own (or, as a server's client sees it, with 500).

    Attributes:
        response: That response, an ``httpx.Response`` (or httpx2's), read to its end.
    """

    def __init__(self, response: Any, *, text: str = "") -> None:
        """Describe the denial; the code is 1006, as of every connection that was not established."""
        super().__init__(1006, text=text, response=response)


@public
class ClientDisconnected(OSError):  # noqa: N818 - design: the name tells the app what happened, not that it failed
    """The client has gone: nothing that the app sends can reach it.

    Raised out of the app's ``send()`` where the advertised ``spec_version`` is 2.4 or later (ASGI HTTP spec,
    "Disconnected Client - send exception"). An app may let it pass: it is no failure of the app.
    """


#: What is raised in the test in any case, whatever ``raise_server_exceptions`` is.
ALWAYS_RAISED = (KeyboardInterrupt, SystemExit, LiveServerError)


def tell_beside(error: BaseException, other: BaseException) -> None:
    """Attach `other` to `error` as a note, so that the failure which does not surface is not lost."""
    if other is not error:
        story = "".join(traceback.format_exception(other)).rstrip()
        note(error, f"The application failed as well:\n\n{story}")


def note(error: BaseException, text: str) -> None:
    """Attach a note, also to an exception that lets nobody change it: that is raised all the same."""
    try:
        error.add_note(text)
    except Exception:
        with suppress(Exception):
            object.__setattr__(error, "__notes__", [*getattr(error, "__notes__", ()), text])
