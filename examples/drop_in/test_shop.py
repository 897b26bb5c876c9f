"""A suite as there are thousands: the client of FastAPI, blocking, with Starlette's exceptions."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from shop import app
from starlette.testclient import WebSocketDenialResponse


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_a_sale(client: TestClient) -> None:
    assert client.post("/sales/tea").json() == {"left": 1}


def test_the_last_one(client: TestClient) -> None:
    assert [client.post("/sales/tea").status_code for _ in range(3)] == [200, 200, 404]


def test_the_state_of_the_lifespan(client: TestClient) -> None:
    assert client.app_state == {"stock": {"tea": 2}}


def test_a_member(client: TestClient) -> None:
    with client.websocket_connect("/members?card=7") as session:
        session.send_text("hello")
        assert session.receive_json() == {"card": "7", "said": "hello"}


def test_a_stranger(client: TestClient) -> None:
    with pytest.raises(WebSocketDenialResponse) as caught, client.websocket_connect("/members"):
        pass
    assert (caught.value.status_code, caught.value.text) == (403, "members only")
