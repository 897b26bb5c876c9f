"""One run of a project's tests, natively or with ours, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .workshop import Workshop

PLUGINS = Path(__file__).parent / "plugins"

# The plugin that has the flag is kept out of native runs: these are what they were before we were installed.
OURS = ("--asgi-testkit",)
NATIVELY = ("-p", "no:asgi_testkit")


@dataclass(frozen=True)
class Outcome:
    """What became of a test.

    Attributes:
        outcome: What pytest calls it.
        seconds: What all of its phases took.
        client: Those seconds of them that went by inside a client.
        error: By what it failed, and where.
    """

    outcome: str
    seconds: float
    client: float
    error: str

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


@dataclass(frozen=True)
class Run:
    """What became of all tests.

    Attributes:
        tests: By node id.
        methods: How often each method of a client was called by a test, and for how many seconds in all.
        seconds: From the start of the process to its end.
        said: The end of what pytest said, for a run that came to nothing.
    """

    tests: dict[str, Outcome]
    methods: dict[str, tuple[int, float]]
    seconds: float
    said: str

    @cached_property
    def passed(self) -> set[str]:
        return {node for node, test in self.tests.items() if test.passed}

    def client(self, nodes: set[str]) -> float:
        return sum(test.client for node, test in self.tests.items() if node in nodes)


def run(workshop: Workshop, tests: Sequence[str], options: Sequence[str], log: Path, *, ours: bool) -> Run:
    """Run `tests`, and wait. What pytest says is written to `log`."""
    outcomes = log.with_suffix(".json")
    outcomes.unlink(missing_ok=True)
    words = [
        *(str(workshop.python), "-m", "pytest", "-p", "downstream_timer", "-p", "downstream_outcomes"),
        *("-p", "no:cacheprovider", *workshop.project.arguments),
        *(OURS if ours else NATIVELY),
        *options,
        *tests,
    ]
    # What this harness runs under is no business of the project's.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COVERAGE", "NOX"))
    }
    environment |= {"PYTHONPATH": str(PLUGINS), "DOWNSTREAM_OUTCOMES": str(outcomes)}
    began = time.perf_counter()
    with log.open("w", encoding="utf-8") as output:
        output.write(f"{' '.join(words)}\n\n")
        output.flush()
        subprocess.run(words, cwd=workshop.tree, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    seconds = time.perf_counter() - began
    with log.open(encoding="utf-8") as output:
        said = "".join(deque(output, 15))
    if not outcomes.exists():
        return Run({}, {}, seconds, said)
    written = json.loads(outcomes.read_text(encoding="utf-8"))
    became = {node: Outcome(**test) for node, test in written["tests"].items()}
    return Run(became, written["methods"], seconds, said)
