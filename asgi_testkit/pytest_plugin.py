"""The pytest plugin: fixtures, transcripts of failing tests, and the flag that runs a suite for other clients on ours.

Where no test asks for any of it, it does nothing, and imports no HTTP library, no event loop, and nothing of ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from configparser import RawConfigParser
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import pytest

from . import __version__
from ._plugin import chaos, openapi_options
from ._standins.names import REPLACEMENT, package_of
from ._standins.run import VARIABLE, Run
from ._standins.tally import told

if TYPE_CHECKING:
    from ._blocking.client import TestClient
    from ._blocking.hosts import Hosts
    from ._client.lifespan import LifespanManager
    from ._plugin.current_test import CurrentTest
    from ._plugin.fixtures import Portal

INI = "asgi_testkit_replace"
FRESH_LOOP = "asgi_testkit_fresh_loop"

#: The setting for transcripts, and its values.
TRANSCRIPT = "asgi_transcript"
TRANSCRIPTS = ("off", "failed", "all")

#: How `pytest --markers` explains the marker.
MARKER = (
    "asgi(raise_server_exceptions=, lifespan=, timeout=, background=, strict=, expect_status=, faults=, scope=, live=, "
    "ssl=, reason=): options for the clients of a test; lifespan= gives it a lifespan of its own, scope= is what the "
    "ASGI scope has besides, and live=False keeps a test in-process with --asgi-live, for the reason= that the summary "
    "tells"
)

#: The setting for a server.
LIVE = "asgi_live"

#: The settings for the fixtures, and the scopes that there are.
APP = "asgi_app"
LIFESPAN_SCOPE = "asgi_lifespan_scope"
SCOPES = ("function", "class", "module", "package", "session")

#: What the fixtures are called.
FIXTURES = {"asgi_app", "asgi_client_options", "asgi_lifespan", "asgi_client", "asgi_test_client"}

#: The one that needs no app, and goes with any runner.
HOSTS = "asgi_hosts"

#: What is left alone, and what does more in its place.
LEFT_ALONE = {
    "httpx.ASGITransport": "asgi_testkit.ASGITransport",
    "httpx2.ASGITransport": "asgi_testkit.httpx2.ASGITransport",
}


def wanted_by_environment() -> bool:
    """Return what the environment variable says.

    Raises:
        pytest.UsageError: It says neither yes nor no.
    """
    value = os.environ.get(VARIABLE, "")
    try:
        return RawConfigParser.BOOLEAN_STATES[value.strip().lower() or "no"]
    except KeyError:
        msg = f"the environment variable {VARIABLE} is {value!r}, which is neither yes nor no. Set it to 1 or to 0."
        raise pytest.UsageError(msg) from None


#: The options that ask for a file with the conversations of all tests.
FILES = ("--asgi-transcript-json", "--asgi-har")

RUN = pytest.StashKey[Run]()
CURRENT = pytest.StashKey["CurrentTest"]()

#: What the environment variable has begun, for the first configuration to take: other plugins, and what they import,
#: may follow before pytest asks any plugin for anything.
EARLY_RUNS: list[Run] = [Run()] if wanted_by_environment() else []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag and the setting."""
    does = "replace the test clients of Starlette, FastAPI, httpx-ws, httpx2 and asgi-lifespan by asgi-testkit's"
    parser.getgroup("asgi-testkit").addoption("--asgi-testkit", action="store_true", default=False, help=does)
    parser.addini(INI, f"{does}, as --asgi-testkit", type="bool", default=False)
    alone = "with --asgi-testkit: each request of a TestClient outside of `with` gets an event loop of its own"
    parser.addini(FRESH_LOOP, f"{alone}, as with Starlette's", type="bool", default=False)
    shows = "show the requests and sessions of no test (off), of failed ones (failed, the default), or of all (all)"
    parser.getgroup("asgi-testkit").addoption("--asgi-transcript", choices=TRANSCRIPTS, default=None, help=shows)
    parser.addini(TRANSCRIPT, f"{shows}; as --asgi-transcript", default="failed")
    writes = "write the requests and sessions of all tests into this file, a line of JSON for each"
    parser.getgroup("asgi-testkit").addoption("--asgi-transcript-json", metavar="PATH", default=None, help=writes)
    writes = "write the requests and sessions of all tests into this file, as HAR"
    parser.getgroup("asgi-testkit").addoption("--asgi-har", metavar="PATH", default=None, help=writes)
    chaos.add_options(parser)
    openapi_options.add_options(parser)
    on = "run the apps of our clients on this server, in the test's loop: uvicorn, hypercorn, anycorn; or off"
    parser.getgroup("asgi-testkit").addoption("--asgi-live", metavar="SERVER", default=None, help=on)
    parser.addini(LIVE, f"{on}; as --asgi-live", default="")
    parser.addini(APP, "the app under test: module:attribute, or module:factory(), which is called", default="")
    scope = f"how long the app of asgi_lifespan and of the clients runs: {', '.join(SCOPES)}"
    parser.addini(LIFESPAN_SCOPE, scope, default="function")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Begin before a conftest, or a test module, is imported."""
    known = parser.parse_known_args(args, namespace=copy(early_config.option))  # workers get options, and no arguments
    begin(early_config, flag=known.asgi_testkit)
    go_live(early_config, known.asgi_live)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin now where a conftest brought the plugin: before test modules are imported."""
    begin(config, flag=config.option.asgi_testkit)
    go_live(config, config.option.asgi_live)
    config.addinivalue_line("markers", MARKER)
    one_of(LIFESPAN_SCOPE, SCOPES, config.getini(LIFESPAN_SCOPE))
    one_of(TRANSCRIPT, TRANSCRIPTS, wanted(config))
    chaos.seed_of(config)
    openapi_options.begin(config)
    # The controller of pytest-xdist writes for all of its workers.
    for option in [] if hasattr(config, "workerinput") else asked_files(config):
        from ._plugin.files import FILES as KINDS

        file = KINDS[option](option, config.getoption(option))
        config.pluginmanager.register(file)
        config.add_cleanup(file.close)


