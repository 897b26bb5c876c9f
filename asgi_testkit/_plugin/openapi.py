"""``pytest --asgi-openapi``: the exchanges of a run, held against the OpenAPI document of the app."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from .._contract.baseline import Baseline
from .._contract.document import NoDocumentError
from .._contract.finding import Finding
from .._contract.judge import Judge
from .._contract.listener import Listener
from .._contract.origin import Documents, given
from .._contract.report import markdown, text
from .._contract.results import Results
from .._conversation import observer
from .chaos import node_id_of
from .openapi_options import Asked

#: What a worker of pytest-xdist hands its results in as.
RESULTS = "asgi_testkit_openapi"


class OpenAPI:
    """A run that is held against documents, and the hooks that it takes; `end` ends it."""

    def __init__(self, asked: Asked, folder: Path) -> None:
        """Begin to listen; `folder` is what the settings' paths are relative to.

        Raises:
            pytest.UsageError: The document, or the baseline, cannot be had.
        """
        self._asked = asked
        try:
            document = given(asked.document, folder) if asked.document else None
            self._baseline = Baseline.of(folder / asked.baseline) if asked.baseline else Baseline()
        except (NoDocumentError, ValueError) as error:
            msg = f"asgi_openapi: {error}"
            raise pytest.UsageError(msg) from None
        self._results = Results()
        self._documents = Documents(document)
        self._judge = Judge(self._documents, self._results)
        self._listener = Listener()
        self._before = observer.current
        observer.current = observer.together(self._before, self._listener)

    def end(self) -> None:
        """Listen no longer."""
        observer.current = self._before

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Judge what was said in a test, after its teardown: no loop is kept waiting for that."""
        self._listener.test = node_id_of(item)
        try:
            return (yield)
        finally:
            self._listener.test = ""
            self._judge_all(rest=False)

    def _judge_all(self, *, rest: bool) -> None:
        self._documents.new_round()
        for exchange in self._listener.take_rest() if rest else self._listener.take():
            self._judge.judge(exchange)
        self._results.troubles.update(self._listener.take_troubles())

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Have a worker of pytest-xdist hand in its results; else write the files, and fail if that is wanted."""
        self._judge_all(rest=True)
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[RESULTS] = json.dumps(self._results.as_json())
            return
        self._write_files()
        if self._asked.fails and self._broken() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the results of a worker. One that crashed has none."""
        told = getattr(node, "workeroutput", {}).get(RESULTS)
        if told is None:
            self._results.troubles["what a worker of pytest-xdist has exercised, which has crashed"] += 1
        else:
            self._results.add(json.loads(told))

    def _write_files(self) -> None:
        """Write what is asked for; a file that cannot be written is told in the report."""
        try:
            if self._asked.json:
                Path(self._asked.json).write_text(f"{json.dumps(self._results.as_json(), indent=1)}\n", "utf-8")
            if self._asked.markdown:
                with Path(self._asked.markdown).open("a", encoding="utf-8") as file:
                    file.write(markdown(self._results, self._baseline))
        except OSError as error:
            self._results.troubles[f"a file could not be written: {error}"] += 1

    def _broken(self) -> list[Finding]:
        """Return the findings by which a run fails that is to."""
        return [each for each in self._results.findings if each.kind.breaks_promise and each not in self._baseline]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell the report."""
        terminalreporter.section("asgi-testkit: OpenAPI")
        for line in text(self._results, self._baseline):
            terminalreporter.write_line(line)
        broken = len(self._broken())
        if broken and self._asked.fails:
            told = f"asgi-testkit: the run fails by responses that are not what the document says: {broken}"
            terminalreporter.write_line(told, red=True)
