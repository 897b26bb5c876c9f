"""``expect_status=``: an answer with another status fails at the call, and says what led to it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx
import pytest

import asgi_testkit.httpx2
from asgi_testkit import ASGITransport, AsyncClient, Receive, Scope, Send, TestClient
from asgi_testkit._protocol.expectation import expected_status

from .apps import well
from .faces import Face
from .messages import Gate, body, echo, hello, start


def asked(expected: Any) -> dict[str, Any]:
    """Return the option of a request that expects this."""
    return {"extensions": {"asgi": {"expect_status": expected}}}


async def statuses(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer ``/404`` with that, ``/to/404`` with a redirect there; a WebSocket with an echo."""
    if scope["type"] == "websocket":
        return await echo(scope, receive, send)
    assert scope["type"] == "http"
    path = scope["path"]
    if path == "/raise":
        raise ZeroDivisionError
    if path.startswith("/to/"):
        await start(send, (b"location", path.removeprefix("/to").encode() + b"?token=open-sesame"), status=302)
        return await body(send)
    await start(send, status=int(path[1:4]))
    await body(send, b"why it is so", more=path.endswith("/unfinished"))
    if path.endswith("/unfinished"):
        while (await receive())["type"] != "http.disconnect":
            pass
    return None


# What it takes


@pytest.mark.parametrize(
    "given, inside, outside, told",
    [
        (404, {404}, {403, 405}, "404"),
        (HTTPStatus.CREATED, {201}, {200}, "201"),
        ("2xx", {200, 299}, {199, 300}, "2xx"),
        ("5XX", {500, 599}, {499}, "5XX"),
        ([200, "3xx"], {200, 300, 399}, {201}, "200 or 3xx"),
        ({204}, {204}, {200}, "204"),
        (range(200, 205), {200, 204}, {205}, "range(200, 205)"),
    ],
)
def test_what_it_takes(given: Any, inside: set[int], outside: set[int], told: str) -> None:
    expected = expected_status(given)
    assert expected is not None
    assert inside <= expected.codes
    assert not outside & expected.codes
    assert expected.told == told


@pytest.mark.parametrize(
    "given, error, text",
    [
        (True, TypeError, "not True"),
        (b"2xx", TypeError, "not b'2xx'"),
        (2.5, TypeError, "not 2.5"),
        ([None], TypeError, "not None"),
        ("ok", ValueError, "not 'ok'"),
        ("404", ValueError, "not '404'"),
        (99, ValueError, "not 99"),
        ([200, 600], ValueError, "not 600"),
        ([], ValueError, "expects no status at all"),
    ],
)
@pytest.mark.parametrize("make", [AsyncClient, TestClient])
def test_what_it_refuses(make: Any, given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match="expect_status") as caught:
        make(hello, expect_status=given)
    assert text in str(caught.value)


@pytest.mark.parametrize("given, error", [("ok", ValueError), (True, TypeError)])
def test_what_a_request_says_is_checked_before_it_is_sent(face: Face, given: Any, error: type[Exception]) -> None:
    app = well()
    with face.bare(app) as client, pytest.raises(error, match="expect_status is a status such as 404"):
        client.get("/200", **asked(given))
    assert app.story == []


# What it does


def test_an_answer_with_another_status_fails_at_the_call(face: Face) -> None:
    with face.bare(statuses, expect_status="2xx") as client:
        assert client.get("/204").status_code == 204
        with pytest.raises(AssertionError) as caught:
            client.post("/404", json={"password": "open-sesame"})
    first, *others = str(caught.value).splitlines()
    assert first == (
        "POST http://testserver/404: the answer is 404 Not Found, and expect_status is 2xx. Where another answer is "
        'right, say so with the request: extensions={"asgi": {"expect_status": 404}}'
    )
    assert others[0] == "POST /404  ->  404  (the app returned)"
    assert "why it is so" in str(caught.value)
    assert "open-sesame" not in str(caught.value)


def test_a_request_may_expect_another_status_or_any(face: Face) -> None:
    with face.bare(statuses, expect_status="2xx") as client:
        assert client.get("/404", **asked(404)).status_code == 404
        assert client.get("/500", **asked(None)).status_code == 500
        with pytest.raises(AssertionError, match="200 OK, and expect_status is 404"):
            client.get("/200", **asked(404))
    with face.bare(statuses) as client:
        assert client.get("/500").status_code == 500
        with pytest.raises(AssertionError, match=r"500 .*, and expect_status is 200"):
            client.get("/500", **asked(200))