def one_of(setting: str, values: tuple[str, ...], value: str) -> None:
    """Check a setting.

    Raises:
        pytest.UsageError: It is none of these values.
    """
    if value not in values:
        msg = f"{setting} is one of {', '.join(values)}, not {value!r}"
        raise pytest.UsageError(msg)


def wanted(config: pytest.Config) -> str:
    """Return whose transcripts are shown."""
    return str(config.option.asgi_transcript or config.getini(TRANSCRIPT))


def asked_files(config: pytest.Config) -> list[str]:
    """Return the options for files that are given."""
    return [option for option in FILES if config.getoption(option) is not None]


def current_test(item: pytest.Item) -> CurrentTest | None:
    """Return what is known of a test; None as long as no test has brought a client, for there is nothing to know."""
    config = item.config
    if CURRENT not in config.stash:
        seed = chaos.seed_of(config)
        used = uses_fixtures(item) or HOSTS in getattr(item, "fixturenames", ())
        if seed is None and "asgi_testkit._conversation.task" not in sys.modules and not used:
            return None
        from ._plugin.current_test import CurrentTest

        files = asked_files(config)
        whole = "--asgi-har" in files
        config.stash[CURRENT] = CurrentTest(wanted(config), for_files=bool(files), whole=whole, seed=seed)
    return config.stash[CURRENT]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep what is said in a test, its fixtures included."""
    current = current_test(item)
    if current is None:
        return (yield)
    with current.running(chaos.node_id_of(item)):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Warn of what a test has left open, after its teardown."""
    result = yield
    if CURRENT in item.config.stash:
        item.config.stash[CURRENT].leaks.tell(item.nodeid)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the transcript to the report of a failure."""
    report = yield
    if CURRENT in item.config.stash:
        item.config.stash[CURRENT].add_to(report)
    return report


def lifespan_scope(fixture_name: str, config: pytest.Config) -> Any:  # noqa: ARG001 - pytest gives both, by name
    """Return how long the app runs, as the settings have it."""
    return config.getini(LIFESPAN_SCOPE)


@pytest.fixture(scope="session")
def asgi_app(request: pytest.FixtureRequest) -> Any:
    """The app under test: the one that the setting asgi_app names. Write your own by this name for another."""
    from ._plugin.fixtures import app_of

    return app_of(request.config)


@pytest.fixture(scope="session")
def asgi_client_options() -> dict[str, Any]:
    """The options for the clients, as AsyncClient and TestClient take them: {}. Write your own by this name."""
    return {}


def lifespan_of_app(asgi_app: Any) -> None:
    """The running app: a LifespanManager, started up and shut down in the loop of the test."""


asgi_lifespan: Any = pytest.fixture(scope=lifespan_scope, name="asgi_lifespan")(lifespan_of_app)


def client_of_app(asgi_app: Any, asgi_client_options: Any) -> None:
    """An AsyncClient of the app of asgi_lifespan, new for each test. For async tests, whichever plugin runs them."""


asgi_client: Any = pytest.fixture(name="asgi_client")(client_of_app)


@pytest.fixture(scope=lifespan_scope)
def _asgi_portal(request: pytest.FixtureRequest, asgi_app: Any) -> Iterator[Portal]:
    """What asgi_lifespan is for blocking tests: the app, started in a loop in another thread."""
    from ._plugin.fixtures import portal

    yield from portal(request, asgi_app)


@pytest.fixture(scope=lifespan_scope)
def _asgi_lifespan_of_portal(_asgi_portal: Portal) -> LifespanManager:
    """What a blocking test gets as asgi_lifespan; pytest keeps that of async tests by that name."""
    return _asgi_portal.manager


@pytest.fixture
def asgi_test_client(
    request: pytest.FixtureRequest, asgi_app: Any, asgi_client_options: dict[str, Any]
) -> Iterator[TestClient]:
    """A TestClient of the app, entered, new for each test. For blocking tests."""
    from ._plugin.fixtures import test_client

    yield from test_client(request, asgi_app, asgi_client_options, lifespan_of_app)


@pytest.fixture
def asgi_hosts() -> Iterator[Callable[..., Hosts]]:
    """A function, which is called as hosts is: apps answer what others ask for by httpx, until the test ends."""
    from ._plugin.hosts import held_hosts

    yield from held_hosts()


def uses_fixtures(item: pytest.Item) -> bool:
    """Whether a test asks for any of the fixtures."""
    return not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse what the fixtures cannot do, before any is set up; skips come first."""
    if uses_fixtures(item):
        from ._plugin.runners import check, end_other_apps, give_lifespan_of_portal

        check(item, lifespan_of_app)
        end_other_apps(item, lifespan_of_app)
        give_lifespan_of_portal(item, lifespan_of_app)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Have those of ours that are async be so in the way of the plugin that runs the test."""
    of_a_wider_scope: AbstractContextManager[None] = nullcontext()
    if request.scope != "function" and CURRENT in request.config.stash:
        of_a_wider_scope = request.config.stash[CURRENT].leaks.in_wider_fixture()
    with of_a_wider_scope:
        if fixturedef.func is not lifespan_of_app and fixturedef.func is not client_of_app:
            return (yield)
        from ._plugin.fixtures import dressed

        with dressed(fixturedef, request):
            return (yield)


def begin(config: pytest.Config, *, flag: bool) -> None:
    """Begin a run if one is wanted and none has begun. It ends with the configuration."""
    if RUN not in config.stash and (flag or config.getini(INI) or wanted_by_environment()):
        run = config.stash[RUN] = EARLY_RUNS.pop() if EARLY_RUNS else Run()
        config.add_cleanup(run.end)
        REPLACEMENT.fresh_loop = config.getini(FRESH_LOOP)


def go_live(config: pytest.Config, server: str | None) -> None:
    """Have the clients run their apps on a server from now on, if one is wanted, until the configuration ends.

    Raises:
        pytest.UsageError: There is no such server, or it is not installed.
    """
    wanted = str(config.getini(LIVE) if server is None else server)
    if wanted not in {"", "off"} and not config.pluginmanager.has_plugin(LIVE):
        from ._plugin.live_suite import LiveSuite

        suite = LiveSuite(wanted)
        config.pluginmanager.register(suite, LIVE)
        config.add_cleanup(suite.end)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is replaced, what is left alone, and what could not be replaced."""
    if RUN not in config.stash:
        return chaos.header(config)
    return [
        *chaos.header(config),
        f"asgi-testkit {__version__} in place of: {', '.join(replaced())}",
        *(f"{name} is left alone: import {ours}" for name, ours in LEFT_ALONE.items() if installed(name)),
        *config.stash[RUN].too_late(),
    ]


