"""What was observed: the file, and what it says of where servers agree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .case import BY_DEFAULT, OURS, SERVERS, Case

FILE = Path(__file__).with_name("observed.json")

#: The worlds, in the order of the file.
WORLDS = (*SERVERS, OURS, BY_DEFAULT)

#: Words in what was seen by which a server shows nothing of a case: neither an answer nor an end, or its own end.
SHOWS_NOTHING = ("hangs", "the server ends")


@dataclass
class Table:
    """What was observed.

    Attributes:
        versions: The versions of each server, and of what it leaves the parsing to.
        seen: What was seen of each case, by its title, in each world that can show it.
        date: When servers were last asked.
        python: By which Python.
    """

    versions: dict[str, dict[str, str]]
    seen: dict[str, dict[str, str]]
    date: str
    python: str

    @classmethod
    def load(cls) -> Table:
        """Read the file."""
        text: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
        seen = {title: ungrouped(groups) for title, groups in text["seen"].items()}
        return cls(text["versions"], seen, text["date"], text["python"])

    def text(self, cases: Iterable[Case]) -> str:
        """Return what is to be in the file: each case in turn, and for all that was seen of it, where it was."""
        seen = {case.title: grouped(self.seen.get(case.title, {})) for case in cases}
        versions = {server: self.versions[server] for server in SERVERS if server in self.versions}
        whole = {"date": self.date, "python": self.python, "versions": versions, "seen": seen}
        return json.dumps(whole, indent=1, ensure_ascii=True) + "\n"

    def consensus(self, title: str) -> str | None:
        """Return what was seen on all servers that show anything of a case; None where they do not agree."""
        seen = self.seen[title]
        shown = {seen[server] for server in SERVERS if server in seen and shows(seen[server])}
        return shown.pop() if len(shown) == 1 else None

    def differences(self) -> dict[str, tuple[str, str]]:
        """Return what servers agree on and what the client does instead, by the title of the case."""
        both = {title: (self.consensus(title), seen[OURS]) for title, seen in self.seen.items()}
        return {title: (theirs, ours) for title, (theirs, ours) in both.items() if theirs not in (None, ours)}


def shows(seen: str) -> bool:
    """Whether a server shows something of a case."""
    return not any(words in seen for words in SHOWS_NOTHING)


def grouped(seen: Mapping[str, str]) -> dict[str, str]:
    """Return the worlds in which each thing was seen, those that come first in the order of the worlds first."""
    groups: dict[str, list[str]] = {}
    for world in WORLDS:
        if world in seen:
            groups.setdefault(seen[world], []).append(world)
    return {what: " ".join(worlds) for what, worlds in groups.items()}


def ungrouped(groups: Mapping[str, str]) -> dict[str, str]:
    """Return what was seen in each world."""
    return {world: what for what, worlds in groups.items() for world in worlds.split()}
