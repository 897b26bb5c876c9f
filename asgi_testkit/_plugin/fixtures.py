"""The fixtures: an app by its name, its lifespan, and the clients for a test.

Each plugin that runs async tests wants async fixtures in a form of its own. Those of ours are registered as plain
functions, and get the form when one of them is set up, for the test that it is set up for.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from .._blocking.client import TestClient
from .._blocking.loop import LoopThread
from .._client.client import AsyncClient
from .._client.lifespan import LifespanManager
from .._live import run
from .._protocol.app import NoSuchAppError, app_named
from .runners import finish_with, fixture_of, is_wider, item_of, marked, runner_of

#: The options of a client that its lifespan has, too.
_OF_LIFESPAN = ("startup_timeout", "shutdown_timeout", "lifespan")

#: The options that a blocking client alone has.
_OF_LOOP = ("backend", "backend_options")


def app_of(config: pytest.Config) -> Any:
    """Return the app of the settings.

    Raises:
        pytest.fail.Exception: They name none, or one that is not there.
    """
    name = config.getini("asgi_app")
    if not name:
        pytest.fail(
            "asgi-testkit: which app? Set `asgi_app = module:attribute` (or `module:factory()`) in pytest's settings, "
            "or write a fixture by the name of asgi_app that returns it.",
            pytrace=False,
        )
    try:
        return app_named(name, hint="`pythonpath = .` in pytest's settings puts that of the settings there.")
    except NoSuchAppError as error:
        pytest.fail(f"asgi-testkit: asgi_app = {error}", pytrace=False)


class LifespanOptions:
    """What the lifespan of an app is to be like, by the options of the clients and the marker of the test."""

    def __init__(self, item: Any, request: Any) -> None:
        """Find out; `request` is that of the fixture."""
        definition = fixture_of(item, "asgi_client_options")
        options = {}
        if not is_wider(request.scope, definition.scope):
            options = request.getfixturevalue("asgi_client_options")
        self.options = {name: options[name] for name in _OF_LIFESPAN if name in options}
        if request.scope == "function" and "lifespan" in marked(item):
            self.options["lifespan"] = marked(item)["lifespan"]
        self.backend = options.get("backend", "asyncio")
        self.backend_options = options.get("backend_options") or {}

    def manager(self, app: Any) -> LifespanManager:
        """Return what runs it."""
        return LifespanManager(app, **self.options)


class Portal:
    """An app that is started once, in an event loop in another thread, for the blocking tests of a scope."""

    def __init__(self, app: Any, lifespan: LifespanOptions) -> None:
        self.manager = lifespan.manager(app)
        self.loop = LoopThread(lifespan.backend, lifespan.backend_options, self.manager.__aenter__)

    def close(self) -> None:
        """Shut the app down, and end the loop."""
        self.loop.stop_after(self.manager.__aexit__)


def portal(request: Any, app: Any) -> Iterator[Portal]:
    """Start the app; when the scope of the fixture ends, shut it down."""
    started = Portal(app, LifespanOptions(item_of(request), request))
    yield started
    started.close()


def client_options(item: Any, given: dict[str, Any], *, own_lifespan: bool) -> dict[str, Any]:
    """Return the options for a client of a test, out of those that are given to all, and of its markers.

    Args:
        item: The test.
        given: What `asgi_client_options` is.
        own_lifespan: Whether the client runs a lifespan of its own, and not one that has been started before it.

    Raises:
        pytest.fail.Exception: Options are for what starts the app, and that could not see them.
    """
    asked = marked(item)
    options = {**given, **asked}
    live = options.get("live")
    if live is False or (live is None and run.current is None):
        options.pop("ssl", None)  # a suite may have it for those runs that go to a server
    if given.get("scope") and asked.get("scope"):
        options["scope"] = {**given["scope"], **asked["scope"]}
    if own_lifespan:
        return options
    lifespan, definition = fixture_of(item, "asgi_lifespan"), fixture_of(item, "asgi_client_options")
    early = [name for name in (*_OF_LIFESPAN, *_OF_LOOP) if name in given]
    if early and is_wider(lifespan.scope, definition.scope):
        pytest.fail(
            f"asgi-testkit: asgi_client_options has {', '.join(early)}, for the start of the app, which lasts for "
            f"a {lifespan.scope} (asgi_lifespan_scope), and is itself made anew for each {definition.scope}. Give it "
            f'that scope: @pytest.fixture(scope="{lifespan.scope}").',
            pytrace=False,
        )
    return {name: value for name, value in options.items() if name not in _OF_LIFESPAN}


def test_client(request: Any, app: Any, given: dict[str, Any], ours: Any) -> Iterator[TestClient]:
    """Enter a blocking client for a test, on the app that the portal of its scope has started, if it is that.

    Args:
        request: That of the fixture.
        app: The app.
        given: What `asgi_client_options` is.
        ours: The function of `asgi_lifespan`, unless the test has another one by that name.
    """
    item = item_of(request)
    own_lifespan = "lifespan" in marked(item)
    options = client_options(item, given, own_lifespan=own_lifespan)
    if own_lifespan:
        client = TestClient(app, **options)
    elif fixture_of(item, "asgi_lifespan").func is ours:
        started: Portal = request.getfixturevalue("_asgi_portal")
        client = TestClient(started.manager.app, **options)
        client._blocking.lender = started.loop  # noqa: SLF001 - ours
    else:
        client = TestClient(request.getfixturevalue("asgi_lifespan").app, **options)
    with client:
        yield client
        client.close()


@contextmanager
def dressed(fixturedef: Any, request: Any) -> Iterator[None]:
    """Have `asgi_lifespan`, or `asgi_client`, be what the plugin that runs the test takes for an async fixture.

    Args:
        fixturedef: That of the fixture.
        request: Its request.
    """
    try:
        body, argnames = _dress(fixturedef, request)
    except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:
        # To be raised by the function: what is raised out of a hook leaves pytest with a fixture that is half set up.
        body, argnames = partial(_raise, error), ()
    before = fixturedef.func, fixturedef.argnames
    fixturedef.func, fixturedef.argnames = body, argnames
    try:
        yield
    finally:
        fixturedef.func, fixturedef.argnames = before


def _dress(fixturedef: Any, request: Any) -> tuple[Any, tuple[str, ...]]:
    """Return the function for a fixture, and what it takes. All that it needs has been set up then."""
    item = item_of(request)
    runner = runner_of(item)
    body: Any
    argnames: tuple[str, ...]
    if fixturedef.argname == "asgi_client":
        body, argnames = _client_body(item)
    elif runner is None:
        body, argnames = _portal_body, ("_asgi_portal",)
    else:
        body, argnames = _lifespan_body(LifespanOptions(item, request)), ("asgi_app",)
    if runner is not None and runner.name == "pytest-asyncio":
        sys.modules["pytest_asyncio"].fixture(loop_scope=runner.loop_scope)(body)
    needs = {*argnames} - {*fixturedef.argnames}
    if runner is not None and runner.name == "anyio":
        needs.add("anyio_backend")
    for name in needs:
        finish_with(fixturedef, request, name)
    return body, argnames


def _raise(error: BaseException) -> None:
    raise error


def _portal_body(_asgi_portal: Portal) -> LifespanManager:
    return _asgi_portal.manager


def _lifespan_body(lifespan: LifespanOptions) -> Callable[..., AsyncIterator[LifespanManager]]:
    async def asgi_lifespan(asgi_app: Any) -> AsyncIterator[LifespanManager]:
        async with lifespan.manager(asgi_app) as manager:
            yield manager

    return asgi_lifespan


def _client_body(item: Any) -> tuple[Callable[..., AsyncIterator[AsyncClient]], tuple[str, ...]]:
    own_lifespan = "lifespan" in marked(item)

    async def asgi_client(
        asgi_client_options: dict[str, Any], asgi_app: Any = None, asgi_lifespan: Any = None
    ) -> AsyncIterator[AsyncClient]:
        options = client_options(item, asgi_client_options, own_lifespan=own_lifespan)
        for name in _OF_LOOP:
            options.pop(name, None)
        if asgi_lifespan is not None:
            asgi_app = asgi_lifespan.app
            if isinstance(asgi_lifespan, LifespanManager) and asgi_lifespan.home is not None:
                asgi_lifespan.home.check()
        async with AsyncClient(asgi_app, **options) as client:
            yield client

    return asgi_client, ("asgi_client_options", "asgi_app" if own_lifespan else "asgi_lifespan")
