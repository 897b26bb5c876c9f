"""The fixtures of the plugin, under each plugin that runs async tests: pytest runs here as its users run it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from textwrap import dedent

import hypothesis  # noqa: F401 - pytester puts `sys.modules` back, and what is not there before is imported each time
import pytest
import trio  # noqa: F401

from asgi_testkit._plugin.runners import SCOPES, Scope

Run = Callable[..., pytest.RunResult]

APP = """
import sniffio

startups = []

def loop():
    if sniffio.current_async_library() == "trio":
        import trio
        return trio.lowlevel.current_trio_token()
    import asyncio
    return asyncio.get_running_loop()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        startups.append(loop())
        scope["state"]["loop"] = loop()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("SHUTDOWN", end=" ")
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["path"] == "/error":
        raise ZeroDivisionError
    else:
        assert scope["state"]["loop"] is loop()
        cookie = [value for name, value in scope["headers"] if name == b"cookie"]
        extra = scope.get("extra", "")
        headers = [(b"set-cookie", b"seen=yes")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": f"{cookie} {extra}".encode()})

def make():
    return app

class Shop:
    app = app
"""

#: Three scopes can be told apart by how often this starts the app.
MATRIX = """
import pytest
import main

{marks}

@pytest.fixture
async def seen(asgi_client):
    yield (await asgi_client.get("/")).text
    assert (await asgi_client.get("/")).text == "[b'seen=yes'] "

class TestOne:
    async def test_a(self, asgi_client, seen):
        assert seen == "[] "
        assert (await asgi_client.get("/")).text == "[b'seen=yes'] "

    async def test_b(self, asgi_client):
        assert (await asgi_client.get("/")).text == "[] "

class TestTwo:
    async def test_c(self, asgi_client, asgi_lifespan):
        assert (await asgi_client.get("/")).text == "[] "
        assert asgi_lifespan.running
        await asgi_client.aclose()
"""

MORE = """
import main

{marks}

class TestThree:
    async def test_d(self, asgi_client):
        assert (await asgi_client.get("/")).text == "[] "

def teardown_module():
    print("STARTUPS", len(main.startups), end=" ")
"""

#: How often a scope starts the app in those two modules.
STARTUPS: dict[Scope, int] = {"function": 4, "class": 3, "module": 2, "package": 1, "session": 1}

BACKENDS = {
    "asyncio": '"asyncio"',
    "uvloop": '"asyncio", {"use_uvloop": True}',
    "trio": '"trio"',
}
if sys.version_info >= (3, 12):  # pragma: 3.12+
    BACKENDS["eager"] = '"asyncio", {"loop_factory": eager}'


ANYIO_CONFTEST = """
import asyncio
import pytest

def eager():
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    return loop

@pytest.fixture(scope="{scope}")
def anyio_backend():
    return {backend}
"""


@pytest.fixture
def run(pytester: pytest.Pytester, plain_pytest: None) -> Run:
    """Runs pytest in this process, every warning an error, with the plugins and settings that are given."""
    pytester.makepyfile(main=APP)

    def run(*plugins: str, **settings: str) -> pytest.RunResult:
        given = {"asgi_app": "main:app", "pythonpath": ".", "minversion": "7", **settings}
        if "pytest_asyncio.plugin" in plugins:
            given = {"asyncio_default_fixture_loop_scope": "function", **given}
        pytester.makeini("[pytest]\n" + "\n".join(f"{name} = {value}" for name, value in given.items()))
        options = [part for plugin in plugins for part in ("-p", plugin)]
        return pytester.runpytest_inprocess(
            "-p", "asgi_testkit.pytest_plugin", "-p", "no:cacheprovider", "-s", "-W", "error", *options
        )

    return run


def check(out: str, lifespan: Scope, loop: Scope, advice: str) -> None:
    """Check that the tests passed, with as many starts of the app as it should have, or that each was refused."""
    if SCOPES.index(lifespan) <= SCOPES.index(loop):
        assert " 4 passed" in out
        assert f"STARTUPS {STARTUPS[lifespan]} " in out
        assert out.count("SHUTDOWN") == STARTUPS[lifespan]
        assert "failed" not in out
        assert "error" not in out.replace("-W error", "")
    else:
        assert " 4 errors" in out
        refusal = f"asgi_lifespan lasts for a {lifespan} (asgi_lifespan_scope), and the event loop of this test"
        assert out.count(refusal) == 4
        assert advice in out
        assert f"set `asgi_lifespan_scope = {loop}`." in out
        assert "SHUTDOWN" not in out


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["strict", "auto"])
@pytest.mark.parametrize("loop", SCOPES)
@pytest.mark.parametrize("lifespan", SCOPES)
def test_pytest_asyncio(run: Run, pytester: pytest.Pytester, lifespan: Scope, loop: Scope, mode: str) -> None:
    plugin = "pytest_asyncio.plugin"
    marks = ""
    settings = {"asyncio_default_test_loop_scope": loop, "asyncio_default_fixture_loop_scope": loop}
    if mode == "strict":
        marks = f'import pytest, pytest_asyncio\npytestmark = pytest.mark.asyncio(loop_scope="{loop}")'
    suite = MATRIX if mode == "auto" else MATRIX.replace("@pytest.fixture", "@pytest_asyncio.fixture")
    pytester.makepyfile(test_a=suite.replace("{marks}", marks), test_b=MORE.replace("{marks}", marks))
    out = run(plugin, asgi_lifespan_scope=lifespan, asyncio_mode=mode, **settings).stdout.str()
    check(out, lifespan, loop, f"set `asyncio_default_test_loop_scope = {lifespan}`")


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loop", SCOPES)
@pytest.mark.parametrize("lifespan", SCOPES)
def test_anyio(run: Run, pytester: pytest.Pytester, lifespan: Scope, loop: Scope, backend: str) -> None:
    pytester.makeconftest(ANYIO_CONFTEST.format(scope=loop, backend=BACKENDS[backend]))
    marks = "import pytest\npytestmark = pytest.mark.anyio"
    pytester.makepyfile(test_a=MATRIX.replace("{marks}", marks), test_b=MORE.replace("{marks}", marks))
    out = run("anyio", asgi_lifespan_scope=lifespan).stdout.str()
    check(out, lifespan, loop, "write the fixture anyio_backend with that scope")


@pytest.mark.parametrize("lifespan", SCOPES)
def test_pytest_trio(run: Run, pytester: pytest.Pytester, lifespan: Scope) -> None:
    marks = "import pytest\npytestmark = pytest.mark.trio"
    pytester.makepyfile(test_a=MATRIX.replace("{marks}", marks), test_b=MORE.replace("{marks}", marks))
    out = run("pytest_trio.plugin", asgi_lifespan_scope=lifespan).stdout.str()
    check(out, lifespan, "function", "pytest-trio runs, for a function: ")


@pytest.mark.parametrize("lifespan", SCOPES)
def test_blocking_tests(run: Run, pytester: pytest.Pytester, lifespan: Scope) -> None:
    suite = MATRIX.replace("async ", "").replace("await ", "").replace("client.aclose", "client.close")
    more = MORE.replace("async ", "").replace("await ", "")
    for name, source in (("test_a", suite), ("test_b", more)):
        text = source.replace("asgi_client", "asgi_test_client").replace("{marks}", "import pytest")
        pytester.makepyfile(**{name: text})
    out = run(asgi_lifespan_scope=lifespan).stdout.str()
    check(out, lifespan, "session", "")


# The app and its options


@pytest.mark.parametrize("name", ["main:app", "main:make()", "main:Shop.app"])
def test_the_setting_names_the_app(run: Run, pytester: pytest.Pytester, name: str) -> None:
    pytester.makepyfile("import main\n\ndef test(asgi_app):\n    assert asgi_app is main.app")
    run(asgi_app=name).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "name, text",
    [
        ("", "which app? Set `asgi_app = module:attribute`"),
        ("main", "asgi_app = main: an app is named module:attribute, or module:factory()"),
        (
            "nowhere:app",
            "asgi_app = nowhere:app: No module named 'nowhere'. Is its folder on sys.path? `pythonpath = .`",
        ),
        ("main:application", "asgi_app = main:application: module 'main' has no attribute 'application'"),
    ],
)
def test_an_app_that_is_not_there(run: Run, pytester: pytest.Pytester, name: str, text: str) -> None:
    pytester.makepyfile("def test(asgi_test_client):\n    pass")
    result = run(asgi_app=name)
    result.assert_outcomes(errors=1)
    assert text in result.stdout.str()


def test_a_scope_that_is_none(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test():\n    pass")
    text = "asgi_lifespan_scope is one of function, class, module, package, session, not 'worker'"
    assert text in run(asgi_lifespan_scope="worker").stderr.str()


def test_a_suite_can_have_apps_and_options_of_its_own(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest, main

        @pytest.fixture(params=["one", "two"])
        def asgi_app(request):
            async def named(scope, receive, send):
                scope["extra"] = request.param + scope.get("extra", "")
                await main.app(scope, receive, send)
            return named

        @pytest.fixture
        def asgi_client_options():
            return {"cookies": {"a": "b"}, "scope": {"extra": "!", "loop": "x"}}

        def test_blocking(asgi_test_client, request):
            assert asgi_test_client.get("/").text in ("[b'a=b'] one!", "[b'a=b'] two!")

        @pytest.mark.anyio
        @pytest.mark.asgi(scope={"extra": "?"})
        async def test_awaited(asgi_client, anyio_backend):
            assert (await asgi_client.get("/")).text in ("[b'a=b'] one?", "[b'a=b'] two?")
    """)
    pytester.makeconftest(ANYIO_CONFTEST.format(scope="function", backend='"asyncio"'))
    run("anyio").assert_outcomes(passed=4)


