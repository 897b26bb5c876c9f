"""What is replaced in httpx and httpx2 for hosts(), and how that goes together with what others replace there."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import httpx
import pytest

import asgi_testkit
from asgi_testkit import hosts
from asgi_testkit._client.outgoing import Arrival, Outgoing

from .messages import body, start

AUTH = "http://auth.internal"
OUTSIDE = "http://api.example"


async def auth(scope: Any, receive: Any, send: Any) -> None:
    await start(send)
    await body(send, b"the app")


class Fake:
    """Replaces the method of blocking clients, as respx and pytest-httpx do, and answers for one host."""

    def __init__(self, host: str, answer: str) -> None:
        self._host = host
        self._answer = answer
        self._before: Any = None

    def start(self) -> None:
        self._before = before = httpx.HTTPTransport.handle_request

        def handle_request(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
            if request.url.host == self._host:
                return httpx.Response(200, text=self._answer)
            response: httpx.Response = before(transport, request)
            return response

        setattr(httpx.HTTPTransport, "handle_request", handle_request)  # noqa: B010 - mypy is right about the other way

    def stop(self) -> None:
        httpx.HTTPTransport.handle_request = self._before  # type: ignore[method-assign]

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.start()
        yield
        self.stop()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = httpx.HTTPTransport.handle_request
    yield
    assert httpx.HTTPTransport.handle_request is before


def get(url: str) -> str:
    return httpx.get(url).text


def test_a_fake_that_was_there_before_gets_what_is_allowed() -> None:
    fake = Fake("api.example", "the fake")
    with fake(), hosts({"auth.internal": auth}, allow=["api.example"]):
        assert (get(AUTH), get(OUTSIDE)) == ("the app", "the fake")
    with fake(), hosts({"auth.internal": auth}), pytest.raises(httpx.ConnectError):
        get(OUTSIDE)


def test_a_fake_that_comes_later_is_asked_first() -> None:
    with hosts({"auth.internal": auth}), Fake("api.example", "the fake")():
        assert (get(AUTH), get(OUTSIDE)) == ("the app", "the fake")


def test_a_fake_outlives_the_block(caplog: pytest.LogCaptureFixture) -> None:
    before = Fake("auth.internal", "what was there")
    fake = Fake("api.example", "the fake")
    with before():
        services = hosts({"auth.internal": auth})
        services.__enter__()
        fake.start()
        services.__exit__()
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert ".HTTPTransport.handle_request is <function Fake" in caplog.text
        assert (get(AUTH), get(OUTSIDE)) == ("what was there", "the fake")

        with hosts({"auth.internal": auth}):
            assert get(AUTH) == "the app"
            with pytest.raises(httpx.ConnectError):
                get(OUTSIDE)

        fake.stop()  # and what it puts back is ours
        assert get(AUTH) == "what was there"
        with hosts({"auth.internal": auth}):
            assert get(AUTH) == "the app"
        assert get(AUTH) == "what was there"
        assert len(caplog.records) == 1


def run(program: str) -> str:
    """Run a program in which httpx2 is not imported yet; return what it prints."""
    env = {**os.environ, "PYTHONPATH": str(Path(asgi_testkit.__file__).parent.parent)}
    env.pop("SUITE_HTTP", None)
    head = "import sys, httpx\nfrom asgi_testkit import hosts\nassert 'httpx2' not in sys.modules\n"
    command = [sys.executable, "-W", "error", "-c", head + program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_library_that_is_imported_later_is_guarded_too() -> None:
    program = """
with hosts():
    assert 'httpx2' not in sys.modules
    finders = len(sys.meta_path)
    import httpx2
    from importlib.resources import files
    assert len(sys.meta_path) == finders - 1
    try:
        httpx2.get("http://api.example")
    except httpx2.ConnectError as error:
        print(error)
    assert type(httpx2.__spec__.loader) is type(httpx2.__loader__) is type(httpx.__loader__)
    assert files(httpx2).joinpath("__init__.py").is_file()
print(httpx2.HTTPTransport.handle_request.__code__.co_filename.endswith("default.py"))
"""
    first, second = run(program).splitlines()
    assert first.startswith("GET http://api.example/ was not sent")
    assert second == "True"


@pytest.mark.slow
def test_a_library_that_is_imported_after_the_block_is_left_alone() -> None:
    program = """
before = list(sys.meta_path)
with hosts():
    sys.meta_path.remove(sys.meta_path[0])  # somebody puts it back to what it was
with hosts():
    pass
assert sys.meta_path == before
import httpx2
print(httpx2.HTTPTransport.handle_request.__code__.co_filename.endswith("default.py"))
"""
    assert run(program) == "True\n"


# The finder, by itself: a module is imported only once


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that can be imported, with a resource."""
    (tmp_path / "asgi_testkit_arrives.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "asgi_testkit_arrives", raising=False)
    return "asgi_testkit_arrives"


def test_it_tells_when_all_of_a_module_is_there(module: str) -> None:
    arrived: list[int] = []
    arrival = Arrival(module, lambda name: arrived.append(sys.modules[name].VALUE))
    import asgi_testkit_arrives  # type: ignore[import-not-found]

    assert arrived == [1]
    assert arrival not in sys.meta_path
    assert asgi_testkit_arrives.__loader__ is asgi_testkit_arrives.__spec__.loader
    assert asgi_testkit_arrives.__loader__.get_source(module) == "VALUE = 1\n"


def test_it_tells_nothing_after_it_was_stopped(module: str) -> None:
    arrived: list[str] = []
    arrival = Arrival(module, arrived.append)
    spec = arrival.find_spec(module)
    assert isinstance(spec, ModuleSpec)
    assert spec.loader is not None
    arrival.stop()
    arrival.stop()
    loader: Any = spec.loader
    assert loader.get_source(module) == "VALUE = 1\n"  # whoever asks it for more gets the loader's own
    new = type(sys)(module)
    new.__spec__ = spec
    assert loader.create_module(spec) is None
    loader.exec_module(new)
    assert new.VALUE == 1
    assert arrived == []


def test_it_finds_nothing_else() -> None:
    arrival = Arrival("asgi_testkit_is_not_there", pytest.fail)
    assert arrival.find_spec("json") is None
    with pytest.raises(ModuleNotFoundError):
        import asgi_testkit_is_not_there  # type: ignore[import-not-found]  # noqa: F401
    arrival.stop()


def test_a_library_that_is_not_there_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "httpx2")
    before = list(sys.meta_path)
    outgoing = Outgoing(lambda found: lambda *_: None, lambda found: lambda *_: None)
    outgoing.start()
    assert len(sys.meta_path) == len(before) + 1
    outgoing.stop()
    assert sys.meta_path == before
