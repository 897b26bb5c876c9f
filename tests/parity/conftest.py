from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ._servers import serve
from ._worlds import OURS, WORLDS, InProcess, OnLoopback, World


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The servers run in the loop of the test, and they are asyncio's."""
    return "asyncio"


@pytest.fixture(scope="module", params=WORLDS)
async def world(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[World]:
    if request.param == OURS:
        yield InProcess()
    else:
        on_loopback = OnLoopback(request.param)
        async with serve(request.param, on_loopback) as on_loopback.url:
            yield on_loopback
