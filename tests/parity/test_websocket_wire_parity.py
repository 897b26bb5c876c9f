"""WebSocket as it is on the wire: the handshake, and the frames."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from asgi_testkit import Receive, Scope, Send

from ._apps import body, plays, start
from ._websocket_apps import accept, close
from ._websocket_case import Compared, WebSocketCase
from ._websocket_frame_cases import FRAME_CASES
from ._websocket_frames import ACCEPTED_KEY, HANDSHAKE
from ._websocket_handshake_cases import HANDSHAKES, Handshake
from ._websocket_peers import answer
from ._websocket_worlds import WIRES, World, converse, world_of

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=WIRES)
async def world(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[World]:
    async with world_of(request.param) as world:
        yield world


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in FRAME_CASES])
async def test_frames_are_what_the_table_says(world: World, case: WebSocketCase) -> None:
    assert await converse(world, case) == case.seen_in(world.name)


class Answers:
    """An app that answers whatever call it gets, and keeps the scope."""

    scope: Scope | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        messages = (accept(), close()) if scope["type"] == "websocket" else (start(299), body())
        await plays(*messages)(scope, receive, send)


@pytest.mark.parametrize("handshake", [pytest.param(handshake, id=handshake.name) for handshake in HANDSHAKES])
async def test_a_handshake_is_answered_as_the_table_says(world: World, handshake: Handshake) -> None:
    answers = Answers()
    async with world.client(answers) as client:
        request = httpx.Request(handshake.method, client.base_url, headers=handshake.headers)
        response = await client.send(request, stream=True)
        await response.aclose()
    called = [] if answers.scope is None else [answers.scope["type"]]
    assert " ".join([*called, answer(response)]) == handshake.seen_in(world.name)


def test_where_the_wire_does_not_follow_most_servers_there_is_a_reason() -> None:
    cases: list[Compared] = [*FRAME_CASES, *HANDSHAKES]
    assert [case.name for case in cases if case.why] == [case.name for case in cases if case.seen != case.consensus]


async def test_the_answer_to_a_handshake_proves_that_it_was_understood(world: World) -> None:
    async with world.client(Answers()) as client, client.stream("GET", "/", headers=HANDSHAKE) as response:
        headers = response.headers
    assert headers["sec-websocket-accept"] == ACCEPTED_KEY
    assert headers["upgrade"].lower() == "websocket"
    assert headers["connection"].lower() == "upgrade"


async def test_the_scope_of_a_connection(world: World) -> None:
    answers = Answers()
    headers = [
        (b"Host", b"example.org:81"),
        *[(name.encode(), value.encode()) for name, value in HANDSHAKE.items()],
        (b"X-B", b"2"),
        (b"Sec-WebSocket-Protocol", b"a,  b"),
        (b"X-A", b"1"),
        (b"x-b", b"\xe9"),
    ]
    async with world.client(answers) as client:
        request = httpx.Request("GET", client.base_url.join("/a%20b?c=%20d"), headers=headers)
        response = await client.send(request, stream=True)
        await response.aclose()
    scope = dict(answers.scope or {})
    addresses = [scope.pop("client"), scope.pop("server")]
    if world.name == "uvicorn-wsproto":  # it leaves out what it has understood
        headers = [(name, value) for name, value in headers if name != b"Sec-WebSocket-Protocol"]
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3" if world.name == "hypercorn" else "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "root_path": "",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=%20d",
        "headers": [(name.lower(), value) for name, value in headers],
        "subprotocols": ["a", "b"],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
    assert [(type(address), *map(type, address)) for address in addresses] == [(tuple, str, int)] * 2


async def test_no_subprotocols_are_an_empty_list(world: World) -> None:
    answers = Answers()
    async with world.client(answers) as client, client.stream("GET", "/", headers=HANDSHAKE):
        pass
    assert answers.scope is not None
    assert answers.scope["subprotocols"] == []
