"""The stand-ins for the transports of httpx and httpx2 do as those do, with every app."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from asgi_testkit import ASGIProtocolError, Receive, Scope, Send, _for_httpx, _for_httpx2
from asgi_testkit._http import library_of
from asgi_testkit._tally import COUNTER

from .messages import body, hello, start

pytestmark = pytest.mark.anyio

App = Callable[[Any, Any, Any], Awaitable[None]]

variable = contextvars.ContextVar("variable", default="nobody's")


class Pair:
    """A library, its own transport, and the stand-in."""

    def __init__(self, stand_in: Any) -> None:
        library: Any = library_of(stand_in(hello))
        self.library = library
        self.kinds = (library.ASGITransport, stand_in)
        self.stand_in = stand_in

    def client(self, app: Any, kind: Any = None, **options: Any) -> Any:
        transport = (kind or self.stand_in)(app, **options)
        return self.library.AsyncClient(transport=transport, base_url="http://testserver")


PAIRS = [Pair(_for_httpx.ASGITransport), Pair(_for_httpx2.ASGITransport)]


@pytest.fixture(params=PAIRS, ids=["httpx", "httpx2"])
def pair(request: pytest.FixtureRequest) -> Pair:
    found: Pair = request.param
    return found


# With every app


async def text_headers(scope: Scope, receive: Receive, send: Send) -> None:
    await send(
        {"type": "http.response.start", "status": 201, "headers": [(b"x-name", "text"), ("content-length", "2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


async def no_headers(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


async def wrong_length(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, (b"content-length", b"999"))
    await body(send, b"short")


async def body_first(scope: Scope, receive: Receive, send: Send) -> None:
    await body(send, b"body", more=True)
    await start(send)
    await body(send)


async def strangers(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.debug", "info": {}})
    await hello(scope, receive, send)
    await send({"type": "http.response.trailers", "headers": []})


async def parts(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"one", more=True)
    await send({"type": "http.response.body", "body": bytearray(b"two"), "more_body": True})
    await body(send)


async def says_what_it_gets(scope: Scope, receive: Receive, send: Send) -> None:
    seen: list[Any] = [{**scope, "headers": sorted(scope["headers"])}]
    while not seen[1:] or seen[-1]["more_body"]:
        seen.append(await receive())
    await start(send)
    await body(send, repr(seen).encode())
    assert await receive() == {"type": "http.disconnect"}
    assert await receive() == {"type": "http.disconnect"}


async def listens(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        pass
    async with anyio.create_task_group() as group:
        group.start_soon(receive)  # type: ignore[arg-type]  # it is a coroutine function
        await anyio.wait_all_tasks_blocked()
        await hello(scope, receive, send)


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError(scope["path"])


async def raises_in_the_middle(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, status=203)
    await body(send, b"part", more=True)
    raise LookupError


async def raises_after_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    await hello(scope, receive, send)
    raise LookupError


async def raises_a_base_exception(scope: Scope, receive: Receive, send: Send) -> None:
    raise GeneratorExit


async def sends_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def starts_only(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)


async def starts_twice(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await start(send)


async def goes_on(scope: Scope, receive: Receive, send: Send) -> None:
    await hello(scope, receive, send)
    await body(send)


async def no_message(scope: Scope, receive: Receive, send: Send) -> None:
    await send({})


APPS: list[App] = [
    *(text_headers, no_headers, wrong_length, body_first, strangers, parts, says_what_it_gets, listens),
    *(raises, raises_in_the_middle, raises_after_the_end, raises_a_base_exception),
    *(sends_nothing, starts_only, starts_twice, goes_on, no_message),
]


async def chunks() -> AsyncIterator[bytes]:
    for chunk in (b"one", b"", b"two"):
        yield chunk


async def outcome_of(client: Any, method: str, content: Any) -> Any:
    """Return the response as plain data, or the kind of the error."""
    try:
        async with client:
            response = await client.request(method, "/a%20b?c=d", content=content, headers={"X-Name": "value"})
    except BaseException as error:
        return next(kind for kind in (AssertionError, LookupError, KeyError, BaseException) if isinstance(error, kind))
    return response.status_code, response.headers.raw, response.content, response.extensions


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("raise_app_exceptions", [True, False])
async def test_what_comes_of_an_app_is_what_the_library_s_own_transport_makes_of_it(
    pair: Pair, app: App, method: str, raise_app_exceptions: bool
) -> None:
    own, ours = [
        await outcome_of(
            pair.client(app, kind, raise_app_exceptions=raise_app_exceptions, root_path="/root", client=("1.2.3.4", 5)),
            method,
            chunks() if method == "POST" else None,
        )
        for kind in pair.kinds
    ]
    assert ours == own


@pytest.mark.parametrize(
    "app, text",
    [
        (sends_nothing, "GET /: application returned without a response"),
        (starts_only, "GET /: application returned before the end of its response"),
        (starts_twice, "GET /: application sent http.response.start twice"),
        (goes_on, "GET /: application sent http.response.body after the end of its response"),
    ],
)
async def test_where_the_library_asserts_the_error_says_what_is_wrong(pair: Pair, app: App, text: str) -> None:
    async with pair.client(app) as client:
        with pytest.raises(AssertionError, match=text) as caught:
            await client.get("/")
    assert isinstance(caught.value, ASGIProtocolError)


async def test_it_is_one_of_the_library_s_own_and_can_be_changed_as_that(pair: Pair) -> None:
    transport = pair.stand_in(raises)
    assert isinstance(transport, pair.library.ASGITransport)
    async with pair.library.AsyncClient(transport=transport, base_url="http://testserver") as client:
        transport.raise_app_exceptions = False
        assert (await client.get("/")).status_code == 500
        transport.app = hello
        assert (await client.get("/")).text == "hello"


async def test_a_body_that_is_not_asynchronous_is_an_error(pair: Pair) -> None:
    async with pair.stand_in(hello) as transport:
        with pytest.raises(TypeError, match="cannot be iterated asynchronously"):
            await transport.handle_async_request(pair.library.Request("POST", "http://testserver", content=iter([b""])))


async def test_what_it_runs_is_counted(pair: Pair) -> None:
    before = COUNTER.read()
    async with pair.client(hello) as client:
        await client.get("/")
        await client.get("/")
    counted = COUNTER.read().since(before)
    assert (counted.clients, counted.requests) == (1, 2)


# In the caller's own task


async def test_the_app_runs_in_the_task_and_the_context_of_the_test(pair: Pair) -> None:
    tasks = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        variable.set("the app's")
        tasks.append(anyio.get_current_task().id)
        await hello(scope, receive, send)

    async with pair.client(app) as client:
        await client.get("/")
    assert tasks == [anyio.get_current_task().id]
    assert variable.get() == "the app's"


async def test_the_app_has_ended_when_the_response_is_there(pair: Pair) -> None:
    ended = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await anyio.lowlevel.checkpoint()
        ended.append(True)

    async with pair.client(app) as client, client.stream("GET", "/"):
        assert ended == [True]


async def test_there_is_no_read_timeout(pair: Pair) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(0.02)
        await hello(scope, receive, send)

    async with pair.client(app) as client:
        assert (await client.get("/", timeout=0.001)).text == "hello"


async def test_a_response_completed_in_a_cancelled_scope_is_returned_without_a_wait(pair: Pair) -> None:
    cancelled = anyio.CancelScope()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        cancelled.cancel()
        await hello(scope, receive, send)

    async with pair.client(app) as client:
        with cancelled:
            assert (await client.get("/")).text == "hello"
    assert not cancelled.cancelled_caught


async def test_the_app_s_waits_are_cancelled_with_the_test_s_scope(pair: Pair) -> None:
    cancelled = anyio.CancelScope()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        cancelled.cancel()
        await anyio.lowlevel.checkpoint()
        pytest.fail("the app goes on")  # pragma: no cover

    async with pair.client(app) as client:
        with cancelled:
            await client.get("/")
    assert cancelled.cancelled_caught
