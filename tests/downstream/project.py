"""A released project whose own tests are to pass on our clients, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Project:
    """One release, and how its tests are run.

    Attributes:
        name: As on the package index.
        version: The release, whose sdist holds the tests.
        requires: What the tests need besides the project itself: requirements, with spaces between them, not in them.
        extras: Of the project itself, in brackets.
        groups: Dependency groups of its ``pyproject.toml`` that the tests need, too.
        tests: What pytest is to collect: paths below the sdist's root.
        sliced: The fast part of `tests`, for ``--slice``. Empty: the project is not in the slice.
        arguments: More of pytest's own, natively and with ours alike.
        parallel: Whether its tests can be spread over processes, where no time is taken.
        supplies: What the sdist leaves out: paths below its root, and what is to stand there.
    """

    name: str
    version: str
    requires: str
    extras: str = ""
    groups: tuple[str, ...] = ()
    tests: str = "tests"
    sliced: str = ""
    arguments: tuple[str, ...] = ()
    parallel: bool = False
    supplies: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.name}-{self.version}"

    @property
    def release(self) -> str:
        return f"{self.name}=={self.version}"

    @property
    def requirements(self) -> tuple[str, ...]:
        return f"{self.name}{self.extras}=={self.version}", *self.requires.split()
