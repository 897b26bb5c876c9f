"""Bodies that a test makes as it goes: how often they can be sent, and in whose thread they are made."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest

from asgi_testkit import ASGITransport, Receive, Scope, Send, TestClient
from asgi_testkit._blocking import hop as _hop

from .backends import BACKENDS, Backend
from .faces import Face
from .messages import Gate, Recorder, accept, body, say, start


async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the request's body, or with a redirect or a challenge, as the path says."""
    assert scope["type"] == "http"
    size = 0
    if not scope["path"].startswith("/unread"):
        message: Any = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            size += len(message.get("body", b""))
    if scope["path"].endswith("old"):
        await start(send, (b"location", b"/new"), status=307)
    elif scope["path"].endswith("members") and not any(name == b"authorization" for name, _ in scope["headers"]):
        await start(send, (b"www-authenticate", b'Digest realm="r", nonce="n", qop="auth"'), status=401)
    else:
        await start(send)
    await body(send, str(size).encode())


def generator(face: Face) -> Any:
    async def awaited() -> Any:
        yield b"a"
        yield b"b"

    def blocking() -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    return awaited() if face.name == "awaited" else blocking()


class Again:
    """A body that can be iterated again and again."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"a"
        yield b"b"


class AwaitedAgain:
    """A body that can be iterated again and again, asynchronously."""

    async def __aiter__(self) -> Any:
        yield b"a"
        yield b"b"


# Sent twice


@pytest.mark.parametrize("path", ["/old", "/unread-old", "/members", "/unread-members"])
def test_a_generator_is_sent_once_whether_or_not_it_was_read(face: Face, path: str) -> None:
    auth = httpx.DigestAuth("user", "word") if path.endswith("members") else None
    with face.bare(reads_all, follow_redirects=True) as client, pytest.raises(httpx.StreamConsumed):
        client.post(path, content=generator(face), auth=auth)


@pytest.mark.parametrize("path", ["/old", "/unread-old", "/members", "/unread-members"])
@pytest.mark.parametrize("kind", ["bytes", "iterable", "files"])
def test_other_bodies_are_sent_again(face: Face, path: str, kind: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "bytes": {"content": b"ab"},
        "iterable": {"content": AwaitedAgain() if face.name == "awaited" else Again()},
        "files": {"files": {"file": io.BytesIO(b"x" * 100_000)}},
    }
    auth = httpx.DigestAuth("user", "word") if path.endswith("members") else None
    with face.bare(reads_all, follow_redirects=True) as client:
        response = client.post(path, auth=auth, **bodies[kind])
        assert response.status_code == 200
        assert path == "/unread-members" or (int(response.text) >= 100_000 if kind == "files" else response.text == "2")


@pytest.mark.anyio
async def test_a_plain_client_s_generator_is_sent_once_and_closed() -> None:
    closed = Recorder()

    async def parts() -> Any:
        try:
            yield b"a"
            yield b"b"  # pragma: no cover - the app does not ask for it
        finally:
            closed("closed")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send, (b"location", b"/new"), status=307)
        await body(send)

    transport = ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", follow_redirects=True) as client:
        with pytest.raises(httpx.StreamConsumed):
            await client.post("/old", content=parts())
    assert closed.events == ["closed"]


# In whose thread


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.id)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of blocking clients."""
    backend: Backend = request.param
    return {"backend": backend.name, "backend_options": backend.options}


class Tracing:
    """A generator's threads, and a file's.

    Attributes:
        threads: Those in which it was used, without repetitions.
    """

    def __init__(self) -> None:
        self.threads: set[threading.Thread] = set()
        self.closed = False

    def note(self) -> None:
        self.threads.add(threading.current_thread())

    def parts(self, count: int = 3) -> Iterator[bytes]:
        try:
            for _ in range(count):
                self.note()
                yield b"x" * 1000
            self.note()
        finally:
            self.note()
            self.closed = True

    @property
    def mine_alone(self) -> bool:
        return self.threads == {threading.current_thread()}


