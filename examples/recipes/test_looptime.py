"""Hours on asyncio, in no time: looptime. Run as `pytest -c pytest-looptime.ini`, by pytest-asyncio."""

import asyncio
import time

import httpx
import pytest
from patience import app

from asgi_testkit import AsyncClient, TestClient, WebSocketDisconnect


async def test_an_hour() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    response = await AsyncClient(app, timeout=None).get("/report")
    assert response.json() == "the report"
    assert loop.time() - begun == 3600


async def test_a_read_timeout_of_ten_minutes() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(httpx.ReadTimeout, match="600 seconds passed"):
        await AsyncClient(app, timeout=600).get("/report")
    assert loop.time() - begun == 600


async def test_three_minutes_of_events() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with AsyncClient(app, timeout=20).stream("GET", "/news") as response:  # a ping each 15 seconds is enough
        lines = [(loop.time() - begun, line) async for line in response.aiter_lines()]
    assert [(at, line) for at, line in lines if line.startswith("data:")] == [
        (60, "data: 1"),
        (120, "data: 2"),
        (180, "data: 3"),
    ]


async def test_half_an_hour_of_silence() -> None:
    loop = asyncio.get_running_loop()
    async with AsyncClient(app, timeout=None).websocket_connect("/echo") as session:
        await asyncio.sleep(1700)
        await session.send_text("hello")
        assert await session.receive_text() == "hello"
        begun = loop.time()
        with pytest.raises(WebSocketDisconnect, match="nothing for half an hour"):
            await session.receive_text()
        assert loop.time() - begun == 1800


# What it does not do


async def test_a_thread_is_not_waited_for() -> None:
    with pytest.raises(httpx.ReadTimeout, match=r"5\.0 seconds passed"):
        await AsyncClient(app).get("/thumbnail")


async def test_a_thread_is_waited_for_where_no_timeout_is_set() -> None:
    assert (await AsyncClient(app, timeout=None).get("/thumbnail")).json() == "the thumbnail"


@pytest.mark.looptime(idle_step=0.01)
async def test_time_goes_on_during_a_thread_by_idle_step_where_no_timeout_is_set() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await AsyncClient(app, timeout=None).get("/thumbnail")
    assert loop.time() > begun
    with pytest.raises(httpx.ReadTimeout):
        await AsyncClient(app).get("/thumbnail")


async def test_the_clock_of_a_blocking_client_is_real() -> None:
    begun = time.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        await asyncio.to_thread(TestClient(app).get, "/report", timeout=0.1)
    assert time.monotonic() - begun >= 0.1
