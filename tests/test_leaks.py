"""What a test leaves open is a ResourceWarning of that test: pytest runs here as its users run it."""

from __future__ import annotations

import gc
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import hypothesis  # noqa: F401 - pytester puts `sys.modules` back, and what is not there before is imported each time
import pytest
import trio  # noqa: F401

from asgi_testkit._plugin.leaks import Leaks

Run = Callable[..., str]

APP = """
import anyio
import pytest

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
    else:
        await send({"type": "http.response.start", "status": 200})
        if scope["path"] == "/stream":
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
            await receive()
            await receive()
        await send({"type": "http.response.body", "body": b"two"})
        if scope["path"] == "/background":
            await anyio.sleep_forever()
        if scope["path"] == "/fails":
            raise ZeroDivisionError

async def no_lifespan(scope, receive, send):
    assert scope["type"] == "http"
    await app(scope, receive, send)
"""


@pytest.fixture
def run(pytester: pytest.Pytester, plain_pytest: None) -> Run:
    """Runs a suite in this process, with each plugin that runs async tests, and returns what pytest prints."""
    pytester.makepyfile(main=APP)
    pytester.makeini(
        "[pytest]\nasgi_app = main:app\npythonpath = .\nasyncio_default_fixture_loop_scope = function\nminversion = 7"
    )
    plugins = ("asgi_testkit.pytest_plugin", "anyio", "pytest_asyncio.plugin", "pytest_trio.plugin")
    options = [part for plugin in plugins for part in ("-p", plugin)]

    def run(source: str, *arguments: str) -> str:
        pytester.makepyfile(test_suite=f"import pytest\nfrom main import app, no_lifespan\n{IMPORTS}\n{source}")
        out = pytester.runpytest_inprocess("-p", "no:cacheprovider", *options, *arguments).stdout.str()
        with warnings.catch_warnings():  # what is left open warns once more when it is collected
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        return out

    return run


IMPORTS = "from asgi_testkit import AsyncClient, ASGITransport, LifespanManager, TestClient"

#: What leaves something open, and how it is told.
LEFT = {
    "an unread response": (
        "client = AsyncClient(app)\n    await client.send(client.build_request('GET', '/stream'), stream=True)",
        "GET /stream whose response was neither read to its end nor closed",
    ),
    "an unread response of an app that has ended": (
        "client = AsyncClient(app)\n    await client.send(client.build_request('GET', '/'), stream=True)",
        "GET / whose response was neither read to its end nor closed",
    ),
    "a session": (
        "await AsyncClient(app).websocket_connect('/ws').__aenter__()",
        "WebSocket /ws whose session was not closed",
    ),
    "a client": ("await AsyncClient(app).__aenter__()", "of <app> that was entered, and not left"),
    "a client of an app without a lifespan": (
        "global kept\n    kept = AsyncClient(no_lifespan)\n    await kept.__aenter__()",
        "a client of <no_lifespan> that was entered, and not left",
    ),
    "a manager": (
        "await LifespanManager(app).__aenter__()",
        "a LifespanManager of <app> that was entered, and not left",
    ),
    "background work": (
        "global kept\n    kept = AsyncClient(app, background='detach')\n    await kept.get('/background')",
        "GET /background: the application runs ",
    ),
    "background work that has failed": (
        "global kept\n    kept = AsyncClient(app, background='detach')\n    await kept.get('/fails')",
        "GET /fails: the application raised ZeroDivisionError() after its response, and its client was not closed",
    ),
}


MARKS = {
    "a loop for the test": "@pytest.mark.asyncio",
    "a loop for the session": "@pytest.mark.asyncio(loop_scope='session')",
    "trio": "@pytest.mark.parametrize('anyio_backend', ['trio'])\n@pytest.mark.anyio",
    "pytest-trio": "@pytest.mark.trio",
}


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("case", LEFT)
def test_what_an_awaited_test_leaves_open(run: Run, case: str, mark: str) -> None:
    source, told = LEFT[case]
    out = run(f"{MARKS[mark]}\nasync def test_it():\n    {source}\n\ndef test_other():\n    pass", "-W", "always")
    assert "2 passed, " in out
    assert "ResourceWarning: test_suite.py::test_it" in out
    assert told in out
    assert out.count("has left open") == 1
    assert "; " not in out.partition("has left open: ")[2].partition("\n")[0]


BLOCKING = {
    "an unread response": ("left = client.send(client.build_request('GET', '/stream'), stream=True)", "left.close()"),
    "a session": ("left = client.websocket_connect('/ws')\n    left.__enter__()", "left.__exit__()"),
    "a client": ("left = TestClient(app)\n    left.__enter__()", "left.close()"),
}


