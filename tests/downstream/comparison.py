"""What the runs of one project say, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import median

from .differences import Difference, known, outdated
from .project import Project
from .run import Run


@dataclass
class Comparison:
    """The runs of one project: natively and with ours, in turns.

    Attributes:
        timed: Whether the runs' times are to be told: they are worth nothing with several workers.
    """

    project: Project
    natively: list[Run]
    ours: list[Run]
    timed: bool

    @cached_property
    def counted(self) -> set[str]:
        """The tests that pass natively, each time: one that is flaky by itself says nothing of us."""
        return set.intersection(*(run.passed for run in self.natively))

    @cached_property
    def flaky(self) -> set[str]:
        """The tests that pass natively, but not each time. Those with other node ids in each run are not among them."""
        ran = set(self.natively[0].tests).intersection(*(run.tests for run in self.natively))
        return ran & set.union(*(run.passed for run in self.natively)) - self.counted

    @cached_property
    def failed(self) -> set[str]:
        return {node for run in self.natively for node, test in run.tests.items() if test.outcome == "failed"}

    @cached_property
    def differing(self) -> list[str]:
        """The counted tests that do not pass with ours each time."""
        return sorted(node for node in self.counted if not all(node in run.passed for run in self.ours))

    @cached_property
    def unknown(self) -> list[str]:
        return [node for node in self.differing if known(self.project.key, node) is None]

    @cached_property
    def outdated(self) -> list[Difference]:
        return outdated(self.project.key, self.counted, self.differing)

    @property
    def passed(self) -> int:
        return len(self.counted) - len(self.differing)

    @property
    def proven(self) -> bool:
        return bool(self.counted) and not self.unknown and not self.outdated

    def error(self, node: str) -> str:
        """Return what became of a test with ours, the first time that it did not pass."""
        for run in self.ours:
            if node not in run.tests:
                return "it did not run"
            if not run.tests[node].passed:
                return run.tests[node].error or run.tests[node].outcome
        return ""

    def times(self, *, client: bool) -> tuple[float, float]:
        """Return the medians of the runs' seconds, natively and with ours: all of them, or those inside client calls.

        For the latter, the tests that pass on both sides count, in all of their phases.
        """
        both = self.counted - set(self.differing)
        natively = [run.client(both) if client else run.seconds for run in self.natively]
        ours = [run.client(both) if client else run.seconds for run in self.ours]
        return median(natively), median(ours)

    def ratio(self) -> float | None:
        """Return how many times faster ours is inside client calls: the median of the rounds' ratios."""
        both = self.counted - set(self.differing)
        pairs = list(zip(self.natively, self.ours, strict=False))
        if not all(ours.client(both) for _, ours in pairs):
            return None
        return median(native.client(both) / ours.client(both) for native, ours in pairs)
