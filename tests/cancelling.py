"""Cancels something when it has come as far as it can, and not after a time: a busy machine is late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio


async def cancelled_once_blocked(function: Callable[[], Awaitable[object]]) -> bool:
    """Call an async function, cancel its scope when every task waits, and return whether that has ended it."""

    async def call() -> None:
        with scope:
            await function()

    scope = anyio.CancelScope()
    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
    return scope.cancelled_caught
