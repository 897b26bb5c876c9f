"""An entered client as a fixture, under the plugins that run asynchronous tests: pytest runs here as its users do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import asgi_testkit

pytestmark = pytest.mark.slow

Suite = Callable[..., str]

#: Says in `story` what happens to it. The loop that a request runs in is the startup's.
APP = """
import sniffio, pytest
from asgi_testkit import AsyncClient

story = []

def loop():
    if sniffio.current_async_library() == "trio":
        import trio
        return trio.lowlevel.current_trio_token()
    import asyncio
    return asyncio.get_running_loop()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        story.append((await receive())["type"])
        scope["state"]["loop"] = loop()
        await send({"type": "lifespan.startup.complete"})
        story.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})
        return
    assert scope["state"]["loop"] is loop()
    if scope["type"] == "websocket":
        story.append((await receive())["type"])
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        story.append(message["type"])
    else:
        story.append("request")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"hello"})

@pytest.fixture(scope="session", autouse=True)
def tell():
    yield
    print("\\nSTORY:", *story)
"""

ONE_RUN_EACH = "STORY: " + "lifespan.startup request lifespan.shutdown " * 2
ONE_RUN = "STORY: lifespan.startup request request lifespan.shutdown"
ONE_SESSION = "STORY: lifespan.startup websocket.connect websocket.disconnect lifespan.shutdown"


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Runs a suite under some plugins, every warning an error, and returns what pytest printed."""

    def run(source: str, *plugins: str, **settings: str) -> str:
        (tmp_path / "test_suite.py").write_text(APP + textwrap.dedent(source), encoding="utf-8")
        options = [part for plugin in plugins for part in ("-p", plugin)]
        options += [part for item in settings.items() for part in ("-o", "=".join(item))]
        env = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
        env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        env["PYTHONPATH"] = str(Path(asgi_testkit.__file__).parent.parent)  # in a checkout it may not be installed
        command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "-W", "error", *options]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    return run


def test_a_fixture_of_pytest_asyncio(suite: Suite) -> None:
    output = suite(
        """
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def client():
            async with AsyncClient(app) as client:
                yield client

        @pytest.mark.asyncio
        @pytest.mark.parametrize("time", [1, 2])
        async def test_it(client, time):
            assert (await client.get("/")).text == "hello"
        """,
        "asyncio",
        asyncio_default_fixture_loop_scope="function",
    )
    assert "2 passed in" in output
    assert ONE_RUN_EACH.rstrip() in output


def test_a_fixture_of_pytest_asyncio_for_the_whole_session(suite: Suite) -> None:
    output = suite(
        """
        import pytest_asyncio

        @pytest_asyncio.fixture(scope="session", loop_scope="session")
        async def client():
            async with AsyncClient(app) as client:
                yield client

        @pytest.mark.asyncio(loop_scope="session")
        @pytest.mark.parametrize("time", [1, 2])
        async def test_it(client, time):
            assert (await client.get("/")).text == "hello"
        """,
        "asyncio",
        asyncio_default_fixture_loop_scope="function",
    )
    assert "2 passed in" in output
    assert ONE_RUN in output


def test_a_fixture_for_the_session_and_a_test_in_a_loop_of_its_own_is_an_error_with_the_cure(suite: Suite) -> None:
    output = suite(
        """
        import pytest_asyncio

        @pytest_asyncio.fixture(scope="session", loop_scope="session")
        async def client():
            async with AsyncClient(app) as client:
                yield client

        @pytest.mark.asyncio
        async def test_wrong(client):
            await client.get("/")

        @pytest.mark.asyncio(loop_scope="session")
        async def test_right(client):
            await client.get("/")
        """,
        "asyncio",
        asyncio_default_fixture_loop_scope="function",
    )
    assert "1 failed, 1 passed in" in output
    assert "WrongEventLoopError: this AsyncClient was opened in the event loop <" in output
    assert '@pytest_asyncio.fixture(loop_scope="session") and @pytest.mark.asyncio(loop_scope="session")' in output
    assert "STORY: lifespan.startup request lifespan.shutdown" in output


def test_a_fixture_of_anyio_s_plugin_on_every_backend(suite: Suite) -> None:
    output = suite(
        """
        @pytest.fixture
        async def client(anyio_backend):
            async with AsyncClient(app) as client:
                yield client

        @pytest.mark.anyio
        async def test_it(client):
            assert (await client.get("/")).text == "hello"
        """,
        "anyio",
    )
    assert "2 passed in" in output
    assert ONE_RUN_EACH.rstrip() in output


