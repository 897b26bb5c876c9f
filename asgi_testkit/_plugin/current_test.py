"""Keeps what is said in the test that runs, for its report, and what it leaves open."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .._conversation import draws, observer
from .._protocol.faults import Chaos
from .._record.as_json import conversations
from .._record.recorder import BODY_KEPT, WHOLE_BODY, Recorder
from .._record.transcript import transcript
from .leaks import Leaks

#: What a report has the conversations of its test as.
CONVERSATIONS = "asgi_testkit_conversations"


class CurrentTest:
    """What the plugin knows of the test that runs. What is said belongs to the test in which it began.

    Attributes:
        leaks: What it has left open.
    """

    def __init__(self, wanted: str, *, for_files: bool, whole: bool = False, seed: int | None = None) -> None:
        """Prepare for the first test.

        Args:
            wanted: Whose transcripts are shown: ``"off"``, ``"failed"`` or ``"all"``.
            for_files: Whether the conversations are written into files.
            whole: Whether one of these has whole bodies.
            seed: What faults are drawn by, for all clients that are not told otherwise; None for no faults.
        """
        self._chaos = None if seed is None else Chaos(seed)
        self._name = ""
        self.leaks: Leaks = Leaks()
        self._wanted = wanted
        self._for_files = for_files
        body_kept = WHOLE_BODY if whole else BODY_KEPT
        self._recorder = Recorder(body_kept=body_kept) if for_files or wanted != "off" else None
        self._shown = 0

    @contextmanager
    def running(self, test: str) -> Iterator[None]:
        """Keep what begins in this block, in which a test runs; that is its node id."""
        self._name = test
        self.leaks.forget()
        if self._recorder is not None:
            self._recorder.forget()
        self._shown = 0
        before = observer.current, draws.suite.test
        observer.current = observer.together(self.leaks, self._recorder, before[0])
        draws.suite.test = draws.Draws(self._name, self._chaos)
        try:
            yield
        finally:
            observer.current, draws.suite.test = before

    def add_to(self, report: pytest.TestReport) -> None:
        """Add to a report what no other of the test has, as far as it is wanted."""
        if self._chaos is not None and report.failed:
            again = shlex.join(["pytest", f"--asgi-chaos={self._chaos.seed}", self._name])
            report.sections.append(("asgi-testkit chaos", f"The same faults once more: {again}"))
        if self._recorder is None:
            return
        if self._for_files and report.when == "teardown":  # pytest-xdist takes it to the controller
            setattr(report, CONVERSATIONS, conversations(self._recorder))
        if self._wanted == "all" or (self._wanted == "failed" and report.failed):
            text = transcript(self._recorder, leave_out=self._shown)
            self._shown = len(self._recorder.records)
            if text:
                report.sections.append((f"asgi-testkit transcript {report.when}", text))