@pytest.mark.parametrize("plugin", ["anyio", "asyncio"])
def test_a_module_can_have_an_app_of_its_own_among_others(run: Run, pytester: pytest.Pytester, plugin: str) -> None:
    tests = f"""
        import main, pytest

        @pytest.mark.{plugin}
        async def test_awaited(asgi_client, asgi_lifespan):
            await asgi_client.get("/")
            assert repr(asgi_client.app) == repr(asgi_lifespan.app) == name

        def test_blocking(asgi_test_client, asgi_lifespan):
            asgi_test_client.get("/")
            assert repr(asgi_test_client.app) == repr(asgi_lifespan.app) == name
    """
    apps = {
        "test_1": 'name = "<app>"',
        "test_2": """
            name = "<mine>"

            async def mine(scope, receive, send):
                await main.app(scope, receive, send)

            @pytest.fixture(scope="session")
            def asgi_app():
                return mine
        """,
        "test_3": """
            name = "<app>"

            def test_startups():
                assert len(main.startups) == 6
        """,
    }
    pytester.makeconftest(ANYIO_CONFTEST.format(scope="session", backend='"asyncio"'))
    pytester.makepyfile(**{name: dedent(tests) + dedent(source) for name, source in apps.items()})
    loops = {f"asyncio_default_{each}_loop_scope": "session" for each in ("test", "fixture")}
    plugins, settings = (["anyio"], {}) if plugin == "anyio" else (["pytest_asyncio.plugin"], loops)
    run(*plugins, asgi_lifespan_scope="session", **settings).assert_outcomes(passed=7)


