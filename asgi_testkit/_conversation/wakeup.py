"""Wakeup: how one side of a conversation waits for the other, on asyncio or trio."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from .loop import asyncio_runs, checkpoint

#: How many rounds of the loop a task that was just woken has to take notice.
ROUNDS_TO_NOTICE = 5


class Wakeup:
    """An event without memory: wakes whoever waits now. Check your condition before you wait, and again after.

    Every chunk of a body passes through two of these. So on asyncio they wait on bare futures, at half the price of an
    event within a cancel scope.

    Attributes:
        count: How often it was fired.
    """

    count: int = 0
    _futures: list[Any] | None = None  # on asyncio
    _parked: set[Any] | None = None  # on trio: tasks

    def fire(self) -> None:
        """Wake everyone who waits now."""
        self.count += 1
        if self._futures:
            futures, self._futures = self._futures, None
            for future in futures:
                _resolve(future, woken=True)
        if self._parked:
            parked, self._parked = self._parked, None
            for task in parked:
                sys.modules["trio"].lowlevel.reschedule(task)

    async def wait(self, timeout: float | None = None, cancelled: Callable[[], object] = bool) -> bool:
        """Wait for the next `fire`, at most `timeout` seconds (None: no limit). Return whether it came.

        Where the loop has stalled, the timer and what was waited for are due at once, and the timer may be the first.
        So before it is told, the loop goes round a few times more. Cancelling the wait changes nothing for the others.

        Args:
            timeout: Seconds.
            cancelled: Called on trio in the very moment in which the wait is cancelled. There, what runs next is a
                matter of chance; on asyncio it is the task that was cancelled, so it has no need to be told.
        """
        count = self.count
        wait = self._wait_on_asyncio(timeout) if asyncio_runs() else self._wait_on_trio(timeout, cancelled)
        if await wait:
            return True
        for _ in range(ROUNDS_TO_NOTICE):
            if self.count > count:
                return True
            await checkpoint()
        return self.count > count

    async def _wait_on_trio(self, timeout: float | None, cancelled: Callable[[], object]) -> bool:
        trio = sys.modules["trio"]
        task = trio.lowlevel.current_task()
        if self._parked is None:
            self._parked = set()
        parked = self._parked

        def abort(_: Any) -> Any:
            parked.discard(task)
            if not limit.cancel_called:
                cancelled()
            return trio.lowlevel.Abort.SUCCEEDED

        with trio.move_on_after(math.inf if timeout is None else timeout) as limit:
            parked.add(task)
            await trio.lowlevel.wait_task_rescheduled(abort)
            return True
        return False

    async def _wait_on_asyncio(self, timeout: float | None) -> bool:
        loop = sys.modules["asyncio"].get_running_loop()
        future = loop.create_future()
        if self._futures is None:
            self._futures = []
        self._futures.append(future)
        timer = None if timeout is None else loop.call_later(timeout, partial(_resolve, future, woken=False))
        try:
            woken: bool = await future
        finally:
            if timer is not None:
                timer.cancel()
            if self._futures is not None and future in self._futures:  # it was not woken
                self._futures.remove(future)
        return woken


def _resolve(future: Any, *, woken: bool) -> None:
    if not future.done():
        future.set_result(woken)
