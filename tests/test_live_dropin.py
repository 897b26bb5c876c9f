"""What the page of Starlette's TestClient promises, with the drop-in, on real servers; and what cannot be the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import Any, TypedDict

import pytest
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from asgi_testkit import ASGIProtocolError, Receive, Scope, Send, WrongEventLoopError
from asgi_testkit._conversation.loop import current_loop
from asgi_testkit.starlette import TestClient

from .messages import body, say, start
from .places import SERVERS

pytestmark = pytest.mark.usefixtures("servers_say_nothing")


class State(TypedDict):
    """What the lifespan shares."""

    greeting: str


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[State]:
    app.state.story = ["startup"]
    yield {"greeting": "hello"}
    app.state.story.append("shutdown")


async def tell(request: Request) -> Response:
    """Tell of a request."""
    async with request.form() as form:
        files = [
            [each.filename, (await each.read()).decode()] for each in form.getlist("file") if not isinstance(each, str)
        ]
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    return JSONResponse(
        {
            "method": request.method,
            "token": request.headers.get("authorization"),
            "agent": request.headers["user-agent"],
            "host": request.headers["host"],
            "cookies": request.cookies,
            "query": dict(request.query_params),
            "root_path": request.scope["root_path"],
            "state": dict(request.scope["state"]),
            "files": files,
            "form": fields,
        }
    )


async def log_in(request: Request) -> Response:
    response = RedirectResponse("/tell", status_code=303)
    response.set_cookie("session", "42")
    return response


async def fail(request: Request) -> Response:
    raise ZeroDivisionError("the app's own")


async def numbers(request: Request) -> Response:
    async def count() -> AsyncIterator[str]:
        for number in range(3):
            yield f"{number}\n"

    return StreamingResponse(count())


async def loop(request: Request) -> Response:
    return PlainTextResponse(str(id(current_loop())))


async def echo(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="v1" if "v1" in websocket.scope["subprotocols"] else None)
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                websocket.app.state.closed = message["code"]
                return
            if message.get("text") == "bye":
                await websocket.close(4000, "that is all")
            elif message.get("text") == "fail":
                raise ZeroDivisionError("the app's own")
            elif message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    finally:
        websocket.app.state.left = True


async def reject(websocket: WebSocket) -> None:
    await websocket.close(4003, "members only")


async def deny(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse("log in", status_code=401))


def make_app() -> Starlette:
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return Starlette(
        routes=[
            Route("/tell", tell, methods=methods),
            Route("/login", log_in, methods=["POST"]),
            Route("/fail", fail),
            Route("/numbers", numbers),
            Route("/loop", loop),
            Mount("/api", routes=[Route("/tell", tell)]),
            WebSocketRoute("/echo", echo),
            WebSocketRoute("/reject", reject),
            WebSocketRoute("/deny", deny),
        ],
        lifespan=lifespan,
    )


Make = Callable[..., TestClient]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def make(server: str) -> Iterator[Make]:
    """Makes clients on the server, and closes them."""
    made: list[TestClient] = []

    def make(app: Any = None, **options: Any) -> TestClient:
        made.append(TestClient(make_app() if app is None else app, live=server, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(params=["with", "without", "fresh_loop"])
def client(request: pytest.FixtureRequest, make: Make) -> Iterator[TestClient]:
    """A client, entered or not."""
    made = make(fresh_loop=request.param == "fresh_loop")
    if request.param == "with":
        with made:
            yield made
    else:
        yield made


def test_each_method_is_there(client: TestClient) -> None:
    for method in ("get", "post", "put", "patch", "delete", "options"):
        assert getattr(client, method)("/tell").json()["method"] == method.upper()
    response = client.head("/tell")
    assert (response.status_code, response.content) == (200, b"")


def test_headers_are_the_client_s_and_the_request_s(client: TestClient) -> None:
    assert client.get("/tell").json()["agent"] == "testclient"
    client.headers["authorization"] = "of the client"
    assert client.get("/tell").json()["token"] == "of the client"
    told = client.get("/tell", headers={"authorization": "of the request"}, params={"a": "1"}).json()
    assert (told["token"], told["host"], told["query"]) == ("of the request", "testserver", {"a": "1"})


def test_cookies_are_kept_and_redirects_are_followed(client: TestClient) -> None:
    response = client.post("/login")
    assert [each.status_code for each in response.history] == [303]
    assert response.json()["cookies"] == {"session": "42"}
    client.cookies.set("more", "1")
    assert client.get("/tell").json()["cookies"] == {"session": "42", "more": "1"}


def test_files_are_uploaded(client: TestClient) -> None:
    files = [("file", ("a.txt", b"first", "text/plain")), ("file", ("b.txt", b"x" * 100_000, "text/plain"))]
    told = client.post("/tell", files=files, data={"name": "joe"}).json()
    assert told["files"] == [["a.txt", "first"], ["b.txt", "x" * 100_000]]
    assert told["form"] == {"name": "joe"}


def test_a_response_is_streamed(client: TestClient) -> None:
    with client.stream("GET", "/numbers") as response:
        assert list(response.iter_lines()) == ["0", "1", "2"]


def test_what_the_app_raises_is_raised(client: TestClient) -> None:
    with pytest.raises(ZeroDivisionError, match="the app's own"):
        client.get("/fail")
    assert client.get("/tell").status_code == 200


@pytest.mark.parametrize("entered", [True, False])
def test_what_the_app_raises_is_a_500_if_that_is_wanted(make: Make, entered: bool) -> None:
    client = make(raise_server_exceptions=False)
    if entered:
        client.__enter__()
    response = client.get("/fail")
    assert (response.status_code, response.text) == (500, "Internal Server Error")


def test_the_lifespan_runs_inside_with(make: Make) -> None:
    app = make_app()
    with make(app) as client:
        assert app.state.story == ["startup"]
        assert client.app_state == {"greeting": "hello"}
        assert client.get("/tell").json()["state"] == {"greeting": "hello"}
    assert app.state.story == ["startup", "shutdown"]
    assert not make(app).get("/tell").json()["state"]


def test_root_path_is_in_the_scope(make: Make) -> None:
    client = make(root_path="/behind")
    assert client.get("/tell").json()["root_path"] == "/behind"
    assert make().get("/api/tell").json()["root_path"] == "/api"


def test_a_session_exchanges_text_bytes_and_json(client: TestClient) -> None:
    with client.websocket_connect("/echo", subprotocols=["v0", "v1"]) as session:
        assert session.accepted_subprotocol == "v1"
        session.send_text("hello")
        assert session.receive_text() == "hello"
        session.send_bytes(b"hello")
        assert session.receive_bytes() == b"hello"
        session.send_json({"a": [1]})
        assert session.receive_json() == {"a": [1]}
        session.send_json({"a": [2]}, mode="binary")
        assert session.receive_json(mode="binary") == {"a": [2]}
        session.send({"type": "websocket.receive", "text": "as it is"})
        assert session.receive() == {"type": "websocket.send", "text": "as it is"}


def test_the_app_closes_a_session(client: TestClient) -> None:
    with client.websocket_connect("/echo") as session:
        session.send_text("bye")
        with pytest.raises(WebSocketDisconnect) as caught:
            session.receive_text()
    assert (caught.value.code, caught.value.reason) == (4000, "that is all")


def test_the_test_closes_a_session(client: TestClient, server: str) -> None:
    app: Any = client.app
    with client.websocket_connect("/echo") as session:
        session.close(4001)
    assert app.state.left
    assert app.state.closed == (4001 if server != "hypercorn" else 1006)  # which it tells for any


def test_what_the_app_raises_in_a_session_is_raised(client: TestClient) -> None:
    with (
        pytest.raises(ZeroDivisionError, match="the app's own"),
        client.websocket_connect("/echo") as session,
    ):
        session.send_text("fail")
        session.receive_text()


def test_a_rejected_handshake_has_its_code_and_its_reason(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect) as caught:
        client.websocket_connect("/reject").__enter__()
    assert (caught.value.code, caught.value.reason) == (4003, "members only")


def test_a_denial_is_a_response(client: TestClient) -> None:
    with pytest.raises(WebSocketDenialResponse) as caught:
        client.websocket_connect("/deny").__enter__()
    assert (caught.value.status_code, caught.value.text) == (401, "log in")


@pytest.mark.parametrize("options", [{"backend_options": {"debug": True}}, {"backend": "trio"}], ids=str)
@pytest.mark.parametrize("entered", [True, False])
def test_the_backend_can_be_chosen(make: Make, server: str, options: dict[str, Any], entered: bool) -> None:
    client = make(**options)
    if server == "uvicorn" and "backend" in options:
        with pytest.raises(ValueError, match="does not run on trio"):
            client.__enter__()
        return
    if entered:
        client.__enter__()
    assert client.get("/tell").status_code == 200
    with client.websocket_connect("/echo") as session:
        session.send_text("hello")
        assert session.receive_text() == "hello"


# Loops and portals


def test_the_app_runs_in_the_loop_of_a_portal_that_is_given(make: Make) -> None:
    client = make()
    with start_blocking_portal() as portal:
        client.portal = portal
        assert client.get("/loop").text == str(portal.call(id_of_loop))
        with client.websocket_connect("/echo") as session:
            session.send_text("hello")
            assert session.receive_text() == "hello"


def test_a_portal_into_another_loop_has_a_server_there(make: Make) -> None:
    transport: Any
    with start_blocking_portal() as portal, make() as client:
        transport = client._transport
        transport.portal_factory = lambda: nullcontext(portal)
        with pytest.raises(WrongEventLoopError):  # as in-process
            client.get("/loop")
        with client.websocket_connect("/echo") as session:
            session.send_text("hello")
            assert session.receive_text() == "hello"
            assert session.scope["server"][1] != transport._transport.gateway.serving.port


async def id_of_loop() -> int:
    return id(current_loop())


def test_the_portal_leads_to_the_loop_of_app_and_server(make: Make) -> None:
    with make() as client:
        assert client.portal is not None
        assert client.get("/loop").text == str(client.portal.call(id_of_loop))


# What cannot be the same on a server


def test_the_scope_is_the_server_s(make: Make) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await start(send)
        await body(send, b"")

    seen: list[Scope] = []
    make(app).get("/a%2520b", headers={"x": "1"})
    [scope] = seen
    assert scope["client"][0] == scope["server"][0] == "127.0.0.1"
    assert scope["path"] == "/a%20b"  # Starlette's client decodes it twice
    assert "http.response.debug" not in scope.get("extensions", {})


def test_a_context_variable_of_the_test_does_not_reach_the_app(make: Make) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(variable.get("nothing"))
        await start(send)
        await body(send, b"")

    seen: list[str] = []
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("of the test")
    TestClient(app).get("/")
    make(app).get("/")
    assert seen == ["of the test", "nothing"]


def test_the_server_has_headers_of_its_own(make: Make) -> None:
    assert {"date", "server"} <= {*make().get("/tell").headers}


def test_what_the_app_breaks_of_the_contract_is_the_server_s_to_say(make: Make) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await body(send, b"too early")

    with pytest.raises(Exception, match="message") as caught:
        make(app).get("/")
    assert not isinstance(caught.value, AssertionError)


def test_what_the_app_says_after_the_test_has_closed_is_lost(make: Make) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        with suppress(OSError):  # uvicorn's word for it
            await say(send, "good-bye")

    with make(app).websocket_connect("/") as session:
        session.close()
        with pytest.raises((WebSocketDisconnect, ASGIProtocolError)):
            session.receive_text()
