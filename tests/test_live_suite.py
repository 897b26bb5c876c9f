"""``pytest --asgi-live``: pytest runs here as its users run it, with the clients of a whole suite on a real server."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import anycorn  # noqa: F401 - pytester puts `sys.modules` back, and some of these are not to be imported twice
import httptools  # noqa: F401
import httpx2  # noqa: F401
import hypercorn.asyncio
import hypercorn.trio  # noqa: F401
import pytest
import starlette.testclient  # noqa: F401
import trio  # noqa: F401
import uvicorn.protocols.http.httptools_impl
import uvicorn.protocols.websockets.websockets_sansio_impl  # noqa: F401

from asgi_testkit._live import run as live_run
from asgi_testkit._live import servers
from asgi_testkit._plugin.live_suite import LiveSuite

Run = Callable[..., pytest.RunResult]

UVICORN = f"uvicorn {version('uvicorn')}"

APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("SHUTDOWN", end=" ")
        await send({"type": "lifespan.shutdown.complete"})
        return
    where = "in-process" if scope["server"][0] == "testserver" else "live"
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": where})
        await receive()
    elif scope["path"] == "/error":
        raise ZeroDivisionError("the app's own")
    else:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": where.encode()})
"""


@pytest.fixture
def run(pytester: pytest.Pytester, plain_pytest: None) -> Run:
    """Runs pytest in this process, every warning an error, on a suite and with settings that are given."""
    pytester.makepyfile(main=APP)

    def run(suite: str, *arguments: str, **settings: str) -> pytest.RunResult:
        pytester.makepyfile(test_suite=suite)
        given = {"asgi_app": "main:app", "pythonpath": ".", "minversion": "7", **settings}
        pytester.makeini("[pytest]\n" + "\n".join(f"{name} = {value}" for name, value in given.items()))
        options = ("-p", "asgi_testkit.pytest_plugin", "-p", "anyio", "-p", "no:cacheprovider", "-W", "error")
        result = pytester.runpytest_inprocess(*options, *arguments)
        assert live_run.current is None
        return result

    return run


def told(result: pytest.RunResult) -> str:
    """Return the line of the summary."""
    [line] = [line for line in result.outlines if "over the wire" in line]
    return line


SUITE = """
import pytest
from asgi_testkit import AsyncClient, TestClient
from main import app

of_module = TestClient(app)

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_awaited(asgi_client):
    assert (await asgi_client.get("/")).text == {where!r}
    async with asgi_client.websocket_connect("/") as session:
        assert await session.receive_text() == {where!r}

@pytest.mark.anyio
async def test_its_own():
    async with AsyncClient(app) as client:
        assert (await client.get("/")).text == {where!r}

def test_blocking(asgi_test_client):
    assert asgi_test_client.get("/").text == {where!r}

def test_bare():
    assert TestClient(app).get("/").text == {where!r}
    assert of_module.get("/").text == {where!r}
"""


def test_a_suite_goes_over_the_wire(run: Run) -> None:
    result = run(SUITE.format(where="live"), "--asgi-live=uvicorn")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines([f"asgi-testkit: apps run on {UVICORN}"])
    assert told(result) == f"asgi-testkit: 6 requests over the wire, on {UVICORN}"


@pytest.mark.parametrize("server", ["hypercorn", "anycorn"])
def test_the_setting_names_a_server(run: Run, server: str) -> None:
    result = run(SUITE.format(where="live"), asgi_live=server)
    result.assert_outcomes(passed=4)
    assert told(result) == f"asgi-testkit: 6 requests over the wire, on {server} {version(server)}"


@pytest.mark.parametrize("server", ["off", ""])
def test_the_option_overrules_the_setting(run: Run, server: str) -> None:
    result = run(SUITE.format(where="in-process"), f"--asgi-live={server}", asgi_live="uvicorn")
    result.assert_outcomes(passed=4)
    assert "over the wire" not in result.stdout.str()


