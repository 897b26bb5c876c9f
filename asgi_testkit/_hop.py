"""The hop: how a thread calls into an event loop that runs in another thread."""

from __future__ import annotations

import contextvars
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from ._tasks import CANCEL_TIMEOUT, IndependentTask, soon_threadsafe

T = TypeVar("T")

#: Seconds between two looks at whether the loop's thread is alive.
LOOK_INTERVAL = 1.0

#: What the tasks of calls are named. Those of apps have better names.
_TASK_NAME = "a blocking call"


class Hop(ABC):
    """A way into a running event loop from other threads.

    Attributes:
        portal: That of anyio into the same loop, for tests.
    """

    portal: Any

    @property
    @abstractmethod
    def here(self) -> bool:
        """Whether the calling thread is the loop's own."""

    def check_thread(self, name: object) -> None:
        """Refuse to work on the loop's own thread. `name` is what the error calls the work.

        Raises:
            RuntimeError: This is it.
        """
        if self.here:
            msg = (
                f"a blocking client was called on the thread of its own event loop ({name}): it would wait for itself "
                "for ever. In async code use AsyncClient; in the app, call the blocking client in a worker thread."
            )
            raise RuntimeError(msg)

    @abstractmethod
    def call(self, function: Callable[[], Awaitable[T]], *, name: object, in_place: bool = False) -> T:
        """Run an async function in the loop, and return or raise its outcome.

        Args:
            function: The function.
            name: What an error calls the work.
            in_place: Whether the calling thread may run the loop for it: what the function does ends with it.
        """

    @abstractmethod
    def post(self, function: Callable[[], object]) -> None:
        """Have a plain function called in the loop."""


class ThreadHop(Hop):
    """The way that takes one trip there and one back for a whole call.

    Create it in the loop's thread. Every call ends: with the function's outcome, with the interruption of the calling
    thread (Ctrl-C; the call is cancelled in the loop, and awaited, before it is raised), or with an error when the loop
    has gone.

    Attributes:
        closed: Whether the loop has ended, or is about to.
        loop: The `LoopThread` that this is the way into.
    """

    loop: Any = None

    def __init__(self, soon: Callable[[Callable[[], object]], object] | None = None) -> None:
        """Note the thread.

        Args:
            soon: The loop's way to call from another thread; by default that of the loop which runs here.
        """
        self._thread = threading.current_thread()
        self._calls: set[Call[Any]] = set()
        self.closed = False
        self._soon = soon_threadsafe() if soon is None else soon

    @property
    def here(self) -> bool:
        """Whether the calling thread is the loop's own."""
        return threading.current_thread() is self._thread

    @property
    def portal(self) -> Any:
        """That of anyio into the same loop."""
        return self.loop.portal

    def call(self, function: Callable[[], Awaitable[T]], *, name: object, in_place: bool = False) -> T:
        """Run an async function in the loop, in a task of its own and a copy of this thread's context.

        Raises:
            RuntimeError: This is the loop's own thread, which would wait for itself; or the loop has ended.
            BaseException: Whatever the function raised, as it is.
        """
        self.check_thread(name)
        return self.finish(Call(function, name, in_place=in_place))

    def finish(self, call: Call[T], *, begun: bool = False) -> T:
        """Begin a call, unless it was `begun` in the loop already, wait for its outcome, and return or raise that."""
        self._calls.add(call)
        try:
            if self.closed:
                raise _loop_has_ended(call.name)
            try:
                if not begun:
                    self._begin(call)
            except RuntimeError as error:  # trio's RunFinishedError is one, too
                raise _loop_has_ended(call.name) from error
            self._wait(call)
        except BaseException:
            self._interrupt(call)
            raise
        finally:
            self._calls.discard(call)
        return call.outcome(loop_ends=self.closed)

    def post(self, function: Callable[[], object]) -> None:
        """Have a plain function called in the loop, if it has not ended, and do not wait for that."""
        try:
            self._soon(function)
        except RuntimeError:
            pass  # it has

    def close(self) -> None:
        """Let no more calls in: the loop is about to end."""
        self.closed = True

    def end(self) -> None:
        """End the calls that the loop, which has ended, can answer no more."""
        self.closed = True
        for call in list(self._calls):
            call.lose()

    def _begin(self, call: Call[Any]) -> None:
        self._soon(call.start)

    def _wait(self, call: Call[Any], patience: float = float("inf")) -> None:
        while not call.finished.acquire(timeout=min(patience, LOOK_INTERVAL)):
            patience -= LOOK_INTERVAL
            if patience <= 0:
                return
            if not self._thread.is_alive():
                call.lose()

    def _interrupt(self, call: Call[Any]) -> None:
        if not call.answered and self._thread.is_alive():
            try:
                self._soon(call.cancel)
            except RuntimeError:
                return  # the loop has ended, and the call with it
            self._wait(call, patience=2 * CANCEL_TIMEOUT)


class Bell:
    """By which the loop wakes one thread that has asked for no call, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake the thread; from any other."""
        self._lock.release()

    def wait(self, timeout: float) -> bool:
        """Wait for that, at most `timeout` seconds, and no longer than it may take to notice that the loop has died.

        Return whether it rang.
        """
        return self._lock.acquire(timeout=min(timeout, LOOK_INTERVAL))


class Call(Generic[T]):
    """One call into a loop of another thread, or, `in_place`, of this one."""

    def __init__(self, function: Callable[[], Awaitable[T]], name: object, *, in_place: bool = False) -> None:
        self.finished: threading.Lock = threading.Lock()
        self.finished.acquire()
        self._context = contextvars.copy_context()
        sniffio = sys.modules.get("sniffio")
        if sniffio is not None:  # which library runs here, according to anyio.run(), is not the one that runs there
            self._context.run(sniffio.current_async_library_cvar.set, None)
        self._function = function
        self.name = name
        self.in_place = in_place
        self._task: IndependentTask[T] | None = None

    @property
    def answered(self) -> bool:
        """Whether there is an outcome."""
        return self._task is not None and self._task.done

    def start(self) -> None:
        """Begin; in the loop's thread."""
        self._task = IndependentTask(self._function, name=_TASK_NAME, context=self._context, scoped=False)
        del self._function  # a loop's first call is kept as long as its thread, and must not keep a client with it
        # It may be over at once. The waiting thread, quick as it may be, has to find the task all the same.
        self._task.when_done(self.finished.release)

    async def wait(self) -> None:
        """Wait until it has ended; in the loop, after the start. Cancelling this changes nothing for the call."""
        assert self._task is not None
        await self._task.wait(None)

    def cancel(self) -> None:
        """Cancel it; in the loop's thread."""
        if self._task is None:  # the thread was interrupted before it could ask for the start
            self.finished.release()
        else:
            self._task.cancel()

    def lose(self) -> None:
        """End it without an outcome; in any thread, after the loop has ended."""
        try:
            self.finished.release()
        except RuntimeError:
            pass  # it has ended already

    def outcome(self, *, loop_ends: bool) -> T:
        """Return what the function returned, or raise what it raised, unless a loop that ends cancelled it."""
        if self._task is None or not self._task.done:
            raise _loop_has_ended(self.name)
        if self._task.returned:
            return self._task.result
        error = self._task.exception
        if error is None or (loop_ends and not isinstance(error, Exception | KeyboardInterrupt | SystemExit)):
            raise _loop_has_ended(self.name) from error
        raise error


def _loop_has_ended(name: object) -> RuntimeError:
    return RuntimeError(f"the event loop of this client has ended ({name}). Was the client closed in another thread?")
