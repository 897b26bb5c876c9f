"""Transcripts: what a client and an app have said to each other, as text."""

from __future__ import annotations

import gc
import gzip
import inspect
import json
import sys
import weakref
import zlib
from typing import Any

import anyio
import haralyzer  # type: ignore[import-untyped]  # it has none
import httpx
import jsonschema
import pytest

from asgi_testkit import ASGIProtocolError, Receive, Scope, Send, TestClient
from asgi_testkit._conversation import observer
from asgi_testkit._record import recorder as _recorder
from asgi_testkit._record import transcript as _transcript
from asgi_testkit._record.as_json import conversations
from asgi_testkit._record.har import har
from asgi_testkit._record.transcript import transcript
from asgi_testkit.starlette import TestClient as StarletteClient

from .faces import Face
from .har import checked
from .messages import accept, body, hello, live, say, start

URL = "'http://127.0.0.1:8000/orders?api_key=***&x=2'"


def told(client: Any) -> list[str]:
    """Return the lines of a transcript, without the times."""
    lines: list[str] = client.client.transcript().splitlines()
    return [line[13:].strip() if " ms  " in line[:14] else line.strip() for line in lines]


async def shop(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await accept(send)
        await say(send, f"hello {(await receive())['text']}")
        await receive()
    elif scope["path"] == "/fails":
        raise LookupError("nothing here")
    elif scope["path"] == "/slow":
        await anyio.sleep_forever()
    else:
        await receive()
        await send({"type": "http.response.start", "status": 422, "headers": [(b"content-type", b"application/json")]})
        await body(send, b'{"detail": ', more=True)
        await body(send, b'"count: missing"}')


def test_a_request_is_told_with_its_answer_and_as_a_command(face: Face) -> None:
    with face.bare(shop, record=True) as client:
        client.request("POST", "/orders?api_key=abcdef&x=2", content=b"one pen", headers={"content-type": "text/plain"})
        assert told(client) == [
            "POST /orders?api_key=***&x=2  ->  422  (the app returned)",
            "> http.request  one pen",
            "< http.response.start  422  content-type: application/json",
            '< http.response.body  {"detail": "count: missing"}  (2 parts)',
            "curl -i -X POST -H 'content-type: text/plain' -H 'host: testserver' --data-binary 'one pen' " + URL,
        ]


def test_what_the_app_raised_and_what_the_client_was_told_is_there(face: Face) -> None:
    with face.bare(shop, record=True, timeout=0.05, disconnect_grace=0) as client:
        with pytest.raises(LookupError):
            client.request("GET", "/fails")
        with pytest.raises(httpx.ReadTimeout):
            client.request("GET", "/slow")
        lines = told(client)
    assert lines[0] == "GET /fails  ->  no response  (the app raised LookupError('nothing here'))"
    assert lines[1] == f'File "{__file__}", line {line_of(shop, "LookupError")}, in shop'
    assert lines[3] == "GET /slow  ->  no response  (the app was cancelled)"
    assert lines[4].startswith("the client: ReadTimeout: GET /slow: 0.05 seconds passed")
    assert any(line.endswith(", in shop") for line in lines)


def line_of(function: Any, text: str) -> int:
    """Return the number of the first line of a function that has this text in it."""
    lines, first = inspect.getsourcelines(function)
    return next(first + number for number, line in enumerate(lines) if text in line)


def test_an_app_that_still_runs_is_told_with_its_line(face: Face) -> None:
    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"one", more=True)
        await anyio.sleep_forever()

    with face.bare(waiting, record=True) as client, client.stream("GET", "/"):
        lines = told(client)
    assert lines[0] == "GET /  ->  200  (the app still runs)"
    assert "the app is suspended at:" in lines
    assert f'File "{__file__}", line {line_of(waiting, "sleep_forever")}, in {waiting.__qualname__}' in lines


