"""The results of a run as text, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from .baseline import Baseline
from .finding import Finding, Kind, Sighting
from .results import Results

#: How the findings are told, and in this order.
_SECTIONS = {
    "Responses that are not what the document says": (Kind.CONTENT_TYPE, Kind.SCHEMA),
    "Requests that the app accepted, and the document does not allow": (Kind.PARAMETER, Kind.REQUEST),
    "Statuses that the document does not have": (Kind.STATUS,),
}

#: What counts are called, in this order.
_COUNTS = (
    "judged",
    "of no operation",
    "without a document",
    "failed",
    "with a body that was not judged",
)

#: How many lines a list of what was never exercised has in the text; the files have all of them.
_LONGEST_LIST = 20

#: What FastAPI documents by itself for each operation that has parameters.
_AUTOMATIC = "422"


def summary(results: Results) -> list[str]:
    """Return how much was exercised, and judged: a line for each document, and one for the exchanges."""
    lines = []
    for title, known in sorted(results.documented.items()):
        exercised = sum(name in results.exercised.get(title, {}) for name in known)
        lines.append(f"{title}: {exercised} of {len(known)} operations exercised")
    counted = [f"{results.counts[name]} {name}" for name in _COUNTS if results.counts[name]]
    return [*lines, f"exchanges: {', '.join(counted) or 'none'}"]


def text(results: Results, baseline: Baseline) -> list[str]:
    """Return the lines of a report."""
    lines = summary(results)
    new = [(finding, sighting) for finding, sighting in results.sorted_findings() if finding not in baseline]
    for section, kinds in _SECTIONS.items():
        found = [(finding, sighting) for finding, sighting in new if finding.kind in kinds]
        if found:
            lines += ["", f"{section}: {len(found)}"]
            lines += [line for finding, sighting in found for line in _told(finding, sighting)]
    lines += baseline.told(results)
    never = [f"{name}  ({title})" for title, names in results.never().items() for name in names]
    lines += _listed("Operations that were never exercised", never)
    lines += _listed("Statuses and types that were never seen, of operations that were exercised", [*_missing(results)])
    lines += _listed("What could not be judged", [_times(each, number) for each, number in results.troubles.items()])
    return lines


def _told(finding: Finding, sighting: Sighting) -> Iterator[str]:
    yield f"  {finding.operation}  {headline(finding, sighting)}"
    yield f"      seen in {_times(sighting.test or 'no test', sighting.count)}; {finding.advice}"


def headline(finding: Finding, sighting: Sighting) -> str:
    """Return what differs, and where, in one line."""
    where = " ".join(part for part in (finding.where, finding.path) if part)
    return f"{where}{' = ' * bool(sighting.shown)}{sighting.shown}: {finding.what}"


def _missing(results: Results) -> Iterator[str]:
    for title, known in sorted(results.documented.items()):
        for name in sorted(known):
            missing = [each for each in results.missing(title, name) if each != _AUTOMATIC]
            if missing and name in results.exercised.get(title, {}):
                yield f"{name}: {', '.join(missing)}  ({title})"


def _listed(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    shown = [f"  {line}" for line in lines[:_LONGEST_LIST]]
    if len(lines) > _LONGEST_LIST:
        shown.append(f"  ... and {len(lines) - _LONGEST_LIST} more")
    return ["", f"{title}: {len(lines)}", *shown]


def _times(what: str, number: int) -> str:
    return what if number == 1 else f"{what} ({number} times)"


def markdown(results: Results, baseline: Baseline) -> str:
    """Return the report as Markdown, with a table of the findings, for a summary of a CI."""
    lines = ["## OpenAPI", "", *(f"* {line}" for line in summary(results)), ""]
    rows = [
        (finding.kind.value, finding.operation, headline(finding, sighting), sighting.test, finding.advice)
        for finding, sighting in results.sorted_findings()
        if finding not in baseline
    ]
    if rows:
        lines += ["| | operation | what differs | seen in | what to change |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(_cell(each) for each in row)} |" for row in rows]
    else:
        lines.append("No differences between the app and its document.")
    known = [f"* {line}" for line in baseline.told(results) if line]
    never = [f"* `{name}` ({title})" for title, names in results.never().items() for name in names]
    if never:
        known += ["", "Operations that were never exercised:", "", *never]
    return "\n".join([*lines, "", *known]).rstrip() + "\n"


def _cell(text: str) -> str:
    for special in "\\|<`*_":
        text = text.replace(special, f"\\{special}")
    return text.replace("\n", " ")
