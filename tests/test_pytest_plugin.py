"""``pytest --asgi-testkit``: pytest runs here as its users run it, on suites that say nothing of this package."""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib.metadata import entry_points, version
from typing import Any

import httpx
import pytest
import starlette.testclient

import asgi_testkit
from asgi_testkit import pytest_plugin
from asgi_testkit._conversation import observer
from asgi_testkit._standins.names import REPLACEMENT
from asgi_testkit._standins.run import VARIABLE
from asgi_testkit._standins.run import Run as ReplacementRun
from asgi_testkit._standins.tally import COUNTER, Tally, told

from .har import checked

Run = Callable[..., pytest.RunResult]

FLAG = "--asgi-testkit"
SETTING = "[pytest]\nasgi_testkit_replace = true\n"

#: Where that comes from which the suites below ask for.
OURS = "asgi_testkit.starlette"
THEIRS = "starlette.testclient"

#: The library that this suite runs on, by its own name.
HTTPX = httpx.__name__

APP = """
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
        await send({"type": "http.response.body", "body": b"hello"})
"""

#: Two tests, which take the client in two ways and pass on any.
SUITE = """
import starlette.testclient
from starlette.testclient import TestClient
from app import app

def test_imported():
    print("imported:", TestClient.__module__)
    assert TestClient(app).get("/").text == "hello"

def test_attribute():
    print("attribute:", starlette.testclient.TestClient.__module__)
    assert starlette.testclient.TestClient(app=app).get("/").text == "hello"
"""

#: One test, which uses what is left alone.
ON_THEIR_OWN = f"""
import asyncio
import {HTTPX}
from app import app

def test_it():
    transport = {HTTPX}.ASGITransport(app)
    assert transport.app is app
    assert type(transport).__module__ == "{HTTPX}"

    async def main():
        async with {HTTPX}.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/")).text == "hello"

    asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def nobody_wants_it(monkeypatch: pytest.MonkeyPatch, plain_pytest: None) -> None:
    """The tests start from an environment that says nothing."""
    for name in (VARIABLE, "PYTEST_PLUGINS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with a suite, and the app that it tests."""
    pytester.makeini("[pytest]\nminversion = 7")  # that of this project may lie above
    pytester.makepyfile(app=APP)
    pytester.makepyfile(test_suite=SUITE)
    return pytester


@pytest.fixture
def run(folder: pytest.Pytester) -> Run:
    """Runs pytest in this process, with the plugin, on a suite with an app."""

    def run(*arguments: str, plugin: str = "asgi_testkit.pytest_plugin") -> pytest.RunResult:
        return folder.runpytest_inprocess("-p", plugin, "-s", "-W", "error", *arguments)

    return run


@pytest.fixture
def run_program(folder: pytest.Pytester) -> Run:
    """Runs pytest in a process of its own, with the plugin, on a suite with an app."""

    def run(*arguments: str, plugin: str = "asgi_testkit.pytest_plugin") -> pytest.RunResult:
        options = ("-p", "no:cacheprovider", "-s", "-W", "error")
        return folder.run(sys.executable, "-m", "pytest", "-p", plugin, *options, *arguments)

    return run


def took_ours(result: pytest.RunResult) -> bool:
    """Whether both tests of the suite ran on ours, or, False, both on the original."""
    text = result.stdout.str()
    result.assert_outcomes(passed=2)
    ours = [f"{way}: asgi_testkit" in text for way in ("imported", "attribute")]
    theirs = [f"{way}: {THEIRS}" in text for way in ("imported", "attribute")]
    assert ours == [not each for each in theirs]
    assert ours[0] == ours[1]
    return ours[0]


# Whether names are replaced


def test_with_the_flag_names_are_replaced_and_afterwards_put_back(run: Run) -> None:
    original = starlette.testclient.TestClient
    finders = list(sys.meta_path)
    assert took_ours(run(FLAG))
    assert starlette.testclient.TestClient is original
    assert not REPLACEMENT.active
    assert sys.meta_path == finders


