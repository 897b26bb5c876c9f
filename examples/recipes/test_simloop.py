"""The race of prices.py, found and played again by simloop, which needs Python 3.12."""

import gc
from collections.abc import Iterator
from functools import partial

import patience
import pytest
from race import change_while_somebody_reads

from asgi_testkit import AsyncClient

simloop = pytest.importorskip("simloop")


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    """Spare the garbage collection after each seed what is imported: a seed takes 7 ms, and not 60."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_a_seed_shows_the_race_whenever_it_is_played() -> None:
    report = simloop.explore(change_while_somebody_reads, seeds=range(50))
    assert isinstance(report.exception, AssertionError)
    once_more = simloop.explore(change_while_somebody_reads, seeds=[report.seed])
    assert once_more.trace_hash == report.trace_hash


def test_no_seed_shows_it_with_a_lock() -> None:
    assert simloop.explore(partial(change_while_somebody_reads, lock=True), seeds=range(50)) is None


def test_hours_take_no_time() -> None:
    async def an_hour() -> None:
        response = await AsyncClient(patience.app, timeout=None).get("/report")
        assert response.json() == "the report"

    assert simloop.explore(an_hour, seeds=range(5)) is None
