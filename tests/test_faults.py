"""What faults do to an app, and what the test gets: both faces, each loop."""

from __future__ import annotations

import math
import re
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from asgi_testkit import (
    ASGIProtocolError,
    ASGITransport,
    AsyncClient,
    ClientDisconnected,
    Message,
    Receive,
    Scope,
    Send,
    TestClient,
    WebSocketDisconnect,
)
from asgi_testkit._conversation import draws
from asgi_testkit._conversation import faults as effects
from asgi_testkit.faults import (
    Chaos,
    Disconnect,
    DropWebSocket,
    Fault,
    MissingKeys,
    NoneKeys,
    SlowReader,
    SplitBody,
)

from .cancelling import cancel_at_every_await
from .faces import Face
from .messages import Gate, Recorder, accept, body, echo, hang_up, hello, say, several_rounds, start


def asking(*faults: Fault) -> dict[str, Any]:
    """Return the extensions of a request with faults."""
    return {"asgi": {"faults": list(faults)}}


class Upload:
    """An app that reads its request to the end, and keeps what it receives."""

    def __init__(self) -> None:
        self.received: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        while (message := await receive())["type"] == "http.request":
            self.received.append(message)
            if not message.get("more_body", False):
                await start(send)
                await body(send, b"".join(each.get("body", b"") for each in self.received))
                return
        self.received.append(message)

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.received if message["type"] == "http.request"]


# The client goes: in the upload


@pytest.mark.parametrize(
    "fault, bodies",
    [
        (Disconnect(during="upload"), []),
        (Disconnect(during="upload", after_bytes=0), []),
        (Disconnect(during="upload", after_bytes=4), [b"abc", b"d"]),
        (Disconnect(during="upload", after_bytes=6), [b"abc", b"def"]),
        (Disconnect(during="upload", after_messages=1), [b"abc"]),
    ],
    ids=repr,
)
def test_a_client_that_goes_in_the_upload(face: Face, fault: Disconnect, bodies: list[bytes]) -> None:
    app = Upload()
    with face.open(app, lifespan="off", faults=fault) as client:
        with pytest.raises(httpx.WriteError) as caught:
            client.post(content=client.upload(b"abc", b"def", b"ghi"))
        assert str(caught.value) == f"POST /: the client has gone, by the fault {fault!r}"
        assert caught.value.request.url == "http://testserver/"
        assert not hasattr(caught.value, "__notes__")
    assert app.bodies == bodies
    assert app.received[-1] == {"type": "http.disconnect"}
    assert all(message["more_body"] for message in app.received[:-1])


def test_an_upload_that_is_over_before_is_not_touched(face: Face) -> None:
    for fault in (Disconnect(during="upload", after_bytes=9), Disconnect(during="upload", after_messages=9)):
        with face.open(Upload(), lifespan="off") as client:
            assert client.post(content=b"abcdefghi", extensions=asking(fault)).text == "abcdefghi"


