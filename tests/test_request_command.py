"""``python -m asgi_testkit GET app:app /path``: one request from the shell, and its transcript."""

from __future__ import annotations

import io
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from starlette.websockets import WebSocketDisconnect as StarlettesDisconnect

import asgi_testkit
from asgi_testkit import Receive, Scope, Send
from asgi_testkit._tools.command_line import main

from .messages import accept, body, deny, hang_up, say, start


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Do what the path says, over HTTP or WebSocket."""
    if scope["type"] == "lifespan":
        sys.stdout.write("the app starts\n")
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})
    if scope["type"] == "websocket":
        return await over_websocket(scope, receive, send)
    path = scope["path"]
    if path == "/raise":
        raise ZeroDivisionError
    if path == "/redirect":
        await start(send, (b"location", b"/there"), status=307)
        return await body(send)
    if path == "/silent":
        await anyio.sleep_forever()
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    sent = (await receive())["body"]
    await start(send, status=404 if path == "/missing" else 200)
    if path == "/endless":
        with anyio.move_on_after(60):
            while True:
                await body(send, b"tick ", more=True)
                await anyio.sleep(0.01)
    told = {
        "method": scope["method"],
        "type": headers.get("content-type"),
        "x": headers.get("x"),
        "body": sent.decode(),
    }
    return await body(send, json.dumps(told).encode())


async def over_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    path = scope["path"]
    if path == "/denied":
        return await deny(send, status=403)
    if path == "/rejected":
        return await hang_up(send, code=4000)
    await accept(send)
    if path == "/raise":
        raise ZeroDivisionError
    if path == "/closes":
        return await hang_up(send, code=4001)
    if path == "/endless":
        while True:
            await say(send, "tick")
            await anyio.sleep(0.01)
    while (message := await receive())["type"] == "websocket.receive":
        await say(send, message.get("text") or message["bytes"])
    raise StarlettesDisconnect(message["code"])


async def does_not_start(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})


def make() -> Any:
    """Make the app."""
    return app


class Ran(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(method: str, *arguments: str, app: str = "tests.test_request_command:app") -> Ran:
        url, *options = arguments or ("/",)
        status = main([method, app, url, *options])
        out, err = capsys.readouterr()
        return Ran(status, out, err)

    return call


def test_it_prints_the_transcript_of_one_request(run: Any) -> None:
    ran = run("GET", "/there?token=open-sesame", "-H", "x: 1")
    assert ran.status == 0
    lifespan, request = ran.out.split("GET /there")
    assert lifespan.startswith("lifespan  (the app returned)\n")
    assert request.startswith("?token=***  ->  200  (the app returned)\n")
    assert '"x": "1"' in request
    assert "curl -i -H 'x: 1'" in request
    assert ran.err == "the app starts\n"  # what the app prints is not in the transcript


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE", "OPTIONS", "PURGE"])
def test_any_method_works(run: Any, method: str) -> None:
    ran = run(method, "/")
    assert ran.status == 0
    assert f"{method} /  ->  200" in ran.out


def test_a_url_may_be_left_out_and_a_factory_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["GET", "tests.test_request_command:make()"]) == 0
    assert "GET /  ->  200" in capsys.readouterr().out


@pytest.mark.parametrize(
    "data, expected",
    [
        ('{"a": 1}', "application/json"),
        ("[1]", "application/json"),
        ("a=1&b=2", "application/x-www-form-urlencoded"),
        ("1", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_says_what_it_is(run: Any, data: str, expected: str) -> None:
    ran = run("POST", "/", "-d", data, "--json")
    answer = json.loads(json.loads(ran.out.splitlines()[-1])["messages"][-1]["data"])
    assert answer == {"method": "POST", "type": expected, "x": None, "body": data}


def test_a_header_says_better_what_a_body_is(run: Any) -> None:
    assert '"type": "text/plain"' in run("POST", "/", "-d", "[1]", "-H", "Content-Type: text/plain").out


def test_a_body_comes_from_a_file_or_from_stdin(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "body").write_text("of a file")
    assert '"body": "of a file"' in run("POST", "/", "-d", f"@{tmp_path / 'body'}").out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"of stdin")))
    assert '"body": "of stdin"' in run("POST", "/", "-d", "@-").out
    with pytest.raises(SystemExit) as exited:
        run("POST", "/", "-d", f"@{tmp_path / 'nothing'}")
    assert exited.value.code == 2
    assert "No such file" in capsys.readouterr().err


def test_redirects_are_followed_if_asked_for(run: Any) -> None:
    assert "GET /there" not in run("GET", "/redirect").out
    ran = run("GET", "/redirect", "-L")
    assert "GET /redirect  ->  307" in ran.out
    assert "GET /there  ->  200" in ran.out


def test_an_answer_of_any_status_is_an_answer(run: Any) -> None:
    ran = run("GET", "/missing")
    assert (ran.status, "->  404" in ran.out) == (0, True)


def test_an_app_that_raises(run: Any) -> None:
    ran = run("GET", "/raise")
    assert ran.status == 1
    assert "GET /raise  ->  no response  (the app raised ZeroDivisionError())" in ran.out
    assert ran.err.count("Traceback") == 1
    assert ran.err.endswith("ZeroDivisionError\n")


def test_an_app_that_does_not_answer(run: Any) -> None:
    ran = run("GET", "/silent", "--timeout", "0.05")
    assert ran.status == 1
    assert "GET /silent  ->  no response  (the app was cancelled)" in ran.out
    assert "ReadTimeout: GET /silent: 0.05 seconds passed" in ran.err
    assert "Traceback" not in ran.err


def test_a_stream_without_end_is_left(run: Any) -> None:
    ran = run("GET", "/endless", "--timeout", "0.05")
    assert ran.status == 0
    assert "http.response.body  tick tick" in ran.out


def test_an_app_that_does_not_start(run: Any) -> None:
    ran = run("GET", app="tests.test_request_command:does_not_start")
    assert ran.status == 1
    assert ran.err == "LifespanError: the application reported lifespan.startup.failed: 'no database'\n"
    assert "lifespan.startup.failed  no database" in ran.out


def test_an_app_that_returns_without_an_answer(run: Any) -> None:
    ran = run("GET", "/", "--lifespan", "off", app="tests.test_request_command:does_not_start")
    assert ran.status == 1
    assert ran.err.startswith("ASGIProtocolError: application returned while waiting for http.response.start")


# WebSockets


def test_a_websocket_is_sent_to_and_received_from_until_nothing_comes(run: Any) -> None:
    ran = run("GET", "/echo", "--ws", "-d", "one", "-d", "two", "--idle", "0.05")
    assert ran.status == 0
    assert "websocket.receive  one" in ran.out
    assert "websocket.send  two" in ran.out
    assert "websocket.disconnect  1000" in ran.out
    assert "ReadTimeout" not in ran.out


def test_what_is_no_text_is_sent_as_bytes(run: Any, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"\xff\x00")
    assert (
        r"websocket.send  b'\xff\x00'" in run("GET", "/", "--ws", "-d", f"@{tmp_path / 'data'}", "--idle", "0.05").out
    )


def test_a_websocket_that_is_never_quiet_is_closed(run: Any) -> None:
    ran = run("GET", "/endless", "--ws", "--timeout", "0.05")
    assert ran.status == 0
    assert "websocket.send  tick" in ran.out


@pytest.mark.parametrize(
    "path, shown",
    [("/denied", "->  403"), ("/rejected", "websocket.close  4000"), ("/closes", "websocket.close  4001")],
)
def test_a_websocket_that_the_app_closes(run: Any, path: str, shown: str) -> None:
    ran = run("GET", path, "--ws")
    assert (ran.status, shown in ran.out) == (0, True)


def test_an_app_that_raises_in_a_websocket(run: Any) -> None:
    ran = run("GET", "/raise", "--ws")
    assert ran.status == 1
    assert "WebSocket /raise  (the app raised ZeroDivisionError())" in ran.out
    assert ran.err.endswith("ZeroDivisionError\n")


# What makes no sense


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["GET", "nowhere:app"], "nowhere:app: No module named 'nowhere'. Is its folder on sys.path?"),
        (["GET", "tests.apps"], "tests.apps: an app is named module:attribute"),
        (["GET", "tests.apps:nothing"], "module 'tests.apps' has no attribute 'nothing'"),
        (["GET", "tests.apps:STARTED"], "app must be an ASGI application"),
        (["POST", "tests.apps:mirror", "/", "--ws"], "a WebSocket is opened by GET, not by POST"),
        (["POST", "tests.apps:mirror", "/", "-d", "a", "-d", "b"], "a request has one body; several are for --ws"),
    ],
)
def test_what_makes_no_sense(capsys: pytest.CaptureFixture[str], arguments: list[str], text: str) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert text in err
    assert out == ""


@pytest.mark.parametrize(
    "arguments, text",
    [
        ([], "COMMAND"),
        (["get", "tests.apps:mirror"], "invalid choice: 'get'"),
        (["GET"], "required: app"),
        (["GET", "tests.apps:mirror", "-H", "x"], "'x' is not 'name: value'"),
        (["GET", "tests.apps:mirror", "--timeout", "0"], "0 is not more than 0 seconds"),
        (["GET", "tests.apps:mirror", "--timeout", "soon"], "invalid seconds value: 'soon'"),
    ],
)
def test_arguments_that_make_no_sense(capsys: pytest.CaptureFixture[str], arguments: list[str], text: str) -> None:
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    assert text in capsys.readouterr().err


def test_it_is_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["asgi_testkit", "GET", "tests.messages:hello", "/there", "--lifespan", "off"])
    path = Path(asgi_testkit.__file__).with_name("__main__.py")  # runpy cannot do with pytest's import hook
    with pytest.raises(SystemExit) as exited:
        exec(compile(path.read_bytes(), path, "exec"), {"__name__": "__main__", "__package__": "asgi_testkit"})
    assert exited.value.code == 0
    assert "GET /there  ->  200" in capsys.readouterr().out


def test_to_import_it_runs_nothing() -> None:
    assert import_module("asgi_testkit.__main__").main is main
