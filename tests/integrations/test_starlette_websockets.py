"""Starlette's WebSockets: endpoints, what they see of the handshake, denials, errors, middleware."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, SimpleUser, requires
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketState
from starlette.websockets import WebSocketDisconnect as StarlettesDisconnect

from asgi_testkit import ASGIProtocolError, WebSocketDenied, WebSocketDisconnect
from tests.faces import Face
from tests.messages import Recorder

LENIENT = {"asgi": {"raise_server_exceptions": False}}


def starlette(endpoint: Callable[..., Any], *middleware: Middleware, **options: Any) -> Starlette:
    """Return an app with one route."""
    return Starlette(routes=[WebSocketRoute("/", endpoint)], middleware=middleware, **options)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text.upper())


# Endpoints


def test_an_endpoint_function_talks(face: Face) -> None:
    with face.open(starlette(echo)) as client, client.connect() as socket:
        for text in ("one", "two"):
            socket.send_text(text)
            assert socket.receive_text() == text.upper()
        socket.close(3000)
        socket.wait()
        assert socket.session.app_exception is None


def test_an_endpoint_that_is_left_by_a_failed_assertion_is_told_of_in_one_line(face: Face) -> None:
    async def listens(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text(await websocket.receive_text())

    with (
        face.open(starlette(listens), lifespan="off") as client,
        pytest.raises(AssertionError) as caught,
        client.connect() as socket,
    ):
        socket.send_text("joe")
        assert socket.receive_text() == "bye"
    [told] = caught.value.__notes__
    assert told.startswith("The application raised WebSocketDisconnect(")
    assert told.endswith(", as the client had gone.")
    assert "\n" not in told


@pytest.mark.parametrize(
    "encoding, verb, data", [("text", "text", "a"), ("bytes", "bytes", b"a"), ("json", "json", {})]
)
def test_an_endpoint_class_is_told_of_everything(face: Face, encoding: str, verb: str, data: Any) -> None:
    story = Recorder()

    class Endpoint(WebSocketEndpoint):
        async def on_connect(self, websocket: WebSocket) -> None:
            story("connected")
            await super().on_connect(websocket)

        async def on_receive(self, websocket: WebSocket, received: Any) -> None:
            story(received)
            await getattr(websocket, f"send_{verb}")(received)

        async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
            story(close_code)

    Endpoint.encoding = encoding  # type: ignore[assignment]  # it is one of its literals
    with face.open(starlette(Endpoint)) as client, client.connect() as socket:
        socket.do(f"send_{verb}", data)
        assert socket.do(f"receive_{verb}") == data
        socket.close(4001)
    assert story.events == ["connected", data, 4001]


def test_an_endpoint_class_that_gets_the_wrong_kind_closes_and_fails(face: Face) -> None:
    class Endpoint(WebSocketEndpoint):
        encoding = "bytes"

    with face.open(starlette(Endpoint)) as client:
        with (
            pytest.raises(RuntimeError, match="Expected bytes websocket messages, but got text"),
            client.connect() as socket,
        ):
            socket.send_text("text")
            with pytest.raises(WebSocketDisconnect) as caught:
                socket.receive()
            assert caught.value.code == 1003
        with client.connect(extensions=LENIENT) as socket:
            socket.send_text("text")
            assert list(socket) == []
            assert socket.session.close_code == 1003


@pytest.mark.parametrize("mode", ["text", "binary"])
def test_json_is_understood_in_both_modes(face: Face, mode: str) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(await websocket.receive_json(mode), mode)
        await websocket.close()

    value = {"name": "caf\u00e9", "list": [1, 2.5, None]}
    with face.open(starlette(endpoint)) as client, client.connect() as socket:
        socket.send_json(value, mode)
        assert socket.receive_json(mode) == value


def test_an_endpoint_sees_the_handshake(face: Face) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept("chat", [(b"x-room", websocket.path_params["room"].encode())])
        await websocket.send_json(
            [
                str(websocket.url),
                dict(websocket.query_params),
                websocket.headers["x-token"],
                websocket.cookies,
                websocket.client,
                websocket.scope["subprotocols"],
                websocket.headers["authorization"],
            ]
        )
        await websocket.close(1001, "bye")

    app = Starlette(routes=[Mount("/rooms", routes=[WebSocketRoute("/{room}", endpoint)])])
    with (
        face.open(app, headers={"x-token": "1"}, cookies={"a": "1"}, auth=("user", "secret")) as client,
        client.connect("wss://example.org/rooms/red?q=1", ["chat"], cookies={"b": "2"}) as socket,
    ):
        assert socket.session.subprotocol == "chat"
        assert socket.session.headers["x-room"] == "red"
        url, *seen = socket.receive_json()
        assert url == "wss://example.org/rooms/red?q=1"
        assert seen[:3] == [{"q": "1"}, "1", {"a": "1", "b": "2"}]
        assert seen[3:5] == [["testclient", 50000], ["chat"]]
        assert seen[5].startswith("Basic ")
        with pytest.raises(WebSocketDisconnect) as caught:
            socket.receive()
        assert (caught.value.code, caught.value.reason) == (1001, "bye")


# How it ends


def test_a_rejection_is_a_disconnect(face: Face) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.close(4003, "not you")

    with face.open(starlette(endpoint)) as client, pytest.raises(WebSocketDisconnect) as caught:
        client.connect().__enter__()
    assert (caught.value.code, caught.value.reason) == (4003, "not you")


def test_a_websocket_exception_is_a_rejection_or_a_close(face: Face) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        if "accept" in websocket.query_params:
            await websocket.accept()
        raise WebSocketException(1008, "no")

    with face.open(starlette(endpoint)) as client:
        with pytest.raises(WebSocketDisconnect) as rejected:
            client.connect().__enter__()
        assert (rejected.value.code, rejected.value.reason, rejected.value.response is None) == (1008, "no", False)
        with client.connect("/?accept=1") as socket, pytest.raises(WebSocketDisconnect) as closed:
            socket.receive()
        assert (closed.value.code, closed.value.reason, closed.value.response) == (1008, "no", None)


@pytest.mark.parametrize("kind", ["json", "text", "stream"])
def test_a_denial_response_can_be_read(face: Face, kind: str) -> None:
    async def chunks() -> Any:
        yield "who "
        yield "are you?"

    async def endpoint(websocket: WebSocket) -> None:
        response: Any = {
            "json": JSONResponse({"detail": "who are you?"}, 401),
            "text": PlainTextResponse("who are you?", 401),
            "stream": StreamingResponse(chunks(), 401),
        }[kind]
        response.set_cookie("seen", "1")
        await websocket.send_denial_response(response)

    with face.open(starlette(endpoint)) as client, pytest.raises(WebSocketDenied) as caught:
        client.connect().__enter__()
    response = caught.value.response
    assert response.status_code == 401
    assert "who are you?" in response.text
    assert dict(response.cookies) == {"seen": "1"}


def test_an_http_exception_is_a_denial(face: Face) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        raise HTTPException(418, "a teapot", headers={"x-tea": "1"})

    with face.open(starlette(endpoint)) as client, pytest.raises(WebSocketDenied, match="418") as caught:
        client.connect().__enter__()
    assert (caught.value.response.text, caught.value.response.headers["x-tea"]) == ("a teapot", "1")


def test_under_a_server_that_does_not_offer_denials_an_http_exception_is_an_error(face: Face) -> None:
    """Starlette's `send_denial_response` looks for the extension; what it makes of an exception does not."""

    async def endpoint(websocket: WebSocket) -> None:
        if "exception" in websocket.query_params:
            raise HTTPException(401)
        await websocket.send_denial_response(PlainTextResponse("no", 401))

    with face.open(starlette(endpoint), asgi_extensions={}) as client:
        with pytest.raises(ASGIProtocolError, match=r"The extension websocket.http.response is not offered"):
            client.connect("/?exception=1").__enter__()
        with pytest.raises(RuntimeError, match="doesn't support the Websocket Denial Response extension"):
            client.connect().__enter__()