@pytest.mark.parametrize("server", ["daphne", "Uvicorn"])
def test_a_server_that_nobody_knows_is_refused(run: Run, server: str) -> None:
    result = run("", f"--asgi-live={server}")
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: asgi_live is one of uvicorn, hypercorn, anycorn or off, not '{server}'"])


def test_a_server_that_is_not_installed_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda name: None)
    result = run("", "--asgi-live=anycorn")
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pip install 'asgi-testkit[[]anycorn[]]'*"])


def test_what_stays_in_process_is_counted_and_named(run: Run) -> None:
    suite = """
        import httpx
        import pytest
        from asgi_testkit import ASGITransport, AsyncClient, TestClient
        from main import app

        pytestmark = pytest.mark.anyio

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        async def asked(client, **options):
            async with client:
                return (await client.get("/", **options)).text

        async def test_options():
            assert await asked(AsyncClient(app, write_buffer=0)) == "in-process"
            assert await asked(AsyncClient(app, strict=True, scope={"a": 1})) == "in-process"
            client = TestClient(app, write_buffer=1)
            assert [client.get("/").text for _ in range(2)] == ["in-process"] * 2

        async def test_options_of_a_request():
            options = {"extensions": {"asgi": {"scope": {"a": 1}}}}
            assert await asked(AsyncClient(app), **options) == "in-process"

        async def test_urls():
            assert await asked(AsyncClient(app, base_url="https://testserver")) == "in-process"
            async with AsyncClient(app) as client:
                assert (await client.get("https://testserver/")).text == "in-process"

        async def test_the_client_wants_it_so():
            assert await asked(AsyncClient(app, live=False)) == "in-process"

        async def test_a_transport():
            transport = ASGITransport(app)
            assert await asked(httpx.AsyncClient(transport=transport, base_url="http://testserver")) == "in-process"
    """
    result = run(suite, "--asgi-live=uvicorn")
    result.assert_outcomes(passed=5)
    assert told(result) == (
        f"asgi-testkit: no requests over the wire, on {UVICORN}; in-process: 3 for write_buffer=, "
        "2 for the scheme of its URL, 1 for strict= and scope=, 1 for scope=, 1 by live=False, "
        "1 over a transport of its own"
    )


def test_what_does_not_run_on_trio_stays_in_process(run: Run) -> None:
    suite = """
        import pytest
        from asgi_testkit import TestClient
        from main import app

        @pytest.fixture
        def anyio_backend():
            return "trio"

        @pytest.mark.anyio
        async def test_awaited(asgi_client):
            assert (await asgi_client.get("/")).text == {where!r}

        def test_blocking():
            assert TestClient(app, backend="trio").get("/").text == {where!r}
    """
    result = run(suite.format(where="in-process"), "--asgi-live=uvicorn")
    result.assert_outcomes(passed=2)
    assert told(result).endswith(f"no requests over the wire, on {UVICORN}; in-process: 2 on trio")
    result = run(suite.format(where="live"), "--asgi-live=hypercorn")
    result.assert_outcomes(passed=2)


def test_a_marker_keeps_a_test_in_process(run: Run) -> None:
    suite = """
        import pytest
        from asgi_testkit import TestClient
        from main import app

        of_module = TestClient(app)

        @pytest.fixture(scope="session")
        def wider():
            with TestClient(app) as client:
                yield client

        @pytest.fixture
        def narrow():
            return TestClient(app)

        @pytest.mark.asgi(live=False, reason="it reads the port")
        def test_in_process(asgi_test_client, narrow, wider):
            clients = (asgi_test_client, narrow, TestClient(app), of_module)
            assert [client.get("/").text for client in clients] == ["in-process"] * 4
            assert wider.get("/").text == "live"

        @pytest.mark.asgi(live=False)
        class TestSome:
            def test_in_process(self, asgi_test_client):
                assert asgi_test_client.get("/").text == "in-process"

            @pytest.mark.asgi(live="hypercorn")
            def test_on_another_server(self, asgi_test_client):
                assert asgi_test_client.get("/").text == "live"

            @pytest.mark.asgi(timeout=3)
            def test_another_marker(self):
                assert TestClient(app).get("/").text == "in-process"

        def test_live(asgi_test_client, wider):
            assert asgi_test_client.get("/").text == wider.get("/").text == of_module.get("/").text == "live"
    """
    result = run(suite, "--asgi-live=uvicorn")
    result.assert_outcomes(passed=5)
    assert told(result) == (
        f"asgi-testkit: 4 requests over the wire, on {UVICORN}; "
        "in-process: 4 by marker (it reads the port), 2 by marker"
    )
    assert run(suite.replace('"live"', '"in-process"').replace('(live="hypercorn")', "()")).ret == 0


