"""hosts(): what apps send by network clients goes to other apps in the process, and nowhere else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import httpx
import httpx2
import httpx_ws
import pytest

from asgi_testkit import (
    ASGITransport,
    AsyncClient,
    LifespanManager,
    LiveServer,
    Receive,
    Scope,
    Send,
    TestClient,
    hosts,
)
from asgi_testkit._blocking.callers_loop import HopIntoApps
from asgi_testkit._blocking.hop import LoopHasEndedError
from asgi_testkit._conversation.loop import HomeLoop, current_loop

from .faces import Face
from .messages import Gate, body, echo, hello, live, start
from .places import Place

#: What the apps here are: the libraries by which they ask, and how they do it.
LIBRARIES: list[Any] = [*dict.fromkeys((httpx, httpx2))]  # one may stand in for the other
WAYS = ["awaited", "in a worker thread", "blocking the loop"]


class Asks:
    """An app that asks another one for something, and answers what that says; by clients that were made before."""

    def __init__(self, library: Any = httpx, way: str = "awaited", url: str = "http://auth.internal/whoami") -> None:
        self.url = url
        self.loop: Any = None
        self.thread: Any = None
        self.responses: list[Any] = []
        self._way = way
        self._awaited = library.AsyncClient()
        self._blocking = library.Client()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.loop, self.thread = current_loop(), threading.current_thread()
        response = await self.ask()
        self.responses.append(response)
        await start(send, status=response.status_code)
        await body(send, response.content)

    async def ask(self) -> Any:
        if self._way == "awaited":
            return await self._awaited.get(self.url)
        if self._way == "in a worker thread":
            return await anyio.to_thread.run_sync(self._blocking.get, self.url)
        return self._blocking.get(self.url)


class Whoami:
    """An app that notes where it runs, and what it was asked."""

    loop: Any = None
    thread: Any = None

    def __init__(self, name: str = "ada") -> None:
        self._name = name
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.loop, self.thread = current_loop(), threading.current_thread()
        self.scopes.append(scope)
        await anyio.lowlevel.checkpoint()
        await start(send)
        await body(send, self._name.encode())


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError


def blocking_get(url: str) -> str:
    return httpx.get(url).text


# What goes where


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: str(library.__name__))
def test_another_app_answers_what_an_app_asks_for(face: Face, library: Any, way: str) -> None:
    gateway, auth = Asks(library, way), Whoami()
    with face.bare(gateway) as client, hosts({"auth.internal": auth}):
        for _ in range(2):
            response = client.get("/")
            assert (response.status_code, response.text) == (200, "ada")
    assert [(scope["path"], scope["server"]) for scope in auth.scopes] == 2 * [("/whoami", ("auth.internal", 80))]
    assert isinstance(gateway.responses[0], library.Response)
    # Where that can be, they share a loop, as they share a fixture's database.
    assert (auth.loop is gateway.loop) is (way != "blocking the loop")
    assert (auth.thread is gateway.thread) is (way != "blocking the loop")


@pytest.mark.parametrize("way", WAYS)
def test_a_chain_of_three_apps(face: Face, way: str) -> None:
    gateway = Asks(way=way, url="http://orders.internal/")
    orders, auth = Asks(way=way), Whoami()
    with face.open(gateway, lifespan="off") as client, hosts({"orders.internal": orders, "auth.internal": auth}):
        assert client.get("/").text == "ada"
    loops = {id(app.loop) for app in (gateway, orders, auth)}
    assert len(loops) == (3 if way == "blocking the loop" else 1)


@pytest.mark.anyio
async def test_a_test_asks_by_network_clients_of_its_own() -> None:
    auth = Whoami()
    async with hosts({"auth.internal": auth}), httpx.AsyncClient() as client, httpx2.AsyncClient() as client2:
        assert (await client.get("https://AUTH.internal/?x=1")).text == "ada"
        assert (await client2.post("http://auth.internal:81", content=b"1")).text == "ada"
        assert blocking_get("http://auth.internal") == "ada"  # which stops this loop meanwhile, as on a network
    first, second, third = auth.scopes
    assert (first["scheme"], first["query_string"], first["server"]) == ("https", b"x=1", ("auth.internal", 443))
    assert (second["method"], second["server"]) == ("POST", ("auth.internal", 81))
    assert third["server"] == ("auth.internal", 80)


def test_a_blocking_test_asks_by_a_network_client_of_its_own() -> None:
    auth = Whoami()
    with hosts({"auth.internal": auth}), httpx.Client() as client:
        assert client.get("http://auth.internal").text == "ada"

    assert auth.thread is not threading.main_thread()


def test_a_blocking_upload_is_made_in_the_thread_that_sends_it() -> None:
    async def counts(scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        while (message := await receive())["more_body"]:
            size += len(message["body"])
        await start(send)
        await body(send, str(size).encode())

    def upload() -> Iterator[bytes]:
        assert threading.current_thread() is threading.main_thread()
        yield b"one"
        yield b"two"

    with hosts({"files.internal": counts}):
        assert httpx.post("http://files.internal", content=upload()).text == "6"


@pytest.mark.anyio
async def test_clients_with_an_app_of_their_own_are_not_concerned() -> None:
    async with hosts(), AsyncClient(hello) as client, httpx.AsyncClient(transport=ASGITransport(hello)) as plain:
        assert (await client.get("https://api.example")).text == "hello"
        assert (await plain.get("https://api.example")).text == "hello"


@pytest.mark.anyio
async def test_hosts_are_as_they_were_after_the_block() -> None:
    def methods() -> list[Any]:
        kinds = [getattr(library, name) for library in LIBRARIES for name in ("AsyncHTTPTransport", "HTTPTransport")]
        return [vars(kind).get("handle_async_request") or vars(kind)["handle_request"] for kind in kinds]

    before = methods()
    services = hosts({"auth.internal": hello, "*.example": hello})
    assert repr(services) == "<Hosts auth.internal, *.example, not entered>"
    for _ in range(2):
        with services as entered:
            assert entered is services
            assert repr(services) == "<Hosts auth.internal, *.example, entered>"
            assert all(method not in before for method in methods())
            with pytest.raises(RuntimeError, match=r"^<Hosts .*> cannot be entered twice at a time$"):
                services.__enter__()
        assert methods() == before
    assert repr(hosts()) == "<Hosts none, not entered>"


# What goes nowhere


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: str(library.__name__))
def test_a_request_to_any_other_host_is_not_sent(face: Face, library: Any, way: str) -> None:
    gateway = Asks(library, way, "https://me:secret@api.example/v1/charges?key=secret")
    services = hosts({"auth.internal": hello, "*.shop": hello})
    with face.bare(gateway) as client, services, pytest.raises(library.ConnectError) as caught:
        client.get("/")
    assert str(caught.value) == (
        "GET https://api.example/v1/charges was not sent: the host api.example is none of those that hosts() knows: "
        '*.shop, auth.internal. If an app is to answer, write hosts({"api.example": app}); if the request is to go to '
        'the network, hosts(..., allow=["api.example"])'
    )


def test_where_nothing_is_known_nothing_is_sent() -> None:
    told = r"the host a.b is not known: hosts\(\) knows none. If an"
    with hosts(), pytest.raises(httpx.ConnectError, match=told) as caught:
        httpx.get("http://a.b")
    assert caught.value.request.url == "http://a.b"


@pytest.mark.parametrize("allow", [True, "127.0.0.1", ["localhost", "127.0.0.1"], ("*.0.0.1",)])
def test_what_is_allowed_goes_to_the_network(allow: Any) -> None:
    with LiveServer(hello) as server, hosts({"auth.internal": Whoami()}, allow=allow):
        assert httpx.get(server.url).text == "hello"
        assert httpx.get("http://auth.internal").text == "ada"


def test_a_port_may_be_known_while_others_are_let_out() -> None:
    with LiveServer(hello) as server, hosts({"127.0.0.1:1": Whoami()}, allow=["127.0.0.1"]):
        assert httpx.get(server.url).text == "hello"
        assert httpx.get("http://127.0.0.1:1").text == "ada"


def test_the_inner_block_is_asked_first_and_then_the_outer_one() -> None:
    with LiveServer(hello) as server, hosts({"a.b": Whoami("outer a"), "c.d": Whoami("outer c")}, allow=["127.0.0.1"]):
        with hosts({"*.b": Whoami("inner")}):
            assert httpx.get("http://a.b").text == "inner"
            assert httpx.get("http://c.d").text == "outer c"
            assert httpx.get(server.url).text == "hello"
            with pytest.raises(httpx.ConnectError, match=r"knows: \*.b, a.b, c.d."):
                httpx.get("http://e.f")
        assert httpx.get("http://a.b").text == "outer a"
        with hosts({"127.0.0.1": Whoami("inner")}):
            assert httpx.get(server.url).text == "inner"
        with hosts(allow=True):
            assert httpx.get("http://a.b").text == "outer a"


def test_more_hosts_than_are_remembered_are_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgi_testkit._client.hosts._REMEMBERED", 1)
    with hosts({"*.b": Whoami()}):
        assert [blocking_get(f"http://{name}.b") for name in "aaccaa"] == ["ada"] * 6


def test_blocks_may_end_in_another_order_than_they_began() -> None:
    first, second = hosts({"a.b": Whoami("first")}), hosts({"c.d": Whoami("second")})
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert httpx.get("http://c.d").text == "second"
    with pytest.raises(httpx.ConnectError):
        httpx.get("http://a.b")
    second.__exit__()


# Servers


@pytest.mark.usefixtures("servers_say_nothing")
def test_an_app_on_a_server_asks_others_and_the_way_to_the_server_is_free(place: Place) -> None:
    async def main() -> None:
        gateway = Asks(way="in a worker thread")
        with hosts({"auth.internal": Whoami()}):
            async with AsyncClient(gateway, live=place.server, lifespan="off") as client:
                response = await client.get("/")
                assert response.text == "ada"
                [asked] = gateway.responses
                assert asked.extensions["asgi"].caused_by is response.extensions["asgi"]
                gateway.url = "http://elsewhere.example"
                with pytest.raises(httpx.ConnectError):
                    await client.get("/")

    anyio.run(main, backend=place.backend.name, backend_options=place.backend.options)


@pytest.mark.usefixtures("servers_say_nothing")
def test_an_app_that_a_guest_of_a_server_calls_shares_its_loop_with_those_that_it_asks() -> None:
    gateway, auth = Asks(way="in a worker thread"), Whoami()
    services = hosts({"auth.internal": auth}, allow=["127.0.0.1"])
    with LiveServer(gateway, lifespan="off") as server, services:
        assert httpx.get(server.url).text == "ada"
    assert auth.loop is gateway.loop


# Exceptions of the other app


def test_the_one_who_asks_gets_what_a_server_would_answer(face: Face) -> None:
    with face.bare(Asks()) as client, hosts({"auth.internal": fails}):
        response = client.get("/")
        assert (response.status_code, response.text) == (500, "Internal Server Error")


@pytest.mark.parametrize("way", WAYS)
def test_what_the_other_app_raises_is_raised_if_that_is_wanted(face: Face, way: str) -> None:
    services = hosts({"auth.internal": fails}, raise_app_exceptions=True)
    with face.bare(Asks(way=way)) as client, services, pytest.raises(ZeroDivisionError):
        client.get("/")


def test_a_transport_has_options_for_one_app() -> None:
    auth = Whoami()
    transport = ASGITransport(auth, root_path="/v1", client=("10.0.0.7", 1))
    with hosts({"auth.internal": transport, "orders.internal": ASGITransport(fails)}):
        assert httpx.get("http://auth.internal").text == "ada"
        with pytest.raises(ZeroDivisionError):
            httpx.get("http://orders.internal")
    assert [(scope["root_path"], scope["client"]) for scope in auth.scopes] == [("/v1", ("10.0.0.7", 1))]


@pytest.mark.anyio
async def test_a_lifespan_that_runs_gives_its_state() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["name"] = b"ada"
            await live(receive, send)
        else:
            await start(send)
            await body(send, scope["state"]["name"])

    async with LifespanManager(app) as manager, httpx.AsyncClient() as client:
        with hosts({"auth.internal": manager.app}):
            assert (await client.get("http://auth.internal")).text == "ada"


# Streams, and their ends


class Endless:
    """An app whose response never ends, and that notes that the one who asked has gone."""

    ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"one", more=True)
        try:
            await anyio.sleep_forever()
        finally:
            self.ended = True


@pytest.mark.anyio
async def test_a_stream_that_does_not_end_is_read_as_it_comes() -> None:
    feed = Endless()
    async with hosts({"feed.internal": feed}), httpx.AsyncClient() as client:
        async with client.stream("GET", "http://feed.internal") as response:
            chunks: Any = response.stream.__aiter__()  # type: ignore[union-attr]  # an AsyncByteStream
            assert await anext(chunks) == b"one"
            await chunks.aclose()
        assert feed.ended


def test_a_blocking_client_reads_it_so_as_well() -> None:
    feed = Endless()
    with hosts({"feed.internal": feed}), httpx2.Client() as client:
        with client.stream("GET", "http://feed.internal") as response:
            assert next(response.iter_raw()) == b"one"
        assert feed.ended


@pytest.mark.parametrize("way", WAYS)
def test_the_read_timeout_of_the_one_who_asks_is_honoured(way: str) -> None:
    class Impatient(Asks):
        async def ask(self) -> Any:
            self._awaited.timeout = self._blocking.timeout = 0.05
            with pytest.raises(httpx.ReadTimeout, match=r"^GET /whoami: 0.05 seconds passed"):
                await super().ask()
            return httpx.Response(204)

    feed = Endless()

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await feed(scope, receive, lambda message: anyio.lowlevel.checkpoint())

    with hosts({"auth.internal": silent}), TestClient(Impatient(way=way)) as client:
        assert client.get("/").status_code == 204
    assert feed.ended


# The end of the block


def later(gate: Gate, ended: list[str]) -> Callable[..., Any]:
    """Return an app that goes on after its response, until the gate is open."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send)
        try:
            await gate.wait()
        finally:
            ended.append("ended")
        raise ZeroDivisionError

    return app


