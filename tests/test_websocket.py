"""The contract of a WebSocket session, held by both clients on every backend."""

from __future__ import annotations

import contextvars
import re
import threading
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from asgi_testkit import (
    ApplicationStuckError,
    ASGIProtocolError,
    ClientDisconnected,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketDenied,
    WebSocketDisconnect,
)
from asgi_testkit._conversation import task as _tasks
from asgi_testkit._protocol.handshake import offer

from .apps import RECEIVE, STARTED, STOPPED, Living
from .faces import Client, Face, Socket
from .messages import Gate, Recorder, accept, deny, echo, hang_up, say, several_rounds

LENIENT = {"asgi": {"raise_server_exceptions": False}}


def opened(face: Face, app: Any, **options: Any) -> Any:
    """Return a context manager for a client with a loop that the test can call into, and without lifespan."""
    return face.open(app, lifespan="off", **options)


@contextmanager
def receivers(client: Client, socket: Socket, count: int) -> Iterator[list[Future[Message]]]:
    """Receive in several threads at once. All of them wait when the block is entered."""
    arrived = threading.Semaphore(0)
    wait_for_message = socket.connection.wait_for_message

    async def counted(*args: Any) -> None:
        arrived.release()
        await wait_for_message(*args)

    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(socket.connection, "wait_for_message", counted)
        pool = stack.enter_context(ThreadPoolExecutor(count))
        futures = [pool.submit(socket.receive) for _ in range(count)]
        for _ in futures:
            assert arrived.acquire(timeout=5)
        client.call(anyio.wait_all_tasks_blocked)
        yield futures


def scripted(*steps: Callable[[Receive, Send], Awaitable[object]], before: Any = accept) -> Any:
    """Return an app that accepts the connection and goes through these steps."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        assert await receive() == {"type": "websocket.connect"}
        await before(send)
        for step in steps:
            await step(receive, send)

    return app


async def hear(receive: Receive, send: Send) -> None:
    await receive()


async def sleep(receive: Receive, send: Send) -> None:
    await anyio.sleep_forever()


def saying(*data: str | bytes) -> Callable[[Receive, Send], Awaitable[None]]:
    async def step(receive: Receive, send: Send) -> None:
        for each in data:
            await say(send, each)

    return step


def closing(**more: Any) -> Callable[[Receive, Send], Awaitable[None]]:
    async def step(receive: Receive, send: Send) -> None:
        await hang_up(send, **more)

    return step


def failing(error: BaseException) -> Callable[[Receive, Send], Awaitable[None]]:
    async def step(receive: Receive, send: Send) -> None:
        raise error

    return step


def waiting(gate: Gate) -> Callable[[Receive, Send], Awaitable[None]]:
    async def step(receive: Receive, send: Send) -> None:
        await gate.wait()

    return step


def recording(heard: Recorder, count: int = 1) -> Callable[[Receive, Send], Awaitable[None]]:
    async def step(receive: Receive, send: Send) -> None:
        for _ in range(count):
            heard(await receive())

    return step


# The handshake


async def mirror(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept, and tell what the handshake was."""
    assert scope["type"] == "websocket"
    await accept(send, (b"x-app", b"1"))
    seen = {key: scope[key] for key in ("scheme", "server", "path", "raw_path", "query_string", "client")}
    seen["headers"] = {name.decode(): value.decode() for name, value in scope["headers"]}
    await say(send, repr(seen))
    await receive()
    await receive()


def seen_by(client: Client, url: str = "/", *args: Any, **options: Any) -> Any:
    with client.connect(url, *args, **options) as socket:
        return eval(socket.receive_text())


@pytest.mark.parametrize(
    "url, scheme, server, path, query",
    [
        ("/a", "ws", ("testserver", 80), "/a", b""),
        ("a?b=c", "ws", ("testserver", 80), "/a", b"b=c"),
        ("", "ws", ("testserver", 80), "/", b""),
        ("ws://testserver/a", "ws", ("testserver", 80), "/a", b""),
        ("wss://example.org/a", "wss", ("example.org", 443), "/a", b""),
        ("wss://example.org:8443/a", "wss", ("example.org", 8443), "/a", b""),
        ("http://testserver/a", "ws", ("testserver", 80), "/a", b""),
        ("https://example.org/a", "wss", ("example.org", 443), "/a", b""),
        ("/caf\u00e9 au lait?q=\u00fc b&r=1", "ws", ("testserver", 80), "/caf\u00e9 au lait", b"q=%C3%BC%20b&r=1"),
        ("/a%20b%2Fc", "ws", ("testserver", 80), "/a b/c", b""),
    ],
)
@pytest.mark.in_process(reason="the server and the client in the scope are the server's")
def test_any_url_will_do(face: Face, url: str, scheme: str, server: Any, path: str, query: bytes) -> None:
    with face.bare(mirror) as client:
        seen = seen_by(client, url)
    assert [seen[key] for key in ("scheme", "server", "path", "query_string")] == [scheme, server, path, query]


def test_a_url_is_relative_to_the_base_url(face: Face) -> None:
    with face.bare(mirror, base_url="https://example.org:8443/v1") as client:
        seen = seen_by(client, "/a")
    assert (seen["scheme"], seen["server"], seen["path"]) == ("wss", ("example.org", 8443), "/v1/a")


@pytest.mark.in_process(reason="the server and the client in the scope are the server's")
def test_the_handshake_is_a_request_of_the_client(face: Face) -> None:
    with face.bare(
        mirror, headers={"x-default": "1"}, cookies={"a": "1"}, params={"p": "1"}, auth=("user", "secret")
    ) as client:
        seen = seen_by(client, "/", params={"q": "2"}, headers={"X-Own": "2"}, cookies={"b": "2"})
        again = seen_by(client, "/", auth=("other", "secret"))
    headers = seen["headers"]
    assert seen["query_string"] == b"p=1&q=2"
    assert seen["client"] == ("testclient", 50000)
    assert (headers["x-default"], headers["x-own"], headers["user-agent"]) == ("1", "2", "testclient")
    assert headers["cookie"] == "a=1; b=2"
    assert headers["authorization"].startswith("Basic ")
    assert (headers["upgrade"], headers["connection"], headers["sec-websocket-version"]) == (
        "websocket",
        "Upgrade",
        "13",
    )
    assert again["headers"]["cookie"] == "a=1"
    assert again["headers"]["authorization"] != headers["authorization"]
    assert again["headers"]["sec-websocket-key"] != headers["sec-websocket-key"]


@pytest.mark.in_process(on="hypercorn", reason="hypercorn sends no reason phrase")
def test_the_response_is_the_101(face: Face) -> None:
    headers = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}  # RFC 6455 section 1.3
    with face.bare(mirror) as client, client.connect("/a", headers=headers) as socket:
        response = socket.session.response
        assert (response.status_code, response.reason_phrase) == (101, "Switching Protocols")
        assert response.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert (response.headers["upgrade"], response.headers["connection"]) == ("websocket", "Upgrade")
        assert str(response.request.url) == "http://testserver/a"
        assert socket.session.headers is response.headers
        assert socket.session.headers["x-app"] == "1"
        assert "sec-websocket-protocol" not in response.headers


@pytest.mark.parametrize(
    "offered, chosen", [(None, None), ([], None), (["chat", "superchat"], "superchat"), (("chat",), None)]
)
def test_the_app_chooses_a_subprotocol_or_none(face: Face, offered: Any, chosen: str | None) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["subprotocols"] == list(offered or [])
        await accept(send, subprotocol=chosen)

    with face.bare(app) as client, client.connect("/", offered) as socket:
        assert socket.session.subprotocol == chosen
        assert socket.session.headers.get("sec-websocket-protocol") == chosen


@pytest.mark.in_process(on="hypercorn", reason="it is the server that refuses a message")
def test_an_app_cannot_choose_a_subprotocol_that_was_not_offered(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send, subprotocol="chat")

    with (
        face.bare(app) as client,
        pytest.raises(ASGIProtocolError, match=r"subprotocol 'chat', which the client did not offer"),
    ):
        client.connect("/", ["superchat"]).__enter__()


@pytest.mark.parametrize(
    "offered, kind, text",
    [
        ("chat", TypeError, r"subprotocols is a list of strings: \['chat'\], not 'chat'"),
        (["a b"], ValueError, "'a b' cannot be a subprotocol"),
    ],
)
def test_what_cannot_be_offered_is_refused(face: Face, offered: Any, kind: type[Exception], text: str) -> None:
    with face.bare(mirror) as client, pytest.raises(kind, match=text):
        client.connect("/", offered).__enter__()


@pytest.mark.parametrize(
    "headers, status",
    [({"sec-websocket-version": "8"}, 426), ({"sec-websocket-key": "short"}, 400)],
)
def test_a_handshake_that_is_none_is_refused_as_by_a_server(face: Face, headers: dict[str, str], status: int) -> None:
    with face.bare(mirror) as client, pytest.raises(WebSocketDenied) as caught:
        client.connect(headers=headers).__enter__()
    assert caught.value.response.status_code == status
    assert "Sec-WebSocket-" in caught.value.response.text


def hooks(face: Face, **functions: Callable[[Any], object]) -> dict[str, list[Callable[[Any], Any]]]:
    def awaited(function: Callable[[Any], object]) -> Callable[[Any], Awaitable[None]]:
        async def hook(argument: Any) -> None:
            function(argument)

        return hook

    return {kind: [awaited(hook) if face.name == "awaited" else hook] for kind, hook in functions.items()}


def test_event_hooks_see_the_handshake(face: Face) -> None:
    seen = Recorder()

    def request_hook(request: httpx.Request) -> None:
        request.headers["x-hooked"] = "1"
        seen(request.headers["upgrade"])

    event_hooks = hooks(face, request=request_hook, response=lambda response: seen(response.status_code))
    with face.bare(mirror, event_hooks=event_hooks) as client:
        assert seen_by(client)["headers"]["x-hooked"] == "1"
    assert seen.events == ["websocket", 101]


@pytest.mark.in_process(on="hypercorn", reason="hypercorn tells of every close of the client as 1006")
def test_a_response_hook_that_raises_ends_the_connection(face: Face) -> None:
    heard = Recorder()

    def fail(response: httpx.Response) -> None:
        raise LookupError("of the hook")

    app = scripted(recording(heard))
    with (
        face.bare(app, event_hooks=hooks(face, response=fail)) as client,
        pytest.raises(LookupError, match="of the hook"),
    ):
        client.connect().__enter__()
    assert heard.events == [{"type": "websocket.disconnect", "code": 1005}]


