"""IndependentTask: a call of the app, in a task of its own, on asyncio or trio."""

from __future__ import annotations

import contextvars
import sys
import types
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Generic, NoReturn, TypeVar

import anyio
import anyio.lowlevel

from .._errors import ApplicationStuckError
from . import loop
from .loop import asyncio_runs, cancelled_for_good, one_round
from .suspended import mark, where_suspended
from .wakeup import ROUNDS_TO_NOTICE, Wakeup

T = TypeVar("T")

#: Seconds that a cancelled task has to end before the test is told that it does not.
CANCEL_TIMEOUT = 5.0

#: The modules that a call of the app begins in.
_WAYS_IN = frozenset({__name__, loop.__name__})

_EAGER = sys.version_info >= (3, 12)

# asyncio itself holds tasks only weakly: one that nobody else refers to can vanish in the middle.
_running: set[IndependentTask[Any]] = set()


class IndependentTask(Generic[T]):
    """A call of an async function in a task that belongs to no task group and to no cancel scope of the caller.

    It runs in a copy of the caller's context. It starts with the loop's next round, from the loop and not from within
    the caller's frames: their depth, and the exception that they handle, are not its own. On asyncio it is made by the
    loop's task factory. Whatever it raises, ``KeyboardInterrupt`` included, is kept in `exception` and goes nowhere
    else; ``StopIteration`` and ``StopAsyncIteration``, which would end an iteration of the test's, as the cause of a
    ``RuntimeError`` (PEP 479).

    Attributes:
        done: Whether it has ended.
        returned: Whether it has ended by returning.
        result: What the function returned.
        exception: What it raised; the cancellation that `cancel` asked for does not count.
        loop: The event loop that it is in; on trio, the token of its run.
    """

    result: T
    loop: Any
    done: bool = False
    returned: bool = False
    exception: BaseException | None = None
    _cancelled = False
    _abandoned = False
    _finished: Wakeup | None = None  # there is one as soon as anybody waits
    _coroutine: Any = None
    _native: Any = None  # on asyncio, its task
    _trio_task: Any = None
    _scope: Any = None  # around the call: anyio's or trio's
    _caller: Any = None  # on asyncio, until it starts
    _mark: object = None  # in its context

    def __init__(
        self,
        function: Callable[[], Awaitable[T]],
        *,
        name: str,
        context: contextvars.Context | None = None,
        scoped: bool = True,
        with_caller: bool = False,
        by_loop: bool = False,
        who: str = "the application",
    ) -> None:
        """Start it.

        Args:
            function: What to call.
            name: The task's.
            context: What it runs in, in place of a copy of the caller's.
            scoped: Whether it can be cancelled for good on asyncio, too. That costs a scope around the call.
            with_caller: Whether it does not start if the caller is cancelled before that.
            by_loop: Whether the loop itself is the caller, and the function none of the test's: on asyncio, and Python
                3.12+, it starts at once then.
            who: What an error calls it, should it not end.
        """
        self._function = function
        self._scoped = scoped
        self._with_caller = with_caller
        self._by_loop = by_loop
        self._who = who
        self._on_done: Callable[[], object] | None = None
        _running.add(self)
        context = contextvars.copy_context() if context is None else context
        if scoped:
            self._mark = mark(context)
        if asyncio_runs():
            self._start_on_asyncio(name, context)
        else:
            self._start_on_trio(name, context)

    def _start_on_asyncio(self, name: str, context: contextvars.Context) -> None:
        asyncio = sys.modules["asyncio"]
        self.loop = loop = asyncio.get_running_loop()
        if self._with_caller:
            self._caller = caller = asyncio.current_task()
            self._cancellations = caller.cancelling()
        coroutine = self._run_on_asyncio(asyncio.CancelledError)
        if _EAGER and self._by_loop:  # pragma: 3.12+
            self._coroutine = coroutine
            self._native = asyncio.Task(coroutine, loop=loop, name=name, context=context, eager_start=True)
            return
        # Neither context= nor name=: the user's factory may take none. The task has a copy of the current one.
        self._native = task = context.run(loop.create_task, coroutine)
        task.set_name(name)
        self._coroutine = coroutine
        task.add_done_callback(self._end_unstarted)  # until it starts

    def _start_on_trio(self, name: str, context: contextvars.Context) -> None:
        import trio

        self._scope = trio.CancelScope()
        self.loop = trio.lowlevel.current_trio_token()
        self._trio_task = trio.lowlevel.spawn_system_task(self._run_on_trio, name=name, context=context)

    async def _run_on_asyncio(self, cancelled_error: type[BaseException]) -> None:
        try:
            if not (_EAGER and self._by_loop):
                await self._check_start()
            if not self._scoped:
                self.result = await self._function()
                self.returned = True
            else:
                with _asyncio_scope()() as self._scope:
                    self.result = await self._function()
                    self.returned = True
        except BaseException as error:
            if not (self._abandoned or (self._cancelled and isinstance(error, cancelled_error))):
                self.exception = _no_stop(error)
        self._end()

    async def _run_on_trio(self) -> None:
        import trio

        @trio.lowlevel.disable_ki_protection  # Ctrl-C must be able to end a busy app, which a system task shields
        async def call() -> T:
            return await self._function()

        try:
            with self._scope:
                self._coroutine = call()
                self.result = await self._until_abandoned()
                self.returned = not self._abandoned
        except BaseException as error:  # a system task that raises takes the whole run down
            if not self._abandoned:
                self.exception = _no_stop(error)
        self._end()

    async def _check_start(self) -> None:
        if self._coroutine is None:  # the user's task factory has started it in the caller's frames
            await one_round()
        self._native.remove_done_callback(self._end_unstarted)
        caller, self._caller = self._caller, None
        if self._cancelled or (caller is not None and caller.cancelling() > self._cancellations):
            self._cancelled = True
            raise sys.modules["asyncio"].CancelledError

    @types.coroutine
    def _until_abandoned(self) -> Generator[Any, Any, Any]:
        """Do as ``await self._coroutine``; but when the task is abandoned, close that, whatever it waits for."""
        coroutine, outcome = self._coroutine, None
        while True:
            try:
                trap = coroutine.send(outcome)
            except StopIteration as end:
                return end.value
            outcome = yield trap
            if self._abandoned and not self._trio_task.child_nurseries:
                with suppress(RuntimeError):  # it goes on even then
                    coroutine.close()
                return None

    def _end(self) -> None:
        self.done = True
        _running.discard(self)
        if self._finished is not None:
            self._finished.fire()
        on_done, self._on_done = self._on_done, None  # no cycle is left for the garbage collector
        del self._function
        if on_done is not None:
            on_done()

    def _end_unstarted(self, _: Any) -> None:
        if not self.done:  # it was cancelled before its first step, and asyncio never took it
            self._end()

    def cancel(self, *, for_good: bool = False) -> None:
        """Cancel the task, unless it is done. Call it in the task's own loop.

        Args:
            for_good: Whether on asyncio, too, it is cancelled as by a scope: each of its waits raises from now on,
                those excepted that it shields. Otherwise it is cancelled as by ``task.cancel()``: once.
        """
        if not self.done:
            self._cancelled = True
            if self._scope is not None and (for_good or self._native is None):
                self._scope.cancel()
            else:
                self._native.cancel()

    def when_done(self, callback: Callable[[], object]) -> None:
        """Have `callback` called in the loop when the task is done, or at once if it is. There is one of them."""
        if self.done:
            callback()
        else:
            self._on_done = callback

    async def wait(self, timeout: float | None, cancelled: Callable[[], object] = bool) -> bool:
        """Wait until the task is done, at most `timeout` seconds (None: no limit). Return whether it is.

        The rest is as with `Wakeup.wait`.
        """
        if self.done:
            return True
        if self._finished is None:
            self._finished = Wakeup()
        return await self._finished.wait(timeout, cancelled)

    async def end(
        self,
        *,
        grace: float,
        noticed: Callable[[], object] = bool,
        at_once: bool = False,
        where: Callable[[], str] | None = None,
    ) -> None:
        """See the task to its end: let it run for a while, then cancel it, and wait until it has ended.

        Cancelling this call does not cut it short: a cancelled scope is heeded when the task has ended. asyncio's own
        ``task.cancel()`` ends the grace at once, and is raised when the task has ended. The task is cancelled in the
        way that the caller is: within a cancelled scope for good, and otherwise once.

        Args:
            grace: Seconds that the task has to end by itself, if it has noticed that it should.
            noticed: Whether it has. A task that does not take notice in the loop's next few rounds is cancelled then.
            at_once: Whether it is cancelled before the next round, unless it has noticed already.
            where: Says where it is suspended, in place of its own `where`.

        Raises:
            ApplicationStuckError: The task was cancelled, and `CANCEL_TIMEOUT` seconds later has not ended.
        """
        if self.done:
            return
        cancelled_error = anyio.get_cancelled_exc_class()
        interruption: BaseException | None = None
        for_good = cancelled_for_good()
        with anyio.CancelScope(shield=True):
            try:
                if not at_once:
                    await one_round()  # an app that listens needs no more, most often
                for _ in range(1 if at_once else ROUNDS_TO_NOTICE):
                    if self.done or noticed():
                        await self.wait(grace)
                        break
                    if not at_once:
                        await anyio.lowlevel.checkpoint()
            except cancelled_error as error:  # asyncio's own task.cancel() passes through a shield
                interruption = error
            deadline = 0.0 if self.done else anyio.current_time() + CANCEL_TIMEOUT
            while not self.done and anyio.current_time() < deadline:
                self.cancel(for_good=for_good and interruption is None)
                try:
                    await self.wait(max(0.0, deadline - anyio.current_time()))
                except cancelled_error as error:
                    interruption = error
        if not self.done:
            stuck = (where or self.where)()
            self.abandon()
            msg = f"{self._who} was cancelled, and {CANCEL_TIMEOUT} seconds later it has not ended; it is {stuck}"
            raise ApplicationStuckError(msg)
        if interruption is not None:
            raise interruption

    def abandon(self) -> None:
        """Leave to itself a task that was cancelled and goes on all the same, so that the loop can end."""
        self._abandoned = True
        if asyncio_runs():
            # Leave nothing behind that keeps the loop from closing: asyncio.run() waits for every task that it cancels.
            self._coroutine.close()
            self._native.add_done_callback(lambda task: task.exception())  # or asyncio reports that nobody looked
            self._native.cancel()
        else:
            _interrupt_on_trio(self._trio_task)

    def where(self) -> str:
        """Say where the task is suspended, for an error message."""
        coroutine = self._coroutine if self._trio_task is None else self._trio_task.coro
        return where_suspended(coroutine, self._mark, leave_out=_WAYS_IN)


def _interrupt_on_trio(task: Any) -> None:
    """Interrupt a task, or the tasks in its nurseries, so that it ends: trio waits for all tasks at the end of a run.

    They may have shielded themselves from cancellation, and there is no public way past that. (Trio 0.35 was read.)
    """

    def interrupt() -> NoReturn:
        raise GeneratorExit

    children = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    for child in children:
        _interrupt_on_trio(child)
    if not children and task._abort_func is not None:  # noqa: SLF001
        task._attempt_abort(interrupt)  # noqa: SLF001


def _no_stop(error: BaseException) -> BaseException:
    if not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    raised = RuntimeError(f"coroutine raised {type(error).__name__}")
    raised.__cause__ = error
    return raised


@lru_cache
def _asyncio_scope() -> type[anyio.CancelScope]:
    """Return the class of anyio's scopes on asyncio: to find it takes longer than all else about a scope."""
    return type(anyio.CancelScope())
