"""``pytest --asgi-chaos``: one seed for a run, told at its head and below each failure, drawn alike in any order."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import hypothesis  # noqa: F401 - pytester puts `sys.modules` back, and what is not there before is imported each time
import pytest
import trio  # noqa: F401

from asgi_testkit._conversation import draws
from asgi_testkit._plugin.chaos import node_id_of

Run = Callable[..., pytest.RunResult]

SUITE = """
import pytest
from asgi_testkit import AsyncClient, TestClient

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})

@pytest.fixture(scope="session")
def asgi_app():
    return app

@pytest.fixture(scope="module")
def shared():
    return TestClient(app)

@pytest.mark.parametrize("n", range(6))
def test_blocking(asgi_test_client, shared, n):
    for client in (asgi_test_client, shared, asgi_test_client):
        assert client.post("/", content=b"abc").text == "fine"

@pytest.mark.parametrize("n", range(6))
@pytest.mark.anyio
async def test_awaited(asgi_client, anyio_backend, n):
    for _ in range(3):
        assert (await asgi_client.get("/")).text == "fine"

def test_told_otherwise():
    assert TestClient(app, faults=[]).get("/").text == "fine"

@pytest.mark.asgi(faults=[])
def test_marked(asgi_test_client):
    assert asgi_test_client.get("/").text == "fine"

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""

NAIVE = """
from asgi_testkit import TestClient

async def app(scope, receive, send):
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})

def test_it():
    for _ in range(20):
        assert TestClient(app).post("/", content=b"abc").text == "abc"
"""

PLUGINS = ("anyio", "asgi_testkit.pytest_plugin")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, plain_pytest: None) -> Run:
    """Runs pytest in this process, every warning an error."""
    monkeypatch.setattr(draws.suite, "test", None)

    def run(*options: str) -> pytest.RunResult:
        plugins = [part for plugin in PLUGINS for part in ("-p", plugin)]
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-W", "error", *plugins, *options)

    return run


@pytest.fixture
def run_program(pytester: pytest.Pytester, plain_pytest: None) -> Run:
    """Runs pytest in a process of its own."""

    def run(*options: str) -> pytest.RunResult:
        plugins = [part for plugin in PLUGINS for part in ("-p", plugin)]
        return pytester.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *plugins, *options)

    return run


def drawn(pytester: pytest.Pytester) -> dict[str, list[str]]:
    """Return what each test was told that its clients were given."""
    found: dict[str, list[str]] = {}
    for line in (pytester.path / "said.jsonl").read_text(encoding="utf-8").splitlines():
        said: dict[str, Any] = json.loads(line)
        if said["kind"] != "lifespan":
            found.setdefault(said["test"].partition("::")[2], []).append(said["faults"])
    return found


GROUPED = '@pytest.mark.xdist_group("one")\n@pytest.mark.parametrize("n", range(6))'

WRITTEN = "--asgi-transcript-json=said.jsonl"


def test_a_seed_draws_the_same_for_a_test_whichever_tests_run_before_it(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_suite=SUITE)
    run("--asgi-chaos=7", WRITTEN).assert_outcomes(passed=14)
    all_tests = drawn(pytester)
    assert all_tests.pop("test_told_otherwise") == all_tests.pop("test_marked") == [""]
    assert all(each.endswith("(drawn by Chaos(seed=7))") for told in all_tests.values() for each in told)
    assert len({str(told) for told in all_tests.values()}) > 6
    for test in ("test_blocking[4]", "test_awaited[2]"):
        run("--asgi-chaos=7", WRITTEN, f"test_suite.py::{test}").assert_outcomes(passed=1)
        assert drawn(pytester) == {test: all_tests[test]}
    run("--asgi-chaos=8", WRITTEN).assert_outcomes(passed=14)
    assert drawn(pytester)["test_blocking[4]"] != all_tests["test_blocking[4]"]


@pytest.mark.parametrize("dist", ["load", "loadgroup"])
def test_workers_draw_as_one_process_does(run_program: Run, pytester: pytest.Pytester, dist: str) -> None:
    marked = SUITE.replace('@pytest.mark.parametrize("n", range(6))\ndef', f"{GROUPED}\ndef")
    assert GROUPED in marked
    pytester.makepyfile(test_suite=marked)
    strictness = ("-p", "xdist", "--asgi-chaos=7", WRITTEN)
    run_program(*strictness).assert_outcomes(passed=14)
    one_process = drawn(pytester)
    run_program(*strictness, "-n", "2", "--dist", dist).assert_outcomes(passed=14)
    assert {name.removesuffix("@one"): told for name, told in drawn(pytester).items()} == one_process


