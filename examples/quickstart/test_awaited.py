"""The awaited style: the test, its fixtures and the app share one event loop.

Take this one where fixtures are asynchronous too, or where the test does something while a request is on its way.
"""

from collections.abc import AsyncIterator

import httpx
import pytest
from station import Sensor, app

from asgi_testkit import AsyncClient, LifespanManager

# Every `async def test_...` below is run by anyio's plugin. (With pytest-asyncio, it is `pytest.mark.asyncio`.)
pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    # `async with` runs the lifespan: the startup before the first request, the shutdown after the last.
    async with AsyncClient(app) as client:
        yield client


async def test_a_json_answer(client: AsyncClient) -> None:
    # AsyncClient is an httpx.AsyncClient: all that you know of httpx holds. A path is enough of a URL.
    response = await client.get("/temperature")
    assert response.status_code == 200
    assert response.json() == {"celsius": 21.5}


async def test_an_http_error(client: AsyncClient) -> None:
    response = await client.get("/stations/atlantis")
    assert response.status_code == 404
    assert response.json() == {"detail": "no station called atlantis"}


async def test_a_stream_that_never_ends(client: AsyncClient) -> None:
    async with client.stream("GET", "/temperatures") as response:
        sensor: Sensor = response.extensions["asgi"].scope["state"]["sensor"]
        lines = response.aiter_lines()
        assert [await anext(lines), await anext(lines), await anext(lines)] == ["data: 21.5", "", "data: 21.5"]
        assert sensor.listeners == 1
    # Leaving the block hangs up. The app was told, and has cleaned up by now.
    assert sensor.listeners == 0


async def test_a_bug_reaches_the_test_as_it_is(client: AsyncClient) -> None:
    # The exception itself, with the traceback that leads to the line at fault.
    with pytest.raises(NotImplementedError, match="nobody has written this yet"):
        await client.get("/forecast")


async def test_what_a_user_sees_of_a_bug(client: AsyncClient) -> None:
    # For this one request, do as a server does. What the app raised is still at hand.
    response = await client.get("/forecast", extensions={"asgi": {"raise_server_exceptions": False}})
    assert response.status_code == 500
    assert response.text == "Internal Server Error"
    assert isinstance(response.extensions["asgi"].app_exception, NotImplementedError)


async def test_a_slow_app_is_not_waited_for(client: AsyncClient) -> None:
    # Timeouts count. The error says what the client waited for, and where the app was suspended.
    with pytest.raises(httpx.ReadTimeout, match="in storm"):
        await client.get("/storm", timeout=0.05)


async def test_the_sensor_is_closed_at_shutdown() -> None:
    # LifespanManager runs the lifespan alone, and shows its state.
    async with LifespanManager(app) as manager:
        sensor: Sensor = manager.state["sensor"]
        assert sensor.is_open
    assert not sensor.is_open
