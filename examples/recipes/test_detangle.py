"""The race of prices.py, found, made as small as can be, and played again by detangle."""

import asyncio
from functools import partial

import anyio
import detangle
import patience
import pytest
from race import change_while_somebody_reads

from asgi_testkit import AsyncClient


def test_plain_runs_do_not_show_it() -> None:
    for _ in range(10):
        asyncio.run(change_while_somebody_reads())


# The same draws each time, and no folder with what was found before.
explore = partial(detangle.explore, seed=1, database=False)


def test_one_step_out_of_order_shows_it() -> None:
    with pytest.raises(detangle.BugFound) as found:
        explore(change_while_somebody_reads, runs=200, strategy="random")
    report = found.value.report
    assert report.deviations == 1
    with pytest.raises(detangle.BugFound):
        detangle.replay(change_while_somebody_reads, report.token)


def test_nothing_shows_it_with_a_lock_up_to_two_steps_out_of_order() -> None:
    with_a_lock = partial(change_while_somebody_reads, lock=True)
    stats = explore(with_a_lock, runs=5000, strategy=detangle.DFS(max_delays=2))
    assert stats.exhausted


# What it does not do


def test_pct_does_not_get_past_a_cancellation_by_anyio() -> None:
    async def leave_after_a_minute() -> None:
        with anyio.move_on_after(60):
            await AsyncClient(patience.app, timeout=None).get("/report")

    with pytest.raises(detangle.BugFound, match="StepLimitExceeded"):
        explore(leave_after_a_minute, runs=50, strategy="pct", max_steps=1000, shrink=False)
    explore(leave_after_a_minute, runs=50, strategy="random")


def test_there_are_no_threads() -> None:
    async def in_a_thread() -> None:
        await AsyncClient(patience.app, timeout=None).get("/thumbnail")

    with pytest.raises(detangle.BugFound, match="Deadlock"):
        explore(in_a_thread, runs=1)