def test_followed_redirects_are_judged_by_the_last_answer(face: Face) -> None:
    with face.bare(statuses, expect_status=200) as client:
        assert [each.status_code for each in client.get("/to/200").history] == [302]
        with pytest.raises(AssertionError) as caught:
            client.get("/to/404")
        with pytest.raises(AssertionError, match="302 Found"):
            client.get("/to/200", follow_redirects=False)
    told = str(caught.value)
    assert told.startswith("GET http://testserver/404?token=***: the answer is 404 Not Found")
    assert told.index("GET /to/404  ->  302") < told.index("GET /404?token=***  ->  404")  # both, and in order
    assert "open-sesame" not in told


def test_an_answer_that_is_streamed_is_closed_before_it_fails(face: Face) -> None:
    with face.bare(statuses, expect_status=200) as client:
        with pytest.raises(AssertionError) as caught:
            client.stream("GET", "/503/unfinished").__enter__()
        with client.stream("GET", "/200") as stream:
            assert stream.read() == b"why it is so"
    assert "GET /503/unfinished  ->  503  (the app returned)" in str(caught.value)
    assert "http.disconnect" in str(caught.value)


def test_what_the_app_raises_goes_first(face: Face) -> None:
    with face.bare(statuses, expect_status=200) as client:
        with pytest.raises(ZeroDivisionError):
            client.get("/raise")
        quiet = {"extensions": {"asgi": {"raise_server_exceptions": False}}}
        with pytest.raises(AssertionError, match="500 Internal Server Error") as caught:
            client.get("/raise", **quiet)
    assert "the app raised ZeroDivisionError()" in str(caught.value)


def test_what_an_app_raises_when_its_answer_is_let_go_is_raised(face: Face) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await statuses({**scope, "path": "/503/unfinished"}, receive, send)
        finally:
            raise LookupError

    with face.bare(app, expect_status=200) as client, pytest.raises(LookupError):
        client.stream("GET", "/").__enter__()


def test_handshakes_are_not_judged(face: Face) -> None:
    with face.bare(statuses, expect_status=200) as client:
        with client.connect("/") as socket:
            socket.send_text("a")
            assert socket.receive_text() == "a"
        upgrade = {"upgrade": "websocket", "connection": "upgrade"}
        assert client.get("/", headers=upgrade).status_code == 400  # nor is one that is refused
        with pytest.raises(ValueError, match="expect_status is not for WebSocket handshakes"):
            client.connect("/", **asked(200)).__enter__()
        with client.connect("/", **asked(None)) as socket:
            socket.send_text("b")
            assert socket.receive_text() == "b"


def test_logging_in_is_told_of_and_not_judged(face: Face) -> None:
    class Again(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Any:
            yield request
            request.url = httpx.URL("http://testserver/403")
            yield request

    with face.bare(statuses, expect_status=200, auth=Again()) as client, pytest.raises(AssertionError) as caught:
        client.get("/401")
    told = str(caught.value)
    assert told.index("GET /401  ->  401") < told.index("GET /403  ->  403")


def test_a_request_object_can_be_sent_twice() -> None:
    with TestClient(statuses, expect_status=200) as client:
        request = client.build_request("GET", "/404", **asked(404))
        assert [client.send(request).status_code for _ in range(2)] == [404, 404]
        request.extensions["asgi"]["expect_status"] = 200
        with pytest.raises(AssertionError) as caught:
            client.send(request)
    assert str(caught.value).count("GET /404  ->  404") == 1


def test_what_no_app_has_answered_is_judged_as_well() -> None:
    mock = httpx.MockTransport(lambda request: httpx.Response(418, text="a teapot"))
    client = TestClient(statuses, expect_status=200, mounts={"all://elsewhere": mock})
    with client, pytest.raises(AssertionError, match="418 I'm a teapot, and expect_status is 200") as caught:
        client.get("http://elsewhere/")
    assert "\n" not in str(caught.value)  # nothing was recorded of it


@pytest.mark.anyio
async def test_a_client_that_would_not_judge_is_told_so() -> None:
    async with httpx.AsyncClient(transport=ASGITransport(hello), base_url="http://testserver") as client:
        with pytest.raises(ValueError, match="expect_status is judged by AsyncClient and TestClient"):
            await client.get("/", **asked(200))
        assert (await client.get("/", **asked(None))).text == "hello"


@pytest.mark.anyio
async def test_a_client_of_httpx2_judges_too() -> None:
    async with asgi_testkit.httpx2.AsyncClient(statuses, expect_status=200) as client:
        with pytest.raises(AssertionError, match="404 Not Found, and expect_status is 200"):
            await client.get("/404")


def test_an_app_that_still_runs_is_left_to_run(face: Face) -> None:
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, status=500)
        await body(send)
        await gate.wait()

    with face.open(app, expect_status=200, background="detach", lifespan="off") as client:
        with pytest.raises(AssertionError, match="GET /  ->  500  \\(the app still runs\\)"):
            client.get("/")
        client.call(gate.open)
