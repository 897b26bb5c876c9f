"""Cancels something at every one of its awaits, in turn, or when it has come as far as it can.

Not after a time: a busy machine is late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel

from asgi_testkit._conversation import task as _tasks


async def by_scope(run: Callable[[], Coroutine[Any, Any, None]], rounds: int) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(run)
        for _ in range(rounds):
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()


async def by_task(run: Callable[[], Any], rounds: int) -> None:
    task = asyncio.ensure_future(run())
    for _ in range(rounds):
        await asyncio.sleep(0)
    task.cancel()
    task.cancel()  # as an impatient runner does
    await asyncio.wait([task])


async def cancel_at_every_await(
    function: Callable[[], Awaitable[None]], how: str, anyio_backend: tuple[str, Any], check: Callable[[], object]
) -> int:
    """Call a function again and again, and cancel it after one round of the loop, two, and so on, until it is done.

    After each, no task of an app is left, and `check` is called. Return how many rounds it took.

    Args:
        function: What to call.
        how: "by scope", or "by task": on trio, tasks are cancelled by scopes only.
        anyio_backend: What it runs on.
        check: Checks what is left.
    """
    cancel = by_task if how == "by task" and anyio_backend[0] == "asyncio" else by_scope
    before = set(_tasks._running)  # an earlier test may have left one that cannot be stopped
    done: list[int] = []

    async def run() -> None:
        await function()
        done.append(rounds)

    rounds = 0
    while not done:
        await cancel(run, rounds)
        check()
        assert not _tasks._running - before
        rounds += 1
        assert rounds < 1000
    return rounds


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