def test_a_fixture_of_anyio_s_plugin_for_the_whole_session(suite: Suite) -> None:
    output = suite(
        """
        @pytest.fixture(scope="session")
        def anyio_backend():
            return "trio"

        @pytest.fixture(scope="session")
        async def client(anyio_backend):
            async with AsyncClient(app) as client:
                yield client

        @pytest.mark.anyio
        @pytest.mark.parametrize("time", [1, 2])
        async def test_it(client, time):
            assert (await client.get("/")).text == "hello"
        """,
        "anyio",
    )
    assert "2 passed in" in output
    assert ONE_RUN in output


def test_a_fixture_of_pytest_trio(suite: Suite) -> None:
    output = suite(
        """
        @pytest.fixture
        async def client():
            async with AsyncClient(app) as client:
                yield client

        @pytest.mark.trio
        @pytest.mark.parametrize("time", [1, 2])
        async def test_it(client, time):
            assert (await client.get("/")).text == "hello"
        """,
        "trio",
    )
    assert "2 passed in" in output
    assert ONE_RUN_EACH.rstrip() in output


@pytest.mark.parametrize(
    "plugin, fixture, mark",
    [
        ("asyncio", 'pytest_asyncio.fixture(scope="session", loop_scope="session")', 'asyncio(loop_scope="session")'),
        ("anyio", 'pytest.fixture(scope="session")', "anyio"),
    ],
)
def test_a_websocket_session_as_a_fixture_for_the_whole_session(
    suite: Suite, plugin: str, fixture: str, mark: str
) -> None:
    output = suite(
        f"""
        if {plugin!r} == "asyncio":
            import pytest_asyncio

        @pytest.fixture(scope="session")
        def anyio_backend():
            return "trio"

        @{fixture}
        async def session({"anyio_backend" if plugin == "anyio" else ""}):
            async with AsyncClient(app) as client, client.websocket_connect("/") as session:
                yield session

        @pytest.mark.{mark}
        @pytest.mark.parametrize("text", ["one", "two"])
        async def test_it(session, text):
            await session.send_text(text)
            assert await session.receive_text() == text
        """,
        plugin,
        **({"asyncio_default_fixture_loop_scope": "function"} if plugin == "asyncio" else {}),
    )
    assert "2 passed in" in output
    assert ONE_SESSION in output


def test_a_websocket_session_as_a_fixture_of_pytest_trio(suite: Suite) -> None:
    output = suite(
        """
        @pytest.fixture
        async def session():
            async with AsyncClient(app) as client, client.websocket_connect("/") as session:
                yield session

        @pytest.mark.trio
        async def test_it(session):
            await session.send_text("one")
            assert await session.receive_text() == "one"
        """,
        "trio",
    )
    assert "1 passed in" in output
    assert ONE_SESSION in output


def test_what_fails_beside_an_open_session_fails_as_itself(suite: Suite) -> None:
    output = suite(
        """
        pytestmark = pytest.mark.anyio

        async def test_it():
            async with AsyncClient(app) as client, client.websocket_connect("/") as session:
                await session.send_text("hello")
                assert await session.receive_text() == "good-bye"
        """,
        "anyio",
    )
    assert "2 failed in" in output
    assert re.search(r"^E +AssertionError: assert 'hello' == 'good-bye'$", output, re.MULTILINE)
    assert "ExceptionGroup" not in output
    assert "lifespan.startup websocket.connect websocket.disconnect lifespan.shutdown" in output


@pytest.mark.parametrize("plugin", ["asyncio", "anyio"])  # pytest-trio puts every failure in a group of its own
def test_a_failing_test_fails_with_its_own_exception_and_the_app_is_shut_down(suite: Suite, plugin: str) -> None:
    output = suite(
        f"""
        pytestmark = pytest.mark.{plugin}

        async def test_it():
            async with AsyncClient(app) as client:
                assert (await client.get("/")).text == "good-bye"
        """,
        plugin,
        **({"asyncio_default_fixture_loop_scope": "function"} if plugin == "asyncio" else {}),
    )
    failed = 2 if plugin == "anyio" else 1  # it runs on both backends
    assert f"{failed} failed in" in output
    assert re.search(r"^E +AssertionError: assert 'hello' == 'good-bye'$", output, re.MULTILINE)
    assert "ExceptionGroup" not in output
    assert "lifespan.startup request lifespan.shutdown" in output
