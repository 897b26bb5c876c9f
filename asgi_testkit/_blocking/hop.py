"""How a thread calls an async function in the event loop of another thread, and runs what that asks of it meanwhile."""

from __future__ import annotations

import contextvars
import sys
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from .._conversation.loop import soon_threadsafe
from .._conversation.task import CANCEL_TIMEOUT, IndependentTask
from .._conversation.wakeup import Wakeup

T = TypeVar("T")

#: Seconds between two looks at whether the loop's thread is alive.
LOOK_INTERVAL = 1.0

#: What the tasks of calls are named. Those of apps have better names.
_TASK_NAME = "a blocking call"

#: Threads that wait for a call into a loop. If one of them has a loop itself, that stands still meanwhile.
_waiting: set[threading.Thread] = set()


class LoopStandsStillError(Exception):
    """The event loop did not begin with a call, which was withdrawn: something blocks the loop."""


class LoopHasEndedError(RuntimeError):
    """The event loop that was called has ended."""


class Hop(ABC):
    """A way into a running event loop from other threads.

    Attributes:
        portal: That of anyio into the same loop, for tests.
    """

    portal: Any

    @abstractmethod
    def call(self, function: Callable[[], Awaitable[T]], *, name: object, can_move: bool = False) -> T:
        """Run an async function in the loop, and return or raise its outcome. Errors call the work `name`."""

    @abstractmethod
    def post(self, function: Callable[[], object]) -> None:
        """Have a plain function called in the loop."""


class ThreadHop(Hop):
    """Calls into an event loop of ours: one wake-up of the loop, and one of the caller, for each call.

    Create it in the loop's thread. Every call ends: with the function's outcome, with the interruption of the calling
    thread (Ctrl-C; the call is cancelled in the loop, and awaited, before it is raised), or with an error when the loop
    has gone.

    Attributes:
        closed: Whether the loop has ended, or is about to.
        errands: What the loop asks of the threads that call.
        loop: The `LoopThread` that this is the way into.
    """

    loop: Any = None
    _stuck = False  # whether a call was withdrawn, and the loop has not gone on since

    def __init__(self) -> None:
        self._thread = threading.current_thread()
        self._calls: set[Call[Any]] = set()
        self.errands: Errands = Errands()
        self._death: BaseException | None = None
        self.closed: bool = False
        self._soon = soon_threadsafe()

    @property
    def here(self) -> bool:
        """Whether the calling thread is the loop's own."""
        return threading.current_thread() is self._thread

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

    @property
    def portal(self) -> Any:
        """That of anyio into the same loop."""
        return self.loop.portal

    @property
    def lost(self) -> bool:
        """Whether the loop can answer no more."""
        return not self._thread.is_alive()

    @property
    def ended(self) -> bool:
        """Whether the loop has ended, or is about to."""
        return self.closed or not self._thread.is_alive()

    @property
    def blocked(self) -> bool:
        """Whether the loop stands still: its thread waits for a call into another loop, or for another thread."""
        return self._stuck or self._thread in _waiting

    def call(self, function: Callable[[], Awaitable[T]], *, name: object, can_move: bool = False) -> T:
        """Run an async function in the loop, in a task of its own and a copy of this thread's context.

        Args:
            function: The function.
            name: What errors call the work.
            can_move: Whether another loop would do.

        Raises:
            LoopStandsStillError: The loop has not begun with it in `LOOK_INTERVAL` seconds, and will not; it can move.
            RuntimeError: This is the loop's own thread, which would wait for itself.
            LoopHasEndedError: The loop has ended.
            BaseException: Whatever the function raised, as it is.
        """
        self.check_thread(name)
        return self.finish(Call(function, name, can_move=can_move))

    def finish(self, call: Call[T], *, begun: bool = False) -> T:
        """Begin a call, unless it was `begun` in the loop already, wait for its outcome, and return or raise that."""
        thread = threading.current_thread()
        outermost = thread not in _waiting
        self._calls.add(call)
        _waiting.add(thread)
        try:
            if self.closed:
                raise self._ended(call.name) from self._death
            try:
                if not begun:
                    self._soon(partial(call.start, self.errands))
            except RuntimeError as error:  # trio's RunFinishedError is one, too
                raise self._ended(call.name) from self._death or error
            self._wait(call)
        except BaseException:
            self._interrupt(call)
            raise
        finally:
            if outermost:
                _waiting.discard(thread)
            self._calls.discard(call)
        return self._outcome(call)

    def post(self, function: Callable[[], object]) -> None:
        """Have a plain function called in the loop, if it has not ended, and do not wait for that."""
        try:
            self._soon(function)
        except RuntimeError:
            pass  # it has

    async def ask(self, thread: threading.Thread, function: Callable[[], T]) -> T:
        """Have a plain function called in a thread that calls into this loop: now, or during its next call.

        Cancelling it does not stop what has begun there; the outcome is dropped. What the function raises is raised.
        A thread is given as such: its identifier is another's when it has ended.
        """
        errand = Errand(function, self)
        self.errands.give(thread, errand)
        return await errand.outcome()

    def close(self) -> None:
        """Let no more calls in: the loop is about to end."""
        self.closed = True

    def end(self, death: BaseException | None = None) -> None:
        """End the calls that the loop, which has ended, can answer no more. `death` is what it has ended by."""
        self.closed = True
        self._death = self._death or death
        for call in list(self._calls):
            call.lose()

    def _wait(self, call: Call[Any], patience: float = float("inf")) -> None:
        while patience > 0:
            try:
                errand = call.inbox.get(timeout=min(patience, LOOK_INTERVAL))
            except Empty:
                patience -= LOOK_INTERVAL
                if self.lost:
                    return
                if call.can_move and call.withdraw():
                    self._stuck = True
                    self.post(self._go_on)
                    raise LoopStandsStillError from None
            else:
                if errand is None:
                    return
                errand.run()

    def _go_on(self) -> None:
        self._stuck = False

    def _interrupt(self, call: Call[Any]) -> None:
        if not (call.answered or call.withdraw()) and self._thread.is_alive():
            self.post(call.cancel)
            self._wait(call, patience=2 * CANCEL_TIMEOUT)

    def _outcome(self, call: Call[T]) -> T:
        """Return what the function returned, or raise what it raised, unless a loop that ends cancelled it."""
        task = call.task
        if task is None or not task.done:
            raise self._ended(call.name) from self._death
        if task.returned:
            return task.result
        error = task.exception
        if isinstance(error, Exception | KeyboardInterrupt | SystemExit):
            raise error
        self._thread.join(0 if self.closed else LOOK_INTERVAL)  # a loop that dies cancels first, and ends then
        if error is None or self.closed:
            raise self._ended(call.name) from self._death or error
        raise error

    def _ended(self, name: object) -> LoopHasEndedError:
        why = "Was the client closed in another thread?" if self._death is None else f"It has died of {self._death!r}."
        return LoopHasEndedError(f"the event loop of this client has ended ({name}). {why}")


