"""The two clients: all of httpx works through either, and each of them is opened and closed as it should be."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest

from asgi_testkit import (
    ASGITransport,
    AsyncClient,
    LifespanError,
    LifespanManager,
    Receive,
    Scope,
    Send,
    TestClient,
    WrongEventLoopError,
)
from asgi_testkit._blocking.loop import LoopThread
from asgi_testkit._client.client import with_user_agent
from asgi_testkit._client.library import library_of
from asgi_testkit._conversation.loop import soon_threadsafe

from .apps import NOT_STARTED, NOT_STOPPED, RECEIVE, STARTED, STOPPED, Living, mirror, well
from .backends import BACKENDS, Backend
from .faces import AwaitedClient, Client, Face
from .messages import Gate, accept, body, hello, live, say, start

CLIENTS = [pytest.param(AsyncClient, id="awaited"), pytest.param(TestClient, id="blocking")]

anyio_test = pytest.mark.anyio


def seen(response: httpx.Response) -> Any:
    """Return what `mirror` saw of the request."""
    assert response.status_code == 200
    return response.json()


def run(client: Client, name: str, *args: Any, **options: Any) -> Any:
    """Call a method of the httpx client, whichever it is."""
    inner: Any = client.client  # type: ignore[attr-defined]  # both have one
    if isinstance(client, AwaitedClient):
        return client.call(lambda: getattr(inner, f"a{name}" if name == "close" else name)(*args, **options))
    return getattr(inner, name)(*args, **options)


def hooks(face: Face, **functions: Callable[[Any], object]) -> dict[str, list[Callable[[Any], Any]]]:
    """Return event hooks as the client wants them: async functions if it is awaited."""

    def awaited(function: Callable[[Any], object]) -> Callable[[Any], Awaitable[None]]:
        async def hook(argument: Any) -> None:
            function(argument)

        return hook

    return {kind: [awaited(hook) if face.name == "awaited" else hook] for kind, hook in functions.items()}


# URLs


@pytest.mark.parametrize(
    "base_url, url, expected",
    [
        ("http://testserver", "/a", ["http", ["testserver", 80], "/a", "", "testserver"]),
        ("http://testserver", "a", ["http", ["testserver", 80], "/a", "", "testserver"]),
        ("http://testserver", "/a?b=c%20d", ["http", ["testserver", 80], "/a", "b=c%20d", "testserver"]),
        ("http://testserver", "", ["http", ["testserver", 80], "/", "", "testserver"]),
        ("https://example.org", "/", ["https", ["example.org", 443], "/", "", "example.org"]),
        ("http://example.org:8000/v1", "/a", ["http", ["example.org", 8000], "/v1/a", "", "example.org:8000"]),
        ("http://example.org/v1/", "a", ["http", ["example.org", 80], "/v1/a", "", "example.org"]),
        ("https://[::1]:8443", "/a", ["https", ["::1", 8443], "/a", "", "[::1]:8443"]),
        ("http://testserver", "https://example.org/a", ["https", ["example.org", 443], "/a", "", "example.org"]),
        (httpx.URL("http://example.org"), httpx.URL("/a"), ["http", ["example.org", 80], "/a", "", "example.org"]),
    ],
)
@pytest.mark.in_process(reason="the server and the client in the scope are the server's")
def test_urls_are_relative_to_the_base_url(face: Face, base_url: Any, url: Any, expected: list[Any]) -> None:
    with face.bare(mirror, base_url=base_url) as client:
        request = seen(client.get(url))
    assert [request[key] for key in ("scheme", "server", "path", "query")] + [request["headers"]["host"]] == expected


def test_relative_urls_work_out_of_the_box(face: Face) -> None:
    with face.bare(mirror) as client:
        response = client.get("/a")
    assert str(response.url) == "http://testserver/a"
    assert seen(response)["path"] == "/a"


def test_parameters_of_client_and_request_are_joined(face: Face) -> None:
    with face.bare(mirror, params={"a": "1"}) as client:
        assert seen(client.get("/", params={"b": ["2", "3"]}))["query"] == "a=1&b=2&b=3"


# Headers


@pytest.mark.in_process(reason="the server and the client in the scope are the server's")
def test_the_client_is_called_testclient(face: Face) -> None:
    with face.bare(mirror) as client:
        request = seen(client.get())
    assert request["headers"]["user-agent"] == "testclient"
    assert request["client"] == ["testclient", 50000]


@pytest.mark.parametrize(
    "headers", [{"User-Agent": "mine"}, [("User-Agent", "mine")], httpx.Headers({"user-agent": "mine"})]
)
def test_the_client_may_be_called_otherwise(face: Face, headers: Any) -> None:
    with face.bare(mirror, headers=headers) as client:
        assert seen(client.get())["headers"]["user-agent"] == "mine"
        assert seen(client.get(headers={"user-agent": "other"}))["headers"]["user-agent"] == "other"


def test_the_headers_that_are_given_are_not_changed() -> None:
    headers = httpx.Headers({"x-name": "value"})
    assert with_user_agent(headers, library_of(headers)).raw == [(b"x-name", b"value"), (b"user-agent", b"testclient")]
    assert headers.raw == [(b"x-name", b"value")]


def test_default_headers_are_sent_with_every_request(face: Face) -> None:
    with face.bare(mirror, headers={"X-Token": "1"}) as client:
        assert seen(client.get())["headers"]["x-token"] == "1"
        assert seen(client.get(headers={"x-token": "2"}))["headers"]["x-token"] == "2"
        client.client.headers["x-token"] = "3"
        assert seen(client.get())["headers"]["x-token"] == "3"


def test_cookies_of_a_request_are_sent_with_it_alone_and_no_warning_is_given(face: Face) -> None:
    with face.bare(mirror, cookies={"a": "1"}) as client:
        assert seen(client.get(cookies={"b": "2"}))["headers"]["cookie"] == "a=1; b=2"
        assert seen(client.get())["headers"]["cookie"] == "a=1"


# Bodies


@pytest.mark.parametrize(
    "options, content_type, content",
    [
        ({"json": {"a": [1, None]}}, "application/json", '{"a":[1,null]}'),
        ({"data": {"a": "1", "b": ["2", "3"]}}, "application/x-www-form-urlencoded", "a=1&b=2&b=3"),
        ({"content": "caf\u00e9"}, None, "caf\u00e9".encode().decode("latin-1")),
        ({"content": b"\x00\xff"}, None, "\x00\xff"),
        ({}, None, ""),
    ],
    ids=["json", "form", "text", "bytes", "nothing"],
)
def test_a_body_is_sent_as_httpx_encodes_it(
    face: Face, options: dict[str, Any], content_type: str | None, content: str
) -> None:
    with face.bare(mirror) as client:
        request = seen(client.post("/", **options))
    assert request["headers"].get("content-type") == content_type
    assert request["headers"]["content-length"] == str(len(content))
    assert request["body"] == content


def test_files_are_sent_as_multipart(face: Face) -> None:
    with face.bare(mirror) as client:
        request = seen(client.post("/", files={"file": ("a.txt", b"content", "text/plain")}, data={"name": "value"}))
    assert request["headers"]["content-type"].startswith("multipart/form-data; boundary=")
    boundary = request["headers"]["content-type"].partition("boundary=")[2]
    assert request["body"].count(f"--{boundary}") == 3
    assert 'name="name"\r\n\r\nvalue\r\n' in request["body"]
    assert 'name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\ncontent\r\n' in request["body"]


def test_a_body_is_streamed(face: Face) -> None:
    with face.bare(mirror) as client:
        request = seen(client.post("/", content=client.upload(b"one", b"two")))
    assert request["headers"]["transfer-encoding"] == "chunked"
    assert request["body"] == "onetwo"


@anyio_test
@pytest.mark.in_process(reason="httpx's HTTP/1.1 sends the whole request before it reads the response")
async def test_a_generator_that_the_app_does_not_read_to_its_end_is_closed_when_the_app_has_ended() -> None:
    story = []

    async def upload() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"chunk"
        finally:
            story.append("closed")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await hello(scope, receive, send)

    client = AsyncClient(app)
    await client.post("/", content=upload())
    assert story == ["closed"]


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_each_method_has_a_function(face: Face, method: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, (b"x-method", scope["method"].encode()))
        await body(send)

    with face.bare(app) as client:
        assert run(client, method.lower(), "/").headers["x-method"] == method


async def encoded(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, (b"content-type", b"text/plain; charset=iso-8859-15"))
    await body(send, "5 \u20ac".encode("iso-8859-15"))


def test_a_response_is_decoded_as_it_says(face: Face) -> None:
    with face.bare(encoded) as client:
        assert client.get().text == "5 \u20ac"


# Requests that are built, sent, streamed


def test_a_request_is_built_and_sent(face: Face) -> None:
    with face.bare(mirror, headers={"x-a": "1"}, base_url="http://testserver/v1") as client:
        request = client.client.build_request("POST", "/a", json=[])
        assert str(request.url) == "http://testserver/v1/a"
        assert request.headers["x-a"] == "1"
        response = run(client, "send", request)
    assert response.request is request
    assert seen(response)["body"] == "[]"


def test_a_request_is_sent_and_its_response_streamed(face: Face) -> None:
    with face.bare(hello) as client:
        response = client.unclosed()
        assert not response.is_stream_consumed
        if isinstance(client, AwaitedClient):
            assert client.call(response.aread) == b"hello"
        else:
            assert response.read() == b"hello"
        assert response.is_closed


def test_a_response_is_streamed(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"one", more=True)
        await body(send, b"two")

    with face.bare(app) as client, client.stream("GET", "/") as stream:
        assert stream.response.status_code == 200
        assert stream.chunks() == [b"one", b"two"]


# Auth


@pytest.mark.parametrize(
    "client_auth, options",
    [
        (("name", "secret"), {}),
        (None, {"auth": ("name", "secret")}),
        (("other", ""), {"auth": httpx.BasicAuth("name", "secret")}),
        (None, {"url": "http://name:secret@testserver/"}),
    ],
    ids=["of the client", "of the request", "in place of the client's", "in the URL"],
)
def test_basic_auth_is_sent(face: Face, client_auth: Any, options: dict[str, Any]) -> None:
    with face.bare(mirror, auth=client_auth) as client:
        assert seen(client.get(**options))["headers"]["authorization"] == "Basic bmFtZTpzZWNyZXQ="


def test_a_request_may_go_without_the_client_s_auth(face: Face) -> None:
    with face.bare(mirror, auth=("name", "secret")) as client:
        assert "authorization" not in seen(client.get(auth=None))["headers"]


def asks_for(challenge: bytes) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return an app that wants an authorization, and then mirrors the request."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if b"authorization" in dict(scope["headers"]):
            await mirror(scope, receive, send)
        else:
            await start(send, (b"www-authenticate", challenge), status=401)
            await body(send, b"who are you?")

    return app


def test_digest_auth_answers_to_the_challenge(face: Face) -> None:
    app = asks_for(b'Digest realm="here", nonce="abc", qop="auth", algorithm=SHA-256')
    with face.bare(app, auth=httpx.DigestAuth("name", "secret")) as client:
        response = client.post("/a", content=b"body")
    request = seen(response)
    assert request["headers"]["authorization"].startswith('Digest username="name", realm="here", nonce="abc", uri="/a"')
    assert request["body"] == "body"
    assert [earlier.status_code for earlier in response.history] == [401]


class Token(httpx.Auth):
    """Answers with what the app said."""

    requires_response_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield request
        request.headers["authorization"] = f"Token {response.text}"
        yield request


def test_an_auth_flow_of_the_test_s_own_works(face: Face) -> None:
    with face.bare(asks_for(b"Token"), auth=Token()) as client:
        assert seen(client.get())["headers"]["authorization"] == "Token who are you?"


# Event hooks


def test_hooks_see_requests_and_responses(face: Face) -> None:
    story: list[Any] = []

    def on_request(request: httpx.Request) -> None:
        story.append(request)
        request.headers["x-hook"] = "1"

    with face.bare(mirror, event_hooks=hooks(face, request=on_request, response=story.append)) as client:
        response = client.get()
    assert story == [response.request, response]
    assert seen(response)["headers"]["x-hook"] == "1"


def test_a_request_hook_that_raises_keeps_the_request_from_the_app(face: Face) -> None:
    app = well()

    def on_request(request: httpx.Request) -> None:
        raise LookupError(request.url.path)

    opened = face.bare(app, event_hooks=hooks(face, request=on_request))
    with opened as client, pytest.raises(LookupError, match=r"^/a$"):
        client.get("/a")
    assert app.story == []


def test_a_response_hook_that_raises_ends_the_request(face: Face) -> None:
    opened = face.bare(asks_for(b"Basic"), event_hooks=hooks(face, response=httpx.Response.raise_for_status))
    with opened as client, pytest.raises(httpx.HTTPStatusError, match="401"):
        client.get()


# Redirects


async def moved(scope: Scope, receive: Receive, send: Send) -> None:
    """Move /3 to /2, /2 to /1, and so on; set a cookie each time. /0 mirrors the request, /round moves to itself."""
    number = scope["path"].strip("/")
    if number == "0":
        await mirror(scope, receive, send)
        return
    to = "/round" if number == "round" else f"/{int(number) - 1}"
    cookie = f"seen{number}=1"
    await start(send, (b"location", to.encode()), (b"set-cookie", cookie.encode()), status=303)
    await body(send, b"moved")


def test_redirects_are_followed_if_asked_for(face: Face) -> None:
    with face.bare(moved, follow_redirects=False) as client:
        response = client.post("/2", content=b"body")
        assert (response.status_code, response.text) == (303, "moved")
        assert response.next_request is not None
        assert response.next_request.url.path == "/1"
        response = client.post("/2", content=b"body", follow_redirects=True)
    assert [(each.status_code, each.url.path) for each in response.history] == [(303, "/2"), (303, "/1")]
    request = seen(response)
    assert (request["method"], request["path"], request["body"]) == ("GET", "/0", "")
    assert request["headers"]["cookie"] == "seen2=1; seen1=1"


@pytest.mark.parametrize("kind, follows", [(AsyncClient, False), (TestClient, True)])
def test_unless_told_a_client_follows_redirects_as_the_one_that_it_stands_for(kind: Any, follows: bool) -> None:
    assert kind(moved).follow_redirects is follows


def test_the_number_of_redirects_is_limited(face: Face) -> None:
    with face.bare(moved, follow_redirects=True, max_redirects=3) as client:
        assert client.get("/3").status_code == 200
        with pytest.raises(httpx.TooManyRedirects):
            client.get("/4")
        with pytest.raises(httpx.TooManyRedirects):
            client.get("/round")


# Mounts, proxies, time-outs


def test_other_hosts_may_be_mounted_elsewhere(face: Face) -> None:
    elsewhere = httpx.MockTransport(lambda request: httpx.Response(418))
    with face.open(mirror, mounts={"all://example.org": elsewhere}) as client:
        assert client.get("http://example.org/").status_code == 418
        assert seen(client.get())["path"] == "/"


def test_the_environment_s_proxies_are_not_for_the_app(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("ALL_PROXY", "http://proxy.invalid:3128")
    with face.bare(mirror) as client:
        assert seen(client.get())["path"] == "/"


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    await anyio.sleep_forever()


@pytest.mark.parametrize("of_the_client", [True, False])
def test_the_read_timeout_is_honoured(face: Face, of_the_client: bool) -> None:
    options = [{"timeout": 0.05}, {}] if of_the_client else [{}, {"timeout": httpx.Timeout(60, read=0.05)}]
    timed_out = pytest.raises(httpx.ReadTimeout, match=r"^GET /: 0\.05 seconds passed \(timeout=, read\) while")
    with face.bare(silent, **options[0]) as client, timed_out:
        client.get(**options[1])


# Options of our own


def test_the_app_is_at_hand(face: Face) -> None:
    with face.bare(mirror) as client:
        assert client.client.app is mirror


@pytest.mark.parametrize("kind", CLIENTS)
def test_the_app_may_be_given_by_name(kind: Any) -> None:
    assert kind(app=mirror).app is mirror


def test_the_scope_is_as_the_client_says(face: Face) -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    options: dict[str, Any] = {"root_path": "/v1", "client": ("1.2.3.4", 5)}
    with face.bare(app, **options, scope={"http_version": "2"}, asgi_extensions={"x": {"y": 1}}) as client:
        client.get()
        client.get(extensions={"asgi": {"scope": {"http_version": "3"}}})
    keys = ("root_path", "client", "http_version", "extensions")
    assert [[scope[key] for key in keys] for scope in scopes] == [
        ["/v1", ("1.2.3.4", 5), "2", {"x": {"y": 1}}],
        ["/v1", ("1.2.3.4", 5), "3", {"x": {"y": 1}}],
    ]


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("broken")


def test_exceptions_of_the_app_are_raised_or_not(face: Face) -> None:
    with face.bare(broken, raise_server_exceptions=False) as client:
        assert client.get().status_code == 500
    with face.bare(broken) as client, pytest.raises(LookupError, match=r"^broken$"):
        client.get()


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    "options, error, match",
    [
        ({"lifespan": "maybe"}, ValueError, r"^lifespan must be .* not 'maybe'"),
        ({"background": "later"}, ValueError, r"^background must be .* not 'later'"),
        ({"write_buffer": -1}, ValueError, r"^write_buffer is .* not -1"),
        ({"disconnect_grace": -1}, ValueError, r"^disconnect_grace is .* not -1"),
        (
            {"transport": httpx.ASGITransport(mirror)},
            TypeError,
            r"makes its own transport\. For another one use httpx\.",
        ),
        ({"nonsense": 1}, TypeError, r"unexpected keyword argument 'nonsense'"),
        ({"app": None}, TypeError, r"^app must be an ASGI application"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_an_option_that_makes_no_sense_is_refused_at_once(
    kind: Any, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        kind(**{"app": mirror, **options})


# Opened and closed


def test_a_client_works_without_being_entered(face: Face) -> None:
    app = well()
    with face.bare(app) as client:
        assert client.get().text == "hello"
        assert not client.client.is_closed
    assert client.client.is_closed
    assert app.story == ["request"]


def test_a_client_may_be_closed_twice(face: Face) -> None:
    app = well()
    with face.open(app) as client:
        for _ in range(2):
            run(client, "close")
            assert client.client.is_closed
    assert app.story == [
        *("lifespan.startup", "lifespan.startup.complete"),
        *("lifespan.shutdown", "lifespan.shutdown.complete", "end"),
    ]


def test_a_client_that_was_never_used_may_be_closed(face: Face) -> None:
    with face.bare(well()) as client:
        run(client, "close")
    assert client.client.is_closed


def test_a_closed_client_says_so(face: Face) -> None:
    app = well()
    with face.open(app) as client:
        run(client, "close")
        with pytest.raises(RuntimeError, match=r"^Cannot send a request, as the client has been closed\.$"):
            client.get()
    assert "request" not in app.story


@anyio_test
async def test_an_awaited_client_is_entered_once() -> None:
    app = well()
    client = AsyncClient(app)
    async with client:
        with pytest.raises(RuntimeError, match=r"^Cannot open a client instance more than once\.$"):
            await client.__aenter__()
        assert (await client.get("/")).text == "hello"
    with pytest.raises(RuntimeError, match=r"^Cannot reopen a client instance, once it has been closed\.$"):
        await client.__aenter__()
    assert app.story.count("lifespan.startup") == app.story.count("lifespan.shutdown") == 1


def test_a_blocking_client_is_entered_again_after_it_was_left_and_not_after_it_was_closed() -> None:
    app = well()
    client = TestClient(app)
    for _ in range(2):
        with client:
            with pytest.raises(RuntimeError, match=r"^this TestClient is entered already$"):
                client.__enter__()
            assert client.get("/").text == "hello"
    client.close()
    with pytest.raises(RuntimeError, match=r"^this TestClient was closed, and cannot be entered again$"):
        client.__enter__()
    assert app.story.count("lifespan.startup") == app.story.count("lifespan.shutdown") == 2


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
def test_a_blocking_client_can_be_used_and_entered_after_a_failed_shutdown(backend: Backend) -> None:
    app = Living(RECEIVE, STARTED, RECEIVE, NOT_STOPPED)
    client = TestClient(app, backend=backend.name, backend_options=backend.options)
    for _ in range(2):
        with pytest.raises(LifespanError, match="'still in use'"), client:
            client.get("/")
        assert client.get("/").text == "hello"
    client.close()


@anyio_test
async def test_an_awaited_client_whose_startup_failed_is_closed() -> None:
    client = AsyncClient(Living(RECEIVE, NOT_STARTED))
    with pytest.raises(LifespanError, match="'no database'"):
        await client.__aenter__()
    assert client.is_closed
    with pytest.raises(RuntimeError, match="the client has been closed"):
        await client.get("/")


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
def test_a_blocking_client_whose_startup_failed_is_not_entered(backend: Backend) -> None:
    app = Living(RECEIVE, NOT_STARTED)
    client = TestClient(app, backend=backend.name, backend_options=backend.options)
    with pytest.raises(LifespanError, match="'no database'"):
        client.__enter__()
    app.steps = (RECEIVE, STARTED, RECEIVE, STOPPED)
    with client:
        assert client.get("/").text == "hello"
    client.close()


@anyio_test
async def test_an_awaited_client_says_that_it_is_used_in_the_wrong_loop() -> None:
    client = AsyncClient(well())
    errors: list[BaseException] = []

    async def use() -> None:
        with pytest.raises(WrongEventLoopError, match=r"^this AsyncClient was opened in the event loop ") as caught:
            await client.get("/")
        errors.append(caught.value)

    async with client:
        await anyio.to_thread.run_sync(anyio.run, use)
        assert (await client.get("/")).text == "hello"
    assert len(errors) == 1


# What is left when a client is closed


class Lingering(Living):
    """An app that goes on after its response when the gate is open, and fails with `error`."""

    def __init__(self, error: Exception, *steps: object) -> None:
        super().__init__(RECEIVE, STARTED, RECEIVE, *steps)
        self.gate = Gate()
        self.error = error

    async def respond(self, scope: Scope, send: Send) -> None:
        await super().respond(scope, send)
        await self.gate.wait()
        self.story.append("rest")
        raise self.error


@anyio_test
async def test_requests_are_seen_to_their_end_before_the_shutdown() -> None:
    error = LookupError("in the background")
    app = Lingering(error, STOPPED)
    client = AsyncClient(app, background="detach", disconnect_grace=60.0)
    await client.__aenter__()
    await client.get("/")

    async def close() -> None:
        with pytest.raises(LookupError) as caught:
            await client.aclose()
        assert caught.value is error

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(close)
        await anyio.wait_all_tasks_blocked()
        assert app.story[-1] == "request"
        await app.gate.open()
    assert app.story[2:] == ["request", "rest", "lifespan.shutdown", "lifespan.shutdown.complete", "end"]


def test_a_shutdown_that_fails_beside_a_request_is_told_beside_it(face: Face) -> None:
    app = Lingering(LookupError("in the background"), NOT_STOPPED)
    opened = face.open(app, background="detach")
    client = opened.__enter__()
    client.get()
    client.call(app.gate.open)
    with pytest.raises(LookupError, match=r"^in the background") as caught:
        opened.__exit__(None, None, None)
    assert caught.value is app.error
    [note] = caught.value.__notes__
    assert "LifespanError: the application reported lifespan.shutdown.failed: 'still in use'" in note


def test_the_test_s_own_exception_wins_over_both(face: Face) -> None:
    app = Lingering(LookupError("in the background"), NOT_STOPPED)
    error = AssertionError("of the test")
    opened = face.open(app, background="detach")
    client = opened.__enter__()
    client.get()
    client.call(app.gate.open)
    assert not opened.__exit__(AssertionError, error, None)
    notes = error.__notes__
    assert ["LookupError: in the background" in note for note in notes] == [True, False]
    assert ["LifespanError: " in note for note in notes] == [False, True]


# Left to the garbage collector


@anyio_test
@pytest.mark.in_process(reason="names what still runs, and that is the server, too")
async def test_an_awaited_client_that_is_never_left_warns() -> None:
    client = AsyncClient(well())
    core = client._core
    await client.__aenter__()
    text = r"^AsyncClient was not closed; still running: the lifespan of its app$"
    with pytest.warns(ResourceWarning, match=text):
        del client
    await core.close(None)


@pytest.mark.in_process(reason="names what still runs, and that is the server, too")
def test_a_blocking_client_that_is_never_left_warns() -> None:
    client = TestClient(well())
    client.__enter__()
    loop = client._blocking.own_loop
    text = r"^TestClient was not closed; still running: its event loop, the lifespan of its app$"
    with pytest.warns(ResourceWarning, match=text):
        del client
    assert isinstance(loop, LoopThread)
    loop.stop()


async def lingers(scope: Scope, receive: Receive, send: Send) -> None:
    await hello(scope, receive, send)
    await anyio.sleep_forever()


async def well_and_lingers(scope: Scope, receive: Receive, send: Send) -> None:
    await (well() if scope["type"] == "lifespan" else lingers)(scope, receive, send)


@anyio_test
async def test_an_awaited_client_whose_app_still_runs_warns() -> None:
    client = AsyncClient(lingers, background="detach", disconnect_grace=0)
    core = client._core
    await client.get("/a")
    await client.get("/b")
    with pytest.warns(ResourceWarning, match=r"^AsyncClient was not closed; still running: GET /[ab], GET /[ab]$"):
        del client
    await core.close(None)


@anyio_test
@pytest.mark.in_process(reason="names what still runs, and that is the server, too")
async def test_an_entered_client_names_all_that_still_runs() -> None:
    client = AsyncClient(well_and_lingers, background="detach", disconnect_grace=0)
    async with client:
        await client.get("/a")
        assert client._core.unclosed() == "the lifespan of its app, GET /a"
    assert client._core.unclosed() == ""


@anyio_test
async def test_a_client_that_has_nothing_left_does_not_warn() -> None:
    client = AsyncClient(well())
    await client.get("/")
    del client  # warnings are errors
    async with AsyncClient(well()) as client:
        await client.get("/")
    del client
    gc.collect()


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_that_could_not_be_made_does_not_warn(kind: Any) -> None:
    with pytest.raises(TypeError):
        kind(None)
    gc.collect()


@anyio_test
async def test_a_client_on_a_manager_s_app_leaves_it_running() -> None:
    app = well()
    async with LifespanManager(app) as manager:
        async with AsyncClient(manager.app) as client:
            assert (await client.get("/")).text == "hello"
        assert not app.over
    assert app.over


def test_mirror_tells_what_it_was_sent(face: Face) -> None:
    with face.bare(mirror) as client:
        request = json.loads(client.request("PUT", "/a?b", content=b"c").text)
    assert (request["method"], request["path"], request["query"], request["body"]) == ("PUT", "/a", "b", "c")
    assert request["root_path"] == ""


# Every awaited call is a checkpoint


REFUSED = {"upgrade": "websocket", "connection": "upgrade"}  # the rest of a handshake is missing

CALLS: dict[str, Callable[[AsyncClient, Any, Any], Awaitable[object]]] = {
    "get": lambda client, session, response: client.get("/"),
    "refused": lambda client, session, response: client.get(
        "/", headers={"upgrade": "websocket", "connection": "upgrade"}
    ),
    "chunk": lambda client, session, response: anext(response),
    "send": lambda client, session, response: session.send_text("x"),
    "receive": lambda client, session, response: session.receive(),
    "wait": lambda client, session, response: ended(session.wait(0)),
    "aclose": lambda client, session, response: client.aclose(),
    "lifespan": lambda client, session, response: LifespanManager(client.app, lifespan="off").__aenter__(),
}


async def ended(wait: Awaitable[None]) -> None:
    with suppress(TimeoutError):
        await wait


async def never_suspends(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await accept(send)
        for _ in range(100):
            await say(send, "x")
        await anyio.sleep_forever()
    elif scope["path"] == "/stream":
        await start(send)
        for _ in range(100):
            await body(send, b"x", more=True)
        await anyio.sleep_forever()
    else:
        await hello(scope, receive, send)


@pytest.mark.anyio
@pytest.mark.parametrize("name", CALLS)
async def test_an_awaited_call_lets_the_loop_turn_and_raises_a_cancellation(name: str) -> None:
    client = AsyncClient(never_suspends, lifespan="off", disconnect_grace=0, timeout=None)
    async with (
        client.websocket_connect("/") as session,
        AsyncClient(never_suspends, disconnect_grace=0).stream("GET", "/stream") as response,
    ):
        chunks = response.stream.__aiter__()  # type: ignore[union-attr]  # an AsyncByteStream
        turned: list[str] = []
        soon_threadsafe()(lambda: turned.append("round"))
        with anyio.fail_after(5):
            for _ in range(1 if name == "aclose" else 20):
                await CALLS[name](client, session, chunks)
        assert turned
        if name != "aclose":
            with anyio.CancelScope() as scope:
                scope.cancel()
                await CALLS[name](client, session, chunks)
                pytest.fail("was not cancelled")  # pragma: no cover
            assert scope.cancelled_caught


@pytest.mark.anyio
async def test_a_native_cancellation_that_is_pending_comes_first(anyio_backend: tuple[str, dict[str, Any]]) -> None:
    if anyio_backend[0] == "trio":
        return
    called: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        called.append("app")  # pragma: no cover - it must not be

    async def cancel_oneself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await AsyncClient(app).get("/")

    task = asyncio.ensure_future(cancel_oneself())
    await asyncio.wait({task})
    assert task.cancelled()
    assert called == []


@pytest.mark.anyio
async def test_a_request_after_a_cancellation_that_was_caught_works(anyio_backend: tuple[str, dict[str, Any]]) -> None:
    if anyio_backend[0] == "trio":
        return

    async def clean_up() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return (await AsyncClient(hello).get("/")).text
        return "was not cancelled"  # pragma: no cover

    task = asyncio.ensure_future(clean_up())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "hello"


@pytest.mark.anyio
async def test_a_service_may_call_itself_as_deep_as_it_likes() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        depth = int(scope["path"][1:])
        if depth:
            await client.get(f"/{depth - 1}")
        await hello(scope, receive, send)

    client = AsyncClient(app, timeout=60)
    assert (await client.get("/150")).text == "hello"


# What it is called, and the state of its lifespan


class Shop:
    title = "shop"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["pool"] = "a pool"
            await live(receive, send)
        elif scope["type"] == "http":
            await hello(scope, receive, send)
            await anyio.sleep_forever()
        else:
            await receive()
            await accept(send)
            await receive()


def test_what_there_is_of_a_client_says_what_it_is(face: Face) -> None:
    name = "AsyncClient" if face.name == "awaited" else "TestClient"
    kind = "AsyncWebSocketSession" if face.name == "awaited" else "WebSocketSession"
    with face.open(Shop(), background="detach", disconnect_grace=0) as client:
        assert repr(client.client) == f"<{name} of <Shop 'shop'> at http://testserver>"
        session = client.client.websocket_connect("/room")
        assert repr(session) == f"<{kind}, not connected>"
        with client.connect("/room") as socket:
            assert repr(socket.session) == f"<{kind} WebSocket /room, open>"
            assert repr(client.client).endswith(" at http://testserver, 1 request running>")
        assert repr(socket.session) == f"<{kind} WebSocket /room, closed (1000)>"
        exchange = client.get().extensions["asgi"]
        assert repr(exchange) == "<HTTPExchange GET /, the app runs>"
    assert repr(exchange) == "<HTTPExchange GET /, the app has ended>"
    assert (
        repr(client.client) == f"<{name} of <Shop 'shop'> at http://testserver{', closed' * (face.name == 'awaited')}>"
    )


@pytest.mark.anyio
async def test_transports_and_managers_say_what_they_are_of() -> None:
    assert repr(ASGITransport(hello)) == "<ASGITransport of <hello>>"
    manager = LifespanManager(Shop())
    assert repr(manager) == "<LifespanManager of <Shop 'shop'>, not entered>"
    async with manager:
        assert repr(manager) == "<LifespanManager of <Shop 'shop'>, running>"
        assert repr(AsyncClient(manager.app)) == "<AsyncClient of <Shop 'shop'> at http://testserver>"
    assert repr(manager) == "<LifespanManager of <Shop 'shop'>, ended>"


def test_an_app_without_a_name_is_shown_as_it_is() -> None:
    class Nameless:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

        def __repr__(self) -> str:
            return "<an app>"

    assert repr(ASGITransport(Nameless())) == "<ASGITransport of <an app>>"


def test_the_state_of_the_lifespan_is_the_client_s(face: Face) -> None:
    with face.open(Shop(), background="detach", disconnect_grace=0) as client:
        assert client.client.state == {"pool": "a pool"}
    with face.open(hello, lifespan="off") as client:
        assert client.client.state == {}
    with face.bare(hello) as client, pytest.raises(RuntimeError, match="inside its `with` block only: enter it"):
        client.client.state  # noqa: B018


@pytest.mark.anyio
async def test_the_state_of_a_manager_is_that_of_its_clients() -> None:
    async with LifespanManager(Shop()) as manager, AsyncClient(manager.app, lifespan="off") as client:
        assert client.state is manager.state
