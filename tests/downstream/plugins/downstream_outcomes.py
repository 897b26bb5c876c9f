"""A pytest plugin that writes down what became of each test.

It is loaded into other projects' runs, so it knows nothing of the harness but the file that the environment names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


class Outcomes:
    """Gathers the reports of a run's phases: a test has passed if none of its phases failed and its call passed."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}
        self.uncollected: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self.tests.setdefault(report.nodeid, {"outcome": "passed", "seconds": 0.0, "client": 0.0, "error": ""})
        test["seconds"] += report.duration
        test["client"] = sum(seconds for name, seconds in report.user_properties if name == "client_seconds")
        if report.outcome != "passed" and test["outcome"] != "failed":
            test["outcome"] = report.outcome
            test["error"] = _reason(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.uncollected[report.nodeid] = _reason(report)

    def write(self, path: Path, methods: dict[str, tuple[int, float]]) -> None:
        written = {"tests": self.tests, "uncollected": self.uncollected, "methods": methods}
        path.write_text(json.dumps(written), encoding="utf-8")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return where and by what it failed, in one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        text = str(report.longrepr).strip().splitlines()
        return text[-1] if text else ""
    lines = crash.message.splitlines() or [""]
    return f"{Path(crash.path).name}:{crash.lineno}: {lines[0]}"


OUTCOMES = pytest.StashKey[Outcomes]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the workers of pytest-xdist send their reports to the one process
        config.stash[OUTCOMES] = Outcomes()
        config.pluginmanager.register(config.stash[OUTCOMES], "downstream-outcomes")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if OUTCOMES in config.stash:
        timer = getattr(config, "downstream_timer", None)
        methods = {} if timer is None else {name: (count, timer.spent[name]) for name, count in timer.calls.items()}
        config.stash[OUTCOMES].write(Path(os.environ["DOWNSTREAM_OUTCOMES"]), methods)
