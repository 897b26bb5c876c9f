"""The drop-in for Starlette's TestClient: its names, what it forgives, and where it differs from ours."""

from __future__ import annotations

import gc
import gzip
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
import starlette
import starlette.websockets
from anyio.from_thread import BlockingPortal, start_blocking_portal

import asgi_testkit
from asgi_testkit import ASGIProtocolError, LifespanError, LifespanTimeout, Message, Receive, Scope, Send
from asgi_testkit import starlette as drop_in
from asgi_testkit._conversation.arrivals import Arrivals
from asgi_testkit._conversation.loop import current_loop
from asgi_testkit._standins.starlette import client as client_module
from asgi_testkit._standins.starlette.client import library
from asgi_testkit.starlette import TestClient, WebSocketDisconnect, WebSocketTestSession

from .backends import BACKENDS, Backend
from .messages import Recorder, accept, body, deny, echo, hang_up, hello, say, several_rounds, start
from .programs import run_program

Opener = Callable[..., TestClient]


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.id)
def client_of(request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Makes clients on each backend."""
    backend: Backend = request.param
    made: list[TestClient] = []

    def make(app: Any, **options: Any) -> TestClient:
        made.append(TestClient(app, backend=backend.name, backend_options=backend.options, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def sending(*messages: Message) -> Any:
    """Return an app that sends these, whatever it is asked."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def chatting(*messages: Message, afterwards: Any = None) -> Any:
    """Return an app that accepts a WebSocket connection, sends these, and then does something."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        for message in messages:
            await send(message)
        if afterwards is not None:
            await afterwards(receive, send)

    return app


def telling(part: Any) -> Any:
    """Return an app that answers with ``repr`` of a part of its scope."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, repr(part(scope)).encode())

    return app


START: Message = {"type": "http.response.start", "status": 200}
START_WITH_TRAILERS: Message = {**START, "trailers": True}
BODY: Message = {"type": "http.response.body", "body": b"hello"}
PART: Message = {**BODY, "more_body": True}
TRAILERS: Message = {"type": "http.response.trailers", "headers": [(b"x-item", b"one")]}


# The HTTP library


def test_client_responses_and_errors_are_of_the_library_that_starlette_s_client_uses() -> None:
    http = library()
    assert issubclass(TestClient, http.Client)
    assert isinstance(TestClient(hello).get("/"), http.Response)


@pytest.mark.parametrize(
    "version, has_httpx2, name",
    [("1.10.0", True, "httpx2"), ("1.2.0", True, "httpx2"), ("1.10.0", False, "httpx"), ("0.46.2", True, "httpx")],
)
def test_the_library_is_found_without_starlette_s_client(
    version: str, has_httpx2: bool, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "starlette.testclient", raising=False)
    monkeypatch.setattr(starlette, "__version__", version)
    monkeypatch.setattr(client_module, "find_spec", lambda name: SimpleNamespace() if has_httpx2 else None)
    assert library().__name__ == name
    assert "starlette.testclient" not in sys.modules


def test_where_starlette_s_client_is_imported_its_own_library_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = ModuleType("starlette.testclient")
    loaded.httpx = httpx  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "starlette.testclient", loaded)
    assert library() is httpx


def test_without_httpx2_nothing_warns_until_starlette_s_client_is_asked_for() -> None:
    printed = run_program(
        """
        import sys

        sys.modules["httpx2"] = None  # it cannot be imported
        import asgi_testkit.starlette as drop_in

        async def app(scope, receive, send):
            await receive()
            await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"no"})

        from asgi_testkit._standins.starlette.client import library
        print(library().__name__, "starlette.testclient" in sys.modules)
        try:
            with drop_in.TestClient(app).websocket_connect("/"):
                pass
        except drop_in.WebSocketDenialResponse as error:
            import httpx
            print(error.status_code, error.content, isinstance(error, httpx.Response))
        """
    )
    assert printed == "httpx False\n404 b'no' True\n"


# What is refused, and what is forgiven


@pytest.mark.parametrize(
    "messages, text",
    [
        ([], "TestClient did not receive any response"),
        ([START, START], 'Received multiple "http.response.start" messages'),
        ([BODY], 'Received "http.response.body" without "http.response.start"'),
        ([START, BODY, BODY], 'Received "http.response.body" after response completed'),
        ([TRAILERS], "without declaring trailers"),
        ([START, TRAILERS], "without declaring trailers"),
        ([START, BODY, TRAILERS], "without declaring trailers"),
        ([START_WITH_TRAILERS, TRAILERS], "before body completed"),
        ([START_WITH_TRAILERS, BODY, BODY], "after body completed"),
        ([START_WITH_TRAILERS, BODY, TRAILERS, TRAILERS], "after response completed"),
        ([{"no": "type"}], "no ASGI message"),
        ([{**START, "status": "200"}], "The status is an int"),
    ],
)
def test_what_starlette_s_client_asserts_is_asserted(messages: list[Message], text: str, client_of: Opener) -> None:
    with pytest.raises(AssertionError, match=text) as caught:
        client_of(sending(*messages)).get("/")
    assert isinstance(caught.value, ASGIProtocolError)


