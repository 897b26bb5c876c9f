"""What is remembered of requests, and how responses are read: whatever is asked, all comes out as with the library.

Its own client, over a transport that gives it its own responses, is put through the same steps as ours, random ones
included, and everything that can be seen of their requests, responses, errors and cookies is compared.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import inspect
import itertools
import os
import pickle
import time
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from http.cookiejar import CookieJar
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asgi_testkit import ASGITransport, AsyncClient, Receive, Scope, Send, TestClient
from asgi_testkit._blocking.transport import BlockingTransport
from asgi_testkit._client.client import with_user_agent
from asgi_testkit._client.cookies import CookiesForAnyHost, DotlessHostJar
from asgi_testkit._client.library import derived, library

from .backends import BACKENDS, Backend
from .faces import AwaitedFace, BlockingFace, Face
from .messages import body, hello, start

HTTP = library(httpx.__name__)
BASE = "http://example.org"


async def everything(scope: Scope, receive: Receive, send: Send) -> None:
    """Do as the query says, and respond with what was sent."""
    wishes = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    body = b""
    more = True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    seen = repr([scope["method"], scope["scheme"], scope["path"], scope["query_string"], scope["headers"], body])
    content = seen.encode()
    status, headers = 200, [(b"content-type", b"text/plain")]
    for wish, value in wishes:
        match wish:
            case "status":
                status = int(value)
            case "location":
                headers.append((b"Location", value.encode()))
            case "cookie":
                headers.append((b"Set-Cookie", value.encode()))
            case "gzip":
                content = gzip.compress(content, mtime=0) if value else b"this is not gzip"
                headers.append((b"content-encoding", b"gzip"))
            case "type":
                headers[0] = (b"Content-Type", value.encode())
            case "challenge" if b"authorization" not in dict(scope["headers"]):
                status = 401
                headers.append((b"www-authenticate", b'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'))
            case "raise" if value != "late":
                raise ValueError(wish) if value == "value" else httpx.ConnectError(wish)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if ("break", "off") in wishes:
        return
    await send({"type": "http.response.body", "body": content[:10], "more_body": True})
    if ("raise", "late") in wishes:
        raise httpx.ReadError("late")
    await send({"type": "http.response.body", "body": content[10:]})


# What is to be seen

STREAMS = (httpx.ByteStream, httpx.SyncByteStream, httpx.AsyncByteStream)


def seen_of_request(request: httpx.Request) -> dict[str, Any]:
    content: bytes | None
    copy: httpx.Request | None
    try:
        content, copy = request.content, pickle.loads(pickle.dumps(request))
    except httpx.RequestNotRead:
        content = copy = None
    return {
        "method": request.method,
        "url": (str(request.url), request.url.userinfo, request.url.raw_path, request.url.fragment),
        "headers": request.headers.raw,
        "encoding": request.headers.encoding,
        "content": content,
        "stream": [isinstance(request.stream, kind) for kind in STREAMS],
        "extensions": request.extensions,
        "attributes": vars(request).keys(),
        "copy": copy and (copy.method, copy.url, copy.headers.raw, copy.content),
    }


def seen_of_response(response: httpx.Response) -> dict[str, Any]:
    assert response.elapsed.total_seconds() >= 0
    try:
        copy = pickle.loads(pickle.dumps(response))
    except TypeError:  # digest authentication has asked for its cookies: a jar cannot be copied
        copy = response
    plain = attrgetter(
        *("status_code", "reason_phrase", "http_version", "url", "headers.raw", "content", "text", "encoding"),
        *("charset_encoding", "default_encoding", "is_closed", "is_stream_consumed", "num_bytes_downloaded"),
        *("is_redirect", "has_redirect_location"),
    )
    return {
        "values": plain(response),
        "cookies": response.url.scheme and seen_of_jar(copy.cookies.jar),
        "extensions": response.extensions.keys(),
        "request": seen_of_request(response.request),
        "next": response.next_request and seen_of_request(response.next_request),
        "history": [seen_of_response(each) for each in response.history],
        "copy": (copy.status_code, copy.headers.raw, copy.content, copy.url),
    }


def seen_of_error(error: Exception) -> dict[str, Any]:
    request = getattr(error, "_request", None)
    return {
        "error": type(error),
        "args": str(error),
        "request": isinstance(request, httpx.Request) and seen_of_request(request),
    }


def seen_of_jar(jar: CookieJar) -> list[tuple[object, ...]]:
    return [(each.domain, each.path, each.name, each.value, each.secure, each.expires is None) for each in jar]


# The steps

#: Prepares something for a client: a generator or a login cannot serve two.
Make = Callable[[], Any]


class Change(NamedTuple):
    """Something about the client is set, or changed in place."""

    function: Callable[[Any], object]


class Ask(NamedTuple):
    """A request is sent. What is no option as it is stands as a function that makes it."""

    method: str
    url: str | httpx.URL
    options: dict[str, Any]


def put(name: str, key: str, value: str) -> Change:
    """Return a change of an item in place."""

    def change(client: Any) -> None:
        getattr(client, name)[key] = value

    return Change(change)


def assign(name: str, value: Any) -> Change:
    return Change(lambda client: setattr(client, name, value() if callable(value) else value))


def drop_user_agent(client: Any) -> None:
    client.headers.pop("user-agent", None)


def add_twice(client: Any) -> None:
    client.headers = httpx.Headers([*client.headers.raw, (b"X-Twice", b"1"), (b"x-twice", b"2")])


class Flow(httpx.Auth):
    """Asks twice, the second time with what it has read."""

    requires_response_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield request
        request.headers["x-flow"] = str(len(response.content))
        yield request


def sign(request: httpx.Request) -> httpx.Request:
    request.headers["x-signed"] = request.method
    return request


async def chunks() -> AsyncIterator[bytes]:
    yield b"a"
    yield b"b"


def blocking_chunks() -> Iterator[bytes]:
    yield b"a"
    yield b"b"


AUTHS: list[Make] = [
    lambda: None,
    lambda: ("user", "word"),
    lambda: httpx.DigestAuth("user", "word"),
    lambda: sign,
    Flow,
]

URLS: list[str | httpx.URL] = [
    *(
        "",
        "/",
        "a",
        "/a/b",
        "//a",
        "?",
        "?q=1",
        "/a?q=1&q=2#f",
        "#f",
        "/ä/ö?ü=%20%2f",
        "/%41%zz",
        "/a b?c d",
        "/a/../b",
    ),
    *("http://example.org/", "http://other.example.com/x", "https://example.org/", "http://example.org:8080/p"),
    *(
        "http://user:word@example.org/",
        "http://:@example.org/",
        "http://user@example.org/a",
        "//other.org/a",
        "http:///a",
    ),
    *("http://EXAMPLE.org", "http://[::1]:80/", "http://bücher.example/", "ws://example.org/", "http://a:b", "\x00"),
    *("/?location=/b&status=302", "/?location=/b&status=307", "/?location=http://other.example.com/&status=301"),
    *("/?location=%3Flocation%3D/c%26status%3D303&status=302", "/?location=/%3Fq=1&status=200", "/?status=302"),
    *("/?location=http://a:b&status=302", "/?location=ftp://x/&status=308", "/?location=/&location=/b&status=301"),
    *("/?cookie=a=1", "/?cookie=a=2; Path=/b&cookie=b=3; Domain=example.org", "/?cookie=c=1; Domain=elsewhere.org"),
    *("/?cookie=a=; Max-Age=0", "/?cookie=s=1; Secure", "/?cookie=a=9&status=302&location=/b"),
    *("/?gzip=1", "/?gzip=", "/?type=text/html; charset=latin-1", "/?type=x/y; charset=none", "/?status=204"),
    *("/?status=304", "/?status=404", "/?status=500", "/?challenge=1", "/?challenge=1&cookie=d=1"),
    *("/?raise=value", "/?raise=connect", "/?raise=late", "/?break=off"),
    httpx.URL("/url?q=1"),
    httpx.URL("http://other.example.com/url"),
]
LOOP = "/?location=/%3Flocation%3D%252F%253Fstatus%253D302%2526location%253D%252F%26status%3D302&status=302"

texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=4)
tokens = st.sampled_from(
    ["X-A", "x-a", "Host", "accept", "User-Agent", "content-type", "Content-Length", "Cookie", "b"]
)
ascii_values = st.sampled_from(["", "1", "a, b", " x ", "text/plain", "other.org"])
headers = st.one_of(
    st.none(),
    st.dictionaries(tokens, ascii_values, max_size=3),
    st.lists(st.tuples(tokens, ascii_values), max_size=3),
    st.lists(st.tuples(tokens.map(str.encode), ascii_values.map(str.encode)), max_size=3),
    st.sampled_from([{"x": "ä"}, {"ä": "x"}, {"x": 1}, httpx.Headers({"X-A": "1"}), {"x": None}, {"a b": "c"}]),
)
params = st.one_of(
    st.none(),
    st.dictionaries(
        texts, st.one_of(texts, st.integers(), st.booleans(), st.none(), st.lists(texts, max_size=2)), max_size=2
    ),
    st.sampled_from(["", "a=1", b"a=1", [("a", "1"), ("a", "2")], httpx.QueryParams(a=1), {"cookie": "e=5"}, 5]),
)
bodies: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        *({}, {}, {}, {}),
        *({"content": b""}, {"content": b"bytes"}, {"content": "ä"}, {"content": chunks}, {"content": 5}),
        *({"json": {"a": [1, None]}}, {"json": []}, {"json": 0}, {"json": object}),
        *({"data": {"a": "1", "b": ["2", "3"]}}, {"data": {}}, {"data": {"a": "1"}, "files": {"f": b"x"}}),
        *({"files": {"f": ("name", b"x", "text/plain")}}, {"content": b"x", "json": 1}),
    ]
)
timeouts = st.sampled_from([None, 7, 5.5, httpx.Timeout(3, connect=1), httpx.USE_CLIENT_DEFAULT, (1, 2, 3, 4)])
extensions: st.SearchStrategy[Any] = st.sampled_from(
    [None, {}, {"x": 1}, {"timeout": {"read": 9}}, {"timeout": {}}, {"target": b"/target"}]
)
asks = st.builds(
    lambda method, url, body, rest: Ask(method, url, body | rest),
    st.sampled_from(["GET", "get", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "Odd"]),
    st.sampled_from(URLS) | st.just(LOOP) | texts.map(lambda text: f"/{text}"),
    bodies,
    st.fixed_dictionaries(
        {},
        optional={
            "headers": headers,
            "params": params,
            "timeout": timeouts,
            "extensions": extensions,
            "cookies": st.sampled_from([None, {}, {"own": "1"}, [("own", "2")]]),
            "auth": st.sampled_from([*AUTHS, repeat(httpx.USE_CLIENT_DEFAULT).__next__]),
            "follow_redirects": st.sampled_from([True, False, httpx.USE_CLIENT_DEFAULT]),
            "stream": st.just(value=True),
        },
    ),
)
CHANGES: list[Any] = [
    put("headers", "X-New", "1"),
    put("headers", "x-new", "2"),
    put("headers", "host", "another.org"),
    put("headers", "Accept", "text/html"),
    put("headers", "x", "ä"),
    Change(drop_user_agent),
    Change(add_twice),
    assign("headers", {"X-All": "1"}),
    put("cookies", "mine", "1"),
    Change(lambda client: client.cookies.set("far", "1", domain="other.example.com", path="/x")),
    Change(lambda client: client.cookies.clear()),
    assign("cookies", {"whole": "1"}),
    assign("cookies", None),
    assign("params", {"p": "1"}),
    assign("params", None),
    assign("base_url", "https://example.org/v1"),
    assign("base_url", "http://example.org:8080/v2/"),
    assign("timeout", 2),
    assign("timeout", None),
    *(assign("auth", auth) for auth in AUTHS),
    assign("follow_redirects", value=True),
    assign("follow_redirects", value=False),
    assign("max_redirects", 1),
    assign("max_redirects", -1),
]
steps = st.lists(st.one_of(asks, asks, st.sampled_from(CHANGES)), min_size=1, max_size=6)


def latin(content: bytes) -> str:
    return "latin-1"


async def mark_request(request: httpx.Request) -> None:
    request.headers["x-hooked"] = "1"


async def mark_response(response: httpx.Response) -> None:
    response.headers["x-hooked"] = response.headers.pop("content-encoding", "1")


def refuse(request: httpx.Request) -> httpx.Response:
    return httpx.Response(403, stream=httpx.ByteStream(b"mounted"))


#: Options of a client.
clients = st.fixed_dictionaries(
    {},
    optional={
        "base_url": st.sampled_from([BASE, f"{BASE}/v1", httpx.URL("https://[::1]:8000/")]),
        "headers": st.sampled_from([None, {"X": "1", "user-agent": "mine"}, [("x", "1"), ("host", "other.org")]]),
        "params": st.sampled_from([None, {}, {"p": "1"}]),
        "auth": st.sampled_from([None, ("user", "word")]),
        "timeout": timeouts.filter(lambda timeout: timeout is not httpx.USE_CLIENT_DEFAULT),
        "follow_redirects": st.booleans(),
        "max_redirects": st.integers(0, 3),
        "default_encoding": st.sampled_from(["latin-1", latin]),
    },
)
hooks = st.sampled_from(
    [{}, {"request": [mark_request]}, {"response": [mark_response]}, {"request": [mark_request], "response": []}]
)
mounts = st.sampled_from([None, {"http://other.example.com": httpx.MockTransport(refuse), "https://": None}])


def made(name: str, value: Any) -> Any:
    """Return an option, made anew if it has to be."""
    return value() if name == "auth" or value is chunks or value is blocking_chunks else value


# Both ways


class PlainTransport(ASGITransport):
    """Gives responses of the library's own class."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = await super().handle_async_request(request)
        return httpx.Response(sent.status_code, headers=sent.headers, stream=sent.stream, extensions=sent.extensions)