@pytest.mark.parametrize("case", BLOCKING)
def test_what_a_blocking_test_leaves_open(run: Run, case: str) -> None:
    leave, close = BLOCKING[case]
    source = (
        f"client = TestClient(app)\n\ndef test_it():\n    global left\n    {leave}\n\ndef test_other():\n    {close}"
    )
    out = run(source, "-W", "always")
    assert "2 passed, " in out
    assert "ResourceWarning: test_suite.py::test_it has left open: " in out
    assert LEFT[case][1] in out


def test_with_warnings_as_errors_the_test_that_has_left_it_fails(run: Run) -> None:
    source = """
kept = []

def test_a():
    client = TestClient(app)
    kept.extend([client.send(client.build_request("GET", "/stream"), stream=True), client])

def test_b():
    assert TestClient(app).get("/").text == "two"
    kept[0].close()
"""
    out = run(source, "-W", "error::ResourceWarning")
    assert "2 passed, 1 error" in out
    assert "ERROR at teardown of test_a" in out


def test_what_leaves_nothing_open(run: Run) -> None:
    source = """
kept = TestClient(app)

@pytest.fixture(scope="module")
def stream():
    client = TestClient(app)
    response = client.send(client.build_request("GET", "/stream"), stream=True)
    yield response
    response.close()

@pytest.fixture(scope="session")
def client():
    with TestClient(app) as client:
        yield client

def test_wider_fixtures(stream, client):
    assert client.get("/").text == "two"

def test_bare():
    global more
    more = TestClient(app)
    assert kept.get("/").text == "two"
    assert more.get("/").text == "two"
    with more.stream("GET", "/stream"), kept.websocket_connect("/ws"):
        pass

def test_fixtures(asgi_test_client, asgi_lifespan):
    assert asgi_test_client.get("/").text == "two"

@pytest.mark.anyio
async def test_awaited(asgi_client, asgi_lifespan):
    assert (await asgi_client.get("/")).text == "two"
    async with asgi_client.stream("GET", "/stream"):
        pass

@pytest.mark.anyio
async def test_errors(asgi_client):
    with pytest.raises(AssertionError):
        async with AsyncClient(no_lifespan).websocket_connect("/ws"):
            pass
    with pytest.raises(ZeroDivisionError):
        async with asgi_client.stream("GET", "/stream"):
            raise ZeroDivisionError

@pytest.mark.anyio
async def test_a_startup_that_fails():
    async def failing(scope, receive, send):
        await receive()
        raise ZeroDivisionError

    async def failing_late(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await AsyncClient(failing).__aenter__()
    with pytest.raises(ZeroDivisionError):
        async with AsyncClient(failing_late):
            pass
"""
    out = run(source, "-W", "error")
    assert " 9 passed" in out
    assert "error" not in out


def test_a_drop_in_may_leave_open_what_it_likes(run: Run) -> None:
    source = """
from asgi_testkit.starlette import TestClient as DropIn

def test_it():
    global client, session
    client = DropIn(app)
    client.__enter__()
    session = client.websocket_connect("/ws")
    session.__enter__()
    client.send(client.build_request("GET", "/stream"), stream=True)

def test_later():
    session.__exit__()
    client.__exit__()
"""
    out = run(source, "-W", "always")
    assert "2 passed" in out
    assert "has left open" not in out


@pytest.mark.skipif(sys.version_info < (3, 12), reason="CPython 3.11 does not know where instances were allocated")
def test_with_tracemalloc_the_line_is_told(run: Run) -> None:
    source, _ = LEFT["an unread response"]
    source = f"@pytest.mark.asyncio\nasync def test_it():\n    {source}\n"
    tracemalloc.start(20)
    try:
        out = run(source.replace("await client.send", "global kept\n    kept = await client.send"), "-W", "always")
    finally:
        tracemalloc.stop()
    assert "Object allocated at:" in out
    assert "kept = await client.send" in out.partition("Object allocated at:")[2]


class Conversation:
    """What an observer hears of."""

    scope: Any = None
    stand_in = False
    app_exception = None
    app_returned = False

    def __init__(self, name: str) -> None:
        self.name = name


def test_what_was_collected_is_told_and_a_lifespan_that_was_is_not() -> None:
    leaks = Leaks()
    again = Conversation("GET /one")
    leaks.started(again)
    leaks.started(again)  # as if it were another one at the place of the first
    leaks.started(Conversation(""))
    with pytest.warns(ResourceWarning, match="^test has left open: GET /one whose .*; GET /one whose .*$"):
        leaks.tell("test")