def test_an_unknown_path_is_rejected(face: Face) -> None:
    with face.open(starlette(echo)) as client, pytest.raises(WebSocketDisconnect):
        client.connect("/elsewhere").__enter__()


@pytest.mark.parametrize("accepts", [False, True])
def test_what_an_endpoint_raises_is_raised_as_it_is(face: Face, accepts: bool) -> None:
    error = LookupError("no such thing")

    async def endpoint(websocket: WebSocket) -> None:
        if accepts:
            await websocket.accept()
            await websocket.receive_text()
        raise error

    with face.open(starlette(endpoint)) as client:
        with pytest.raises(LookupError) as caught, client.connect() as socket:
            socket.send_text("go")
            socket.receive()
        assert caught.value is error
        with pytest.raises(WebSocketDisconnect) as served, client.connect(extensions=LENIENT) as socket:
            socket.send_text("go")
            socket.receive()
        assert (served.value.code, isinstance(served.value, WebSocketDenied)) == (
            (1011, False) if accepts else (1006, True)
        )


def test_a_disconnect_that_the_app_does_not_catch_is_raised_when_the_block_is_left(face: Face) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.receive_text()

    with face.open(starlette(endpoint)) as client:
        with pytest.raises(StarlettesDisconnect) as caught, client.connect() as socket:
            socket.close(4000, "done")
        assert (caught.value.code, caught.value.reason) == (4000, "done")
        with client.connect(extensions=LENIENT):
            pass


