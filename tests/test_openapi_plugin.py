"""``pytest --asgi-openapi``: pytest runs here as its users run it, on an app that is not what its document says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fastapi.testclient  # noqa: F401 - pytester puts `sys.modules` back, and what is not there is imported each time
import hypothesis  # noqa: F401
import jsonschema_rs  # noqa: F401
import pytest

from asgi_testkit._contract.finding import Finding, Kind, Sighting
from asgi_testkit._conversation import observer
from asgi_testkit._plugin import openapi_options
from asgi_testkit._plugin.openapi import OpenAPI

from .test_docs import fences, files

Run = Callable[..., pytest.RunResult]

APP = """
import json

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    status, body = scope["path"].strip("/").split("/")
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"price": body}).encode()})

def document():
    price = {"type": "object", "properties": {"price": {"type": "string", "maxLength": 3}}}
    answer = {"description": "", "content": {"application/json": {"schema": price}}}
    operation = {"responses": {"200": answer}}
    other = {"responses": {"200": answer, "404": answer, "422": answer}}
    info = {"title": "shop", "version": "1"}
    paths = {"/{status}/{price}": {"get": operation, "post": other}, "/never": {"get": operation}}
    return {"openapi": "3.1.0", "info": info, "paths": paths}
"""

SUITE = """
import pytest
from asgi_testkit import TestClient
from main import app

CLIENT = TestClient(app)

@pytest.mark.parametrize("price", ["1", "1234", "12345"])
def test_price(price):
    CLIENT.get(f"/200/{price}")

def test_status():
    CLIENT.get("/409/1")

def test_post():
    CLIENT.post("/200/1")
"""


@pytest.fixture
def run(pytester: pytest.Pytester, plain_pytest: None) -> Run:
    """Runs pytest in this process, every warning an error, with settings that are given."""
    pytester.makepyfile(main=APP, test_suite=SUITE)
    before = observer.current

    def run(*options: str, **settings: str) -> pytest.RunResult:
        given = {"asgi_openapi": "main:document", "pythonpath": ".", "minversion": "7", **settings}
        pytester.makeini("[pytest]\n" + "\n".join(f"{name} = {value}" for name, value in given.items()))
        plugin = ("-p", "asgi_testkit.pytest_plugin")
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-W", "error", *plugin, *options)
        assert observer.current is before
        return result

    return run


REPORT = """
shop 1: 2 of 3 operations exercised
exchanges: 5 judged

Responses that are not what the document says: 1
  GET /{status}/{price}  200 application/json $.price = "12345": it is longer than 3 characters
      seen in test_suite.py::test_price[[]12345] (2 times); send what the schema asks for, or change *

Statuses that the document does not have: 1
  GET /{status}/{price}  409: the document has 200
      seen in test_suite.py::test_status; add 409 to its `responses`; in FastAPI: responses={409: ...}

Operations that were never exercised: 1
  GET /never  (shop 1)

Statuses and types that were never seen, of operations that were exercised: 1
  POST /{status}/{price}: 404  (shop 1)
