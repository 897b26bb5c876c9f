"""Asks which event loop runs, and does what asyncio and trio do differently: checkpoints, cancellation, threads.

This, `wakeup` and `task` alone know asyncio and trio, and import neither before one of them runs.
"""

from __future__ import annotations

import contextvars
import gc
import math
import os
import sys
import types
from collections.abc import Callable, Generator, Iterator
from typing import Any

import anyio
import anyio.lowlevel

from .._errors import WrongEventLoopError


def asyncio_runs() -> bool:
    """Whether the loop that runs here is asyncio's. In trio's guest mode one runs, too, but not this task."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        if asyncio.current_task() is not None:
            return True
    except RuntimeError:
        return False
    trio = sys.modules.get("trio")
    return trio is None or not trio.lowlevel.in_trio_run()


def current_loop() -> Any:
    """Return what identifies the running event loop: the asyncio loop, or trio's token.

    Raises:
        RuntimeError: No event loop is running in this thread.
    """
    if asyncio_runs():
        import asyncio

        return asyncio.get_running_loop()
    import trio

    return trio.lowlevel.current_trio_token()


def soon_threadsafe() -> Callable[[Callable[[], object]], object]:
    """Return the running loop's way to call from another thread. It raises RuntimeError when the loop has ended."""
    loop = current_loop()
    return loop.call_soon_threadsafe if asyncio_runs() else loop.run_sync_soon  # type: ignore[no-any-return]


def call_later(seconds: float, function: Callable[[], object]) -> Callable[[], object]:
    """Have the running loop call a function, which must not raise, in some seconds. Return what calls that off."""
    if asyncio_runs():
        return sys.modules["asyncio"].get_running_loop().call_later(seconds, function).cancel  # type: ignore[no-any-return]
    trio = sys.modules["trio"]

    async def wait() -> None:
        with scope:
            await trio.sleep(seconds)
            function()

    scope = trio.CancelScope()
    trio.lowlevel.spawn_system_task(wait)
    return scope.cancel  # type: ignore[no-any-return]


def running_tasks() -> Iterator[tuple[Any, contextvars.Context]]:
    """Yield the coroutine of every task of the running loop, and the context that it runs in; none without a loop."""
    try:
        on_asyncio = isinstance(current_loop(), sys.modules["asyncio"].AbstractEventLoop)
    except (RuntimeError, KeyError):
        return
    if on_asyncio:
        for task in sys.modules["asyncio"].all_tasks():
            contexts = [each for each in gc.get_referents(task) if isinstance(each, contextvars.Context)]
            yield task.get_coro(), contexts[0]  # its get_context() came with Python 3.12
    else:
        tasks = [sys.modules["trio"].lowlevel.current_root_task()]
        while tasks:
            task = tasks.pop()
            tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
            yield task.coro, task.context


@types.coroutine
def one_round() -> Generator[None, None, None]:
    """Let the loop go round once, on asyncio: most apps answer in that time, and no way of waiting is cheaper."""
    if asyncio_runs():
        yield  # what asyncio.sleep(0) does


async def checkpoint() -> None:
    """Let the loop go round once, and raise a cancellation that is pending."""
    if asyncio_runs():
        await one_round()
    else:
        await anyio.lowlevel.checkpoint()


async def in_turn(act: Callable[[], object]) -> None:
    """A checkpoint, and `act` in it, once no cancellation is pending: those who come one after another act so.

    trio takes up the tasks of a round in any order, so there the round follows the act.
    """
    if asyncio_runs():
        await one_round()
        act()
    else:
        await anyio.lowlevel.checkpoint_if_cancelled()
        act()
        await anyio.lowlevel.cancel_shielded_checkpoint()


def cancellation_may_be_pending() -> bool:
    """Whether a checkpoint may raise. That of a scope on asyncio is not seen here: the start of a task looks for it."""
    return not asyncio_runs() or sys.modules["asyncio"].current_task().cancelling() > 0


def cancellation_in_flight() -> BaseException | None:
    """Return the cancellation that is being handled, if one is."""
    error = sys.exception()
    return error if isinstance(error, anyio.get_cancelled_exc_class()) else None


def cancelled_for_good() -> bool:
    """Whether the caller is in a cancelled scope, so that each of its waits raises from now on.

    asyncio's own ``task.cancel()`` is not for good: it is raised once.
    """
    return anyio.current_effective_deadline() == -math.inf


def _current_test() -> str:
    """Say in which test, and which phase of it, pytest is; "" outside of pytest."""
    test = os.environ.get("PYTEST_CURRENT_TEST")
    return "" if test is None else f" (in {test})"


class HomeLoop:
    """The event loop that something was opened in, and has to be used in."""

    def __init__(self, owner: str, loop: Any = None) -> None:
        """Note the loop, by default the running one; `owner` is what an error calls that something."""
        self._owner = owner
        self._loop = current_loop() if loop is None else loop
        self._test = _current_test() if loop is None else ""  # else it may have been opened in another test

    @property
    def here(self) -> bool:
        """Whether the running loop is this one."""
        return current_loop() is self._loop

    @property
    def runs_here(self) -> bool:
        """Whether it runs in this thread, where any loop, or none, may."""
        module = sys.modules[self.backend]
        try:
            if self.backend == "asyncio":
                return module.get_running_loop() is self._loop
            return module.lowlevel.current_trio_token() is self._loop
        except RuntimeError:
            return False

    def is_same_as(self, other: HomeLoop) -> bool:
        """Whether it is the same loop."""
        return self._loop is other._loop

    @property
    def backend(self) -> str:
        """What `anyio.run` calls its kind."""
        return "asyncio" if hasattr(self._loop, "is_closed") else "trio"

    def soon(self, function: Callable[[], object]) -> None:
        """Have it call a function; in any thread.

        Raises:
            RuntimeError: It has ended.
        """
        call = self._loop.call_soon_threadsafe if self.backend == "asyncio" else self._loop.run_sync_soon
        call(function)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        if self.backend == "asyncio":
            return bool(self._loop.is_closed())
        try:
            self._loop.run_sync_soon(bool)
        except RuntimeError:
            return True
        return False

    def check(self) -> None:
        """Check that the running loop is this one.

        Raises:
            WrongEventLoopError: It is another. The text names both.
        """
        if current_loop() is not self._loop:
            raise WrongEventLoopError(self.complaint())

    def complaint(self) -> str:
        """Say what is wrong where the running loop is another, and what to do."""
        return (
            f"this {self._owner} was opened in the event loop {self._loop!r}{self._test} and is used in "
            f"{current_loop()!r}{_current_test()}. Does a "
            "fixture of a wider scope open it, while each test has a loop of its own? Give both the same one: with "
            'pytest-asyncio, @pytest_asyncio.fixture(loop_scope="session") and '
            '@pytest.mark.asyncio(loop_scope="session"); with the anyio plugin, an anyio_backend fixture of the '
            "wider scope; or narrow the fixture to the test."
        )
