"""The awaited style: the test, its fixtures and the app share one event loop."""

from collections.abc import AsyncIterator

import httpx
import pytest
from chat import Room, app

from asgi_testkit import AsyncClient, WebSocketDenied

# Every `async def test_...` below is run by anyio's plugin. (With pytest-asyncio, it is `pytest.mark.asyncio`.)
pytestmark = pytest.mark.anyio


# `async with` runs the lifespan: each test finds an empty room.
@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with AsyncClient(app) as client:
        yield client


async def test_two_people_talk(client: AsyncClient) -> None:
    # One client opens as many connections as you like. Each is open from the app's accept() to the end of its block.
    async with client.websocket_connect("/chat/ada") as ada, client.websocket_connect("/chat/grace") as grace:
        assert await ada.receive_text() == "ada is here"
        assert await ada.receive_text() == "grace is here"
        assert await grace.receive_text() == "grace is here"
        await ada.send_text("hello")
        assert await ada.receive_text() == "ada: hello"
        assert await grace.receive_text() == "ada: hello"


@pytest.mark.asgi(live=False, reason="hypercorn tells the app 1006 in any case, so that nobody ever leaves")
async def test_one_leaves(client: AsyncClient) -> None:
    async with client.websocket_connect("/chat/ada") as ada:
        async with client.websocket_connect("/chat/grace"):
            assert await ada.receive_text() == "ada is here"
            assert await ada.receive_text() == "grace is here"
        # Leaving the block closed the connection, with code 1000. By now the app has seen to it: requests and
        # connections are of one client, so we may simply ask.
        assert (await client.get("/members")).json() == ["ada"]
        assert await ada.receive_text() == "grace has left"


async def test_one_is_cut_off(client: AsyncClient) -> None:
    async with client.websocket_connect("/chat/ada") as ada, client.websocket_connect("/chat/grace") as grace:
        await ada.receive_text()
        await ada.receive_text()
        # No close frame, no good-bye: a cable was pulled. close(4000, "...") would send any code and reason instead.
        await grace.abort()
        assert await ada.receive_text() == "grace was cut off"
        await ada.send_text("and where is grace?")
        assert await ada.receive_text() == "ada: and where is grace?"


async def test_one_is_cut_off_before_the_room_has_noticed(client: AsyncClient) -> None:
    async with client.websocket_connect("/chat/ada") as ada, client.websocket_connect("/chat/grace") as grace:
        await ada.receive_text()
        await ada.receive_text()
        # The app tells everybody of these words, among them one whom it cannot reach any more: send() raises there.
        # A room without the `try` in Room.tell_all fails here, and so does one that goes on with receive_text().
        await grace.send_text("I must be g")
        await grace.abort()
        assert await ada.receive_text() == "grace: I must be g"
        assert await ada.receive_text() == "grace was cut off"


async def test_a_name_is_taken(client: AsyncClient) -> None:
    async with client.websocket_connect("/chat/ada"):
        # The app answered the handshake with an HTTP response, and it is all there. (Had it closed the connection
        # instead of accepting it, this would be a WebSocketDisconnect.)
        with pytest.raises(WebSocketDenied) as caught:
            async with client.websocket_connect("/chat/ada"):
                pass
    assert caught.value.response.status_code == 409
    assert caught.value.response.text == "there is a ada here already"


async def test_nobody_speaks(client: AsyncClient) -> None:
    async with client.websocket_connect("/chat/ada") as ada:
        await ada.receive_text()
        # Seconds. The error shows where the app is suspended; nothing is lost, and the session goes on.
        with pytest.raises(httpx.ReadTimeout, match="in chat"):
            await ada.receive_text(timeout=0.05)
        await ada.send_text("is anybody there?")
        assert await ada.receive_text() == "ada: is anybody there?"


async def test_bytes_are_no_text(client: AsyncClient) -> None:
    # `pytest --asgi-live=hypercorn` found a KeyError here that no other client did: see the README.
    async with client.websocket_connect("/chat/ada") as ada:
        assert await ada.receive_text() == "ada is here"
        await ada.send_bytes(b"\x00")
        assert await ada.receive_text() == "ada has sent what is no text"


async def test_a_bug_reaches_the_test_as_it_is(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the app raises is raised here, that very exception.
    monkeypatch.delattr(Room, "tell_all")
    async with client.websocket_connect("/chat/ada") as ada:
        with pytest.raises(AttributeError, match="tell_all"):
            await ada.receive_text()


async def test_the_room_is_empty_in_the_end(client: AsyncClient) -> None:
    async with client.websocket_connect("/chat/ada") as ada:
        room: Room = ada.scope["state"]["room"]
        assert list(room.members) == ["ada"]
    assert room.members == {}
