"""The lifespan of an app: its startup, the state it shares with requests, and its shutdown."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any, Literal, Self

import anyio
import anyio.lowlevel

from .._errors import ApplicationStuckError, ASGIProtocolError, LifespanError, LifespanTimeout, note, tell_beside
from .._protocol.app import as_single_callable, name_of
from .._protocol.lifespan import LifespanState, State
from .._protocol.options import duration
from .._types import ASGIApp, LifespanMode, Message, Receive, Scope, Send, SingleCallable
from . import causes, observer
from .loop import HomeLoop, checkpoint
from .observer import Observer
from .task import IndependentTask
from .wakeup import Wakeup

Phase = Literal["startup", "shutdown"]

#: Seconds that an app which has reported the end of a phase has to return.
_TIME_TO_RETURN = 1.0


class Lifespan:
    """The lifespan of an app: entered, it starts the app up; left, it shuts it down. See `LifespanManager`.

    Attributes:
        state: What the app keeps in ``scope["state"]``; the very dict that it was given.
        scope: The scope that the app was called with, once entered.
        supported: Whether the app speaks lifespan, once entered.
        home: The event loop that it was entered in.
        listener: Who hears of it, besides the one who hears of all.
    """

    stand_in: bool = False
    listener: Observer | None = None

    def __init__(
        self,
        app: ASGIApp,
        startup_timeout: float | None = 5,
        shutdown_timeout: float | None = 5,
        *,
        lifespan: LifespanMode = "auto",
    ) -> None:
        """Prepare it; the arguments are those of `LifespanManager`."""
        if lifespan not in ("auto", "on", "off"):
            msg = f'lifespan must be "auto", "on" or "off", not {lifespan!r}'
            raise ValueError(msg)
        self.state: dict[str, Any] = {}
        self.scope: Scope = {}
        self.supported: bool = False
        self.home: HomeLoop | None = None
        self._call = as_single_callable(app)
        self._mode = lifespan
        self._timeouts: dict[Phase, float | None] = {
            "startup": duration(startup_timeout, "startup_timeout"),
            "shutdown": duration(shutdown_timeout, "shutdown_timeout"),
        }
        self._phase: Phase = "startup"
        self._protocol = LifespanState()
        self._moved = Wakeup()
        self._received = False  # whether the app has asked for its first message
        self._told_to_stop = False
        self._idle = False  # whether the app waits for a message that will never come
        self._violation: ASGIProtocolError | None = None
        self._task: IndependentTask[None] | None = None

    @property
    def app(self) -> SingleCallable:
        """The running app, with `state` in each scope, for any client. It answers to the lifespan scope itself."""
        return RunningApp(self._call, self)

    @property
    def app_exception(self) -> BaseException | None:
        """What the app raised in its lifespan, as it is; None while that runs, or if the app returned."""
        return None if self._task is None else self._task.exception

    @property
    def app_returned(self) -> bool:
        """Whether the app has ended its lifespan by returning."""
        return self._task is not None and self._task.returned

    @property
    def recorders(self) -> tuple[Observer, ...]:
        """Who keeps it, and what it is the cause of, for its owner."""
        return () if self.listener is None else (self.listener,)

    @property
    def running(self) -> bool:
        """Whether the app was started up, and has not been shut down."""
        return self.supported and not self._running_task.done

    def __repr__(self) -> str:
        done = "running" if self.running else "not entered" if self._task is None else "ended"
        return f"<{type(self).__name__} of {name_of(self._call)}, {done}>"

    async def __aenter__(self) -> Self:
        """Start the app up.

        Cancelling it stops the app.

        Raises:
            LifespanError: The app reported ``lifespan.startup.failed``; it did not speak lifespan, with
                ``lifespan="on"``.
            LifespanTimeout: The startup took too long. The text shows where the app is suspended.
            BaseException: What the app raised in its startup, as it is.
        """
        if self._task is not None:
            msg = f"this {type(self).__name__} was entered before; make a new one for each run of the app"
            raise RuntimeError(msg)
        await checkpoint()
        if self._mode == "off":
            return self
        self.scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self._observer = observer.together(self.listener, observer.current)
        self.home = HomeLoop(type(self).__name__)
        self._task = IndependentTask(self._call_app, name="lifespan")
        self._task.when_done(self._app_ended)
        await self._until_past(State.STARTING)
        if self._protocol.state is State.STARTED:
            self.supported = True
        else:
            await self._startup_failed()
        return self

    async def __aexit__(
        self, exc_type: object = None, exc_value: BaseException | None = None, traceback: object = None
    ) -> None:
        """Shut the app down. What goes wrong is told beside the exception under way, if there is one.

        Cancelling it stops the app.

        Raises:
            LifespanError: The app reported ``lifespan.shutdown.failed``.
            LifespanTimeout: The shutdown took too long. The text shows where the app is suspended.
            BaseException: What the app raised since its startup, as it is.
        """
        if not self.supported:
            return
        assert self.home is not None
        self.home.check()
        self.supported = False
        if self._observer is not None:
            self._observer.left(self, exc_value)
        try:
            await self._shut_down()
        except BaseException as error:
            of_the_app = isinstance(error, Exception) or error is self._running_task.exception
            if exc_value is None or not of_the_app:
                raise
            tell_beside(exc_value, error)

    # The app's side

    def _call_app(self) -> Awaitable[None]:
        causes.begin(self)
        if self._observer is None:
            return self._call(self.scope, self._receive, self._send)
        return observer.call(self._call, self, self._receive, self._send, self._observer)

    def _app_ended(self) -> None:
        if self._observer is not None:
            self._observer.ended(self)
        self._moved.fire()

    async def _receive(self) -> Message:
        if not self._received:
            self._received = True
            return {"type": "lifespan.startup"}
        while self._protocol.state in {State.STARTING, State.STARTED}:
            await self._moved.wait()
        if self._protocol.state is State.STOPPING and not self._told_to_stop:
            self._told_to_stop = True
            return {"type": "lifespan.shutdown"}
        self._idle = True  # there is nothing more to receive
        self._moved.fire()
        while True:
            await anyio.sleep_forever()

    async def _send(self, message: Message) -> None:
        try:
            self._protocol.handle(message)
        except ASGIProtocolError as error:
            self._violation = self._violation or error
            raise
        finally:
            self._moved.fire()

    # The client's side

    async def _startup_failed(self) -> None:
        task = self._running_task
        await self._see_off()
        error = task.exception
        if self._protocol.state is State.STARTUP_FAILED:
            message = self._protocol.message
            if error is None:
                raise self._failure(f"the application reported lifespan.startup.failed: {message!r}", message)
            if not message.startswith("Traceback (most recent call last)"):  # that of `error`, as with Starlette
                note(error, f"The application had reported lifespan.startup.failed: {message!r}")
            raise error
        # Ctrl-C and sys.exit() say nothing of what the app supports, whenever they come.
        for_the_test = self._received or isinstance(error, KeyboardInterrupt | SystemExit)
        if for_the_test and (error or self._violation):
            raise error or self._violation  # type: ignore[misc]  # one of them is there
        self._go_without(error)

    def _go_without(self, error: BaseException | None) -> None:
        """Do what is to be done about an app that has not asked for anything, and has raised `error`, or returned."""
        if self._mode == "auto" and error is not None:
            logging.getLogger("asgi_testkit").warning(
                'the application raised on the lifespan scope, and goes on without a lifespan. With lifespan="on" that '
                'is an error, and lifespan="off" does not ask.',
                exc_info=error,
            )
        if self._mode == "on":
            what = "returned" if error is None else f"raised {error!r}"
            text = f'the application does not support lifespan, as lifespan="on" demands: it {what} without an answer'
            raise self._failure(text) from error

    async def _shut_down(self) -> None:
        task = self._running_task
        self._phase = "shutdown"
        if not task.done:
            if self._violation is None:
                self._protocol.shut_down()
                self._moved.fire()
                await self._until_past(State.STOPPING)
            await self._see_off()
        error = task.exception or self._violation
        if error is not None:
            raise error
        if self._protocol.state is State.SHUTDOWN_FAILED:
            message = self._protocol.message
            raise self._failure(f"the application reported lifespan.shutdown.failed: {message!r}", message)

    async def _until_past(self, state: State) -> None:
        task = self._running_task
        timeout = self._timeouts[self._phase]
        try:
            with anyio.move_on_after(timeout) as timer:
                while self._protocol.state is state and not task.done:
                    await self._moved.wait()
            if timer.cancelled_caught:
                await anyio.lowlevel.checkpoint()  # after a stall of the loop the app may be about to say so
        except BaseException:
            await task.end(grace=0)
            raise
        if self._protocol.state is state and not task.done:
            where = task.where()
            error = LifespanTimeout(
                f"{self._phase}: {timeout} seconds passed ({self._phase}_timeout=) while {state.value}; "
                f"the application is {where}",
                phase=self._phase,
            )
            if self._observer is not None:
                self._observer.waited_too_long(self, error)
            try:
                await task.end(grace=0)
            except ApplicationStuckError as stuck:
                tell_beside(error, stuck)
            if task.exception is not None:
                tell_beside(error, task.exception)
            raise error

    async def _see_off(self) -> None:
        """The app has said its last word. Servers do not wait for its return; here, what it raises counts."""
        task = self._running_task
        try:
            with anyio.move_on_after(_TIME_TO_RETURN):
                while not (task.done or self._idle):
                    await self._moved.wait()
        finally:
            await task.end(grace=0)

    @property
    def _running_task(self) -> IndependentTask[None]:
        assert self._task is not None
        return self._task

    def _failure(self, text: str, message: str = "") -> LifespanError:
        return LifespanError(text, phase=self._phase, message=message)


class RunningApp:
    """An app whose lifespan runs elsewhere.

    Attributes:
        state: What it keeps in ``scope["state"]``.
    """

    def __init__(self, app: SingleCallable, manager: Lifespan) -> None:
        self.state: dict[str, Any] = manager.state
        self._app = app
        self._manager = manager

    def __repr__(self) -> str:
        return name_of(self._app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] == "lifespan":
            await self._answer(scope, receive, send)
            return
        scope["state"] = {**self.state, **scope.get("state", {})}
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            home = self._manager.home
            if home is not None and not home.here:
                note(error, f"The lifespan of the application runs in another event loop: {home.complaint()}")
            raise

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.get("state", {}).update(self.state)
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
