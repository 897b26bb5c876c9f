"""What an app asks of another one knows the request that it was asked for: in exchanges, transcripts, JSON and HAR."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from asgi_testkit import ASGITransport, AsyncClient, LifespanManager, LiveServer, Receive, Scope, Send, TestClient
from asgi_testkit._conversation import causes
from asgi_testkit._record.as_json import conversations
from asgi_testkit._record.har import har
from asgi_testkit._record.recorder import Recorder
from asgi_testkit._record.transcript import transcript

from .faces import Face
from .har import checked
from .messages import accept, body, hello, live, start
from .places import Place


class Gateway:
    """An app that asks another one for something, as often as its path says, and in its startup."""

    def __init__(self, app: Any = hello, ask: Callable[..., Awaitable[Any]] | None = None) -> None:
        self.responses: list[httpx.Response] = []
        self._client = httpx.AsyncClient(transport=ASGITransport(app), base_url="http://auth.internal:81")
        self._ask = ask or self.ask

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._ask("/startup")
            await live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await accept(send)
            await self._ask("/from-websocket")
            await receive()
        else:
            for number in range(int(scope["path"][1:])):
                await self._ask(f"/{number}")
            await start(send)
            await body(send)

    async def ask(self, path: str) -> None:
        self.responses.append(await self._client.get(path))


def causes_of(gateway: Gateway) -> list[Any]:
    return [response.extensions["asgi"].caused_by for response in gateway.responses]


# Exchanges


def test_an_exchange_knows_the_one_that_it_was_caused_by(face: Face) -> None:
    gateway = Gateway()
    with face.bare(gateway) as client:
        exchange = client.get("/2").extensions["asgi"]
        assert exchange.caused_by is None
        assert [cause.scope["path"] for cause in causes_of(gateway)] == ["/2", "/2"]
        with client.connect("/room") as socket:
            pass
        assert causes_of(gateway)[2] is socket.connection


def test_tasks_and_worker_threads_of_an_app_are_its_own(face: Face) -> None:
    async def ask(path: str) -> None:
        found.append(causes.current())
        found.append(await anyio.to_thread.run_sync(causes.current))
        async with anyio.create_task_group() as group:
            group.start_soon(in_a_task)

    async def in_a_task() -> None:
        found.append(causes.current())

    found: list[Any] = []
    with face.bare(Gateway(ask=ask)) as client:
        client.get("/1")
        assert causes.current() is None
    assert [cause.scope["path"] for cause in found] == ["/1", "/1", "/1"]


@pytest.mark.anyio
async def test_what_is_asked_for_in_a_startup_is_no_exchange_s_doing() -> None:
    gateway = Gateway()
    async with LifespanManager(gateway, record=True) as manager:
        assert causes_of(gateway) == [None]
        lines = manager.transcript().splitlines()
        assert lines[0] == "1. lifespan  (the app still runs)"
        assert "2. GET /startup  ->  200  (the app returned)" in lines
        assert "             caused by 1. lifespan" in lines


@pytest.mark.anyio
async def test_a_call_does_not_stay_for_those_who_remember_it() -> None:
    async def ask(path: str) -> None:
        tasks.append(causes._here.get())

    tasks: list[Any] = []
    async with AsyncClient(Gateway(ask=ask), lifespan="off") as client:
        await client.get("/1")
    assert tasks[0]() is None


# Transcripts


def headings(text: str) -> list[str]:
    """Return what a transcript says of conversations, without messages and commands."""
    return [line.strip() for line in text.splitlines() if " ms  " not in line[:14] and "  curl" not in line]


def test_a_transcript_shows_the_whole_chain(face: Face) -> None:
    orders = Gateway()
    with face.bare(Gateway(orders), record=True) as client:
        client.get("/0")
        plain = client.client.transcript()
        client.get("/2")
        text = client.client.transcript()
    assert headings(plain) == ["GET /0  ->  200  (the app returned)"]
    assert headings(text) == [
        "1. GET http://testserver/0  ->  200  (the app returned)",
        "2. GET http://testserver/2  ->  200  (the app returned)",
        "3. GET http://auth.internal:81/0  ->  200  (the app returned)",
        "caused by 2. GET http://testserver/2",
        "4. GET http://auth.internal:81/1  ->  200  (the app returned)",
        "caused by 2. GET http://testserver/2",
        "5. GET http://auth.internal:81/0  ->  200  (the app returned)",
        "caused by 4. GET http://auth.internal:81/1",
    ]


def test_the_parts_of_a_transcript_have_numbers_that_go_on() -> None:
    recorder = Recorder()
    client = TestClient(Gateway())
    client._core.transport._recorder = recorder
    client.get("/1")
    shown = len(recorder.records)
    client.get("/1")
    assert headings(transcript(recorder, leave_out=shown)) == [
        "3. GET http://testserver/1  ->  200  (the app returned)",
        "4. GET http://auth.internal:81/0  ->  200  (the app returned)",
        "caused by 3. GET http://testserver/1",
    ]


def test_what_was_forgotten_is_named_as_the_cause_without_a_number() -> None:
    async def forget_and_ask(path: str) -> None:
        recorder.forget()
        await asks.ask(path)

    recorder = Recorder()
    asks = Gateway()
    with TestClient(Gateway(ask=forget_and_ask), lifespan="off") as client:
        client._core.transport._recorder = recorder
        with client.websocket_connect("/room"):
            pass
    assert headings(transcript(recorder)) == [
        "1. GET http://auth.internal:81/from-websocket  ->  200  (the app returned)",
        "caused by WebSocket ws://testserver/room",
    ]


# Programs


def test_json_has_numbers() -> None:
    recorder = Recorder()
    client = TestClient(Gateway())
    client._core.transport._recorder = recorder
    client.get("/1")
    told = conversations(recorder)
    assert [(each["number"], each["caused_by"]) for each in told] == [(1, None), (2, 1)]
    recorder.records.popleft()
    assert [(each["number"], each["caused_by"]) for each in conversations(recorder)] == [(2, None)]


def test_har_has_a_comment() -> None:
    client = TestClient(Gateway(), record=True)
    client.get("/1")
    first, second = checked(client.har())["log"]["entries"]
    assert "comment" not in first
    assert second["comment"] == "caused by GET http://testserver/1"


# Servers


@pytest.mark.usefixtures("servers_say_nothing")
def test_the_call_of_a_server_is_the_cause(place: Place) -> None:
    async def main() -> None:
        gateway = Gateway()
        async with AsyncClient(gateway, live=place.server, lifespan="off") as client:
            exchange = (await client.get("/1")).extensions["asgi"]
        assert causes_of(gateway) == [exchange]

    anyio.run(main, backend=place.backend.name, backend_options=place.backend.options)


@pytest.mark.usefixtures("servers_say_nothing")
def test_a_guest_of_a_server_is_a_cause_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    from asgi_testkit._conversation import observer

    recorder = Recorder()
    monkeypatch.setattr(observer, "current", recorder)
    gateway = Gateway()
    with LiveServer(gateway, lifespan="off") as server:
        httpx.get(f"{server.url}/1")
    assert causes_of(gateway) == [None]
    guest, asked = recorder.records
    assert asked.cause is guest
    assert [entry.get("comment", "")[:14] for entry in har({"": conversations(recorder)})["log"]["entries"]] == [
        "",
        "caused by GET ",
    ]
