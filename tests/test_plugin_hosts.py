"""The fixture asgi_hosts, under each plugin that runs async tests: pytest runs here as its users run it."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import hypothesis  # noqa: F401 - pytester puts `sys.modules` back, and what is not there before is imported each time
import pytest
import trio  # noqa: F401

Run = Callable[..., pytest.RunResult]

APPS = """
import httpx

client = httpx.AsyncClient()
blocking = httpx.Client()

async def answer(send, text):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text})

async def gateway(scope, receive, send):
    assert scope["type"] == "http"
    response = await client.get("http://auth.internal/whoami")
    await answer(send, b"hello " + response.content)

async def auth(scope, receive, send):
    await answer(send, b"ada")
"""

AWAITED = """
import httpx
import pytest
from apps import auth, client

pytestmark = pytest.mark.{mark}

@pytest.fixture
def services(asgi_hosts):
    return asgi_hosts({"auth.internal": auth})

@pytest.mark.asgi(lifespan="off")
async def test_awaited(asgi_client, services):
    assert (await asgi_client.get("/")).text == "hello ada"

@pytest.mark.asgi(lifespan="off")
async def test_twice(asgi_hosts, asgi_client):
    asgi_hosts()
    with pytest.raises(httpx.ConnectError):
        await asgi_client.get("/")
    asgi_hosts({"auth.internal": auth}, allow=["localhost"])
    assert (await asgi_client.get("/")).text == "hello ada"

async def test_without_a_client_of_ours(services):
    assert (await client.get("http://auth.internal")).text == "ada"

async def test_restored():
    assert httpx.AsyncHTTPTransport.handle_async_request.__code__.co_filename.endswith("default.py")
"""

BLOCKING = """
import pytest
from apps import auth, blocking

def test_without_a_client_of_ours(asgi_hosts):
    asgi_hosts({"auth.internal": auth})
    assert blocking.get("http://auth.internal").text == "ada"
    raise LookupError

@pytest.mark.asgi(lifespan="off")
def test_blocking(asgi_hosts, asgi_test_client):
    asgi_hosts({"auth.internal": auth})
    assert asgi_test_client.get("/").text == "hello ada"
    raise LookupError
"""


@pytest.fixture
def run(pytester: pytest.Pytester, plain_pytest: None) -> Run:
    """Runs pytest in this process, every warning an error, with the plugins that are given."""
    pytester.makepyfile(apps=APPS)

    def run(*plugins: str) -> pytest.RunResult:
        scope = "asyncio_default_fixture_loop_scope = function" if "pytest_asyncio.plugin" in plugins else ""
        pytester.makeini(f"[pytest]\nasgi_app = apps:gateway\npythonpath = .\n{scope}")
        options = [part for plugin in plugins for part in ("-p", plugin)]
        return pytester.runpytest_inprocess(
            "-p", "asgi_testkit.pytest_plugin", "-p", "no:cacheprovider", "-W", "error", *options
        )

    return run


@pytest.mark.parametrize(
    "mark, plugin, passed",
    [("asyncio", "pytest_asyncio.plugin", 4), ("anyio", "anyio", 8), ("trio", "pytest_trio.plugin", 4)],
)
def test_it_goes_with_any_runner(run: Run, pytester: pytest.Pytester, mark: str, plugin: str, passed: int) -> None:
    before = httpx.AsyncHTTPTransport.handle_async_request
    pytester.makepyfile(test_awaited=AWAITED.replace("{mark}", mark))
    assert f" {passed} passed" in run(plugin).stdout.str()
    assert httpx.AsyncHTTPTransport.handle_async_request is before


def test_a_report_has_what_it_leads_to_apps(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_blocking=BLOCKING)
    out = run().stdout.str()
    assert out.count("asgi-testkit transcript call") == 2
    assert "\nGET /  ->  200  (the app returned)\n" in out
    assert "\n2. GET http://auth.internal/whoami  ->  200  (the app returned)\n" in out
    assert "\n             caused by 1. GET http://testserver/\n" in out


def test_pytest_tells_what_it_is(run: Run, pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("-p", "asgi_testkit.pytest_plugin", "--fixtures")
    assert "asgi_hosts -- " in result.stdout.str()
