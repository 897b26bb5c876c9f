"""The pytest plugin: ``pytest --asgi-testkit`` runs a suite that was written for other test clients on ours.

Without the flag it does nothing, and imports no HTTP library and no event loop.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from configparser import RawConfigParser
from contextlib import contextmanager
from copy import copy
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from . import __version__
from ._standins.names import REPLACEMENT, package_of
from ._standins.tally import COUNTER, told

#: Turns the replacement on, like ``--asgi-testkit``.
VARIABLE = "ASGI_TESTKIT_REPLACE"
INI = "asgi_testkit_replace"
FRESH_LOOP = "asgi_testkit_fresh_loop"

#: The setting for transcripts, and its values.
TRANSCRIPT = "asgi_transcript"
TRANSCRIPTS = ("off", "failed", "all")

#: What a report has the conversations of its test as.
CONVERSATIONS = "asgi_testkit_conversations"

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


class Run:
    """One run of pytest with the names replaced.

    Attributes:
        missed: The full names under which modules hold what they had taken before it was replaced.
    """

    def __init__(self) -> None:
        REPLACEMENT.start()
        self._fresh_loop = REPLACEMENT.fresh_loop
        self._before = COUNTER.copy()
        self._elsewhere: Counter[str] = Counter()
        self.missed: list[str] = list(REPLACEMENT.missed())

    def add(self, counted: dict[str, int]) -> None:
        """Add what was counted in another process."""
        self._elsewhere.update(counted)

    def counted(self) -> Counter[str]:
        """Return what has run on ours, and how often what is left alone was asked for, by its full name."""
        return COUNTER - self._before + self._elsewhere

    def too_late(self) -> list[str]:
        """Say what could not be replaced, in a line or in none."""
        line = (
            f"asgi-testkit came too late for {', '.join(self.missed)}: another plugin had imported it. "
            f"`{VARIABLE}=1 pytest -p asgi_testkit` comes before other plugins."
        )
        return [line] if self.missed else []

    def end(self) -> None:
        """Put back what was replaced."""
        REPLACEMENT.fresh_loop = self._fresh_loop
        REPLACEMENT.stop()


class Transcripts:
    """Keeps what the current test's clients and its app say to each other.

    Nothing of this package is imported for that. Where a test has not brought it, there is nothing to keep.
    """

    def __init__(self, wanted: str) -> None:
        """Take what is wanted: ``"off"``, ``"failed"`` or ``"all"``."""
        self.wanted = wanted
        self._recorder: Any = None
        self._shown = 0

    @contextmanager
    def of_a_test(self) -> Iterator[None]:
        """Keep what begins in this block."""
        observer: Any = sys.modules.get("asgi_testkit._conversation.observer")
        if observer is None or self.wanted == "off":
            yield
            return
        if self._recorder is None:
            from ._record.recorder import Recorder

            self._recorder = Recorder()
        self._recorder.records.clear()
        self._shown = 0
        before = observer.current
        observer.current = observer.together(self._recorder, before)
        try:
            yield
        finally:
            observer.current = before

    def add_to(self, report: pytest.TestReport) -> None:
        """Add what no report of this test has shown yet, if that is wanted."""
        if self._recorder is None or not self._recorder.records or not (report.failed or self.wanted == "all"):
            return
        from ._record.transcript import transcript

        text = transcript(self._recorder, leave_out=self._shown)
        self._shown = len(self._recorder.records)
        if text:
            report.sections.append((f"asgi-testkit transcript {report.when}", text))

    def hand_in(self, report: pytest.TestReport) -> None:
        """Put all that was kept in this test on its last report, which pytest-xdist takes to the controller."""
        if self._recorder is not None and report.when == "teardown":
            from ._record.as_json import conversations

            setattr(report, CONVERSATIONS, conversations(self._recorder))


class ConversationsFile:
    """A file for the conversations of all tests, as the reports bring them."""

    def __init__(self, option: str, path: str) -> None:
        """Empty the file; `option` is what asked for it.

        Raises:
            pytest.UsageError: It cannot be written.
        """
        try:
            self._file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - it is closed with the configuration
        except OSError as error:
            msg = f"{option}: {error}"
            raise pytest.UsageError(msg) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class HARFile(ConversationsFile):
    """Writes them as HAR, with a page for each test."""

    def __init__(self, option: str, path: str) -> None:
        super().__init__(option, path)
        self._pages: dict[str, list[Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what the last report of a test brings."""
        if report.when == "teardown":
            self._pages[report.nodeid] = getattr(report, CONVERSATIONS, [])

    def close(self) -> None:
        """Write the file, and close it."""
        from ._record.har import har

        json.dump(har(self._pages), self._file, indent=1)
        super().close()


class JSONLinesFile(ConversationsFile):
    """Writes them as they come, a line of JSON for each."""

    def __init__(self, option: str, path: str) -> None:
        super().__init__(option, path)
        self._failed: set[str] = set()
        self._skipped: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a phase went; write, after the last one."""
        if report.failed:
            self._failed.add(report.nodeid)
        if report.skipped:
            self._skipped.add(report.nodeid)
        if report.when == "teardown":
            failed, skipped = report.nodeid in self._failed, report.nodeid in self._skipped
            outcome = "failed" if failed else "skipped" if skipped else "passed"
            for conversation in getattr(report, CONVERSATIONS, ()):
                line = {"test": report.nodeid, "outcome": outcome, **conversation}
                self._file.write(f"{json.dumps(line)}\n")
            self._file.flush()


#: What writes the files that are asked for by these options.
FILES: dict[str, type[ConversationsFile]] = {"--asgi-transcript-json": JSONLinesFile, "--asgi-har": HARFile}

RUN = pytest.StashKey[Run]()
KEPT = pytest.StashKey[Transcripts]()

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


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Begin before a conftest, or a test module, is imported."""
    known = parser.parse_known_args(args, namespace=copy(early_config.option))  # workers get options, and no arguments
    begin(early_config, flag=known.asgi_testkit)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin now where a conftest brought the plugin: before test modules are imported."""
    begin(config, flag=config.option.asgi_testkit)
    wanted = config.option.asgi_transcript or config.getini(TRANSCRIPT)
    if wanted not in TRANSCRIPTS:
        msg = f"{TRANSCRIPT} is one of {', '.join(TRANSCRIPTS)}, not {wanted!r}"
        raise pytest.UsageError(msg)
    config.stash[KEPT] = Transcripts(wanted)
    for option, kind in FILES.items():
        path = config.getoption(option)
        if path is not None and not hasattr(config, "workerinput"):  # the controller writes for all of its workers
            file = kind(option, path)
            config.pluginmanager.register(file)
            config.add_cleanup(file.close)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep what is said in a test, its fixtures included."""
    with item.config.stash[KEPT].of_a_test():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the transcript to the report of a failure."""
    report = yield
    kept = item.config.stash[KEPT]
    kept.add_to(report)
    if any(item.config.getoption(option) is not None for option in FILES):
        kept.hand_in(report)
    return report


def begin(config: pytest.Config, *, flag: bool) -> None:
    """Begin a run if one is wanted and none has begun. It ends with the configuration."""
    if RUN not in config.stash and (flag or config.getini(INI) or wanted_by_environment()):
        run = config.stash[RUN] = EARLY_RUNS.pop() if EARLY_RUNS else Run()
        config.add_cleanup(run.end)
        REPLACEMENT.fresh_loop = config.getini(FRESH_LOOP)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is replaced, what is left alone, and what could not be replaced."""
    if RUN not in config.stash:
        return []
    return [
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
