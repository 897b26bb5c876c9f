"""Keeps what the clients of the current test and its app say to each other, for its report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .._conversation import observer
from .._record.as_json import conversations
from .._record.recorder import Recorder
from .._record.transcript import transcript

#: What a report has the conversations of its test as.
CONVERSATIONS = "asgi_testkit_conversations"


class Transcripts:
    """Keeps what is said in the test that runs. What is said belongs to the test in which it began."""

    def __init__(self, wanted: str) -> None:
        """Take whose transcripts are shown: ``"off"``, ``"failed"`` or ``"all"``."""
        self._wanted = wanted
        self._recorder = Recorder()
        self._shown = 0

    @contextmanager
    def of_a_test(self) -> Iterator[None]:
        """Keep what begins in this block."""
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
        if not self._recorder.records or not (self._wanted == "all" or (self._wanted == "failed" and report.failed)):
            return
        text = transcript(self._recorder, leave_out=self._shown)
        self._shown = len(self._recorder.records)
        if text:
            report.sections.append((f"asgi-testkit transcript {report.when}", text))

    def hand_in(self, report: pytest.TestReport) -> None:
        """Put all that was kept in this test on its last report, which pytest-xdist takes to the controller."""
        if report.when == "teardown":
            setattr(report, CONVERSATIONS, conversations(self._recorder))
