"""``pytest --asgi-testkit`` on suites as they are written for Starlette, FastAPI, httpx-ws and asgi-lifespan."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.slow

#: Suites that pass without the flag, and with it. Each prints where the classes that it uses come from.
STARLETTE = """
import starlette.testclient
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketTestSession

def hello(request):
    return PlainTextResponse("hello")

async def echo(websocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()

app = Starlette(routes=[Route("/", hello), WebSocketRoute("/ws", echo)])

class Client(TestClient):
    "A suite's own client."

def test_imported():
    print("class:", TestClient.__module__)
    print("class:", WebSocketTestSession.__module__)
    assert TestClient(app).get("/").text == "hello"

def test_attribute():
    print("class:", starlette.testclient.TestClient.__module__)
    with starlette.testclient.TestClient(app) as client:
        assert client.get("/").text == "hello"

def test_subclass():
    with Client(app).websocket_connect("/ws") as session:
        assert isinstance(session, WebSocketTestSession)
        session.send_text("hello")
        assert session.receive_text() == "hello"
"""
FASTAPI = """
import fastapi.testclient
import pytest
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.testclient import TestClient

app = FastAPI()

@app.get("/")
async def hello():
    return {"text": "hello"}

@app.websocket("/ws")
async def rejected(websocket: WebSocket):
    await websocket.close(code=4001)

client = TestClient(app)

def test_imported():
    print("class:", TestClient.__module__)
    assert client.get("/").json() == {"text": "hello"}

def test_attribute():
    print("class:", fastapi.testclient.TestClient.__module__)
    with fastapi.testclient.TestClient(app=app) as client:
        assert client.get("/").json() == {"text": "hello"}

def test_errors():
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
        pass
"""
HTTPX_WS = """
import anyio
import httpx
import httpx_ws.transport
from httpx_ws import aconnect_ws
from httpx_ws.transport import ASGIWebSocketTransport
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

async def echo(websocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()

app = Starlette(routes=[WebSocketRoute("/ws", echo)])

async def talk(transport):
    async with httpx.AsyncClient(transport=transport) as client, aconnect_ws("http://test/ws", client) as session:
        await session.send_text("hello")
        assert await session.receive_text() == "hello"

def test_imported():
    print("class:", ASGIWebSocketTransport.__module__)
    anyio.run(talk, ASGIWebSocketTransport(app=app))

def test_attribute():
    print("class:", httpx_ws.transport.ASGIWebSocketTransport.__module__)
    anyio.run(talk, httpx_ws.transport.ASGIWebSocketTransport(app))
"""
ASGI_LIFESPAN = """
import asyncio
import asgi_lifespan
import httpx
from asgi_lifespan import LifespanManager
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

app = Starlette(routes=[Route("/", lambda request: PlainTextResponse("hello"))])

async def run(kind):
    async with kind(app) as manager:
        transport = httpx.ASGITransport(app=manager.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/")).text == "hello"

def test_imported():
    print("class:", LifespanManager.__module__)
    asyncio.run(run(LifespanManager))

def test_attribute():
    print("class:", asgi_lifespan.LifespanManager.__module__)
    asyncio.run(run(asgi_lifespan.LifespanManager))
"""


@pytest.mark.parametrize(
    "suite, tests, told",
    [
        pytest.param(STARLETTE, 3, "3 clients, 2 requests, 1 WebSocket session, 1 lifespan", id="starlette"),
        pytest.param(FASTAPI, 3, "2 clients, 2 requests, 1 WebSocket session, 1 lifespan", id="fastapi"),
        pytest.param(HTTPX_WS, 2, "2 clients, 0 requests, 2 WebSocket sessions, 0 lifespans", id="httpx-ws"),
        pytest.param(ASGI_LIFESPAN, 2, "0 clients, 0 requests, 0 WebSocket sessions, 2 lifespans", id="asgi-lifespan"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--asgi-testkit"]], ids=["as it is", "with the flag"])
def test_a_suite_passes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, suite: str, tests: int, told: str, flags: list[str]
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("ASGI_TESTKIT_REPLACE", raising=False)
    pytester.makepyfile(suite)
    options = ["-p", "no:cacheprovider", "-s", "-W", "error", "-W", "ignore:Using `httpx`"]  # Starlette's own wish
    if not flags:
        options += ["-W", "ignore::pytest.PytestUnraisableExceptionWarning"]  # httpx-ws before 0.9 leaves streams open
    result = pytester.run(sys.executable, "-m", "pytest", "-p", "asgi_testkit.pytest_plugin", *options, *flags)
    result.assert_outcomes(passed=tests)
    classes = [line.partition("class: ")[2] for line in result.outlines if "class: " in line]
    assert classes
    assert [module.startswith("asgi_testkit.") for module in classes] == [bool(flags)] * len(classes)
    assert (f"asgi-testkit: {told}" in result.outlines) == bool(flags)
