"""The pytest plugin: ``pytest --asgi-testkit`` runs a suite that was written for other test clients on ours.

Without the flag it does nothing, and imports no HTTP library and no event loop.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import copy
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

from . import __version__
from ._replacement import REPLACEMENT, package_of
from ._tally import COUNTER, Tally

#: Turns the replacement on, like ``--asgi-testkit``.
VARIABLE = "ASGI_TESTKIT_REPLACE"
INI = "asgi_testkit_replace"

YES = {"1", "true", "yes", "on"}
NO = {"", "0", "false", "no", "off"}


def wanted_by_environment() -> bool:
    """Return what the environment variable says.

    Raises:
        pytest.UsageError: It says neither yes nor no.
    """
    value = os.environ.get(VARIABLE, "")
    if value.strip().lower() in YES:
        return True
    if value.strip().lower() in NO:
        return False
    msg = f"the environment variable {VARIABLE} is {value!r}, which is neither yes nor no. Set it to 1 or to 0."
    raise pytest.UsageError(msg)


class Run:
    """One run of pytest with the names replaced.

    Attributes:
        missed: The full names under which modules hold what they had taken before it was replaced.
    """

    def __init__(self) -> None:
        REPLACEMENT.start()
        self.missed: list[str] = list(REPLACEMENT.missed())
        self._before = COUNTER.read()
        self._elsewhere = Tally()

    def add(self, tally: Tally) -> None:
        """Add what ran in another process."""
        self._elsewhere = self._elsewhere.plus(tally)

    def tally(self) -> Tally:
        """Return what has run on ours."""
        return COUNTER.read().since(self._before).plus(self._elsewhere)

    def end(self) -> None:
        """Put back what was replaced."""
        REPLACEMENT.stop()


RUN = pytest.StashKey[Run]()

#: What the environment variable has begun, for the first configuration to take: other plugins, and what they import,
#: may follow before pytest asks any plugin for anything.
EARLY_RUNS: list[Run] = [Run()] if wanted_by_environment() else []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag and the setting."""
    does = "replace the test clients of Starlette, FastAPI, httpx, httpx2, httpx-ws and asgi-lifespan by asgi-testkit's"
    parser.getgroup("asgi-testkit").addoption("--asgi-testkit", action="store_true", default=False, help=does)
    parser.addini(INI, f"{does}, as --asgi-testkit", type="bool", default=False)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Begin before a conftest, or a test module, is imported."""
    known = parser.parse_known_args(args, namespace=copy(early_config.option))  # workers get options, and no arguments
    begin(early_config, flag=known.asgi_testkit)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin now where a conftest brought the plugin: before test modules are imported."""
    begin(config, flag=config.option.asgi_testkit)


def begin(config: pytest.Config, *, flag: bool) -> None:
    """Begin a run if one is wanted and none has begun. It ends with the configuration."""
    if RUN not in config.stash and (flag or config.getini(INI) or wanted_by_environment()):
        run = config.stash[RUN] = EARLY_RUNS.pop() if EARLY_RUNS else Run()
        config.add_cleanup(run.end)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is replaced, and what could not be."""
    if RUN not in config.stash:
        return []
    lines = [f"asgi-testkit {__version__} in place of: {', '.join(replaced())}"]
    if missed := config.stash[RUN].missed:
        lines.append(
            f"asgi-testkit came too late for {', '.join(missed)}: another plugin had imported it. "
            f"`{VARIABLE}=1 pytest -p asgi_testkit` comes before other plugins."
        )
    return lines


def replaced() -> Iterator[str]:
    """Yield what is replaced of each installed package, with its version."""
    for module, names in REPLACEMENT.targets.items():
        package = package_of(module)
        try:
            installed = f"{package.replace('_', '-')} {version(package)}"
        except PackageNotFoundError:
            continue
        yield f"{', '.join(f'{module}.{name}' for name in names)} ({installed})"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have a worker of pytest-xdist hand in its numbers."""
    config = session.config
    if RUN in config.stash and hasattr(config, "workeroutput"):
        config.workeroutput[INI] = tuple(config.stash[RUN].tally())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the numbers of a worker. One that crashed has none."""
    numbers = getattr(node, "workeroutput", {}).get(INI)
    if numbers and RUN in node.config.stash:
        node.config.stash[RUN].add(Tally(*numbers))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what ran on ours."""
    if RUN in config.stash:
        terminalreporter.write_line(f"asgi-testkit: {config.stash[RUN].tally().told()}")