""".strip().splitlines()


def test_a_run_reports(run: Run) -> None:
    result = run("--asgi-openapi")
    result.stdout.fnmatch_lines(["*= asgi-testkit: OpenAPI =*", *REPORT])
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize("options, settings", [(["--asgi-openapi-fail"], {}), ([], {"asgi_openapi_mode": "fail"})])
def test_a_run_fails_by_what_breaks_a_promise(run: Run, options: list[str], settings: dict[str, str]) -> None:
    result = run(*options, **settings)
    result.stdout.fnmatch_lines(
        [*REPORT, "asgi-testkit: the run fails by responses that are not what the document says: 1"]
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_an_undocumented_status_does_not_fail_a_run(run: Run) -> None:
    result = run("--asgi-openapi-fail", "-k", "test_status")
    result.stdout.fnmatch_lines(["Statuses that the document does not have: 1"])
    assert result.ret == pytest.ExitCode.OK


def test_a_run_that_has_failed_fails_as_it_did(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_other="def test_it(): assert 0")
    assert run("--asgi-openapi-fail").ret == pytest.ExitCode.TESTS_FAILED
    assert run("--asgi-openapi-fail", "-k", "nothing").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_without_the_option_nothing_is_said(run: Run) -> None:
    result = run()
    result.stdout.no_fnmatch_line("*OpenAPI*")
    assert result.ret == pytest.ExitCode.OK


def test_the_setting_is_as_good_as_the_option(run: Run) -> None:
    run(asgi_openapi_mode="report").stdout.fnmatch_lines(REPORT)


def test_what_is_known_is_not_told_and_does_not_fail(run: Run, pytester: pytest.Pytester) -> None:
    result = run("--asgi-openapi-json=known.json")
    result.stdout.fnmatch_lines(REPORT)
    for options, settings in (
        (["--asgi-openapi-baseline=known.json"], {}),
        ([], {"asgi_openapi_baseline": "known.json"}),
    ):
        result = run("--asgi-openapi-fail", *options, **settings)
        result.stdout.fnmatch_lines(["Findings of the baseline: 2 seen again, and not told"])
        result.stdout.no_fnmatch_line("*it is longer*")
        assert result.ret == pytest.ExitCode.OK
    result = run("--asgi-openapi-baseline=known.json", "-k", "test_status")
    result.stdout.fnmatch_lines(["Findings of the baseline: 1 seen again, and not told; 1 not seen"])


def test_the_results_are_written_as_json(run: Run, pytester: pytest.Pytester) -> None:
    run("--asgi-openapi-json=found.json")
    found = json.loads((pytester.path / "found.json").read_text(encoding="utf-8"))
    assert found["schema"] == 1
    assert found["counts"] == {"judged": 5}
    assert found["documents"]["shop 1"]["POST /{status}/{price}"] == {
        "documented": {status: ["application/json"] for status in ("200", "404", "422")},
        "exercised": {"200 application/json": 1},
    }
    assert found["findings"][0] == {
        "kind": "schema",
        "document": "shop 1",
        "operation": "GET /{status}/{price}",
        "where": "200 application/json",
        "path": "$.price",
        "what": "it is longer than 3 characters",
        "test": "test_suite.py::test_price[12345]",
        "shown": '"12345"',
        "count": 2,
        "advice": "send what the schema asks for, or change responses -> 200 -> application/json -> schema",
    }


def test_a_table_is_appended_as_markdown(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "summary.md").write_text("# Before\n", encoding="utf-8")
    run("--asgi-openapi-markdown=summary.md")
    text = (pytester.path / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("# Before\n## OpenAPI\n\n* shop 1: 2 of 3 operations exercised\n")
    assert '| schema | GET /{status}/{price} | 200 application/json $.price = "12345": it is longer' in text
    assert "* `GET /never` (shop 1)" in text
    run("--asgi-openapi-json=known.json")
    run("--asgi-openapi-markdown=again.md", "--asgi-openapi-baseline=known.json")
    text = (pytester.path / "again.md").read_text(encoding="utf-8")
    assert "No differences between the app and its document" in text
    assert "* Findings of the baseline: 2 seen again, and not told" in text


@pytest.mark.slow
def test_workers_find_what_one_process_finds(run: Run, pytester: pytest.Pytester) -> None:
    run("--asgi-openapi-json=one.json")
    result = run("-p", "xdist", "-n", "2", "--asgi-openapi-json=two.json", "--asgi-openapi-fail")
    result.stdout.fnmatch_lines(REPORT)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    one, two = ((pytester.path / name).read_text(encoding="utf-8") for name in ("one.json", "two.json"))
    assert one == two


@pytest.mark.slow
def test_a_worker_that_has_crashed_is_told_of(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_suite="import os\ndef test_it(): os._exit(3)")
    result = run("-p", "xdist", "-n", "1", "--max-worker-restart=0", "--asgi-openapi")
    result.stdout.fnmatch_lines(["What could not be judged: 1", "*a worker of pytest-xdist*crashed*"])


def test_a_suite_of_another_client_is_judged_by_the_document_of_its_app(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_suite="""
        from fastapi import FastAPI
        from fastapi.responses import JSONResponse
        from fastapi.testclient import TestClient

        app = FastAPI()

        @app.get("/")
        def root() -> int:
            return JSONResponse("one")

        def test_it():
            assert TestClient(app).get("/").json() == "one"
        """
    )
    result = run("--asgi-testkit", "--asgi-openapi", asgi_openapi="")
    result.stdout.fnmatch_lines(
        [
            "FastAPI 0.1.0: 1 of 1 operations exercised",
            '  GET /  200 application/json $ = "one": it is not of type "integer"',
            "      seen in test_suite.py::test_it; *",
            "asgi-testkit: 1 client, 1 request, 0 WebSocket sessions, 0 lifespans",
        ]
    )


def test_the_page_shows_what_is_told(run: Run, pytester: pytest.Pytester) -> None:
    page = (Path(__file__).parent.parent / "docs" / "howto" / "openapi.md").read_text(encoding="utf-8")
    for name, source in files(page).items():
        (pytester.path / name).write_text(source, encoding="utf-8")
    (pytester.path / "test_suite.py").unlink()
    [shown] = [fence.code for fence in fences(page) if fence.label == "text" and fence.code.startswith("===")]
    told = run("-q", "--asgi-openapi", asgi_openapi="").stdout.str()
    assert shown.partition("\n")[2].rpartition("4 passed")[0] in told


def test_what_is_said_outside_of_tests_is_judged_as_well(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_suite=f"{SUITE}\nCLIENT.get('/200/12345')\ndef test_it(): pass")
    result = run("--asgi-openapi", "-k", "test_it")
    result.stdout.fnmatch_lines(["      seen in no test; *"])


@pytest.mark.parametrize(
    "options, settings, told",
    [
        ([], {"asgi_openapi_mode": "some"}, "*asgi_openapi_mode is one of off, report, fail, not 'some'*"),
        (["--asgi-openapi"], {"asgi_openapi": "main:no"}, "*asgi_openapi: main:no cannot be had: AttributeError: *"),
        (["--asgi-openapi"], {"asgi_openapi": "no.json"}, "*asgi_openapi: no.json cannot be had: FileNotFoundError: *"),
        (["--asgi-openapi"], {"asgi_openapi": "main:app.x"}, "*asgi_openapi: main:app.x cannot be had: *"),
        (["--asgi-openapi"], {"asgi_openapi": "main:APP"}, "*asgi_openapi: * no OpenAPI document, but of type str*"),
        (["--asgi-openapi-baseline=no.json"], {}, "*asgi_openapi: *no.json is no baseline: FileNotFoundError: *"),
        (["--asgi-openapi-baseline=list.json"], {}, "*list.json is no baseline: TypeError: *"),
        (
            ["--asgi-openapi-baseline=kind.json"],
            {},
            "*kind.json is no baseline: ValueError: 'some' is not a valid Kind*",
        ),
    ],
)
def test_what_is_not_there_is_refused(
    run: Run, pytester: pytest.Pytester, options: list[str], settings: dict[str, str], told: str
) -> None:
    pytester.makepyfile(main=f"{APP}\nAPP = ''")
    finding: dict[str, Any] = dict.fromkeys(("kind", "document", "operation", "where", "path", "what"), "some")
    (pytester.path / "kind.json").write_text(json.dumps({"findings": [finding]}), encoding="utf-8")
    (pytester.path / "list.json").write_text("[]", encoding="utf-8")
    result = run(*options, **settings)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([told])


def test_a_document_may_be_a_file(run: Run, pytester: pytest.Pytester) -> None:
    scope: dict[str, Any] = {}
    exec(APP, scope)
    (pytester.path / "document.json").write_text(json.dumps(scope["document"]()), encoding="utf-8")
    run("--asgi-openapi", asgi_openapi="document.json").stdout.fnmatch_lines(REPORT)
    pytester.makepyfile(main=APP.replace("def document():", "def made():") + "\ndocument = made()")
    run("--asgi-openapi").stdout.fnmatch_lines(REPORT)


@pytest.mark.parametrize("option", ["--asgi-openapi-json=no/x.json", "--asgi-openapi-markdown=no/x.md"])
def test_a_file_that_cannot_be_written_is_told_of(run: Run, option: str) -> None:
    result = run(option)
    result.stdout.fnmatch_lines([*REPORT, "*a file could not be written: * No such file or directory*"])


def test_a_worker_hands_its_results_to_the_controller() -> None:
    """As the slow tests with pytest-xdist, but in this process."""
    asked = openapi_options.Asked(fails=True, document="", baseline="", json=None, markdown=None)
    worker, controller = OpenAPI(asked, Path()), OpenAPI(asked, Path())
    controller.end()
    worker.end()
    finding = Finding(Kind.SCHEMA, "shop", "GET /", "200 application/json", "$", "it is wrong")
    worker._results.add_finding(finding, Sighting("test_it", "3"))
    config = SimpleNamespace(workeroutput={})
    session: Any = SimpleNamespace(config=config, exitstatus=pytest.ExitCode.OK)
    worker.pytest_sessionfinish(session)
    assert session.exitstatus == pytest.ExitCode.OK
    controller.pytest_testnodedown(SimpleNamespace(workeroutput=config.workeroutput))
    controller.pytest_testnodedown(SimpleNamespace())
    assert controller._results.findings == worker._results.findings
    assert [*controller._results.troubles] == ["what a worker of pytest-xdist has exercised, which has crashed"]
    ended: Any = SimpleNamespace(config=SimpleNamespace(), exitstatus=pytest.ExitCode.OK)
    controller.pytest_sessionfinish(ended)
    assert ended.exitstatus == pytest.ExitCode.TESTS_FAILED


def test_without_the_package_it_takes_pytest_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi_options, "find_spec", lambda name: None)
    result = run("--asgi-openapi")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*jsonschema-rs, which is not installed: pip install asgi-testkit[[]openapi]*"])