def test_the_options_reach_the_lifespan_and_its_loop(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest, sniffio
        from asgi_testkit import LifespanTimeout

        async def asleep(scope, receive, send):
            import anyio
            await anyio.sleep_forever()

        async def answer():
            return sniffio.current_async_library()

        @pytest.fixture(scope="session")
        def asgi_client_options():
            return {"backend": "trio", "startup_timeout": 0.01, "lifespan": "on"}

        def test_loop(asgi_test_client):
            assert asgi_test_client.portal.call(answer) == "trio"

        class TestSlow:
            @pytest.fixture
            def asgi_app(self):
                return asleep

            @pytest.mark.xfail(raises=LifespanTimeout, strict=True)
            def test(self, asgi_test_client):
                pass

            @pytest.mark.anyio
            @pytest.mark.xfail(raises=LifespanTimeout, strict=True)
            async def test_awaited(self, asgi_client):
                pass
    """)
    pytester.makeconftest(ANYIO_CONFTEST.format(scope="function", backend='"asyncio"'))
    run("anyio").assert_outcomes(passed=1, xfailed=2)


@pytest.mark.parametrize("client", ["asgi_client", "asgi_test_client"])
def test_options_of_a_test_are_too_late_for_an_app_that_runs(run: Run, pytester: pytest.Pytester, client: str) -> None:
    pytester.makeconftest(ANYIO_CONFTEST.format(scope="session", backend='"asyncio"'))
    pytester.makepyfile(f"""
        import pytest

        @pytest.fixture
        def asgi_client_options():
            return {{"startup_timeout": 60}}

        @pytest.mark.anyio
        {"async " if client == "asgi_client" else ""}def test({client}):
            pass
    """)
    result = run("anyio", asgi_lifespan_scope="module")
    result.assert_outcomes(errors=1)
    text = "asgi_client_options has startup_timeout, for the start of the app, which lasts for a module"
    assert text in result.stdout.str()


# The marker


def test_the_marker_of_a_test_goes_before_that_of_its_class(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.asgi(raise_server_exceptions=False, timeout=7)
        class TestErrors:
            def test_of_the_class(self, asgi_test_client):
                assert asgi_test_client.get("/error").status_code == 500
                assert asgi_test_client.timeout.read == 7

            @pytest.mark.asgi(raise_server_exceptions=True)
            def test_its_own(self, asgi_test_client):
                with pytest.raises(ZeroDivisionError):
                    asgi_test_client.get("/error")
                assert asgi_test_client.timeout.read == 7

            @pytest.mark.asgi(strict=True, background="detach", scope={"extra": 1})
            def test_more(self, asgi_test_client):
                assert asgi_test_client.get("/").text == "[] 1"
    """)
    run().assert_outcomes(passed=3)


