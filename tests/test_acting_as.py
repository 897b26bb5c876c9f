"""``client.acting_as()``: a second user of the same running app, with cookies of its own."""

from __future__ import annotations

import gc
import json
import threading
import warnings
from typing import Any

import anyio
import httpx
import pytest

import asgi_testkit.httpx2
from asgi_testkit import AsyncClient, Receive, Scope, Send, TestClient
from asgi_testkit.starlette import TestClient as DropIn

from .apps import well
from .faces import Client, Face
from .messages import accept, body, echo, hello, say, start


async def who(scope: Scope, receive: Receive, send: Send) -> None:
    """Say who has asked, set a cookie, and keep count in the lifespan's state."""
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["calls"] = []
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    if scope["type"] == "websocket":
        await receive()
        await accept(send)
        await say(send, headers.get("x-user", "nobody"))
        return
    scope["state"].setdefault("calls", []).append(headers.get("x-user"))
    await start(send, (b"set-cookie", b"user=" + headers.get("x-user", "nobody").encode()))
    shown = {name: headers.get(name) for name in ("x-user", "cookie", "authorization", "user-agent", "host")}
    await body(
        send, json.dumps({**shown, "calls": scope["state"]["calls"], "query": scope["query_string"].decode()}).encode()
    )


def asked_of(client: Client, url: str = "/", **options: Any) -> Any:
    return client.get(url, **options).json()


def test_a_second_user_has_an_identity_and_a_cookie_jar_of_its_own(face: Face) -> None:
    ada = {"headers": {"x-user": "ada", "authorization": "Bearer ada"}, "cookies": {"theme": "dark"}}
    with face.open(who, **ada) as client:
        bob = client.acting_as(headers={"x-user": "bob"}, cookies={"theme": "light"}, auth=("bob", "secret"))
        nobody = client.acting_as()
        assert asked_of(client)["cookie"] == "theme=dark"
        seen = asked_of(bob)
        assert (seen["x-user"], seen["cookie"]) == ("bob", "theme=light")
        assert seen["authorization"] == "Basic Ym9iOnNlY3JldA=="
        seen = asked_of(nobody)
        assert (seen["x-user"], seen["cookie"], seen["authorization"]) == (None, None, None)
        assert seen["user-agent"] == "testclient"
        assert seen["calls"] == ["ada", "bob", None]  # one app, one lifespan
        assert sorted(asked_of(client)["cookie"].split("; ")) == ["theme=dark", "user=ada"]
        assert sorted(asked_of(bob)["cookie"].split("; ")) == ["theme=light", "user=bob"]


def test_all_else_is_as_it_is_with_the_first_client_then(face: Face) -> None:
    heard: list[str] = []

    def hook(response: httpx.Response) -> None:
        heard.append(response.headers["set-cookie"])

    async def awaited_hook(response: httpx.Response) -> None:
        hook(response)

    hooks = {"response": [awaited_hook if face.name == "awaited" else hook]}
    with face.open(who, base_url="http://one", params={"v": "1"}, event_hooks=hooks, expect_status=200) as client:
        client.client.base_url = "http://two/"
        bob = client.acting_as(headers={"x-user": "bob"})
        client.client.params = {"v": "2"}
        client.client.event_hooks = {}
        seen = asked_of(bob)
        assert (seen["host"], seen["query"]) == ("two", "v=1")
        assert heard == ["user=bob"]
        with pytest.raises(AssertionError, match="200 OK, and expect_status is 404"):
            bob.get("/", extensions={"asgi": {"expect_status": 404}})
        assert asked_of(client)["query"] == "v=2"


def test_a_session_is_of_the_second_user(face: Face) -> None:
    with face.open(who, headers={"x-user": "ada"}) as client:
        bob = client.acting_as(headers={"x-user": "bob"})
        with bob.connect("/") as socket, client.connect("/") as other:
            assert (socket.receive_text(), other.receive_text()) == ("bob", "ada")


def test_it_can_be_made_before_the_first_client_is_entered_and_of_another_second_one(face: Face) -> None:
    with face.bare(who) as client:
        bob = client.acting_as(headers={"x-user": "bob"})
        eve = bob.acting_as(headers={"x-user": "eve"})
        assert [asked_of(each)["x-user"] for each in (client, bob, eve)] == [None, "bob", "eve"]


