"""The tests that pass natively and do not with ours, and why: each names what the upstream test asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """A difference that is kept.

    Attributes:
        project: The key of the project.
        test: A node id; without brackets, all of its parameters are meant.
        reason: The line upstream, and why ours is not what it asks for.
    """

    project: str
    test: str
    reason: str

    def covers(self, project: str, node: str) -> bool:
        return project == self.project and self.test in {node, node.partition("[")[0]}


DIFFERENCES: list[Difference] = []


def known(project: str, node: str) -> Difference | None:
    """Return why this test may differ; None if it may not."""
    return next((each for each in DIFFERENCES if each.covers(project, node)), None)


def outdated(project: str, ran: Iterable[str], differ: Iterable[str]) -> list[Difference]:
    """Return the entries whose tests have run, natively passed, and do not differ any more."""
    ran, differ = list(ran), list(differ)
    return [
        each
        for each in DIFFERENCES
        if any(each.covers(project, node) for node in ran) and not any(each.covers(project, node) for node in differ)
    ]
