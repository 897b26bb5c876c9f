"""Timing: the contestants of a case take turns, round by round, in one process and one event loop."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any, Protocol, TypeAlias

from .report import Row, Section, Verdict

#: Opens a client, and gives a call to be timed. What it returns is compared with what the case expects, once.
Awaited: TypeAlias = Callable[[], AbstractAsyncContextManager[Callable[[], Awaitable[object]]]]
Blocking: TypeAlias = Callable[[], AbstractContextManager[Callable[[], object]]]

#: Seconds per call, one for each round.
Times: TypeAlias = dict[str, list[float]]


@dataclass(frozen=True)
class Settings:
    """How to run: rounds in place of each case's own, the loop, and whether garbage is collected in a turn."""

    rounds: int | None = None
    uvloop: bool = False
    collect: bool = False

    def runner(self) -> asyncio.Runner:
        if not self.uvloop:
            return asyncio.Runner()
        import uvloop

        return asyncio.Runner(loop_factory=uvloop.new_event_loop)

    @property
    def backend_options(self) -> dict[str, Any]:
        return {"use_uvloop": True} if self.uvloop else {}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Begin with the garbage of the others gone; and, as ``timeit`` does, collect none meanwhile.

        The first call of a turn is not timed: it pays for what the others have left, such as threads that still end.
        """
        gc.collect()
        if not self.collect:
            gc.disable()
        try:
            yield
        finally:
            gc.enable()


class Case(Protocol):
    """Something to be measured."""

    @property
    def name(self) -> str: ...

    def run(self, settings: Settings) -> Section: ...


@dataclass(frozen=True)
class Bar:
    """A limit on how many times another contestant's time one takes."""

    contestant: str
    over: str
    limit: float
    at_least: bool = False

    def judge(self, times: Times) -> Verdict:
        value = ratio(times[self.contestant], times[self.over])
        return Verdict(f"{self.contestant} / {self.over}", value, self.limit, self.at_least)


@dataclass(frozen=True)
class Timed:
    """Contestants that do the same job.

    Attributes:
        name: What is timed.
        expects: What each call has to return.
        unit: ``"µs"`` or ``"ms"``, of the table.
        baseline: The contestant whose time the table's ratios are relative to.
        calls: How many calls make a turn.
        rounds: How many turns each contestant has.
    """

    name: str
    expects: object
    unit: str
    baseline: str
    calls: int
    rounds: int
    bars: tuple[Bar, ...] = ()

    def section(self, times: Times) -> Section:
        scale = {"µs": 1e6, "ms": 1e3}[self.unit]
        rounds = len(times[self.baseline])
        how = f"median of {rounds} rounds of {self.calls}; x {self.baseline}"
        rows = [Row(name, median(all_) * scale, ratio(all_, times[self.baseline])) for name, all_ in times.items()]
        return Section(self.name, self.unit, how, rows, [bar.judge(times) for bar in self.bars])

    def check(self, contestant: str, result: object) -> None:
        if result != self.expects:
            sys.exit(f"{self.name}: {contestant} returned {result!r}, not {self.expects!r}; its time means nothing")


@dataclass(frozen=True)
class AwaitedCase(Timed):
    """Contestants that are awaited, all in one event loop."""

    contestants: Mapping[str, Awaited] | None = None

    def run(self, settings: Settings) -> Section:
        with settings.runner() as runner:
            return self.section(runner.run(self._times(settings)))

    async def _times(self, settings: Settings) -> Times:
        assert self.contestants is not None
        times: Times = {name: [] for name in self.contestants}
        async with AsyncExitStack() as stack:
            calls = {name: await stack.enter_async_context(opener()) for name, opener in self.contestants.items()}
            for name, call in calls.items():
                self.check(name, await call())
            for name in turns(list(calls), settings.rounds or self.rounds):
                call = calls[name]
                with settings.turn():
                    await call()
                    began = perf_counter()
                    for _ in range(self.calls):
                        await call()
                    times[name].append((perf_counter() - began) / self.calls)
        return times


@dataclass(frozen=True)
class BlockingCase(Timed):
    """Contestants that block. They are made with the options of the event loop that they start."""

    contestants: Callable[[dict[str, Any]], Mapping[str, Blocking]] | None = None

    def run(self, settings: Settings) -> Section:
        assert self.contestants is not None
        contestants = self.contestants(settings.backend_options)
        times: Times = {name: [] for name in contestants}
        with ExitStack() as stack:
            calls = {name: stack.enter_context(opener()) for name, opener in contestants.items()}
            for name, call in calls.items():
                self.check(name, call())
            for name in turns(list(calls), settings.rounds or self.rounds):
                call = calls[name]
                with settings.turn():
                    call()
                    began = perf_counter()
                    for _ in range(self.calls):
                        call()
                    times[name].append((perf_counter() - began) / self.calls)
        return self.section(times)


def turns(names: list[str], rounds: int) -> Iterator[str]:
    """Yield the names, round by round, each round beginning with another."""
    for number in range(rounds):
        first = number % len(names)
        yield from names[first:] + names[:first]


def ratio(times: list[float], others: list[float]) -> float:
    """Return the median of the rounds' ratios: what slows a whole round down does not count."""
    return median(time / other for time, other in zip(times, others, strict=True))