@pytest.mark.parametrize("denied", [False, True])
def test_a_cookie_that_comes_with_the_answer_is_kept(face: Face, denied: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        cookie = (b"set-cookie", b"session=1; Domain=testserver")
        await (deny(send, cookie, status=401) if denied else accept(send, cookie))

    with face.bare(app) as client:
        with suppress(WebSocketDenied), client.connect():
            pass
        assert dict(client.client.cookies) == {"session": "1"}


class Answering(httpx.Auth):
    """Answers a challenge, as Digest does."""

    requires_response_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield request
        assert response.status_code == 401
        request.headers["authorization"] = response.text.upper()
        yield request


@pytest.mark.parametrize("of_the_client", [False, True])
def test_an_auth_flow_may_try_again_after_a_denial(face: Face, of_the_client: bool) -> None:
    calls = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        calls(await receive())
        authorization = dict(scope["headers"]).get(b"authorization")
        if authorization == b"SESAME":
            await accept(send)
        else:
            await deny(send, status=401, chunks=(b"ses", b"ame"))

    auth: dict[str, Any] = {"auth": Answering()}
    with (
        face.bare(app, **(auth if of_the_client else {})) as client,
        client.connect("/", **({} if of_the_client else auth)) as socket,
    ):
        assert socket.session.response.status_code == 101
    assert len(calls.events) == 2


def test_digest_auth_works_in_a_handshake(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if dict(scope["headers"]).get(b"authorization", b"").startswith(b'Digest username="user"'):
            await accept(send)
        else:
            challenge = b'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
            await deny(send, (b"www-authenticate", challenge), status=401)

    with face.bare(app, auth=httpx.DigestAuth("user", "secret")) as client, client.connect() as socket:
        assert socket.session.response.status_code == 101


@pytest.mark.parametrize("follow", [None, False, True])
def test_a_redirect_in_a_denial_is_followed_if_the_session_asks_for_it(face: Face, follow: bool | None) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/new":
            await accept(send)
        else:
            await deny(send, (b"location", b"/new"), status=307)

    options = {} if follow is None else {"follow_redirects": follow}
    with face.bare(app, follow_redirects=True) as client:
        if follow:
            with client.connect("/old", **options) as socket:
                assert socket.session.response.url.path == "/new"
        else:
            with pytest.raises(WebSocketDenied) as caught:
                client.connect("/old", **options).__enter__()
            assert caught.value.response.headers["location"] == "/new"


@pytest.mark.parametrize("status", [101, 200])
def test_a_mount_to_another_transport_is_an_error_that_says_so(face: Face, status: int) -> None:
    mounts = {"all://elsewhere": httpx.MockTransport(lambda request: httpx.Response(status, text="elsewhere"))}
    with face.bare(mirror, mounts=mounts) as client:
        if status == 101:
            with pytest.raises(RuntimeError, match="ws://elsewhere/a is not served by ASGITransport"):
                client.connect("ws://elsewhere/a").__enter__()
        else:
            with pytest.raises(
                WebSocketDenied, match=r"^WebSocket /a: the handshake was answered with 200 OK"
            ) as caught:
                client.connect("ws://elsewhere/a").__enter__()
            assert caught.value.response.text == "elsewhere"
        assert seen_by(client)["path"] == "/"


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.mark.in_process(reason="a server knows nothing of the test's context")
def test_the_app_sees_the_test_s_context_and_leaves_it_alone(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await say(send, variable.get())
        variable.set("by the app")
        await receive()
        await receive()

    with face.bare(app) as client:
        variable.set("by the test")
        with client.connect() as socket:
            assert socket.receive_text() == "by the test"
            assert variable.get() == "by the test"


def test_the_lifespan_s_state_is_in_the_scope(face: Face) -> None:
    class Stateful(Living):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                scope["state"]["database"] = []
                await super().__call__(scope, receive, send)
                return
            scope["state"]["mine"] = 1
            scope["state"]["database"].append("used")
            await accept(send)

    with face.open(Stateful(RECEIVE, STARTED, RECEIVE, STOPPED)) as client:
        for count in (1, 2):
            with client.connect() as socket:
                assert socket.session.scope["state"] == {"database": ["used"] * count, "mine": 1}


def test_the_scope_and_its_extensions_can_be_changed(face: Face) -> None:
    with face.bare(mirror, scope={"tenant": "a", "http_version": "2"}, asgi_extensions={"mine": {"a": 1}}) as client:
        with client.connect() as socket:
            scope = socket.session.scope
            assert (scope["tenant"], scope["http_version"], scope["extensions"]) == ("a", "2", {"mine": {"a": 1}})
            assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
        with client.connect(extensions={"asgi": {"scope": {"tenant": "b"}}}) as socket:
            assert socket.session.scope["tenant"] == "b"


def test_by_default_the_denial_response_is_offered(face: Face) -> None:
    with face.bare(mirror) as client, client.connect() as socket:
        assert socket.session.scope["extensions"] == {"websocket.http.response": {}}


def test_an_app_that_is_not_offered_the_denial_response_must_not_send_it(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await deny(send, status=403)

    with (
        face.bare(app, asgi_extensions={}) as client,
        pytest.raises(ASGIProtocolError, match=r"websocket.http.response is not offered"),
    ):
        client.connect().__enter__()


def test_one_session_can_be_strict(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send, (b"X-Upper", b"1"))

    with face.bare(app) as client:
        with client.connect() as socket:
            assert socket.session.headers["x-upper"] == "1"
        with (
            pytest.raises(ASGIProtocolError, match="lower-cased"),
        ):
            client.connect(extensions={"asgi": {"strict": True}}).__enter__()


# Messages


@pytest.mark.parametrize("text", ["", "hello", "caf\u00e9 \U0001f600", "x" * 100_000])
def test_text_goes_there_and_back(face: Face, text: str) -> None:
    with face.bare(echo) as client, client.connect() as socket:
        socket.send_text(text)
        assert socket.receive_text() == text


@pytest.mark.parametrize(
    "data", [b"", b"\x00\xff", bytearray(b"abc"), memoryview(b"abc")], ids=["empty", "bytes", "bytearray", "memoryview"]
)
def test_bytes_go_there_and_back(face: Face, data: Any) -> None:
    with face.bare(echo) as client, client.connect() as socket:
        socket.send_bytes(data)
        received = socket.receive_bytes()
        assert (type(received), received) == (bytes, bytes(data))


@pytest.mark.parametrize("mode", ["text", "binary"])
def test_json_goes_there_and_back_compact_and_in_utf_8(face: Face, mode: str) -> None:
    value = {"name": "caf\u00e9", "list": [1, None, True]}
    with face.bare(echo) as client, client.connect() as socket:
        socket.send_json(value, mode)
        socket.send_json(value, mode)
        text = '{"name":"caf\u00e9","list":[1,null,true]}'
        assert socket.receive_json(mode) == value
        message = socket.receive()
        assert message == {
            "type": "websocket.send",
            **({"text": text} if mode == "text" else {"bytes": text.encode()}),
        }


def test_what_is_sent_and_received_may_be_a_message(face: Face) -> None:
    with face.bare(echo) as client, client.connect() as socket:
        for sent in ("text", b"bytes", {"type": "websocket.receive", "text": "text"}):
            socket.send(sent)
        socket.send({"type": "websocket.receive", "bytes": b"bytes", "text": None})
        assert [socket.receive() for _ in range(4)] == [
            {"type": "websocket.send", "text": "text"},
            {"type": "websocket.send", "bytes": b"bytes"},
        ] * 2


@pytest.mark.in_process(reason="what receive() gives after a disconnect is the server's to decide")
def test_a_message_of_the_test_may_be_its_close(face: Face) -> None:
    heard = Recorder()
    with face.bare(scripted(recording(heard, 2))) as client:
        with client.connect() as socket:
            socket.send({"type": "websocket.disconnect", "code": 3000, "reason": "enough"})
        with client.connect() as socket:
            socket.send({"type": "websocket.disconnect"})
    told = [{"type": "websocket.disconnect", "code": 3000, "reason": "enough"}] * 2
    assert heard.events == told + [{"type": "websocket.disconnect", "code": 1005, "reason": ""}] * 2


@pytest.mark.in_process(on="hypercorn", reason="hypercorn tells of every close of the client as 1006")
def test_a_close_without_a_code_is_told_as_1005(face: Face) -> None:
    heard = Recorder()
    with face.bare(scripted(recording(heard, 1))) as client, client.connect() as socket:
        socket.close(None)
        assert (socket.session.close_code, socket.session.close_reason) == (1005, "")
        with pytest.raises(ValueError, match="has no room for the reason 'bye'"):
            socket.close(None, "bye")
    assert heard.events == [{"type": "websocket.disconnect", "code": 1005, "reason": ""}]


def test_what_cannot_be_sent_is_refused_and_the_session_goes_on(face: Face) -> None:
    with face.bare(echo) as client, client.connect() as socket:
        for verb, argument, kind, text in (
            ("send", 5, TypeError, "not 5"),
            ("send", {"type": "websocket.send", "text": "a"}, ValueError, "not 'websocket.send'"),
            ("send", {"type": "websocket.receive"}, ValueError, "carries either 'text' or 'bytes'"),
            ("send_text", b"bytes", TypeError, "takes a str, not b'bytes'"),
            ("send_text", "\ud800", ValueError, "surrogates not allowed"),
            ("send_bytes", "text", TypeError, "takes bytes, not 'text'"),
            ("send_json", object(), TypeError, "not JSON serializable"),
        ):
            with pytest.raises(kind, match=text):
                socket.do(verb, argument)
        with pytest.raises(ValueError, match='mode is "text" or "binary", not \'bytes\''):
            socket.send_json({}, "bytes")
        with pytest.raises(ValueError, match='mode is "text" or "binary", not \'bytes\''):
            socket.receive_json("bytes")
        socket.send_text("the first")
        assert socket.receive_text() == "the first"


@pytest.mark.in_process(on="hypercorn", reason="hypercorn sends both keys, one of them None")
def test_what_was_sent_is_a_copy(face: Face) -> None:
    sent = Gate()

    async def reuse(receive: Receive, send: Send) -> None:
        buffer = bytearray(b"app")
        await send({"type": "websocket.send", "bytes": buffer})
        buffer[:] = b"..."
        await sent.wait()
        assert await receive() == {"type": "websocket.receive", "bytes": b"test"}

    with opened(face, scripted(reuse)) as client, client.connect() as socket:
        buffer = bytearray(b"test")
        socket.send_bytes(buffer)
        buffer[:] = b"...."
        client.call(sent.open)
        assert socket.receive_bytes() == b"app"
        socket.wait()
        assert socket.session.app_exception is None


def test_the_other_kind_is_an_error_that_shows_what_came_and_the_message_is_not_lost(face: Face) -> None:
    with (
        face.bare(scripted(saying("some text", b"some bytes", "no json"), sleep)) as client,
        client.connect() as socket,
    ):
        for _ in range(2):
            with pytest.raises(TypeError, match=r"sent text, not bytes: 'some text'. It is not lost: receive_text"):
                socket.receive_bytes()
        with pytest.raises(TypeError, match="sent text, not bytes"):
            socket.receive_json("binary")
        assert socket.receive_text() == "some text"
        with pytest.raises(TypeError, match=r"sent bytes, not text: b'some bytes'. It is not lost: receive_bytes"):
            socket.receive_text()
        with pytest.raises(TypeError, match="sent bytes, not text"):
            socket.receive_json()
        assert socket.receive_bytes() == b"some bytes"
        with pytest.raises(ValueError, match="Expecting value") as caught:
            socket.receive_json()
        assert "sent 'no json', which is no JSON. The message is not lost" in caught.value.__notes__[0]
        assert socket.receive() == {"type": "websocket.send", "text": "no json"}


def test_messages_keep_their_order_in_both_directions(face: Face) -> None:
    with face.bare(echo) as client, client.connect() as socket:
        for number in range(50):
            socket.send_text(str(number))
        assert [socket.receive_text() for _ in range(50)] == [str(number) for number in range(50)]


def test_the_app_s_message_is_there_before_it_sends_the_next(face: Face) -> None:
    gate = Gate()
    app = scripted(saying("one"), waiting(gate), saying("two"), sleep)
    with opened(face, app) as client, client.connect() as socket:
        assert socket.receive_text() == "one"
        client.call(gate.open)
        assert socket.receive_text() == "two"


def test_several_sessions_do_not_mix(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await receive()
        while (message := await receive())["type"] == "websocket.receive":
            await say(send, f"{scope['path']} {message['text']}")

    with face.bare(app) as client, client.connect("/a") as a, client.connect("/b") as b, client.connect("/c") as c:
        for number in range(3):
            for socket in (a, b, c):
                socket.send_text(str(number))
        assert [[socket.receive_text() for _ in range(3)] for socket in (c, b, a)] == [
            [f"{path} {number}" for number in range(3)] for path in ("/c", "/b", "/a")
        ]
        b.close(3000)
        a.send_text("after")
        assert a.receive_text() == "/a after"
        assert (a.session.close_code, b.session.close_code) == (None, 3000)


def test_a_request_can_be_made_while_a_session_is_open(face: Face) -> None:
    rooms: list[Send] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            rooms.append(send)
            await echo(scope, receive, send)
            return
        for room in rooms:
            await say(room, "news")
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    with face.bare(app) as client, client.connect() as socket:
        assert client.post("/").status_code == 204
        assert socket.receive_text() == "news"
        socket.send_text("mine")
        assert socket.receive_text() == "mine"


def test_several_receives_at_once_get_a_message_each(face: Face) -> None:
    gate = Gate()
    app = scripted(waiting(gate), saying("one", "two", "three"), hear)
    with (
        opened(face, app) as client,
        client.connect() as socket,
        receivers(client, socket, 3) as pending,
    ):
        client.call(gate.open)
        assert sorted(future.result(5)["text"] for future in pending) == ["one", "three", "two"]


# Iteration


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
def test_iteration_goes_on_until_the_close_whatever_the_code(face: Face, code: int) -> None:
    with face.bare(scripted(saying("a", b"b", ""), closing(code=code))) as client, client.connect() as socket:
        assert list(socket) == ["a", b"b", ""]
        assert list(socket) == []
        assert socket.session.close_code == code


@pytest.mark.in_process(reason="what is on its way when the test closes is the network's to decide")
def test_iteration_ends_with_the_test_s_own_close(face: Face) -> None:
    with face.bare(scripted(saying("a", "b"), hear)) as client, client.connect() as socket:
        assert socket.receive_text() == "a"
        socket.close()
        assert list(socket) == ["b"]


def test_iteration_raises_what_else_ends_it(face: Face) -> None:
    with face.bare(scripted(saying("a"), failing(LookupError("x")))) as client:
        heard = Recorder()
        with client.connect() as socket, pytest.raises(LookupError, match="x"):
            for data in socket:
                heard(data)
        assert heard.events == ["a"]
        with client.connect(extensions=LENIENT) as socket:
            with pytest.raises(WebSocketDisconnect, match="the application broke off the connection") as caught:
                for data in socket:
                    heard(data)
            assert caught.value.code == 1011
        assert heard.events == ["a", "a"]


# Time-outs


def test_a_receive_that_times_out_says_where_the_app_is_and_loses_nothing(face: Face) -> None:
    async def handler() -> None:
        await gate.wait()

    async def step(receive: Receive, send: Send) -> None:
        await handler()
        await say(send, "late")

    gate = Gate()
    with opened(face, scripted(step, hear)) as client, client.connect("/slow") as socket:
        for verb in (socket.receive, socket.receive_text, socket.receive_bytes, socket.receive_json):
            with pytest.raises(httpx.ReadTimeout) as caught:
                verb(timeout=0.01)
            text = str(caught.value)
            assert text.startswith(
                "WebSocket /slow: 0.01 seconds passed (timeout=, read) while waiting for websocket.send"
            )
            assert re.search(rf'File "{__file__}", line \d+, in .*step\n(?s:.*), line \d+, in .*handler', text)
            assert caught.value.request.url == "http://testserver/slow"
        assert not socket.session.done
        client.call(gate.open)
        assert socket.receive_text() == "late"


@pytest.mark.parametrize("of_the_client", [False, True])
def test_the_read_timeout_is_that_of_a_receive_unless_it_has_its_own(face: Face, of_the_client: bool) -> None:
    gate = Gate()
    timeout: dict[str, Any] = {"timeout": httpx.Timeout(None, read=0.01)}
    app = scripted(waiting(gate), saying("late"), hear)
    with (
        opened(face, app, **(timeout if of_the_client else {})) as client,
        client.connect("/", **({} if of_the_client else timeout)) as socket,
    ):
        with pytest.raises(httpx.ReadTimeout, match=r"0\.01 seconds passed"):
            socket.receive_text()
        with pytest.raises(httpx.ReadTimeout, match=r"0\.01 seconds passed"):
            list(socket)
        with pytest.raises(httpx.ReadTimeout, match=r": 0 seconds passed"):
            socket.receive_text(timeout=0)
        client.call(gate.open)
        assert socket.receive_text(timeout=None) == "late"


def test_a_timeout_of_zero_gets_what_is_there(face: Face) -> None:
    with opened(face, scripted(saying("there"), sleep)) as client, client.connect() as socket:
        client.call(anyio.wait_all_tasks_blocked)
        assert socket.receive_text(timeout=0) == "there"


@pytest.mark.in_process(reason="a server may take longer than that to call the app")
def test_an_app_that_never_accepts_is_a_read_timeout_that_says_where_it_is_suspended(face: Face) -> None:
    story = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await anyio.sleep_forever()
        finally:
            story("ended")

    with (
        face.bare(app) as client,
        pytest.raises(httpx.ReadTimeout) as caught,
    ):
        client.connect("/slow", timeout=0.01).__enter__()
    assert str(caught.value).startswith(
        "WebSocket /slow: 0.01 seconds passed (timeout=, read) while waiting for websocket.accept; the application is"
    )
    assert re.search(rf'File "{__file__}", line \d+, in .*app', str(caught.value))
    assert story.events == ["ended"]


def test_an_app_that_waits_for_a_message_in_place_of_accepting_hears_of_the_end(face: Face) -> None:
    heard = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        heard(await receive())

    with face.bare(app) as client, pytest.raises(httpx.ReadTimeout):
        client.connect(timeout=0.01).__enter__()
    assert heard.events == [{"type": "websocket.disconnect", "code": 1006}]


def test_a_wait_for_the_end_that_takes_too_long_says_where_the_app_is(face: Face) -> None:
    gate = Gate()
    with opened(face, scripted(waiting(gate))) as client, client.connect() as socket:
        with pytest.raises(TimeoutError, match=r"has not ended within 0\.01 seconds \(timeout=\); it is suspended at"):
            socket.wait(0.01)
        client.call(gate.open)
        socket.wait()
        assert socket.session.done
        socket.wait(None)


# Backpressure


@pytest.mark.parametrize("write_buffer, ahead", [(4096, 4), (1, 1), (0, 1)])
def test_an_app_that_floods_the_client_is_held_back(face: Face, write_buffer: int, ahead: int) -> None:
    sent = Recorder()

    async def flood(receive: Receive, send: Send) -> None:
        for number in range(20):
            sent(number)
            await say(send, f"{number:01024}")

    with opened(face, scripted(flood, closing()), write_buffer=write_buffer) as client, client.connect() as socket:
        client.call(anyio.wait_all_tasks_blocked)
        assert len(sent.events) == ahead
        assert [int(data) for data in socket] == list(range(20))
        assert len(sent.events) == 20


@pytest.mark.parametrize("data", ["", b""], ids=repr)
@pytest.mark.in_process(reason="how far an app may be ahead is the server's to decide")
def test_empty_messages_fill_the_buffer_too(face: Face, data: str | bytes) -> None:
    sent = Recorder()

    async def flood(receive: Receive, send: Send) -> None:
        while True:
            sent(data)
            await say(send, data)

    with opened(face, scripted(flood)) as client, client.connect() as socket:
        client.call(anyio.wait_all_tasks_blocked)
        assert len(sent.events) == 65536 // 16 + 1
        assert socket.receive()


def test_without_a_buffer_a_send_ends_when_its_message_was_taken(face: Face) -> None:
    sent = Recorder()

    async def step(receive: Receive, send: Send) -> None:
        for text in ("one", "two", "three"):
            await say(send, text)
            sent(text)

    with opened(face, scripted(step, hear), write_buffer=0) as client, client.connect() as socket:
        for number, text in enumerate(["one", "two", "three"]):
            client.call(anyio.wait_all_tasks_blocked)
            assert len(sent.events) == number
            assert socket.receive_text() == text
        client.call(anyio.wait_all_tasks_blocked)
        assert len(sent.events) == 3


@pytest.mark.in_process(reason="sockets and servers have buffers of their own")
def test_a_client_that_floods_the_app_is_held_back(face: Face) -> None:
    gate, sent, heard = Gate(), Recorder(), Recorder()

    async def listen(receive: Receive, send: Send) -> None:
        await gate.wait()
        while (message := await receive())["type"] == "websocket.receive":
            heard(int(message["text"][-4:]))

    def flood(socket: Socket) -> None:
        for number in range(20):
            socket.send_text(f"{number:010000}")
            sent(number)
        flooded.set()

    flooded = threading.Event()
    with opened(face, scripted(listen)) as client, client.connect() as socket, ThreadPoolExecutor(1) as pool:
        done = pool.submit(flood, socket)
        assert not flooded.wait(0.05)
        assert len(sent.events) == 6  # of 10016 each: the seventh is the one too many
        client.call(gate.open)
        done.result(5)
        socket.close()
        socket.wait()
    assert heard.events == list(range(20))


@pytest.mark.in_process(reason="sockets and servers have buffers of their own")
def test_an_app_that_does_not_receive_is_a_write_timeout_and_nothing_is_lost(face: Face) -> None:
    gate, heard = Gate(), Recorder()

    async def listen(receive: Receive, send: Send) -> None:
        await gate.wait()
        for _ in range(3):
            heard((await receive())["text"])
        await say(send, "heard")
        await receive()

    with (
        opened(face, scripted(listen)) as client,
        client.connect("/deaf", timeout=httpx.Timeout(5, write=0.01)) as socket,
    ):
        socket.send_text("a" * 60_000)
        with pytest.raises(httpx.WriteTimeout) as caught:
            socket.send_text("b" * 6_000)
        text = str(caught.value)
        assert text.startswith(
            "WebSocket /deaf: 0.01 seconds passed (timeout=, write) while waiting for the application to receive"
        )
        assert "in Gate.wait" in text
        client.call(gate.open)
        socket.send_text("c")
        assert socket.receive_text() == "heard"
    assert [text[0] for text in heard.events] == ["a", "b", "c"]


def writes_noted(socket: Any) -> threading.Event:
    """Have an event set as soon as the socket's connection is written to; in its loop."""
    entered = threading.Event()
    write = socket.connection.write

    async def noted(message: Message) -> None:
        entered.set()
        await write(message)

    socket.connection.write = noted
    return entered


@pytest.mark.in_process(reason="sockets and servers have buffers of their own")
def test_without_a_write_timeout_a_send_waits_as_long_as_it_takes(face: Face) -> None:
    gate = Gate()
    app = scripted(waiting(gate), hear, hear, saying("heard"), hear)
    with (
        opened(face, app) as client,
        client.connect(timeout=None) as socket,
        ThreadPoolExecutor(1) as pool,
    ):
        entered = writes_noted(socket)
        sending = pool.submit(lambda: (socket.send_bytes(bytes(60_000)), socket.send_bytes(bytes(60_000))))
        assert entered.wait(5)
        client.call(anyio.wait_all_tasks_blocked)
        assert not sending.done()
        client.call(gate.open)
        sending.result(5)
        assert socket.receive_text() == "heard"


@pytest.mark.in_process(reason="sockets and servers have buffers of their own")
def test_both_may_flood_each_other_up_to_their_buffers(face: Face) -> None:
    """Neither reads: each is stopped by its own timeout, and nothing is lost."""

    async def flood(receive: Receive, send: Send) -> None:
        for _ in range(10):
            await say(send, bytes(10_000))
        for _ in range(7):
            assert len((await receive())["bytes"]) == 10_000
        await hang_up(send)

    with face.bare(scripted(flood)) as client, client.connect(timeout=httpx.Timeout(5, write=0.01)) as socket:
        with pytest.raises(httpx.WriteTimeout):
            while True:
                socket.send_bytes(bytes(10_000))
        assert len(list(socket)) == 10
        assert socket.session.close_code == 1000


# What an exception carries


@pytest.mark.parametrize(
    "end, kind",
    [
        (sleep, httpx.ReadTimeout),
        (closing(code=4000), WebSocketDisconnect),
        (failing(LookupError("x")), LookupError),
        (saying(), ASGIProtocolError),
    ],
    ids=["silent", "closes", "raises", "returns"],
)
@pytest.mark.parametrize("verb", ["receive", "receive_text", "receive_bytes", "receive_json"])
@pytest.mark.parametrize("later", [False, True])
def test_what_a_receive_raises_has_no_context(face: Face, verb: str, end: Any, kind: Any, later: bool) -> None:
    steps = [hear, end] if later else [end]
    with opened(face, scripted(*steps), disconnect_grace=0) as client:
        socket = client.connect()
        socket.__enter__()
        if later:
            socket.send_text("go")
        with pytest.raises(kind) as caught:
            socket.do(verb, timeout=0.01 if kind is httpx.ReadTimeout else 5)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        socket.__exit__(None, None, None)


@pytest.mark.parametrize("raises", [closing(), failing(LookupError("x")), sleep], ids=["rejects", "raises", "silent"])
def test_what_connecting_raises_has_no_context(face: Face, raises: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await raises(receive, send)

    with face.bare(app, disconnect_grace=0) as client, pytest.raises(Exception, match=r"x|rejected|passed") as caught:
        client.connect(timeout=0.02).__enter__()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


# The end: before the connection is accepted


@pytest.mark.parametrize(
    "more, code, reason, text",
    [
        ({}, 1000, "", "code 1000"),
        ({"code": 4003, "reason": "no"}, 4003, "no", "code 4003, reason 'no'"),
        ({"code": 1008, "reason": None}, 1008, "", "code 1008"),
        ({"code": None}, 1005, "", "code 1005"),
        ({"code": "4001", "reason": b"no"}, 1005, "b'no'", "code '4001', reason b'no'"),
        ({"code": 1008, "reason": [{"loc": 1}]}, 1008, "[{'loc': 1}]", "code 1008, reason [{'loc': 1}]"),
        ({"code": 4.5, "reason": 0}, 1005, "0", "code 4.5, reason 0"),
    ],
)
@pytest.mark.in_process(on="hypercorn", reason="what receive() gives after a disconnect is the server's to decide")
def test_a_rejection_is_a_disconnect_with_its_code_and_reason(
    face: Face, more: Any, code: int, reason: str, text: str
) -> None:
    heard = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await hang_up(send, **more)
        heard(await receive())

    with face.bare(app) as client, pytest.raises(WebSocketDisconnect) as caught:
        client.connect("/room").__enter__()
    error = caught.value
    assert type(error) is WebSocketDisconnect
    assert (error.code, error.reason) == (code, reason)
    assert str(error) == f"WebSocket /room: the application rejected the handshake ({text})"
    assert error.response is not None
    assert (error.response.status_code, error.response.content) == (403, b"")
    assert heard.events == [{"type": "websocket.disconnect", "code": 1006}]


@pytest.mark.in_process(on="hypercorn", reason="hypercorn sends no reason phrase")
def test_a_denial_has_its_response_whole(face: Face) -> None:
    heard = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await deny(send, *headers, status=401, chunks=(b"who ", b"", b"are ", b"you?"))
        heard(await receive())

    with face.bare(app) as client, pytest.raises(WebSocketDenied) as caught:
        client.connect("/room").__enter__()
    error = caught.value
    assert isinstance(error, WebSocketDisconnect)
    assert (error.code, error.reason) == (1006, "")
    told = "WebSocket /room: the handshake was answered with 401 Unauthorized: who are you? (code 1006)"
    assert str(error) == told
    response = error.response
    assert (response.status_code, response.text, response.is_closed) == (401, "who are you?", True)
    assert response.headers["content-type"] == "text/plain"
    assert dict(response.cookies) == {"a": "1", "b": "2"}
    assert str(response.request.url) == "http://testserver/room"
    assert heard.events == [{"type": "websocket.disconnect", "code": 1006}]


CHUNK = bytes(65536)


async def endless(send: Send, passed: Recorder, chunk: bytes = CHUNK) -> None:
    """Deny, and never come to an end by oneself."""
    await send({"type": "websocket.http.response.start", "status": 403})
    while True:
        await send({"type": "websocket.http.response.body", "body": chunk, "more_body": True})
        passed(len(chunk))


@pytest.mark.parametrize("write_buffer", [0, 10, 1_000_000])
def test_a_long_denial_is_read_whole_however_little_the_app_may_be_ahead(face: Face, write_buffer: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await deny(send, status=403, chunks=(bytes(10_000),) * 20)

    with face.bare(app, write_buffer=write_buffer) as client:
        with pytest.raises(WebSocketDenied) as caught:
            client.connect().__enter__()
        assert len(caught.value.response.content) == 200_000
        assert len(client.get("/", headers=offer(None)).content) == 200_000


@pytest.mark.parametrize("limit", [0, 100_000, 16 * 1024 * 1024])
@pytest.mark.in_process(reason="uvicorn collects a denial response, and sends it when it is whole")
def test_a_session_reads_no_more_of_a_denial_than_a_message_may_have(face: Face, limit: int) -> None:
    passed = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await endless(send, passed)
        finally:
            passed(0)

    options = {} if limit == 16 * 1024 * 1024 else {"max_message_size": limit}
    with face.bare(app, **options) as client:
        with pytest.raises(httpx.RemoteProtocolError, match=f"more than the {limit} bytes of max_message_size="):
            client.connect("/").__enter__()
        assert passed.events[-1] == 0
        assert sum(passed.events) <= limit + 3 * len(CHUNK)


@pytest.mark.parametrize("limit", [3, None])
def test_a_denial_of_just_that_size_is_read(face: Face, limit: int | None) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await deny(send, status=403, chunks=(b"a", b"bc"))

    with face.bare(app, max_message_size=0) as client, pytest.raises(WebSocketDenied) as caught:
        client.connect("/", extensions={"asgi": {"max_message_size": limit}}).__enter__()
    assert caught.value.response.content == b"abc"


@pytest.mark.in_process(reason="uvicorn collects a denial response, and sends it when it is whole")
def test_an_app_that_denies_is_held_back_while_nobody_reads(face: Face) -> None:
    passed = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await endless(send, passed)

    with opened(face, app) as client:
        with client.stream("GET", "/", headers=offer(None)) as stream:
            client.call(anyio.wait_all_tasks_blocked)
            assert stream.response.status_code == 403
            assert len(passed.events) <= 1
            assert stream.next() == CHUNK
            client.call(anyio.wait_all_tasks_blocked)
            assert len(passed.events) <= 4
        assert stream.response.extensions["asgi"].done
        assert type(stream.response.extensions["asgi"].app_exception) is ClientDisconnected


@pytest.mark.in_process(reason="uvicorn collects a denial response, and sends it when it is whole")
def test_an_app_that_is_held_back_at_the_end_of_its_denial_is_let_go_when_the_client_goes(face: Face) -> None:
    heard = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await deny(send, status=403, chunks=(CHUNK, CHUNK))
        except OSError as error:
            heard(type(error))

    with opened(face, app) as client, client.stream("GET", "/", headers=offer(None)) as stream:
        assert stream.response.status_code == 403
    assert heard.events == [ClientDisconnected]


@pytest.mark.in_process(on="hypercorn", reason="hypercorn sends no reason phrase")
def test_a_denial_without_a_body_ends_where_its_status_says_so(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await deny(send, status=204, chunks=(b"not", b"sent"))

    with face.bare(app) as client:
        with client.stream("GET", "/", headers=offer(None)) as stream:
            assert stream.chunks() == []
        with pytest.raises(WebSocketDenied, match="204 No Content"):
            client.connect().__enter__()


@pytest.mark.in_process(reason="uvicorn collects a denial response, and sends it when it is whole")
def test_a_denial_that_stops_halfway_is_a_read_timeout(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 403})
        await send({"type": "websocket.http.response.body", "body": b"part", "more_body": True})
        await anyio.sleep_forever()

    timeout = r"while waiting for websocket.http.response.body"
    with face.bare(app) as client:
        with pytest.raises(httpx.ReadTimeout, match=timeout):
            client.connect(timeout=0.01).__enter__()
        with client.stream("GET", "/", headers=offer(None), timeout=0.01) as stream:
            assert stream.next() == b"part"
            with pytest.raises(httpx.ReadTimeout, match=timeout):
                stream.next()


@pytest.mark.filterwarnings("ignore:.*async_generator:pytest.PytestUnraisableExceptionWarning")  # httpx's own, on trio
def test_a_denial_that_cannot_be_decoded_leaves_nothing_running(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await deny(send, (b"content-encoding", b"gzip"), status=403, chunks=(b"no gzip", CHUNK, CHUNK))

    with opened(face, app) as client:
        with pytest.raises(httpx.DecodingError):
            client.connect().__enter__()
        client.call(anyio.wait_all_tasks_blocked)
        assert client.client._core.transport.running() == []


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.in_process(reason="uvicorn collects a denial response, and sends it when it is whole")
def test_an_app_that_ends_amid_its_denial_is_told_or_breaks_it_off(face: Face, raises: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 403})
        await send({"type": "websocket.http.response.body", "body": b"part", "more_body": True})
        if raises:
            raise LookupError("x")

    with face.bare(app) as client:
        expected: Any = (LookupError, "x") if raises else (ASGIProtocolError, "returned while waiting for websocket.ht")
        with pytest.raises(expected[0], match=expected[1]):
            client.connect().__enter__()
        with (
            pytest.raises(httpx.RemoteProtocolError, match="ended before the end of its denial response") as caught,
        ):
            client.connect(extensions=LENIENT).__enter__()
        assert isinstance(caught.value.__cause__, LookupError) == raises
        with client.stream("GET", "/", headers=offer(None), extensions=LENIENT) as stream:
            assert stream.next() == b"part"
            with pytest.raises(httpx.RemoteProtocolError, match="before the end of its denial response"):
                stream.next()


@pytest.mark.parametrize("receives", [False, True])
@pytest.mark.in_process(reason="a server answers that with status 500, and raises nothing")
def test_an_app_that_returns_without_an_answer_is_told_so(face: Face, receives: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if receives:
            await receive()

    with face.bare(app) as client:
        text = r"returned while waiting for websocket.accept. Does every branch of this path accept or close\?"
        with pytest.raises(ASGIProtocolError, match=text):
            client.connect().__enter__()
        with pytest.raises(WebSocketDenied, match="500 Internal Server Error") as caught:
            client.connect(extensions=LENIENT).__enter__()
        assert (caught.value.response.status_code, caught.value.response.text) == (500, "Internal Server Error")


KINDS = [ValueError, KeyboardInterrupt, SystemExit, "group"]


def error_of(kind: Any) -> BaseException:
    return ExceptionGroup("of the app's own", [ValueError()]) if kind == "group" else kind()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_the_app_raises_before_it_accepts_reaches_the_test_as_itself(face: Face, kind: Any) -> None:
    error = error_of(kind)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    with face.bare(app) as client:
        with pytest.raises(type(error)) as caught:
            client.connect().__enter__()
        assert caught.value is error
        assert caught.traceback[-1].name == "app"


def test_for_a_server_s_client_it_is_a_500(face: Face) -> None:
    error = ValueError("x")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    with (
        face.bare(app, raise_server_exceptions=False) as client,
        pytest.raises(WebSocketDenied) as caught,
    ):
        client.connect().__enter__()
    response = caught.value.response
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert response.extensions["asgi"].app_exception is error


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_server_is_raised_even_then(face: Face, kind: type[BaseException]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise kind

    with face.bare(app, raise_server_exceptions=False) as client, pytest.raises(kind):
        client.connect().__enter__()


@pytest.mark.parametrize("denies", [False, True])
@pytest.mark.in_process(reason="it is the server that refuses a message")
def test_what_the_app_raises_after_it_has_refused_is_raised(face: Face, denies: bool) -> None:
    error = LookupError("after all")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (deny(send, status=403) if denies else hang_up(send))
        raise error

    with face.bare(app) as client:
        with pytest.raises(LookupError, match="after all") as caught:
            client.connect().__enter__()
        assert caught.value is error
        with pytest.raises(WebSocketDisconnect) as refused:
            client.connect(extensions=LENIENT).__enter__()
        assert refused.value.response is not None
        assert refused.value.response.status_code == 403


@pytest.mark.in_process(reason="it is the server that refuses a message")
def test_a_bad_answer_is_refused_at_its_send(face: Face) -> None:
    refused = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await say(send, "too early")
        except ASGIProtocolError as error:
            refused(error)
            raise

    with face.bare(app) as client:
        with pytest.raises(
            ASGIProtocolError, match=r"sent websocket.send while waiting for websocket.accept"
        ) as caught:
            client.connect().__enter__()
        assert refused.events == [caught.value]


@pytest.mark.in_process(reason="it is the server that refuses a message")
def test_a_bad_answer_that_the_app_swallows_is_told_beside_the_time_out(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ASGIProtocolError):
            await say(send, "too early")
        await anyio.sleep_forever()

    with face.bare(app) as client, pytest.raises(httpx.ReadTimeout) as caught:
        client.connect(timeout=0.01).__enter__()
    assert "sent websocket.send while waiting for websocket.accept" in "".join(caught.value.__notes__)


def test_a_session_that_was_not_established_can_be_tried_again(face: Face) -> None:
    answers: list[Any] = [hang_up, accept]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answers.pop(0)(send)

    with face.bare(app) as client:
        socket = client.connect()
        with pytest.raises(WebSocketDisconnect):
            socket.__enter__()
        with socket:
            assert socket.session.response.status_code == 101


# The end: the app closes


@pytest.mark.parametrize(
    "more, code, reason",
    [
        ({}, 1000, ""),
        ({"code": 4000}, 4000, ""),
        ({"reason": "enough"}, 1000, "enough"),
        ({"code": 1008, "reason": None}, 1008, ""),
        ({"code": None}, 1005, ""),
    ],
)
@pytest.mark.in_process(reason="what receive() gives after a disconnect is the server's to decide")
def test_the_app_s_close_comes_after_what_it_sent_before(face: Face, more: Any, code: int, reason: str) -> None:
    heard = Recorder()
    app = scripted(saying("one", b"two"), closing(**more), recording(heard, 2))
    with face.bare(app) as client:
        with client.connect("/room") as socket:
            assert socket.receive_text() == "one"
            assert socket.receive_bytes() == b"two"
            for _ in range(2):
                with pytest.raises(WebSocketDisconnect) as caught:
                    socket.receive()
                assert (caught.value.code, caught.value.reason, caught.value.response) == (code, reason, None)
                assert str(caught.value).startswith("WebSocket /room: the application closed the connection (code ")
            assert (socket.session.close_code, socket.session.close_reason) == (code, reason)
        assert socket.session.done
    assert heard.events == [{"type": "websocket.disconnect", "code": code, "reason": reason}] * 2


def test_an_open_connection_has_no_close_code(face: Face) -> None:
    with face.bare(echo) as client, client.connect() as socket:
        assert (socket.session.close_code, socket.session.close_reason) == (None, None)
        assert (socket.session.done, socket.session.app_exception) == (False, None)


@pytest.mark.in_process(reason="what an app receives after its own close is the server's to decide")
def test_after_its_own_close_the_app_still_receives_what_was_sent_before(face: Face) -> None:
    heard, gate = Recorder(), Gate()
    app = scripted(waiting(gate), closing(code=3000), recording(heard, 3))
    with opened(face, app) as client, client.connect() as socket:
        socket.send_text("one")
        socket.send_text("two")
        client.call(gate.open)
        socket.wait()
    assert heard.events == [
        {"type": "websocket.receive", "text": "one"},
        {"type": "websocket.receive", "text": "two"},
        {"type": "websocket.disconnect", "code": 3000, "reason": ""},
    ]


@pytest.mark.in_process(on="hypercorn", reason="what receive() gives after a disconnect is the server's to decide")
def test_a_pending_receive_of_the_app_ends_with_its_own_close(face: Face) -> None:
    heard = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            heard(await receive())

        await receive()
        await accept(send)
        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await anyio.wait_all_tasks_blocked()
            await hang_up(send, code=3001)

    with face.bare(app) as client, client.connect() as socket:
        assert list(socket) == []
    assert heard.events == [{"type": "websocket.disconnect", "code": 3001, "reason": ""}]


@pytest.mark.in_process(on="hypercorn", reason="what receive() gives after a disconnect is the server's to decide")
def test_what_is_sent_after_the_app_s_close_is_dropped_until_the_test_hears_of_it(face: Face) -> None:
    heard = Recorder()
    app = scripted(closing(code=3000), recording(heard))
    with face.bare(app) as client, client.connect() as socket:
        socket.wait()
        socket.send_text("into the void")
        socket.send_json([])
        with pytest.raises(WebSocketDisconnect):
            socket.receive()
        for verb, argument in (("send", "a"), ("send_text", "a"), ("send_bytes", b"a"), ("send_json", 1)):
            with pytest.raises(WebSocketDisconnect, match="the application closed the connection") as caught:
                socket.do(verb, argument)
            assert caught.value.code == 3000
        socket.close()
        socket.abort()
        assert socket.session.close_code == 3000
    assert heard.events == [{"type": "websocket.disconnect", "code": 3000, "reason": ""}]


@pytest.mark.parametrize(
    "end, kind",
    [
        (closing(code=3000), WebSocketDisconnect),
        (failing(LookupError("x")), LookupError),
        (hear, ASGIProtocolError),
    ],
    ids=["closed", "raised", "returned"],
)
def test_a_full_buffer_towards_an_app_that_has_ended_raises_the_end(
    face: Face, end: Any, kind: type[Exception]
) -> None:
    with face.bare(scripted(end)) as client, client.connect() as socket:
        socket.send_text("go")
        socket.wait()
        with pytest.raises(kind):
            while True:
                socket.send_bytes(bytes(10_000))


@pytest.mark.in_process(reason="sockets and servers have buffers of their own")
def test_a_held_back_send_of_the_test_ends_with_the_app(face: Face) -> None:
    gate = Gate()
    with (
        opened(face, scripted(waiting(gate), failing(LookupError("x")))) as client,
        client.connect() as socket,
        ThreadPoolExecutor(1) as pool,
    ):
        entered = writes_noted(socket)
        sending = pool.submit(socket.send_bytes, bytes(100_000))
        assert entered.wait(5)
        client.call(anyio.wait_all_tasks_blocked)
        client.call(gate.open)
        with pytest.raises(LookupError, match="x"):
            sending.result(5)


@pytest.mark.parametrize("closes", [False, True])
def test_a_send_that_was_held_back_and_has_arrived_is_none_that_failed(face: Face, closes: bool) -> None:
    app = scripted(hear, saying("heard"), closing() if closes else hear)
    with face.bare(app) as client, client.connect() as socket:
        socket.send_bytes(bytes(100_000))
        assert socket.receive_text() == "heard"
        if not closes:
            socket.send_bytes(bytes(100_000))
            with pytest.raises(ASGIProtocolError, match="application returned while the connection was open"):
                socket.receive()


@pytest.mark.in_process(reason="when a close arrives is the network's to decide")
def test_leaving_waits_for_the_return_of_an_app_that_has_closed(face: Face) -> None:
    story = Recorder()

    async def linger(receive: Receive, send: Send) -> None:
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        story("returned")

    with face.bare(scripted(closing(), linger)) as client:
        with client.connect():
            pass
        assert story.events == ["returned"]


def test_an_app_that_has_closed_and_does_not_return_is_a_read_timeout(face: Face) -> None:
    with (
        face.bare(scripted(closing(), sleep)) as client,
        pytest.raises(httpx.ReadTimeout, match="waiting for the application to return after the end of the connection"),
        client.connect(timeout=0.01) as socket,
    ):
        assert list(socket) == []


@pytest.mark.in_process(reason="it is the server that refuses a message")
def test_an_app_that_sends_after_its_own_close_is_told_so(face: Face) -> None:
    with face.bare(scripted(closing(), saying("late"))) as client:
        with (
            pytest.raises(ASGIProtocolError, match=r"sent websocket.send while the connection was already closed"),
            client.connect() as socket,
        ):
            assert list(socket) == []
        with client.connect(extensions=LENIENT) as socket:
            assert list(socket) == []
        assert isinstance(socket.session.app_exception, ASGIProtocolError)


# The end: the app fails


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_the_app_raises_ends_a_receive_as_itself(face: Face, kind: Any) -> None:
    error = error_of(kind)
    with face.bare(scripted(saying("before"), failing(error))) as client, client.connect() as socket:
        assert socket.receive_text() == "before"
        for _ in range(2):
            with pytest.raises(type(error)) as caught:
                socket.receive()
            assert caught.value is error
        with pytest.raises(type(error)):
            socket.send_text("after")
        assert socket.session.app_exception is error
        assert (socket.session.done, socket.session.close_code, socket.session.close_reason) == (True, 1011, "")


@pytest.mark.parametrize(
    "end, kind, text",
    [
        (failing(LookupError("x")), LookupError, "x"),
        (closing(code=4000, reason="over"), WebSocketDisconnect, "code 4000, reason 'over'"),
        (saying(), ASGIProtocolError, "application returned while the connection was open"),
    ],
    ids=["raises", "closes", "returns"],
)
def test_every_pending_receive_ends_with_the_app(face: Face, end: Any, kind: type[Exception], text: str) -> None:
    gate = Gate()
    with (
        opened(face, scripted(waiting(gate), end)) as client,
        client.connect() as socket,
        receivers(client, socket, 3) as pending,
    ):
        client.call(gate.open)
        for future in pending:
            with pytest.raises(kind, match=text):
                future.result(5)


def test_one_pending_receive_gets_the_last_message_and_the_others_the_end(face: Face) -> None:
    gate = Gate()
    with (
        opened(face, scripted(waiting(gate), saying("last"), closing())) as client,
        client.connect() as socket,
        receivers(client, socket, 3) as pending,
    ):
        client.call(gate.open)
        outcomes = [future.exception(5) or future.result() for future in pending]
        assert outcomes.count({"type": "websocket.send", "text": "last"}) == 1
        assert sum(isinstance(outcome, WebSocketDisconnect) for outcome in outcomes) == 2


def test_a_server_s_client_sees_an_error_of_the_app_as_code_1011(face: Face) -> None:
    error = LookupError("x")
    with (
        face.bare(scripted(saying("before"), failing(error)), raise_server_exceptions=False) as client,
        client.connect() as socket,
    ):
        assert socket.receive_text() == "before"
        with pytest.raises(WebSocketDisconnect, match="the application broke off the connection") as caught:
            socket.receive()
        assert (caught.value.code, caught.value.reason) == (1011, "")
        assert socket.session.app_exception is error


def test_an_app_that_returns_without_closing_is_told_so(face: Face) -> None:
    with face.bare(scripted(saying("before"))) as client:
        with client.connect() as socket:
            assert socket.receive_text() == "before"
            for _ in range(2):
                text = r"^application returned while the connection was open. Is websocket.close missing, or does"
                with pytest.raises(ASGIProtocolError, match=text):
                    socket.receive()
            assert socket.session.app_exception is None
        with client.connect(extensions=LENIENT) as socket:
            assert socket.receive_text() == "before"
            with pytest.raises(WebSocketDisconnect) as caught:
                socket.receive()
            assert (caught.value.code, caught.value.reason) == (1006, "")


@pytest.mark.parametrize("verb", [None, "close", "abort"])
def test_an_app_that_returns_without_closing_is_nothing_to_a_test_that_leaves(face: Face, verb: str | None) -> None:
    with face.bare(scripted(saying("all"))) as client:
        with client.connect() as socket:
            assert socket.receive_text() == "all"
            socket.wait()
            assert (socket.session.close_code, socket.session.close_reason) == (1006, "")
            if verb is not None:
                socket.do(verb)
                with pytest.raises(WebSocketDisconnect, match="the application broke off") as caught:
                    socket.receive()
                assert caught.value.code == 1006
        assert (socket.session.close_code, socket.session.close_reason) == (1006, "")


@pytest.mark.parametrize("swallows", [False, True])
@pytest.mark.in_process(reason="it is the server that refuses a message")
def test_a_bad_message_ends_the_connection(face: Face, swallows: bool) -> None:
    async def misbehave(receive: Receive, send: Send) -> None:
        try:
            await accept(send)
        except ASGIProtocolError:
            if not swallows:
                raise
            await receive()

    app = scripted(saying("before"), misbehave)
    text = r"sent websocket.accept while the connection was open. Is the connection accepted by a middleware"
    with face.bare(app, disconnect_grace=0.01) as client:
        with client.connect() as socket:
            assert socket.receive_text() == "before"
            with pytest.raises(ASGIProtocolError, match=text):
                socket.receive()
        with pytest.raises(ASGIProtocolError, match=text), client.connect():
            pass
        with client.connect(extensions=LENIENT) as socket:
            assert socket.receive_text() == "before"
            if not swallows:
                with pytest.raises(WebSocketDisconnect) as caught:
                    socket.receive()
                assert caught.value.code == 1011


@pytest.mark.in_process(reason="it is the server that refuses a message")
@pytest.mark.parametrize("early", [False, True], ids=["after the handshake", "before it"])
def test_to_a_servers_client_an_app_that_handles_a_refusal_has_done_nothing(face: Face, early: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if not early:
            await accept(send)
        for illegal in ({"type": "websocket.nonsense"}, {"type": "websocket.http.response.body"}):
            with pytest.raises(ASGIProtocolError):
                await send(illegal)
        if early:
            await accept(send)
        await send({"type": "websocket.send", "text": (await receive())["text"]})
        await send({"type": "websocket.close", "code": 4000})

    with face.bare(app) as client:
        with client.connect(extensions=LENIENT) as socket:
            socket.send_text("still here")
            assert socket.receive_text() == "still here"
            with pytest.raises(WebSocketDisconnect) as caught:
                socket.receive()
            assert caught.value.code == 4000
        with pytest.raises(ASGIProtocolError, match="nonsense"), client.connect() as socket:
            socket.send_text("still here")
            socket.receive_text()


@pytest.mark.in_process(reason="what send() does after a disconnect is the server's to decide")
def test_a_close_of_the_app_that_comes_after_the_clients_is_no_error(face: Face) -> None:
    heard = Recorder()

    async def close_too(receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close"})
        heard.events.append({"closed": True})

    with face.bare(scripted(recording(heard, 1), close_too)) as client:
        for leave in ("close", "abort"):
            with client.connect() as socket:
                getattr(socket, leave)()
                socket.wait()
    assert heard.events[1::2] == [{"closed": True}] * 2


@pytest.mark.in_process(reason="it is the server that refuses a message")
def test_an_app_that_goes_on_after_a_refusal_may_fail_again_and_that_is_not_lost(face: Face) -> None:
    async def misbehave(receive: Receive, send: Send) -> None:
        with suppress(ASGIProtocolError):
            await accept(send)
        await receive()

    error = LookupError("in its cleanup")
    with face.bare(scripted(misbehave, failing(error)), disconnect_grace=0.05) as client:
        with (
            pytest.raises(LookupError) as caught,
            client.connect() as socket,
            pytest.raises(ASGIProtocolError, match="Is the connection accepted by a middleware"),
        ):
            socket.receive()
        assert caught.value is error


def test_an_error_that_no_call_has_raised_is_raised_when_the_block_is_left(face: Face) -> None:
    error = LookupError("x")
    with face.bare(scripted(hear, failing(error))) as client:
        with pytest.raises(LookupError) as caught, client.connect() as socket:
            socket.send_text("go")
            socket.wait()
            assert socket.session.app_exception is error
        assert caught.value is error
        with client.connect(extensions=LENIENT) as socket:
            socket.send_text("go")


def test_an_error_that_a_call_has_raised_is_raised_once(face: Face) -> None:
    with (
        face.bare(scripted(failing(LookupError("x")))) as client,
        client.connect() as socket,
        pytest.raises(LookupError),
    ):
        socket.receive()


# The end: the test leaves


@pytest.mark.parametrize(
    "args, code, reason",
    [(None, 1000, ""), ((), 1000, ""), ((3000,), 3000, ""), ((4999, "caf\u00e9"), 4999, "caf\u00e9")],
)
@pytest.mark.in_process(reason="what receive() gives after a disconnect is the server's to decide")
def test_the_app_receives_the_test_s_code_and_reason(face: Face, args: Any, code: int, reason: str) -> None:
    heard = Recorder()
    with face.bare(scripted(recording(heard, 3))) as client:
        with client.connect() as socket:
            if args is not None:
                socket.close(*args)
                socket.close(1001)  # the first counts
                assert (socket.session.close_code, socket.session.close_reason) == (code, reason)
        assert (socket.session.close_code, socket.session.close_reason) == (code, reason)
    assert heard.events == [{"type": "websocket.disconnect", "code": code, "reason": reason}] * 3


@pytest.mark.parametrize("code", [1005, "1000"])
def test_a_code_that_no_client_can_send_is_refused(face: Face, code: Any) -> None:
    with face.bare(echo) as client, client.connect() as socket:
        with pytest.raises(ValueError, match=re.escape(f"no client closes with the code {code!r}")):
            socket.close(code)
        with pytest.raises(ValueError, match=re.escape(f"no client closes with the code {code!r}")):
            socket.send({"type": "websocket.disconnect", "code": code})
        with pytest.raises(ValueError, match=r"holds 123 bytes of reason in UTF-8 .* not 124"):
            socket.close(1000, "\u00e9" * 62)
        assert socket.session.close_code is None
        socket.send_text("open")
        assert socket.receive_text() == "open"


@pytest.mark.in_process(reason="what receive() gives after a disconnect is the server's to decide")
def test_a_lost_socket_is_a_disconnect_without_a_close_frame(face: Face) -> None:
    heard = Recorder()
    with face.bare(scripted(saying("before"), recording(heard, 2))) as client, client.connect() as socket:
        socket.abort()
        assert (socket.session.close_code, socket.session.close_reason) == (1006, "")
        socket.wait()
        assert socket.receive_text() == "before"
        with pytest.raises(WebSocketDisconnect, match="the test cut off the connection") as caught:
            socket.receive()
        assert (caught.value.code, caught.value.reason) == (1006, "")
    assert heard.events == [{"type": "websocket.disconnect", "code": 1005}] * 2


@pytest.mark.parametrize("verb", ["close", "abort"])
def test_after_its_own_end_the_test_cannot_send_and_can_read_what_is_there(face: Face, verb: str) -> None:
    with opened(face, scripted(saying("one", "two"), hear)) as client, client.connect("/room") as socket:
        client.call(anyio.wait_all_tasks_blocked)
        socket.do(verb)
        for send, argument in (("send", "a"), ("send_text", "a"), ("send_bytes", b"a"), ("send_json", 1)):
            with pytest.raises(RuntimeError, match=r"^WebSocket /room: the test has ended this session; nothing can"):
                socket.do(send, argument)
        assert list(socket) == ["one", "two"]
        with pytest.raises(WebSocketDisconnect):
            socket.receive()


@pytest.mark.parametrize("ended", ["closed", "returned"])
def test_a_send_after_a_close_that_came_too_late_is_refused_as_well(face: Face, ended: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        if ended == "closed":
            await hang_up(send)

    with face.bare(app) as client, client.connect() as socket:
        socket.wait()
        socket.close()
        with pytest.raises(RuntimeError, match="the test has ended this session"):
            socket.send_text("too late")


@pytest.mark.in_process(on="hypercorn", reason="hypercorn sends both keys, one of them None")
def test_what_the_test_sent_before_it_left_is_received_before_the_disconnect(face: Face) -> None:
    heard, gate = Recorder(), Gate()
    with opened(face, scripted(waiting(gate), recording(heard, 3))) as client, client.connect() as socket:
        socket.send_text("one")
        socket.send_bytes(b"two")
        socket.close(3000)
        client.call(gate.open)
        socket.wait()
    assert heard.events == [
        {"type": "websocket.receive", "text": "one"},
        {"type": "websocket.receive", "bytes": b"two"},
        {"type": "websocket.disconnect", "code": 3000, "reason": ""},
    ]


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.in_process(reason="a server drops what the app sends after the client's close")
def test_a_close_comes_after_the_messages_before_it_and_the_app_may_answer_them(face: Face, closes: bool) -> None:
    gate, heard = Gate(), Recorder()

    async def answer(receive: Receive, send: Send) -> None:
        for _ in range(2):
            await say(send, (await receive())["text"].upper())
        if closes:
            await hang_up(send, code=3001)
        heard(await receive())

    with opened(face, scripted(waiting(gate), answer)) as client, client.connect() as socket:
        socket.send_text("one")
        socket.send_text("two")
        socket.close(3000)
        with pytest.raises(httpx.ReadTimeout, match=r"in Gate\.wait"):
            socket.receive(timeout=0.01)
        client.call(gate.open)
        assert list(socket) == ["ONE", "TWO"]
        with pytest.raises(WebSocketDisconnect, match="the test closed the connection") as caught:
            socket.receive()
        assert (caught.value.code, socket.session.close_code) == (3000, 3000)
        socket.wait()
    assert heard.events == [{"type": "websocket.disconnect", "code": 3001 if closes else 3000, "reason": ""}]


@pytest.mark.in_process(reason="what send() raises after a disconnect is the server's to decide")
def test_nothing_can_be_answered_when_the_socket_is_lost(face: Face) -> None:
    gate, story = Gate(), Recorder()

    async def answer(receive: Receive, send: Send) -> None:
        story((await receive())["text"])
        with pytest.raises(ClientDisconnected):
            await say(send, "an answer")
        story(await receive())

    with opened(face, scripted(waiting(gate), answer)) as client, client.connect() as socket:
        socket.send_text("one")
        socket.abort()
        assert list(socket) == []
        client.call(gate.open)
        socket.wait()
    assert story.events == ["one", {"type": "websocket.disconnect", "code": 1005}]


def test_an_answer_that_is_held_back_after_the_close_is_let_go_when_the_block_is_left(face: Face) -> None:
    story = Recorder()

    async def answer(receive: Receive, send: Send) -> None:
        try:
            while True:
                await say(send, (await receive())["text"])
        except OSError as error:
            story(type(error).__name__)

    with face.bare(scripted(answer), write_buffer=0) as client, client.connect() as socket:
        socket.send_text("one")
        socket.send_text("two")
    assert story.events == ["ClientDisconnected"]


def test_every_pending_receive_ends_with_the_test_s_own_close(face: Face) -> None:
    with (
        opened(face, scripted(hear, hear)) as client,
        client.connect() as socket,
        receivers(client, socket, 3) as pending,
    ):
        socket.close(3000)
        for future in pending:
            with pytest.raises(WebSocketDisconnect, match="the test closed the connection") as caught:
                future.result(5)
            assert caught.value.code == 3000


@pytest.mark.in_process(on="hypercorn", reason="hypercorn tells of every close of the client as 1006")
def test_when_the_block_is_left_the_app_has_cleaned_up(face: Face) -> None:
    story = Recorder()

    async def listen(receive: Receive, send: Send) -> None:
        try:
            story(await receive())
            await several_rounds()  # a grace is time
            story("by itself")
        finally:
            story("cleaned up")

    with face.bare(scripted(listen)) as client:
        with client.connect() as socket:
            assert story.events == []
        assert story.events == [
            {"type": "websocket.disconnect", "code": 1000, "reason": ""},
            "by itself",
            "cleaned up",
        ]
        assert (socket.session.done, socket.session.app_exception) == (True, None)


@pytest.mark.in_process(on="hypercorn", reason="hypercorn tells of every close of the client as 1006")
def test_an_app_that_has_unread_messages_has_its_grace_too(face: Face) -> None:
    story, gate = Recorder(), Gate()

    async def listen(receive: Receive, send: Send) -> None:
        await gate.wait()
        await several_rounds()  # a grace is time
        while (message := await receive())["type"] == "websocket.receive":
            story(message["text"])
        story(message["code"])

    with opened(face, scripted(listen)) as client, client.connect() as socket:
        socket.send_text("one")
        socket.send_text("two")
        client.call(gate.open)
    assert story.events == ["one", "two", 1000]


@pytest.mark.in_process(reason="sockets and servers have buffers of their own")
def test_an_app_that_is_held_back_in_its_send_has_its_grace_too(face: Face) -> None:
    story = Recorder()

    async def flood(receive: Receive, send: Send) -> None:
        try:
            await say(send, bytes(70_000))
        except OSError as error:
            story(type(error).__name__)
            await several_rounds()  # a grace is time
            story("by itself")

    with face.bare(scripted(flood)) as client, client.connect():
        pass
    assert story.events == ["ClientDisconnected", "by itself"]


def test_an_app_that_overstays_its_grace_is_cancelled(face: Face) -> None:
    story = Recorder()

    async def overstay(receive: Receive, send: Send) -> None:
        story((await receive())["type"])
        try:
            await anyio.sleep_forever()
        finally:
            story("cleaned up")

    with face.bare(scripted(overstay), disconnect_grace=0.01) as client, client.connect():
        pass
    assert story.events == ["websocket.disconnect", "cleaned up"]


def test_an_app_that_does_not_listen_is_cancelled_at_once(face: Face) -> None:
    story = Recorder()

    async def deaf(receive: Receive, send: Send) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            story("cleaned up")

    with face.bare(scripted(deaf), disconnect_grace=3600) as client, client.connect():
        pass
    assert story.events == ["cleaned up"]


@pytest.mark.parametrize("version", ["2.3", "2.4"])
@pytest.mark.parametrize("way", ["receive", "send"])
def test_an_app_that_takes_no_notice_however_often_it_is_told_is_cancelled(face: Face, way: str, version: str) -> None:
    async def ignore(receive: Receive, send: Send) -> None:
        await receive()
        while True:
            with suppress(OSError):
                await (receive() if way == "receive" else say(send, "more"))

    scope = {"asgi": {"version": "3.0", "spec_version": version}}
    with face.bare(scripted(ignore), scope=scope, disconnect_grace=0.01) as client, client.connect() as socket:
        pass
    assert socket.session.done


def test_an_app_that_goes_on_receiving_after_its_own_close_does_not_stop_the_loop(face: Face) -> None:
    async def ignore(receive: Receive, send: Send) -> None:
        while True:
            await receive()

    with face.bare(scripted(closing(), ignore), disconnect_grace=0.01) as client:
        with pytest.raises(httpx.ReadTimeout), client.connect(timeout=0.1) as socket:
            assert list(socket) == []
        assert socket.session.done


def test_an_app_that_ignores_its_cancellation_does_not_hang_the_test(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tasks, "CANCEL_TIMEOUT", 0.02)

    async def stubborn(receive: Receive, send: Send) -> None:
        while True:
            try:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                pass

    text = "was cancelled, and 0.02 seconds later"
    with (
        opened(face, scripted(stubborn)) as client,
        pytest.raises(ApplicationStuckError, match=text),
        client.connect(),
    ):
        pass


GONE = "ClientDisconnected('WebSocket /: the client has gone')"


@pytest.mark.parametrize("held_back", [False, True])
@pytest.mark.parametrize("version, outcome", [("2.3", "silent"), ("2.4", GONE), ("2.10", GONE)])
def test_what_send_does_after_the_client_has_gone_depends_on_the_version(
    face: Face, version: str, outcome: str, held_back: bool
) -> None:
    outcomes = Recorder()

    async def flood(receive: Receive, send: Send) -> None:
        if not held_back:
            await receive()
        try:
            await say(send, bytes(70_000))
            await say(send, "more")
            await hang_up(send)
        except OSError as error:
            outcomes(repr(error))
            raise
        outcomes("silent")

    scope = {"asgi": {"version": "3.0", "spec_version": version}}
    with face.bare(scripted(flood), scope=scope) as client, client.connect() as socket:
        pass
    assert outcomes.events == [outcome]
    assert isinstance(socket.session.app_exception, OSError) == (outcome == GONE)


def test_an_error_in_the_app_s_cleanup_is_raised(face: Face) -> None:
    with (
        face.bare(scripted(hear, failing(LookupError("in its cleanup")))) as client,
        pytest.raises(LookupError, match="in its cleanup"),
        client.connect(),
    ):
        pass


@pytest.mark.parametrize(
    "kind", [ZeroDivisionError, AssertionError, pytest.skip.Exception, pytest.fail.Exception, pytest.xfail.Exception]
)
def test_the_test_s_own_exception_is_bare_and_the_app_s_is_a_note(face: Face, kind: Any) -> None:
    mine = kind("mine")
    with face.bare(scripted(hear, failing(LookupError("in its cleanup")))) as client:
        with pytest.raises(kind) as caught, client.connect():
            raise mine
        assert caught.value is mine
        assert "LookupError: in its cleanup" in "".join(mine.__notes__)
        with pytest.raises(kind) as caught, client.connect(extensions=LENIENT):
            raise kind("again")
        assert not hasattr(caught.value, "__notes__")


def test_an_exception_of_the_app_that_passes_through_the_block_is_not_told_twice(face: Face) -> None:
    error = LookupError("x")
    with (
        face.bare(scripted(failing(error))) as client,
        pytest.raises(LookupError) as caught,
        client.connect() as socket,
    ):
        socket.receive()
    assert caught.value is error
    assert not hasattr(error, "__notes__")


# Detached apps, and the client's close


@pytest.mark.in_process(on="hypercorn", reason="hypercorn tells of every close of the client as 1006")
def test_leaving_a_detached_app_does_not_wait_for_it_and_the_client_s_close_does(face: Face) -> None:
    story = Recorder()

    async def linger(receive: Receive, send: Send) -> None:
        story((await receive())["code"])
        await gate.wait()
        await several_rounds()
        story("returned")

    gate = Gate()
    with face.open(scripted(linger), background="detach", lifespan="off") as client:
        with client.connect() as socket:
            socket.close(3000)
        assert "returned" not in story.events
        client.call(gate.open)
    assert story.events == [3000, "returned"]


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.in_process(reason="when an end is heard of is the network's to decide")
def test_a_detached_app_that_has_ended_well_is_forgotten(face: Face, closes: bool) -> None:
    gate = Gate()
    app = scripted(closing() if closes else saying(), waiting(gate))
    with opened(face, app, background="detach") as client:
        with client.connect() as socket:
            pass
        assert not socket.session.done
        client.call(gate.open)
        socket.wait()
        assert not client.client._core.transport.unsettled


def test_an_error_of_a_detached_app_is_raised_when_the_client_closes(face: Face) -> None:
    gate = Gate()
    app = scripted(waiting(gate), failing(LookupError("detached")))
    with pytest.raises(LookupError, match="detached"), opened(face, app, background="detach") as client:
        with client.connect() as socket:
            pass
        client.call(gate.open)
        socket.wait()


@pytest.mark.in_process(on="hypercorn", reason="what send() raises after a disconnect is the server's to decide")
def test_a_detached_app_that_is_told_that_the_client_has_gone_has_not_failed(face: Face) -> None:
    with opened(face, scripted(hear, saying("more")), background="detach") as client:
        with client.connect() as socket:
            pass
        socket.wait()
        assert isinstance(socket.session.app_exception, OSError)


@pytest.mark.in_process(reason="what receive() gives after a disconnect is the server's to decide")
def test_closing_the_client_ends_an_open_session(face: Face) -> None:
    heard = Recorder()
    opened_client = opened(face, scripted(saying("before"), recording(heard, 2)))
    client = opened_client.__enter__()
    socket = client.connect("/room")
    socket.__enter__()
    opened_client.__exit__(None, None, None)
    assert heard.events == [{"type": "websocket.disconnect", "code": 1001, "reason": ""}] * 2
    assert (socket.session.done, socket.session.close_code, socket.session.close_reason) == (True, 1006, "")


def test_a_session_can_be_left_after_its_client_was_closed(face: Face) -> None:
    with face.bare(scripted(hear)) as client:
        with client.connect("/room") as socket:
            inner: Any = client.client
            if face.name == "blocking":
                inner.close()
            else:
                client.call(inner.aclose)
            with pytest.raises(httpx.ReadError, match=r"^WebSocket /room: the client was closed while it was using"):
                socket.receive()
            with pytest.raises(RuntimeError, match="the test has ended this session"):
                socket.send_text("a")
            socket.close()
            socket.abort()
        assert socket.session.done


def test_a_pending_receive_ends_when_the_client_is_closed(face: Face) -> None:
    with (
        opened(face, scripted(hear)) as client,
        client.connect() as socket,
        receivers(client, socket, 2) as pending,
    ):
        client.call(client.client._core.transport.aclose)
        for future in pending:
            with pytest.raises(httpx.ReadError, match="the client was closed"):
                future.result(5)


def test_an_error_of_an_app_whose_session_was_never_left_is_raised_when_the_client_closes(face: Face) -> None:
    opened_client = opened(face, scripted(failing(LookupError("x"))))
    client = opened_client.__enter__()
    client.connect().__enter__()
    with pytest.raises(LookupError, match="x"):
        opened_client.__exit__(None, None, None)


# How a session is used


def test_a_session_is_of_no_use_before_it_is_entered(face: Face) -> None:
    with face.bare(echo) as client:
        socket = client.connect()
        text = r"inside its `with` \(or `async with`\) block only: enter it first"
        for verb, *args in (
            ("send", "a"),
            ("send_text", "a"),
            ("send_bytes", b"a"),
            ("send_json", 1),
            ("receive",),
            ("receive_text",),
            ("receive_bytes",),
            ("receive_json",),
            ("close",),
            ("abort",),
            ("wait",),
            ("__next__",),
            ("__exit__", None, None, None),
        ):
            with pytest.raises(RuntimeError, match=text):
                socket.do(verb, *args)
        for name in (
            *("response", "headers", "subprotocol", "scope", "close_code", "close_reason"),
            *("app_exception", "done"),
        ):
            with pytest.raises(RuntimeError, match=text):
                getattr(socket.session, name)


def test_a_session_is_entered_once(face: Face) -> None:
    with face.bare(echo) as client:
        with client.connect() as socket:
            with pytest.raises(RuntimeError, match=r"was entered already; client.websocket_connect\(\) makes another"):
                socket.__enter__()
            socket.send_text("still open")
            assert socket.receive_text() == "still open"
        with pytest.raises(RuntimeError, match="was entered already"):
            socket.__enter__()


def test_after_the_block_a_session_tells_what_was_and_says_that_it_is_closed(face: Face) -> None:
    with face.bare(echo) as client:
        with client.connect("/room") as socket:
            pass
        assert socket.session.scope["path"] == "/room"
        assert (socket.session.done, socket.session.app_exception) == (True, None)
        with pytest.raises(WebSocketDisconnect, match="the test closed the connection"):
            socket.receive()
        with pytest.raises(RuntimeError, match="the test has ended this session"):
            socket.send_text("a")
        assert list(socket) == []
        socket.close(3000)
        socket.abort()
        socket.wait()
        assert socket.session.close_code == 1000


def test_the_response_s_handle_tells_of_the_app_too(face: Face) -> None:
    with face.bare(echo) as client, client.connect("/room") as socket:
        handle = socket.session.response.extensions["asgi"]
        assert (handle.scope["path"], handle.done, handle.app_exception) == ("/room", False, None)
        assert handle.scope is socket.session.scope


def test_an_app_s_own_cancellation_is_its_exception(face: Face) -> None:
    errors = Recorder()

    async def cancel_itself(receive: Receive, send: Send) -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await anyio.lowlevel.checkpoint()
            except anyio.get_cancelled_exc_class() as error:
                errors(error)
        raise errors.events[0]

    with face.bare(scripted(cancel_itself), raise_server_exceptions=False) as client, client.connect() as socket:
        with pytest.raises(WebSocketDisconnect) as caught:
            socket.receive()
        assert caught.value.code == 1011
        assert socket.session.app_exception is errors.events[0]


def test_a_receive_that_the_app_drops_loses_nothing(face: Face) -> None:
    gate = Gate()

    async def drop(receive: Receive, send: Send) -> None:
        with anyio.move_on_after(0) as dropping:
            await receive()
        assert dropping.cancelled_caught
        await gate.wait()
        await say(send, (await receive())["text"])

    with opened(face, scripted(drop, hear)) as client, client.connect() as socket:
        client.call(anyio.wait_all_tasks_blocked)
        socket.send_text("not lost")
        client.call(gate.open)
        assert socket.receive_text() == "not lost"


# Without a session


@pytest.mark.parametrize("denied", [False, True])
@pytest.mark.in_process(on="hypercorn", reason="hypercorn tells of every close of the client as 1006")
def test_a_handshake_that_is_sent_as_any_request_is_answered_and_reading_the_answer_ends_it(
    face: Face, denied: bool
) -> None:
    heard = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await (deny(send, status=403, chunks=(b"n", b"o")) if denied else accept(send))
        heard(await receive())

    with face.bare(app) as client:
        response = client.get("/", headers=offer(None))
    assert (response.status_code, response.content) == ((403, b"no") if denied else (101, b""))
    assert response.extensions["asgi"].done
    assert heard.events == [{"type": "websocket.disconnect", "code": 1006 if denied else 1005}]