def test_marker_and_options_ask_for_a_server_without_the_flag(run: Run) -> None:
    suite = """
        import ssl

        import pytest

        @pytest.mark.asgi(live="uvicorn")
        def test_by_marker(asgi_test_client):
            assert asgi_test_client.get("/").text == "live"

        class TestOptions:
            @pytest.fixture
            def asgi_client_options(self):
                return {"live": "uvicorn"}

            def test_by_options(self, asgi_test_client):
                assert asgi_test_client.get("/").text == "live"

            @pytest.mark.asgi(live=False, reason="just so")
            def test_the_marker_wins(self, asgi_test_client):
                assert asgi_test_client.get("/").text == "in-process"

        class TestTLS:
            @pytest.fixture
            def asgi_client_options(self):
                return {"base_url": "https://testserver", "ssl": ssl.create_default_context()}

            def test_a_context_is_for_a_server(self, asgi_test_client):
                assert asgi_test_client.get("/").text == "in-process"

            @pytest.mark.asgi(live=False)
            def test_the_marker_wins(self, asgi_test_client):
                assert asgi_test_client.get("/").text == "in-process"
    """
    run(suite).assert_outcomes(passed=5)


def test_the_app_of_a_session_is_served_for_each_client(run: Run) -> None:
    suite = """
        import pytest

        @pytest.fixture(scope="session")
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        @pytest.mark.parametrize("n", range(2))
        async def test_awaited(asgi_client, n):
            assert (await asgi_client.get("/")).text == "live"

        @pytest.mark.parametrize("n", range(2))
        def test_blocking(asgi_test_client, n):
            assert asgi_test_client.get("/").text == "live"
    """
    result = run(suite, "--asgi-live=uvicorn", "-s", asgi_lifespan_scope="session")
    result.assert_outcomes(passed=4)
    assert result.stdout.str().count("SHUTDOWN") == 2
    assert told(result).startswith("asgi-testkit: 4 requests over the wire")


def test_a_failing_test_has_its_transcript(run: Run) -> None:
    suite = """
        def test_it(asgi_test_client):
            assert asgi_test_client.get("/").text == "live"
            asgi_test_client.get("/error")
    """
    result = run(suite, "--asgi-live=uvicorn", "-p", "no:logging")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*ZeroDivisionError: the app's own",
            "*asgi-testkit transcript call*",
            "GET /  ->  200  (the app returned)",
            "*< http.response.body  live",
            "GET /error  ->  no response  (the app raised ZeroDivisionError*",
            "asgi-testkit: 2 requests over the wire, *",
        ]
    )


def test_a_client_that_is_left_open_is_named_with_its_server(run: Run) -> None:
    suite = """
        import socket

        import pytest
        from asgi_testkit import AsyncClient, LiveServer, TestClient
        from main import app

        kept = []

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_awaited():
            kept.append(await AsyncClient(app).__aenter__())
            await kept[0].get("/")

        def test_blocking():
            kept.append(TestClient(app).__enter__())

        def test_server():
            kept.append(LiveServer(app).__enter__())

        def test_afterwards():
            awaited, blocking, server = kept
            blocking.close()
            server.__exit__()
            port = awaited._core.transport.gateway.serving.port
            with pytest.raises(ConnectionRefusedError):  # it has ended with the loop of the test
                socket.create_connection(("127.0.0.1", port))
            awaited._core.forget_loop()
    """
    result = run(suite, "--asgi-live=uvicorn")
    result.assert_outcomes(passed=4, errors=3)
    leak = f"*has left open: a client of <app> that was entered, and not left, with its server, {UVICORN}*"
    result.stdout.fnmatch_lines([leak, leak, leak])


