"""The table, what lies behind it, and the same as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .comparison import Comparison
from .differences import known

HEADINGS = ("", "passed natively", "and with ours", "differ", "not known")
TIMED = ("natively, s", "with ours, s", "in clients natively, s", "with ours, s", "ratio")


def table(comparisons: Sequence[Comparison]) -> str:
    timed = any(each.timed for each in comparisons)
    rows = [HEADINGS + TIMED if timed else HEADINGS, *(cells(each, timed=timed) for each in comparisons)]
    return "\n".join(aligned(rows))


def cells(comparison: Comparison, *, timed: bool) -> tuple[str, ...]:
    counts = (len(comparison.counted), comparison.passed, len(comparison.differing), len(comparison.unknown))
    row = (comparison.project.key, *map(str, counts))
    if not timed:
        return row
    if not comparison.timed:
        return row + ("",) * len(TIMED)
    seconds = (*comparison.times(client=False), *comparison.times(client=True))
    ratio = comparison.ratio()
    return *row, *(f"{value:.2f}" for value in seconds), "" if ratio is None else f"{ratio:.2f}"


def details(comparison: Comparison) -> str:
    """Tell each test that differs, with its reason or its error; and what is left out of the count."""
    lines = [comparison.project.key]
    for node in comparison.differing if comparison.passed else ():
        why = known(comparison.project.key, node)
        lines.append(f"  {'known  ' if why else 'DIFFERS'} {node}")
        lines.append(f"            {why.reason if why else comparison.error(node)}")
    lines += [f"  no longer differs: {each.test}" for each in comparison.outdated]
    lines += [f"  fails natively: {node}" for node in sorted(comparison.failed)]
    lines += [f"  flaky natively: {node}" for node in sorted(comparison.flaky)]
    if not comparison.counted:
        lines.append("  no test has passed natively; the end of what pytest said:")
        lines += [f"    {line}" for line in comparison.natively[0].said.splitlines()]
    elif not comparison.passed:
        lines.append("  no test has passed with ours; the end of what pytest said:")
        lines += [f"    {line}" for line in comparison.ours[0].said.splitlines()]
    return "\n".join(lines)


def methods(comparison: Comparison) -> str:
    """Tell in which methods of its clients the tests have spent their time, in the first run of either side."""
    native, ours = comparison.natively[0].methods, comparison.ours[0].methods
    rows: list[tuple[str, ...]] = [("calls by the tests", "natively", "s", "with ours", "s")]
    for name in sorted(native, key=lambda name: -native[name][1]):
        sides = [side.get(name, (0, 0.0)) for side in (native, ours)]
        rows.append((name, *(cell for count, seconds in sides for cell in (str(count), f"{seconds:.3f}"))))
    return "\n".join(aligned(rows)) if native else ""


def as_json(comparisons: Iterable[Comparison]) -> str:
    return json.dumps({"python": platform.python_version(), "projects": list(map(as_dict, comparisons))}, indent=2)


def as_dict(comparison: Comparison) -> dict[str, Any]:
    sides = {"natively": comparison.natively, "ours": comparison.ours}
    both = comparison.counted - set(comparison.differing)
    return {
        "project": comparison.project.key,
        "counted": len(comparison.counted),
        "passed": comparison.passed,
        "differing": {node: comparison.error(node) for node in comparison.differing},
        "unknown": comparison.unknown,
        "failed": sorted(comparison.failed),
        "flaky": sorted(comparison.flaky),
        "timed": comparison.timed,
        "seconds": {side: [run.seconds for run in runs] for side, runs in sides.items()},
        "client": {side: [run.client(both) for run in runs] for side, runs in sides.items()},
        "ratio": comparison.ratio(),
    }


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        yield "  ".join(
            [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        )