def test_the_head_of_the_run_tells_the_seed_and_a_failure_how_to_see_it_again(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_naive=NAIVE)
    run().assert_outcomes(passed=1)
    result = run("--asgi-chaos=3")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "asgi-testkit: faults are drawn by the seed 3 (--asgi-chaos=3)",
            "*- asgi-testkit chaos -*",
            "The same faults once more: pytest --asgi-chaos=3 test_naive.py::test_it",
            "*faults: *(drawn by Chaos(seed=3))",
        ]
    )
    run("--asgi-chaos=3", "test_naive.py::test_it").assert_outcomes(failed=1)


def test_the_setting_is_as_good_as_the_option_which_overrules_it(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasgi_chaos = 3")
    pytester.makepyfile(test_naive=NAIVE)
    assert "the seed 3" in run().stdout.str()
    result = run("--asgi-chaos=0", "--asgi-testkit")
    assert "the seed 0" in result.stdout.str()
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize(
    "option, ini, told",
    [
        ("--asgi-chaos=some", "", "*--asgi-chaos: invalid int value: 'some'*"),
        ("-q", "asgi_chaos = some", "*asgi_chaos is an int, not 'some'*"),
    ],
)
def test_a_seed_that_is_none_is_refused(run: Run, pytester: pytest.Pytester, option: str, ini: str, told: str) -> None:
    pytester.makeini(f"[pytest]\n{ini}")
    result = run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([told])


def test_without_a_seed_nothing_is_drawn_and_nothing_told(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_suite=SUITE)
    result = run(WRITTEN)
    result.assert_outcomes(passed=14)
    result.stdout.no_fnmatch_line("*faults*")
    assert {each for told in drawn(pytester).values() for each in told} == {""}


def test_the_drop_ins_get_their_share(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_old="""
        import pytest
        from starlette.testclient import TestClient

        async def app(scope, receive, send):
            message = await receive()
            if scope["type"] == "websocket":
                await send({"type": "websocket.accept"})
                await send({"type": "websocket.send", "text": (await receive())["text"]})
                await send({"type": "websocket.close"})
                return
            body = message.get("body", b"")
            while message.get("more_body"):
                message = await receive()
                body += message.get("body", b"")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})

        def test_it():
            client = TestClient(app)
            for _ in range(20):
                assert client.post("/", content=b"abc").text == "abc"
                with client.websocket_connect("/") as session:
                    session.send_text("abc")
                    assert session.receive_text() == "abc"
        """
    )
    run("--asgi-testkit", "--asgi-chaos=5", WRITTEN).assert_outcomes(passed=1)
    told = drawn(pytester)["test_it"]
    assert len(told) == 40
    assert all(re.search(r"\(drawn by Chaos\(seed=5\)\)$", each) for each in told)


@pytest.mark.parametrize(
    "node_id, marker, is_worker, name",
    [
        ("t.py::t[a@b]", None, True, "t.py::t[a@b]"),
        ("t.py::t@one", SimpleNamespace(args=("one",), kwargs={}), False, "t.py::t@one"),
        ("t.py::t@one", SimpleNamespace(args=("one",), kwargs={}), True, "t.py::t"),
        ("t.py::t@one", SimpleNamespace(args=(), kwargs={"name": "one"}), True, "t.py::t"),
        ("t.py::t@default", SimpleNamespace(args=(), kwargs={}), True, "t.py::t"),
        ("t.py::t", SimpleNamespace(args=(), kwargs={}), True, "t.py::t"),
    ],
)
def test_the_group_of_a_worker_is_no_part_of_a_node_id(node_id: str, marker: Any, is_worker: bool, name: str) -> None:
    config = SimpleNamespace(**({"workerinput": {}} if is_worker else {}))
    item: Any = SimpleNamespace(nodeid=node_id, config=config, get_closest_marker=lambda _: marker)
    assert node_id_of(item) == name