def replaced() -> Iterator[str]:
    """Yield what is replaced of each installed package, with its version."""
    for module, names in REPLACEMENT.targets.items():
        given = [f"{module}.{name}" for name, replacement in names.items() if replacement is not None]
        if given and (release := installed(module)):
            yield f"{', '.join(given)} ({release})"


def installed(name: str) -> str:
    """Return the package that a name belongs to, with its version; "" if it is not installed."""
    package = package_of(name)
    try:
        return f"{package.replace('_', '-')} {version(package)}"
    except PackageNotFoundError:
        return ""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have a worker of pytest-xdist hand in its numbers."""
    config = session.config
    if RUN in config.stash and hasattr(config, "workeroutput"):
        config.workeroutput[INI] = dict(config.stash[RUN].counted())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the numbers of a worker. One that crashed has none."""
    if RUN in node.config.stash:
        node.config.stash[RUN].add(getattr(node, "workeroutput", {}).get(INI, {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what ran on ours, and what could not."""
    if RUN not in config.stash:
        return
    run = config.stash[RUN]
    counted = run.counted()
    terminalreporter.write_line(f"asgi-testkit: {told(counted)}")
    for name in sorted(LEFT_ALONE.keys() & counted):
        terminalreporter.write_line(
            f"asgi-testkit: this run used {name}, which is left alone: what goes over it is not counted or checked. "
            f"{LEFT_ALONE[name]} takes its place if it is imported."
        )
    for line in run.too_late():  # said at the head as well, which -q hides
        terminalreporter.write_line(line)