class LongAsyncClient(CookiesForAnyHost[httpx.Request, httpx.Cookies], httpx.AsyncClient):
    """The library's client, but for the jar."""


class LongClient(CookiesForAnyHost[httpx.Request, httpx.Cookies], httpx.Client):
    """The library's client, but for the jar."""


def usual(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what our clients give to the library's."""
    usual_headers = with_user_agent(options.get("headers"), HTTP)
    return {"base_url": BASE, "cookies": DotlessHostJar(), **options, "headers": usual_headers}


async def compare(long: Any, short: Any, todo: list[Any]) -> None:
    """Put both clients through the steps."""
    for step in [*todo, *todo]:  # what was remembered the first time has to suit the second
        expected, got = await outcome(long, step), await outcome(short, step)
        for what in expected:
            assert got[what] == expected[what], (step, what)


async def outcome(client: Any, step: Any) -> dict[str, Any]:
    """Return what can be seen of a step. It awaits nothing where the client does not."""
    request = response = error = None
    chosen = {name: made(name, value) for name, value in step.options.items()} if isinstance(step, Ask) else {}
    sending = {name: chosen.pop(name) for name in ("auth", "follow_redirects", "stream") if name in chosen}
    try:
        if isinstance(step, Change):
            step.function(client)
        else:
            request = client.build_request(step.method, step.url, **chosen)
            built = seen_of_request(request)
            response = await result(client.send(request, **sending))
            unread = response.is_closed, response.is_stream_consumed, response.num_bytes_downloaded
            if "stream" in sending:
                await result(response.aread() if isinstance(client, httpx.AsyncClient) else response.read())
    except Exception as raised:
        error = raised
    return {
        "built": request and built,
        "sent": request and seen_of_request(request),
        "unread": response and unread,
        "response": response and not error and seen_of_response(response),
        "error": error and seen_of_error(error),
        "jar": seen_of_jar(client.cookies.jar),
    }


async def result(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def compare_awaited(todo: list[Any], options: Mapping[str, Any], mounts: Any = None) -> None:
    transport = PlainTransport(everything, client=("testclient", 50000))
    async with (
        LongAsyncClient(transport=transport, mounts=mounts, **usual(options)) as long,
        AsyncClient(everything, **{"base_url": BASE, "mounts": mounts, **options}) as short,
    ):
        await compare(long, short, todo)


def compare_blocking(todo: list[Any], options: Mapping[str, Any], backend: Backend) -> None:
    transport = derived(BlockingTransport, HTTP, "BaseTransport")(
        PlainTransport(everything, client=("testclient", 50000)), backend.name, backend.options, HTTP
    )
    options = {"follow_redirects": False, **options}
    with (
        LongClient(transport=transport, **usual(options)) as long,
        TestClient(
            everything, backend=backend.name, backend_options=backend.options, **{"base_url": BASE, **options}
        ) as short,
        pytest.raises(StopIteration),
    ):
        compare(long, short, todo).send(None)


@pytest.fixture
def no_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boundaries of forms, and what a digest is salted with, are the same both ways."""
    monkeypatch.setattr(os, "urandom", bytes)
    monkeypatch.setattr(
        time, "ctime", str
    )  # a second may pass between the two: it is in what digest authentication says


several = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


@pytest.mark.slow
@pytest.mark.usefixtures("no_randomness")
@given(steps)
@settings(several, max_examples=200)
def test_random_steps_come_out_alike(todo: list[Any]) -> None:
    asyncio.run(compare_awaited(todo, {}))


@pytest.mark.slow
@pytest.mark.usefixtures("no_randomness")
@given(steps, clients, hooks, mounts)
@settings(several, max_examples=200)
def test_random_clients_come_out_alike(todo: list[Any], options: dict[str, Any], hooks: Any, mounts: Any) -> None:
    asyncio.run(compare_awaited(todo, {**options, "event_hooks": hooks}, mounts))


@pytest.mark.slow
@pytest.mark.usefixtures("no_randomness")
@given(steps, clients)
@settings(several, max_examples=50)
def test_random_blocking_clients_come_out_alike(todo: list[Any], options: dict[str, Any]) -> None:
    compare_blocking([blocking(step) for step in todo], options, BACKENDS[0])


def blocking(step: Any) -> Any:
    """Return the step for a client that cannot iterate asynchronously."""
    if isinstance(step, Ask) and step.options.get("content") is chunks:
        return step._replace(options={**step.options, "content": blocking_chunks})
    return step


#: What all of the loops, and both faces, are put through.
COMMON: list[Any] = [
    *(Ask("GET", url, {}) for url in URLS),
    *(Ask("GET", url, {"follow_redirects": True, "stream": True}) for url in URLS),
    Ask("POST", "/", {"json": {"a": 1}, "headers": {"x": "1"}}),
    Ask("PUT", "/new", {"content": chunks}),
    Ask("POST", "/new/too", {"json": {"a": 1}}),
    Ask("GET", LOOP, {"follow_redirects": True}),
    *(Ask("GET", "/?challenge=1&cookie=d=1", {"auth": auth, "follow_redirects": True}) for auth in AUTHS),
    *itertools.chain.from_iterable(
        (change, Ask("HEAD", "/", {}), Ask("PATCH", "/", {"data": {"a": "1"}})) for change in CHANGES
    ),
]


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")  # httpx leaves them so after an error
@pytest.mark.usefixtures("no_randomness")
async def test_each_loop_makes_no_difference() -> None:
    await compare_awaited(COMMON, {"default_encoding": latin})


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
@pytest.mark.usefixtures("no_randomness")
def test_each_loop_makes_no_difference_to_blocking_clients(backend: Backend) -> None:
    compare_blocking([blocking(step) for step in COMMON], {}, backend)


# What is no plain request


@pytest.mark.anyio
@pytest.mark.parametrize("hooks", [{"request": [mark_request]}, {"response": [mark_response]}])
async def test_hooks_and_mounts_make_no_difference(hooks: Any) -> None:
    todo = [Ask("GET", "/", {}), Ask("GET", "/?gzip=1", {}), Ask("GET", "http://other.example.com/", {})]
    await compare_awaited(todo, {"event_hooks": hooks}, {"http://other.example.com": httpx.MockTransport(refuse)})


class Counting:
    """Counts the requests of an app that redirects once.

    Attributes:
        paths: Those that were asked for.
    """

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        if scope["path"] == "/":
            await start(send, (b"location", b"/there"), status=302)
        else:
            await start(send)
        await body(send)


def test_an_app_that_redirects_is_called_once(face: Face) -> None:
    app = Counting()
    with face.bare(app, follow_redirects=True) as client:
        response = client.get("/")
        assert [each.status_code for each in response.history] == [302]
        assert app.paths == ["/", "/there"]
        assert client.request("GET", "/", follow_redirects=False).next_request is not None
        assert app.paths == ["/", "/there", "/"]


def test_a_base_url_that_another_thread_replaces_meanwhile_is_nobody_else_s(monkeypatch: pytest.MonkeyPatch) -> None:
    original: Any = httpx.Client._merge_url

    def merge_url(self: Any, url: str) -> httpx.URL:
        self.base_url = "http://other.example.com"
        merged: httpx.URL = original(self, url)
        return merged

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(httpx.Client, "_merge_url", merge_url)
        TestClient(everything).build_request("GET", "/not-asked-for-before")
    request = TestClient(everything).build_request("GET", "/not-asked-for-before")
    assert request.url == "http://testserver/not-asked-for-before"


@pytest.mark.parametrize("faced", [AwaitedFace, BlockingFace])
@pytest.mark.parametrize("name", ["send", "request", "build_request", "_send_single_request", "_transport_for_url"])
def test_who_spies_on_the_library_sees_each_request(faced: type[Face], name: str) -> None:
    kind: Any = httpx.AsyncClient if faced is AwaitedFace else httpx.Client
    with faced(BACKENDS[0]).bare(Counting(), follow_redirects=True) as client:
        client.get("/before")
        with mock.patch.object(kind, name, autospec=True, side_effect=getattr(kind, name)) as spy:
            client.get("/before")
            client.request("POST", "/there", json={}, auth=("user", "word"), cookies={"a": "1"}, headers={"b": "2"})
        assert spy.call_count == 2
        client.get("/before")
        assert spy.call_count == 2


@pytest.mark.parametrize("name", ["aread", "aiter_bytes", "aiter_raw"])
def test_who_spies_on_the_library_s_responses_sees_each(name: str) -> None:
    with AwaitedFace(BACKENDS[0]).bare(Counting()) as client:
        client.get("/there")
        with mock.patch.object(httpx.Response, name, autospec=True, side_effect=getattr(httpx.Response, name)) as spy:
            client.get("/there")
        assert spy.call_count == 1


class Louder(httpx.AsyncByteStream):
    """Puts a body in capitals."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk.upper()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def shout(response: httpx.Response) -> None:
    response.stream = Louder(response.stream)


class ShoutingTransport(ASGITransport):
    """Puts a stream around each body, before the client does."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        await shout(response)
        return response


class DeafTransport(ASGITransport):
    """Puts a body of the library's in place of each."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        await response.stream.aclose()  # type: ignore[union-attr]
        response.stream = httpx.ByteStream(b"HELLO")
        return response


@pytest.mark.anyio
async def test_what_a_test_puts_around_a_body_is_what_is_read() -> None:
    async with AsyncClient(hello, lifespan="off", event_hooks={"response": [shout]}) as client:
        assert (await client.get("/")).text == "HELLO"
    for transport in (ShoutingTransport(hello), DeafTransport(hello)):
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as plain:
            assert (await plain.get("/")).text == "HELLO"


@pytest.mark.anyio
async def test_what_a_test_puts_in_the_transport_s_way_sees_each_request_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    client = AsyncClient(everything, follow_redirects=True)
    transport = client._core.transport
    original = transport.handle_async_request

    async def handle_async_request(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        response: httpx.Response = await original(request)
        return response

    async with client:
        monkeypatch.setattr(transport, "handle_async_request", handle_async_request)
        await client.get("/?location=/there&status=302")
        await client.get("/again")
    assert seen == ["/", "/there", "/again"]


@pytest.mark.anyio
async def test_an_unknown_way_of_sending_is_refused() -> None:
    async with AsyncClient(everything) as client:
        with pytest.raises(TypeError, match="unexpected keyword argument 'steam'"):
            await client.send(client.build_request("GET", "/"), steam=True)  # type: ignore[call-arg]  # that is the test


@pytest.mark.anyio
async def test_a_request_of_the_test_s_own_making_gets_the_client_s_timeout() -> None:
    async with AsyncClient(everything, timeout=3) as client:
        request = httpx.Request("GET", BASE)
        await client.send(request)
        assert request.extensions["timeout"] == httpx.Timeout(3).as_dict()


@pytest.mark.anyio
async def test_a_blocking_body_is_refused() -> None:
    async with AsyncClient(everything) as client:
        with pytest.raises(RuntimeError, match="sync request"):
            await client.post("/", content=blocking_chunks())


@pytest.mark.anyio
async def test_a_closed_client_sends_nothing() -> None:
    client = AsyncClient(everything)
    await client.get("/")
    await client.aclose()
    with pytest.raises(RuntimeError, match="has been closed"):
        await client.get("/")


# What is remembered


def test_a_request_is_no_other_s_and_may_be_changed() -> None:
    client = AsyncClient(everything)
    first, second = (client.build_request("GET", "/") for _ in range(2))
    first.headers["x"] = "1"
    first.extensions["timeout"]["read"] = 1
    assert "x" not in second.headers
    assert client.build_request("GET", "/").headers == second.headers
    assert client.build_request("GET", "/").extensions == second.extensions == {"timeout": httpx.Timeout(5).as_dict()}


def test_a_client_does_not_remember_without_end() -> None:
    client = AsyncClient(everything)
    for number in range(3000):
        client.build_request("GET", f"/{number}")
    assert len(client._heads.known) <= 1024


def test_what_another_thread_makes_while_the_client_changes_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    TestClient(everything).build_request("GET", "/")  # so that the next request made for it is the one to remember
    client = TestClient(everything)
    make = httpx.Request.__init__

    def make_and_be_overtaken(*args: Any, **options: Any) -> None:
        monkeypatch.undo()
        make(*args, **options)
        client.headers["x"] = "new"
        client.build_request("GET", "/other")

    monkeypatch.setattr(httpx.Request, "__init__", make_and_be_overtaken)
    assert "x" not in client.build_request("GET", "/").headers
    assert client.build_request("GET", "/").headers["x"] == "new"


def test_a_request_is_held_by_nobody_after_its_response(face: Face) -> None:
    with face.bare(everything) as client:
        request = weakref.ref(client.get("/").request)
        gc.collect()
        assert request() is None
