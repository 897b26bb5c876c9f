"""``python -m asgi_testkit migrate``: what it reads, prints and writes, how it ends; whole suites before and after."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from asgi_testkit._tools.command_line import main

from .programs import run_program

BEFORE = "from starlette.testclient import TestClient\n\nclient = TestClient(app)\n"
AFTER = "from asgi_testkit import TestClient\n\nclient = TestClient(app)\n"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "test_it.py").write_text(BEFORE)
    return tmp_path


def test_without_write_there_is_a_diff_and_nothing_changes(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(suite)]) == 0
    file = suite / "test_it.py"
    assert file.read_text() == BEFORE
    assert capsys.readouterr().out == (
        f"--- {file}\n+++ {file}\n@@ -1,3 +1,3 @@\n-from starlette.testclient import TestClient\n"
        "+from asgi_testkit import TestClient\n \n client = TestClient(app)\n"
        "1 file would be changed; nothing is written without --write\n"
    )


def test_with_write_files_change_and_a_second_run_finds_nothing(
    suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--write", str(suite), str(suite / "test_it.py")]) == 0
    assert (suite / "test_it.py").read_text() == AFTER
    assert capsys.readouterr().out == "1 file changed\n"
    assert main(["migrate", "--check", str(suite)]) == 0
    assert capsys.readouterr().out == "0 files would be changed\n"


def test_check_says_by_its_status_whether_there_is_anything_to_do(
    suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--check", str(suite)]) == 1
    assert capsys.readouterr().out == "1 file would be changed; nothing is written without --write\n"
    assert (suite / "test_it.py").read_text() == BEFORE


@pytest.mark.parametrize("write", [False, True])
def test_what_needs_thought_is_listed_by_the_line_that_it_has_in_the_end(
    suite: Path, capsys: pytest.CaptureFixture[str], *, write: bool
) -> None:
    file = suite / "test_more.py"
    file.write_text(
        "from httpx import ASGITransport, AsyncClient\n\ndef make():\n    transport = ASGITransport(app)\n"
        "    return AsyncClient(transport=transport)\n\npatch('starlette.testclient.TestClient')\n"
    )
    assert main(["migrate", *(["--write"] if write else []), str(suite)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith(f"{file}:{6 if write else 7}: 'starlette.testclient.TestClient' is not used")
    assert lines[-1].startswith("2 files changed, 1 place to look at" if write else "2 files would be changed, 1 place")


def test_files_that_cannot_be_read_are_told_of_and_left(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (suite / "latin.py").write_bytes("# -*- coding: latin-1 -*-\n# \xe9\n".encode("latin-1"))
    (suite / "broken.py").write_text("def f(:\n")
    (suite / "missing.py").symlink_to(suite / "nowhere")
    (suite / ".venv").mkdir()
    (suite / ".venv" / "test_hidden.py").write_text("def f(:\n")
    assert main(["migrate", "--check", str(suite)]) == 1
    assert capsys.readouterr().out == (
        f"{suite / 'latin.py'}:1: the file was left alone: it is not in UTF-8\n"
        f"{suite / 'broken.py'}:1: the file was left alone: it is not Python that can be read\n"
        "1 file would be changed, 2 places to look at; nothing is written without --write\n"
    )


def test_a_mark_at_the_start_and_line_ends_stay(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_bytes(b"\xef\xbb\xbf" + BEFORE.replace("\n", "\r\n").encode())
    assert main(["migrate", "--write", str(file)]) == 0
    assert file.read_bytes() == b"\xef\xbb\xbf" + AFTER.replace("\n", "\r\n").encode()


def test_a_diff_shows_that_a_line_does_not_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text("from starlette.testclient import TestClient")
    assert main(["migrate", str(tmp_path)]) == 0
    assert "-from starlette.testclient import TestClient\n\\ No newline at end of file\n" in capsys.readouterr().out


def test_a_path_that_is_not_there_is_an_error_of_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"there is no file or folder {tmp_path / 'nowhere'}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["migrate"], ["migrate", "--runner", "trio", "."], ["migrate", "--write", "--check", "."]]
)
def test_arguments_that_make_no_sense_are_errors_of_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_without_libcst_it_says_what_to_install() -> None:
    source = """
    import sys
    sys.modules["libcst"] = None
    from asgi_testkit._tools.command_line import main
    print(main(["migrate", "."]))
    """
    assert run_program(source, may_complain=True) == "2\n"


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.startswith(("libcst", "asgi_testkit._tools.migrate."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "libcst", None)
    assert main(["migrate", "."]) == 2
    assert capsys.readouterr().err == 'migrate needs libCST: pip install "asgi-testkit[migrate]"\n'


def test_an_import_that_fails_otherwise_is_no_matter_of_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asgi_testkit._tools.migrate.run", None)
    with pytest.raises(ModuleNotFoundError):
        main(["migrate", "."])


APP = """
    from contextlib import asynccontextmanager
    from fastapi import FastAPI, WebSocket
    from fastapi.responses import RedirectResponse, StreamingResponse

    @asynccontextmanager
    async def lifespan(app):
        yield {"ready": True}

    app = FastAPI(lifespan=lifespan)

    @app.get("/hello")
    async def hello():
        return "hello"

    @app.api_route("/old", methods=["GET", "HEAD"])
    async def old():
        return RedirectResponse("/hello")

    @app.get("/lines")
    async def lines():
        return StreamingResponse(iter(["a\\n", "b\\n"]))

    @app.websocket("/echo")
    async def echo(websocket: WebSocket):
        await websocket.accept(subprotocol="v1" if "v1" in websocket.scope["subprotocols"] else None)
        while (text := await websocket.receive_text()) != "bye":
            await websocket.send_text(text)
        await websocket.close(4000, "bye")

    @app.websocket("/refused")
    async def refused(websocket: WebSocket):
        await websocket.close(4001)
    """

CONFTEST = """
    import pytest
    from app import app
    from starlette.testclient import TestClient

    @pytest.fixture
    def client():
        with TestClient(app) as client:
            yield client
    """

BLOCKING = """
    import pytest
    from app import app
    from fastapi.testclient import TestClient
    from starlette.websockets import WebSocketDisconnect

    bare = TestClient(app, raise_server_exceptions=False)

    def hello(client):
        return client.get("/hello").json()

    def test_hello(client):
        assert hello(client) == "hello"

    @pytest.mark.parametrize("method", ["get", "head"])
    def test_redirects(method):
        assert getattr(bare, method)("/old").url.path == "/hello"

    def test_lines(client):
        with client.stream("GET", "/lines") as response:
            assert list(response.iter_lines()) == ["a", "b"]

    class TestSockets:
        def test_echo(self, client):
            with client.websocket_connect("/echo", subprotocols=["v1"]) as session:
                assert session.accepted_subprotocol == "v1"
                session.send_text("hello")
                assert session.receive_text() == "hello"
                session.send_text("bye")
                with pytest.raises(WebSocketDisconnect) as caught:
                    session.receive_text()
            assert (caught.value.code, caught.value.reason) == (4000, "bye")

        def test_refused(self, client):
            with pytest.raises(WebSocketDisconnect), client.websocket_connect("/refused"):
                pass
    """

AWAITED = """
    import pytest
    from app import app
    from asgi_lifespan import LifespanManager
    from httpx import ASGITransport, AsyncClient

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.fixture
    async def client():
        async with LifespanManager(app) as manager:
            transport = ASGITransport(app=manager.app)
            async with AsyncClient(transport=transport, base_url="http://test") as client:
                yield client

    async def test_hello(client):
        assert (await client.get("/hello")).json() == "hello"
        assert (await client.get("/old")).status_code == 307

    async def test_without_lifespan():
        async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
            assert (await client.get("/hello")).json() == "hello"
    """


@pytest.mark.slow
@pytest.mark.usefixtures("plain_pytest")
@pytest.mark.parametrize(
    "arguments, plugins",
    [
        ((), ()),
        (("--async",), ()),
        (
            ("--async", "--runner=asyncio"),
            ("-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function"),
        ),
    ],
)
def test_a_suite_passes_before_and_after(tmp_path: Path, arguments: tuple[str, ...], plugins: tuple[str, ...]) -> None:
    files = {"app.py": APP, "conftest.py": CONFTEST, "test_blocking.py": BLOCKING, "test_awaited.py": AWAITED}
    for name, source in files.items():
        (tmp_path / name).write_text(dedent(source))
    words = [sys.executable, "-m", "pytest", "-q", "-p", "anyio", "-p", "no:cacheprovider", "-W", "error", *plugins]

    def passed() -> str:
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.splitlines()[-1].partition(" in ")[0]

    assert passed() == "8 passed"
    assert main(["migrate", "--write", *arguments, str(tmp_path)]) == 0
    assert passed() == "8 passed"
    moved = (tmp_path / "test_blocking.py").read_text()
    assert "starlette.testclient" not in moved
    assert "WebSocketDisconnect" in moved.partition("bare =")[0].replace("starlette.websockets", "")
    assert ("async def test_echo" in moved) == ("--async" in arguments)
    assert "LifespanManager" not in (tmp_path / "test_awaited.py").read_text()


def test_the_module_can_be_run(suite: Path) -> None:
    source = f"""
    import runpy, sys
    sys.argv = ["asgi_testkit", "migrate", "--write", {str(suite)!r}]
    try:
        runpy.run_module("asgi_testkit", run_name="__main__")
    except SystemExit as end:
        print(end.code)
    """
    assert run_program(source, may_complain=True) == "1 file changed\n0\n"
    assert (suite / "test_it.py").read_text() == AFTER