def test_without_the_flag_nothing_is_replaced_and_nothing_is_said(run: Run) -> None:
    result = run()
    assert not took_ours(result)
    result.stdout.no_fnmatch_line("*asgi-testkit*")


def test_the_setting_is_as_good_as_the_flag(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini(SETTING)
    assert took_ours(run())


def test_the_setting_can_be_overruled(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini(SETTING)
    assert not took_ours(run("-o", "asgi_testkit_replace=false"))


@pytest.mark.parametrize("value, wanted", [("1", True), ("TRUE", True), ("0", False), ("no", False), ("", False)])
def test_the_environment_variable_is_as_good_as_the_flag(
    run: Run, monkeypatch: pytest.MonkeyPatch, value: str, wanted: bool
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert took_ours(run()) is wanted
    assert not REPLACEMENT.active


@pytest.mark.parametrize("start", ["run", "run_program"])  # it is looked at when the plugin is imported, and later
def test_a_variable_that_says_neither_yes_nor_no_is_an_error(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    monkeypatch.setenv(VARIABLE, "maybe")
    result = request.getfixturevalue(start)()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines[0] == (
        "ERROR: the environment variable ASGI_TESTKIT_REPLACE is 'maybe', which is neither yes nor no. "
        "Set it to 1 or to 0."
    )


def test_a_conftest_finds_names_replaced(run_program: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from starlette.testclient import TestClient\nprint('conftest:', TestClient.__module__)")
    result = run_program(FLAG)
    assert took_ours(result)
    assert f"conftest: {OURS}" in result.outlines


def test_with_the_variable_a_plugin_that_comes_next_finds_names_replaced(
    run_program: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(plugin="from starlette.testclient import TestClient\nprint('plugin:', TestClient.__module__)")
    monkeypatch.setenv(VARIABLE, "1")
    result = run_program("-p", "plugin")
    assert took_ours(result)
    assert f"plugin: {OURS}" in result.outlines
    result.stdout.no_fnmatch_line("*too late*")


def test_what_the_variable_began_on_import_is_the_first_run(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    gc.disable()  # Python 3.11 may lose count of the depth of what it parses, where the collector runs amid that
    try:
        importlib.reload(pytest_plugin)
    finally:
        gc.enable()
    assert REPLACEMENT.active
    assert len(pytest_plugin.EARLY_RUNS) == 1
    assert took_ours(run())
    assert not REPLACEMENT.active
    assert took_ours(run())  # and the second has one of its own
    assert not REPLACEMENT.active


def test_a_plugin_that_took_an_original_before_is_named(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(early="from starlette.testclient import TestClient as Manager")
    pytester.syspathinsert()
    result = run("-p", "early", FLAG)
    assert took_ours(result)
    told = "asgi-testkit came too late for *early.Manager*`ASGI_TESTKIT_REPLACE=1 pytest -p *"
    result.stdout.fnmatch_lines([told, "collected*", told])
    run("-p", "early", "-q", FLAG).stdout.fnmatch_lines([told])


def test_a_conftest_may_bring_the_plugin(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(app=APP)
    pytester.makepyfile(test_suite=SUITE)
    pytester.makeconftest("pytest_plugins = ['asgi_testkit.pytest_plugin']")
    assert took_ours(pytester.runpytest_inprocess("-s", FLAG))


def test_a_run_inside_a_run_leaves_the_outer_one_what_it_has(run: Run, pytester: pytest.Pytester) -> None:
    REPLACEMENT.start()
    try:
        assert took_ours(run(FLAG))
        assert starlette.testclient.TestClient.__module__ == OURS
    finally:
        REPLACEMENT.stop()


def test_a_run_that_does_not_get_to_its_tests_puts_everything_back(run: Run) -> None:
    assert run(FLAG, "--no-such-option").ret == pytest.ExitCode.USAGE_ERROR
    assert not REPLACEMENT.active


# A loop for each request

#: A test that passes where each bare request has an event loop of its own.
WANTS_FRESH_LOOPS = """
import asyncio
from starlette.testclient import TestClient

async def app(scope, receive, send):
    loops.append(asyncio.get_running_loop())
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})

loops = []

def test_it():
    client = TestClient(app)
    client.get("/")
    client.get("/")
    assert len(set(loops)) == 2
"""

FRESH = ("-o", "asgi_testkit_fresh_loop=true")


def test_a_setting_gives_each_bare_request_of_the_drop_in_a_loop_of_its_own(run: Run, folder: pytest.Pytester) -> None:
    folder.makepyfile(test_suite=WANTS_FRESH_LOOPS)
    run().assert_outcomes(passed=1)
    run(FLAG).assert_outcomes(failed=1)
    run(FLAG, *FRESH).assert_outcomes(passed=1)
    assert not REPLACEMENT.fresh_loop
    run(FLAG).assert_outcomes(failed=1)
    run(*FRESH).assert_outcomes(passed=1)


def test_the_setting_for_loops_reaches_workers_and_what_the_variable_began(
    run_program: Run, folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.makepyfile(test_suite=WANTS_FRESH_LOOPS)
    run_program(FLAG, "-p", "xdist", "-n", "1", *FRESH).assert_outcomes(passed=1)
    monkeypatch.setenv(VARIABLE, "1")
    folder.makeini("[pytest]\nasgi_testkit_fresh_loop = true")
    run_program().assert_outcomes(passed=1)


def test_a_client_that_says_what_it_wants_gets_that(monkeypatch: pytest.MonkeyPatch) -> None:
    from asgi_testkit.starlette import TestClient

    monkeypatch.setattr(REPLACEMENT, "fresh_loop", True)
    names: dict[str, Any] = {}
    exec(WANTS_FRESH_LOOPS, names)
    for wanted, loops in ((None, 2), (True, 2), (False, 1)):
        names["loops"].clear()
        client = TestClient(names["app"], fresh_loop=wanted)
        client.get("/")
        client.get("/")
        assert len(set(names["loops"])) == loops


# What is said


def test_the_header_names_what_is_replaced_with_the_versions(run: Run) -> None:
    [line] = [line for line in run(FLAG).outlines if line.startswith("asgi-testkit ")]
    assert line.startswith(f"asgi-testkit {asgi_testkit.__version__} in place of: starlette.testclient.TestClient, ")
    assert f"fastapi.testclient.TestClient (fastapi {version('fastapi')})" in line
    assert "httpx.ASGITransport" not in line
    assert f"httpx_ws.transport.ASGIWebSocketTransport (httpx-ws {version('httpx-ws')})" in line


def test_what_is_not_installed_is_not_in_the_header(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = {THEIRS: REPLACEMENT.targets[THEIRS], "no_such_package": {"A": "b:A"}}
    monkeypatch.setattr(REPLACEMENT, "targets", targets)
    monkeypatch.setattr(pytest_plugin, "LEFT_ALONE", {"no_such_package.B": "b.B"})
    result = run(FLAG)
    result.stdout.fnmatch_lines(
        [f"asgi-testkit * in place of: {THEIRS}.TestClient* (starlette {version('starlette')})"]
    )
    result.stdout.no_fnmatch_line("*no_such_package*")


def test_the_header_names_what_is_left_alone_and_what_does_more(run: Run) -> None:
    lines = run(FLAG).outlines
    assert "httpx.ASGITransport is left alone: import asgi_testkit.ASGITransport" in lines
    assert "httpx2.ASGITransport is left alone: import asgi_testkit.httpx2.ASGITransport" in lines


def test_the_end_says_how_much_ran_on_ours(run: Run) -> None:
    result = run(FLAG)
    assert "asgi-testkit: 2 clients, 2 requests, 0 WebSocket sessions, 0 lifespans" in result.outlines
    result.stdout.no_fnmatch_line("*this run used*")


def test_the_end_says_that_nothing_ran_on_ours(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_suite="def test_it(): pass")
    assert "asgi-testkit: no client that it replaces was used" in run(FLAG).outlines


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "workers"])
@pytest.mark.parametrize("early", [False, True], ids=["asked for in the run", "taken before"])
def test_the_end_says_that_what_is_left_alone_was_used(
    run_program: Run, pytester: pytest.Pytester, options: tuple[str, ...], early: bool
) -> None:
    pytester.makepyfile(test_suite=ON_THEIR_OWN)
    if early:
        pytester.makepyfile(
            test_suite=ON_THEIR_OWN.replace(f"{HTTPX}.ASGITransport", "early.Transport").replace(
                "import", "import early,", 1
            ),
            early=f"from {HTTPX} import ASGITransport as Transport",
        )
        pytester.syspathinsert()
        options = (*options, "-p", "early")
    result = run_program(FLAG, *options)
    result.assert_outcomes(passed=1)
    ours = pytest_plugin.LEFT_ALONE[f"{HTTPX}.ASGITransport"]
    result.stdout.fnmatch_lines(
        [f"asgi-testkit: this run used {HTTPX}.ASGITransport, which is left alone*{ours} takes *"]
    )
    result.stdout.no_fnmatch_line("*too late*")


def test_that_it_was_used_is_told_by_the_run_in_which_it_was(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_suite=ON_THEIR_OWN)
    run(FLAG).stdout.fnmatch_lines(["*this run used*"])
    pytester.makepyfile(test_suite="def test_it(): pass")
    run(FLAG).stdout.no_fnmatch_line("*this run used*")


@pytest.mark.parametrize("kind", ["AsyncClient", "TestClient"])
def test_everything_is_counted_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "current", Tally())
    names: dict[str, Any] = {}
    exec(APP, names)
    app = names["app"]
    before = COUNTER.copy()
    if kind == "TestClient":
        with asgi_testkit.TestClient(app) as client:
            client.get("/")
            client.get("/")
            with client.websocket_connect("/"):
                pass
    else:

        async def main() -> None:
            async with asgi_testkit.AsyncClient(app) as client:
                await client.get("/")
                await client.get("/")
                async with client.websocket_connect("/"):
                    pass

        import anyio

        anyio.run(main)
    assert COUNTER - before == {"client": 1, "request": 2, "WebSocket session": 1, "lifespan": 1}


def test_numbers_are_told_in_words() -> None:
    counted = Counter({"client": 1, "request": 3, "lifespan": 2})
    assert told(counted) == "1 client, 3 requests, 0 WebSocket sessions, 2 lifespans"


# With other plugins, and without this one


def test_workers_replace_names_too_and_their_numbers_are_added_up(run_program: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from starlette.testclient import TestClient\nassert 'asgi_testkit' in TestClient.__module__")
    result = run_program(FLAG, "-p", "xdist", "-n", "2", "--dist", "each")
    result.assert_outcomes(passed=4)
    assert "asgi-testkit: 4 clients, 4 requests, 0 WebSocket sessions, 0 lifespans" in result.outlines


def test_the_setting_and_the_variable_reach_workers(
    run_program: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "asgi-testkit: 2 clients, 2 requests, 0 WebSocket sessions, 0 lifespans"
    monkeypatch.setenv(VARIABLE, "1")
    assert told in run_program("-p", "xdist", "-n", "1").outlines
    monkeypatch.delenv(VARIABLE)
    pytester.makeini(SETTING)
    assert told in run_program("-p", "xdist", "-n", "1").outlines


class Node:
    """What pytest-xdist's controller hands on of a worker that has ended."""

    def __init__(self, config: Any, **attributes: Any) -> None:
        self.config = config
        vars(self).update(attributes)


class Configuration:
    """The part of a configuration that a worker's end touches."""

    def __init__(self, *, wanted: bool) -> None:
        self.stash = pytest.Stash()
        self.workeroutput: dict[str, Any] = {}
        if wanted:
            self.stash[pytest_plugin.RUN] = ReplacementRun()
            self.stash[pytest_plugin.RUN].end()


class Session:
    """A session with that configuration."""

    def __init__(self, config: Any) -> None:
        self.config = config


def test_a_worker_hands_in_its_numbers_and_the_controller_adds_them() -> None:
    worker, controller = Configuration(wanted=True), Configuration(wanted=True)
    COUNTER["client"] += 3
    COUNTER["request"] += 4
    pytest_plugin.pytest_sessionfinish(Session(worker))  # type: ignore[arg-type]
    before = controller.stash[pytest_plugin.RUN].counted()
    pytest_plugin.pytest_testnodedown(Node(controller, workeroutput=worker.workeroutput))
    assert controller.stash[pytest_plugin.RUN].counted() - before == {"client": 3, "request": 4}


def test_a_worker_that_crashed_has_no_numbers() -> None:
    controller = Configuration(wanted=True)
    pytest_plugin.pytest_testnodedown(Node(controller))
    assert not controller.stash[pytest_plugin.RUN].counted()


def test_without_the_flag_workers_have_no_numbers_and_none_are_taken() -> None:
    pytest_plugin.pytest_testnodedown(Node(Configuration(wanted=False)))
    worker = Configuration(wanted=False)
    pytest_plugin.pytest_sessionfinish(Session(worker))  # type: ignore[arg-type]
    assert worker.workeroutput == {}


def test_the_installed_package_brings_the_plugin() -> None:
    found = entry_points(group="pytest11", name="asgi_testkit")
    assert [each.value for each in found] == ["asgi_testkit.pytest_plugin"]


def test_the_plugin_is_found_by_its_name(run_program: Run) -> None:
    assert took_ours(run_program(FLAG, plugin="asgi_testkit"))


#: Plugins are loaded by themselves then, but none of those that happen to be installed beside ours.
OTHERS = [f"-pno:{each.name}" for each in entry_points(group="pytest11") if each.name != "asgi_testkit"]


def test_the_plugin_can_be_disabled(run_program: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.setenv(VARIABLE, "1")
    assert took_ours(run_program(*OTHERS, plugin="terminal"))
    assert not took_ours(run_program(*OTHERS, plugin="no:asgi_testkit"))
    result = run_program(*OTHERS, FLAG, plugin="no:asgi_testkit")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unrecognized arguments: --asgi-testkit*"])


def test_a_program_that_has_imported_the_package_may_run_pytest(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest rewrites the assertions of packages with a plugin, which it knows by the lists of their files, and warns of
    # those that it comes too late for. An editable installation has no such list, so here is one.
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(pytester.path), os.environ["PYTHONPATH"]]))
    files = pytester.mkdir("listed-1.dist-info")
    (files / "METADATA").write_text("Metadata-Version: 2.1\nName: listed\nVersion: 1\n", encoding="utf-8")
    (files / "entry_points.txt").write_text("[pytest11]\nlisted = listed\n", encoding="utf-8")
    (files / "RECORD").write_text("asgi_testkit/__init__.py,,\n", encoding="utf-8")
    pytester.makepyfile(listed="", test_it="def test_it(): pass")
    program = "import sys, asgi_testkit, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    pytester.run(sys.executable, "-c", program, "-W", "error", *OTHERS).assert_outcomes(passed=1)


# What it costs a run that does not want it


def test_without_the_flag_no_http_library_and_no_event_loop_is_imported(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\ndef test_it(): print(*sys.modules)")

    def imported(*options: str) -> set[str]:
        command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", *options]
        done = subprocess.run(command, cwd=pytester.path, env=os.environ, capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    by_the_plugin = imported("-p", "asgi_testkit.pytest_plugin") - imported()  # pytest itself may import asyncio
    assert "asgi_testkit.pytest_plugin" in by_the_plugin
    assert not {"httpx", "httpx2", "anyio", "trio", "wsproto", "asyncio"} & by_the_plugin
    rooms = {name.split(".")[1] for name in by_the_plugin if name.startswith("asgi_testkit._")}
    assert rooms == {"_types", "_standins", "_conversation", "_plugin"}  # of the third, what the tally listens to
    of_the_plugin = {name for name in by_the_plugin if name.startswith("asgi_testkit._plugin")}
    of_options = {"asgi_testkit._plugin.chaos", "asgi_testkit._plugin.openapi_options"}
    assert of_the_plugin == {"asgi_testkit._plugin", *of_options}
    assert not [
        name for name in by_the_plugin if name.startswith("asgi_testkit._conversation.") and "observer" not in name
    ]


# Transcripts

SAID = """
import pytest
from asgi_testkit import TestClient
from app import app

@pytest.fixture
def client():
    with TestClient(app, lifespan="off") as client:
        client.get("/setup")
        yield client
        client.get("/teardown")

def test_passes(client):
    client.get("/passes")

def test_skips(client):
    pytest.skip()

def test_fails(client):
    client.get("/fails?token=abcdef")
    assert not client

@pytest.fixture
def broken(client):
    yield client
    client.get("/late")
    raise LookupError

def test_fails_at_its_end(broken):
    broken.get("/early")
    assert not broken

def test_says_nothing():
    assert not app
"""


def paths_of(result: pytest.RunResult) -> dict[str, list[str]]:
    """Return the paths that each section of the output tells of, by the section's title, the first of each name."""
    sections: dict[str, list[str]] = {}
    paths: list[str] | None = None
    for line in result.stdout.lines:
        if line.startswith(("---", "___", "===")):
            title = line.strip("-_= ")
            paths = sections.setdefault(title, []) if "transcript" in title else None
        elif paths is not None and "  ->  " in line:
            paths.append(line.split()[1])
    return sections


@pytest.fixture
def said(folder: pytest.Pytester) -> pytest.Pytester:
    folder.makepyfile(test_suite=SAID)
    return folder


@pytest.mark.usefixtures("said")
def test_a_failing_test_shows_what_was_said_in_it(run: Run) -> None:
    result = run("-k", "test_fails or says_nothing")
    result.assert_outcomes(passed=0, failed=3, errors=1)
    assert paths_of(result) == {
        "asgi-testkit transcript call": ["/setup", "/fails?token=***", "/setup", "/early"],
        "asgi-testkit transcript teardown": ["/late", "/teardown"],
    }


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize(
    "arguments, ini, told",
    [
        (["--asgi-transcript=off"], "", False),
        ([], "asgi_transcript = off", False),
        (["--asgi-transcript=failed"], "asgi_transcript = off", True),
        ([], "asgi_transcript = all", True),
    ],
)
def test_the_setting_and_the_option_say_whose_are_shown(
    run: Run, said: pytest.Pytester, arguments: list[str], ini: str, told: bool
) -> None:
    said.makeini(f"[pytest]\n{ini}")
    assert bool(paths_of(run("-k", "test_fails", *arguments))) == told


@pytest.mark.usefixtures("said")
def test_what_passes_is_shown_if_all_is_wanted(run: Run) -> None:
    sections = paths_of(run("-k", "test_passes", "-rP", "--asgi-transcript=all"))
    assert sections["asgi-testkit transcript call"] == ["/passes"]


def test_a_setting_that_is_none_is_refused(run: Run, folder: pytest.Pytester) -> None:
    folder.makeini("[pytest]\nasgi_transcript = some")
    result = run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*asgi_transcript is one of off, failed, all, not 'some'*"])


@pytest.mark.usefixtures("said")
def test_the_numbers_of_the_flag_are_the_same_with_transcripts(run: Run) -> None:
    result = run(FLAG, "-k", "test_fails")
    result.stdout.fnmatch_lines(["asgi-testkit: 2 clients, 7 requests, 0 WebSocket sessions, 0 lifespans"])


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "two workers"])
def test_conversations_are_written_as_json_with_the_outcome_of_their_test(
    run: Run, run_program: Run, said: pytest.Pytester, workers: list[str]
) -> None:
    (run_program if workers else run)("--asgi-transcript-json=said.jsonl", *workers)
    lines = [json.loads(line) for line in (said.path / "said.jsonl").read_text(encoding="utf-8").splitlines()]
    seen = Counter((line["test"].partition("::")[2], line["outcome"], line["target"]) for line in lines)
    assert seen == {
        **dict.fromkeys([("test_passes", "passed", path) for path in ("/setup", "/passes", "/teardown")], 1),
        **dict.fromkeys([("test_skips", "skipped", path) for path in ("/setup", "/teardown")], 1),
        **dict.fromkeys([("test_fails", "failed", path) for path in ("/setup", "/fails?token=***", "/teardown")], 1),
        **dict.fromkeys(
            [("test_fails_at_its_end", "failed", path) for path in ("/setup", "/early", "/late", "/teardown")], 1
        ),
    }
    assert {(line["schema"], line["status"], line["app"]) for line in lines} == {(1, 200, "returned")}


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "two workers"])
def test_har_has_a_page_for_each_test_that_said_something(
    run: Run, run_program: Run, said: pytest.Pytester, workers: list[str]
) -> None:
    (run_program if workers else run)("--asgi-har=said.har", "--asgi-transcript=off", *workers)
    log = checked(json.loads((said.path / "said.har").read_text(encoding="utf-8")))["log"]
    titles = {page["id"]: page["title"].partition("::")[2] for page in log["pages"]}
    paths = [(titles[entry["pageref"]], entry["request"]["url"].partition("testserver")[2]) for entry in log["entries"]]
    assert sorted(paths) == sorted(
        [("test_passes", path) for path in ("/setup", "/passes", "/teardown")]
        + [("test_skips", path) for path in ("/setup", "/teardown")]
        + [("test_fails", path) for path in ("/setup", "/fails?token=***", "/teardown")]
        + [("test_fails_at_its_end", path) for path in ("/setup", "/early", "/late", "/teardown")]
    )


def test_har_has_whole_bodies_and_the_other_file_their_beginnings(run: Run, folder: pytest.Pytester) -> None:
    folder.makepyfile(
        test_suite="""
        from asgi_testkit import TestClient

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x" * 9999})

        def test_it():
            TestClient(app).get("/")
        """
    )
    run("--asgi-har=said.har").assert_outcomes(passed=1)
    run("--asgi-transcript-json=said.jsonl").assert_outcomes(passed=1)
    [entry] = json.loads((folder.path / "said.har").read_text(encoding="utf-8"))["log"]["entries"]
    message = json.loads((folder.path / "said.jsonl").read_text(encoding="utf-8"))["messages"][1]
    assert len(entry["response"]["content"]["text"]) == 9999
    assert (len(message["data"]), message["size"]) == (2048, 9999)


def test_where_no_test_brings_a_client_there_is_nothing_to_tell(
    run: Run, folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.makepyfile(test_suite="def test_it():\n    assert False")
    monkeypatch.delitem(sys.modules, "asgi_testkit._conversation.task")
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*transcript*")


def test_a_file_that_cannot_be_written_is_an_error(run: Run) -> None:
    result = run("--asgi-transcript-json=no/such/folder.jsonl")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--asgi-transcript-json: *no/such/folder.jsonl*"])
