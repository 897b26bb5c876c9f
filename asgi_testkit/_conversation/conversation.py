"""Conversation: one call of the app, and what HTTP and WebSocket have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import anyio

from .._errors import ALWAYS_RAISED, ApplicationStuckError, ASGIProtocolError
from .._protocol.options import ExchangeOptions, duration
from .._protocol.scope import spec_version
from .._types import Message, Scope, T
from . import causes
from .departure import is_departure, tell_failure
from .errors import Trouble
from .loop import HomeLoop, cancelled_for_good, checkpoint, one_round
from .observer import Observer, call
from .opening import Opening
from .presence import Presence
from .task import IndependentTask
from .wakeup import Wakeup

if TYPE_CHECKING:
    from .faults import Faults
    from .http import HTTPExchange
    from .websocket import WebSocketConnection


class Conversation(Presence, ABC):
    """One call of the app: how it starts, is waited for, is disconnected, and ends.

    Whatever the client waits for, it may get instead what the app raised, or the error of a `Trouble`. An app that was
    silent for longer than the read timeout has been stopped then.

    Attributes:
        scope: The scope that the app was called with, and that it may have changed.
        state: What the app has sent.
        name: What it is called in errors.
        options: How it is to go.
        read_timeout: Seconds that the client waits for the app; None for no limit.
        for_client: Fired when there is something to read, room to write, or the app's end.
        closed: Whether the client has let go.
        begun: Whether the library has begun to read the body.
        claimed: Whether a reader of ours has it, so that nobody else can.
        stand_in: Whether the client takes the place of another package's.
        faults: What stands between the app and this; None for nothing.
        cause: The call of an app that has asked for it; None if a test has.
        recorders: Who keeps it, and what it is the cause of, for a client of its own.
    """

    #: What errors call it, as opposed to its name.
    noun: ClassVar[str]

    #: What the client has, when it waits for the app's return.
    ended_by: ClassVar[str]

    #: What a client calls a breach of the rules.
    violation: ClassVar[type[ASGIProtocolError]] = ASGIProtocolError

    #: What a server says, with status 500, for an app that has not responded.
    apology: ClassVar[bytes] = b"Internal Server Error"

    state: Any
    _task: IndependentTask[None]
    _violation: ASGIProtocolError | None = None
    closed: bool = False
    begun: bool = False
    claimed: bool = False
    _called_off = False  # whether the client's call was cancelled while it waited for the app
    _reported = False

    def __init__(self, opening: Opening, name: str) -> None:
        """Prepare it; `start` calls the app."""
        self.name = name
        self.scope: Scope = opening.scope
        self.options: ExchangeOptions = opening.options
        self.read_timeout: float | None = opening.timeouts.get("read")
        self._app = opening.app
        self._make_error = opening.make_error
        self._on_settled = opening.on_settled
        self._observer = opening.observer
        self.stand_in: bool = opening.stand_in
        self._elsewhere = opening.elsewhere
        self.faults: Faults[Any] | None = opening.faults
        self.cause: causes.Cause | None = opening.cause
        self.recorders: tuple[Observer, ...] = opening.recorders
        self._for_app = Wakeup()
        self.for_client: Wakeup = Wakeup()
        self._raises_after_disconnect: bool = spec_version(self.scope) >= (2, 4)

    # For tests

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}, the app {'has ended' if self.done else 'runs'}>"

    @property
    def app_exception(self) -> BaseException | None:
        """What the app raised, as it is; None while it runs, or if it returned."""
        return self._task.exception

    @property
    def app_returned(self) -> bool:
        """Whether the app has ended by returning."""
        return self._task.returned

    @property
    def caused_by(self) -> HTTPExchange | WebSocketConnection | None:
        """The request, or WebSocket, whose app has asked for this one; None if the test has."""
        cause: Any = self.cause
        return cause if isinstance(cause, Conversation) else None  # type: ignore[return-value]  # one of the two

    @property
    def done(self) -> bool:
        """Whether the app has ended."""
        return self._task.done

    async def wait(self, timeout: float | None = 5.0) -> None:
        """Wait until the app has ended. What it raised is in `app_exception`; it is not raised here.

        Args:
            timeout: Seconds; None for no limit. The app runs on when it is over, and when the wait is cancelled.

        Raises:
            TimeoutError: The app has not ended in time. The text shows where it is suspended.
        """
        limit = duration(timeout, "timeout")
        await checkpoint()
        if not await self._task.wait(limit):
            msg = f"{self.name}: the application has not ended within {limit} seconds (timeout=); it is {self.where()}"
            raise TimeoutError(msg)

    def where(self) -> str:
        """Say, for an error, where the app is suspended."""
        return (self._elsewhere or self._task).where()

    # The app's side

    @abstractmethod
    async def receive(self) -> Message:
        """Give the app the next message."""

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Take a message of the app."""

    def _refuse(self, error: ASGIProtocolError) -> None:
        """Note that a message of the app is refused. The first counts; what an app does after it may follow from it."""
        self._violation = self._violation or error

    # The client's side

    def _call_app(self) -> Awaitable[None]:
        causes.begin(self)
        if self.faults is not None:
            return self.faults.call(self._app, self, self._observer)
        if self._observer is None:
            return self._app(self.scope, self.receive, self.send)
        return call(self._app, self, self.receive, self.send, self._observer)

    async def start(self) -> None:
        """Call the app, in a task of its own, with the next round of the loop; if cancelled before that, not at all."""
        self._task = IndependentTask(self._call_app, name=self.name, with_caller=True)
        self._task.when_done(self._app_ended)
        await self._unless_called_off(one_round())

    def _app_ended(self) -> None:
        if self._observer is not None:
            self._observer.ended(self)
        self.for_client.fire()
        if self.closed and self._detached:  # nobody waits for it
            self._end_detached()

    def _end_detached(self) -> None:
        if not self.failed:  # else the client's end will tell
            self._on_settled(self)

    @cached_property
    def home(self) -> HomeLoop:
        """The event loop that it is in."""
        return HomeLoop(self.noun, self._task.loop)

    def untold(self) -> BaseException | None:
        """Return what the app did wrong before its loop ended, if the test must hear of it and has not yet."""
        failure = self._failure() if self.done else None
        return failure if isinstance(failure, Exception) else None  # the end of a loop cancels all that is in it

    async def part(
        self, reason: BaseException | None, *, grace: float | None = None, detach: bool | None = None
    ) -> None:
        """See the app to its end, and raise what is left to raise.

        An app that still runs is told that the client has gone. If it listens, or takes notice at once, it has its
        grace to end by itself; then, or if it does not, it is cancelled. A detached one is left to itself until the
        client closes, and has its grace then in any case.

        Args:
            reason: The exception that is under way. What the app raises is told beside it, not instead; but what it
                raises because it was cancelled as the client was, and not told of a disconnect, comes out as it is.
            grace: Seconds, in place of ``disconnect_grace``.
            detach: In place of ``background``.
        """
        self._let_go(reason)
        if not self._task.done:
            self._disconnected = True
            self._for_app.fire()
            self.for_client.fire()
            if self._detached if detach is None else detach:
                return
        grace = self.options.disconnect_grace if grace is None else grace
        stuck: BaseException | None = None
        try:
            await self._task.end(grace=grace, noticed=self._may_notice, at_once=self._called_off, where=self.where)
        except ApplicationStuckError as error:
            stuck = error
        finally:
            if self.done and not self.failed:  # else, and if this is cancelled, the client's end tells
                self._on_settled(self)
            await self._release(grace=grace)
        self._on_settled(self)
        failure = stuck or self._failure()
        if failure is None or failure is reason:
            return
        if reason is None or self._comes_of_the_cancellation(failure):
            raise failure
        tell_failure(reason, failure, disconnected=self._disconnected)

    def _let_go(self, reason: BaseException | None) -> None:
        if self._observer is not None and not self.closed:
            self._observer.left(self, reason)
        self.closed = True

    def _comes_of_the_cancellation(self, failure: BaseException) -> bool:
        """Whether the app made `failure` of the cancellation that it shared with the client, and of nothing else."""
        if not self._called_off or self._told:
            return False
        return not isinstance(failure, anyio.get_cancelled_exc_class())  # which another than the client may have asked

    def _may_notice(self) -> bool:
        """Whether the app will hear of the disconnect by itself, as far as one can tell."""
        if self._called_off and not (self.options.disconnect_grace or self._detached):
            return False  # it is not to hear of it, but to be cancelled as the client is
        hears = self._told or self._listening > 0 if self._elsewhere is None else self._elsewhere.hears()
        return hears or self._detached or (self.state.over and not self._called_off)

    async def _release(self, *, grace: float) -> None:
        """Let go of what the conversation holds besides the app, which has ended."""

    async def close(self, reason: BaseException | None = None) -> None:
        """Let go of the conversation. An app that has not said its last sees the client disconnect.

        Unless detached, the app has ended when this returns. Cancelling does not cut that short.

        Args:
            reason: The exception that is under way. What the app raises is told beside it, not instead.

        Raises:
            BaseException: What the app raised, if there is no `reason`.
        """
        if self.closed:
            return
        if self.state.delivered and not self._held_back and reason is None:
            await self._finish()
        else:
            await self._break_off(reason)

    async def _break_off(self, reason: BaseException | None) -> None:
        await self.part(reason)

    async def _finish(self) -> None:
        """All is said on both sides: wait for the app's return, background work included."""
        self._let_go(None)
        if self._detached:  # what it raises now is told at the client's end, however soon it does
            if self._task.done:
                self._end_detached()
            return
        if not self._task.done:
            self._look_for_cancellation()
            wait = self._task.wait(self.read_timeout, self._pass_on_cancellation)
            if await self._unless_called_off(wait) is False:
                await self._time_out(
                    f"waiting for the application to return after {self.ended_by} "
                    '(background="detach" does not wait for background work)'
                )
        await self.part(None)

    async def _await_app(self, awaited: str) -> None:
        """Wait until the app has moved on: for one round of the loop, cheap and often enough, then in earnest."""
        self._look_for_cancellation()
        if await self._unless_called_off(self._until_moved()) is False:
            await self._time_out(awaited)

    async def _until_moved(self) -> bool:
        moves = self.for_client.count
        await one_round()
        return self.for_client.count > moves or await self.for_client.wait(
            self.read_timeout, self._pass_on_cancellation
        )

    async def _unless_called_off(self, wait: Awaitable[T]) -> T | None:
        """Wait. Where that is broken off, see the app to its end as if it ran within the wait.

        It is cancelled as the client is, at once unless it listens. What it makes of that comes out: what it raises,
        as it is; or the response, if it completes that and returns all the same: then this returns None. The client's
        scope stays cancelled then, and says so at the next wait; asyncio's own ``task.cancel()`` says so only once, and
        is therefore raised in any case.
        """
        try:
            return await wait
        except BaseException as error:
            interruption = error  # dealt with outside: what is raised there keeps the context that it has
        try:
            for_good = cancelled_for_good()
            self._called_off = isinstance(interruption, anyio.get_cancelled_exc_class())
            if for_good and self._called_off:
                self._pass_on_cancellation()  # before anything that is to come wakes it
            await self.part(interruption)
            if not (for_good and self._called_off and self._task.returned and self._whole):
                raise interruption
        finally:
            del interruption  # no cycle is left for the garbage collector
        return None

    def _look_for_cancellation(self) -> None:
        """Look whether the next wait will be broken off: on asyncio, the app would get ahead of that."""
        if cancelled_for_good():
            self._pass_on_cancellation()

    def _pass_on_cancellation(self) -> None:
        """The client's scope was cancelled, so cancel the app, unless that is told of a disconnect first."""
        self._called_off = True
        if not self._may_notice():
            self._task.cancel(for_good=True)

    async def _time_out(self, awaited: str) -> NoReturn:
        error = self._timeout_error(self.read_timeout, awaited)
        await self.part(error)
        raise error

    def _timeout_error(self, seconds: float | None, awaited: str) -> Exception:
        passed = f"{self.name}: {seconds} seconds passed (timeout=, read) while {awaited}"
        return self._too_long(Trouble.READ_TIMEOUT, f"{passed}; the application is {self.where()}")

    def _too_long(self, trouble: Trouble, text: str) -> Exception:
        error = self._make_error(trouble, text)
        if self._observer is not None:
            self._observer.waited_too_long(self, error)
        return error

    @property
    def _detached(self) -> bool:
        return self.options.background == "detach"

    @property
    def failed(self) -> bool:
        """Whether the app has raised, or broken the contract."""
        return self._task.exception is not None or self._violation is not None

    def _failure(self) -> BaseException | None:
        """Return what the app did wrong, if the test must hear of it and has not yet."""
        if self._reported:
            return None
        self._reported = True
        return self._blame()

    def _blame(self) -> BaseException | None:
        """Return what the app did wrong, if the test must hear of it."""
        error = self._task.exception or self._violation
        told_to_raise = self.options.raise_server_exceptions
        if error is None:
            to_be_asked = told_to_raise and self._task.returned and not self._disconnected
            omission = self._omission() if to_be_asked else ""
            return self.violation(f"application returned while {omission}".rstrip()) if omission else None
        if self._disconnected and is_departure(error):
            return None
        return error if told_to_raise or isinstance(error, ALWAYS_RAISED) else None

    @property
    def _whole(self) -> bool:
        """Whether the client can have all that it waited for, though it was told that it waits no longer."""
        return False

    @property
    @abstractmethod
    def _held_back(self) -> bool:
        """Whether the client has too much to read for the app to go on."""

    @abstractmethod
    def _omission(self) -> str:
        """Say which state an app that has returned has left the conversation in, and what to check; "" for none."""
