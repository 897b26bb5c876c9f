"""The command: ``python -m tests.benchmarks``; ``--help`` lists its options."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.command_line import matches, positive, show

from . import awaited, blocking, hosts, imports, leaks, live, memory, report, transcripts, websocket
from .rounds import Case, Settings

CASES: list[Case] = [
    *awaited.CASES,
    *blocking.CASES,
    *websocket.CASES,
    *imports.CASES,
    *memory.CASES,
    *leaks.CASES,
    *transcripts.CASES,
    *live.CASES,
    *hosts.CASES,
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases. Return 1 if one of the bars is not met."""
    options = parser().parse_args(arguments)
    cases = chosen(options.only)
    if options.list or not cases:
        show("\n".join(case.name for case in cases) or f"no case matches {options.only}")
        return 0 if cases else 2
    began = time.perf_counter()
    if getattr(options, "one_cpu", False):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    settings = Settings(rounds=options.rounds, uvloop=options.uvloop, collect=options.gc)
    show(", ".join(f"{name} {value}" for name, value in report.environment().items()))
    sections = []
    for case in cases:
        sections.append(case.run(settings))
        show(f"\n{sections[-1].text()}")
    show(f"\n{report.bars(sections)}\n\n{time.perf_counter() - began:.0f} seconds")
    if options.json is not None:
        options.json.write_text(report.as_json(sections), encoding="utf-8")
    return int(not all(verdict.met for section in sections for verdict in section.verdicts))


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="Measure side by side with other clients; 1 if a bar is not met."
    )
    result.add_argument(
        "--only", action="append", metavar="PATTERN", help="run the cases with this in their name; a glob, too"
    )
    result.add_argument("--rounds", type=positive, metavar="N", help="rounds, in place of each case's own number")
    result.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    result.add_argument("--uvloop", action="store_true", help="run on uvloop")
    if hasattr(os, "sched_setaffinity"):
        result.add_argument("--one-cpu", action="store_true", help="stay on one CPU: threads need not wake another")
    result.add_argument("--gc", action="store_true", help="let the garbage collector run while time is taken")
    result.add_argument("--list", action="store_true", help="name the cases")
    return result


def chosen(patterns: list[str] | None) -> list[Case]:
    """Return the cases that a pattern matches, as a whole or in part; all of them if there is no pattern."""
    if patterns is None:
        return CASES
    return [case for case in CASES if matches(case.name, patterns)]


if __name__ == "__main__":
    sys.exit(main())
