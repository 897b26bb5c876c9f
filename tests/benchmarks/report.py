"""What a benchmark has to tell, as an aligned table and as JSON."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

PEERS = ("httpx", "anyio", "starlette", "async-asgi-testclient", "asgi-lifespan", "asgiref", "httpx-ws")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A figure beside its bar."""

    figure: str
    value: float
    bar: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def cells(self) -> tuple[str, ...]:
        sign = "≥" if self.at_least else "≤"
        return self.figure, _number(self.value), f"{sign} {_number(self.bar)}", "met" if self.met else "NOT MET"


@dataclasses.dataclass(frozen=True)
class Row:
    """A contestant's figure. `ratio` is how many times that of the case's baseline it is, the baseline being 1."""

    contestant: str
    value: float
    ratio: float | None = None

    def cells(self) -> tuple[str, ...]:
        return self.contestant, _number(self.value), "" if self.ratio is None else f"{_number(self.ratio)} x"


@dataclasses.dataclass(frozen=True)
class Section:
    """What one case has shown."""

    case: str
    unit: str
    how: str
    rows: Sequence[Row]
    verdicts: Sequence[Verdict] = ()

    def text(self) -> str:
        lines = [f"{self.case}  [{self.unit}; {self.how}]", *_aligned(row.cells() for row in self.rows)]
        lines += [f"    {verdict}" for verdict in _aligned(verdict.cells() for verdict in self.verdicts)]
        return "\n".join(lines)


def bars(sections: Iterable[Section]) -> str:
    """Return all bars as one table."""
    verdicts = [(section, verdict) for section in sections for verdict in section.verdicts]
    lines = _aligned((section.case, *verdict.cells()) for section, verdict in verdicts)
    missed = sum(not verdict.met for _, verdict in verdicts)
    return "\n".join([f"All bars: {len(verdicts) - missed} met, {missed} not met", *lines])


def as_json(sections: Iterable[Section]) -> str:
    """Return everything, with the versions that it was measured with, as JSON."""
    return json.dumps({"environment": environment(), "sections": [_as_dict(section) for section in sections]}, indent=2)


def environment() -> dict[str, str]:
    """Return what the figures depend on."""
    system = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    return system | {name: version(name) for name in PEERS}


def _as_dict(section: Section) -> dict[str, Any]:
    result = dataclasses.asdict(section)
    for verdict, written in zip(section.verdicts, result["verdicts"], strict=True):
        written["met"] = verdict.met
    return result


def _number(value: float) -> str:
    """Return `value` with three significant digits or, above 100, as a whole number."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _aligned(table: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table whose numbers, in the inner columns, are aligned to the right."""
    rows = list(table)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if cell[:1].isdigit() or cell[:1] in "-≤≥" else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ]
        yield "  " + "  ".join(cells).rstrip()
