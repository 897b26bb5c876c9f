"""The blocking style: plain functions. The app runs in an event loop in another thread."""

from collections.abc import Iterator

import httpx
import pytest
from chat import Room, app

from asgi_testkit import TestClient, WebSocketDenied


# `with` runs the lifespan. Without it there is no state, and so no room.
@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_two_people_talk(client: TestClient) -> None:
    # Two connections in one thread: while this test waits for one of them, the app works on both.
    with client.websocket_connect("/chat/ada") as ada, client.websocket_connect("/chat/grace") as grace:
        assert ada.receive_text() == "ada is here"
        assert ada.receive_text() == "grace is here"
        assert grace.receive_text() == "grace is here"
        ada.send_text("hello")
        assert ada.receive_text() == "ada: hello"
        assert grace.receive_text() == "ada: hello"


@pytest.mark.asgi(live=False, reason="hypercorn tells the app 1006 in any case, so that nobody ever leaves")
def test_one_leaves(client: TestClient) -> None:
    with client.websocket_connect("/chat/ada") as ada:
        with client.websocket_connect("/chat/grace"):
            assert ada.receive_text() == "ada is here"
            assert ada.receive_text() == "grace is here"
        assert client.get("/members").json() == ["ada"]
        assert ada.receive_text() == "grace has left"


def test_one_is_cut_off(client: TestClient) -> None:
    with client.websocket_connect("/chat/ada") as ada, client.websocket_connect("/chat/grace") as grace:
        ada.receive_text()
        ada.receive_text()
        grace.abort()
        assert ada.receive_text() == "grace was cut off"
        ada.send_text("and where is grace?")
        assert ada.receive_text() == "ada: and where is grace?"


def test_a_name_is_taken(client: TestClient) -> None:
    with client.websocket_connect("/chat/ada") as ada:
        ada.receive_text()
        with pytest.raises(WebSocketDenied) as caught, client.websocket_connect("/chat/ada"):
            pass
    assert caught.value.response.status_code == 409


def test_nobody_speaks(client: TestClient) -> None:
    with client.websocket_connect("/chat/ada") as ada:
        ada.receive_text()
        with pytest.raises(httpx.ReadTimeout, match="in chat"):
            ada.receive_text(timeout=0.05)


def test_the_room_is_empty_in_the_end(client: TestClient) -> None:
    with client.websocket_connect("/chat/ada") as ada:
        room: Room = ada.scope["state"]["room"]
        assert list(room.members) == ["ada"]
    assert room.members == {}
