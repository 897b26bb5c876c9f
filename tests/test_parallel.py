"""pytest-xdist: what each worker has of its own, and what becomes of it. pytest runs here with two workers."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from .test_docs import ROOT, files

pytestmark = pytest.mark.slow

Run = Callable[..., pytest.RunResult]

#: Notes in a file which worker starts it, and for which module. It runs in one event loop from its start on.
APP = """
import asyncio
import os

def note(what):
    worker = os.environ["PYTEST_XDIST_WORKER"]
    module = os.environ["PYTEST_CURRENT_TEST"].partition(".py")[0]
    with open("story.txt", "a") as story:
        story.write(f"{worker} {module} {what}\\n")

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["loop"] = asyncio.get_running_loop()
        note("start")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        note("stop")
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "half of a pair: \\ud83d"})
    else:
        assert scope["state"]["loop"] is asyncio.get_running_loop()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": scope["path"].encode()})
"""

AWAITED = """
import pytest

@pytest.mark.{plugin}
@pytest.mark.parametrize("number", range(4))
async def test_it(asgi_client, number):
    response = await asgi_client.get(f"/{{number}}")
    assert response.text == f"/{{number}}"
"""

BLOCKING = """
import pytest

@pytest.mark.parametrize("number", range(4))
def test_it(asgi_test_client, number):
    response = asgi_test_client.get(f"/{number}")
    assert response.text == f"/{number}"
"""

#: The tests of a module, and the settings that have its event loop last for a session.
SUITES: dict[str, tuple[str, dict[str, str]]] = {
    "blocking": (BLOCKING, {}),
    "anyio": (AWAITED.format(plugin="anyio"), {}),
    "pytest-asyncio": (AWAITED.format(plugin="asyncio"), {"asyncio_default_test_loop_scope": "session"}),
}

CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"
"""

PLUGINS = ("anyio", "pytest_asyncio.plugin", "xdist", "asgi_testkit.pytest_plugin")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, plain_pytest: None) -> Run:
    """Runs pytest with two workers, in processes of their own, every warning an error."""
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:  # this may be a worker itself
        monkeypatch.delenv(name)
    pytester.makeini("[pytest]\nasgi_app = main:app\npythonpath = .\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(main=APP)
    pytester.makeconftest(CONFTEST)

    def run(*options: str, **settings: str) -> pytest.RunResult:
        given = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        plugins = [part for plugin in PLUGINS for part in ("-p", plugin)]
        common = ("-p", "no:cacheprovider", "-W", "error", "-n", "2")
        return pytester.run(sys.executable, "-m", "pytest", *common, *plugins, *given, *options)

    return run


def story(pytester: pytest.Pytester) -> list[list[str]]:
    """Return what was noted: worker, module, and what."""
    return [line.split() for line in (pytester.path / "story.txt").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    "suite, dist",
    [*((suite, "load") for suite in SUITES), ("anyio", "worksteal"), ("blocking", "loadscope")],
)
def test_with_session_scope_each_worker_starts_the_app_once(
    run: Run, pytester: pytest.Pytester, suite: str, dist: str
) -> None:
    source, settings = SUITES[suite]
    pytester.makepyfile(test_a=source, test_b=source)
    run("--dist", dist, asgi_lifespan_scope="session", **settings).assert_outcomes(passed=8)
    seen = Counter((worker, what) for worker, _, what in story(pytester))
    assert seen == dict.fromkeys([("gw0", "start"), ("gw0", "stop"), ("gw1", "start"), ("gw1", "stop")], 1)


@pytest.mark.parametrize("suite", ["blocking", "anyio"])
def test_with_loadscope_an_app_of_a_module_is_started_once_in_all(
    run: Run, pytester: pytest.Pytester, suite: str
) -> None:
    source, _ = SUITES[suite]
    pytester.makepyfile(test_a=source, test_b=source, test_c=source)
    run("--dist", "loadscope", asgi_lifespan_scope="module").assert_outcomes(passed=12)
    seen = Counter((module, what) for _, module, what in story(pytester))
    assert seen == {(module, what): 1 for module in ("test_a", "test_b", "test_c") for what in ("start", "stop")}


FAILING = """
import pytest
from asgi_testkit import ASGIProtocolError

def test_fails(asgi_test_client):
    response = asgi_test_client.get("/fails?token=sesame")
    with pytest.raises(ASGIProtocolError), asgi_test_client.websocket_connect("/ws") as session:
        session.receive_text()
    assert response.text == "something else"

@pytest.mark.skip
def test_skipped(asgi_test_client):
    pass

def test_says_nothing():
    pass
"""


def test_reports_and_files_tell_of_every_test_exactly_once(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_a=BLOCKING, test_b=AWAITED.format(plugin="anyio"), test_c=FAILING)
    before = {path.name for path in pytester.path.iterdir()}
    result = run("--asgi-transcript-json=said.jsonl", "--asgi-har=said.har", asgi_lifespan_scope="session")
    result.assert_outcomes(passed=9, failed=1, skipped=1)

    out = result.stdout.str()
    assert out.count("asgi-testkit transcript") == 1
    assert out.count("GET /fails?token=***  ->  200  (the app returned)") == 1
    assert out.count("< websocket.send  half of a pair: \\ud83d") == 1

    written = {path.name for path in pytester.path.iterdir()} - before - {"stdout", "stderr", "__pycache__"}
    assert written == {"said.jsonl", "said.har", "story.txt"}
    lines = [json.loads(line) for line in (pytester.path / "said.jsonl").read_text(encoding="utf-8").splitlines()]
    passed = [(f"test_{module}.py::test_it[{n}]", "passed", f"/{n}") for module in "ab" for n in range(4)]
    failed = [("test_c.py::test_fails", "failed", target) for target in ("/fails?token=***", "/ws")]
    said = [line for line in lines if line["kind"] != "lifespan"]
    assert Counter((line["test"], line["outcome"], line["target"]) for line in said) == Counter(passed + failed)
    assert len(lines) - len(said) == sum(what == "start" for *_, what in story(pytester))

    log = json.loads((pytester.path / "said.har").read_text(encoding="utf-8"))["log"]
    title = {page["id"]: page["title"] for page in log["pages"]}
    assert Counter(title.values()) == {node: 1 for node, *_ in passed + failed}
    entries = [(title[entry["pageref"]], entry["request"]["url"]) for entry in log["entries"]]
    wanted = [(node, f"testserver{target}") for node, _, target in passed + failed]
    assert sorted((node, url.partition("://")[2]) for node, url in entries) == sorted(wanted)


def test_the_snippets_of_the_page_run_with_workers_and_each_has_a_database(run: Run, pytester: pytest.Pytester) -> None:
    page = files((ROOT / "docs" / "howto" / "parallel.md").read_text(encoding="utf-8"))
    for name, text in page.items():
        (pytester.path / name).write_text(text, encoding="utf-8")
    (pytester.path / "main.py").unlink()
    function = {"asyncio_default_fixture_loop_scope": "function"}
    run("--basetemp=temporary", "--dist=worksteal", **function).assert_outcomes(passed=4)
    databases = sorted(path.name for path in (pytester.path / "temporary").glob("**/*.db"))
    assert databases == ["shop_gw0.db", "shop_gw1.db"]