@pytest.mark.parametrize("marker", ["colour=1", "3"])
def test_a_marker_with_what_it_does_not_take(run: Run, pytester: pytest.Pytester, marker: str) -> None:
    pytester.makepyfile(f"""
        import pytest

        @pytest.mark.asgi({marker})
        def test(asgi_test_client):
            pass
    """)
    result = run()
    result.assert_outcomes(errors=1)
    assert (
        f"strict=, expect_status=, faults=, scope=, live=, ssl=, reason=, and not {marker.partition('=')[0]}."
        in result.stdout.str()
    )


@pytest.mark.parametrize("scope", ["function", "session"])
def test_a_marker_gives_a_test_a_lifespan_of_its_own(run: Run, pytester: pytest.Pytester, scope: str) -> None:
    pytester.makeconftest(ANYIO_CONFTEST.format(scope="session", backend='"asyncio"'))
    pytester.makepyfile("""
        import pytest, main

        @pytest.mark.asgi(lifespan="off")
        def test_blocking(asgi_test_client):
            with pytest.raises(KeyError):
                asgi_test_client.get("/")

        @pytest.mark.anyio
        @pytest.mark.asgi(lifespan="off")
        async def test_awaited(asgi_client):
            with pytest.raises(KeyError):
                await asgi_client.get("/")
            assert main.startups == []

        @pytest.mark.asgi(lifespan="on")
        def test_blocking_on(asgi_test_client):
            asgi_test_client.get("/")
            assert len(main.startups) == 1

        @pytest.mark.anyio
        @pytest.mark.asgi(lifespan="on")
        async def test_awaited_on(asgi_client):
            await asgi_client.get("/")
            assert len(main.startups) == 2
    """)
    run("anyio", asgi_lifespan_scope=scope).assert_outcomes(passed=4)


