"""What is kept of exchanges until they are judged: in copies, in bounds, and without ever raising."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from asgi_testkit import Message, Receive, Scope, Send
from asgi_testkit._contract import listener as module
from asgi_testkit._contract.exchange import BODY_KEPT, Exchange
from asgi_testkit._contract.listener import Listener
from asgi_testkit._conversation import observer

from .faces import Face


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    listener = Listener()
    monkeypatch.setattr(observer, "current", listener)
    return listener


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        return
    scope["app"] = app
    scope["route"] = SimpleNamespace(path_format="/{a}")
    scope["path_params"] = {"a": "x"}
    more, buffer = True, bytearray(b"part ")
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 201, "headers": [(b"X-A", b"1"), (b"x-a", b"2")]})
    await send({"type": "http.response.body", "body": buffer, "more_body": True})
    buffer[:] = b"other"
    await send({"type": "http.response.body", "body": b"end"})
    if scope["path"] == "/raises":
        raise ZeroDivisionError


def test_an_exchange_is_kept(face: Face, listener: Listener) -> None:
    listener.test = "test_a"
    with face.open(app) as client:
        client.post("/x?q=1", content=client.upload(b"a", b"b"), headers={"a": "b"})
        listener.test = "test_b"
        with pytest.raises(ZeroDivisionError):
            client.get("/raises")
        with client.connect("/"):
            pass
    first, second = listener.take()
    assert (first.method, first.path, first.query, first.test, second.test) == (
        "POST",
        "/x",
        b"q=1",
        "test_a",
        "test_b",
    )
    assert (first.status, first.request.content, first.response.content) == (201, b"ab", b"part end")
    assert first.headers["a"] == ["b"]
    assert first.response_headers == {"x-a": ["1", "2"]}
    assert first.app is app
    assert (first.route, first.parameters) == ("/{a}", frozenset({"a"}))
    assert (first.raised, second.raised) == (False, True)
    assert listener.take() == listener.take_rest() == []
    assert listener.take_troubles() == []


class Conversation:
    """As much of one as a listener asks for."""

    stand_in = False
    app_exception = None
    app_returned = True

    def __init__(self, **scope: Any) -> None:
        self.scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], **scope}


def start(status: Any = 200, headers: Any = ()) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(content: Any = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


def heard(*messages: Any, **scope: Any) -> Exchange:
    listener, conversation = Listener(), Conversation(**scope)
    listener.started(conversation)
    for message in messages:
        listener.sent(conversation, message)
    listener.ended(conversation)
    [exchange] = listener.take()
    return exchange


def test_of_a_body_that_is_too_long_nothing_is_kept_but_its_size() -> None:
    half = b"x" * (BODY_KEPT // 2 + 1)
    exchange = heard(start(), body(half, more=True), body(half, more=True), body(b"y"))
    assert exchange.response.content is None
    assert exchange.response.size == 2 * len(half) + 1
    assert exchange.size == BODY_KEPT


def test_what_comes_after_the_end_of_a_response_is_not_a_part_of_it() -> None:
    exchange = heard(start(), {"type": "http.response.debug"}, body(b"a"), body(b"b"), start(500))
    assert (exchange.status, exchange.response.content) == (200, b"a")


def test_headers_that_can_be_gone_through_but_once_are_left_to_the_client() -> None:
    assert heard(start(headers=iter([(b"a", b"b")]))).response_headers == {}


def test_what_goes_wrong_is_noted_and_not_raised() -> None:
    listener, conversation = Listener(), Conversation(path=None)
    listener.started(conversation)
    listener.sent(conversation, {"no": "type"})
    listener.sent(conversation, start(status="many"))
    conversation.scope.clear()
    listener.ended(conversation)
    assert listener.take() == []
    assert listener.take_troubles() == [
        "what an app has sent was not understood: KeyError in sent",
        "what an app has sent was not understood: ValueError in sent",
        "what an app has sent was not understood: KeyError in _finish",
    ]


def test_what_has_not_ended_comes_last_and_what_is_unknown_is_no_trouble() -> None:
    listener, going_on = Listener(), Conversation()
    listener.started(going_on)
    listener.received(going_on, {"type": "http.disconnect"})
    listener.received(Conversation(), {"type": "http.request"})
    listener.ended(Conversation())
    assert listener.take() == []
    [exchange] = listener.take_rest()
    assert exchange.status is None
    listener.started(going_on)
    listener.started(going_on)  # as if it was another one, with the id of one that is gone
    assert len(listener.take()) == 1


def test_when_too_much_is_kept_bodies_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALL_KEPT", 3)
    listener = Listener()
    for _ in range(2):
        conversation = Conversation()
        listener.started(conversation)
        listener.sent(conversation, start())
        listener.sent(conversation, body(b"ab"))
        listener.ended(conversation)
    first, second = listener.take()
    assert (first.response.content, second.response.content) == (b"ab", None)
    assert second.status == 200
