"""An observer hears of everything that an app and its client do, and of nothing twice."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from asgi_testkit import ASGIProtocolError, LifespanManager, Message, Receive, Scope, Send
from asgi_testkit._conversation import observer
from asgi_testkit._conversation.observer import Observed, Observer
from asgi_testkit.starlette import TestClient as DropIn

from .faces import Face
from .messages import accept, hello, say, start


class Listener(Observer):
    """Keeps what it hears: of whom, by the type of the scope, and what."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, Any]] = []

    def opened(self, transport: object) -> None:
        self.heard.append(("", "opened", None))

    def started(self, conversation: Observed) -> None:
        self._note(conversation, "started", conversation.app_exception)

    def received(self, conversation: Observed, message: Message) -> None:
        self._note(conversation, "received", message["type"])

    def sent(self, conversation: Observed, message: Message) -> None:
        self._note(conversation, "sent", message["type"])

    def waited_too_long(self, conversation: Observed, error: Exception) -> None:
        self._note(conversation, "waited too long", type(error).__name__)

    def left(self, conversation: Observed, reason: BaseException | None) -> None:
        self._note(conversation, "left", None if reason is None else type(reason).__name__)

    def ended(self, conversation: Observed) -> None:
        error = conversation.app_exception
        self._note(conversation, "ended", None if error is None else type(error).__name__)

    def _note(self, conversation: Observed, event: str, detail: Any) -> None:
        self.heard.append((conversation.scope["type"], event, detail))

    def of(self, kind: str) -> list[tuple[str, Any]]:
        """Return what was heard of conversations of this kind."""
        return [(event, detail) for heard_of, event, detail in self.heard if heard_of == kind]


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    listening = Listener()
    monkeypatch.setattr(observer, "current", listening)
    return listening


async def speaks_all(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, a handshake, and a lifespan."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await accept(send)
        await say(send, "hello")
        await receive()
    else:
        await hello(scope, receive, send)


LIFESPAN = [
    ("started", None),
    ("received", "lifespan.startup"),
    ("sent", "lifespan.startup.complete"),
    ("left", None),
    ("received", "lifespan.shutdown"),
    ("sent", "lifespan.shutdown.complete"),
    ("ended", None),
]


def test_a_client_a_request_a_session_and_a_lifespan_are_heard(face: Face, listener: Listener) -> None:
    with face.open(speaks_all) as client:
        client.get("/")
        with client.connect() as session:
            assert session.receive_text() == "hello"
    assert [event for kind, event, _ in listener.heard if not kind] == ["opened"]
    assert listener.of("lifespan") == LIFESPAN
    assert listener.of("http") == [
        ("started", None),
        ("sent", "http.response.start"),
        ("sent", "http.response.body"),
        ("ended", None),
        ("left", None),
    ]
    assert listener.of("websocket") == [
        ("started", None),
        ("received", "websocket.connect"),
        ("sent", "websocket.accept"),
        ("sent", "websocket.send"),
        ("left", None),
        ("received", "websocket.disconnect"),
        ("ended", None),
    ]


def test_a_client_that_gives_up_is_heard(face: Face, listener: Listener) -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    options = {"lifespan": "off", "timeout": 0.01, "disconnect_grace": 0}
    with face.open(silent, **options) as client, pytest.raises(httpx.ReadTimeout):
        client.get("/")
    assert listener.of("http") == [
        ("started", None),
        ("waited too long", "ReadTimeout"),
        ("left", "ReadTimeout"),
        ("ended", None),
    ]


def test_what_an_app_must_not_send_is_heard_and_so_is_what_it_raises(face: Face, listener: Listener) -> None:
    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await start(send)

    with face.open(twice, lifespan="off") as client, pytest.raises(ASGIProtocolError):
        client.get("/")
    assert listener.of("http")[1:4] == [
        ("sent", "http.response.start"),
        ("sent", "http.response.start"),
        ("ended", "ASGIProtocolError"),
    ]


def test_the_drop_in_is_heard_as_well(listener: Listener) -> None:
    with DropIn(speaks_all) as client:
        client.get("/")
        with client.websocket_connect("/") as session:
            assert session.receive_text() == "hello"
    assert listener.of("lifespan") == LIFESPAN
    assert [event for event, _ in listener.of("http")] == ["started", "sent", "sent", "ended", "left"]
    assert listener.of("websocket")[:4] == [
        ("started", None),
        ("received", "websocket.connect"),
        ("sent", "websocket.accept"),
        ("sent", "websocket.send"),
    ]


@pytest.mark.anyio
async def test_a_lifespan_by_itself_is_heard_and_so_is_what_breaks_it_off(listener: Listener) -> None:
    with pytest.raises(LookupError):
        async with LifespanManager(speaks_all):
            raise LookupError
    assert listener.of("lifespan")[3] == ("left", "LookupError")

    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    listener.heard.clear()
    with pytest.raises(TimeoutError):
        await LifespanManager(stuck, startup_timeout=0).__aenter__()
    assert listener.of("lifespan") == [("started", None), ("waited too long", "LifespanTimeout"), ("ended", None)]


def test_what_begins_while_nobody_listens_is_not_heard_later(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    listening = Listener()
    with face.open(speaks_all) as client:
        with client.connect() as session:
            monkeypatch.setattr(observer, "current", listening)
            session.receive_text()
        monkeypatch.setattr(observer, "current", None)
    assert listening.heard == []


def test_an_observer_need_not_listen_to_all(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "current", Observer())
    with face.open(speaks_all) as client:
        assert client.get("/").text == "hello"
        with client.connect() as session, pytest.raises(httpx.ReadTimeout):
            session.receive_text()
            session.receive_text(timeout=0)