def test_an_app_that_returns_without_a_look_at_the_client_has_done_nothing_wrong(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    with face.open(app, lifespan="off") as client, pytest.raises(httpx.WriteError) as caught:
        client.post(content=b"abc", extensions=asking(Disconnect(during="upload", after_bytes=1)))
    assert not hasattr(caught.value, "__notes__")


def test_an_app_that_fails_before_it_turns_to_the_client_fails_the_test(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise LookupError

    with face.open(app, lifespan="off") as client, pytest.raises(LookupError):
        client.post(content=b"abc", extensions=asking(Disconnect(during="upload", after_bytes=1)))


def test_what_an_app_makes_of_it_is_told_beside(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            (await receive())["body"]

    with face.open(app, lifespan="off") as client:
        with pytest.raises(httpx.WriteError) as caught:
            client.post(content=b"abc", extensions=asking(Disconnect(during="upload", after_bytes=1)))
        [note] = caught.value.__notes__
        assert note.endswith("KeyError: 'body'")
        answered = {"faults": Disconnect(during="upload", after_bytes=1), "raise_server_exceptions": False}
        with pytest.raises(httpx.WriteError) as caught:
            client.post(content=b"abc", extensions={"asgi": answered})
        assert not hasattr(caught.value, "__notes__")


def test_an_app_that_is_busy_has_its_grace_to_notice(face: Face) -> None:
    ended = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await several_rounds()  # and is not cancelled
        ended.append((await receive())["type"])

    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")

    for each, options in ((app, {}), (stuck, {"disconnect_grace": 0.01})):
        with face.open(each, lifespan="off", **options) as client, pytest.raises(httpx.WriteError):
            client.post(content=b"abc", extensions=asking(Disconnect(during="upload", after_bytes=1)))
    assert ended == ["http.disconnect", "cancelled"]


# In the download


def five_parts(record: Recorder, *, spec_version: str = "2.3") -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["asgi"]["spec_version"] = spec_version
        await start(send)
        for number in range(5):
            try:
                await body(send, b"12345", more=number < 4)
            except ClientDisconnected:
                record("told")
                return
            record(number)

    return app


@pytest.mark.parametrize(
    "fault, read",
    [
        (Disconnect(after_bytes=5), b"12345"),
        (Disconnect(after_bytes=7), b"1234512"),
        (Disconnect(after_bytes=24), b"123451234512345123451234"),
        (Disconnect(after_messages=1), b""),
        (Disconnect(after_messages=3), b"1234512345"),
    ],
    ids=repr,
)
def test_a_client_that_goes_in_the_download(face: Face, fault: Disconnect, read: bytes) -> None:
    with face.open(five_parts(Recorder()), lifespan="off", faults=fault) as client:
        got = b""
        with pytest.raises(httpx.ReadError, match="the client has gone") as caught, client.stream() as stream:
            assert stream.response.status_code == 200
            while chunk := stream.next():
                got += chunk
        assert repr(fault) in str(caught.value)
        assert got == read
        with pytest.raises(httpx.ReadError):
            client.get()


@pytest.mark.parametrize("fault", [Disconnect(), Disconnect(after_bytes=0), Disconnect(after_messages=0)], ids=repr)
def test_a_client_that_goes_before_the_response(face: Face, fault: Disconnect) -> None:
    record = Recorder()
    with face.open(five_parts(record), lifespan="off") as client:
        with pytest.raises(httpx.ReadError, match=re.escape(repr(fault))):
            client.get(extensions=asking(fault))
        assert client.get().text == 5 * "12345"


def test_an_app_is_told_by_send_where_the_spec_version_says_so(face: Face) -> None:
    record = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await five_parts(record)(scope, receive, send)

    scope = {"asgi": {"version": "3.0", "spec_version": "2.4"}}
    with face.open(app, lifespan="off", scope=scope) as client, pytest.raises(httpx.ReadError):
        client.get(extensions=asking(Disconnect(after_bytes=7)))
    assert record.events == [0, "told"]


@pytest.mark.parametrize("fault", [Disconnect(after_bytes=25), Disconnect(after_messages=6)], ids=repr)
def test_a_response_that_is_whole_before_is_not_touched(face: Face, fault: Disconnect) -> None:
    with face.open(five_parts(Recorder()), lifespan="off") as client:
        assert client.get(extensions=asking(fault)).text == 5 * "12345"


def test_a_response_without_a_body_is_whole_at_its_start(face: Face) -> None:
    with face.open(five_parts(Recorder()), lifespan="off") as client:
        response = client.request("HEAD", "/", extensions=asking(Disconnect(after_bytes=3)))
    assert response.status_code == 200


def test_an_app_that_listens_hears_of_it_at_once(face: Face) -> None:
    heard = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            await receive()
            heard.append((await receive())["type"])
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await several_rounds()
            await start(send)
            await body(send, b"abc", more=True)
            await anyio.sleep_forever()

    with face.open(app, lifespan="off", disconnect_grace=60) as client, pytest.raises(httpx.ReadError):
        client.get(extensions=asking(Disconnect(after_bytes=2)))
    assert heard == ["http.disconnect"]


def test_whoever_leaves_before_is_told_nothing(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"abc", more=True)
        while (await receive())["type"] != "http.disconnect":
            pass

    with face.open(app, lifespan="off") as client:
        for size in (2, 9):
            with client.stream(extensions=asking(Disconnect(after_bytes=size))):
                client.call(several_rounds)


def test_a_file_that_the_app_has_sent_for_it_is_cut_off_as_well(face: Face, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await send({"type": "http.response.pathsend", "path": str(path)})

    offered: dict[str, Any] = {"http.response.pathsend": {}}
    with face.open(app, lifespan="off", asgi_extensions=offered) as client:
        with pytest.raises(httpx.ReadError), client.stream(extensions=asking(Disconnect(after_bytes=4))) as stream:
            assert stream.next() == b"0123"
            stream.next()
        assert client.get(extensions=asking(Disconnect(after_bytes=11))).text == "0123456789"


@pytest.mark.parametrize(
    "message",
    [["http.response.body"], {"type": "http.response.body", "body": "text"}, {"type": "nonsense"}],
    ids=repr,
)
def test_a_message_that_is_none_is_refused_as_ever(face: Face, message: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await send(message)

    with face.open(app, lifespan="off") as client, pytest.raises(ASGIProtocolError):
        client.get(extensions=asking(Disconnect(after_bytes=4), SlowReader(0.001)))


def test_a_client_goes_only_once(face: Face) -> None:
    both = [Disconnect(after_bytes=1), Disconnect(after_messages=2), Disconnect(during="upload", after_bytes=1)]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        for _ in range(3):
            await body(send, b"abc", more=True)
        assert (await receive())["type"] == "http.disconnect"

    with face.open(app, lifespan="off", faults=both) as client, pytest.raises(httpx.ReadError, match="after_bytes=1"):
        client.post(content=b"abc")


def test_a_detached_app_goes_on_to_its_end(face: Face) -> None:
    ended = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"abc", more=True)
        await body(send, b"abc", more=True)
        await several_rounds()
        ended.append(True)

    with face.open(app, lifespan="off", background="detach") as client, pytest.raises(httpx.ReadError):
        client.get(extensions=asking(Disconnect(after_bytes=4)))
    assert ended == [True]


# After a time


@pytest.mark.parametrize("during, kind", [("upload", httpx.WriteError), ("download", httpx.ReadError)])
def test_a_client_that_goes_after_a_time(face: Face, during: Any, kind: type[Exception]) -> None:
    ended = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    with face.open(app, lifespan="off") as client, pytest.raises(kind, match=r"after_seconds=0\.01"):
        client.post(content=b"abc", extensions=asking(Disconnect(during=during, after_seconds=0.01)))
    assert ended == [True]


class Clock:
    """Stands still: what is to be called later is called when the test says so."""

    def __init__(self) -> None:
        self.due: list[Any] = []

    def call_later(self, seconds: float, function: Any) -> Any:
        self.due.append(function)
        return lambda: None

    async def strike(self) -> None:
        """Call all of it; in the app's loop."""
        for function in self.due:
            function()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(effects, "call_later", made.call_later)
    return made


def test_a_time_that_comes_too_late_changes_nothing(face: Face, clock: Clock) -> None:
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        await body(send, b"whole")
        await gate.wait()

    faults = [Disconnect(after_seconds=1), Disconnect(during="upload", after_seconds=1)]
    with face.open(app, lifespan="off", background="detach") as client:
        assert client.post(content=b"abc", extensions=asking(*faults)).text == "whole"
        client.call(clock.strike)
        client.call(gate.open)
    assert len(clock.due) == 2


def test_a_time_that_never_comes(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await several_rounds()
        assert (await receive())["type"] == "http.disconnect"

    with face.open(app, lifespan="off", disconnect_grace=1e10) as client, pytest.raises(httpx.WriteError):
        client.post(content=b"abc", extensions=asking(Disconnect(during="upload", after_bytes=1)))
    with face.open(hello, lifespan="off") as client:
        assert client.get(extensions=asking(Disconnect(after_seconds=math.inf))).text == "hello"


def test_a_time_that_comes_after_the_client_has_left_changes_nothing(face: Face, clock: Clock) -> None:
    heard = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await receive()
        heard.append((await receive())["type"])
        await clock.strike()
        await several_rounds()
        heard.append("done")

    with face.open(app, lifespan="off") as client, client.stream(extensions=asking(Disconnect(after_seconds=1))):
        pass
    assert heard == ["http.disconnect", "done"]


# Bodies and keys


@pytest.mark.parametrize(
    "fault, bodies",
    [
        (SplitBody("one-byte"), [b"a", b"b", b"c", b"d"]),
        (SplitBody("empty"), [b"", b"ab", b"", b"cd", b""]),
    ],
    ids=repr,
)
def test_a_body_in_other_parts(face: Face, fault: SplitBody, bodies: list[bytes]) -> None:
    app = Upload()
    with face.open(app, lifespan="off", faults=fault) as client:
        assert client.post(content=client.upload(b"ab", b"cd")).text == "abcd"
    assert [each for each in app.bodies if each or fault.parts == "empty"][: len(bodies)] == bodies
    assert [message["more_body"] for message in app.received][-1] is False


def test_random_parts_are_the_same_once_more(face: Face) -> None:
    apps = [Upload(), Upload(), Upload()]
    for app, seed in zip(apps, [1, 1, 2], strict=True):
        with face.open(app, lifespan="off", faults=SplitBody(seed=seed)) as client:
            assert client.post(content=b"abcdefghij").text == "abcdefghij"
    assert apps[0].bodies == apps[1].bodies != apps[2].bodies


def test_two_tasks_that_receive_lose_no_part(face: Face) -> None:
    bodies = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            while (message := await receive())["type"] == "http.request":
                bodies.append(message["body"])
                if len(bodies) == 6:
                    await start(send)
                    await body(send)
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            group.start_soon(listen)

    with face.open(app, lifespan="off", faults=SplitBody("one-byte")) as client:
        client.post(content=client.upload(b"abc", b"def"))
    assert sorted(bodies) == [b"a", b"b", b"c", b"d", b"e", b"f"]


def test_parts_that_are_not_asked_for_do_not_follow_the_response(face: Face) -> None:
    received = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(await receive())
        await start(send, status=413)
        await body(send)
        received.append(await receive())

    with face.open(app, lifespan="off", faults=SplitBody("one-byte")) as client:
        assert client.post(content=b"abc").status_code == 413
    assert received == [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]


def test_optional_keys_of_a_request_are_missing(face: Face) -> None:
    app = Upload()
    with face.open(app, lifespan="off", faults=[MissingKeys(), SplitBody("empty")]) as client:
        assert client.post(content=b"abc").text == "abc"
    assert app.received == [
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.request"},
    ]


@pytest.mark.parametrize(
    "fault, received",
    [
        (
            NoneKeys(),
            [
                {"type": "websocket.receive", "text": "a", "bytes": None},
                {"type": "websocket.receive", "bytes": b"b", "text": None},
                {"type": "websocket.disconnect", "code": 1000, "reason": None},
            ],
        ),
        (
            MissingKeys(),
            [
                {"type": "websocket.receive", "text": "a"},
                {"type": "websocket.receive", "bytes": b"b"},
                {"type": "websocket.disconnect", "code": 1000},
            ],
        ),
    ],
    ids=repr,
)
def test_optional_keys_of_websocket_messages(face: Face, fault: Fault, received: list[Message]) -> None:
    heard = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        heard.extend([await receive(), await receive(), await receive()])

    with face.open(app, lifespan="off") as client, client.connect(extensions=asking(fault)) as session:
        session.send_text("a")
        session.send_bytes(b"b")
    assert heard == received


# Slow readers


def test_a_slow_reader_holds_the_app_back_until_each_part_is_read(face: Face) -> None:
    record = Recorder()
    with face.open(five_parts(record), lifespan="off") as client:
        with client.stream(extensions=asking(SlowReader())) as stream:
            client.call(several_rounds)
            assert record.events == []
            assert stream.read() == 5 * b"12345"
        assert client.get(extensions=asking(SlowReader(0.001))).text == 5 * "12345"


def test_a_slow_reader_that_leaves_lets_the_app_go(face: Face) -> None:
    record = Recorder()
    slow = SlowReader(math.inf, write_buffer=100)
    with face.open(five_parts(record), lifespan="off") as client, client.stream(extensions=asking(slow)):
        client.call(several_rounds)
        assert record.events == []


def test_the_buffer_of_a_client_is_not_made_longer(face: Face) -> None:
    record = Recorder()
    extensions = asking(SlowReader(write_buffer=1000))
    with (
        face.open(five_parts(record), lifespan="off", write_buffer=0) as client,
        client.stream(extensions=extensions) as stream,
    ):
        client.call(several_rounds)
        assert record.events == []
        stream.read()


def test_a_slow_reader_of_a_websocket(face: Face) -> None:
    record = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        for number in range(3):
            await say(send, str(number))
            record(number)
        await hang_up(send)

    with face.open(app, lifespan="off") as client, client.connect(extensions=asking(SlowReader(0.001))) as session:
        client.call(several_rounds)
        assert record.events == []
        assert list(session) == ["0", "1", "2"]


# WebSockets


def test_a_client_that_goes_in_the_handshake(face: Face) -> None:
    heard = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        heard.append(await receive())

    async def accepts(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await accept(send)
        except ClientDisconnected:
            heard.append({"type": "accepted"})

    for each in (app, accepts):
        with (
            face.open(each, lifespan="off", faults=Disconnect(during="handshake")) as client,
            pytest.raises(httpx.ReadError, match="WebSocket /: the client has gone, by the fault Disc"),
        ):
            client.connect().__enter__()
    assert heard == [{"type": "websocket.disconnect", "code": 1006}, {"type": "accepted"}]


def test_a_client_that_goes_after_a_time_in_the_handshake(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    fault = Disconnect(during="handshake", after_seconds=0.01)
    with face.open(app, lifespan="off", faults=fault) as client, pytest.raises(httpx.ReadError, match="handshake"):
        client.connect().__enter__()


def test_a_time_that_comes_after_the_handshake_changes_nothing(face: Face, clock: Clock) -> None:
    fault = Disconnect(during="handshake", after_seconds=1)
    with face.open(echo, lifespan="off", faults=fault) as client, client.connect() as session:
        client.call(clock.strike)
        session.send_text("there still")
        assert session.receive_text() == "there still"


def test_an_app_that_rejects_returns_as_ever(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hang_up(send)

    with (
        face.open(app, lifespan="off", faults=[Disconnect(during="handshake"), DropWebSocket()]) as client,
        pytest.raises(WebSocketDisconnect, match="rejected"),
    ):
        client.connect().__enter__()


def test_a_websocket_that_is_lost(face: Face) -> None:
    heard = []
    fault = DropWebSocket(after_messages=3)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        while (message := await receive())["type"] == "websocket.receive":
            heard.append(message["text"])
            await say(send, message["text"])
        heard.append(message)

    async def answers_once(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_once(message: Message) -> None:
            if message.get("text") != "no answer":
                await send(message)

        await app(scope, receive, send_once)

    with face.open(answers_once, lifespan="off", faults=fault) as client, client.connect() as session:
        session.send_text("a")
        assert session.receive_text() == "a"
        session.send_text("no answer")
        with pytest.raises(WebSocketDisconnect) as caught:
            session.receive_text()
        assert str(caught.value) == f"WebSocket /: the fault {fault!r} cut off the connection (code 1006)"
        with pytest.raises(WebSocketDisconnect):
            session.send_text("more")
        assert session.session.close_code == 1006
        session.wait()
    assert heard == ["a", "no answer", {"type": "websocket.disconnect", "code": 1005}]


def test_a_websocket_that_is_lost_after_a_time(face: Face) -> None:
    heard = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        heard.extend([await receive(), await receive()])

    fault = DropWebSocket(after_seconds=0.01)
    with face.open(app, lifespan="off", faults=fault) as client, client.connect() as session:
        with pytest.raises(WebSocketDisconnect, match=r"the fault DropWebSocket\(after_seconds=0\.01\) cut off"):
            session.receive_text()
        session.wait()
    assert heard == [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1005}]


def test_a_websocket_that_is_lost_at_once(face: Face) -> None:
    with face.open(echo, lifespan="off", faults=DropWebSocket()) as client, client.connect() as session:
        session.send_text("goes nowhere, as on a network")
        assert list(session) == []


def test_what_was_not_received_when_it_is_lost_is_lost(face: Face) -> None:
    heard = []
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await gate.wait()
        while (message := await receive())["type"] == "websocket.receive":
            heard.append(message["text"])

    with face.open(app, lifespan="off", faults=DropWebSocket(after_messages=2)) as client, client.connect() as session:
        for number in range(5):
            session.send_text(str(number))
        client.call(gate.open)
        session.wait()
    assert heard == ["0", "1"]


def test_an_app_that_sends_is_told(face: Face) -> None:
    heard: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        with pytest.raises(ClientDisconnected):
            while True:
                await say(send, str(len(heard)))
                heard.append(len(heard))

    with face.open(app, lifespan="off", faults=DropWebSocket(after_messages=2)) as client, client.connect() as session:
        assert list(session) == ["0", "1"]
    assert heard == [0, 1]


def test_a_websocket_that_was_closed_before_is_not_lost(face: Face, clock: Clock) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await say(send, "bye")
        await hang_up(send, code=4000)
        await clock.strike()

    for fault in (DropWebSocket(after_messages=2), DropWebSocket(after_seconds=1)):
        with face.open(app, lifespan="off", faults=fault) as client, client.connect() as session:
            assert session.receive_text() == "bye"
            with pytest.raises(WebSocketDisconnect, match="the application closed the connection"):
                session.receive_text()
            session.wait()
            assert session.session.close_code == 4000


@pytest.mark.anyio
async def test_a_websocket_library_sees_the_end_of_the_stream() -> None:
    import httpx_ws

    ws: Any
    transport = ASGITransport(echo, faults=DropWebSocket(after_messages=2))
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.RaisesGroup(httpx_ws.WebSocketNetworkError, allow_unwrapped=True, flatten_subgroups=True):
            async with httpx_ws.aconnect_ws("http://testserver/", client) as ws:
                await ws.send_text("a")
                assert await ws.receive_text() == "a"
                await ws.receive_text()


# Who asks for them


def test_a_request_overrules_its_client(face: Face) -> None:
    with face.open(hello, lifespan="off", faults=Disconnect()) as client:
        assert client.get(extensions={"asgi": {"faults": ()}}).text == "hello"
        assert client.get(extensions={"asgi": {"faults": None}}).text == "hello"
        with pytest.raises(httpx.ReadError):
            client.get()


@pytest.mark.parametrize("kind", [AsyncClient, TestClient, ASGITransport])
def test_what_is_no_fault_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"^faults is a fault of asgi_testkit\.faults, or a list of them, not 'all'$"):
        kind(hello, faults="all")


def test_a_transcript_tells_what_was_asked_for_and_what_was_drawn(face: Face) -> None:
    with face.open(hello, lifespan="off", record=True) as client:
        client.get()
        client.get(extensions=asking(MissingKeys(), SplitBody("empty")))
        client.get(extensions=asking(MissingKeys(), Chaos(5)))
        client.get(extensions=asking(Chaos(1)))
        told = re.findall(r"faults: (.*)", client.client.transcript())
    assert told[0] == "MissingKeys(), SplitBody(parts='empty')"
    assert told[1].startswith("MissingKeys()")
    assert told[1].count("MissingKeys") == 1
    assert told[1].endswith("(drawn by Chaos(seed=5))")
    assert len(told) == 3


def test_who_listens_hears_what_the_app_gets(face: Face) -> None:
    app = Upload()
    with face.open(app, lifespan="off", record=True) as client:
        client.post(content=b"abc", extensions=asking(SplitBody("one-byte")))
        with pytest.raises(httpx.WriteError):
            client.post(content=b"abc", extensions=asking(Disconnect(during="upload", after_bytes=2)))
        lines = [line.partition(" ms  ")[2] for line in client.client.transcript().splitlines() if " ms  > " in line]
    assert lines == ["> http.request  abc  (3 parts)", "> http.request  ab", "> http.disconnect"]


def faults_told(client: Any, requests: int = 12) -> list[str]:
    for _ in range(requests):
        client.get()
    return re.findall(r"faults: (.*)", client.client.transcript())


def test_what_is_drawn_depends_on_test_client_and_request_alone(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    def told_in(test: str) -> list[list[str]]:
        monkeypatch.setattr(draws.suite, "test", draws.Draws(test))
        options: dict[str, Any] = {"lifespan": "off", "record": True, "faults": Chaos(3)}
        with face.open(hello, **options) as first, face.open(hello, **options) as second:
            return [faults_told(first), faults_told(second)]

    one, other = told_in("a"), told_in("b")
    assert one[0] != one[1] != other[1]
    assert told_in("a") == one


def test_a_client_that_outlives_a_test_begins_anew_in_the_next(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    with face.open(hello, lifespan="off", record=True, faults=Chaos(3)) as client:
        told = []
        for requests in (5, 2):
            monkeypatch.setattr(draws.suite, "test", draws.Draws("test"))
            told.append(faults_told(client, requests))
    assert told[1][5:] == told[0][:2]


def test_without_our_plugin_pytest_s_variable_names_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = draws.Suite()
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "test_it.py::test[a b] (call)")
    test = suite.current()
    assert test.name == "test_it.py::test[a b]"
    assert suite.current() is test
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "test_it.py::test[a b] (teardown)")
    assert suite.current() is test
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert suite.current().name == ""


def test_the_suite_s_chaos_is_for_those_who_are_not_told_otherwise(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws.suite, "test", draws.Draws("test", Chaos(7)))
    with face.open(hello, lifespan="off", record=True) as client:
        client.get()
        client.get(extensions=asking(MissingKeys()))
        client.get(extensions=asking())
        told = re.findall(r"faults: (.*)", client.client.transcript())
    assert len(told) == 2
    assert told[0].endswith("(drawn by Chaos(seed=7))")
    assert told[1] == "MissingKeys()"


# Cancellation


@pytest.mark.parametrize("how", ["by scope", "by task"])
@pytest.mark.anyio
async def test_cancelling_at_every_await_leaves_nothing_running(how: str, anyio_backend: tuple[str, Any]) -> None:
    faults = [SplitBody("empty"), SlowReader(0.0001), Disconnect(after_bytes=7), Disconnect(after_seconds=60)]
    client = AsyncClient(five_parts(Recorder()), faults=faults)

    async def request() -> None:
        with pytest.raises(httpx.ReadError):
            await client.post("/", content=b"abc")

    assert await cancel_at_every_await(request, how, anyio_backend, lambda: None) > 1

    async def session() -> None:
        async with AsyncClient(echo, faults=[NoneKeys(), DropWebSocket(after_messages=2)]).websocket_connect("/") as ws:
            await ws.send_text("a")
            assert await ws.receive_text() == "a"
            with pytest.raises(WebSocketDisconnect):
                await ws.receive_text()

    assert await cancel_at_every_await(session, how, anyio_backend, lambda: None) > 1