@pytest.mark.anyio
async def test_async_with_sees_to_their_end_the_requests_that_are_under_way() -> None:
    gate, ended = Gate(), list[str]()
    first = ASGITransport(later(gate, ended), background="detach")
    second = ASGITransport(later(gate, ended), background="detach")
    with pytest.raises(ZeroDivisionError) as caught:
        async with hosts({"a.b": first, "c.d": second}), httpx.AsyncClient() as client:
            assert (await client.get("http://a.b")).status_code == 200
            assert (await client.get("http://c.d")).status_code == 200
            assert not ended
            await gate.open()
    assert ended == ["ended", "ended"]
    assert "ZeroDivisionError" in "".join(caught.value.__notes__)


@pytest.mark.anyio
async def test_the_exception_under_way_wins() -> None:
    gate = Gate()
    with pytest.raises(LookupError) as caught:
        async with hosts({"a.b": ASGITransport(later(gate, []), background="detach")}), httpx.AsyncClient() as client:
            await client.get("http://a.b")
            await gate.open()
            raise LookupError
    assert "ZeroDivisionError" in "".join(caught.value.__notes__)


def test_with_sees_to_their_end_those_in_the_loops_of_other_threads() -> None:
    ended: list[str] = []
    transport = ASGITransport(later(Gate(), ended), background="detach", disconnect_grace=0)
    with hosts({"a.b": transport}):
        assert httpx.get("http://a.b").status_code == 200
        assert not ended
    assert ended == ["ended"]