def test_an_app_that_gets_over_the_assertion_has_done_nothing_wrong(client_of: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        with pytest.raises(AssertionError):
            await send(START)
        await send(BODY)

    assert client_of(app).get("/").text == "hello"


@pytest.mark.parametrize(
    "messages, content",
    [
        ([START, PART], b"hello"),
        ([START], b""),
        ([{**START, "headers": [(b"content-length", b"3")]}, BODY], b"hello"),
        ([{**START, "headers": [(b"content-length", b"10")]}, BODY], b"hello"),
        ([{**START, "headers": [(b"x bad", b"1")]}, BODY], b"hello"),
        ([{**START, "status": 204}, BODY], b"hello"),
        ([{**START, "status": 123}, BODY], b"hello"),
        ([{"type": "http.response.push"}, START, {"type": "what.ever"}, BODY], b"hello"),
        ([START, BODY, {"type": "http.response.debug", "info": {}}], b"hello"),
        ([START_WITH_TRAILERS, BODY], b"hello"),
    ],
)
def test_what_a_server_refuses_and_starlette_s_client_does_not_is_forgiven(
    messages: list[Message], content: bytes, client_of: Opener
) -> None:
    client = client_of(sending(*messages))
    assert client.get("/").content == content
    with client.stream("GET", "/") as response:
        assert b"".join(response.iter_raw()) == content


def test_without_a_response_the_status_is_500_and_nothing_is_said(client_of: Opener) -> None:
    response = client_of(sending(), raise_server_exceptions=False).get("/")
    assert (response.status_code, response.content, dict(response.headers)) == (500, b"", {})


def test_where_errors_are_not_raised_what_came_of_a_response_is_all_of_it(client_of: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(PART)
        raise ValueError("because")

    assert client_of(app, raise_server_exceptions=False).get("/").content == b"hello"
    with pytest.raises(ValueError, match="because"):
        client_of(app).get("/")


# Trailers, and debug info


def test_trailers_are_a_list_that_grows(client_of: Opener) -> None:
    more = {**TRAILERS, "more_trailers": True}
    response = client_of(sending(START_WITH_TRAILERS, BODY, more, TRAILERS)).get("/")
    assert response.extensions["http.response.trailers"] == [(b"x-item", b"one")] * 2
    assert "http.response.trailers" not in client_of(hello).get("/").extensions


def test_trailers_are_offered() -> None:
    assert TestClient(telling(lambda scope: list(scope["extensions"]))).get("/").text == repr(
        ["http.response.debug", "http.response.trailers"]
    )


def test_debug_info_is_on_the_response(client_of: Opener) -> None:
    debug = {"type": "http.response.debug", "info": {"template": "index.html", "context": {"name": "world"}}}
    response: Any = client_of(sending(debug, START, BODY)).get("/")
    assert (response.template, response.context) == ("index.html", {"name": "world"})
    response = client_of(sending({**debug, "info": {"template": "a.html"}}, START, BODY)).get("/")
    assert response.template == "a.html"
    assert not hasattr(response, "context")


# The scope


@pytest.mark.parametrize(
    "part, value",
    [
        (lambda scope: scope["server"], ["testserver", 80]),
        (lambda scope: scope["type"], "http"),
        (lambda scope: scope["client"], ("testclient", 50000)),
        (lambda scope: scope["path"], "/a%/b"),
        (lambda scope: scope["raw_path"], b"/a%2525/b"),
        (lambda scope: dict(scope["headers"])[b"x-name"], "é".encode()),
    ],
)
def test_the_scope_is_as_starlette_s_client_makes_it(part: Any, value: object) -> None:
    headers: Any = {b"X-Name": b"\xe9", b"Connection": b"upgrade", b"Upgrade": b"websocket"}
    response = TestClient(telling(part)).get("/a%2525/b?c", headers=headers)
    assert response.text == repr(value)


@pytest.mark.parametrize(
    "base_url, server", [("http://bücher.example", ["xn--bcher-kva.example", 80]), ("https://[::1]", ["::1", 443])]
)
def test_the_server_is_named_as_in_the_url(base_url: str, server: list[Any]) -> None:
    client = TestClient(telling(lambda scope: scope["server"]), base_url)
    assert client.get("/").text == repr(server)
    session = client.websocket_connect(base_url.replace("http", "ws"))
    assert session.scope["server"] == server


def test_a_body_comes_at_once_be_it_made_of_parts(client_of: Opener) -> None:
    def parts() -> Iterator[bytes]:
        yield b"one"
        yield b"two"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, repr(await receive()).encode())

    response = client_of(app).post("/", content=parts())
    assert eval(response.text) == {"type": "http.request", "body": b"onetwo", "more_body": False}
    assert response.request.content == b"onetwo"


# State, and lifespan


async def counting(scope: Scope, receive: Receive, send: Send) -> None:
    """Count in the lifespan's state, and tell the state of a request, which it changes in vain."""
    if scope["type"] != "lifespan":
        scope["state"]["mine"] = True
        await start(send)
        return await body(send, repr(scope["state"]).encode())
    scope["state"]["count"] = scope["state"].get("count", 0) + 1
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    return await send({"type": "lifespan.shutdown.complete"})


def test_the_app_s_state_is_kept_and_each_request_has_a_copy(client_of: Opener) -> None:
    client = client_of(counting)
    client.app_state["set"] = "by the test"
    with client:
        assert client.get("/").text == "{'set': 'by the test', 'count': 1, 'mine': True}"
    with client:
        assert client.app_state == {"set": "by the test", "count": 2}
    assert client.get("/").text == "{'set': 'by the test', 'count': 2, 'mine': True}"


def test_the_lifespan_is_a_future(client_of: Opener) -> None:
    client = client_of(counting)
    with client:
        task = client.task
        assert not task.done()
        assert not task.cancel()  # it is not the lifespan itself, and stays as it is
    assert task.result(timeout=5) is None


def test_what_an_app_raises_on_lifespan_is_raised(client_of: Opener) -> None:
    client = client_of(hello)
    with pytest.raises(AssertionError) as caught, client:
        pass  # pragma: no cover
    assert type(caught.value) is AssertionError
    assert client.task.exception(timeout=5) is caught.value


def lifespan(*messages: str, error: Exception | None = None) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await receive()
            await send({"type": f"lifespan.{message}", "message": "said so"})
        if error is not None:
            raise error

    return app


def test_another_app_can_be_put_in_for_the_lifespan(client_of: Opener) -> None:
    client = client_of(hello)
    client.app = lifespan("startup.failed")
    with pytest.raises(LifespanError, match="said so"), client:
        pass  # pragma: no cover
    client.app = lifespan("startup.complete", "shutdown.complete")
    with client:
        assert client.get("/").text == "hello"


def test_a_startup_that_fails_is_noticed(client_of: Opener) -> None:
    with pytest.raises(LifespanError, match="said so"), client_of(lifespan("startup.failed")):
        pass  # pragma: no cover
    error = ValueError("because")
    with pytest.raises(ValueError, match="because") as caught, client_of(lifespan("startup.failed", error=error)):
        pass  # pragma: no cover
    assert caught.value is error


def test_a_shutdown_that_fails_counts_if_the_app_raises(client_of: Opener) -> None:
    with client_of(lifespan("startup.complete", "shutdown.failed")):
        pass
    error = ValueError("because")
    with pytest.raises(ValueError, match="because"):  # noqa: SIM117
        with client_of(lifespan("startup.complete", "shutdown.failed", error=error)):
            pass


async def never_shuts_down(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await anyio.sleep_forever()


def test_time_limits_of_the_lifespan_hold_where_they_are_asked_for(client_of: Opener) -> None:
    with pytest.raises(LifespanTimeout):  # noqa: SIM117
        with client_of(never_shuts_down, shutdown_timeout=0.01):
            pass


# Requests


def test_timeouts_of_single_requests_are_ignored_with_a_warning(client_of: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(0.05 if scope["path"] == "/" else 60)
        await hello(scope, receive, send)

    client = client_of(app)
    with pytest.warns(Warning, match="You should not use the 'timeout' argument with the TestClient"):
        assert client.get("/", timeout=0.001).text == "hello"
    with client.stream("GET", "/", timeout=0.001) as response:
        assert response.read() == b"hello"
    client = client_of(app, timeout=0.01)
    with pytest.raises(library().ReadTimeout):
        client.get("/for-ever")


def test_the_app_is_one_chunk_ahead_and_no_more(client_of: Opener) -> None:
    sent: list[int] = []
    second = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(2):
            await send(PART)
            sent.append(number)
            second.set()
        await send(BODY)

    with client_of(app).stream("GET", "/") as response:
        assert sent == []
        chunks = response.iter_raw()
        assert next(chunks) == b"hello"
        assert second.wait(5)
        assert sent == [0]
        assert list(chunks) == [b"hello", b"hello"]


def test_closing_the_client_cancels_what_is_left(client_of: Opener) -> None:
    cancelled = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(BODY)
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    with closing(client_of(app)) as client:
        response = client.send(client.build_request("GET", "/"), stream=True)
        chunks = response.iter_raw()  # kept: a generator that is collected closes the response
        assert next(chunks) == b"hello"
    assert cancelled.is_set()


def test_nothing_keeps_a_request() -> None:
    client = TestClient(hello)
    request = weakref.ref(client.get("/").request)
    gc.collect()
    assert request() is None


# WebSockets


def test_the_handshake_is_starlette_s(client_of: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send, (b"additional", b"header"), subprotocol=scope["subprotocols"][0])
        del scope["app"]
        await say(send, repr([scope["scheme"], scope["server"], scope["path"], dict(scope["headers"])]))

    client = client_of(app, base_url="https://example.org", scope={"app": None})
    with client.websocket_connect("/chat?x", ["soap"], params={"y": 1}, headers={"x": "1"}) as session:
        scheme, server, path, headers = eval(session.receive_text())
        assert (session.accepted_subprotocol, session.extra_headers) == ("soap", [(b"additional", b"header")])
    assert (scheme, server, path) == ("ws", ["testserver", 80], "/chat")
    assert {name: headers[name] for name in headers if name not in {b"accept", b"accept-encoding"}} == {
        b"host": b"testserver",
        b"user-agent": b"testclient",
        b"connection": b"upgrade",
        b"sec-websocket-key": b"testserver==",
        b"sec-websocket-version": b"13",
        b"sec-websocket-protocol": b"soap",
        b"x": b"1",
    }


def test_headers_that_the_app_leaves_out_are_none(client_of: Opener) -> None:
    with client_of(sending({"type": "websocket.accept"})).websocket_connect("/") as session:
        assert session.extra_headers is None
        assert session.accepted_subprotocol is None


def test_an_app_may_accept_what_was_not_offered(client_of: Opener) -> None:
    with client_of(sending({"type": "websocket.accept", "subprotocol": "soap"})).websocket_connect("/") as session:
        assert session.accepted_subprotocol == "soap"


@pytest.mark.parametrize(
    "kind", [starlette.websockets.WebSocketDisconnect, asgi_testkit.WebSocketDisconnect], ids=["theirs", "ours"]
)
def test_the_end_is_starlette_s_exception_and_ours(kind: Any, client_of: Opener) -> None:
    client = client_of(chatting({"type": "websocket.close", "code": 1001, "reason": "Going Away"}))
    with client.websocket_connect("/") as session:
        for _ in range(2):
            with pytest.raises(kind, match="code 1001, reason 'Going Away'") as caught:
                session.receive_text()
            assert (caught.value.code, caught.value.reason) == (1001, "Going Away")
    with pytest.raises(kind) as caught, client_of(sending({"type": "websocket.close"})).websocket_connect("/"):
        pass  # pragma: no cover
    assert caught.value.code == 1000


@pytest.mark.parametrize("how", ["denial", "rejection"])
def test_an_app_that_has_refused_the_handshake_has_its_grace_to_clean_up(how: str, client_of: Opener) -> None:
    story = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (deny(send, status=403, chunks=(b"no",)) if how == "denial" else send({"type": "websocket.close"}))
        await several_rounds()  # a file is closed in a worker thread, say
        story("cleaned up")

    with pytest.raises(WebSocketDisconnect), client_of(app).websocket_connect("/"):
        pass  # pragma: no cover
    assert story.events == ["cleaned up"]


def test_a_denial_is_a_response(client_of: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await deny(send, (b"x-name", b"value"), status=403, chunks=(b'{"no":', b" 1}"))

    from starlette.testclient import WebSocketDenialResponse

    kinds = (
        WebSocketDenialResponse,
        drop_in.WebSocketDenialResponse,
        WebSocketDisconnect,
        asgi_testkit.WebSocketDenied,
    )
    for kind in kinds:
        with pytest.raises(kind) as caught, client_of(app).websocket_connect("/"):
            pass  # pragma: no cover
        error: Any = caught.value
        assert isinstance(error, library().Response)
        assert (error.status_code, error.json(), error.headers["x-name"]) == (403, {"no": 1}, "value")
        assert (error.code, error.response.status_code, error.content) == (1006, 403, b'{"no": 1}')
    assert drop_in.WebSocketDenialResponse.__module__ == "asgi_testkit.starlette"
    with pytest.raises(AttributeError, match="nothing"):
        getattr(drop_in, "nothing")  # noqa: B009 - type checkers know that there is none


def test_messages_pass_unchecked_both_ways(client_of: Opener) -> None:
    async def repeat(receive: Receive, send: Send) -> None:
        for _ in range(4):
            message = await receive()
            await send({**message, "seen": message["type"], "type": "websocket.send"})
        await send({"type": "websocket.close", "code": 9999, "reason": "x" * 500})
        await send({"type": "websocket.close"})

    with client_of(chatting(afterwards=repeat)).websocket_connect("/") as session:
        assert isinstance(session, WebSocketTestSession)
        for sent in ({"type": "websocket.connect"}, {"type": "x", "text": 1}, {"type": "websocket.disconnect"}):
            session.send(sent)
        assert [session.receive()["seen"] for _ in range(4)] == [
            "websocket.connect",
            "websocket.connect",
            "x",
            "websocket.disconnect",
        ]
        assert session.receive() == {"type": "websocket.close", "code": 9999, "reason": "x" * 500}
        assert session.receive() == {"type": "websocket.close"}
        with pytest.raises(WebSocketDisconnect):
            session.receive()


def test_text_bytes_and_json_are_what_the_message_has(client_of: Opener) -> None:
    with client_of(echo, lifespan="off").websocket_connect("/") as session:
        session.send_text("text")
        assert session.receive() == {"type": "websocket.send", "text": "text"}
        session.send_bytes(b"bytes")
        with pytest.raises(KeyError):
            session.receive_text()
        session.send_bytes(b"bytes")
        assert session.receive_bytes() == b"bytes"
        for mode in ("text", "binary"):
            session.send_json({"é": 1}, mode=mode)
            assert session.receive_json(mode=mode) == {"é": 1}
        session.send_text("é")
        session.send_bytes(b"last")
        assert [next(session), next(session)] == ["é", b"last"]
        session.close(1001, "bye")
    with client_of(chatting({"type": "websocket.close"})).websocket_connect("/") as session:
        assert list(session) == []


def test_what_the_app_sends_after_the_test_s_close_is_received(client_of: Opener) -> None:
    async def say_goodbye(receive: Receive, send: Send) -> None:
        await receive()
        message = await receive()
        await say(send, f"{message['code']} {message['reason']}")

    with client_of(chatting(afterwards=say_goodbye)).websocket_connect("/") as session:
        session.close(3000)
        assert session.receive_text() == "3000 None"


def test_neither_side_waits_for_the_other(client_of: Opener) -> None:
    much = "x" * 100_000

    async def send_much(receive: Receive, send: Send) -> None:
        for _ in range(3):
            await say(send, much)
        sent.set()
        await anyio.sleep_forever()

    sent = threading.Event()
    with client_of(chatting(afterwards=send_much)).websocket_connect("/") as session:
        assert sent.wait(5)
        for _ in range(3):
            session.send_text(much)
        assert [session.receive_text() for _ in range(3)] == [much] * 3


def test_sending_to_a_test_that_has_left_is_no_error(client_of: Opener) -> None:
    async def go_on(receive: Receive, send: Send) -> None:
        await receive()
        await receive()
        await say(send, "anybody there?")
        went_on.set()

    went_on = threading.Event()
    with client_of(chatting(afterwards=go_on)).websocket_connect("/"):
        pass
    assert went_on.is_set()


def test_an_app_that_goes_on_after_its_close_is_cancelled(client_of: Opener) -> None:
    async def go_on(receive: Receive, send: Send) -> None:
        await hang_up(send)
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    cancelled = threading.Event()
    with client_of(chatting(afterwards=go_on), disconnect_grace=0).websocket_connect("/") as session:
        assert session.receive()["type"] == "websocket.close"
    assert cancelled.is_set()


@pytest.mark.parametrize("swallowed", [False, True])
def test_what_the_app_raises_is_raised_by_the_session_and_again_at_its_end(swallowed: bool, client_of: Opener) -> None:
    async def fail(receive: Receive, send: Send) -> None:
        raise ValueError("because")

    client = client_of(chatting(afterwards=fail), raise_server_exceptions=False)
    with pytest.raises(ValueError, match="because"), client.websocket_connect("/") as session:
        if swallowed:
            with pytest.raises(ValueError, match="because"):
                session.receive()
        else:
            session.receive()


def test_what_the_app_raises_after_its_close_counts_for_more_than_the_close(client_of: Opener) -> None:
    async def fail(receive: Receive, send: Send) -> None:
        await hang_up(send, code=1011)
        raise ValueError("because")

    with pytest.raises(ValueError, match="because"):  # noqa: SIM117
        with client_of(chatting(afterwards=fail)).websocket_connect("/") as session:
            session.receive_text()
    with pytest.raises(ZeroDivisionError) as caught:  # noqa: SIM117
        with client_of(chatting(afterwards=fail)).websocket_connect("/") as session:
            raise ZeroDivisionError
    assert "because" in caught.value.__notes__[0]


def test_an_app_that_returns_without_closing_does_not_hang_the_test(client_of: Opener) -> None:
    with client_of(chatting()).websocket_connect("/") as session, pytest.raises(ASGIProtocolError, match="returned"):
        session.receive()


def test_an_app_that_does_not_answer_the_handshake_is_refused(client_of: Opener) -> None:
    with pytest.raises(ASGIProtocolError, match=r"waiting for websocket\.accept"):  # noqa: SIM117
        with client_of(sending()).websocket_connect("/"):
            pass  # pragma: no cover


def native_client() -> Any:
    """Return Starlette's own client."""
    with warnings.catch_warnings(action="ignore"):  # it would rather have httpx2
        import starlette.testclient
    return starlette.testclient.TestClient


def tell_of_handshake(kind: Any, app: Any) -> Any:
    """Return what a test sees of a handshake."""
    try:
        with kind(app).websocket_connect("/") as session:
            return "open", session.accepted_subprotocol, session.extra_headers, session.receive()
    except starlette.websockets.WebSocketDisconnect as error:
        if not hasattr(error, "status_code"):
            return "closed", error.code, error.reason
        denial: Any = error
        return "denied", denial.status_code, list(denial.headers.multi_items()), denial.content


CLOSE: Message = {"type": "websocket.close"}
ACCEPT: Message = {"type": "websocket.accept"}
DENIAL: Message = {"type": "websocket.http.response.start", "status": 401}
DENIAL_BODY: Message = {"type": "websocket.http.response.body", "body": b"log in"}


@pytest.mark.parametrize(
    "messages, seen",
    [
        ([CLOSE], ("closed", 1000, "")),
        ([{**CLOSE, "code": 4001, "reason": None}], ("closed", 4001, "")),
        ([{**CLOSE, "code": "4001", "reason": [{"loc": ["query"]}]}], ("closed", "4001", [{"loc": ["query"]}])),
        ([{**CLOSE, "code": None, "reason": {"a": 1}}], ("closed", None, {"a": 1})),
        ([CLOSE, CLOSE, ACCEPT], ("closed", 1000, "")),
        ([{"type": "websocket.send", "text": "first"}, CLOSE], ("open", None, None, CLOSE)),
        ([{"type": "who.knows"}, CLOSE, CLOSE], ("open", None, None, CLOSE)),
        ([ACCEPT, ACCEPT], ("open", None, None, ACCEPT)),
        ([{**ACCEPT, "headers": {"x-a": "1"}, "subprotocol": 7}, CLOSE], ("open", 7, {"x-a": "1"}, CLOSE)),
        ([{**ACCEPT, "headers": [("x-a", "1")]}, CLOSE], ("open", None, [("x-a", "1")], CLOSE)),
        ([{**ACCEPT, "headers": None}, CLOSE], ("open", None, None, CLOSE)),
        (
            [{**DENIAL, "headers": {"x-a": "1"}}, DENIAL_BODY],
            ("denied", 401, [("x-a", "1"), ("content-length", "6")], b"log in"),
        ),
        (
            [{**DENIAL, "headers": [("x-a", "1"), ("x-a", "2")]}, {**DENIAL_BODY, "more_body": True}, DENIAL_BODY],
            ("denied", 401, [("x-a", "1"), ("x-a", "2"), ("content-length", "12")], b"log inlog in"),
        ),
        ([{**DENIAL, "headers": None}, DENIAL_BODY], ("denied", 401, [("content-length", "6")], b"log in")),
        (
            [
                {**DENIAL, "headers": [(b"content-encoding", b"gzip")]},
                {**DENIAL_BODY, "body": gzip.compress(b"log in", mtime=0)},
            ],
            ("denied", 401, [("content-encoding", "gzip"), ("content-length", "26")], b"log in"),
        ),
        (
            [{**DENIAL, "headers": [(b"content-length", b"99")]}, DENIAL_BODY],
            ("denied", 401, [("content-length", "99")], b"log in"),
        ),
    ],
)
def test_what_the_app_answers_a_handshake_with_is_handed_on(
    messages: list[Message], seen: Any, client_of: Opener
) -> None:
    assert tell_of_handshake(native_client(), sending(*messages)) == seen
    assert tell_of_handshake(client_of, sending(*messages)) == seen


def test_a_denial_after_the_acceptance_is_one_too(client_of: Opener) -> None:
    app = sending(ACCEPT, {**DENIAL, "headers": []}, DENIAL_BODY)
    with client_of(app).websocket_connect("/") as session, pytest.raises(WebSocketDisconnect) as caught:
        session.receive_text()
    error: Any = caught.value
    assert (error.status_code, error.text) == (401, "log in")


def test_where_the_handshake_fails_what_the_app_raises_then_counts_for_more(client_of: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hang_up(send)
        raise ValueError("because")

    with pytest.raises(ValueError, match="because"), client_of(app).websocket_connect("/"):
        pass  # pragma: no cover


def test_where_the_handshake_fails_the_app_is_not_left_running(client_of: Opener) -> None:
    cancelled = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hang_up(send, code=4000)
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    with pytest.raises(WebSocketDisconnect, match="rejected the handshake"), client_of(app).websocket_connect("/"):
        pass  # pragma: no cover
    assert cancelled.is_set()


# What suites reach into


def test_the_portal_of_a_session_leads_to_its_loop(client_of: Opener) -> None:
    for options in ({}, {"fresh_loop": True}):
        client = client_of(loop_id, lifespan="off", **options)
        for entered in (False, True):
            with client if entered else nullcontext():  # noqa: SIM117
                with client.websocket_connect("/") as session:
                    assert session.receive_text() == session.portal.call(current_id)
    with pytest.raises(RuntimeError, match="enter it first"):
        client.websocket_connect("/").portal  # noqa: B018


@pytest.mark.parametrize("fresh_loop", [False, True])
def test_the_stream_of_a_session_is_read_in_the_loop_or_at_once(fresh_loop: bool, client_of: Opener) -> None:
    with client_of(echo, lifespan="off", fresh_loop=fresh_loop).websocket_connect("/") as session:

        async def soon() -> Message:
            with anyio.fail_after(0.01):
                return await session._send_rx.receive()

        with pytest.raises(anyio.WouldBlock):
            session._send_rx.receive_nowait()
        with pytest.raises(anyio.WouldBlock):
            session.portal.call(session._send_rx.receive_nowait)
        with pytest.raises(TimeoutError):
            session.portal.call(soon)
        for text in "abcd":
            session.send_text(text)
        assert session.portal.call(session._send_rx.receive)["text"] == "a"
        session.portal.call(anyio.wait_all_tasks_blocked)
        assert session.portal.call(session._send_rx.receive_nowait)["text"] == "b"
        assert session._send_rx.receive_nowait()["text"] == "c"
        assert session.receive_text() == "d"


def test_a_message_that_another_thread_takes_first_is_passed_over(client_of: Opener) -> None:
    class Contested(Arrivals[Any]):
        def after(self, number: int = -1) -> Any:
            arrival = super().after(number)
            if arrival is not None and arrival.number == 0:
                assert super().take(arrival)  # as a thread would that comes in between
            return arrival

    app = chatting({"type": "websocket.send", "text": "a"}, {"type": "websocket.send", "text": "b"})
    with client_of(app).websocket_connect("/") as session:
        session.connection.arrivals = Contested()
        session.portal.call(anyio.wait_all_tasks_blocked)
        assert session._send_rx.receive_nowait()["text"] == "b"


def test_a_message_that_was_read_by_hand_is_judged_by_hand(client_of: Opener) -> None:
    app = chatting({"type": "websocket.send", "text": "a"}, {"type": "websocket.close", "code": 4000, "reason": "b"})
    with client_of(app).websocket_connect("/") as session:
        session._raise_on_close(session.portal.call(session._send_rx.receive))
        with pytest.raises(WebSocketDisconnect, match="closed the connection") as caught:
            session._raise_on_close(session.portal.call(session._send_rx.receive))
    assert (caught.value.code, caught.value.reason) == (4000, "b")


@pytest.mark.parametrize("how", ["patched", "derived", "named", "made"])
def test_everything_is_received_by_a_receive_of_the_test_s_own(
    how: str, monkeypatch: pytest.MonkeyPatch, client_of: Opener
) -> None:
    seen = []
    original = WebSocketTestSession.receive

    def own(self: WebSocketTestSession) -> Message:
        message = original(self)
        seen.append(message["type"].removeprefix("websocket."))
        return message

    class Own(WebSocketTestSession):
        receive = own  # type: ignore[assignment]  # a test's own has no timeout

    text, data = {"type": "websocket.send", "text": "1"}, {"type": "websocket.send", "bytes": b"2"}
    session: Any
    if how == "patched":
        monkeypatch.setattr(WebSocketTestSession, "receive", own)
    if how == "named":
        native_client()
        monkeypatch.setattr("starlette.testclient.WebSocketTestSession", Own)
    session = client_of(chatting(text, text, data, text, CLOSE)).websocket_connect("/")
    if how == "derived":
        session.__class__ = Own
    if how == "made":
        session = Own(session.app, session.scope, session.portal_factory)
    with session:
        assert (session.receive_text(), session.receive_json(), session.receive_bytes()) == ("1", 1, b"2")
        assert list(session) == ["1"]
    assert seen == ["accept", "send", "send", "send", "send", "close"]


def test_everything_is_sent_by_a_send_of_the_test_s_own(client_of: Opener) -> None:
    class Own(WebSocketTestSession):
        def send(self, message: Any) -> None:
            super().send({**message, "text": "mine"})

    session: Any = client_of(echo, lifespan="off").websocket_connect("/")
    session.__class__ = Own
    with session:
        session.send_text("a")
        session.send_bytes(b"b")
        session.send_json({})
        assert [session.receive_text() for _ in range(3)] == ["mine"] * 3
        session.close()


def test_a_session_can_be_made_of_an_app_a_scope_and_a_portal() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await say(send, f"{scope['path']} {id(current_loop())}")

    @contextmanager
    def factory() -> Iterator[BlockingPortal]:
        yield portal

    with start_blocking_portal() as portal:
        made = WebSocketTestSession(app, {"type": "websocket", "path": "/a"}, factory)
        with made as session:
            assert session.receive_text() == f"/a {portal.call(current_id)}"
            assert session.portal is portal
        made = TestClient(hello).websocket_connect("/b")
        made.app, made.portal_factory, made.scope = app, factory, {**made.scope, "path": "/c"}
        with made as session:
            assert session.receive_text() == f"/c {portal.call(current_id)}"


def test_a_session_is_known_before_it_is_entered() -> None:
    client = TestClient(echo, lifespan="off", scope={"tenant": "a"})
    session = client.websocket_connect("/a?b", ["c"])
    assert session.app is echo
    scope = session.scope
    assert (scope["path"], scope["query_string"], scope["subprotocols"], scope["tenant"]) == ("/a", b"b", ["c"], "a")
    with client, session.portal_factory() as portal:
        assert portal is client.portal
    with session:
        assert session.scope is scope is session.connection.scope


@pytest.mark.parametrize("handshake", [False, True])
def test_an_exception_in_the_place_of_starlette_s_is_raised(
    handshake: bool, monkeypatch: pytest.MonkeyPatch, client_of: Opener
) -> None:
    class OwnError(Exception):
        def __init__(self, code: int, reason: str) -> None:
            self.seen = code, reason

    async def fail(receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 4000})
        raise ValueError("because")

    native_client()
    monkeypatch.setattr("starlette.testclient.WebSocketDisconnect", OwnError)
    messages = [CLOSE] if handshake else [ACCEPT, CLOSE]
    with pytest.raises(OwnError) as caught, client_of(sending(*messages)).websocket_connect("/") as session:
        session.receive_text()
    assert caught.value.seen == (1000, "")
    with client_of(sending(ACCEPT, CLOSE)).websocket_connect("/") as session:
        assert list(session) == []
    with pytest.raises(ValueError, match="because"):  # noqa: SIM117
        with client_of(chatting(afterwards=fail)).websocket_connect("/") as session:
            session.receive_text()


def test_settings_of_the_transport_are_read_and_set(client_of: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/boom":
            raise LookupError
        told = [scope["client"], scope["root_path"], scope["state"]]
        if scope["type"] == "websocket":
            await accept(send)
            await say(send, repr(told))
        else:
            await start(send)
            await body(send, repr(told).encode())

    client = client_of(app)
    transport: Any = client._transport
    assert (transport.app, transport.client, transport.root_path) == (app, ("testclient", 50000), "")
    assert transport.app_state is client.app_state
    assert transport.raise_server_exceptions
    transport.client, transport.root_path, transport.app_state = ("192.0.2.1", 1), "/root", {"a": 1}
    told = repr([("192.0.2.1", 1), "/root", {"a": 1}])
    assert client.get("/").text == told
    with client.websocket_connect("/") as session:
        assert session.receive_text() == told
    transport.raise_server_exceptions = False
    assert client.get("/boom").status_code == 500
    assert client.app_state == {}
    transport.app = hello
    assert client.get("/").text == "hello"
    assert client.app is app  # whose lifespan it is still
    with pytest.raises(TypeError, match="must be an ASGI application"):
        transport.app = 7


def test_another_state_is_that_of_the_lifespan_alone(client_of: Opener) -> None:
    client = client_of(counting)
    client.app_state = {"set": "by the test"}
    with client:
        assert client.app_state == {"set": "by the test", "count": 1}
        assert client.get("/").text == "{'mine': True}"
    client._transport.app_state = client.app_state  # type: ignore[attr-defined]
    assert client.get("/").text == "{'set': 'by the test', 'count': 1, 'mine': True}"


def test_the_portal_factory_of_the_transport_is_the_client_s() -> None:
    client = TestClient(hello, lifespan="off")
    transport: Any = client._transport
    with client, transport.portal_factory() as portal:
        assert portal is client.portal
    with transport.portal_factory() as portal:
        assert portal.call(current_id) != ""


def test_a_session_needs_the_client_s_own_app() -> None:
    elsewhere = library().MockTransport(lambda request: library().Response(200, request=request))
    client = TestClient(hello, mounts={"ws://": elsewhere})
    with pytest.raises(RuntimeError, match="ws://testserver/a is not served by the app of this TestClient"):
        client.websocket_connect("/a")


def test_cookies_of_a_single_request_are_sent_with_the_library_s_warning(client_of: Opener) -> None:
    client = client_of(telling(lambda scope: dict(scope["headers"])[b"cookie"]))
    with pytest.warns(DeprecationWarning, match="Setting per-request cookies"):
        assert client.get("/", cookies={"a": "1"}).text == "b'a=1'"
    with pytest.warns(DeprecationWarning, match="Setting per-request cookies"):
        client.websocket_connect("/", cookies={"a": "1"})


@pytest.mark.parametrize("left", ["block", "client"])
def test_an_app_whose_response_is_left_early_is_cancelled_and_told_nothing(left: str, client_of: Opener) -> None:
    story: list[Any] = []

    async def listen(receive: Receive) -> None:
        await receive()
        story.append(await receive())  # pragma: no cover

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(listen, receive)
                while True:
                    await body(send, b"more", more=True)
        except anyio.get_cancelled_exc_class():
            story.append("cancelled")
            raise

    client = client_of(app)
    response = client.send(client.build_request("GET", "/"), stream=True)
    chunks = response.iter_raw()
    assert next(chunks) == b"more"
    (response if left == "block" else client).close()
    assert story == ["cancelled"]


def test_an_app_that_is_detached_is_not_cancelled_where_its_response_is_left(client_of: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await receive()
        told.append((await receive())["type"])

    told: list[str] = []
    client = client_of(app, background="detach")
    with client.stream("GET", "/") as response:
        pass
    response.extensions["asgi"].wait()
    assert told == ["http.disconnect"]


# Loops and portals


async def loop_id(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell which loop this is."""
    if scope["type"] == "websocket":
        await accept(send)
        await say(send, str(id(current_loop())))
    else:
        await start(send)
        await body(send, str(id(current_loop())).encode(), more=True)
        await body(send)


async def current_id() -> str:
    return str(id(current_loop()))


def test_the_portal_is_there_inside_with_only(client_of: Opener) -> None:
    client = client_of(loop_id, lifespan="off")
    assert client.portal is None
    with client:
        assert client.portal is not None
        assert client.portal.call(current_id) == client.get("/").text
        with client._portal_factory() as portal:
            assert portal is client.portal
    assert client.portal is None
    with client._portal_factory() as portal:
        assert portal.call(current_id) != ""


@pytest.mark.parametrize("how", ["request", "stream", "session"])
def test_a_bare_request_has_a_fresh_loop_where_that_is_asked_for(how: str, client_of: Opener) -> None:
    client = client_of(loop_id, fresh_loop=True, lifespan="off")
    threads = set(threading.enumerate())
    shared = client_of(loop_id).get("/").text
    assert _ask(client, how) != shared
    with client:
        assert {_ask(client, how) for _ in range(3)} == {client.get("/").text}
    assert len(set(threading.enumerate()) - threads) <= 1  # the shared loop's


def _ask(client: TestClient, how: str) -> str:
    if how == "request":
        return client.get("/").text
    if how == "session":
        with client.websocket_connect("/") as session:
            session.send_text("to nobody")
            return session.receive_text()
    with client.stream("GET", "/") as response:
        return response.read().decode()


@pytest.mark.parametrize("how", ["request", "stream", "session"])
@pytest.mark.parametrize("way", ["subclass", "portal", "transport"])
def test_requests_go_through_a_portal_that_is_given(way: str, how: str) -> None:
    class Own(TestClient):
        __test__ = False

        @contextmanager
        def _portal_factory(self) -> Iterator[BlockingPortal]:
            yield portal

    @contextmanager
    def factory() -> Iterator[BlockingPortal]:
        yield portal

    with start_blocking_portal() as portal:
        client = Own(loop_id) if way == "subclass" else TestClient(loop_id)
        transport: Any = client._transport
        before = transport.portal_factory
        if way == "portal":
            client.portal = portal
            assert client.portal is portal
        elif way == "transport":
            transport.portal_factory = factory
        assert _ask(client, how) == portal.call(current_id)
        transport.portal_factory, client.portal = before, None
        assert (_ask(client, how) == portal.call(current_id)) is (way == "subclass")


def test_a_client_can_be_used_on_the_thread_of_the_shared_loop(client_of: Opener) -> None:
    """The call stops that loop, so it has to have another."""

    async def asking(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, client_of(hello).get("/").content)

    assert client_of(asking).get("/").text == "hello"


def test_closing_the_client_ends_what_came_through_a_portal(client_of: Opener) -> None:
    cancelled = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    client = client_of(app, fresh_loop=True)
    client.send(client.build_request("GET", "/"), stream=True)
    failed = client_of(sending(), fresh_loop=True, raise_server_exceptions=False)
    failed.send(failed.build_request("GET", "/"), stream=True)
    failed.close()
    client.close()
    assert cancelled.is_set()


def test_closing_the_client_ends_all_that_came_through_portals_though_one_fails(client_of: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(scope["path"])
            raise RuntimeError("not tidy")

    cancelled: list[str] = []
    client_of(hello).get("/")  # so that the shared loop's thread is there
    threads = set(threading.enumerate())
    client = client_of(app, fresh_loop=True)
    for path in ("/a", "/b"):
        client.send(client.build_request("GET", path), stream=True)
    with pytest.raises(RuntimeError, match="not tidy"):
        client.close()
    assert sorted(cancelled) == ["/a", "/b"]
    assert set(threading.enumerate()) <= threads


# Names


def test_what_people_use_of_starlette_s_client_is_there() -> None:
    client = TestClient(hello, backend_options={"debug": True})
    assert client.async_backend == {"backend": "asyncio", "backend_options": {"debug": True}}
    assert client.app is hello
    assert client._transport.app is hello  # type: ignore[attr-defined]
    assert set(drop_in.__all__) <= set(dir(drop_in)) | {"WebSocketDenialResponse"}
