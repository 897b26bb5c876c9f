"""Every asynchronous test runs on each backend; every test of the contract through both faces as well."""

from __future__ import annotations

import gc
import logging
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis  # noqa: F401 - asks the garbage collector of objects that it no longer sees after the collection
import pytest

import asgi_testkit
from asgi_testkit._live import run
from asgi_testkit._live.run import LiveRun

from .backends import BACKENDS, Backend
from .faces import AwaitedFace, BlockingFace, Face, Opener, bare, entered
from .places import PLACES, Place


def pytest_configure() -> None:
    """Have Ctrl-C raise: a shell ignores it in what it runs in the background, and in all that is started there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


#: Files whose slow tests notice another version of a dependency: comparisons with httpx's own, the docs, whole suites.
OF_VERSIONS = {"test_docs.py", "test_fixtures.py", "test_heads.py", "test_one_flag.py"}

#: The ids of loops on which hardly a test ends otherwise than on plain asyncio.
SELDOM_DIFFERENT = {"eager", "uvloop"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what uses `run_program`, what asks real servers, and what runs on such a loop.

    Of what is slow, mark what another Python, or another version of a dependency, may well change the outcome of.
    """
    for item in items:
        assert isinstance(item, pytest.Function)
        uses = {*item.fixturenames, *item.function.__code__.co_names}
        loops = set(re.findall(r"\w+", item.callspec.id)) if hasattr(item, "callspec") else set()
        if loops & SELDOM_DIFFERENT:
            item.add_marker(pytest.mark.seldom_differs)
        asks_servers = item.path.parent.name == "parity" and item.path.name != "test_observed.py"
        if "run_program" in uses or loops & SELDOM_DIFFERENT or asks_servers:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow") and not loops & SELDOM_DIFFERENT:
            if "run_program" in uses or item.path.name == "test_plugin_fixtures.py":  # how a process, or a loop, ends
                item.add_marker(pytest.mark.of_python)
            if item.path.name in OF_VERSIONS:
                item.add_marker(pytest.mark.of_versions)


def pytest_collection_finish() -> None:
    """Have the collector leave alone what stays: some tests collect, and would walk all modules and tests each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def programs_are_their_own() -> None:
    """Have coverage measure the tests, and not the programs that they start: it would import what those must not."""
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


@pytest.fixture(scope="session")
def live_run() -> Iterator[LiveRun | None]:
    """Have clients go over the server that ``SUITE_LIVE`` names, as ``pytest --asgi-live`` does; None for none."""
    server = os.environ.get("SUITE_LIVE")
    if not server:
        yield None
        return
    run.current = LiveRun(server)
    yield run.current
    run.current = None


@pytest.fixture(autouse=True)
def live_or_in_process(request: pytest.FixtureRequest, live_run: LiveRun | None) -> None:
    """Keep a test in-process that is about that, as its marker says."""
    if live_run is not None:
        markers = request.node.iter_markers("in_process")
        reasons = [
            mark.kwargs["reason"] for mark in markers if mark.kwargs.get("on", live_run.server) == live_run.server
        ]
        live_run.paused = " and ".join(reasons)


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.id)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The backend that anyio's pytest plugin runs an asynchronous test on."""
    backend: Backend = request.param
    return backend.name, backend.options


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.id)
def backend(request: pytest.FixtureRequest) -> Backend:
    """A backend for a blocking client."""
    chosen: Backend = request.param
    return chosen


@pytest.fixture(params=[entered, bare], ids=lambda opener: opener.__name__)
def opening(request: pytest.FixtureRequest, backend: Backend) -> Opener:
    """Opens a blocking client on each backend, inside ``with`` and without."""

    def open_client(app: Any, **options: Any) -> Any:
        return request.param(app, backend=backend.name, backend_options=backend.options, **options)

    return open_client


@pytest.fixture(
    params=[
        *(AwaitedFace(backend) for backend in BACKENDS),
        *(BlockingFace(backend) for backend in BACKENDS if backend.id not in SELDOM_DIFFERENT),
    ],
    ids=str,
)
def face(request: pytest.FixtureRequest) -> Face:
    """Makes clients: awaited ones on each backend, and blocking ones, whose own tests know all loops, on two."""
    made: Face = request.param
    return made


@pytest.fixture(params=PLACES, ids=str)
def place(request: pytest.FixtureRequest) -> Place:
    """A server in each loop that it runs in. Where the test is asynchronous, its `anyio_backend` is to be that loop."""
    chosen: Place = request.param
    return chosen


@pytest.fixture
def servers_say_nothing() -> Iterator[None]:
    """Servers log what an app raises."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def plain_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a pytest that a test starts find this package, no options of ours, and no plugin that it is not told of."""
    for name in ("PYTEST_ADDOPTS", "CI", "BUILD_NUMBER"):  # in CI, pytest cuts no line short, and says things twice
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # it takes longer to load all plugins than to run a test
    monkeypatch.setenv("PYTHONPATH", str(Path(asgi_testkit.__file__).parent.parent))  # it may not be installed
