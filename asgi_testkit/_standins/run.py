"""One run of pytest with the names of other test clients replaced."""

from __future__ import annotations

from collections import Counter

from .names import REPLACEMENT
from .tally import COUNTER

#: The environment variable that turns the replacement on, like ``--asgi-testkit``.
VARIABLE = "ASGI_TESTKIT_REPLACE"


class Run:
    """What is replaced, from `__init__` to `end`, and what has run on it.

    Attributes:
        missed: The full names under which modules hold what they had taken before it was replaced.
    """

    def __init__(self) -> None:
        REPLACEMENT.start()
        self._fresh_loop = REPLACEMENT.fresh_loop
        self._before = COUNTER.copy()
        self._elsewhere: Counter[str] = Counter()
        self.missed: list[str] = list(REPLACEMENT.missed())

    def add(self, counted: dict[str, int]) -> None:
        """Add what was counted in another process."""
        self._elsewhere.update(counted)

    def counted(self) -> Counter[str]:
        """Return what has run on ours, and how often what is left alone was asked for, by its full name."""
        return COUNTER - self._before + self._elsewhere

    def too_late(self) -> list[str]:
        """Say what could not be replaced, in a line or in none."""
        line = (
            f"asgi-testkit came too late for {', '.join(self.missed)}: another plugin had imported it. "
            f"`{VARIABLE}=1 pytest -p asgi_testkit` comes before other plugins."
        )
        return [line] if self.missed else []

    def end(self) -> None:
        """Put back what was replaced."""
        REPLACEMENT.fresh_loop = self._fresh_loop
        REPLACEMENT.stop()
