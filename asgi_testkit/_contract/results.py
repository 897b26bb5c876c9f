"""Results: what a run has exercised, and where apps and their documents differ. Those of several processes add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from .document import Document, Operation
from .finding import Finding, Kind, Sighting

#: The version of the form of `as_json`. It becomes another one when what there is changes, and not when there is more.
SCHEMA = 1

#: What an operation was exercised by where the app raised, or sent nothing.
FAILED = "failed"


class Results:
    """What is known so far.

    Attributes:
        documented: By the title of a document, and by the name of an operation: its statuses, with their media types.
        exercised: The same of what was exercised, with how often.
        findings: Where they differ, and where that is to be seen.
        counts: How many exchanges there were of which sort; see `report`.
        troubles: What could not be judged, and how often.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.documented: dict[str, dict[str, dict[str, list[str]]]] = {}
        self.exercised: dict[str, dict[str, Counter[str]]] = {}
        self.findings: dict[Finding, Sighting] = {}
        self.counts: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()

    def add_document(self, document: Document) -> None:
        """Note what there is to exercise."""
        known = self.documented.setdefault(document.title, {})
        for operation in document.all_operations():
            _join(known.setdefault(operation.name, {}), operation.documented())

    def add_exercise(self, operation: Operation, told: str) -> None:
        """Note that an operation was exercised, and by which response: its status, and its media type."""
        of_document = self.exercised.setdefault(operation.document.title, {})
        of_document.setdefault(operation.name, Counter())[told] += 1

    def add_finding(self, finding: Finding, sighting: Sighting) -> None:
        """Note a difference."""
        if finding in self.findings:
            self.findings[finding].add(sighting)
        else:
            self.findings[finding] = sighting

    def never(self) -> dict[str, list[str]]:
        """Return the operations that were never exercised, by the titles of the documents."""
        missed = {
            title: [name for name in known if name not in self.exercised.get(title, {})]
            for title, known in self.documented.items()
        }
        return {title: sorted(names) for title, names in missed.items() if names}

    def missing(self, title: str, name: str) -> list[str]:
        """Return the statuses, and media types, that an operation has and that were never seen."""
        seen = [each for each in self.exercised.get(title, {}).get(name, ()) if each != FAILED]
        missing = []
        for status, types in self.documented[title][name].items():
            told = [each for each in seen if _is_of(each.split()[0], status, self.documented[title][name])]
            if not told:
                missing.append(status)
            elif len(types) > 1:
                missing += [f"{status} {each}" for each in types if not any(one.endswith(f" {each}") for one in told)]
        return missing

    def sorted_findings(self) -> list[tuple[Finding, Sighting]]:
        """Return the findings, in order."""
        return sorted(self.findings.items(), key=lambda pair: pair[0].order)

    def as_json(self) -> dict[str, Any]:
        """Return all of it for ``json.dump``."""
        return {
            "schema": SCHEMA,
            "counts": dict(sorted(self.counts.items())),
            "documents": {
                title: {
                    name: {
                        "documented": statuses,
                        "exercised": dict(sorted(self.exercised.get(title, {}).get(name, {}).items())),
                    }
                    for name, statuses in sorted(known.items())
                }
                for title, known in sorted(self.documented.items())
            },
            "findings": [
                {**asdict(finding), "kind": finding.kind.value, **asdict(sighting), "advice": finding.advice}
                for finding, sighting in self.sorted_findings()
            ],
            "troubles": dict(sorted(self.troubles.items())),
        }

    def add(self, told: Mapping[str, Any]) -> None:
        """Add what another process tells by `as_json`."""
        self.counts.update(told["counts"])
        self.troubles.update(told["troubles"])
        for title, known in told["documents"].items():
            for name, each in known.items():
                _join(self.documented.setdefault(title, {}).setdefault(name, {}), each["documented"])
                if each["exercised"]:
                    self.exercised.setdefault(title, {}).setdefault(name, Counter()).update(each["exercised"])
        for each in told["findings"]:
            self.add_finding(finding_of(each), Sighting(each["test"], each["shown"], each["count"]))


def finding_of(told: Mapping[str, Any]) -> Finding:
    """Return a finding out of JSON.

    Raises:
        LookupError: Something is missing.
        ValueError: There is no such kind.
    """
    fields = (str(told[name]) for name in ("document", "operation", "where", "path", "what"))
    return Finding(Kind(told["kind"]), *fields)


def _join(known: dict[str, list[str]], more: Mapping[str, Iterable[str]]) -> None:
    for status, types in more.items():
        known[status] = sorted({*known.get(status, ()), *types})


def _is_of(status: str, documented: str, all_documented: Iterable[str]) -> bool:
    """Whether a response with a status is one of those that a document speaks of by `documented`."""
    known = {each.upper(): each for each in all_documented}
    return known.get(status, known.get(f"{status[0]}XX", known.get("DEFAULT"))) == documented