def test_workers_are_added_up(run: Run) -> None:
    suite = """
        import pytest

        @pytest.mark.parametrize("n", range(4))
        def test_it(asgi_test_client, n):
            assert asgi_test_client.get("/").text == "live"

        @pytest.mark.asgi(live=False)
        @pytest.mark.parametrize("n", range(2))
        def test_in_process(asgi_test_client, n):
            assert asgi_test_client.get("/").text == "in-process"
    """
    result = run(suite, "--asgi-live=uvicorn", "-p", "xdist", "-n", "2")
    result.assert_outcomes(passed=6)
    assert told(result).startswith("asgi-testkit: 4 requests over the wire")
    assert told(result).endswith("in-process: 2 by marker")


def test_a_worker_hands_in_its_numbers_and_one_that_crashed_has_none() -> None:
    worker, controller = LiveSuite("uvicorn"), LiveSuite("uvicorn")
    worker._run.requests, worker._run.in_process["on trio"] = 3, 2
    node: Any = SimpleNamespace(workeroutput={})
    session: Any = SimpleNamespace(config=node)
    worker.pytest_sessionfinish(session)
    controller.pytest_testnodedown(node)
    controller.pytest_testnodedown(SimpleNamespace())
    assert (controller._run.requests, controller._run.in_process) == (3, {"on trio": 2})
    controller.end()
    worker.end()


def test_the_replacement_goes_over_the_wire(run: Run) -> None:
    suite = """
        from starlette.testclient import TestClient
        from main import app

        of_module = TestClient(app)

        def test_http():
            with TestClient(app) as client:
                assert client.get("/").text == "live"
            assert of_module.get("/").text == "live"

        def test_websocket():
            with TestClient(app) as client, client.websocket_connect("/") as session:
                assert session.receive_text() == "live"
            with of_module.websocket_connect("/") as session:
                assert session.receive_text() == "live"
    """
    result = run(suite, "--asgi-live=uvicorn", "--asgi-testkit")
    result.assert_outcomes(passed=2)
    assert told(result).startswith("asgi-testkit: 4 requests over the wire")
    result = run(suite, "--asgi-live=uvicorn", "--asgi-testkit", asgi_testkit_fresh_loop="true")
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("scope", ["function", "session"])
def test_each_plugin_that_runs_async_tests_has_a_server_in_its_loop(run: Run, scope: str) -> None:
    suite = """
        import pytest

        @pytest.mark.asyncio
        @pytest.mark.parametrize("n", range(2))
        async def test_asyncio(asgi_client, n):
            assert (await asgi_client.get("/")).text == "live"
            async with asgi_client.websocket_connect("/") as session:
                assert await session.receive_text() == "live"
    """
    settings = {
        "asgi_lifespan_scope": scope,
        "asyncio_default_test_loop_scope": scope,
        "asyncio_default_fixture_loop_scope": scope,
    }
    result = run(suite, "--asgi-live=uvicorn", "-p", "pytest_asyncio.plugin", **settings)
    result.assert_outcomes(passed=2)
    assert told(result).startswith("asgi-testkit: 4 requests over the wire")


def test_a_suite_on_trio_has_a_server_in_its_loop(run: Run) -> None:
    suite = """
        import pytest

        @pytest.mark.trio
        async def test_trio(asgi_client):
            assert (await asgi_client.get("/")).text == "live"
    """
    result = run(suite, "--asgi-live=anycorn", "-p", "pytest_trio.plugin")
    result.assert_outcomes(passed=1)
    assert told(result).startswith("asgi-testkit: 1 request over the wire")
