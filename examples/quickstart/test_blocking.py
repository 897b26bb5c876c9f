"""The blocking style: plain functions. The app runs in an event loop in another thread.

Take this one where nothing else in the test is asynchronous: it needs no plugin, no marks and no awaits.
"""

from collections.abc import Iterator

import pytest
from station import Sensor, app

from asgi_testkit import TestClient


@pytest.fixture
def client() -> Iterator[TestClient]:
    # `with` runs the lifespan. Without it, requests work, but there is no state: see the test at the end.
    with TestClient(app) as client:
        yield client


def test_a_json_answer(client: TestClient) -> None:
    # TestClient is an httpx.Client, with the arguments of Starlette's TestClient.
    response = client.get("/temperature")
    assert response.status_code == 200
    assert response.json() == {"celsius": 21.5}


def test_an_http_error(client: TestClient) -> None:
    response = client.get("/stations/atlantis")
    assert response.status_code == 404
    assert response.json() == {"detail": "no station called atlantis"}


def test_a_stream_that_never_ends(client: TestClient) -> None:
    with client.stream("GET", "/temperatures") as response:
        sensor: Sensor = response.extensions["asgi"].scope["state"]["sensor"]
        lines = response.iter_lines()
        assert [next(lines), next(lines), next(lines)] == ["data: 21.5", "", "data: 21.5"]
        assert sensor.listeners == 1
    assert sensor.listeners == 0


def test_a_bug_reaches_the_test_as_it_is(client: TestClient) -> None:
    with pytest.raises(NotImplementedError, match="nobody has written this yet"):
        client.get("/forecast")


def test_what_a_user_sees_of_a_bug(client: TestClient) -> None:
    response = client.get("/forecast", extensions={"asgi": {"raise_server_exceptions": False}})
    assert response.status_code == 500
    assert isinstance(response.extensions["asgi"].app_exception, NotImplementedError)


def test_a_coroutine_in_the_loop_of_the_app(client: TestClient) -> None:
    # What has to run where the app runs goes through the portal.
    sensor: Sensor = client.get("/temperature").extensions["asgi"].scope["state"]["sensor"]
    assert client.portal.call(sensor.read) == 21.5


def test_without_the_lifespan_there_is_no_state() -> None:
    with pytest.raises(AttributeError, match="sensor"):
        TestClient(app).get("/temperature")