def test_a_send_after_the_client_has_gone_is_starlette_s_disconnect_and_no_failure(face: Face) -> None:
    story = Recorder()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        await websocket.receive()
        try:
            await websocket.send_text("too late")
        except StarlettesDisconnect as error:
            story((error.code, websocket.application_state))
            raise

    with face.open(starlette(endpoint)) as client, client.connect() as socket:
        socket.send_text("go")
    assert story.events == [(1006, WebSocketState.DISCONNECTED)]


def test_cleanup_is_done_when_the_block_is_left(face: Face) -> None:
    story = Recorder()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep_forever)
                async for text in websocket.iter_text():
                    story(text)
                group.cancel_scope.cancel()
        finally:
            story("cleaned up")

    with face.open(starlette(endpoint)) as client:
        with client.connect() as socket:
            socket.send_text("hello")
        assert story.events == ["hello", "cleaned up"]


# Broadcast, middleware, authentication


def test_a_message_goes_to_everyone_in_the_room(face: Face) -> None:
    room: set[WebSocket] = set()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        room.add(websocket)
        try:
            async for text in websocket.iter_text():
                for each in room:
                    await each.send_text(text)
        finally:
            room.remove(websocket)

    with face.open(starlette(endpoint)) as client:
        with client.connect() as a, client.connect() as b:
            b.send_text("hello")
            assert a.receive_text() == b.receive_text() == "hello"
            a.close()
            a.wait()
            b.send_text("alone")
            assert b.receive_text() == "alone"
        assert room == set()


def test_authentication_applies_to_the_handshake(face: Face) -> None:
    class Tokens(AuthenticationBackend):
        async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
            token = conn.headers.get("authorization")
            if token == "bad":
                raise AuthenticationError("a bad token")
            return (AuthCredentials(["authenticated"]), SimpleUser(token)) if token else None

    @requires("authenticated")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.user.display_name)
        await websocket.close()

    app = starlette(endpoint, Middleware(AuthenticationMiddleware, backend=Tokens()))
    with face.open(app) as client:
        with client.connect(headers={"authorization": "me"}) as socket:
            assert list(socket) == ["me"]
        for headers in ({}, {"authorization": "bad"}):
            with pytest.raises(WebSocketDisconnect):
                client.connect(headers=headers).__enter__()
