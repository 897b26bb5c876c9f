"""What a client promises of an app on a real server: both faces, each server, each loop that it runs in."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from unittest.mock import Mock

import anyio
import anyio.lowlevel
import httpx
import pytest

from asgi_testkit import ASGIProtocolError, LifespanError, LiveServerError, Receive, Scope, Send, WebSocketDisconnect

from .messages import Gate, accept, body, deny, echo, hang_up, say, start
from .places import LIVE_FACES, STURDY_FACES, LiveFace, refused

pytestmark = pytest.mark.usefixtures("servers_say_nothing")


@pytest.fixture(params=LIVE_FACES, ids=str)
def face(request: pytest.FixtureRequest) -> LiveFace:
    made: LiveFace = request.param
    return made


#: For what makes a server close a connection: see `STURDY_PLACES`.
where_connections_are_closed = pytest.mark.parametrize("face", STURDY_FACES, indirect=True, ids=str)


async def greet(scope: Scope, receive: Receive, send: Send) -> None:
    """Say hello over either protocol."""
    if scope["type"] == "websocket":
        await receive()
        await accept(send)
        await say(send, "hello")
        await receive()
    else:
        await start(send)
        await body(send, b"hello")


# What is said, and where


def test_request_and_response_go_over_a_socket(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received = b""
        more = True
        while more:
            message = await receive()
            received += message["body"]
            more = message.get("more_body", False)
        await start(send, (b"x-app", b"1"), (b"x-app", b"2"), status=201)
        path = scope["path"].encode() + b"?" + scope["query_string"]
        for part in (scope["method"].encode(), path, received):
            await body(send, part + b"\n", more=True)
        await body(send)

    with face.open(app, lifespan="off") as client:
        response = client.request("PUT", "/a%20b?c=%20d", content=client.upload(b"one ", b"x" * 100_000))
        assert (response.status_code, response.headers.get_list("x-app")) == (201, ["1", "2"])
        assert response.text.split("\n") == ["PUT", "/a b?c=%20d", "one " + "x" * 100_000, ""]
        assert "date" in response.headers
        assert client.post("/", content=b"whole").text.split("\n")[2] == "whole"
        head = client.request("HEAD", "/")
        assert (head.status_code, head.content) == (201, b"")


def test_the_scope_is_that_of_the_app(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await greet(scope, receive, send)

    scopes: list[Scope] = []
    with face.open(app, lifespan="off", root_path="/behind") as client:
        response = client.get("/", headers={"x-mine": "1"})
        with client.connect("/") as socket:
            assert socket.receive_text() == "hello"
            assert socket.session.scope is scopes[1]
        assert response.extensions["asgi"].scope is scopes[0]
    for scope in scopes:
        assert scope["client"][0] == scope["server"][0] == "127.0.0.1"
        assert scope["root_path"] == "/behind"
        assert not [name for name, _ in scope["headers"] if name.startswith(b"x-asgi")]
    assert (b"x-mine", b"1") in scopes[0]["headers"]
    assert (b"host", b"testserver") in scopes[0]["headers"]


def test_version_and_reason_are_the_server_s(face: LiveFace) -> None:
    with face.open(greet, lifespan="off") as client:
        response = client.get("/")
        assert response.http_version == "HTTP/1.1"
        assert response.reason_phrase == ("OK" if face.server == "uvicorn" else "")  # the others send none


def test_context_variables_of_a_test_do_not_reach_the_app(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, variable.get("nothing").encode())

    variable: ContextVar[str] = ContextVar("variable")
    token = variable.set("of the test")
    with face.open(app, lifespan="off") as client:
        assert client.get("/").text == "nothing"
    variable.reset(token)


# The lifespan


def test_the_lifespan_and_its_state_are_as_in_process(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["pool"] = pool
            await send({"type": "lifespan.startup.complete"})
            await receive()
            pool.append("closed")
            await send({"type": "lifespan.shutdown.complete"})
            return
        pool.append(scope["type"])
        assert scope["state"]["pool"] is pool
        scope["state"]["more"] = "which is in this scope only"
        await greet(scope, receive, send)

    pool: list[str] = []
    with face.open(app) as client:
        assert client.client.state == {"pool": pool}
        assert client.get("/").text == "hello"
        with client.connect("/") as socket:
            socket.receive_text()
        assert client.client.state == {"pool": pool}
    assert pool == ["http", "websocket", "closed"]


def test_an_app_that_does_not_start_has_no_server(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    server = Mock()
    with pytest.raises(LifespanError, match="no database"):
        LiveFace(server, face.face).open(app).__enter__()
    assert not server.called


def test_an_app_that_does_not_stop_well_is_told_of(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "stuck"})
        else:
            await greet(scope, receive, send)

    with pytest.raises(LifespanError, match="stuck"), face.open(app) as client:
        assert client.get("/").text == "hello"


# What an app raises


@where_connections_are_closed
def test_what_an_app_raises_comes_as_it_is(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/later":
            await start(send)
            await body(send, b"part", more=True)
        raise errors[scope["path"]]

    errors = {path: ZeroDivisionError(path) for path in ("/at once", "/later")}
    with face.open(app, lifespan="off") as client:
        for path, error in errors.items():
            with pytest.raises(ZeroDivisionError) as caught:
                client.get(path)
            assert caught.value is error


@where_connections_are_closed
def test_what_an_app_raises_in_a_session_comes_as_it_is(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if scope["path"] == "/later":
            await accept(send)
        raise errors[scope["path"]]

    errors = {path: ZeroDivisionError(path) for path in ("/at once", "/later")}
    with face.open(app, lifespan="off") as client:
        for path, error in errors.items():
            with pytest.raises(ZeroDivisionError) as caught, client.connect(path) as socket:
                socket.receive_text()
            assert caught.value is error


@where_connections_are_closed
def test_a_failure_is_a_response_if_that_is_wanted(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/later":
            await start(send)
            await body(send, b"part", more=True)
        raise ZeroDivisionError

    with face.open(app, lifespan="off", raise_server_exceptions=False) as client:
        response = client.get("/")
        assert response.status_code == 500
        assert isinstance(response.extensions["asgi"].app_exception, ZeroDivisionError)
        with pytest.raises(Exception, match="the response is incomplete"):
            client.get("/later")


@where_connections_are_closed
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_would_end_the_loop_reaches_the_test(face: LiveFace, kind: type[BaseException]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/end":
            raise kind("of the app")
        await greet(scope, receive, send)

    with face.open(app, lifespan="off") as client:
        for _ in range(2):
            with pytest.raises(kind, match="of the app"):
                client.get("/end")
            assert client.get("/").text == "hello"
        with pytest.raises(kind, match="of the app"):
            client.connect("/end").__enter__()


def test_an_app_that_never_answers_is_shown_where_it_waits(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()  # here it is

    with face.open(app, lifespan="off", disconnect_grace=0) as client:
        with pytest.raises(httpx.ReadTimeout, match="here it is"):
            client.get("/", timeout=0.1)
        with pytest.raises(httpx.ReadTimeout, match="here it is"):
            client.connect("/", timeout=0.1).__enter__()


# The end of the app, and of the client


def test_work_in_the_background_is_waited_for(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await greet(scope, receive, send)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        done.append(scope["path"])
        if scope["path"] == "/fails":
            raise LookupError("too late for a 500")

    done: list[str] = []
    with face.open(app, lifespan="off") as client:
        assert client.get("/1").text == "hello"
        assert done == ["/1"]
        with pytest.raises(LookupError, match="too late"):
            client.get("/fails")


def test_detached_work_goes_on(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await greet(scope, receive, send)
        await gate.wait()
        done.append(1)

    gate = Gate()
    done: list[int] = []
    with face.open(app, lifespan="off", background="detach") as client:
        response = client.get("/")
        assert not done
        client.call(gate.open)
        client.wait(response)
        assert done == [1]


def test_what_detached_work_raises_at_the_end_is_raised_and_the_server_stopped(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        ports.append(scope["server"][1])
        await greet(scope, receive, send)
        try:
            await anyio.sleep_forever()
        finally:
            raise LookupError("cleaning up failed")

    ports: list[int] = []
    options = {"background": "detach", "disconnect_grace": 0}
    with pytest.raises(LookupError, match="cleaning up failed"), face.open(app, lifespan="off", **options) as client:
        assert client.get("/").text == "hello"
    refused(ports[0])


def test_a_request_that_no_client_sends_is_not_blamed_on_the_server(face: LiveFace) -> None:
    with (
        face.open(greet, lifespan="off", raise_server_exceptions=False) as client,
        pytest.raises(LiveServerError, match=r"this request cannot be sent to a server.*Content-Length"),
    ):
        client.post("/", content=b"abc", headers={"content-length": "5"})


def test_an_app_hears_that_its_client_has_gone(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        await body(send, b"part", more=True)
        heard.append((await receive())["type"])

    heard: list[str] = []
    with face.open(app, lifespan="off") as client:
        with client.stream() as stream:
            assert stream.next() == b"part"
        assert heard == ["http.disconnect"]


def test_an_app_may_answer_before_it_has_the_whole_request(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, status=413)
        await body(send, b"too much")

    with face.open(app, lifespan="off") as client:
        assert client.post("/", content=b"x" * 1000).text == "too much"
        assert client.get("/").text == "too much"


# Sessions


def test_a_session_carries_text_and_bytes(face: LiveFace) -> None:
    with face.open(echo, lifespan="off") as client, client.connect("/") as socket:
        for text in ("text", "x" * 200_000, ""):
            socket.send_text(text)
            assert socket.receive_text() == text
            socket.send_bytes(text.encode())
            assert socket.receive_bytes() == text.encode()


def test_the_app_closes_with_its_code(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await say(send, "last")
        await hang_up(send, code=4001, reason="enough")

    with face.open(app, lifespan="off") as client, client.connect("/") as socket:
        assert socket.receive_text() == "last"
        with pytest.raises(WebSocketDisconnect) as caught:
            socket.receive_text()
        assert (caught.value.code, caught.value.reason) == (4001, "enough")


def test_an_app_that_returns_without_a_close_is_told_as_in_process(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)

    with (
        face.open(app, lifespan="off") as client,
        pytest.raises(ASGIProtocolError, match=r"Is websocket\.close missing"),
        client.connect("/") as socket,
    ):
        socket.receive_text()


@where_connections_are_closed
def test_the_test_closes_with_its_code(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        heard.append(await receive())

    heard: list[Any] = []
    with face.open(app, lifespan="off") as client:
        with client.connect("/") as socket:
            socket.close(4002, "bye")
        with client.connect("/") as socket:
            socket.close(None)
        with client.connect("/") as socket:
            socket.abort()
    assert [message["type"] for message in heard] == ["websocket.disconnect"] * 3
    told, without, lost = (message["code"] for message in heard)
    assert (told, without) == ((1006, 1006) if face.server == "hypercorn" else (4002, 1005))  # which it tells for any
    assert lost in {1005, 1006}


def test_a_handshake_is_agreed_upon(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send, (b"x-app", b"1"), subprotocol=scope["subprotocols"][-1])
        await receive()

    with face.open(app, lifespan="off") as client, client.connect("/", ["v1", "v2"]) as socket:
        assert socket.session.subprotocol == "v2"
        assert socket.session.response.headers["x-app"] == "1"


def test_a_rejection_has_its_code_and_its_reason(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await hang_up(send, code=4003, reason="members only")

    with face.open(app, lifespan="off") as client:
        with pytest.raises(WebSocketDisconnect) as caught:
            client.connect("/").__enter__()
        assert (caught.value.code, caught.value.reason) == (4003, "members only")
        assert caught.value.response.status_code == 403


def test_a_denial_is_a_response(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await deny(send, (b"x-app", b"1"), status=401, chunks=(b"not ", b"you"))

    with face.open(app, lifespan="off") as client:
        with pytest.raises(Exception, match="401") as caught:
            client.connect("/").__enter__()
        response: httpx.Response = caught.value.response  # type: ignore[attr-defined]
        assert (response.status_code, response.text, response.headers["x-app"]) == (401, "not you", "1")


# A server for a client, and for a request


@where_connections_are_closed
def test_a_client_that_is_not_entered_has_a_server_for_each_request(face: LiveFace) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        ports.append(scope["server"][1])
        assert not scope["state"]
        await greet(scope, receive, send)

    ports: list[int] = []
    with face.bare(app) as client:
        for _ in range(3):
            assert client.get("/").text == "hello"
        with client.connect("/") as socket:
            assert socket.receive_text() == "hello"
            with pytest.raises(ZeroDivisionError), client.connect("/"):  # which goes to the same server
                raise ZeroDivisionError
    assert len(ports) == 5
    assert ports[3] == ports[4]
    for port in ports:
        refused(port)
