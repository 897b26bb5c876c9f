"""FastAPI's WebSockets: parameters, dependencies, validation, how they reject."""

# No postponed annotations: FastAPI could not look the local names in them up.

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    Cookie,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Query,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
    status,
)
from fastapi.exceptions import WebSocketRequestValidationError

from asgi_testkit import WebSocketDenied
from asgi_testkit import WebSocketDisconnect as Disconnect
from tests.faces import Face
from tests.messages import Recorder


def chat(story: Recorder) -> FastAPI:
    """Return an app that lets those in who have a token, and tells what happens in it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        yield {"rooms": {"red": []}}

    async def session() -> AsyncIterator[str]:
        story("session opened")
        try:
            yield "session"
        finally:
            story("session closed")

    async def user(
        token: Annotated[str | None, Query()] = None, cookie: Annotated[str | None, Cookie(alias="token")] = None
    ) -> str:
        if token is None and cookie is None:
            raise WebSocketException(status.WS_1008_POLICY_VIOLATION, "who are you?")
        return token or cookie or ""

    app = FastAPI(lifespan=lifespan)
    router = APIRouter(prefix="/rooms")

    @router.websocket("/{room}")
    async def talk(
        websocket: WebSocket,
        room: str,
        user: Annotated[str, Depends(user)],
        session: Annotated[str, Depends(session)],
        limit: int = 10,
        x_language: Annotated[str, Header()] = "en",
    ) -> None:
        if room not in websocket.state.rooms:
            raise HTTPException(404, "no such room")
        await websocket.accept()
        await websocket.send_json({"user": user, "limit": limit, "language": x_language, "session": session})
        try:
            while True:
                await websocket.send_text(f"{user}: {await websocket.receive_text()}")
        except WebSocketDisconnect as error:
            story(f"left with {error.code}")

    @app.websocket("/careless")
    async def careless(websocket: WebSocket, session: Annotated[str, Depends(session)]) -> None:
        await websocket.accept()
        await websocket.receive_text()

    app.include_router(router)
    return app


def test_fastapi_talks(face: Face) -> None:
    story = Recorder()
    with face.open(chat(story), lifespan="on") as client:
        with client.connect("/rooms/red", params={"token": "me", "limit": 5}, headers={"x-language": "de"}) as socket:
            assert socket.receive_json() == {"user": "me", "limit": 5, "language": "de", "session": "session"}
            socket.send_text("hello")
            assert socket.receive_text() == "me: hello"
            socket.close(4000)
        assert story.events == ["session opened", "left with 4000", "session closed"]


def test_a_dependency_sees_the_client_s_cookies(face: Face) -> None:
    with (
        face.open(chat(Recorder()), cookies={"token": "from a cookie"}) as client,
        client.connect("/rooms/red") as socket,
    ):
        assert socket.receive_json()["user"] == "from a cookie"


def test_a_dependency_rejects(face: Face) -> None:
    story = Recorder()
    with face.open(chat(story)) as client, pytest.raises(Disconnect) as caught:
        client.connect("/rooms/red").__enter__()
    assert (caught.value.code, caught.value.reason) == (1008, "who are you?")
    assert not isinstance(caught.value, WebSocketDenied)
    assert story.events == []


def test_an_endpoint_denies_with_a_response(face: Face) -> None:
    story = Recorder()
    with face.open(chat(story)) as client, pytest.raises(WebSocketDenied) as caught:
        client.connect("/rooms/blue?token=me").__enter__()
    assert caught.value.response.status_code == 404
    assert "no such room" in caught.value.response.text
    assert story.events == ["session opened", "session closed"]


def test_a_parameter_that_is_not_valid_rejects(face: Face) -> None:
    with face.open(chat(Recorder())) as client:
        with pytest.raises(Disconnect) as caught:
            client.connect("/rooms/red?token=me&limit=many").__enter__()
        assert caught.value.code == status.WS_1008_POLICY_VIOLATION


def test_its_validation_error_can_be_handled_by_the_app(face: Face) -> None:
    app, story = chat(Recorder()), Recorder()

    @app.exception_handler(WebSocketRequestValidationError)
    async def handle(websocket: WebSocket, error: WebSocketRequestValidationError) -> None:
        story(error.errors()[0]["loc"])
        await websocket.close(4422, "invalid")

    with face.open(app) as client, pytest.raises(Disconnect) as caught:
        client.connect("/rooms/red?token=me&limit=many").__enter__()
    assert (caught.value.code, caught.value.reason) == (4422, "invalid")
    assert story.events == [("query", "limit")]


def test_a_disconnect_that_the_app_does_not_catch_is_raised_when_the_block_is_left(face: Face) -> None:
    story = Recorder()
    with face.open(chat(story)) as client:
        with pytest.raises(WebSocketDisconnect) as caught, client.connect("/careless"):
            pass
        assert caught.value.code == 1000
        assert story.events == ["session opened", "session closed"]
        with client.connect("/careless", extensions={"asgi": {"raise_server_exceptions": False}}):
            pass


def test_an_overridden_dependency_is_used(face: Face) -> None:
    def who() -> str:
        return "nobody"

    app = FastAPI()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket, name: Annotated[str, Depends(who)]) -> None:
        await websocket.accept()
        await websocket.send_text(name)
        await websocket.close()

    with face.open(app) as client:
        for expected in ("nobody", "the test"):
            with client.connect() as socket:
                assert list(socket) == [expected]
            app.dependency_overrides[who] = lambda: "the test"
