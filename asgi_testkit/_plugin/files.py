"""The files that the conversations of all tests are written to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .._record.har import har
from .current_test import CONVERSATIONS


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


#: What writes the file that an option asks for.
FILES: dict[str, type[ConversationsFile]] = {"--asgi-transcript-json": JSONLinesFile, "--asgi-har": HARFile}