@pytest.mark.parametrize("scope", ["function", "module"])
def test_a_lifespan_of_its_own_beside_one_that_lasts_longer(run: Run, pytester: pytest.Pytester, scope: str) -> None:
    pytester.makeconftest(ANYIO_CONFTEST.format(scope="session", backend='"asyncio"'))
    pytester.makepyfile("""
        import pytest

        @pytest.mark.anyio
        @pytest.mark.asgi(lifespan="off")
        async def test_awaited(asgi_client, asgi_lifespan):
            assert not asgi_lifespan.running

        @pytest.mark.asgi(lifespan="off")
        def test_blocking(asgi_lifespan):
            assert not asgi_lifespan.running
    """)
    result = run("anyio", asgi_lifespan_scope=scope)
    if scope == "function":
        result.assert_outcomes(passed=2)
    else:
        result.assert_outcomes(errors=2)
        assert result.stdout.str().count("asks for asgi_lifespan, which lasts for a module (asgi_lifespan_scope)") == 2


# What cannot be


REFUSALS = {
    "def test(asgi_client): pass": "Ask for asgi_test_client, or write `async def`",
    "async def test(asgi_client): pass": "Mark it `@pytest.mark.anyio`, `@pytest.mark.asyncio`",
    "@pytest.mark.asyncio\n@pytest.mark.anyio\nasync def test(asgi_client): pass": "two plugins run this test: "
    "pytest-asyncio, and anyio, by its marker. Remove one mark",
    "@pytest.mark.trio\n@pytest.mark.anyio\nasync def test(asgi_client): pass": "two plugins run this test: "
    "anyio, and pytest-trio, by its marker. Remove one mark",
}


@pytest.mark.parametrize("source", REFUSALS)
def test_a_test_that_cannot_have_what_it_asks_for(run: Run, pytester: pytest.Pytester, source: str) -> None:
    pytester.makeconftest(ANYIO_CONFTEST.format(scope="function", backend='"asyncio"'))
    pytester.makepyfile(f"import pytest\n\n{source}")
    result = run("anyio", "pytest_asyncio.plugin", "pytest_trio.plugin")
    result.assert_outcomes(errors=1)
    assert REFUSALS[source] in result.stdout.str()


def test_skips_come_before_refusals(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.skip
        def test_skip(asgi_client):
            pass

        @pytest.mark.xfail
        def test_xfail(asgi_client):
            pass
    """)
    run().assert_outcomes(skipped=1, xfailed=1)


def test_a_pytest_asyncio_that_is_too_old(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_asyncio.__version__", "1.0.1")
    pytester.makepyfile("async def test(asgi_client):\n    pass")
    result = run("pytest_asyncio.plugin", asyncio_mode="auto")
    result.assert_outcomes(errors=1)
    assert "need pytest-asyncio 1.1 or later, and this is 1.0.1." in result.stdout.str()


def test_tests_that_share_an_app_and_not_a_loop(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.asyncio(loop_scope="session")
        async def test_a(asgi_client):
            await asgi_client.get("/")

        @pytest.mark.asyncio(loop_scope="module")
        async def test_b(asgi_client):
            pass

        def test_c(asgi_test_client):
            asgi_test_client.get("/")
    """)
    result = run("pytest_asyncio.plugin", asgi_lifespan_scope="module")
    result.assert_outcomes(passed=2, errors=1)
    out = result.stdout.str()
    assert "WrongEventLoopError: this LifespanManager was opened in the event loop" in out
    assert "::test_a (setup))" in out
    assert "::test_b (setup))" in out


# Ways of asking


def test_each_backend_of_a_test_has_the_app_started_in_it(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest, main

        pytestmark = pytest.mark.anyio

        async def test_a(asgi_client):
            await asgi_client.get("/")

        async def test_b(asgi_client):
            await asgi_client.get("/")

        def teardown_module():
            assert len(main.startups) == 2
    """)
    run("anyio", asgi_lifespan_scope="module").assert_outcomes(passed=4)


def test_a_suite_can_have_a_lifespan_of_its_own(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(ANYIO_CONFTEST.format(scope="session", backend='"asyncio"'))
    pytester.makepyfile("""
        import pytest
        from types import SimpleNamespace

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"mine"})

        @pytest.fixture(scope="session")
        def asgi_lifespan():
            return SimpleNamespace(app=app)

        def test_blocking(asgi_test_client):
            assert asgi_test_client.get("/").text == "mine"

        @pytest.mark.anyio
        async def test_awaited(asgi_client):
            assert (await asgi_client.get("/")).text == "mine"
    """)
    run("anyio").assert_outcomes(passed=2)


def test_ways_to_ask_of_a_blocking_test(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import unittest
        import pytest

        def test_by_name(request):
            assert request.getfixturevalue("asgi_test_client").get("/").text == "[] "

        class TestOld(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def take(self, asgi_test_client):
                self.client = asgi_test_client

            def test(self):
                assert self.client.get("/").text == "[] "

        @pytest.mark.usefixtures("asgi_test_client")
        def test_unused():
            pass

        def test_lifespan_by_name(request):
            assert request.getfixturevalue("asgi_lifespan").running
    """)
    run().assert_outcomes(passed=4)