async def takes_one_part(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer to the first part of the upload, and never come to the second."""
    await receive()
    await start(send)
    await body(send, b"part", more=True)
    await anyio.sleep_forever()


class TracedFile(io.BytesIO):
    """A file that notes who reads it."""

    def __init__(self, content: bytes, tracing: Tracing) -> None:
        super().__init__(content)
        self._tracing = tracing

    def read(self, size: int | None = -1) -> bytes:
        self._tracing.note()
        return super().read(size)


@pytest.mark.parametrize("entered", [False, True])
def test_what_a_blocking_test_hands_over_runs_in_its_own_thread(options: dict[str, Any], entered: bool) -> None:
    for make in (
        lambda tracing: {"content": tracing.parts()},
        lambda tracing: {"content": TracedFile(b"x" * 100_000, tracing)},
        lambda tracing: {"files": {"file": TracedFile(b"x" * 100_000, tracing)}},
    ):
        tracing = Tracing()
        client = TestClient(reads_all, lifespan="off", **options)
        if entered:
            with client:
                assert int(client.post("/", **make(tracing)).text) >= 3000
        else:
            assert int(client.post("/", **make(tracing)).text) >= 3000
        assert tracing.mine_alone


def test_a_stream_pulls_its_upload_during_the_reads(options: dict[str, Any]) -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        message: Any = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            await body(send, message.get("body", b""), more=True)
        await body(send)

    tracing = Tracing()
    with TestClient(echo, **options).stream("POST", "/", content=tracing.parts()) as response:
        assert response.read() == b"x" * 3000
    assert tracing.mine_alone
    assert tracing.closed


def test_what_the_app_asks_for_between_two_calls_is_made_in_the_next(options: dict[str, Any]) -> None:
    asked = threading.Event()
    gate = Gate()
    tracing = Tracing()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await start(send)
        await body(send, b"first", more=True)
        await gate.wait()
        asked.set()
        await receive()
        await body(send, b"last")

    with TestClient(app, lifespan="off", **options) as client:
        with client.stream("POST", "/upload", content=tracing.parts()) as response:
            chunks = response.iter_raw()
            assert next(chunks) == b"first"
            client.portal.call(gate.open)  # a call of anyio's, by which nothing is made
            assert asked.wait(10)
            assert not tracing.threads
            assert next(chunks) == b"last"
        assert tracing.mine_alone
        assert tracing.closed


def test_what_the_app_asks_for_is_made_while_a_session_waits_for_a_message(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_hop, "LOOK_INTERVAL", 60.0)  # so that it is not made when the thread looks after the loop
    begin, uploaded = Gate(), Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await accept(send)
            await receive()
            await receive()
            await begin.open()
            await uploaded.wait()
            await say(send, "uploaded")
            await receive()
        else:
            await start(send)
            await begin.wait()
            while (await receive())["more_body"]:
                pass
            await uploaded.open()
            await body(send)

    tracing = Tracing()
    with TestClient(app, lifespan="off", **options) as client, client.websocket_connect("/") as session:
        with client.stream("POST", "/", content=tracing.parts()):
            session.send_text("begin")
            assert session.receive_text() == "uploaded"
        assert tracing.mine_alone


def test_leaving_a_stream_closes_the_generator_in_the_test_s_thread(options: dict[str, Any]) -> None:
    tracing = Tracing()
    with TestClient(takes_one_part, disconnect_grace=0, **options).stream("POST", "/", content=tracing.parts(1000)):
        assert not tracing.closed
    assert tracing.mine_alone
    assert tracing.closed


def test_after_a_detached_call_the_generator_is_closed_and_the_app_gets_a_disconnect(options: dict[str, Any]) -> None:
    tracing = Tracing()
    received = Recorder()
    gate = Gate()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received((await receive())["type"])
        await start(send)
        await body(send, b"that was all")
        await gate.wait()
        received((await receive())["type"])

    with TestClient(app, lifespan="off", background="detach", **options) as client:
        response = client.post("/", content=tracing.parts(1000))
        assert tracing.closed
        assert tracing.mine_alone
        client.portal.call(gate.open)
        response.extensions["asgi"].wait()
    assert received.events == ["http.request", "http.disconnect"]


def test_a_generator_that_another_thread_has_handed_over_is_left_to_the_collector(options: dict[str, Any]) -> None:
    tracing = Tracing()
    responses: list[httpx.Response] = []
    with TestClient(takes_one_part, lifespan="off", disconnect_grace=0, **options) as client:
        request = client.build_request("POST", "/", content=tracing.parts(1000))
        thread = threading.Thread(target=lambda: responses.append(client.send(request, stream=True)))
        thread.start()
        thread.join()
    assert tracing.threads == {thread}


@pytest.mark.parametrize("bad", [None, "text", 5])
def test_a_part_that_is_no_bytes_is_an_error_and_not_the_end(options: dict[str, Any], bad: Any) -> None:
    with pytest.raises(TypeError, match=f"the chunks of a request body are bytes, not {bad!r}"):
        TestClient(reads_all, **options).post("/", content=iter([b"a", bad, b"b"]))


def test_a_generator_may_use_the_client_itself(options: dict[str, Any]) -> None:
    client = TestClient(reads_all, **options)

    def parts() -> Iterator[bytes]:
        yield client.post("/", content=b"four").content
        yield client.post("/", content=iter([b"f", b"i", b"v", b"e", b"!"])).content

    assert client.post("/", content=parts()).text == "2"


def test_what_interrupts_a_generator_ends_the_request(options: dict[str, Any]) -> None:
    told = Recorder()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "http.request":
            pass
        told("disconnected")

    def parts() -> Iterator[bytes]:
        yield b"a"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TestClient(app, **options).post("/", content=parts())
    assert told.events == ["disconnected"]


def test_the_read_timeout_does_not_strike_before_the_generator_is_back(options: dict[str, Any]) -> None:
    back = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await anyio.sleep_forever()

    def parts() -> Iterator[bytes]:
        back.wait(0.05)
        yield b"a"

    with pytest.raises(httpx.ReadTimeout):
        TestClient(app, timeout=0.01, **options).post("/", content=parts())
