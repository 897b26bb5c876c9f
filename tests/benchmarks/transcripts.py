"""What it costs that the plugin listens to every test: twenty requests with it, and twenty without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from typing import Any, TypeAlias

from fastapi import FastAPI

from asgi_testkit import AsyncClient, TestClient
from asgi_testkit._plugin.current_test import CurrentTest

from .rounds import Awaited, AwaitedCase, Bar, Blocking, BlockingCase, Case

OFF = "without the plugin"
NO_TRANSCRIPTS = "--asgi-transcript=off"
DEFAULT = "--asgi-transcript=failed, the default"
BAR = Bar(DEFAULT, OFF, 1.10)
REQUESTS = 20

#: Begins what is one test to the plugin.
Test: TypeAlias = Callable[[], AbstractContextManager[None]]

TESTS: dict[str, Test] = {
    OFF: nullcontext,
    NO_TRANSCRIPTS: lambda: CurrentTest("off", for_files=False).running(""),
    DEFAULT: lambda: CurrentTest("failed", for_files=False).running(""),
}

app = FastAPI()


@app.get("/items/{number}")
async def item(number: int) -> dict[str, int]:
    return {"number": number}


def awaited(test: Test) -> Awaited:
    @asynccontextmanager
    async def opener() -> AsyncIterator[Callable[[], Awaitable[object]]]:
        async def call() -> object:
            with test():
                return [(await client.get("/items/1")).status_code for _ in range(REQUESTS)]

        async with AsyncClient(app) as client:
            yield call

    return opener


def blocking(test: Test, backend_options: dict[str, Any]) -> Blocking:
    @contextmanager
    def opener() -> Iterator[Callable[[], object]]:
        def call() -> object:
            with test():
                return [client.get("/items/1").status_code for _ in range(REQUESTS)]

        with TestClient(app, backend_options=backend_options) as client:
            yield call

    return opener


def all_blocking(backend_options: dict[str, Any]) -> Mapping[str, Blocking]:
    return {name: blocking(test, backend_options) for name, test in TESTS.items()}


CASES: list[Case] = [
    AwaitedCase(
        "transcripts, 20 awaited GETs of FastAPI",
        expects=[200] * REQUESTS,
        unit="ms",
        baseline=OFF,
        calls=5,
        rounds=60,
        bars=(BAR,),
        contestants={name: awaited(test) for name, test in TESTS.items()},
    ),
    BlockingCase(
        "transcripts, 20 blocking GETs of FastAPI",
        expects=[200] * REQUESTS,
        unit="ms",
        baseline=OFF,
        calls=5,
        rounds=60,
        bars=(BAR,),
        contestants=all_blocking,
    ),
]
