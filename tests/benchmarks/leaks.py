"""What is left behind by a thousand requests, or WebSocket sessions, at once, and by ten thousand requests in a row."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from asgi_testkit import AsyncClient, Receive, Scope, Send, TestClient

from . import apps
from .report import Row, Section, Verdict
from .rounds import Case, Settings

FDS = Path("/proc/self/fd")

#: Objects and KiB that caches, and sets of a thousand which grow by halves, may take. A leak of an object per
#: request or client is more than that.
OBJECTS_SLACK = 50
MEMORY_SLACK = 256


class Census(NamedTuple):
    """What there is, in this process and, if one runs here, in the event loop."""

    tasks: int
    fds: int
    threads: int
    objects: int
    memory: float  # KiB

    @classmethod
    def take(cls) -> Census:
        for _ in range(3):  # a finalizer may leave something for the next time
            gc.collect()
        try:
            tasks = len(asyncio.all_tasks())
        except RuntimeError:
            tasks = 0
        fds = len(os.listdir(FDS)) if FDS.exists() else 0  # noqa: PTH208 - it must not open more than one itself
        memory, _ = tracemalloc.get_traced_memory()
        return cls(tasks, fds, threading.active_count(), len(gc.get_objects()), memory / apps.KIB)

    def section(self, before: Census, case: str, how: str) -> Section:
        more = [after - earlier for after, earlier in zip(self, before, strict=True)]
        names = [f"more {name}" for name in ("tasks", "fds", "threads", "objects", "KiB")]
        rows = [Row(name, value) for name, value in zip(names, more, strict=True)]
        limits = (0, 0, 0, OBJECTS_SLACK, MEMORY_SLACK)
        verdicts = [Verdict(*judged) for judged in zip(names, more, limits, strict=True)]
        return Section(case, "left behind", how, rows, verdicts)


@dataclass(frozen=True)
class AwaitedLeakCase:
    """`job` is awaited again and again. What the first time left (caches, sets grown large) is not counted."""

    name: str
    how: str
    app: Callable[[], apps.App]
    job: Callable[[AsyncClient], Awaitable[object]]
    before: int = 1

    def run(self, settings: Settings) -> Section:
        tracemalloc.start()
        try:
            with settings.runner() as runner:
                return runner.run(self._run())
        finally:
            tracemalloc.stop()

    async def _run(self) -> Section:
        async with AsyncClient(self.app(), lifespan="off") as client:
            for _ in range(self.before):
                await self.job(client)
            before = Census.take()
            await self.job(client)
            return Census.take().section(before, self.name, self.how)


@dataclass(frozen=True)
class BlockingLeakCase:
    """As `AwaitedLeakCase`, of what a blocking client does."""

    name: str
    how: str
    job: Callable[[Settings], object]

    def run(self, settings: Settings) -> Section:
        tracemalloc.start()
        try:
            self.job(settings)
            before = Census.take()
            self.job(settings)
            return Census.take().section(before, self.name, self.how)
        finally:
            tracemalloc.stop()


class Rendezvous:
    """An app that lets all its requests wait until this many are in flight."""

    def __init__(self, party: int) -> None:
        self._party = party
        self._here = 0
        self._full = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._here += 1
        if self._here == self._party:
            self._full.set()
        await self._full.wait()
        self._here -= 1
        if not self._here:
            self._full.clear()
        await apps.respond(send)


async def thousand_at_once(client: AsyncClient) -> None:
    responses = await asyncio.gather(*(client.get("/", timeout=60) for _ in range(1000)))
    assert all(response.content == apps.TEXT for response in responses)


async def thousand_sessions_at_once(client: AsyncClient) -> None:
    """Open all of them before the first message is sent, and have ten messages in each sent back."""
    all_open = asyncio.Barrier(1000)

    async def use(number: int) -> None:
        async with client.websocket_connect("/", timeout=60) as session:
            await all_open.wait()
            for text in (f"{turn} of {number}" for turn in range(10)):
                await session.send_text(text)
                assert await session.receive_text() == text

    await asyncio.gather(*map(use, range(1000)))


async def ten_thousand_in_a_row(client: AsyncClient) -> None:
    for _ in range(10_000):
        await client.get("/")


def ten_thousand_blocking(settings: Settings) -> None:
    client = TestClient(apps.small, backend_options=settings.backend_options)
    for _ in range(10_000):
        client.get("/")
    client.close()


def thousand_bare_clients(settings: Settings) -> None:
    clients = [TestClient(apps.small, backend_options=settings.backend_options) for _ in range(1000)]
    for client in clients:
        client.get("/")


def hundred_entered_clients(settings: Settings) -> None:
    for _ in range(100):
        with TestClient(apps.speaks_lifespan, backend_options=settings.backend_options) as client:
            client.get("/")


CASES: list[Case] = [
    AwaitedLeakCase("leaks: 1,000 at once", "after the fourth 1,000", lambda: Rendezvous(1000), thousand_at_once, 3),
    AwaitedLeakCase(
        "leaks: 1,000 WebSocket sessions at once",
        "after the fourth 1,000",
        lambda: apps.echoes,
        thousand_sessions_at_once,
        3,
    ),
    AwaitedLeakCase(
        "leaks: 10,000 in a row", "after the second 10,000", lambda: apps.suspends_once, ten_thousand_in_a_row
    ),
    BlockingLeakCase("leaks: 10,000 blocking in a row", "after the second 10,000", ten_thousand_blocking),
    BlockingLeakCase("leaks: 1,000 bare clients", "after the second 1,000", thousand_bare_clients),
    BlockingLeakCase("leaks: 100 entered clients", "after the second 100", hundred_entered_clients),
]