@pytest.mark.anyio
async def test_with_leaves_to_itself_what_is_in_the_loop_that_it_must_not_stop() -> None:
    ended: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(scope["path"])

    async with ASGITransport(app, background="detach", disconnect_grace=0) as transport, httpx.AsyncClient() as client:
        with hosts({"a.b": transport}):
            await client.get("http://a.b/here")
            blocking_get("http://a.b/elsewhere")
        assert ended == ["/elsewhere"]
    assert ended == ["/elsewhere", "/here"]


# Loops that stand still, and loops that have ended


def test_a_loop_that_stands_still_is_not_waited_for() -> None:
    go_on = threading.Event()
    auth = Whoami()

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, ask)
            await anyio.sleep(0.05)
            go_on.wait(5)  # blocks the loop, until the other app has answered elsewhere
        await hello(scope, receive, send)

    def ask() -> None:
        with suppress(BaseException):
            assert httpx.get("http://auth.internal").text == "ada"
        go_on.set()

    with hosts({"auth.internal": auth}), TestClient(gateway, lifespan="off") as client:
        assert client.get("/").text == "hello"
    assert len(auth.scopes) == 1


@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
def test_an_app_whose_loop_has_ended_is_answered_in_another(backend_name: Any) -> None:
    said: list[str] = []
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def ask() -> None:
        assert ended.wait(5)
        said.append(httpx.get("http://auth.internal").text)

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        import contextvars

        threads.append(threading.Thread(target=contextvars.copy_context().run, args=(ask,)))
        threads[0].start()
        await hello(scope, receive, send)

    with hosts({"auth.internal": Whoami()}):
        with TestClient(gateway, backend=backend_name, lifespan="off") as client:
            exchange = client.get("/").extensions["asgi"]
        ended.set()
        threads[0].join()
        assert exchange.done
    assert said == ["ada"]


