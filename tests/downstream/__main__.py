"""The command: ``python -m tests.downstream``; ``--help`` lists its options."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.command_line import matches, positive, show

from . import report, workshop
from .comparison import Comparison
from .project import Project
from .projects import PROJECTS
from .run import Run, run

FOLDER = workshop.ROOT / ".nox" / "downstream-work"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites. Return 1 if one differs in a way that is not known."""
    options = parser().parse_args(arguments)
    projects = chosen(options.projects, sliced=options.slice)
    if options.list or not projects:
        show("\n".join(project.key for project in projects) or f"no project matches {options.projects}")
        return 0 if projects else 2
    began = time.perf_counter()
    folder: Path = options.work.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    ours = workshop.wheel(folder)
    comparisons, missing = [], []
    for project in projects:
        try:
            ready = workshop.prepare(project, folder, ours)
        except subprocess.CalledProcessError as error:
            show(f"{project.key} cannot be had: {error}")
            missing.append(project)
            continue
        comparison = compare(ready, options, folder / project.key)
        comparisons.append(comparison)
        if options.only != "time":
            show(f"\n{report.details(comparison)}")
        if comparison.timed:
            show(f"\n{report.methods(comparison)}")
        show(f"\n{report.table([comparison])}")
    show(f"\n{report.table(comparisons)}\n\n{time.perf_counter() - began:.0f} seconds")
    if options.json is not None:
        options.json.write_text(report.as_json(comparisons), encoding="utf-8")
    return int(bool(missing) or not all(comparison.proven for comparison in comparisons))


def compare(ready: workshop.Workshop, options: argparse.Namespace, logs: Path) -> Comparison:
    """Run a project's tests on each side as often as there are rounds; every other round begins with ours.

    With ``--only compare``, once is enough. Natively they run again if they differ: a flaky test says nothing of ours.
    """
    timed = options.only != "compare"
    tests = (ready.project.sliced if options.slice else ready.project.tests).split()
    words = [] if options.k is None else ["-k", options.k]
    if ready.project.parallel and not timed and options.workers > 1:
        words += ["-n", str(options.workers)]
    runs: dict[str, list[Run]] = {"natively": [], "ours": []}

    def turn(side: str) -> None:
        name = f"{side}-{len(runs[side]) + 1}"
        done = run(ready, tests, words, logs / f"{name}.log", ours=side == "ours")
        show(f"{ready.project.key} {name}: {len(done.passed)} passed, {done.seconds:.1f} s")
        runs[side].append(done)

    for number in range(options.rounds if timed else 1):
        for side in ("natively", "ours") if number % 2 == 0 else ("ours", "natively"):
            turn(side)
    if not timed and Comparison(ready.project, runs["natively"], runs["ours"], timed).unknown:
        turn("natively")
    return Comparison(ready.project, runs["natively"], runs["ours"], timed)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m tests.downstream",
        description="Run other projects' suites natively and with --asgi-testkit; 1 if they differ unexpectedly.",
    )
    result.add_argument("projects", nargs="*", metavar="PROJECT", help="those with this in their name; a glob, too")
    result.add_argument("--slice", action="store_true", help="a fast part of the projects that have one")
    result.add_argument("--rounds", type=positive, default=2, metavar="N", help="runs on each side, in turns (2)")
    result.add_argument(
        "--only", choices=["compare", "time"], help="compare: no times, one round, several workers; time: no details"
    )
    result.add_argument("--workers", type=positive, default=2, metavar="N", help="with --only compare (2)")
    result.add_argument("-k", metavar="EXPRESSION", help="as pytest's")
    result.add_argument("--work", type=Path, default=FOLDER, metavar="FOLDER", help="where everything is put, and kept")
    result.add_argument("--json", type=Path, metavar="FILE", help="write what was found there, too")
    result.add_argument("--list", action="store_true", help="name the projects")
    return result


def chosen(patterns: list[str], *, sliced: bool) -> list[Project]:
    """Return the projects that a pattern matches, as a whole or in part; all of them if there is no pattern."""
    return [
        project
        for project in PROJECTS
        if (project.sliced or not sliced) and (not patterns or matches(project.key, patterns))
    ]


if __name__ == "__main__":
    sys.exit(main())