@pytest.mark.parametrize("order", [["awaited", "blocking"], ["blocking", "awaited"]], ids=["awaited", "blocking"])
def test_async_and_blocking_tests_have_a_lifespan_each(run: Run, pytester: pytest.Pytester, order: list[str]) -> None:
    tests = {
        "awaited": """
            @pytest.mark.anyio
            async def test_awaited(asgi_client, asgi_lifespan):
                assert asgi_lifespan.state["loop"] is main.loop()
                asgi_lifespan.state["extra"] = "awaited"
                await asgi_client.get("/")
                assert asgi_client.state == asgi_lifespan.state
        """,
        "blocking": """
            @pytest.fixture
            def state(asgi_lifespan):
                asgi_lifespan.state["extra"] = "blocking"
                return asgi_lifespan.state

            def test_blocking(asgi_test_client, state):
                assert state["loop"] is asgi_test_client.portal.call(main.loop)
                asgi_test_client.get("/")
                assert asgi_test_client.state == state
        """,
    }
    pytester.makeconftest(ANYIO_CONFTEST.format(scope="session", backend='"asyncio"'))
    first, second = (dedent(tests[name]) for name in order)
    last = "def test_startups():\n    assert len(main.startups) == 2"
    pytester.makepyfile(f"import main, pytest\n{first}{second}{first.replace('def test_', 'def test_again_')}{last}")
    run("anyio", asgi_lifespan_scope="session").assert_outcomes(passed=4)


def test_a_blocking_client_in_an_async_test_has_a_loop_of_its_own(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test(asgi_test_client):\n    assert asgi_test_client.get('/').text == '[] '")
    run("pytest_asyncio.plugin", asyncio_mode="auto").assert_outcomes(passed=1)


def test_the_examples_of_hypothesis_share_a_client(run: Run, pytester: pytest.Pytester) -> None:
    source = """
        import pytest
        from hypothesis import given, settings, HealthCheck, strategies as st

        several = settings(suppress_health_check=list(HealthCheck), database=None, max_examples=5, deadline=None)

        {mark}
        @several
        @given(st.integers())
        async def test(asgi_client, number):
            assert (await asgi_client.get("/")).status_code == 200
    """
    pytester.makepyfile(
        test_anyio=source.format(mark="@pytest.mark.anyio"),
        test_asyncio=source.format(mark="@pytest.mark.asyncio"),
    )
    run("anyio", "pytest_asyncio.plugin").assert_outcomes(passed=3)


def test_a_startup_that_fails_is_told_to_each_test(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest

        @pytest.fixture(scope="session")
        def asgi_app():
            async def app(scope, receive, send):
                await receive()
                raise ZeroDivisionError("no database")
            return app
    """)
    pytester.makepyfile("""
        import pytest

        def test_blocking(asgi_test_client):
            pass

        @pytest.mark.asyncio
        async def test_a(asgi_client):
            pass

        @pytest.mark.asyncio
        async def test_b(asgi_client):
            pass
    """)
    result = run("pytest_asyncio.plugin")
    result.assert_outcomes(errors=3)
    assert result.stdout.str().count("E       ZeroDivisionError: no database") == 3


def test_the_first_test_of_a_run_has_a_transcript(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test(asgi_test_client):\n    assert asgi_test_client.get('/').text == ''")
    result = run()
    result.assert_outcomes(failed=1)
    assert "asgi-testkit transcript" in result.stdout.str()
    assert "GET /  ->  200  (the app returned)" in result.stdout.str()
