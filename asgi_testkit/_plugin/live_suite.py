"""LiveSuite: has the clients of a whole suite go to a real server, and says how much did, and what did not."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, get_args

import pytest

from .._live import run
from .._live.servers import server_of
from .._types import ServerName

#: What a worker of pytest-xdist hands its numbers in as.
NUMBERS = "asgi_testkit_live"


class LiveSuite:
    """A run of pytest on a server, and the hooks that it takes; `end` ends it."""

    def __init__(self, server: str) -> None:
        """Begin.

        Raises:
            pytest.UsageError: There is no such server, or it is not installed.
        """
        names = get_args(ServerName)
        if server not in names:
            msg = f"asgi_live is one of {', '.join(names)} or off, not {server!r}"
            raise pytest.UsageError(msg)
        try:
            self._release = server_of(server, context=None, http2=False).name
        except ModuleNotFoundError as error:
            msg = f"asgi_live: {error}"
            raise pytest.UsageError(msg) from None
        self._before = run.current
        self._run = run.current = run.LiveRun(server)

    def end(self) -> None:
        """End the run."""
        run.current = self._before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Keep what is made in a test in-process if its marker says so."""
        self._run.paused = _kept_by_marker(item)
        try:
            return (yield)
        finally:
            self._run.paused = ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, request: pytest.FixtureRequest) -> Generator[None, object, object]:
        """Have a fixture that is made for other tests as well make what it makes for those."""
        paused = self._run.paused
        if request.scope != "function":
            self._run.paused = ""
        try:
            return (yield)
        finally:
            self._run.paused = paused

    def pytest_report_header(self) -> str:
        """Say which server it is."""
        return f"asgi-testkit: apps run on {self._release}"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Have a worker of pytest-xdist hand in its numbers."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[NUMBERS] = [self._run.requests, dict(self._run.in_process)]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the numbers of a worker. One that crashed has none."""
        requests, in_process = getattr(node, "workeroutput", {}).get(NUMBERS, (0, {}))
        self._run.requests += requests
        self._run.in_process.update(in_process)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what went over the wire, and what did not, and why."""
        count, kept = self._run.requests, self._run.in_process
        told = f"asgi-testkit: {count or 'no'} request{'s' * (count != 1)} over the wire, on {self._release}"
        if kept:
            told += f"; in-process: {', '.join(f'{number} {why}' for why, number in kept.most_common())}"
        terminalreporter.write_line(told)


def _kept_by_marker(item: pytest.Item) -> str:
    """Say why a test stays in-process; "" if no marker of it says that it does."""
    for marker in item.iter_markers("asgi"):  # the closest first
        if "live" in marker.kwargs:
            if marker.kwargs["live"] is not False:
                return ""
            reason = marker.kwargs.get("reason")
            return f"by marker ({reason})" if reason else "by marker"
    return ""