def test_messages_that_nobody_has_received_are_told(face: Face) -> None:
    async def talkative(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await say(send, "hello")
        await say(send, "x" * 100)
        await say(send, "bye")
        await receive()

    with face.bare(talkative, record=True) as client:
        with client.connect("/ws") as socket:
            assert socket.receive_text() == "hello"
        assert f"2 of them not received by the test: '{'x' * 80}', 'bye'" in told(client)


def test_messages_that_nobody_has_received_from_the_drop_in_are_told() -> None:
    async def talkative(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await say(send, "hello")
        await send({"type": "websocket.send", "bytes": b"bye"})
        await send({"type": "websocket.close", "code": 1000})

    client = StarletteClient(talkative, record=True)
    with client.websocket_connect("/ws") as session:
        assert session.receive_text() == "hello"
    assert "1 of them not received by the test: b'bye'" in client.transcript()


def test_an_app_that_passes_on_that_the_client_has_gone_is_told_in_a_line(face: Face) -> None:
    class WebSocketDisconnect(Exception):  # noqa: N818 - Starlette's name
        __module__ = "starlette.websockets"

    async def passes_on(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        await receive()
        raise WebSocketDisconnect(1000)

    with face.bare(passes_on, record=True) as client:
        with pytest.raises(WebSocketDisconnect), client.connect("/ws"):
            pass
        assert told(client)[0] == "WebSocket /ws  (the app raised WebSocketDisconnect: the client had gone)"
        assert f'File "{__file__}"' not in client.client.transcript()


def test_a_session_is_told_message_by_message(face: Face) -> None:
    with face.bare(shop, record=True) as client:
        with client.connect("/ws") as socket:
            socket.send_text("joe")
            assert socket.receive_text() == "hello joe"
            assert told(client)[0] == "WebSocket /ws  (the app still runs)"
        assert told(client) == [
            "WebSocket /ws  (the app returned)",
            "> websocket.connect",
            "< websocket.accept",
            "> websocket.receive  joe",
            "< websocket.send  hello joe",
            "> websocket.disconnect  1000",
        ]


def test_without_record_there_is_nothing_to_tell(face: Face) -> None:
    with face.bare(shop) as client, pytest.raises(RuntimeError, match="record=True"):
        client.client.transcript()


def test_long_conversations_are_cut_in_the_middle_and_long_bodies_at_the_end(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await accept(send)
        for number in range(100):
            await say(send, f"{number} " + "x" * (1 if number else 5000))
        await receive()

    with face.bare(app, record=True) as client:
        with client.connect() as socket:
            for _ in range(100):
                socket.receive_text()
        lines = told(client)
    dropped = 103 - _recorder.FIRST_MESSAGES_KEPT - _recorder.LAST_MESSAGES_KEPT
    assert f"... {dropped} messages are left out" in lines
    assert all(len(line) < 2 * _recorder.BODY_KEPT for line in lines)
    assert lines[3].endswith("... (5002 in all)")


def test_only_the_last_conversations_are_kept_and_a_long_text_loses_its_beginning(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    with face.bare(hello, record=True) as client:
        for number in range(_recorder.CONVERSATIONS_KEPT + 1):
            client.request("GET", f"/{number}")
        headings = [line for line in told(client) if "  ->  " in line]
        assert [heading.split()[1] for heading in headings] == [
            f"/{n}" for n in range(1, _recorder.CONVERSATIONS_KEPT + 1)
        ]
        monkeypatch.setattr(_transcript, "LONGEST", 500)
        lines = told(client)
        assert lines[0] == "... (the beginning is left out)"
        assert lines[-1].endswith(f"/{_recorder.CONVERSATIONS_KEPT}")


class Observed:
    scope: Any = None
    stand_in = False
    app_exception = None
    app_returned = False


class Odd:
    def __repr__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    "message", [None, {"type": "x", "body": 5}, Odd(), {"type": "http.response.start", "headers": 5}]
)
def test_whatever_is_sent_is_recorded_without_a_complaint(message: Any) -> None:
    record = _recorder.Record(Observed())
    record.add(message, to_app=False)
    [event] = record.events
    assert event.type


def test_bytes_that_are_no_text_are_shown_as_bytes(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"\xff\xfe")

    with face.bare(app, record=True) as client:
        client.get()
        assert "< http.response.body  b'\\xff\\xfe'" in told(client)


def test_a_record_keeps_nothing_alive(face: Face) -> None:
    with face.bare(hello, record=True) as client:
        exchange = client.get().extensions["asgi"]
        reference = weakref.ref(getattr(exchange, "conversation", exchange))
        del exchange
        gc.collect()
        assert reference() is None
        assert len(told(client)) == 4


def test_a_conversation_as_json_has_all_that_was_kept(face: Face) -> None:
    with face.bare(shop, record=True) as client:
        client.request("POST", "/orders?token=sesame", content=b"\xff sesame", headers={"x-name": "x"})
        recorder = client.client._core.transport._recorder
        [told] = conversations(recorder)
    assert json.loads(json.dumps(told)) == told
    assert (told["schema"], told["kind"], told["method"], told["target"]) == (1, "http", "POST", "/orders?token=***")
    assert (told["status"], told["app"], told["client"], told["left_by"], told["dropped"]) == (
        422,
        "returned",
        "",
        "",
        0,
    )
    assert told["lasted_ms"] > 0
    assert told["server"] == ["testserver", 80]
    assert ["x-name", "x"] in told["headers"]
    request, begun, *parts = told["messages"]
    assert (request["to"], request["type"], request["data"]) == ("app", "http.request", "ÿ ***")
    assert (request["encoding"], request["size"]) == ("latin-1", 8)
    assert (begun["to"], begun["status"], begun["headers"]) == ("client", 422, [["content-type", "application/json"]])
    assert [part["data"] for part in parts] == ['{"detail": ', '"count: missing"}']
    assert [part["more_body"] for part in parts if "more_body" in part][:1] == [True]


@pytest.mark.parametrize("pin", [b"8000", b'"0000"', b'"null"', b'"http"', b'"status"', b'"http.response.body"'])
def test_a_secret_that_looks_like_a_part_of_the_form_leaves_it_whole(face: Face, pin: bytes) -> None:
    content = b'{"pin": ' + pin + b"}"
    with face.bare(shop, record=True, base_url="http://testserver:8000") as client:
        client.request("POST", "/orders", content=content, headers={"content-type": "application/json"})
        [told] = conversations(client.client._core.transport._recorder)
        [entry] = client.client.har()["log"]["entries"]
    assert (told["kind"], told["server"]) == ("http", ["testserver", 8000])
    assert pin.strip(b'"').decode() not in told["messages"][0]["data"]
    assert entry["response"]["content"]["text"] == '{"detail": "count: missing"}'
    assert "***" in entry["request"]["postData"]["text"]


async def ill_formed(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what UTF-8 cannot."""
    await receive()
    await accept(send)
    await say(send, '{"password": "\\ud83d and more"}')
    await say(send, "half of a pair: \ud83d")


def test_half_of_a_surrogate_pair_is_told_in_a_form_that_can_be_written(face: Face) -> None:
    with face.bare(ill_formed, record=True) as client:
        with pytest.raises(ASGIProtocolError, match="UTF-8 cannot encode"), client.connect("/ws") as socket:
            socket.receive_text()
            socket.receive_text()
        text = client.client.transcript()
        [told] = conversations(client.client._core.transport._recorder)
    shown = ['{"password": "***"}', "half of a pair: \\ud83d"]
    assert [line.partition("websocket.send  ")[2] for line in text.splitlines()[3:5]] == shown
    assert [each["data"] for each in told["messages"][2:4]] == shown
    assert text.encode()
    assert json.dumps(told, ensure_ascii=False).encode()


def test_a_lifespan_and_a_conversation_that_runs_have_a_form_too(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = _recorder.Recorder()
    monkeypatch.setattr(observer, "current", recorder)
    with face.open(shop) as client:
        client.request("GET", "/")
        lifespan, _ = conversations(recorder)
        assert (lifespan["kind"], lifespan["app"], lifespan["lasted_ms"]) == ("lifespan", "running", None)
        assert transcript(recorder).startswith("lifespan  (the app still runs)")
    assert conversations(recorder)[0]["app"] == "returned"


@pytest.mark.parametrize(
    "change",
    [
        {"version": "1.1"},
        {"entries": [{}]},
        {"pages": [{"id": "page_0"}]},
        {"creator": None},
        {"more": 1},
    ],
)
def test_the_check_of_har_notices(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        checked({"log": {**har({})["log"], **change}})


def test_har_of_nothing() -> None:
    assert checked(har({}))["log"]["entries"] == []


def test_har_of_a_package_that_is_not_installed_names_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert checked(har({}))["log"]["creator"] == {"name": "asgi-testkit", "version": ""}


# What haralyzer is made with asks asyncio on Python 3.14, too.
@pytest.mark.filterwarnings("ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning")
def test_har_is_read_by_another_program(face: Face) -> None:
    with face.bare(shop, record=True) as client:
        headers = {"content-type": "text/plain", "cookie": "theme=dark"}
        client.request("POST", "/orders?token=sesame&x=2", content=b"one pen", headers=headers)
        with client.connect("/ws") as socket:
            socket.send_text("joe")
            socket.receive_text()
        parser = haralyzer.HarParser(checked(client.client.har()))
    [page] = parser.pages
    request, session = page.entries
    assert (page.title, request.status, session.status) == ("client", 422, 101)
    assert (request.request.method, request.request.url) == ("POST", "http://testserver/orders?token=***&x=2")
    assert request.request.text == "one pen"
    assert request.request.mimeType == "text/plain"
    assert request.request.cookies == [{"name": "theme", "value": "***"}]
    assert (request.response.text, request.response.mimeType) == ('{"detail": "count: missing"}', "application/json")
    assert request.time > 0
    messages = [(each["type"], each["opcode"], each["data"]) for each in session.raw_entry["_webSocketMessages"]]
    assert messages == [("send", 1, "joe"), ("receive", 1, "hello joe")]


def test_har_of_what_has_no_response_and_of_bytes(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await anyio.sleep_forever()
        await send(
            {
                "type": "http.response.start",
                "status": 299,
                "headers": [(b"set-cookie", b"a;;=\xff"), (b"set-cookie", b"a,b=c")],
            }
        )
        await body(send, b"\xff\xfe")

    with face.bare(app, record=True, timeout=0.05, disconnect_grace=0) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.request("GET", "/slow")
        client.request("GET", "/bytes")
        slow, odd = checked(client.client.har())["log"]["entries"]
    assert slow["response"]["status"] == 0
    assert slow["response"]["_error"].startswith("ReadTimeout: GET /slow: 0.05 seconds passed")
    assert (odd["response"]["status"], odd["response"]["statusText"]) == (299, "")
    assert odd["response"]["content"] == {"size": 2, "mimeType": "", "text": "//4=", "encoding": "base64"}


async def compressing(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends what the query has, in the coding that the path names, in parts of which none is text by itself."""
    await receive()
    coding = scope["path"][1:]
    headers = [(b"content-type", b"application/json"), (b"content-encoding", coding.encode())]
    content = bytes.fromhex(scope["query_string"].decode())
    if coding != "identity":
        content = gzip.compress(content) if coding == "gzip" else zlib.compress(content)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content[:3], "more_body": True})
    await body(send, content[3:])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity"])
@pytest.mark.parametrize(
    "content, told",
    [
        ("grüße".encode(), {"size": 7, "text": "grüße"}),
        (b"\xff" * 6, {"size": 6, "text": "////////", "encoding": "base64"}),
        (b'{"pin":"sesame"}', {"size": 16, "text": '{"pin":"***"}'}),
        (b"x" * 9999, {"size": 9999, "text": "x" * 9999}),
    ],
    ids=["text", "bytes", "secret", "long"],
)
def test_har_has_bodies_as_a_browser_sees_them(face: Face, coding: str, content: bytes, told: dict[str, Any]) -> None:
    with face.bare(compressing, record=True) as client:
        response = client.request("GET", f"/{coding}?{content.hex()}")
        assert response.content == content
        [entry] = checked(client.client.har())["log"]["entries"]
    of_body = entry["response"]["content"]
    sent = entry["response"]["bodySize"]
    assert of_body.pop("mimeType") == "application/json"
    assert of_body.pop("compression", 0) == len(content) - sent
    assert (sent == len(content)) == (coding == "identity")
    assert of_body == told


def test_har_has_a_body_as_it_is_if_it_is_not_compressed_as_it_says() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-encoding", b"gzip")]})
        await body(send, b"plain")

    client = TestClient(app, record=True)
    with client.stream("GET", "/") as response:
        assert b"".join(response.iter_raw()) == b"plain"
    [entry] = checked(client.har())["log"]["entries"]
    assert entry["response"]["content"] == {"size": 5, "mimeType": "", "text": "plain"}


def test_what_comes_of_an_unknown_conversation_is_no_trouble() -> None:
    recorder, unknown = _recorder.Recorder(), Observed()
    recorder.received(unknown, {"type": "http.request"})
    recorder.sent(unknown, {"type": "http.response.start"})
    recorder.waited_too_long(unknown, TimeoutError())
    recorder.left(unknown, None)
    recorder.ended(unknown)
    assert not recorder.records


def test_two_who_listen_hear_of_all() -> None:
    recorders = _recorder.Recorder(), _recorder.Recorder()
    both = observer.together(*recorders)
    assert both is not None
    both.opened(None)
    both.started(Observed())
    assert [len(recorder.records) for recorder in recorders] == [1, 1]
    third = _recorder.Recorder()
    three = observer.together(third, both)
    assert three is not None
    three.started(Observed())
    assert [len(recorder.records) for recorder in (*recorders, third)] == [2, 2, 1]


def test_a_request_without_a_host_has_none_in_its_command(face: Face) -> None:
    with face.bare(hello, record=True, scope={"headers": []}) as client:
        client.get()
        assert told(client)[-1] == "curl -i http://127.0.0.1:8000/"


def test_of_what_is_forgotten_nothing_is_kept_but_what_goes_on() -> None:
    recorder, going_on, gone = _recorder.Recorder(), Observed(), Observed()
    recorder.started(going_on)
    recorder.started(gone)
    records = weakref.WeakSet(recorder.records)
    del gone
    recorder.forget()
    assert not recorder.records
    recorder.sent(going_on, {"type": "http.response.start"})
    assert [len(record.events) for record in records] == [1]
