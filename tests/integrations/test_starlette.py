"""Starlette: its lifespan, streams, background work, errors, middleware and routing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route

from tests.faces import Face
from tests.messages import Gate, Recorder

Endpoint = Callable[[Request], Any]


def starlette(endpoint: Endpoint, *middleware: Middleware, **options: Any) -> Starlette:
    """Return an app with one route."""
    route = Route("/", endpoint, methods=["GET", "POST"])
    return Starlette(routes=[route], middleware=middleware, **options)


# The lifespan


def test_starlette_s_lifespan_runs_and_its_state_is_seen(face: Face) -> None:
    story = Recorder()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        story("up")
        yield {"name": "database"}
        story("down")

    async def endpoint(request: Request) -> Response:
        story("request")
        return PlainTextResponse(request.state.name)

    with face.open(starlette(endpoint, lifespan=lifespan), lifespan="on") as client:
        assert client.get().text == "database"
    assert story.events == ["up", "request", "down"]


def test_what_starlette_s_startup_raises_is_raised_as_it_is_and_told_once(face: Face) -> None:
    error = LookupError("no database")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise error
        yield

    with pytest.raises(LookupError) as caught:
        face.open(Starlette(lifespan=lifespan)).__enter__()
    assert caught.value is error
    assert not hasattr(error, "__notes__")  # Starlette reports the traceback that is shown anyway


def test_what_starlette_s_shutdown_raises_is_raised_as_it_is(face: Face) -> None:
    error = LookupError("still in use")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        raise error

    opened = face.open(Starlette(lifespan=lifespan))
    opened.__enter__()
    with pytest.raises(LookupError) as caught:
        opened.__exit__(None, None, None)
    assert caught.value is error


# Requests and responses


def test_starlette_reads_what_is_sent(face: Face) -> None:
    async def endpoint(request: Request) -> Response:
        async with request.form() as form:
            upload: Any = form["file"]
            content = (await upload.read()).decode()
        return JSONResponse([form["name"], upload.filename, content, dict(request.query_params), request.cookies])

    with face.open(starlette(endpoint)) as client:
        response = client.post(
            "/?a=b", data={"name": "value"}, files={"file": ("a.txt", b"content")}, cookies={"c": "d"}
        )
    assert response.json() == ["value", "a.txt", "content", {"a": "b"}, {"c": "d"}]


def test_starlette_s_stream_is_read_as_it_comes(face: Face) -> None:
    gate = Gate()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        await gate.wait()
        yield b"two"

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(chunks())

    with face.open(starlette(endpoint)) as client, client.stream() as stream:
        assert stream.next() == b"one"
        client.call(gate.open)
        assert stream.chunks() == [b"two"]


def test_a_stream_without_end_ends_when_the_client_leaves(face: Face) -> None:
    story = Recorder()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await anyio.sleep_forever()
        finally:
            story("ended")

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(chunks())

    with face.open(starlette(endpoint)) as client:
        with client.stream() as stream:
            assert stream.next() == b"one"
        assert story.events == ["ended"]


def test_an_upload_is_streamed_to_starlette(face: Face) -> None:
    async def endpoint(request: Request) -> Response:
        return JSONResponse([chunk.decode() async for chunk in request.stream()])

    with face.open(starlette(endpoint)) as client:
        response = client.post("/", content=client.upload(b"one", b"two"))
    assert [chunk for chunk in response.json() if chunk] == ["one", "two"]


def test_starlette_s_background_task_has_run_when_the_call_returns(face: Face) -> None:
    story = Recorder()

    async def work(gate: Gate) -> None:
        await gate.wait()
        story("done")

    async def endpoint(request: Request) -> Response:
        gate = Gate()
        await gate.open()
        return PlainTextResponse("accepted", background=BackgroundTask(work, gate))

    with face.open(starlette(endpoint)) as client:
        assert client.get().text == "accepted"
        assert story.events == ["done"]


def test_what_starlette_s_background_task_raises_is_raised(face: Face) -> None:
    error = LookupError("in the background")

    def work() -> None:
        raise error

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse("accepted", background=BackgroundTask(work))

    with face.open(starlette(endpoint)) as client, pytest.raises(LookupError) as caught:
        client.get()
    assert caught.value is error


def test_a_detached_background_task_does_not_hold_the_response_up(face: Face) -> None:
    gate, story = Gate(), Recorder()

    async def work() -> None:
        await gate.wait()
        story("done")

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse("accepted", background=BackgroundTask(work))

    with face.open(starlette(endpoint), background="detach") as client:
        response = client.get()
        assert (response.text, story.events) == ("accepted", [])
        client.call(gate.open)
        client.wait(response)
        assert story.events == ["done"]


def test_a_blocking_endpoint_runs_in_a_thread(face: Face) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="nothing")

    def endpoint(request: Request) -> Response:
        return PlainTextResponse(variable.get())

    variable.set("of the test")
    with face.open(starlette(endpoint)) as client:
        assert client.get().text == "of the test"


# Errors


async def failing(request: Request) -> Response:
    raise LookupError("no such thing")


def test_what_an_endpoint_raises_is_raised_as_it_is(face: Face) -> None:
    with face.open(starlette(failing)) as client, pytest.raises(LookupError, match=r"^no such thing$"):
        client.get()


def test_what_starlette_makes_of_an_exception_can_be_seen_and_the_exception_too(face: Face) -> None:
    with face.open(starlette(failing, debug=True), raise_server_exceptions=False) as client:
        response = client.get(headers={"accept": "text/plain"})
    assert response.status_code == 500
    assert response.text.startswith("Traceback")
    assert repr(response.extensions["asgi"].app_exception) == "LookupError('no such thing')"


def test_an_exception_with_a_handler_is_none_for_the_test(face: Face) -> None:
    async def handle(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"not found: {error}", status_code=404)

    with face.open(starlette(failing, exception_handlers={LookupError: handle})) as client:
        response = client.get()
    assert (response.status_code, response.text) == (404, "not found: no such thing")


def test_a_handler_of_every_exception_responds_and_the_exception_is_still_raised(face: Face) -> None:
    async def handle(request: Request, error: Exception) -> Response:
        return PlainTextResponse("sorry", status_code=500)

    app = starlette(failing, exception_handlers={Exception: handle})
    with face.open(app) as client:
        with pytest.raises(LookupError):
            client.get()
        response = client.get(extensions={"asgi": {"raise_server_exceptions": False}})
    assert (response.status_code, response.text) == (500, "sorry")


# Middleware


class Marking(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["x-marked"] = request.headers["user-agent"]
        return response


MARKING = Middleware(Marking)


def test_base_http_middleware_passes_requests_and_responses_on(face: Face) -> None:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(await request.body())

    with face.open(starlette(endpoint, MARKING, MARKING)) as client:
        response = client.post("/", content=b"body")
    assert (response.text, response.headers["x-marked"]) == ("body", "testclient")


def test_base_http_middleware_lets_exceptions_through_bare(face: Face) -> None:
    with (
        face.open(starlette(failing, MARKING, MARKING)) as client,
        pytest.raises(LookupError, match=r"^no such thing$"),
    ):
        client.get()


def test_base_http_middleware_lets_a_stream_and_the_end_of_it_through(face: Face) -> None:
    story = Recorder()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await anyio.sleep_forever()
        finally:
            story("ended")

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(chunks())

    with face.open(starlette(endpoint, MARKING)) as client:
        with client.stream() as stream:
            assert stream.next() == b"one"
        assert story.events == ["ended"]


def test_base_http_middleware_runs_background_tasks(face: Face) -> None:
    story = Recorder()

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse("accepted", background=BackgroundTask(story, "done"))

    with face.open(starlette(endpoint, MARKING)) as client:
        assert client.get().text == "accepted"
        assert story.events == ["done"]


def test_a_compressed_response_is_decompressed(face: Face) -> None:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse("x" * 10_000)

    with face.open(starlette(endpoint, Middleware(GZipMiddleware))) as client:
        response = client.get()
        assert response.headers["content-encoding"] == "gzip"
        assert int(response.headers["content-length"]) < 1000
        assert response.text == "x" * 10_000
        assert "content-encoding" not in client.get(headers={"accept-encoding": "identity"}).headers


# Routing


def test_a_mounted_app_knows_its_place(face: Face) -> None:
    async def where(request: Request) -> Response:
        return JSONResponse([request.scope["root_path"], request.url.path, str(request.url_for("where"))])

    inner = Starlette(routes=[Route("/where", where, name="where")])
    with face.open(Starlette(routes=[Mount("/inner", inner)])) as client:
        response = client.get("/inner/where")
    assert response.json() == ["/inner", "/inner/where", "http://testserver/inner/where"]


def test_an_app_behind_a_prefix_that_is_kept_knows_its_place(face: Face) -> None:
    async def where(request: Request) -> Response:
        return JSONResponse([request.scope["root_path"], str(request.url_for("where"))])

    app = Starlette(routes=[Route("/where", where, name="where")])
    with face.open(app, root_path="/api") as client:
        assert client.get("/api/where").json() == ["/api", "http://testserver/api/where"]
        assert client.get("/where").status_code == 200


def test_a_redirect_of_the_router_is_followed(face: Face) -> None:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse("here")

    async def elsewhere(request: Request) -> Response:
        return RedirectResponse("/there")

    app = Starlette(routes=[Route("/there/", endpoint), Route("/here", elsewhere)])
    with face.open(app, follow_redirects=True) as client:
        response = client.get("/here")
    assert response.text == "here"
    assert [each.url.path for each in response.history] == ["/here", "/there"]


# Extensions


async def pass_by(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


MIDDLEWARE = [Middleware(GZipMiddleware), Middleware(BaseHTTPMiddleware, dispatch=pass_by)]


@pytest.mark.parametrize("middleware", [[], MIDDLEWARE], ids=["bare", "middleware"])
def test_a_file_response_may_send_a_path(middleware: list[Middleware], tmp_path: Path, face: Face) -> None:
    path = tmp_path / "page.html"
    path.write_text("<p>" * 100_000)

    async def endpoint(request: Request) -> Response:
        return FileResponse(path)

    app = starlette(endpoint, *middleware)
    offer: dict[str, Any] = {"http.response.pathsend": {}}
    with face.open(app, asgi_extensions=offer, strict=True, headers={"accept-encoding": "identity"}) as client:
        response = client.get()
        assert response.text == path.read_text()
        assert response.headers["content-length"] == str(path.stat().st_size)
        assert client.get(headers={"range": "bytes=3-8"}).text == "<p><p>"
        assert client.request("HEAD", "/").headers["content-length"] == str(path.stat().st_size)


def test_a_request_may_send_early_hints_and_push(face: Face) -> None:
    async def endpoint(request: Request) -> Response:
        await request.send_early_hints("</a.css>; rel=preload", "</b.js>; rel=preload")
        await request.send_push_promise("/a.css")
        return PlainTextResponse("hello")

    offer: dict[str, Any] = {"http.response.early_hint": {}, "http.response.push": {}}
    with face.open(starlette(endpoint), asgi_extensions=offer, strict=True) as client:
        response = client.get(headers={"accept-language": "de"})
    assert response.text == "hello"
    assert response.extensions["http.response.early_hint"] == [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]
    [(path, headers)] = response.extensions["http.response.push"]
    assert path == "/a.css"
    assert (b"accept-language", b"de") in headers
