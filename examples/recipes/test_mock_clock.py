"""Hours on trio, in no time: the clock that trio brings for tests."""

import httpx
import pytest
import trio
from patience import app
from trio.testing import MockClock

from asgi_testkit import AsyncClient, WebSocketDisconnect


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Have anyio's plugin run trio, with a clock that jumps whenever nothing is left to do."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


async def test_an_hour() -> None:
    begun = trio.current_time()
    response = await AsyncClient(app, timeout=None).get("/report")
    assert response.json() == "the report"
    assert trio.current_time() - begun == 3600


async def test_a_read_timeout_of_ten_minutes() -> None:
    begun = trio.current_time()
    with pytest.raises(httpx.ReadTimeout, match="600 seconds passed"):
        await AsyncClient(app, timeout=600).get("/report")
    assert trio.current_time() - begun == 600


async def test_three_minutes_of_events() -> None:
    begun = trio.current_time()
    async with AsyncClient(app, timeout=20).stream("GET", "/news") as response:
        events = [line async for line in response.aiter_lines() if line.startswith("data:")]
    assert events == ["data: 1", "data: 2", "data: 3"]
    assert trio.current_time() - begun == 180


async def test_half_an_hour_of_silence() -> None:
    begun = trio.current_time()
    async with AsyncClient(app, timeout=None).websocket_connect("/echo") as session:
        with pytest.raises(WebSocketDisconnect, match="nothing for half an hour"):
            await session.receive_text()
    assert trio.current_time() - begun == 1800


# What it does not do


async def test_a_thread_is_not_waited_for() -> None:
    with pytest.raises(httpx.ReadTimeout, match=r"5\.0 seconds passed"):
        await AsyncClient(app).get("/thumbnail")


async def test_a_thread_is_waited_for_where_no_timeout_is_set() -> None:
    assert (await AsyncClient(app, timeout=None).get("/thumbnail")).json() == "the thumbnail"