class Errand(Generic[T]):
    """A function that the event loop wants called in the thread that waits for it."""

    def __init__(self, function: Callable[[], T], hop: ThreadHop) -> None:
        self._function = function
        self._hop = hop
        self._done = Wakeup()
        self._result: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do it; in the thread. Whatever it raises, Ctrl-C included, is for the one who asked."""
        try:
            self._result.append(self._function())
        except BaseException as error:
            self._error = error
        self._hop.post(self._done.fire)

    async def outcome(self) -> T:
        """Wait until it is done; in the loop."""
        while not self._result and self._error is None:
            await self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result[0]


class Errands:
    """The functions that an event loop wants called in other threads: during a thread's current call, or its next one.

    All of it is called in the loop.
    """

    def __init__(self) -> None:
        # One within the other: a thread may call while it does what it was asked.
        self._inboxes: dict[threading.Thread, list[SimpleQueue[Errand[Any] | None]]] = defaultdict(list)
        self._kept: dict[threading.Thread, list[Errand[Any]]] = defaultdict(list)

    def reach(self, thread: threading.Thread) -> bool:
        """Whether a thread is in a call."""
        return thread in self._inboxes

    def give(self, thread: threading.Thread, errand: Errand[Any]) -> None:
        """Have something done."""
        if thread in self._inboxes:
            self._inboxes[thread][-1].put(errand)
        else:
            self._kept[thread].append(errand)

    def begin(self, thread: threading.Thread, inbox: SimpleQueue[Errand[Any] | None]) -> None:
        """Note that a thread is in a call, and looks into `inbox`."""
        self._inboxes[thread].append(inbox)
        for errand in self._kept.pop(thread, ()):
            inbox.put(errand)

    def end(self, thread: threading.Thread, inbox: SimpleQueue[Errand[Any] | None]) -> None:
        """Note that this call is over, and tell the thread."""
        self._inboxes[thread].remove(inbox)
        if not self._inboxes[thread]:
            del self._inboxes[thread]
        inbox.put(None)


class Call(Generic[T]):
    """One call into a loop of another thread."""

    def __init__(self, function: Callable[[], Awaitable[T]], name: object, *, can_move: bool = False) -> None:
        """Prepare it; in the thread that calls. The other arguments are those of `ThreadHop.call`."""
        self.inbox: SimpleQueue[Errand[Any] | None] = SimpleQueue()  # None: the call is over
        self._context = contextvars.copy_context()
        sniffio = sys.modules.get("sniffio")
        if sniffio is not None:  # which library runs here, according to anyio.run(), is not the one that runs there
            self._context.run(sniffio.current_async_library_cvar.set, None)
        self._functions = [function]  # until one thread takes it: the loop's, or that which withdraws the call
        self.name = name
        self.can_move = can_move
        self._withdrawn = False
        self._thread = threading.current_thread()
        self.task: IndependentTask[T] | None = None

    @property
    def answered(self) -> bool:
        """Whether there is an outcome."""
        return self.task is not None and self.task.done

    def start(self, errands: Errands) -> None:
        """Begin, unless it was withdrawn; in the loop's thread. `errands` are the loop's."""
        try:
            function = self._functions.pop()
        except IndexError:
            return
        errands.begin(self._thread, self.inbox)
        self.task = IndependentTask(function, name=_TASK_NAME, context=self._context, scoped=False, by_loop=True)
        self.task.when_done(lambda: errands.end(self._thread, self.inbox))

    def withdraw(self) -> bool:
        """Return whether it has not begun. If so, it never will."""
        if self._functions:
            with suppress(IndexError):
                self._functions.pop()
                self._withdrawn = True
        return self._withdrawn

    def cancel(self) -> None:
        """Cancel it, once begun; in the loop's thread."""
        assert self.task is not None
        self.task.cancel()

    def lose(self) -> None:
        """End it without an outcome; in any thread, after the loop has ended."""
        self.inbox.put(None)
