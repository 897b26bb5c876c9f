"""How long a suite takes, by the scope of its lifespan and the number of workers.

``python -m tests.benchmarks.scopes``, in an environment with the packages of the suite. The numbers of
docs/howto/parallel.md come from here.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.command_line import show

from . import report

SUITE = Path(__file__).with_name("shop")
ROOT = SUITE.parents[2]

ROUNDS = 3
PLUGINS = ("anyio", "xdist", "asgi_testkit.pytest_plugin")
CASES = [(scope, workers) for workers in ("0", "2") for scope in ("function", "session")]


class Took(NamedTuple):
    """Seconds: from the start of pytest to its end, and those that a CPU has worked for it and its workers."""

    wall: float
    cpu: float


def run(scope: str, workers: str) -> Took:
    """Run the suite once."""
    plugins = [part for plugin in PLUGINS for part in ("-p", plugin)]
    options = ("-q", "-p", "no:cacheprovider", "-W", "error", "-n", workers, "-o", f"asgi_lifespan_scope={scope}")
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", *plugins, *options]
    began, worked = time.perf_counter(), cpu()
    done = subprocess.run(command, cwd=SUITE, env=environment, capture_output=True, text=True, check=False)
    took = Took(time.perf_counter() - began, cpu() - worked)
    if done.returncode or "200 passed" not in done.stdout:
        sys.exit(done.stdout + done.stderr)
    return took


def cpu() -> float:
    """Return the seconds of CPU that programs have taken which this one has started, and which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run each case in turns, and tell the seconds of each run."""
    show(", ".join(f"{name} {value}" for name, value in report.environment().items()))
    times: dict[tuple[str, str], list[Took]] = {case: [] for case in CASES}
    for _ in range(ROUNDS):
        for case in CASES:
            times[case].append(run(*case))
    for (scope, workers), taken in times.items():
        shown = ", ".join(f"{took.wall:.1f} ({took.cpu:.1f} of CPU)" for took in taken)
        show(f"-n {workers}, {scope}: {shown}")


if __name__ == "__main__":
    main()