def test_a_call_into_a_loop_that_ends_meanwhile_ends_as_well() -> None:
    async def ways() -> tuple[HopIntoApps, HomeLoop]:
        home = HomeLoop("test")
        return HopIntoApps(home), home

    loop = asyncio.new_event_loop()
    hop, home = loop.run_until_complete(ways())
    assert hop.is_into(home)
    assert (hop.ended, hop.lost) == (False, False)
    threading.Timer(0.1, loop.close).start()
    with pytest.raises(LoopHasEndedError), anyio.from_thread.start_blocking_portal() as portal:
        portal.call(lambda: hop_call(hop))
    assert hop.ended
    assert hop.lost


async def hop_call(hop: HopIntoApps) -> None:
    hop.call(anyio.lowlevel.checkpoint, name="a call")


# What makes no sense


@pytest.mark.parametrize(
    "services, allow, told",
    [
        ([("a.b", hello)], (), r"^hosts\(\) takes apps by their hosts, hosts\({\"auth.internal\": app}\), not \["),
        ({"a.b": 1}, (), r"^hosts\(\): 'a.b': app must be an ASGI application, a callable of .*, not 1$"),
        ({"a.b": httpx.ASGITransport(hello)}, (), r"^hosts\(\): 'a.b': app must be an ASGI application"),
        ({1: hello}, (), r"^hosts\(\): a host is a str"),
        ({}, 1, r"^allow= is a list of hosts, or True for all, not 1$"),
        ({}, [1], r"^allow=: a host is a str"),
    ],
)
def test_what_is_of_the_wrong_type_is_refused(services: Any, allow: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        hosts(services, allow=allow)


def test_a_host_has_one_app() -> None:
    with pytest.raises(ValueError, match=r"^hosts\(\): 'A.B.' is there twice$"):
        hosts({"a.b": hello, "A.B.": hello})
    with pytest.raises(ValueError, match=r"^hosts\(\): 'http://a.b' names no host"):
        hosts({"http://a.b": hello})
    with pytest.raises(ValueError, match=r"^allow=: 'http://a.b' names no host"):
        hosts(allow=["http://a.b"])


# WebSockets


@pytest.mark.anyio
async def test_a_websocket_of_httpx_ws_leads_to_an_app() -> None:
    async with hosts({"chat.internal": echo}), httpx.AsyncClient() as client:
        options: Any = {"keepalive_ping_interval_seconds": None}
        async with httpx_ws.aconnect_ws("http://chat.internal/room", client, **options) as session:
            await session.send_text("hello")
            assert await session.receive_text() == "hello"


@pytest.mark.anyio
async def test_a_websocket_of_httpx2_leads_to_an_app() -> None:
    client = httpx2.AsyncClient()
    async with hosts({"chat.internal": echo}), client, client.websocket("ws://chat.internal/room") as session:
        await session.send_text("hello")
        assert await session.receive_text() == "hello"


def test_a_blocking_websocket_leads_to_an_app() -> None:
    client = httpx2.Client()
    with hosts({"chat.internal": echo}), client, client.websocket("ws://chat.internal/room") as session:
        session.send_text("hello")
        assert session.receive_text() == "hello"