@pytest.mark.anyio
async def test_it_can_be_entered_and_closed_alone() -> None:
    app = well()
    async with AsyncClient(app) as client:
        async with client.acting_as() as bob:
            assert (await bob.get("/")).text == "hello"
            eve = bob.acting_as()
        assert bob.is_closed
        assert (await eve.get("/")).text == "hello"
        await eve.aclose()
        assert (await client.get("/")).text == "hello"
        assert not app.over
    assert app.over
    with pytest.raises(RuntimeError, match="closed"):
        await bob.get("/")


def test_it_can_be_entered_and_closed_alone_when_it_blocks() -> None:
    app = well()
    with TestClient(app) as client:
        with client.acting_as() as bob:
            assert bob.get("/").text == "hello"
        assert bob.get("/").text == "hello"  # as a TestClient's after its block
        assert bob.portal is client.portal
        bob.close()
        with pytest.raises(RuntimeError, match="closed"):
            bob.get("/")
        assert client.get("/").text == "hello"
        assert not app.over
    assert app.over


@pytest.mark.anyio
async def test_when_the_first_client_is_closed_so_is_the_second() -> None:
    async with AsyncClient(hello) as client:
        bob = client.acting_as()
    with pytest.raises(RuntimeError, match=r"AsyncClient of .*hello.* was closed, and so was what acting_as\(\)"):
        await bob.get("/")
    blocking = TestClient(hello)
    eve = blocking.acting_as()
    blocking.close()
    with pytest.raises(RuntimeError, match=r"TestClient of .*hello.* was closed, and so was what acting_as\(\)"):
        eve.get("/")


@pytest.mark.anyio
async def test_what_a_second_user_leaves_running_is_seen_to_its_end_by_the_first_client() -> None:
    ended = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send)
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with AsyncClient(app, lifespan="off", background="detach", disconnect_grace=0) as client:
        await client.acting_as().get("/")
        assert not ended.is_set()
    assert ended.is_set()


def test_nothing_is_left_open_when_it_is_forgotten() -> None:
    with warnings.catch_warnings(), TestClient(hello) as client:
        warnings.simplefilter("error")
        client.acting_as().get("/")
        gc.collect()
        assert client.get("/").text == "hello"


def test_its_mounts_are_those_of_the_first_client_and_stay_open() -> None:
    class Mounted(httpx.MockTransport):
        closed = False

        def close(self) -> None:
            self.closed = True

    mounted = Mounted(lambda request: httpx.Response(200, text="elsewhere"))
    with TestClient(hello, mounts={"all://elsewhere": mounted, "all://here": None}) as client:
        bob = client.acting_as()
        assert bob.get("http://elsewhere/").text == "elsewhere"
        assert bob.get("http://here/").text == "hello"
        bob.close()
        assert not mounted.closed
        client.close()
    assert mounted.closed


def test_a_subclass_keeps_what_it_has() -> None:
    class Client(TestClient):
        def __init__(self, tenant: str) -> None:
            super().__init__(hello)
            self.tenant = tenant

    with Client("acme") as client:
        bob = client.acting_as()
        assert type(bob) is Client
        assert bob.tenant == "acme"
        assert bob.get("/").text == "hello"


def test_the_drop_in_has_it_too() -> None:
    with DropIn(echo, lifespan="off") as client:
        bob = client.acting_as(headers={"x-user": "bob"})
        with bob.websocket_connect("/") as session:
            session.send_text("a")
            assert session.receive_text() == "a"
        assert session.scope["headers"][0] == (b"host", b"testserver")
        assert (b"x-user", b"bob") in session.scope["headers"]


@pytest.mark.anyio
async def test_a_client_of_httpx2_has_it_too() -> None:
    async with asgi_testkit.httpx2.AsyncClient(who) as client:
        bob = client.acting_as(headers={"x-user": "bob"})
        assert (await bob.get("/")).json()["x-user"] == "bob"


def test_second_users_in_threads_keep_their_cookies() -> None:
    with TestClient(who) as client:
        users = [client.acting_as(headers={"x-user": f"user{number}"}) for number in range(4)]
        seen: dict[int, set[Any]] = {}

        def work(number: int) -> None:
            seen[number] = {users[number].get("/").json()["cookie"] for _ in range(10)}

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == {number: {None, f"user=user{number}"} for number in range(4)}
