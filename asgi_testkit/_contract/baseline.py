"""Baseline: findings that are known already, as an earlier run has written them."""

from __future__ import annotations

import json
from pathlib import Path

from .finding import Finding
from .results import Results, finding_of


class Baseline:
    """What is known."""

    def __init__(self, known: frozenset[Finding] = frozenset()) -> None:
        self._known = known

    @classmethod
    def of(cls, path: Path) -> Baseline:
        """Read a file that `Results.as_json` was written to.

        Raises:
            ValueError: It cannot be read, or is something else.
        """
        try:
            findings = json.loads(path.read_bytes())["findings"]
            return cls(frozenset(finding_of(each) for each in findings))
        except (OSError, ValueError, LookupError, TypeError) as error:
            msg = f"{path} is no baseline: {type(error).__name__}: {error}. A run writes one with --asgi-openapi-json="
            raise ValueError(msg) from None

    def __contains__(self, finding: Finding) -> bool:
        return finding in self._known

    def told(self, results: Results) -> list[str]:
        """Say how much of it was seen again."""
        if not self._known:
            return []
        seen = sum(finding in self._known for finding in results.findings)
        gone = len(self._known) - seen
        return [
            "",
            f"Findings of the baseline: {seen} seen again, and not told" + (f"; {gone} not seen" if gone else ""),
        ]
